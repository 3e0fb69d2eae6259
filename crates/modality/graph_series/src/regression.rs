use candor_core::{Clock, Distribution};
use serde::{Deserialize, Serialize};

use crate::body::Senders;
use crate::rules::{of_nodes, variances};
use crate::{EdgeChange, Preparation, SeriesUnits};

/// Multiply-adds that the sums of products may take, about.
const WORK: f64 = 1.2e10;
/// Ridge penalties that are tried, in units of the mean square of the inputs.
const PENALTIES: [f64; 5] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// Last moments of senders that are looked at.
const OF_SENDERS: usize = 6;
/// Last moments whose flows are taken together, where edges change with time.
const OF_FLOWS: usize = 7;
/// Units between two looks at the clock.
const BETWEEN: usize = 4_096;

/// One ridge regression for all series: from the last moments of a series, what is usual, what is known ahead and what its senders were, to how it will differ from
/// its last reading. In closed form.
///
/// # Reference
/// Toner & Darlow, "An Analysis of Linear Time Series Forecasting Models", ICML 2024: the linear networks for forecasting are ridge regressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LagRegression {
    preparation: Preparation,
    /// Whether senders are looked at.
    senders: bool,
    /// `[inputs, horizons]`.
    weights: Vec<f32>,
    /// `[series, horizons]`.
    variances: Vec<f32>,
}

/// For each series those that send to it, and their shares.
pub(crate) type Walk = Vec<Vec<(usize, f32)>>;

fn walk(graph: &crate::SensorGraph, backward: bool) -> Walk {
    let mut rows = vec![Vec::new(); graph.nodes];
    for (row, column, share) in graph.shares(backward) {
        rows[row as usize].push((column as usize, share));
    }
    rows
}

/// Rows of inputs, made window by window.
pub(crate) struct Inputs<'a> {
    preparation: &'a Preparation,
    senders: Option<Vec<Walk>>,
}

impl<'a> Inputs<'a> {
    /// With other edges than those that were learned from where `changes` say so.
    pub fn of(preparation: &'a Preparation, senders: bool, changes: &[EdgeChange]) -> Inputs<'a> {
        let walks = |graph: &crate::SensorGraph| {
            let ways: &[bool] = if graph.is_symmetric() {
                &[false]
            } else {
                &[false, true]
            };
            let graph = graph.changed(changes);
            let ways = ways.iter().map(|&backward| walk(&graph, backward));
            ways.collect()
        };
        Inputs {
            senders: preparation.graph.as_ref().filter(|_| senders).map(walks),
            preparation,
        }
    }

    /// Who sends to whom in a window: as in its last moments where flows are known, else as always.
    fn walks(&self, units: &SeriesUnits, window: usize) -> Vec<Walk> {
        let Some(always) = &self.senders else {
            return Vec::new();
        };
        let end = units.windows[window].end as usize + 1;
        let flows = units
            .series
            .flows
            .as_ref()
            .filter(|flows| !flows.at(end - 1).is_empty());
        let Some(flows) = flows else {
            return always.clone();
        };
        let graph = flows.graph(end.saturating_sub(OF_FLOWS)..end);
        (0..always.len())
            .map(|way| walk(&graph, way == 1))
            .collect()
    }

    fn of_senders(&self) -> usize {
        self.preparation.history.min(OF_SENDERS)
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        let senders = self.senders.as_ref().map_or(0, Vec::len) * self.of_senders();
        let usual = if self.preparation.profile.is_some() {
            1 + self.preparation.horizons.len().min(8)
        } else {
            0
        };
        // The constant, and the last reading.
        self.preparation.history + 1 + senders + usual + self.preparation.known_width()
    }

    /// The scaled windows of all series, one after another.
    pub fn windows(&self, units: &SeriesUnits, window: usize, of: &mut Vec<f32>) {
        let (mut values, mut read) = (Vec::new(), Vec::new());
        of.clear();
        for node in 0..self.preparation.nodes() {
            self.preparation
                .window(units, window, node, &mut values, &mut read);
            of.extend(&values);
        }
    }

    /// The inputs of a node, of the windows of all series.
    pub fn row(
        &self,
        units: &SeriesUnits,
        window: usize,
        node: usize,
        windows: &[f32],
        walks: &[Walk],
        row: &mut Vec<f32>,
    ) {
        let p = self.preparation;
        let length = p.history;
        let own = &windows[node * length..(node + 1) * length];
        let last = own[length - 1];
        row.clear();
        row.push(1.0);
        row.push(last);
        row.extend(own[..length - 1].iter().map(|v| v - last));
        for walk in walks {
            for back in 0..self.of_senders() {
                let at = |node: usize| windows[(node + 1) * length - 1 - back];
                let senders = &walk[node];
                let sent: f32 = senders.iter().map(|&(from, share)| share * at(from)).sum();
                row.push(if senders.is_empty() { 0.0 } else { sent - last });
            }
        }
        let end = i64::from(units.windows[window].end);
        if p.profile.is_some() {
            let now = p.usual(units, end, node);
            row.push(now - last);
            let count = p.horizons.len().min(8);
            for place in 0..count {
                let ahead = p.horizons[(place + 1) * p.horizons.len() / count - 1];
                row.push(p.usual(units, end + ahead as i64, node) - now);
            }
        }
        p.known_ahead(units, end, node, row);
    }
}

/// Units by window, so that each window is made once.
pub(crate) fn by_window(units: &SeriesUnits, indices: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut order: Vec<(usize, usize, usize)> = indices
        .iter()
        .enumerate()
        .map(|(place, &i)| (units.which[i].0 as usize, units.which[i].1 as usize, place))
        .collect();
    order.sort_unstable();
    order
}

impl LagRegression {
    /// Fits to the units `train`, and chooses the penalty on `validation`; `None` when it was stopped.
    ///
    /// # Errors
    /// When the equations have no solution.
    pub fn fit(
        units: &SeriesUnits,
        train: &[usize],
        validation: &[usize],
        history: usize,
        senders: bool,
        clock: &Clock,
    ) -> Result<Option<LagRegression>, String> {
        let preparation = Preparation::fit(units, train, history);
        let inputs = Inputs::of(&preparation, senders, &[]);
        let (width, horizons) = (inputs.width(), preparation.horizons.len());
        let cost = train.len() as f64 * width as f64 * (0.5 * width as f64 + horizons as f64);
        let step = (cost / WORK).ceil().max(1.0) as usize;
        let chosen: Vec<usize> = train.iter().copied().step_by(step).collect();
        let (mut gram, mut moments) = (vec![0.0f64; width * width], vec![0.0f64; width * horizons]);
        let (mut rows, mut truths) = (Vec::<f32>::new(), Vec::<f32>::new());
        let (mut windows, mut row, mut at) = (Vec::new(), Vec::new(), usize::MAX);
        let mut walks = Vec::new();
        let mut used = 0usize;
        for (count, (window, node, _)) in by_window(units, &chosen).into_iter().enumerate() {
            if count % BETWEEN == 0 && clock.stop().is_some() {
                return Ok(None);
            }
            if at != window {
                inputs.windows(units, window, &mut windows);
                walks = inputs.walks(units, window);
                at = window;
            }
            inputs.row(units, window, node, &windows, &walks, &mut row);
            let end = i64::from(units.windows[window].end);
            let (mean, sd) = preparation.scales[node];
            let last = row[1];
            let truth = preparation
                .horizons
                .iter()
                .map(|&ahead| (units.series.at(end + ahead as i64, node) - mean) / sd - last);
            let truth: Vec<f32> = truth.collect();
            if truth.iter().any(|v| !v.is_finite()) {
                continue;
            }
            rows.extend(&row);
            truths.extend(truth);
            used += 1;
            if rows.len() >= ROWS_AT_ONCE * width {
                add_products(&rows, &truths, width, horizons, &mut gram, &mut moments);
                rows.clear();
                truths.clear();
            }
        }
        add_products(&rows, &truths, width, horizons, &mut gram, &mut moments);
        if used == 0 {
            return Err("no training unit has all that it needs to be learned from".into());
        }
        for row in 0..width {
            for column in 0..row {
                gram[row * width + column] = gram[column * width + row];
            }
        }
        let mut model = LagRegression {
            senders,
            weights: Vec::new(),
            variances: vec![1.0; preparation.nodes() * horizons],
            preparation: preparation.clone(),
        };
        let mut best: Option<(f64, Vec<f32>)> = None;
        for penalty in PENALTIES {
            let Some(weights) = solved(&gram, &moments, width, horizons, penalty, used) else {
                continue;
            };
            model.weights = weights;
            let loss = if validation.is_empty() {
                0.0
            } else {
                model.error(units, validation)
            };
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, model.weights.clone()));
            }
        }
        let (_, weights) = best.ok_or("the equations of the regression have no solution")?;
        model.weights = weights;
        let step = (chosen.len() / 20_000).max(1);
        let measured: Vec<usize> = chosen.into_iter().step_by(step).collect();
        let means = model.means(units, &measured);
        model.variances = variances(units, &measured, &means, |_| 1.0);
        Ok(Some(model))
    }

    /// The means of the units, `[units, horizons]`, in the order asked for.
    fn means(&self, units: &SeriesUnits, indices: &[usize]) -> Vec<f32> {
        let inputs = Inputs::of(&self.preparation, self.senders, &units.changes);
        let horizons = self.preparation.horizons.len();
        let mut means = vec![0.0f32; indices.len() * horizons];
        let (mut windows, mut row, mut at) = (Vec::new(), Vec::new(), usize::MAX);
        let mut walks = Vec::new();
        for (window, node, place) in by_window(units, indices) {
            if at != window {
                inputs.windows(units, window, &mut windows);
                walks = inputs.walks(units, window);
                at = window;
            }
            inputs.row(units, window, node, &windows, &walks, &mut row);
            let (mean, sd) = self.preparation.scales[node];
            let out = &mut means[place * horizons..(place + 1) * horizons];
            out.fill(row[1]);
            for (input, weights) in row.iter().zip(self.weights.chunks_exact(horizons)) {
                out.iter_mut()
                    .zip(weights)
                    .for_each(|(o, w)| *o += input * w);
            }
            out.iter_mut().for_each(|o| *o = mean + sd * *o);
        }
        means
    }

    /// The mean square of the errors, each in the spreads of its series.
    fn error(&self, units: &SeriesUnits, indices: &[usize]) -> f64 {
        let means = self.means(units, indices);
        let horizons = &self.preparation.horizons;
        let (mut sum, mut count) = (0.0, 0usize);
        for (&index, said) in indices.iter().zip(means.chunks_exact(horizons.len())) {
            let (window, node) = units.which[index];
            let end = i64::from(units.windows[window as usize].end);
            for (said, &ahead) in said.iter().zip(horizons) {
                let error = f64::from(
                    (units.series.at(end + ahead as i64, node as usize) - said)
                        / self.preparation.scales[node as usize].1,
                );
                if error.is_finite() {
                    (sum, count) = (sum + error * error, count + 1);
                }
            }
        }
        sum / count.max(1) as f64
    }

    /// What the regression says of the units at `indices`.
    pub fn predict(&self, units: &SeriesUnits, indices: &[usize]) -> Distribution {
        let width = self.preparation.horizons.len();
        Distribution::Gaussian {
            width,
            mean: self.means(units, indices),
            variance: of_nodes(&self.variances, width, units, indices),
        }
    }

    /// Numbers that were learned.
    pub fn parameters(&self) -> u64 {
        (self.weights.len() + self.variances.len()) as u64
    }

    /// What it was fitted with.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        self.preparation.check()?;
        Senders::of(self.preparation.graph.as_ref())?;
        let horizons = self.preparation.horizons.len();
        let width = Inputs::of(&self.preparation, self.senders, &[]).width();
        let sound = self
            .weights
            .iter()
            .chain(&self.variances)
            .all(|v| v.is_finite());
        let sizes = self.weights.len() == width * horizons
            && self.variances.len() == self.preparation.nodes() * horizons;
        match sound && sizes && self.variances.iter().all(|v| *v > 0.0) {
            true => Ok(()),
            false => Err("its regression is damaged".into()),
        }
    }
}

/// Rows whose products are summed in 32 bits before they are added up in 64.
const ROWS_AT_ONCE: usize = 256;

/// Adds the upper triangle of `rowsᵀ rows`, and `rowsᵀ truths`.
fn add_products(
    rows: &[f32],
    truths: &[f32],
    width: usize,
    horizons: usize,
    gram: &mut [f64],
    moments: &mut [f64],
) {
    let mut sums = vec![0.0f32; width];
    let mut shares = vec![0.0f32; horizons];
    for i in 0..width {
        sums[i..].fill(0.0);
        shares.fill(0.0);
        for (row, truth) in rows.chunks_exact(width).zip(truths.chunks_exact(horizons)) {
            let value = row[i];
            sums[i..]
                .iter_mut()
                .zip(&row[i..])
                .for_each(|(s, v)| *s += value * v);
            shares
                .iter_mut()
                .zip(truth)
                .for_each(|(s, v)| *s += value * v);
        }
        gram[i * width + i..(i + 1) * width]
            .iter_mut()
            .zip(&sums[i..])
            .for_each(|(g, s)| *g += f64::from(*s));
        moments[i * horizons..(i + 1) * horizons]
            .iter_mut()
            .zip(&shares)
            .for_each(|(m, s)| *m += f64::from(*s));
    }
}

/// `(G + p I)⁻¹ M` by Cholesky's decomposition; the constant is not held down. `None` when there is none.
fn solved(
    gram: &[f64],
    moments: &[f64],
    width: usize,
    horizons: usize,
    penalty: f64,
    rows: usize,
) -> Option<Vec<f32>> {
    let trace: f64 = (1..width).map(|i| gram[i * width + i]).sum();
    let added = penalty * (trace / (width - 1).max(1) as f64).max(1e-6 * rows as f64);
    let mut lower = vec![0.0f64; width * width];
    for i in 0..width {
        for j in 0..=i {
            let mut sum = gram[i * width + j];
            if i == j {
                sum += if i == 0 { 1e-9 * rows as f64 } else { added };
            }
            let (a, b) = (
                &lower[i * width..i * width + j],
                &lower[j * width..j * width + j],
            );
            sum -= a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            lower[i * width + j] = if i == j {
                if sum <= 0.0 || !sum.is_finite() {
                    return None;
                }
                sum.sqrt()
            } else {
                sum / lower[j * width + j]
            };
        }
    }
    let mut weights = moments.to_vec();
    for h in 0..horizons {
        for i in 0..width {
            let known: f64 = (0..i)
                .map(|j| lower[i * width + j] * weights[j * horizons + h])
                .sum();
            weights[i * horizons + h] = (weights[i * horizons + h] - known) / lower[i * width + i];
        }
        for i in (0..width).rev() {
            let known: f64 = (i + 1..width)
                .map(|j| lower[j * width + i] * weights[j * horizons + h])
                .sum();
            weights[i * horizons + h] = (weights[i * horizons + h] - known) / lower[i * width + i];
        }
    }
    let weights: Vec<f32> = weights.into_iter().map(|w| w as f32).collect();
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}
