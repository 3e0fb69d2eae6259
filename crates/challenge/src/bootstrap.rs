use candor_core::{Distribution, Metric, Seed, Targets};
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc_inv;

use crate::ChallengeError;
use crate::empirical::{mean, quantile_linear, standard_deviation};
use crate::error::open_unit;
use crate::interval_calibration::normal_cdf;
use crate::labelled::check;

const INSTRUMENT: &str = "bootstrap";

/// Groups of units that the jackknife of the BCa interval leaves out in turn, at most.
const JACKKNIFE_GROUPS: usize = 100;

/// Units that a resample draws, at most: beyond, the spread of smaller resamples is scaled down (the "m out of n" bootstrap of
/// Bickel, Götze & van Zwet 1997, for statistics whose spread shrinks with the square root of the units).
const MOST_DRAWN: usize = 10_000;

/// How an interval is read from the resampled values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Their quantiles (Efron 1979).
    #[default]
    Percentile,
    /// Bias-corrected and accelerated quantiles (Efron 1987, equation 2.3); the acceleration comes from
    /// a jackknife that leaves out at most 100 groups of units, so that its cost stays bounded.
    Bca,
}

/// Intervals of any metric by resampling units with replacement.
///
/// Units must be independent; resample groups instead where rows belong together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Resamples, 1 or more. Default 1000.
    pub resamples: usize,
    /// Confidence, between 0 and 1. Default 0.95.
    pub level: f64,
    /// How the interval is read. Default percentile.
    pub method: IntervalMethod,
}

impl Default for Bootstrap {
    fn default() -> Bootstrap {
        Bootstrap {
            resamples: 1000,
            level: 0.95,
            method: IntervalMethod::Percentile,
        }
    }
}

/// A value with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value on the units themselves.
    pub estimate: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Standard deviation over the resamples.
    pub standard_error: f64,
    /// Confidence of the interval.
    pub level: f64,
    /// Resamples that gave a value.
    pub resamples: usize,
    /// Resamples left out because the metric had no finite value there (one class only, a constant target).
    pub undefined: usize,
}

impl Bootstrap {
    /// The interval of a metric.
    ///
    /// # Errors
    /// When the metric cannot be computed on the units themselves or on any resample, or a setting is
    /// out of range.
    pub fn metric(
        &self,
        metric: Metric,
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<Interval, ChallengeError> {
        let scored = Scored::new(INSTRUMENT, metric, predicted, truth)?;
        self.interval(scored.value, truth.len(), seed, |units| scored.on(units))
    }

    /// The interval of any statistic of a selection of units `0..units`.
    pub(crate) fn interval(
        &self,
        estimate: f64,
        units: usize,
        seed: Seed,
        statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Result<Interval, ChallengeError> {
        open_unit(INSTRUMENT, "the level", self.level)?;
        let count = units.min(MOST_DRAWN);
        let shrink = (count as f64 / units.max(1) as f64).sqrt();
        let mut values: Vec<f64> = (0..self.resamples as u64)
            .into_par_iter()
            .filter_map(|i| {
                let mut rng = seed.stream("bootstrap", &[i]);
                let drawn: Vec<usize> = (0..count).map(|_| rng.random_range(0..units)).collect();
                let value = statistic(&drawn)?;
                // All units drawn: exactly the value, not the estimate plus a rounded difference.
                Some(if count == units {
                    value
                } else {
                    estimate + shrink * (value - estimate)
                })
            })
            .collect();
        if values.is_empty() {
            return Err(ChallengeError::Undefined {
                instrument: INSTRUMENT,
                resamples: self.resamples,
            });
        }
        values.sort_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - self.level);
        let (low, high) = match self.method {
            IntervalMethod::Percentile => (tail, 1.0 - tail),
            IntervalMethod::Bca => {
                let bias = bias_correction(&values, estimate);
                let acceleration = acceleration(units, &statistic);
                let corrected = |p| corrected_probability(p, bias, acceleration);
                (corrected(tail), corrected(1.0 - tail))
            }
        };
        Ok(Interval {
            estimate,
            lower: quantile_linear(&values, low),
            upper: quantile_linear(&values, high),
            standard_error: standard_deviation(&values),
            level: self.level,
            resamples: values.len(),
            undefined: self.resamples - values.len(),
        })
    }
}

fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// `z0`: where the estimate lies among the resampled values, ties counted half.
fn bias_correction(sorted: &[f64], estimate: f64) -> f64 {
    let below = sorted.partition_point(|v| *v < estimate);
    let at_most = sorted.partition_point(|v| *v <= estimate);
    let share = 0.5 * (below + at_most) as f64 / sorted.len() as f64;
    let edge = 1.0 / (sorted.len() + 1) as f64;
    normal_quantile(share.clamp(edge, 1.0 - edge))
}

/// The skewness of the jackknife values over six (Efron 1987, equation 6.6 in its jackknife form).
fn acceleration(units: usize, statistic: &impl Fn(&[usize]) -> Option<f64>) -> f64 {
    let groups = units.min(JACKKNIFE_GROUPS);
    let values: Vec<f64> = (0..groups)
        .filter_map(|group| {
            let kept: Vec<usize> = (0..units).filter(|i| i % groups != group).collect();
            (!kept.is_empty()).then(|| statistic(&kept)).flatten()
        })
        .collect();
    let centre = mean(&values);
    let moment = |power: i32| values.iter().map(|v| (centre - v).powi(power)).sum::<f64>();
    let squares = moment(2);
    if squares > 0.0 {
        moment(3) / (6.0 * squares.powf(1.5))
    } else {
        0.0
    }
}

fn corrected_probability(p: f64, bias: f64, acceleration: f64) -> f64 {
    let shifted = bias + normal_quantile(p);
    normal_cdf(bias + shifted / (1.0 - acceleration * shifted))
}

/// A metric ready to be computed on many selections of the same units.
pub(crate) struct Scored<'a> {
    metric: Metric,
    predicted: &'a Distribution,
    truth: &'a Targets,
    /// The value on all units.
    pub value: f64,
    parts: Parts<'a>,
}

/// Of what a metric is a mean: a resample is then a mean, not a new score.
enum Parts<'a> {
    /// One value a unit.
    Units(Vec<f64>),
    /// One value a unit and label, row-major; `None` where the label is not known. The metric is the mean over labels of the mean
    /// over units, which is none over units where labels are not known.
    Labels {
        width: usize,
        values: Vec<Option<f64>>,
    },
    /// Squared errors: the metric is a function of their sums.
    Squares(Squares<'a>),
    /// Of nothing.
    Whole,
}

/// Squared errors `[units, width]` of predicted means, and the numbers that were to be predicted: of these are RMSE and R².
pub(crate) struct Squares<'a> {
    metric: Metric,
    width: usize,
    errors: Vec<f64>,
    truth: &'a [f32],
}

impl<'a> Squares<'a> {
    fn of(metric: Metric, predicted: &Distribution, truth: &'a Targets) -> Option<Squares<'a>> {
        if !matches!(metric, Metric::Rmse | Metric::R2) {
            return None;
        }
        let Targets::Values { width, values } = truth else {
            return None;
        };
        let Distribution::Gaussian { mean, .. } = predicted.by_moments() else {
            return None;
        };
        let cells = mean.iter().zip(values);
        let error = |(&mean, &y): (&f32, &f32)| (f64::from(mean) - f64::from(y)).powi(2);
        Some(Squares {
            metric,
            width: *width,
            errors: cells.map(error).collect(),
            truth: values,
        })
    }

    /// Targets of a unit.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The errors of a unit.
    pub fn row(&self, unit: usize) -> &[f64] {
        &self.errors[unit * self.width..(unit + 1) * self.width]
    }

    /// For R² the variance of each target over some units; nothing for RMSE, which needs none.
    pub fn spread(&self, units: impl Iterator<Item = usize> + Clone) -> Vec<f64> {
        if self.metric == Metric::Rmse {
            return Vec::new();
        }
        let row = |unit: usize| &self.truth[unit * self.width..(unit + 1) * self.width];
        let mut count = 0.0;
        let mut centre = vec![0.0; self.width];
        for unit in units.clone() {
            count += 1.0;
            let cells = centre.iter_mut().zip(row(unit));
            cells.for_each(|(sum, &y)| *sum += f64::from(y));
        }
        centre.iter_mut().for_each(|sum| *sum /= count);
        let mut squares = vec![0.0; self.width];
        for unit in units {
            let cells = squares.iter_mut().zip(&centre).zip(row(unit));
            cells.for_each(|((sum, centre), &y)| *sum += (f64::from(y) - centre).powi(2));
        }
        squares.iter().map(|sum| sum / count).collect()
    }

    /// The metric from the sums of the errors of so many units, and the spread of the targets there.
    pub fn metric(&self, sums: &[f64], count: usize, spread: &[f64]) -> Option<f64> {
        let means = || sums.iter().map(|sum| sum / count as f64);
        let total: f64 = match self.metric {
            Metric::Rmse => means().map(f64::sqrt).sum(),
            _ if spread.contains(&0.0) => return None,
            _ => means()
                .zip(spread)
                .map(|(error, spread)| 1.0 - error / spread)
                .sum(),
        };
        Some(total / self.width as f64)
    }

    fn on(&self, units: &[usize]) -> Option<f64> {
        let mut sums = vec![0.0; self.width];
        for &unit in units {
            let cells = sums.iter_mut().zip(self.row(unit));
            cells.for_each(|(sum, error)| *sum += error);
        }
        let spread = self.spread(units.iter().copied());
        self.metric(&sums, units.len(), &spread)
    }
}

impl<'a> Scored<'a> {
    pub fn new(
        instrument: &'static str,
        metric: Metric,
        predicted: &'a Distribution,
        truth: &'a Targets,
    ) -> Result<Scored<'a>, ChallengeError> {
        check(instrument, predicted, truth)?;
        let value = metric.score(predicted, truth)?;
        if !value.is_finite() {
            return Err(ChallengeError::Undefined {
                instrument,
                resamples: 0,
            });
        }
        let parts = match (is_mean_over_units(metric), predicted, truth) {
            (false, _, _) => {
                Squares::of(metric, predicted, truth).map_or(Parts::Whole, Parts::Squares)
            }
            (
                true,
                Distribution::Bernoulli { probabilities, .. },
                Targets::Labels { width, values },
            ) => {
                let cells = probabilities.iter().zip(values);
                let one = |(&p, &applies): (&f32, &Option<bool>)| {
                    let said = Distribution::Bernoulli {
                        width: 1,
                        probabilities: vec![p],
                    };
                    let truth = Targets::Labels {
                        width: 1,
                        values: vec![applies],
                    };
                    applies.map(|_| metric.score(&said, &truth)).transpose()
                };
                Parts::Labels {
                    width: *width,
                    values: cells.map(one).collect::<Result<_, _>>()?,
                }
            }
            (true, _, _) => {
                let one = |i| metric.score(&predicted.select(&[i]), &truth.select(&[i]));
                let each = (0..truth.len()).into_par_iter().map(one);
                Parts::Units(each.collect::<Result<_, _>>()?)
            }
        };
        Ok(Scored {
            metric,
            predicted,
            truth,
            value,
            parts,
        })
    }

    /// The metric on a selection; `None` where it has no finite value.
    pub fn on(&self, units: &[usize]) -> Option<f64> {
        let value = match &self.parts {
            Parts::Units(values) => {
                units.iter().map(|&i| values[i]).sum::<f64>() / units.len() as f64
            }
            Parts::Labels { width, values } => {
                let mut sums = vec![(0.0, 0usize); *width];
                for &i in units {
                    let row = &values[i * width..(i + 1) * width];
                    for (sum, value) in sums.iter_mut().zip(row) {
                        if let Some(value) = value {
                            *sum = (sum.0 + value, sum.1 + 1);
                        }
                    }
                }
                mean_over_labels(&sums)?
            }
            Parts::Squares(squares) => squares.on(units)?,
            Parts::Whole => self
                .metric
                .score(&self.predicted.select(units), &self.truth.select(units))
                .ok()?,
        };
        value.is_finite().then_some(value)
    }

    /// One value a unit, of which the metric on all units is the mean, if it is one. What is known of the labels does not change
    /// between models, so that of labels there is one, too.
    pub fn per_unit(&self) -> Option<Vec<f64>> {
        match &self.parts {
            Parts::Units(values) => Some(values.clone()),
            Parts::Labels { width, values } => {
                let rows = || values.chunks_exact(*width);
                let known = |label: usize| rows().filter(|row| row[label].is_some()).count();
                let known: Vec<f64> = (0..*width).map(|label| known(label) as f64).collect();
                let labels = known.iter().filter(|count| **count > 0.0).count() as f64;
                let units = rows().len() as f64;
                let of_unit = |row: &[Option<f64>]| {
                    let shares = row.iter().zip(&known);
                    let shares = shares.filter_map(|(v, n)| v.map(|v| v * units / n / labels));
                    shares.sum()
                };
                Some(rows().map(of_unit).collect())
            }
            Parts::Squares(_) | Parts::Whole => None,
        }
    }

    /// The squared errors of which the metric is made, if it is.
    pub fn squares(&self) -> Option<&Squares<'a>> {
        match &self.parts {
            Parts::Squares(squares) => Some(squares),
            _ => None,
        }
    }
}

/// The mean over labels of the mean of each; those without a value are left out.
fn mean_over_labels(sums: &[(f64, usize)]) -> Option<f64> {
    let with = sums.iter().filter(|(_, count)| *count > 0);
    let means: Vec<f64> = with.map(|(sum, count)| sum / *count as f64).collect();
    (!means.is_empty()).then(|| mean(&means))
}

fn is_mean_over_units(metric: Metric) -> bool {
    match metric {
        Metric::Accuracy
        | Metric::LogLoss
        | Metric::Brier
        | Metric::Mae
        | Metric::Nll
        | Metric::Crps => true,
        Metric::BalancedAccuracy
        | Metric::MeanIou
        | Metric::F1
        | Metric::RocAuc
        | Metric::AveragePrecision
        | Metric::Rmse
        | Metric::R2 => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    #[test]
    fn resamples_of_labels_score_as_the_metric_does() {
        let predicted = Distribution::Bernoulli {
            width: 2,
            probabilities: (0..80).map(|i| (i * 37 % 101) as f32 / 101.0).collect(),
        };
        let truth = Targets::Labels {
            width: 2,
            values: (0..80)
                .map(|i| (i % 5 != 0).then_some(i % 3 == 0))
                .collect(),
        };
        for metric in Metric::all_for(candor_core::Task::Multilabel) {
            let scored = Scored::new("test", metric, &predicted, &truth).unwrap();
            for units in [vec![0], vec![0, 0, 5], (0..40).rev().collect()] {
                let whole = metric.score(&predicted.select(&units), &truth.select(&units));
                match (scored.on(&units), whole) {
                    (Some(found), Ok(whole)) => assert!((found - whole).abs() < 1e-12, "{metric}"),
                    (found, whole) => assert!(found.is_none() && whole.is_err(), "{metric}"),
                }
            }
            if let Some(per_unit) = scored.per_unit() {
                assert!((mean(&per_unit) - scored.value).abs() < 1e-12, "{metric}");
            }
        }
    }

    fn coin(n: usize, right: usize) -> (Distribution, Targets) {
        let labels = (0..n).map(|i| u32::from(i < right)).collect();
        (binary(&vec![0.9; n]), Targets::Classes(labels))
    }

    #[test]
    fn the_spread_of_an_accuracy_is_the_binomial_one() {
        let (predicted, truth) = coin(400, 300);
        for method in [IntervalMethod::Percentile, IntervalMethod::Bca] {
            let bootstrap = Bootstrap {
                method,
                ..Bootstrap::default()
            };
            let interval = bootstrap.metric(Metric::Accuracy, &predicted, &truth, Seed(1));
            let interval = interval.unwrap();
            let se = (0.75f64 * 0.25 / 400.0).sqrt();
            assert_eq!(interval.estimate, 0.75);
            assert!((interval.standard_error / se - 1.0).abs() < 0.1);
            assert!((interval.lower - (0.75 - 1.96 * se)).abs() < 0.3 * se);
            assert!((interval.upper - (0.75 + 1.96 * se)).abs() < 0.3 * se);
        }
    }

    #[test]
    fn many_units_cost_no_more_and_have_the_narrower_interval() {
        let n = 40 * MOST_DRAWN;
        let (predicted, truth) = coin(n, 3 * n / 4);
        let interval = Bootstrap::default().metric(Metric::Accuracy, &predicted, &truth, Seed(1));
        let interval = interval.unwrap();
        let se = (0.75f64 * 0.25 / n as f64).sqrt();
        assert!((interval.standard_error / se - 1.0).abs() < 0.1);
        assert!((interval.upper - (0.75 + 1.96 * se)).abs() < 0.3 * se);
    }

    #[test]
    fn bca_moves_the_interval_of_a_skewed_mean_outwards_to_the_right() {
        // Absolute errors 0 .. 0 and a few large ones: the mean's distribution leans to the right.
        let n = 40;
        let values = (0..n).map(|i| if i % 10 == 0 { 10.0 } else { 0.0 });
        let truth = Targets::Values {
            width: 1,
            values: values.collect(),
        };
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0; n],
            variance: vec![1.0; n],
        };
        let upper = |method| {
            let bootstrap = Bootstrap {
                method,
                ..Bootstrap::default()
            };
            let interval = bootstrap.metric(Metric::Mae, &predicted, &truth, Seed(2));
            interval.unwrap().upper
        };
        assert!(upper(IntervalMethod::Bca) > upper(IntervalMethod::Percentile));
    }

    #[test]
    fn the_mean_of_unit_values_is_the_metric() {
        let predicted = binary(&[0.9, 0.3, 0.6, 0.2]);
        let truth = Targets::Classes(vec![1, 0, 0, 1]);
        for metric in [Metric::Accuracy, Metric::LogLoss, Metric::Brier] {
            let scored = Scored::new("test", metric, &predicted, &truth).unwrap();
            let units = [3, 0, 0, 2];
            let whole = metric.score(&predicted.select(&units), &truth.select(&units));
            assert!((scored.on(&units).unwrap() - whole.unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn resamples_of_numbers_score_as_the_metric_does() {
        let number = |i: usize, step: usize| (i * step % 101) as f32 / 10.0;
        let truth = Targets::Values {
            width: 2,
            values: (0..80).map(|i| number(i, 37)).collect(),
        };
        let gaussian = Distribution::Gaussian {
            width: 2,
            mean: (0..80).map(|i| number(i, 41)).collect(),
            variance: vec![1.0; 80],
        };
        let quantiles = Distribution::Quantiles {
            width: 2,
            levels: vec![0.1, 0.5, 0.9],
            values: (0..80)
                .flat_map(|i| [-1.0, 0.2, 2.0].map(|d| number(i, 41) + d))
                .collect(),
        };
        for predicted in [gaussian, quantiles] {
            for metric in Metric::all_for(candor_core::Task::Regression) {
                let scored = Scored::new("test", metric, &predicted, &truth).unwrap();
                for units in [vec![0], vec![0, 0, 5], (0..40).rev().collect()] {
                    let whole = metric.score(&predicted.select(&units), &truth.select(&units));
                    match (scored.on(&units), whole) {
                        (Some(found), Ok(whole)) => {
                            let bound = 1e-5 * whole.abs().max(1.0);
                            assert!((found - whole).abs() < bound, "{metric}: {found} {whole}");
                        }
                        (found, whole) => assert!(found.is_none() && whole.is_err(), "{metric}"),
                    }
                }
            }
        }
    }

    #[test]
    fn resamples_without_a_value_are_counted_and_skipped() {
        // One positive in six: about (5/6)^6 = 33 % of the resamples hold no positive.
        let predicted = binary(&[0.9, 0.1, 0.2, 0.3, 0.4, 0.5]);
        let truth = Targets::Classes(vec![1, 0, 0, 0, 0, 0]);
        let interval = Bootstrap::default()
            .metric(Metric::RocAuc, &predicted, &truth, Seed(0))
            .unwrap();
        assert_eq!(interval.resamples + interval.undefined, 1000);
        assert!((250..420).contains(&interval.undefined));
        assert_eq!((interval.lower, interval.upper), (1.0, 1.0));
    }

    #[test]
    fn what_has_no_value_is_an_error() {
        let (predicted, _) = coin(3, 0);
        let one_class = Targets::Classes(vec![0; 3]);
        let score = |bootstrap: Bootstrap, metric| {
            bootstrap.metric(metric, &predicted, &one_class, Seed(0))
        };
        let default = Bootstrap::default();
        assert!(score(default, Metric::RocAuc).is_err());
        let none = Bootstrap {
            resamples: 0,
            ..default
        };
        assert!(matches!(
            score(none, Metric::Accuracy),
            Err(ChallengeError::Undefined { .. })
        ));
        let certain = Bootstrap {
            level: 1.0,
            ..default
        };
        assert!(matches!(
            score(certain, Metric::Accuracy),
            Err(ChallengeError::Setting { .. })
        ));
    }

    #[test]
    fn one_unit_has_an_interval_of_no_width() {
        let (predicted, truth) = coin(1, 1);
        let bootstrap = Bootstrap {
            method: IntervalMethod::Bca,
            ..Bootstrap::default()
        };
        let interval = bootstrap.metric(Metric::Accuracy, &predicted, &truth, Seed(0));
        let interval = interval.unwrap();
        assert_eq!((interval.lower, interval.upper), (1.0, 1.0));
    }
}
