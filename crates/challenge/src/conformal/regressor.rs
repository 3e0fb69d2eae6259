use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use super::{finite, quantile};
use crate::ChallengeError;
use crate::error::open_unit;
use crate::labelled::{Measured, Numbers, check_length};

const INSTRUMENT: &str = "conformal regressor";

/// Intervals that hold the true value with probability at least `1 - alpha`, wider where the model is
/// less sure.
///
/// The score is `|y - mu| / sigma` with the predicted standard deviation (Lei et al. 2018, section
/// 5.2). With several targets each has its own threshold, and the promise is for each target alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalRegressor {
    /// The promised probability of missing the truth, between 0 and 1.
    pub alpha: f64,
    /// Half-width in predicted standard deviations, one a target; `None` when there were too few
    /// calibration rows for the promise: the interval is then the whole line.
    pub thresholds: Vec<Option<f64>>,
    /// Calibration rows.
    pub calibration_units: usize,
}

impl ConformalRegressor {
    /// Calibrates on rows that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not numbers or do not fit the truth, there are no rows, or `alpha` is not
    /// between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<ConformalRegressor, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        let mut scores = vec![Vec::with_capacity(measured.len()); width];
        for (i, z) in measured.standardised().enumerate() {
            scores[i % width].push(z.abs());
        }
        Ok(ConformalRegressor {
            alpha,
            thresholds: scores.iter().map(|s| finite(quantile(s, alpha))).collect(),
            calibration_units: measured.len(),
        })
    }

    /// Lower and upper end for each unit and target, `[units, width]` row-major. Infinite where the
    /// threshold is.
    ///
    /// # Errors
    /// When predictions are not numbers of as many targets.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<(f64, f64)>, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        let width = self.thresholds.len();
        check_length(INSTRUMENT, "targets", width, numbers.width)?;
        let interval = |(i, (mean, sd)): (usize, (f64, f64))| match self.thresholds[i % width] {
            Some(threshold) => (mean - threshold * sd, mean + threshold * sd),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        };
        Ok(numbers.cells().enumerate().map(interval).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(mean: &[f32], variance: &[f32]) -> Distribution {
        Distribution::Gaussian {
            width: 1,
            mean: mean.to_vec(),
            variance: variance.to_vec(),
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
        // Scores 1, 2, 3/2 (error 3 at sd 2), 4: rank ceil(5 * .6) = 3 gives 2.
        let predicted = normal(&[0.0; 4], &[1.0, 1.0, 4.0, 1.0]);
        let truth = numbers(&[1.0, -2.0, 3.0, 4.0]);
        let fitted = ConformalRegressor::fit(0.4, &predicted, &truth).unwrap();
        assert_eq!(fitted.thresholds, [Some(2.0)]);
        let intervals = fitted.predict(&normal(&[10.0, 0.0], &[9.0, 1.0])).unwrap();
        assert_eq!(intervals, [(4.0, 16.0), (-2.0, 2.0)]);
    }

    #[test]
    fn each_target_has_its_own_threshold() {
        let predicted = Distribution::Gaussian {
            width: 2,
            mean: vec![0.0; 2],
            variance: vec![1.0; 2],
        };
        let truth = Targets::Values {
            width: 2,
            values: vec![1.0, 5.0],
        };
        let fitted = ConformalRegressor::fit(0.5, &predicted, &truth).unwrap();
        assert_eq!(fitted.thresholds, [Some(1.0), Some(5.0)]);
        assert!(fitted.predict(&normal(&[0.0], &[1.0])).is_err());
    }

    #[test]
    fn too_few_rows_give_the_whole_line() {
        let predicted = normal(&[0.0; 8], &[1.0; 8]);
        let fitted = ConformalRegressor::fit(0.1, &predicted, &numbers(&[1.0; 8])).unwrap();
        assert_eq!(fitted.thresholds, [None]);
        let whole = fitted.predict(&normal(&[0.0], &[1.0])).unwrap();
        assert_eq!(whole, [(f64::NEG_INFINITY, f64::INFINITY)]);
        let json = serde_json::to_string(&fitted).unwrap();
        assert_eq!(
            serde_json::from_str::<ConformalRegressor>(&json).unwrap(),
            fitted
        );
    }

    #[test]
    fn a_vanished_variance_keeps_the_promise_by_wide_intervals() {
        let predicted = normal(&[0.0; 9], &[0.0; 9]);
        let fitted = ConformalRegressor::fit(0.5, &predicted, &numbers(&[1.0; 9])).unwrap();
        let (low, high) = fitted.predict(&normal(&[0.0], &[0.0])).unwrap()[0];
        assert!((low + 1.0).abs() < 1e-6 && (high - 1.0).abs() < 1e-6);
    }
}
