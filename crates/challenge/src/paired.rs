use candor_core::{Distribution, Metric, Seed, Targets};
use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::binomial::binomial_cdf;
use crate::bootstrap::{Scored, Squares};
use crate::labelled::Classified;
use crate::{Bootstrap, ChallengeError, Interval};

const COMPARISON: &str = "paired comparison";
const MCNEMAR: &str = "McNemar's test";

/// Random exchanges when the metric is a mean over units, on few units; on many, as many as this many flips of one unit allow,
/// but never fewer than 999.
const SIGN_FLIPS: usize = 9999;
const MOST_FLIPS: usize = 200_000_000;

/// Random exchanges for other metrics: as many as the bootstrap resamples; on many units, as this many predictions that are
/// scored allow, but never fewer than 199.
const MOST_EXCHANGED: usize = 20_000_000;

/// Two models on the same units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedComparison {
    /// The metric, in whose own direction all values are.
    pub metric: Metric,
    /// The first model's value.
    pub first: f64,
    /// The second model's value.
    pub second: f64,
    /// First minus second, with its bootstrap interval (the same units drawn for both).
    pub difference: Interval,
    /// Two-sided p-value of "it does not matter which model a prediction came from".
    pub p_value: f64,
    /// Random exchanges behind the p-value.
    pub permutations: usize,
}

impl PairedComparison {
    /// Compares two models.
    ///
    /// The p-value is that of the paired permutation test: the two predictions of each unit are
    /// exchanged or not with probability 1/2, and the share of exchanges that give a difference at
    /// least as large is counted, (1 + count) / (1 + exchanges). It holds for every metric; where the
    /// metric is a mean over units, it is a sign flip of the units' differences.
    ///
    /// # Reference
    /// Noreen 1989, approximate randomisation; Good 2005, section 3.7.
    ///
    /// # Errors
    /// When the models predict different kinds or numbers of units, the metric has no value, or a
    /// bootstrap setting is out of range.
    pub fn of(
        metric: Metric,
        first: &Distribution,
        second: &Distribution,
        truth: &Targets,
        bootstrap: &Bootstrap,
        seed: Seed,
    ) -> Result<PairedComparison, ChallengeError> {
        let a = Scored::new(COMPARISON, metric, first, truth)?;
        let b = Scored::new(COMPARISON, metric, second, truth)?;
        let estimate = a.value - b.value;
        let difference = bootstrap.interval(estimate, truth.len(), seed, |units| {
            Some(a.on(units)? - b.on(units)?)
        })?;
        let count = (MOST_EXCHANGED / truth.len().max(1)).max(199);
        let count = count.min(bootstrap.resamples);
        let permuted = match (a.per_unit(), b.per_unit(), a.squares(), b.squares()) {
            (Some(a), Some(b), ..) => {
                let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
                sign_flips(&differences, seed)
            }
            (.., Some(a), Some(b)) => exchanged_squares(a, b, truth.len(), count, seed),
            _ => exchanges(metric, first, second, truth, count, seed)?,
        };
        Ok(PairedComparison {
            metric,
            first: a.value,
            second: b.value,
            difference,
            p_value: two_sided(estimate, &permuted),
            permutations: permuted.len(),
        })
    }

    /// Whether the first model's value is better.
    pub fn first_is_better(&self) -> bool {
        self.metric.as_loss(self.first) < self.metric.as_loss(self.second)
    }

    /// Whether the difference is more than chance at this level, between 0 and 1.
    pub fn is_significant(&self, level: f64) -> bool {
        self.p_value <= level
    }
}

fn two_sided(observed: f64, permuted: &[f64]) -> f64 {
    // Sums in another order differ in the last digits: ties must count as ties.
    let threshold = observed.abs() * (1.0 - 1e-9) - 1e-14;
    let extreme = permuted.iter().filter(|d| d.abs() >= threshold).count();
    (1 + extreme) as f64 / (1 + permuted.len()) as f64
}

/// Mean differences under random signs.
fn sign_flips(differences: &[f64], seed: Seed) -> Vec<f64> {
    let n = differences.len() as f64;
    let flips = (MOST_FLIPS / differences.len().max(1)).clamp(999, SIGN_FLIPS);
    (0..flips as u64)
        .into_par_iter()
        .map(|i| {
            let mut rng = seed.stream("sign-flip", &[i]);
            let mut sum = 0.0;
            for block in differences.chunks(64) {
                let mut bits = rng.next_u64();
                for difference in block {
                    sum += if bits & 1 == 1 {
                        *difference
                    } else {
                        -difference
                    };
                    bits >>= 1;
                }
            }
            sum / n
        })
        .collect()
}

/// Differences of the metric after random exchange of the two models' predictions.
fn exchanges(
    metric: Metric,
    first: &Distribution,
    second: &Distribution,
    truth: &Targets,
    count: usize,
    seed: Seed,
) -> Result<Vec<f64>, ChallengeError> {
    let n = truth.len();
    let mut both = first.clone();
    both.append(second)?;
    let score = |units: &[usize]| metric.score(&both.select(units), truth).ok();
    Ok((0..count as u64)
        .into_par_iter()
        .filter_map(|i| {
            let mut rng = seed.stream("exchange", &[i]);
            let (mut a, mut b): (Vec<usize>, Vec<usize>) = (0..n).map(|i| (i, n + i)).unzip();
            for i in 0..n {
                if rng.random::<bool>() {
                    std::mem::swap(&mut a[i], &mut b[i]);
                }
            }
            Some(score(&a)? - score(&b)?).filter(|d| d.is_finite())
        })
        .collect())
}

/// The same for a metric of squared errors, from their sums.
fn exchanged_squares(
    first: &Squares,
    second: &Squares,
    units: usize,
    count: usize,
    seed: Seed,
) -> Vec<f64> {
    let spread = first.spread(0..units);
    (0..count as u64)
        .into_par_iter()
        .filter_map(|i| {
            let mut rng = seed.stream("exchange", &[i]);
            let mut sums = [vec![0.0; first.width()], vec![0.0; first.width()]];
            for unit in 0..units {
                let exchanged = usize::from(rng.random::<bool>());
                for (row, of) in [
                    (first.row(unit), exchanged),
                    (second.row(unit), 1 - exchanged),
                ] {
                    let cells = sums[of].iter_mut().zip(row);
                    cells.for_each(|(sum, error)| *sum += error);
                }
            }
            let [a, b] = sums.map(|sums| first.metric(&sums, units, &spread));
            Some(a? - b?).filter(|d| d.is_finite())
        })
        .collect()
}

/// Whether two classifiers are right equally often, judged by the units on which just one is right.
///
/// # Reference
/// McNemar 1947, in its exact binomial form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Units on which only the first is right.
    pub only_first: usize,
    /// Units on which only the second is right.
    pub only_second: usize,
    /// Two-sided exact p-value; 1 when they are never right apart.
    pub p_value: f64,
}

impl McNemar {
    /// Compares two classifiers on the same units.
    ///
    /// # Errors
    /// When predictions are not probabilities or do not fit the truth, or there are no units.
    pub fn of(
        first: &Distribution,
        second: &Distribution,
        truth: &Targets,
    ) -> Result<McNemar, ChallengeError> {
        let a = Classified::parse(MCNEMAR, first, truth)?.confidence();
        let b = Classified::parse(MCNEMAR, second, truth)?.confidence();
        let count = |pair: (bool, bool)| {
            let apart = a.iter().zip(&b).filter(|(a, b)| (a.1, b.1) == pair);
            apart.count()
        };
        let (only_first, only_second) = (count((true, false)), count((false, true)));
        let fewer = only_first.min(only_second);
        let p_value = 2.0 * binomial_cdf(fewer, only_first + only_second, 0.5);
        Ok(McNemar {
            only_first,
            only_second,
            p_value: p_value.min(1.0),
        })
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

    fn compare(metric: Metric, a: &[f32], b: &[f32], truth: &[u32]) -> PairedComparison {
        let truth = Targets::Classes(truth.to_vec());
        let bootstrap = Bootstrap::default();
        PairedComparison::of(metric, &binary(a), &binary(b), &truth, &bootstrap, Seed(1)).unwrap()
    }

    #[test]
    fn quantiles_are_compared_with_normal_distributions() {
        let truth: Vec<f32> = (0..60).map(|i| i as f32).collect();
        let near = Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.75],
            values: truth.iter().flat_map(|y| [y - 1.0, y + 1.5]).collect(),
        };
        let far = Distribution::Gaussian {
            width: 1,
            mean: vec![30.0; 60],
            variance: vec![300.0; 60],
        };
        let truth = Targets::Values {
            width: 1,
            values: truth,
        };
        for metric in [Metric::Rmse, Metric::R2, Metric::Crps, Metric::Nll] {
            let bootstrap = Bootstrap::default();
            let compared =
                PairedComparison::of(metric, &near, &far, &truth, &bootstrap, Seed(0)).unwrap();
            assert!(
                compared.first_is_better() && compared.is_significant(0.01),
                "{metric}"
            );
        }
    }

    #[test]
    fn a_sign_flip_p_value_worked_by_hand() {
        // Four units, the first model better by the same amount on each: 2 of 16 sign patterns.
        let report = compare(Metric::LogLoss, &[0.9; 4], &[0.6; 4], &[1; 4]);
        assert!((report.p_value - 0.125).abs() < 0.015, "{}", report.p_value);
        assert!(report.first_is_better());
        assert!((report.difference.estimate - (0.6f64 / 0.9).ln()).abs() < 1e-6);
        // Every resample shows the same difference.
        assert!((report.difference.upper - report.difference.lower).abs() < 1e-12);
    }

    #[test]
    fn identical_models_cannot_be_told_apart() {
        for metric in [Metric::LogLoss, Metric::RocAuc] {
            let p = [0.9, 0.2, 0.6, 0.4];
            let report = compare(metric, &p, &p, &[1, 0, 0, 1]);
            assert_eq!((report.p_value, report.difference.estimate), (1.0, 0.0));
            assert!(!report.first_is_better());
        }
    }

    #[test]
    fn a_metric_that_is_no_mean_is_compared_by_exchanges() {
        let truth: Vec<u32> = (0..60).map(|i| i % 2).collect();
        let good: Vec<f32> = truth.iter().map(|&t| 0.2 + 0.6 * t as f32).collect();
        let blind: Vec<f32> = (0..60).map(|i| 0.3 + 0.01 * (i % 7) as f32).collect();
        let report = compare(Metric::RocAuc, &good, &blind, &truth);
        assert!(report.first_is_better() && report.is_significant(0.01));
        assert!(report.difference.lower > 0.0);
        assert_eq!(report.permutations, 1000);
    }

    #[test]
    fn sums_of_squares_tell_of_exchanges_what_scores_tell() {
        let number = |i: usize, step: usize| (i * step % 101) as f32 / 10.0;
        let said = |step| Distribution::Gaussian {
            width: 3,
            mean: (0..90).map(|i| number(i, step)).collect(),
            variance: vec![1.0; 90],
        };
        let truth = Targets::Values {
            width: 3,
            values: (0..90).map(|i| number(i, 37)).collect(),
        };
        let (first, second) = (said(41), said(43));
        for metric in [Metric::Rmse, Metric::R2] {
            let scored = |said| Scored::new(COMPARISON, metric, said, &truth).unwrap();
            let (a, b) = (scored(&first), scored(&second));
            let (a, b) = (a.squares().unwrap(), b.squares().unwrap());
            let sums = exchanged_squares(a, b, 30, 200, Seed(1));
            let scores = exchanges(metric, &first, &second, &truth, 200, Seed(1)).unwrap();
            assert_eq!(sums.len(), scores.len());
            assert!(sums.iter().zip(&scores).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }

    #[test]
    fn mcnemar_worked_by_hand() {
        // Apart on six units, five to one: 2 (1 + 6) / 64.
        let first = binary(&[0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9]);
        let second = binary(&[0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9]);
        let truth = Targets::Classes(vec![1; 7]);
        let test = McNemar::of(&first, &second, &truth).unwrap();
        assert_eq!((test.only_first, test.only_second), (5, 1));
        assert!((test.p_value - 14.0 / 64.0).abs() < 1e-12);
        assert_eq!(McNemar::of(&first, &first, &truth).unwrap().p_value, 1.0);
    }

    #[test]
    fn models_of_different_kinds_are_refused() {
        let numbers = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        let truth = Targets::Classes(vec![1]);
        let bootstrap = Bootstrap::default();
        let metric = Metric::Accuracy;
        let report = PairedComparison::of(
            metric,
            &binary(&[0.5]),
            &numbers,
            &truth,
            &bootstrap,
            Seed(0),
        );
        assert!(matches!(report, Err(ChallengeError::WrongKind { .. })));
    }
}
