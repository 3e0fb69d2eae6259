use candor_core::{Distribution, QuantileFunction, Targets};
use serde::{Deserialize, Serialize};

use super::{finite, quantile};
use crate::ChallengeError;
use crate::error::open_unit;
use crate::labelled::{Measured, Number, Numbers, check_length};

const INSTRUMENT: &str = "conformal quantile regressor";

/// Intervals that hold the true value with probability at least `1 - alpha`, between two predicted quantiles that
/// are moved until they do: the longer side of a skewed distribution gets the longer side of the interval.
///
/// With `lo` and `hi` the predicted quantiles at `alpha / 2` and `1 - alpha / 2`, the score is `max(lo - y, y - hi) / (hi - lo)`,
/// and both ends move out by the threshold times `hi - lo` (inwards when it is negative). It is never below
/// -1/2, so the ends cannot cross. With several targets each has its own threshold, and the promise is for each target alone.
///
/// # Reference
/// Romano, Patterson & Candes, NeurIPS 2019, equations 6 and 7 (CQR), with the scores relative to the predicted width, as
/// Sesia & Candes 2020, section 2.2, equation 5 (CQR-r).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalQuantileRegressor {
    /// The promised probability of missing the truth, between 0 and 1.
    pub alpha: f64,
    /// What is added on both sides, in predicted widths, one a target; `None` when there were too few calibration rows
    /// for the promise: the interval is then the whole line.
    pub thresholds: Vec<Option<f64>>,
    /// Calibration rows.
    pub calibration_units: usize,
}

impl ConformalQuantileRegressor {
    /// Calibrates on rows that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not quantiles or do not fit the truth, there are no rows, or `alpha` is not between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<ConformalQuantileRegressor, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        let mut scores = vec![Vec::with_capacity(measured.len()); width];
        for (i, (number, y)) in measured.numbers().enumerate() {
            scores[i % width].push(score(number.quantiles(INSTRUMENT)?, alpha, y));
        }
        Ok(ConformalQuantileRegressor {
            alpha,
            thresholds: scores.iter().map(|s| finite(quantile(s, alpha))).collect(),
            calibration_units: measured.len(),
        })
    }

    /// Lower and upper end for each unit and target, `[units, width]` row-major. Infinite where the threshold is.
    ///
    /// # Errors
    /// When predictions are not quantiles of as many targets.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<(f64, f64)>, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        let width = self.thresholds.len();
        check_length(INSTRUMENT, "targets", width, numbers.width)?;
        let interval = |(i, number): (usize, Number)| {
            let quantiles = number.quantiles(INSTRUMENT)?;
            Ok(match self.thresholds[i % width] {
                Some(threshold) => interval_at(quantiles, self.alpha, threshold),
                None => (f64::NEG_INFINITY, f64::INFINITY),
            })
        };
        numbers.numbers().enumerate().map(interval).collect()
    }
}

/// How far outside of its quantiles a true value lies, in their distance.
pub(super) fn score(quantiles: QuantileFunction, alpha: f64, y: f64) -> f64 {
    let (low, high) = ends(quantiles, alpha);
    (low - y).max(y - high) / width_of(low, high)
}

/// The interval of the values whose score is at most `threshold`, a finite number.
pub(super) fn interval_at(quantiles: QuantileFunction, alpha: f64, threshold: f64) -> (f64, f64) {
    let (low, high) = ends(quantiles, alpha);
    let more = threshold * width_of(low, high);
    (low - more, high + more)
}

fn ends(quantiles: QuantileFunction, alpha: f64) -> (f64, f64) {
    (
        quantiles.quantile(alpha / 2.0),
        quantiles.quantile(1.0 - alpha / 2.0),
    )
}

/// The width that scores are relative to; one of zero is raised, so that one can divide by it.
fn width_of(low: f64, high: f64) -> f64 {
    (high - low).max(f64::from(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    fn quartiles(cells: &[[f32; 2]]) -> Distribution {
        Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.75],
            values: cells.concat(),
        }
    }

    fn numbers(values: &[f32]) -> Targets {
        Targets::Values {
            width: 1,
            values: values.to_vec(),
        }
    }

    #[test]
    fn an_interval_worked_by_hand() {
        // Scores, in widths of 2: below by 1 gives 1/2, inside by 1 gives -1/2, above by 4 gives 2. Of three, the rank
        // ceil(4 / 2) = 2 is 1/2.
        let predicted = quartiles(&[[0.0, 2.0]; 3]);
        let truth = numbers(&[-1.0, 1.0, 6.0]);
        let fitted = ConformalQuantileRegressor::fit(0.5, &predicted, &truth).unwrap();
        assert_eq!(fitted.thresholds, [Some(0.5)]);
        let intervals = fitted
            .predict(&quartiles(&[[10.0, 14.0], [0.0, 1.0]]))
            .unwrap();
        assert_eq!(intervals, [(8.0, 16.0), (-0.5, 1.5)]);
        let json = serde_json::to_string(&fitted).unwrap();
        let again: ConformalQuantileRegressor = serde_json::from_str(&json).unwrap();
        assert_eq!(again, fitted);
    }

    #[test]
    fn ends_that_are_too_wide_move_inwards_and_never_cross() {
        let predicted = quartiles(&[[-100.0, 100.0]; 9]);
        let fitted = ConformalQuantileRegressor::fit(0.5, &predicted, &numbers(&[0.0; 9])).unwrap();
        assert_eq!(fitted.thresholds, [Some(-0.5)]);
        assert_eq!(
            fitted.predict(&quartiles(&[[1.0, 3.0]])).unwrap(),
            [(2.0, 2.0)]
        );
    }

    #[test]
    fn the_promise_is_kept_when_the_quantiles_are_wrong_and_the_noise_is_skewed() {
        // Exponential noise, and quantiles of a far too narrow symmetric distribution.
        let mut rng = Seed(4).stream("exponential", &[]);
        let mut sample =
            |n: usize| -> Vec<f32> { (0..n).map(|_| -(1.0 - rng.random::<f32>()).ln()).collect() };
        let cells = |n| quartiles(&vec![[0.5f32, 0.9]; n]);
        let fitted =
            ConformalQuantileRegressor::fit(0.1, &cells(1999), &numbers(&sample(1999))).unwrap();
        let test = sample(4000);
        let intervals = fitted.predict(&cells(4000)).unwrap();
        let held = intervals.iter().zip(&test);
        let held =
            held.filter(|((low, high), y)| *low <= f64::from(**y) && f64::from(**y) <= *high);
        // Beta(1800, 200) and a binomial of 4000: the standard deviation is 0.0082.
        let coverage = held.count() as f64 / 4000.0;
        assert!((coverage - 0.9).abs() < 0.033, "{coverage}");
    }

    #[test]
    fn odd_input_has_defined_results() {
        let few =
            ConformalQuantileRegressor::fit(0.1, &quartiles(&[[0.0, 1.0]; 8]), &numbers(&[0.0; 8]));
        let few = few.unwrap();
        assert_eq!(few.thresholds, [None]);
        let whole = few.predict(&quartiles(&[[0.0, 1.0]])).unwrap();
        assert_eq!(whole, [(f64::NEG_INFINITY, f64::INFINITY)]);
        // No width at all: still an interval that holds what it must.
        let none = quartiles(&[[1.0, 1.0]; 9]);
        let fitted = ConformalQuantileRegressor::fit(0.5, &none, &numbers(&[2.0; 9])).unwrap();
        let (low, high) = fitted.predict(&quartiles(&[[1.0, 1.0]])).unwrap()[0];
        assert!(low <= 0.0 + 1e-6 && high >= 2.0 - 1e-6, "{low} {high}");
        let normal = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        assert!(fitted.predict(&normal).is_err());
        assert!(ConformalQuantileRegressor::fit(0.5, &normal, &numbers(&[0.0])).is_err());
    }
}
