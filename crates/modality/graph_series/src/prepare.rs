use burn::tensor::{Device, Tensor, TensorData};
use candor_train::Batches;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::body::MovingEdges;
use crate::rules::{limit_of, means_until};
use crate::{Anchor, KnownAhead, Profile, SensorGraph, SeriesUnits};

/// Horizons at which what is usual is part of the context, at most.
const USUAL_AT: usize = 8;
/// Horizons at which what is known ahead is told, at most.
const KNOWN_AT: usize = 24;
/// Waves a period in the context.
const WAVES: usize = 4;
/// Last moments that describe a unit for distances between units, at most.
const DESCRIBED: usize = 24;
/// Spreads beyond which a number that is seen is cut.
const MOST: f32 = 12.0;

/// What a model learns of the training part before it is trained: scales of series, and what they usually are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Steps looked back, the origin's included.
    pub history: usize,
    /// Steps ahead.
    pub horizons: Vec<usize>,
    /// Mean and standard deviation of each series.
    pub scales: Vec<(f32, f32)>,
    /// What the series usually are.
    pub profile: Option<Profile>,
    /// Periods.
    pub periods: Vec<usize>,
    /// Whether readings are missing, and models must see which.
    pub gaps: bool,
    /// What joins the series.
    pub graph: Option<SensorGraph>,
    /// Mean and standard deviation of each column that is known ahead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<(f32, f32)>,
}

impl Preparation {
    /// Fits to the units `train`: on nothing later than the last moment that they predict. `history`: at most that of the units.
    pub fn fit(units: &SeriesUnits, train: &[usize], history: usize) -> Preparation {
        let limit = limit_of(units, train);
        let series = &units.series;
        let means = means_until(units, limit);
        let nodes = units.nodes();
        let mut squares = vec![(0.0f64, 0usize); nodes];
        let mut gaps = false;
        for row in series.values[..limit * nodes].chunks_exact(nodes) {
            for ((value, mean), square) in row.iter().zip(&means).zip(&mut squares) {
                match value.is_finite() {
                    true => *square = (square.0 + f64::from(value - mean).powi(2), square.1 + 1),
                    false => gaps = true,
                }
            }
        }
        let sd = |(sum, count): &(f64, usize)| {
            let sd = (sum / (*count).max(1) as f64).sqrt() as f32;
            if sd > 1e-6 { sd } else { 1.0 }
        };
        let sds: Vec<f32> = squares.iter().map(sd).collect();
        Preparation {
            history: history.clamp(1, units.history),
            horizons: units.horizons.to_vec(),
            scales: means.into_iter().zip(sds).collect(),
            profile: Profile::fit(series, limit),
            periods: series
                .calendar
                .periods
                .iter()
                .copied()
                .filter(|p| 2 * p <= limit)
                .collect(),
            gaps,
            known: series.known.as_ref().map_or_else(Vec::new, |known| {
                (0..known.names.len())
                    .map(|column| scale_of(known, column, limit))
                    .collect()
            }),
            graph: match &series.flows {
                Some(flows) => Some(flows.graph(0..limit)),
                None => series.graph.clone(),
            },
        }
    }

    /// Series.
    pub fn nodes(&self) -> usize {
        self.scales.len()
    }

    /// Numbers of a moment: its reading, what is usual then where that is known, and whether it was read where readings are missing.
    pub fn channels(&self) -> usize {
        1 + usize::from(self.profile.is_some()) + usize::from(self.gaps)
    }

    /// Numbers of the context of a unit.
    pub fn context(&self) -> usize {
        let usual = if self.profile.is_some() {
            1 + self.strided(USUAL_AT).len()
        } else {
            0
        };
        2 + usual + 2 * WAVES * self.waved().len() + self.known_width()
    }

    /// Numbers of what is known ahead: each column at the origin, and at some of the moments that are forecast.
    pub(crate) fn known_width(&self) -> usize {
        match self.known.len() {
            0 => 0,
            columns => columns * (1 + self.strided(KNOWN_AT).len()),
        }
    }

    /// Adds what is known ahead of a node at an origin, scaled; what is not known is as the mean.
    pub(crate) fn known_ahead(
        &self,
        units: &SeriesUnits,
        end: i64,
        node: usize,
        numbers: &mut Vec<f32>,
    ) {
        let Some(known) = units
            .series
            .known
            .as_ref()
            .filter(|_| !self.known.is_empty())
        else {
            return;
        };
        for (column, (mean, sd)) in self.known.iter().enumerate() {
            for ahead in std::iter::once(0).chain(self.strided(KNOWN_AT)) {
                let value = known.at(end + ahead as i64, column, node);
                let scaled = ((value - mean) / sd).clamp(-MOST, MOST);
                numbers.push(if scaled.is_finite() { scaled } else { 0.0 });
            }
        }
    }

    /// Periods whose place is told by waves: those that were seen often enough.
    fn waved(&self) -> &[usize] {
        match &self.profile {
            Some(profile) => {
                let seen = self
                    .periods
                    .iter()
                    .position(|p| *p == profile.period)
                    .map_or(0, |place| place + 1);
                &self.periods[..seen]
            }
            None => &[],
        }
    }

    /// The furthest horizon and so many others at most, at equal steps.
    fn strided(&self, most: usize) -> impl ExactSizeIterator<Item = usize> {
        let step = self.horizons.len().div_ceil(most).max(1);
        let first = self.horizons.len().saturating_sub(1) % step;
        self.horizons[first..].iter().copied().step_by(step)
    }

    /// A number of a series in its spreads around its mean.
    fn scaled(&self, node: usize, value: f32) -> f32 {
        let (mean, sd) = self.scales[node];
        (value - mean) / sd
    }

    /// What is usual at a moment, scaled; 0 where that is not known.
    pub(crate) fn usual(&self, units: &SeriesUnits, moment: i64, node: usize) -> f32 {
        match &self.profile {
            Some(profile) => self.scaled(node, profile.at(&units.series, moment, node)),
            None => 0.0,
        }
    }

    /// The history of a node, oldest first, scaled; what is missing is as the reading before it, and at the beginning as the mean.
    /// `read` says what was read.
    pub(crate) fn window(
        &self,
        units: &SeriesUnits,
        window: usize,
        node: usize,
        values: &mut Vec<f32>,
        read: &mut Vec<bool>,
    ) {
        values.clear();
        read.clear();
        let mut last = 0.0;
        for back in (0..self.history).rev() {
            let value = units.seen(window, back, node);
            read.push(value.is_finite());
            if value.is_finite() {
                last = self.scaled(node, value).clamp(-MOST, MOST);
            }
            values.push(last);
        }
    }

    /// What a forecast is told as the difference from, at each horizon, scaled. `last`: the last number of the window.
    pub(crate) fn anchors(
        &self,
        anchor: Anchor,
        units: &SeriesUnits,
        window: usize,
        node: usize,
        last: f32,
    ) -> Vec<f32> {
        let end = i64::from(units.windows[window].end);
        let usual = |ahead: i64| self.usual(units, end + ahead, node);
        let of = |ahead: i64| match anchor {
            Anchor::None => 0.0,
            Anchor::Last => last,
            Anchor::Usual => usual(ahead),
            Anchor::LastAndUsual => last + usual(ahead) - usual(0),
        };
        self.horizons
            .iter()
            .map(|&ahead| of(ahead as i64))
            .collect()
    }

    /// Why this cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |what: &str| Err(format!("{what} of its series are damaged"));
        let sound = |(mean, sd): &(f32, f32)| mean.is_finite() && sd.is_finite() && *sd > 0.0;
        let nodes = self.nodes();
        if nodes == 0 || nodes > 1 << 24 || !self.scales.iter().all(sound) {
            return damaged("the scales");
        }
        let ascend = self.horizons.windows(2).all(|pair| pair[0] < pair[1]);
        let range = 1..=1usize << 20;
        let ends = self.horizons.first().zip(self.horizons.last());
        if !ascend || !ends.is_some_and(|(a, b)| range.contains(a) && range.contains(b)) {
            return damaged("the horizons");
        }
        if !self.known.iter().all(sound) {
            return damaged("the scales of what is known ahead");
        }
        if !(1..=1 << 20).contains(&self.history) || self.periods.len() > 2 {
            return damaged("the times");
        }
        if let Some(profile) = &self.profile {
            profile.check(nodes)?;
        }
        match &self.graph {
            Some(graph) if graph.nodes != nodes => damaged("the graph"),
            Some(graph) => graph.check(),
            None => Ok(()),
        }
    }

    /// Why these units cannot be predicted, if so.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check_units(&self, units: &SeriesUnits) -> Result<(), String> {
        match units.nodes() == self.nodes()
            && *units.horizons == self.horizons
            && units.history >= self.history
            && units
                .series
                .known
                .as_ref()
                .map_or(0, |known| known.names.len())
                == self.known.len()
        {
            true => Ok(()),
            false => Err(
                "the model was made for other series, horizons, histories or columns known ahead"
                    .into(),
            ),
        }
    }
}

/// Mean and standard deviation of a column that is known ahead, over the moments before `limit`.
fn scale_of(known: &KnownAhead, column: usize, limit: usize) -> (f32, f32) {
    let values = || {
        (0..limit.min(known.moments()) as i64)
            .flat_map(|moment| (0..known.series).map(move |node| known.at(moment, column, node)))
            .filter(|value| value.is_finite())
            .map(f64::from)
    };
    let count = values().count().max(1) as f64;
    let mean = values().sum::<f64>() / count;
    let sd = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt() as f32;
    (mean as f32, if sd > 1e-6 { sd } else { 1.0 })
}

/// Windows as a network takes them.
pub struct SeriesBatch {
    /// `[series, windows, history, channels]`.
    pub x: Tensor<4>,
    /// `[series, windows, context]`.
    pub context: Tensor<3>,
    /// Who sends to whom in each moment of each window, where edges change with time and are looked at.
    pub edges: Option<MovingEdges>,
    /// `[windows, series * horizons]`: 1 where the truth is known and may be learned, else 0; `None` where nothing is learned.
    pub known: Option<Tensor<2>>,
}

/// Windows that become batches: item `i` is window `windows[i]` of the units.
pub struct WindowData<'a> {
    /// The units.
    pub units: &'a SeriesUnits,
    /// What was learned of the training part.
    pub preparation: &'a Preparation,
    /// The items.
    pub windows: Vec<usize>,
    /// `[items, series * horizons]`: what may be learned; empty where nothing is.
    pub known: Vec<bool>,
    /// Items that are computed at a time.
    pub at_once: usize,
    /// For each moment who sends to whom; `None` where edges do not change with time, or are not looked at.
    pub moving: Option<Vec<Shares>>,
}

/// What part of all that comes to a series is from whom: `(receiver, sender, share)`.
type Shares = Vec<(u32, u32, f32)>;

/// For each moment that some windows look back on who sends to whom: at moments of which nothing is known as over the training part.
pub(crate) fn moving(
    units: &SeriesUnits,
    preparation: &Preparation,
    windows: &[usize],
) -> Option<Vec<Shares>> {
    let flows = units.series.flows.as_ref()?;
    let usual = preparation.graph.as_ref()?.changed(&units.changes);
    let usual = usual.shares(false);
    let ends = || windows.iter().map(|&w| units.windows[w].end as usize);
    let first = (ends().min()? + 1).saturating_sub(preparation.history);
    let looked_at = first..ends().max()? + 1;
    let shares = |moment: usize| {
        if !looked_at.contains(&moment) {
            return Vec::new();
        }
        let shares = flows.graph(moment..moment + 1).shares(false);
        if shares.is_empty() {
            usual.clone()
        } else {
            shares
        }
    };
    Some((0..units.series.steps()).map(shares).collect())
}

impl WindowData<'_> {
    /// For an item and a node what describes it, for distances: the last moments, how they change, and the share that was not read.
    pub fn described(&self, item: usize, node: usize, numbers: &mut Vec<f32>) {
        let (mut values, mut read) = (Vec::new(), Vec::new());
        let p = self.preparation;
        p.window(self.units, self.windows[item], node, &mut values, &mut read);
        let from = values.len().saturating_sub(DESCRIBED);
        numbers.extend(&values[from..]);
        numbers.extend(values[from..].windows(2).map(|pair| pair[1] - pair[0]));
        numbers.push(read.iter().filter(|r| !**r).count() as f32 / read.len().max(1) as f32);
    }

    /// Numbers that describe a unit.
    pub fn described_width(&self) -> usize {
        2 * self.preparation.history.min(DESCRIBED)
    }

    fn made(&self, items: &[usize], learn: bool, device: &Device) -> SeriesBatch {
        let p = self.preparation;
        let (nodes, history, channels, width) = (p.nodes(), p.history, p.channels(), p.context());
        let mut x = Vec::with_capacity(nodes * items.len() * history * channels);
        let mut context = Vec::with_capacity(nodes * items.len() * width);
        let (mut values, mut read) = (Vec::new(), Vec::new());
        for node in 0..nodes {
            for &item in items {
                let window = self.windows[item];
                let end = i64::from(self.units.windows[window].end);
                p.window(self.units, window, node, &mut values, &mut read);
                for (place, (value, read)) in values.iter().zip(&read).enumerate() {
                    x.push(*value);
                    if p.profile.is_some() {
                        x.push(p.usual(self.units, end - (history - 1 - place) as i64, node));
                    }
                    if p.gaps {
                        x.push(f32::from(u8::from(*read)));
                    }
                }
                let last = values.last().copied().unwrap_or(0.0);
                context.push(last);
                context.push(values.iter().sum::<f32>() / history as f32 - last);
                if p.profile.is_some() {
                    let now = p.usual(self.units, end, node);
                    context.push(now);
                    context.extend(
                        p.strided(USUAL_AT)
                            .map(|ahead| p.usual(self.units, end + ahead as i64, node) - now),
                    );
                }
                for &period in p.waved() {
                    let place = self.units.series.calendar.slot(end, period) as f32 / period as f32;
                    for wave in 1..=WAVES {
                        let angle = place * wave as f32 * std::f32::consts::TAU;
                        context.extend([angle.sin(), angle.cos()]);
                    }
                }
                p.known_ahead(self.units, end, node, &mut context);
            }
        }
        let targets = nodes * p.horizons.len();
        let known = (learn && !self.known.is_empty()).then(|| {
            let rows = items
                .iter()
                .flat_map(|&item| &self.known[item * targets..(item + 1) * targets]);
            let cells: Vec<f32> = rows.map(|known| f32::from(u8::from(*known))).collect();
            Tensor::from_data(TensorData::new(cells, [items.len(), targets]), device)
        });
        let edges = self.moving.as_ref().and_then(|moving| {
            let graphs: Vec<&[(u32, u32, f32)]> = items
                .iter()
                .flat_map(|&item| {
                    let end = self.units.windows[self.windows[item]].end as usize;
                    // Before the first moment nothing is known.
                    let moment = move |back: usize| end.checked_sub(back);
                    let of = |moment: Option<usize>| moment.map_or(&[][..], |m| &moving[m]);
                    (0..history).rev().map(move |back| of(moment(back)))
                })
                .collect();
            MovingEdges::of(nodes, &graphs).ok()
        });
        SeriesBatch {
            edges,
            x: Tensor::from_data(
                TensorData::new(x, [nodes, items.len(), history, channels]),
                device,
            ),
            context: Tensor::from_data(
                TensorData::new(context, [nodes, items.len(), width]),
                device,
            ),
            known,
        }
    }
}

impl Batches for WindowData<'_> {
    type Batch = SeriesBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> SeriesBatch {
        self.made(indices, false, device)
    }

    fn training_batch(
        &self,
        indices: &[usize],
        _stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SeriesBatch {
        self.made(indices, true, device)
    }

    fn units_at_once(&self) -> usize {
        self.at_once
    }
}
