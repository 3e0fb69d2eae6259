use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::normal::normal_cdf;
use crate::{Distribution, QuantileFunction, Targets, Task};

/// How predictions are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of units whose most probable class is right; with several labels, of labels that are (Hamming accuracy).
    Accuracy,
    /// Mean over classes of the share of that class that is found.
    BalancedAccuracy,
    /// Mean over classes of the units that are said to be of a class and are, as a share of those that are said to be or are
    /// (intersection over union, Jaccard 1901): how parts of shapes and scenes are judged. Classes that neither occur nor are said are left
    /// out.
    MeanIou,
    /// Harmonic mean of precision and recall of a label, the mean over labels; defined for several labels only.
    F1,
    /// Area under the ROC curve; for more than two classes the mean of one against the rest.
    RocAuc,
    /// Precision where each unit of the class is found, the mean over them (area under steps of precision against recall); for more than two
    /// classes the mean of one against the rest.
    AveragePrecision,
    /// Mean negative log-probability of the true class, in nats.
    LogLoss,
    /// Mean squared distance of the probability vector from the true class, summed over classes (0 to 2).
    Brier,
    /// Root mean squared error, in the target's units.
    Rmse,
    /// Mean absolute error, in the target's units.
    Mae,
    /// Share of the target's variance that is explained.
    R2,
    /// Mean negative log-density of the true value under the predicted distribution, in nats.
    Nll,
    /// Continuous ranked probability score of the predicted distribution, in the target's units.
    Crps,
}

/// A metric that cannot be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricError {
    /// The metric is for another task.
    #[error("metric `{metric}` is not defined for {got}")]
    WrongKind {
        /// The metric.
        metric: Metric,
        /// What it was given.
        got: &'static str,
    },
    /// There are no units.
    #[error("metric `{metric}` needs at least one unit")]
    Empty {
        /// The metric.
        metric: Metric,
    },
    /// Lengths differ.
    #[error("metric `{metric}`: {predictions} predictions for {targets} targets")]
    Lengths {
        /// The metric.
        metric: Metric,
        /// Units predicted.
        predictions: usize,
        /// Units known.
        targets: usize,
    },
    /// The metric has no value on these units.
    #[error("metric `{metric}` is undefined here: {reason}")]
    Undefined {
        /// The metric.
        metric: Metric,
        /// Why.
        reason: &'static str,
    },
}

/// The first of the greatest.
fn likeliest(row: &[f32]) -> u32 {
    let greater = |best, (i, &value): (usize, &f32)| if value > row[best] { i } else { best };
    row.iter().enumerate().fold(0, greater) as u32
}

/// For each class the units that are said to be of it and are, as a share of those that are said to be or are; `None` where there are none.
/// Classes outside of `classes` are nobody's.
pub fn class_ious(
    classes: usize,
    said: impl IntoIterator<Item = u32>,
    truth: impl IntoIterator<Item = u32>,
) -> Vec<Option<f64>> {
    let mut counts = vec![[0usize; 2]; classes];
    let mut count = |class: u32, both: bool| {
        if let Some([hits, all]) = counts.get_mut(class as usize) {
            *all += 1;
            *hits += usize::from(both);
        }
    };
    for (said, is) in said.into_iter().zip(truth) {
        count(is, said == is);
        if said != is {
            count(said, false);
        }
    }
    let share = |[hits, all]: [usize; 2]| (all > 0).then(|| hits as f64 / all as f64);
    counts.into_iter().map(share).collect()
}

impl Metric {
    /// Every metric, in the order in which messages list them.
    pub const ALL: [Metric; 13] = [
        Metric::Accuracy,
        Metric::BalancedAccuracy,
        Metric::MeanIou,
        Metric::F1,
        Metric::RocAuc,
        Metric::AveragePrecision,
        Metric::LogLoss,
        Metric::Brier,
        Metric::Rmse,
        Metric::Mae,
        Metric::R2,
        Metric::Nll,
        Metric::Crps,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::BalancedAccuracy => "balanced_accuracy",
            Metric::MeanIou => "mean_iou",
            Metric::F1 => "f1",
            Metric::RocAuc => "roc_auc",
            Metric::AveragePrecision => "average_precision",
            Metric::LogLoss => "log_loss",
            Metric::Brier => "brier",
            Metric::Rmse => "rmse",
            Metric::Mae => "mae",
            Metric::R2 => "r2",
            Metric::Nll => "nll",
            Metric::Crps => "crps",
        }
    }

    /// Whether the metric moves in jumps on few units: it counts hits or compares ranks.
    pub fn jumps(self) -> bool {
        matches!(
            self,
            Metric::Accuracy
                | Metric::BalancedAccuracy
                | Metric::MeanIou
                | Metric::F1
                | Metric::RocAuc
                | Metric::AveragePrecision
        )
    }

    /// Whether a greater value is better.
    pub fn greater_is_better(self) -> bool {
        matches!(
            self,
            Metric::Accuracy
                | Metric::BalancedAccuracy
                | Metric::MeanIou
                | Metric::F1
                | Metric::RocAuc
                | Metric::AveragePrecision
                | Metric::R2
        )
    }

    /// The best value that can be; `None` where there is no bound: a density may be as high as it likes.
    pub fn perfect(self) -> Option<f64> {
        match self {
            Metric::Nll => None,
            metric => Some(f64::from(u8::from(metric.greater_is_better()))),
        }
    }

    /// The value as a loss: smaller is better.
    pub fn as_loss(self, value: f64) -> f64 {
        if self.greater_is_better() {
            -value
        } else {
            value
        }
    }

    /// Whether the metric judges predictions of this task.
    pub fn fits(self, task: Task) -> bool {
        let regression = matches!(
            self,
            Metric::Rmse | Metric::Mae | Metric::R2 | Metric::Nll | Metric::Crps
        );
        match self {
            Metric::F1 => task == Task::Multilabel,
            Metric::MeanIou => matches!(task, Task::Binary | Task::Multiclass),
            _ => regression != task.is_classification(),
        }
    }

    /// The metric that a search optimises when nobody names one: a proper score for classes, the
    /// root mean squared error for numbers.
    pub fn default_for(task: Task) -> Metric {
        if task.is_classification() {
            Metric::LogLoss
        } else {
            Metric::Rmse
        }
    }

    /// The metrics that a report shows for a task, the default first. [`Metric::MeanIou`] is for parts of shapes and scenes, and not among
    /// them.
    pub fn all_for(task: Task) -> Vec<Metric> {
        let default = Metric::default_for(task);
        let others = Metric::ALL
            .into_iter()
            .filter(|m| *m != default && *m != Metric::MeanIou && m.fits(task));
        std::iter::once(default).chain(others).collect()
    }

    /// Scores predictions against the truth. With several regression targets, the mean over targets. With several labels, the
    /// mean over labels of the score on the units where the label is known; labels for which it is undefined (one
    /// value only, no value) are left out.
    ///
    /// # Errors
    /// When the metric does not fit, there are no units, lengths differ, or the value is undefined
    /// (for example the ROC curve of a single class).
    pub fn score(self, predicted: &Distribution, truth: &Targets) -> Result<f64, MetricError> {
        if truth.is_empty() {
            return Err(MetricError::Empty { metric: self });
        }
        if predicted.len() != truth.len() {
            let (predictions, targets) = (predicted.len(), truth.len());
            return Err(MetricError::Lengths {
                metric: self,
                predictions,
                targets,
            });
        }
        match (predicted, truth) {
            (
                Distribution::Categorical {
                    classes,
                    probabilities,
                },
                Targets::Classes(truth),
            ) => self.score_classes(*classes, probabilities, truth),
            (
                Distribution::Gaussian {
                    width,
                    mean,
                    variance,
                },
                Targets::Values {
                    width: truth_width,
                    values,
                },
            ) if width == truth_width => {
                let cell = |i: usize| Cell::Normal {
                    mean: f64::from(mean[i]),
                    variance: f64::from(variance[i]),
                };
                self.score_values(*width, cell, values)
            }
            (
                Distribution::Quantiles {
                    width,
                    levels,
                    values,
                },
                Targets::Values {
                    width: truth_width,
                    values: truth,
                },
            ) if width == truth_width => {
                let count = levels.len();
                let cell = |i: usize| {
                    let values = &values[i * count..(i + 1) * count];
                    Cell::Quantiles(QuantileFunction::trusted(levels, values))
                };
                self.score_values(*width, cell, truth)
            }
            (
                Distribution::Bernoulli {
                    width,
                    probabilities,
                },
                Targets::Labels {
                    width: truth_width,
                    values,
                },
            ) if width == truth_width => self.score_labels(*width, probabilities, values),
            (Distribution::Bernoulli { .. }, _) => Err(MetricError::WrongKind {
                metric: self,
                got: "labels against something else",
            }),
            (Distribution::Categorical { .. }, _) => Err(MetricError::WrongKind {
                metric: self,
                got: "classes against numbers",
            }),
            (Distribution::Gaussian { .. } | Distribution::Quantiles { .. }, _) => {
                Err(MetricError::WrongKind {
                    metric: self,
                    got: "numbers of another kind",
                })
            }
        }
    }

    fn score_classes(self, classes: usize, p: &[f32], truth: &[u32]) -> Result<f64, MetricError> {
        let n = truth.len() as f64;
        let rows = || p.chunks_exact(classes).zip(truth);
        let right = |row: &[f32], class: u32| likeliest(row) == class;
        match self {
            Metric::Accuracy => {
                Ok(rows().filter(|(row, class)| right(row, **class)).count() as f64 / n)
            }
            Metric::BalancedAccuracy => {
                let mut found = vec![(0usize, 0usize); classes];
                for (row, &class) in rows() {
                    found[class as usize].1 += 1;
                    found[class as usize].0 += usize::from(right(row, class));
                }
                let present: Vec<f64> = found
                    .iter()
                    .filter(|(_, all)| *all > 0)
                    .map(|(hits, all)| *hits as f64 / *all as f64)
                    .collect();
                Ok(present.iter().sum::<f64>() / present.len() as f64)
            }
            Metric::MeanIou => {
                let said = rows().map(|(row, _)| likeliest(row));
                let shares = class_ious(classes, said, truth.iter().copied());
                let known: Vec<f64> = shares.into_iter().flatten().collect();
                Ok(known.iter().sum::<f64>() / known.len() as f64)
            }
            Metric::RocAuc | Metric::AveragePrecision => {
                let score_class = |class: usize| {
                    let scores: Vec<f32> = p.iter().skip(class).step_by(classes).copied().collect();
                    let positive: Vec<bool> = truth.iter().map(|&t| t as usize == class).collect();
                    self.by_ranks(&scores, &positive)
                };
                let values: Vec<f64> = match classes {
                    2 => score_class(1).into_iter().collect(),
                    _ => (0..classes).filter_map(score_class).collect(),
                };
                if values.is_empty() {
                    return Err(MetricError::Undefined {
                        metric: self,
                        reason: "the units hold one class only",
                    });
                }
                Ok(values.iter().sum::<f64>() / values.len() as f64)
            }
            Metric::LogLoss => {
                // Bounded like other tools do it, so that one confident error is not infinite.
                let loss = |row: &[f32], class: u32| {
                    -f64::from(row[class as usize]).clamp(1e-15, 1.0).ln()
                };
                Ok(rows().map(|(row, &class)| loss(row, class)).sum::<f64>() / n)
            }
            Metric::Brier => {
                let distance = |row: &[f32], class: u32| -> f64 {
                    row.iter()
                        .enumerate()
                        .map(|(i, &p)| (f64::from(p) - f64::from(i as u32 == class)).powi(2))
                        .sum()
                };
                Ok(rows()
                    .map(|(row, &class)| distance(row, class))
                    .sum::<f64>()
                    / n)
            }
            _ => Err(MetricError::WrongKind {
                metric: self,
                got: "classes",
            }),
        }
    }

    /// A score that looks at the order of the units alone.
    fn by_ranks(self, scores: &[f32], positive: &[bool]) -> Option<f64> {
        match self {
            Metric::AveragePrecision => average_precision(scores, positive),
            _ => roc_auc(scores, positive),
        }
    }

    fn score_labels(
        self,
        width: usize,
        p: &[f32],
        truth: &[Option<bool>],
    ) -> Result<f64, MetricError> {
        if !self.fits(Task::Multilabel) {
            return Err(MetricError::WrongKind {
                metric: self,
                got: "labels",
            });
        }
        let score = |label: usize| {
            let cells = p.iter().zip(truth).skip(label).step_by(width);
            let known: Vec<(f32, bool)> = cells
                .filter_map(|(&p, &applies)| Some((p, applies?)))
                .collect();
            self.score_label(&known)
        };
        let scores: Vec<f64> = (0..width).filter_map(score).collect();
        if scores.is_empty() {
            return Err(MetricError::Undefined {
                metric: self,
                reason: "no label has the values that it needs",
            });
        }
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// The score of one label on the units where it is known; `None` where it has no value.
    fn score_label(self, known: &[(f32, bool)]) -> Option<f64> {
        if known.is_empty() {
            return None;
        }
        let said = |p: f32| p > 0.5;
        let mean = |of: &dyn Fn(f32, bool) -> f64| {
            known.iter().map(|&(p, y)| of(p, y)).sum::<f64>() / known.len() as f64
        };
        let count = |says: bool, is: bool| {
            let of = known.iter().filter(|&&(p, y)| said(p) == says && y == is);
            of.count() as f64
        };
        match self {
            Metric::Accuracy => Some(mean(&|p, y| f64::from(u8::from(said(p) == y)))),
            Metric::BalancedAccuracy => {
                let share = |y: bool| {
                    let all = count(true, y) + count(false, y);
                    (all > 0.0).then(|| count(y, y) / all)
                };
                let found: Vec<f64> = [false, true].into_iter().filter_map(share).collect();
                Some(found.iter().sum::<f64>() / found.len() as f64)
            }
            Metric::F1 => {
                let hits = count(true, true);
                let all = 2.0 * hits + count(true, false) + count(false, true);
                (all > 0.0).then(|| 2.0 * hits / all)
            }
            Metric::RocAuc | Metric::AveragePrecision => {
                let (scores, positive): (Vec<f32>, Vec<bool>) = known.iter().copied().unzip();
                self.by_ranks(&scores, &positive)
            }
            Metric::LogLoss => Some(mean(&|p, y| {
                let right = if y { f64::from(p) } else { 1.0 - f64::from(p) };
                -right.clamp(1e-15, 1.0).ln()
            })),
            Metric::Brier => Some(mean(&|p, y| {
                2.0 * (f64::from(p) - f64::from(u8::from(y))).powi(2)
            })),
            _ => None,
        }
    }

    fn score_values<'a>(
        self,
        width: usize,
        cell: impl Fn(usize) -> Cell<'a>,
        truth: &[f32],
    ) -> Result<f64, MetricError> {
        let units = truth.len() / width;
        let mut total = 0.0;
        for target in 0..width {
            let average = |f: &dyn Fn(Cell, f64) -> f64| -> f64 {
                let places = (0..units).map(|unit| unit * width + target);
                let sum: f64 = places.map(|i| f(cell(i), f64::from(truth[i]))).sum();
                sum / units as f64
            };
            total += match self {
                Metric::Rmse => average(&|said, y| (said.mean() - y).powi(2)).sqrt(),
                Metric::Mae => average(&|said, y| (said.mean() - y).abs()),
                Metric::R2 => {
                    let column = || {
                        truth
                            .iter()
                            .skip(target)
                            .step_by(width)
                            .map(|&y| f64::from(y))
                    };
                    let centre = column().sum::<f64>() / units as f64;
                    let spread = column().map(|y| (y - centre).powi(2)).sum::<f64>() / units as f64;
                    if spread == 0.0 {
                        return Err(MetricError::Undefined {
                            metric: self,
                            reason: "the target is constant",
                        });
                    }
                    1.0 - average(&|said, y| (said.mean() - y).powi(2)) / spread
                }
                Metric::Nll => average(&|said, y| -said.log_density(y)),
                Metric::Crps => average(&|said, y| said.crps(y)),
                _ => {
                    return Err(MetricError::WrongKind {
                        metric: self,
                        got: "numbers",
                    });
                }
            };
        }
        Ok(total / width as f64)
    }
}

/// What is said of one number.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Normal { mean: f64, variance: f64 },
    Quantiles(QuantileFunction<'a>),
}

impl Cell<'_> {
    fn mean(self) -> f64 {
        match self {
            Cell::Normal { mean, .. } => mean,
            Cell::Quantiles(quantiles) => quantiles.mean(),
        }
    }

    fn log_density(self, y: f64) -> f64 {
        match self {
            Cell::Normal { mean, variance } => {
                -0.5 * ((2.0 * std::f64::consts::PI * variance).ln()
                    + (y - mean).powi(2) / variance)
            }
            Cell::Quantiles(quantiles) => quantiles.log_density(y),
        }
    }

    fn crps(self, y: f64) -> f64 {
        match self {
            Cell::Normal { mean, variance } => crps_gaussian(mean, variance, y),
            Cell::Quantiles(quantiles) => quantiles.crps(y),
        }
    }
}

/// Area under the ROC curve by ranks, ties counted half; `None` when one side is empty.
fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && scores[order[end]] == scores[order[start]] {
            end += 1;
        }
        let rank = (start + end + 1) as f64 / 2.0;
        rank_sum += rank * order[start..end].iter().filter(|&&i| positive[i]).count() as f64;
        start = end;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Sum over the scores, from the highest on, of what each adds to recall times the precision down to it, so that ties count together; `None`
/// when one side is empty.
fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|p| **p).count();
    if positives == 0 || positives == positive.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let more = tied.iter().filter(|&&i| positive[i]).count();
        (seen, found) = (seen + tied.len(), found + more);
        sum += more as f64 / positives as f64 * (found as f64 / seen as f64);
    }
    Some(sum)
}

/// Gneiting & Raftery 2007, equation 21.
fn crps_gaussian(mean: f64, variance: f64, truth: f64) -> f64 {
    let sd = variance.sqrt();
    let z = (truth - mean) / sd;
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    sd * (z * (2.0 * normal_cdf(z) - 1.0) + 2.0 * density - 1.0 / std::f64::consts::PI.sqrt())
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Metric::ALL.map(Metric::name);
        Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| {
                format!(
                    "unknown metric `{text}`; one of {}{}",
                    names.join(", "),
                    crate::did_you_mean(text, &names)
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_classes(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    #[test]
    fn scores_of_classes_worked_by_hand() {
        let predicted = two_classes(&[0.9, 0.6, 0.4, 0.2]);
        let truth = Targets::Classes(vec![1, 0, 1, 0]);
        let score = |metric: Metric| metric.score(&predicted, &truth).unwrap();
        assert!((score(Metric::Accuracy) - 0.5).abs() < 1e-12);
        // Pairs (positive, negative): .9>.6, .9>.2, .4<.6, .4>.2: three of four in order.
        assert!((score(Metric::RocAuc) - 0.75).abs() < 1e-12);
        // The first of the two is found at a precision of 1, the other, below one that is not, at 2/3.
        assert!((score(Metric::AveragePrecision) - 5.0 / 6.0).abs() < 1e-12);
        let expected = -(0.9f64.ln() + 0.4f64.ln() + 0.4f64.ln() + 0.8f64.ln()) / 4.0;
        assert!((score(Metric::LogLoss) - expected).abs() < 1e-6);
        let brier = 2.0 * (0.01 + 0.36 + 0.36 + 0.04) / 4.0;
        assert!((score(Metric::Brier) - brier).abs() < 1e-6);
        // Of either class one of three that are it or are said to be it.
        assert!((score(Metric::MeanIou) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            class_ious(4, [0, 0, 2], [0, 2, 2]),
            [Some(0.5), None, Some(0.5), None]
        );
    }

    #[test]
    fn ties_count_half() {
        let predicted = two_classes(&[0.5, 0.5]);
        assert_eq!(
            Metric::RocAuc.score(&predicted, &Targets::Classes(vec![0, 1])),
            Ok(0.5)
        );
        // Whatever the order of the two, precision is a half where both are in.
        assert_eq!(
            Metric::AveragePrecision.score(&predicted, &Targets::Classes(vec![1, 0])),
            Ok(0.5)
        );
    }

    #[test]
    fn scores_of_numbers_worked_by_hand() {
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![1.0, 3.0],
            variance: vec![1.0, 4.0],
        };
        let truth = Targets::Values {
            width: 1,
            values: vec![2.0, 3.0],
        };
        let score = |metric: Metric| metric.score(&predicted, &truth).unwrap();
        assert!((score(Metric::Rmse) - 0.5f64.sqrt()).abs() < 1e-12);
        assert!((score(Metric::Mae) - 0.5).abs() < 1e-12);
        assert!((score(Metric::R2) - (1.0 - 0.5 / 0.25)).abs() < 1e-12);
        let two_pi = 2.0 * std::f64::consts::PI;
        let nll = 0.5 * (0.5 * (two_pi.ln() + 1.0) + 0.5 * (two_pi * 4.0).ln());
        assert!((score(Metric::Nll) - nll).abs() < 1e-12);
        // CRPS of a standard normal at its mean: (sqrt(2) - 1) / sqrt(pi).
        let at_mean = crps_gaussian(0.0, 1.0, 0.0);
        assert!((at_mean - (2f64.sqrt() - 1.0) / std::f64::consts::PI.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn quantiles_of_a_normal_score_nearly_as_the_normal() {
        let levels: Vec<f32> = (1..40).map(|i| i as f32 / 40.0).collect();
        let normal = Distribution::Gaussian {
            width: 1,
            mean: vec![1.0, 3.0],
            variance: vec![1.0, 4.0],
        };
        let quantiles = normal.at_levels(&levels).unwrap();
        let truth = Targets::Values {
            width: 1,
            values: vec![2.0, 2.5],
        };
        for (metric, tolerance) in [
            (Metric::Rmse, 1e-5),
            (Metric::Mae, 1e-5),
            (Metric::R2, 1e-4),
            (Metric::Nll, 0.02),
            (Metric::Crps, 0.002),
        ] {
            let exact = metric.score(&normal, &truth).unwrap();
            let near = metric.score(&quantiles, &truth).unwrap();
            assert!((exact - near).abs() < tolerance, "{metric}: {exact} {near}");
        }
    }

    #[test]
    fn scores_of_labels_worked_by_hand() {
        // Label one on three of four units, label two always false, label three never known.
        let predicted = Distribution::Bernoulli {
            width: 3,
            probabilities: vec![0.9, 0.2, 0.5, 0.4, 0.1, 0.5, 0.3, 0.6, 0.5, 0.8, 0.5, 0.5],
        };
        let (yes, no) = (Some(true), Some(false));
        let truth = Targets::Labels {
            width: 3,
            values: vec![yes, no, None, no, no, None, yes, no, None, None, no, None],
        };
        let score = |metric: Metric| metric.score(&predicted, &truth).unwrap();
        let close = |metric: Metric, expected: f64| {
            let found = score(metric);
            assert!((found - expected).abs() < 1e-6, "{metric}: {found}");
        };
        // One: 0.9 and 0.4 are right, 0.3 is not. Two: 0.2, 0.1 and 0.5 are right (a half is no yes), 0.6 is not.
        close(Metric::Accuracy, (2.0 / 3.0 + 3.0 / 4.0) / 2.0);
        // One: half of the two positives are found, and the negative; two: three of four negatives.
        close(Metric::BalancedAccuracy, ((0.5 + 1.0) / 2.0 + 0.75) / 2.0);
        // One: 2 hits twice over 2 + 0 + 1; two: no hit, one false alarm.
        close(Metric::F1, (2.0 / 3.0 + 0.0) / 2.0);
        // Only label one has both values: 0.9 above 0.4, 0.3 below.
        close(Metric::RocAuc, 0.5);
        close(Metric::AveragePrecision, (1.0 + 2.0 / 3.0) / 2.0);
        let one = -(0.9f64.ln() + 0.6f64.ln() + 0.3f64.ln()) / 3.0;
        let two = -(0.8f64.ln() + 0.9f64.ln() + 0.4f64.ln() + 0.5f64.ln()) / 4.0;
        close(Metric::LogLoss, (one + two) / 2.0);
        let one = 2.0 * (0.01 + 0.16 + 0.49) / 3.0;
        let two = 2.0 * (0.04 + 0.01 + 0.36 + 0.25) / 4.0;
        close(Metric::Brier, (one + two) / 2.0);
        assert!(Metric::Rmse.score(&predicted, &truth).is_err());
        assert!(
            Metric::LogLoss
                .score(&predicted, &Targets::Classes(vec![0; 4]))
                .is_err()
        );
        let unknown = truth.select(&[3]);
        assert!(
            Metric::RocAuc
                .score(&predicted.select(&[3]), &unknown)
                .is_err()
        );
        assert!(
            Metric::F1
                .score(&two_classes(&[0.5]), &Targets::Classes(vec![1]))
                .is_err()
        );
    }

    #[test]
    fn what_cannot_be_scored_is_an_error() {
        let one_class = Targets::Classes(vec![1, 1]);
        let predicted = two_classes(&[0.2, 0.3]);
        assert!(matches!(
            Metric::RocAuc.score(&predicted, &one_class),
            Err(MetricError::Undefined { .. })
        ));
        assert!(matches!(
            Metric::Rmse.score(&predicted, &one_class),
            Err(MetricError::WrongKind { .. })
        ));
        assert!(matches!(
            Metric::Accuracy.score(&predicted, &Targets::Classes(vec![])),
            Err(MetricError::Empty { .. })
        ));
    }

    #[test]
    fn near_misses_are_suggested() {
        let message = "acuracy".parse::<Metric>().unwrap_err();
        assert!(message.ends_with("did you mean `accuracy`?"), "{message}");
    }
}
