use candor_core::{Distribution, QuantileFunction, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::labelled::{Measured, Numbers, check_length};

const INSTRUMENT: &str = "spread scale";

/// One factor a target on the distances of predicted quantiles from their median: what a temperature is for classes.
///
/// The factor that minimises the mean continuous ranked probability score on calibration units. The score of `m + s (X - m)` is
/// convex in `s`, since it is `E|m + s (X - m) - y| - s E|X - X'| / 2`, so there is one minimum. It looks at the whole
/// distribution and does not follow a single far-off unit, as a ratio of variances would where tails are long.
///
/// # Reference
/// Minimum CRPS estimation: Gneiting, Raftery, Westveld & Goldman 2005, section 3b.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpreadScale {
    /// One factor a target, within [`SpreadScale::RANGE`].
    pub factors: Vec<f64>,
}

/// Halvings of the range of `ln s` by the golden ratio: to 1e-6.
const STEPS: usize = 33;

impl SpreadScale {
    /// The least and greatest factor.
    pub const RANGE: (f64, f64) = (0.05, 20.0);

    /// The factors that minimise the score on calibration units.
    ///
    /// # Errors
    /// When predictions are not quantiles, do not fit the truth, or there are no units.
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<SpreadScale, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        let mut cells = vec![Vec::with_capacity(measured.len()); width];
        for (i, (number, y)) in measured.numbers().enumerate() {
            cells[i % width].push((number.quantiles(INSTRUMENT)?, y));
        }
        let factors = cells.iter().map(|cells| best_factor(cells)).collect();
        Ok(SpreadScale { factors })
    }

    /// The same units with scaled distances from the median.
    ///
    /// # Errors
    /// When predictions are not quantiles, or have another number of targets.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "targets", self.factors.len(), numbers.width)?;
        let mut scaled = predicted.clone();
        let Distribution::Quantiles {
            width,
            levels,
            values,
        } = &mut scaled
        else {
            return Err(ChallengeError::WrongKind {
                instrument: INSTRUMENT,
                expected: "predicted quantiles",
                got: "means and variances",
            });
        };
        let cells = values.chunks_exact_mut(levels.len().max(1));
        for (i, (cell, number)) in cells.zip(numbers.numbers()).enumerate() {
            let centre = number.quantiles(INSTRUMENT)?.quantile(0.5);
            for value in cell {
                let moved = centre + self.factors[i % *width] * (f64::from(*value) - centre);
                let most = f64::from(f32::MAX);
                *value = moved.clamp(-most, most) as f32;
            }
        }
        Ok(scaled)
    }
}

/// By golden section on `ln s`, where the minimum of a convex function of `s` is still the only one.
fn best_factor(cells: &[(QuantileFunction, f64)]) -> f64 {
    // Scaling a distribution by s about m scales the score: that of y is s times that of m + (y - m) / s.
    let score = |log: f64| -> f64 {
        let s = log.exp();
        let of_cell = |(quantiles, y): &(QuantileFunction, f64)| {
            let centre = quantiles.quantile(0.5);
            s * quantiles.crps(centre + (y - centre) / s)
        };
        cells.iter().map(of_cell).sum()
    };
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut low, mut high) = (SpreadScale::RANGE.0.ln(), SpreadScale::RANGE.1.ln());
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (score(left), score(right));
    for _ in 0..STEPS {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = score(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = score(right);
        }
    }
    f64::midpoint(low, high).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units whose true values lie evenly over the levels of skewed quantiles.
    fn honest(n: usize) -> (Distribution, Targets) {
        let levels = vec![0.05, 0.25, 0.5, 0.75, 0.95];
        let cell = [-1.0, -0.5, 0.0, 1.0, 5.0];
        let quantiles = QuantileFunction::new(&levels, &cell).unwrap();
        let truth = (0..n).map(|i| quantiles.quantile((i as f64 + 0.5) / n as f64) as f32);
        let truth = Targets::Values {
            width: 1,
            values: truth.collect(),
        };
        let values = cell.repeat(n);
        let predicted = Distribution::Quantiles {
            width: 1,
            levels,
            values,
        };
        (predicted, truth)
    }

    #[test]
    fn a_spread_that_is_wrong_by_a_factor_is_repaired() {
        let (predicted, truth) = honest(400);
        let factor =
            |predicted: &Distribution| SpreadScale::fit(predicted, &truth).unwrap().factors[0];
        let honest = factor(&predicted);
        assert!((honest - 1.0).abs() < 0.02, "{honest}");
        for wrong in [0.25, 3.0] {
            let scale = SpreadScale {
                factors: vec![wrong],
            };
            let narrow = scale.apply(&predicted).unwrap();
            let repaired = factor(&narrow) * wrong;
            assert!((repaired - honest).abs() < 1e-3, "{wrong}: {repaired}");
        }
    }

    #[test]
    fn the_median_stays() {
        let (predicted, _) = honest(1);
        let scale = SpreadScale { factors: vec![2.0] };
        let Distribution::Quantiles { values, .. } = scale.apply(&predicted).unwrap() else {
            panic!("quantiles");
        };
        assert_eq!(values, [-2.0, -1.0, 0.0, 2.0, 10.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_exact_predictions_are_bounded() {
        let (predicted, truth) = honest(2);
        let two = SpreadScale {
            factors: vec![1.0; 2],
        };
        assert!(two.apply(&predicted).is_err());
        let normal = predicted.by_moments();
        assert!(SpreadScale::fit(&normal, &truth).is_err());
        assert!(SpreadScale { factors: vec![1.0] }.apply(&normal).is_err());
        let exact = Targets::Values {
            width: 1,
            values: vec![0.0, 0.0],
        };
        let least = SpreadScale::fit(&predicted, &exact).unwrap().factors[0];
        assert!((least / SpreadScale::RANGE.0 - 1.0).abs() < 1e-3, "{least}");
    }
}
