use std::collections::HashMap;

use candor_core::Distribution;
use serde::{Deserialize, Serialize};

use crate::growth::growth_median;
use crate::{Level, Profile, Series, SeriesUnits, Smoothing};

/// Moments that the mean of a window is taken over, at most: an hour of five minutes.
const WINDOW: usize = 12;
/// Earlier periods that are looked at where one has no reading.
const PERIODS_BACK: usize = 3;
/// Windows on which the spread of a rule's errors is measured, at most.
const MEASURED: usize = 2_000;
/// Moments that exponential smoothing is chosen on, and looks back on, at most: of earlier ones little is left.
const SMOOTHED: usize = 2_000;
const LOOK_BACK: usize = 100;

/// A rule that learns next to nothing: what every forecast is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The mean of the series over the training part.
    Trivial,
    /// The last reading.
    LastValue,
    /// The mean of the last readings.
    WindowMean,
    /// The reading at the same place of the last period.
    SeasonalNaive,
    /// The mean at the same place of all periods of the training part.
    HistoryAverage,
    /// Exponential smoothing with a trend that fades, of the distance from what is usual at that time where there is a period: see [`Smoothing`].
    Smoothing,
    /// The median of curves of growth that fades, of counts: see [`crate::growth_curves`].
    Growth,
}

impl Rule {
    /// All of them, with the names that designs have.
    pub const ALL: [(Rule, &'static str); 7] = [
        (Rule::Trivial, "trivial"),
        (Rule::LastValue, "last_value"),
        (Rule::WindowMean, "window_mean"),
        (Rule::SeasonalNaive, "seasonal_naive"),
        (Rule::HistoryAverage, "history_average"),
        (Rule::Smoothing, "smoothing"),
        (Rule::Growth, "growth"),
    ];
}

/// A rule, with what it has learned of the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleModel {
    rule: Rule,
    /// The period of a seasonal rule; 0 where there is none.
    period: usize,
    /// Of each series.
    means: Vec<f32>,
    profile: Option<Profile>,
    /// Of each series, for exponential smoothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    smoothing: Vec<Smoothing>,
    /// `[series, horizons]`: the mean square of its errors.
    variances: Vec<f32>,
    /// Whether `variances` are for a forecast of one, and grow with what is forecast, as those of counts do (McCullagh & Nelder 1989, section 6.2: the
    /// dispersion of counts).
    #[serde(default)]
    of_counts: bool,
}

/// What the variance of a count grows with: what is forecast, at least one.
fn level(value: f32) -> f32 {
    value.max(1.0)
}

impl RuleModel {
    /// Fits to the units `train`. A seasonal rule takes the shortest period, `long` the longest.
    pub fn fit(rule: Rule, long: bool, units: &SeriesUnits, train: &[usize]) -> RuleModel {
        let limit = limit_of(units, train);
        let periods = &units.series.calendar.periods;
        let period = if long {
            periods.last()
        } else {
            periods.first()
        };
        let mut model = RuleModel {
            rule,
            period: period.copied().unwrap_or(0),
            means: means_until(units, limit),
            profile: match rule {
                Rule::HistoryAverage | Rule::SeasonalNaive | Rule::Smoothing => {
                    Profile::fit(&units.series, limit)
                }
                _ => None,
            },
            smoothing: Vec::new(),
            variances: Vec::new(),
            of_counts: rule == Rule::Growth,
        };
        if rule == Rule::Smoothing {
            model.smoothing = model.smoothed(units, limit);
        }
        let step = (train.len() / (MEASURED * units.nodes().max(1))).max(1);
        let measured: Vec<usize> = train.iter().copied().step_by(step).collect();
        let values = model.values(units, &measured);
        model.variances = variances(units, &measured, &values, |value| {
            if model.of_counts {
                level(value).sqrt()
            } else {
                1.0
            }
        });
        model
    }

    /// How each series is smoothed best, by its moments before `limit`.
    fn smoothed(&self, units: &SeriesUnits, limit: usize) -> Vec<Smoothing> {
        let moments = limit.saturating_sub(SMOOTHED)..limit;
        let of = |node: usize| {
            let readings = moments.clone().map(|moment| {
                let moment = moment as i64;
                units.series.at(moment, node) - self.usual_or(units, moment, node, 0.0)
            });
            Smoothing::fit(&readings.collect::<Vec<f32>>())
        };
        (0..units.nodes()).map(of).collect()
    }

    /// What is usual at a moment; `otherwise` where there is no period.
    fn usual_or(&self, units: &SeriesUnits, moment: i64, node: usize, otherwise: f32) -> f32 {
        match &self.profile {
            Some(profile) => profile.at(&units.series, moment, node),
            None => otherwise,
        }
    }

    /// Moments that a rule of curves or levels looks back on: as many as a bundle keeps.
    fn look_back(&self, units: &SeriesUnits) -> usize {
        let furthest = units.horizons.last().copied().unwrap_or(1);
        units.history.max(PERIODS_BACK * self.period + furthest)
    }

    /// For each window of some units `[furthest, series]`, where the rule is one of curves. A curve sees as many moments as a bundle keeps.
    fn curves(&self, units: &SeriesUnits, indices: &[usize]) -> HashMap<usize, Vec<f32>> {
        let mut curves = HashMap::new();
        if self.rule != Rule::Growth {
            return curves;
        }
        let furthest = units.horizons.last().copied().unwrap_or(1);
        let wanted = self.look_back(units);
        for &index in indices {
            let window = units.which[index].0 as usize;
            curves.entry(window).or_insert_with(|| {
                let end = units.windows[window].end as usize;
                let seen = wanted.min(end + 1);
                let nodes = 0..units.nodes();
                let rows = (0..seen).rev().flat_map(|back| {
                    nodes
                        .clone()
                        .map(move |node| units.seen(window, back, node))
                });
                let mut calendar = units.series.calendar.clone();
                calendar.phase += (end + 1 - seen) as i64;
                let past = Series {
                    nodes: units.series.nodes.clone(),
                    values: rows.collect(),
                    calendar,
                    graph: None,
                    flows: None,
                    known: None,
                    places: None,
                };
                growth_median(&past, furthest)
            });
        }
        curves
    }

    /// Where a series stands at the origin of a window, as its distance from what is usual, where the rule is one of levels.
    fn stands(&self, units: &SeriesUnits, window: usize, node: usize) -> Option<Level> {
        let end = i64::from(units.windows[window].end);
        let seen = (0..LOOK_BACK.min(self.look_back(units))).rev();
        let apart = seen.map(|back| {
            let usual = self.usual_or(units, end - back as i64, node, 0.0);
            units.seen(window, back, node) - usual
        });
        self.smoothing.get(node)?.level(apart)
    }

    /// What the rule says of the units at `indices`: `[units, horizons]`.
    fn values(&self, units: &SeriesUnits, indices: &[usize]) -> Vec<f32> {
        let curves = self.curves(units, indices);
        let mut values = Vec::with_capacity(indices.len() * units.horizons.len());
        for &index in indices {
            let (window, node) = units.which[index];
            let (window, node) = (window as usize, node as usize);
            let stands = self.stands(units, window, node);
            let horizons = units.horizons.iter();
            values.extend(
                horizons.map(|&ahead| self.value(units, window, node, ahead, &curves, stands)),
            );
        }
        values
    }

    fn value(
        &self,
        units: &SeriesUnits,
        window: usize,
        node: usize,
        ahead: usize,
        curves: &HashMap<usize, Vec<f32>>,
        stands: Option<Level>,
    ) -> f32 {
        let end = i64::from(units.windows[window].end);
        let usual = || self.usual_or(units, end + ahead as i64, node, self.means[node]);
        match self.rule {
            Rule::Trivial => self.means[node],
            Rule::HistoryAverage => usual(),
            Rule::Smoothing => match stands {
                Some(level) => {
                    level.ahead(ahead) + self.usual_or(units, end + ahead as i64, node, 0.0)
                }
                None => usual(),
            },
            Rule::Growth => {
                let curve = curves.get(&window);
                let said = curve.and_then(|c| c.get((ahead - 1) * units.nodes() + node));
                said.copied().unwrap_or_else(usual)
            }
            Rule::LastValue => {
                let mut seen = (0..units.history).map(|back| units.seen(window, back, node));
                seen.find(|v| v.is_finite()).unwrap_or_else(usual)
            }
            Rule::WindowMean => {
                let length = match self.period {
                    7 => 7,
                    _ => WINDOW,
                };
                let seen =
                    (0..units.history.min(length)).map(|back| units.seen(window, back, node));
                let known: Vec<f32> = seen.filter(|v| v.is_finite()).collect();
                match known.len() {
                    0 => usual(),
                    count => known.iter().sum::<f32>() / count as f32,
                }
            }
            Rule::SeasonalNaive => {
                let Some(first) = (ahead)
                    .checked_div(self.period)
                    .map(|_| ahead.div_ceil(self.period))
                else {
                    return usual();
                };
                let earlier = (first..first + PERIODS_BACK)
                    .map(|k| units.seen(window, k * self.period - ahead, node));
                earlier
                    .into_iter()
                    .find(|v| v.is_finite())
                    .unwrap_or_else(usual)
            }
        }
    }

    /// What the rule says of the units at `indices`.
    pub fn predict(&self, units: &SeriesUnits, indices: &[usize]) -> Distribution {
        let width = units.horizons.len();
        let mean = self.values(units, indices);
        let mut variance = of_nodes(&self.variances, width, units, indices);
        if self.of_counts {
            let pairs = variance.iter_mut().zip(&mean);
            pairs.for_each(|(variance, value)| *variance *= level(*value));
        }
        Distribution::Gaussian {
            width,
            mean,
            variance,
        }
    }

    /// Numbers that were learned.
    pub fn parameters(&self) -> u64 {
        let profile = self.profile.as_ref().map_or(0, Profile::parameters);
        (self.means.len() + self.variances.len() + 2 * self.smoothing.len()) as u64 + profile
    }

    /// Why the rule cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let nodes = self.means.len();
        let sound = |numbers: &[f32]| numbers.iter().all(|v| v.is_finite());
        let variances = nodes > 0
            && self.variances.len().is_multiple_of(nodes)
            && self.variances.iter().all(|v| *v > 0.0);
        let smoothing = match self.rule {
            Rule::Smoothing => self.smoothing.len() == nodes,
            _ => self.smoothing.is_empty(),
        };
        if !smoothing || !self.smoothing.iter().all(Smoothing::is_sound) {
            return Err("its rule is damaged".into());
        }
        if !sound(&self.means) || !sound(&self.variances) || !variances || self.period > 1 << 20 {
            return Err("its rule is damaged".into());
        }
        self.profile
            .as_ref()
            .map_or(Ok(()), |profile| profile.check(nodes))
    }

    /// Why the rule says nothing of these units, if so.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check_units(&self, units: &SeriesUnits) -> Result<(), String> {
        let (nodes, width) = (units.nodes(), units.horizons.len());
        match self.means.len() == nodes && self.variances.len() == nodes * width {
            true => Ok(()),
            false => Err("the rule is of other series or other horizons".into()),
        }
    }
}

/// The moment before which all lies that the training units see or predict.
pub(crate) fn limit_of(units: &SeriesUnits, train: &[usize]) -> usize {
    let furthest = units.horizons.last().copied().unwrap_or(1);
    let ends = train
        .iter()
        .map(|&i| units.windows[units.which[i].0 as usize].end as usize);
    (ends.max().unwrap_or(0) + furthest + 1).min(units.series.steps())
}

/// The mean of each series before a moment; 0 where nothing was read.
pub(crate) fn means_until(units: &SeriesUnits, limit: usize) -> Vec<f32> {
    let of = |node: usize| {
        let known = (0..limit)
            .map(|moment| units.series.at(moment as i64, node))
            .filter(|v| v.is_finite());
        let (sum, count) = known.fold((0.0f64, 0usize), |(sum, count), v| {
            (sum + f64::from(v), count + 1)
        });
        (sum / count.max(1) as f64) as f32
    };
    (0..units.nodes()).map(of).collect()
}

/// What `[series, horizons]` says of the series of each unit: `[units, horizons]`.
pub(crate) fn of_nodes(
    variances: &[f32],
    width: usize,
    units: &SeriesUnits,
    indices: &[usize],
) -> Vec<f32> {
    let of = |&index: &usize| {
        let node = units.which[index].1 as usize;
        &variances[node * width..(node + 1) * width]
    };
    indices.iter().flat_map(of).copied().collect()
}

/// `[series, horizons]`: the mean square of the errors of `values`, `[units, horizons]`, which are told of some units, each in units of the spread of its
/// value; series without any have that of all together.
pub(crate) fn variances(
    units: &SeriesUnits,
    told: &[usize],
    values: &[f32],
    spread: impl Fn(f32) -> f32,
) -> Vec<f32> {
    let (nodes, width) = (units.nodes(), units.horizons.len());
    let (mut sums, mut counts) = (vec![0.0f64; nodes * width], vec![0usize; nodes * width]);
    for (&index, said) in told.iter().zip(values.chunks_exact(width.max(1))) {
        let (window, node) = units.which[index];
        let node = node as usize;
        let end = i64::from(units.windows[window as usize].end);
        for (place, (&ahead, &said)) in units.horizons.iter().zip(said).enumerate() {
            let truth = units.series.at(end + ahead as i64, node);
            let error = f64::from((truth - said) / spread(said));
            if error.is_finite() {
                sums[node * width + place] += error * error;
                counts[node * width + place] += 1;
            }
        }
    }
    let whole = sums.iter().sum::<f64>() / counts.iter().sum::<usize>().max(1) as f64;
    // A series that never changes must not have a spread of zero.
    let least = (1e-6 * whole).max(1e-12);
    sums.iter()
        .zip(&counts)
        .map(|(sum, &count)| {
            if count > 0 {
                (sum / count as f64).max(least)
            } else {
                whole.max(least)
            }
        })
        .map(|variance| variance as f32)
        .collect()
}
