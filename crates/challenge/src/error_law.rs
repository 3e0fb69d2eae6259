use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::interval_calibration::normal_cdf;
use crate::labelled::{Measured, Numbers, check_length};

const INSTRUMENT: &str = "law of errors";

/// Levels above one half at which the law is known; those below are their mirror images.
const UPPER: [f32; 14] = [
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999,
];
/// Calibration units that the normal distribution counts as.
const PRIOR_UNITS: f64 = 50.0;
/// Halvings of the range in which a distance is looked for.
const STEPS: usize = 60;

/// How far true values lie from predicted means, in predicted standard deviations: one law a target, of whatever tails the errors have. It turns
/// normal distributions into quantiles that hold the truth as often as they say.
///
/// The law is symmetric, so that what is predicted stays the mean and the median; central ranges, which are what is stated, do not need to know on which
/// side errors lie. It is the empirical distribution of `|y - mu| / sigma`, mixed with that of a normal distribution of the best variance, which
/// counts as 50 units: on few units errors are nearly normal, on many they are what they are.
///
/// # Reference
/// Kuleshov, Fenner & Ermon, ICML 2018, section 3.2 (recalibrated distribution functions), on the central ranges of a location-scale family; the
/// mixture is the mean of a Dirichlet process (Ferguson 1973, section 5b).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorLaw {
    /// For each target the distances from the mean at 14 levels above one half, ascending.
    pub distances: Vec<Vec<f64>>,
}

impl ErrorLaw {
    /// The laws of calibration units.
    ///
    /// # Errors
    /// When predictions are not numbers, do not fit the truth, or there are no units.
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<ErrorLaw, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        let mut errors = vec![Vec::with_capacity(measured.len()); width];
        for (i, z) in measured.standardised().enumerate() {
            errors[i % width].push(z.abs());
        }
        Ok(ErrorLaw {
            distances: errors.into_iter().map(law).collect(),
        })
    }

    /// The same units by their quantiles at 29 levels.
    ///
    /// # Errors
    /// When predictions are not numbers, or have another number of targets.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "targets", self.distances.len(), numbers.width)?;
        for distances in &self.distances {
            check_length(INSTRUMENT, "distances", UPPER.len(), distances.len())?;
        }
        let most = f64::from(f32::MAX);
        let mut values = Vec::with_capacity(numbers.cells().len() * (2 * UPPER.len() + 1));
        for (i, (mean, sd)) in numbers.cells().enumerate() {
            let distances = &self.distances[i % numbers.width];
            let at = |z: f64| (mean + sd * z).clamp(-most, most) as f32;
            values.extend(distances.iter().rev().map(|z| at(-z)));
            values.push(at(0.0));
            values.extend(distances.iter().map(|z| at(*z)));
        }
        let lower = UPPER.iter().rev().map(|level| 1.0 - level);
        Ok(Distribution::Quantiles {
            width: numbers.width,
            levels: lower.chain([0.5]).chain(UPPER).collect(),
            values,
        })
    }
}

/// The distances of one target.
fn law(mut errors: Vec<f64>) -> Vec<f64> {
    errors.sort_by(f64::total_cmp);
    let count = errors.len() as f64;
    let square = errors.iter().map(|z| z * z).sum::<f64>() / count;
    let spread = square.sqrt().clamp(1e-3, 1e3);
    // The share of errors that are smaller than `distance`.
    let share = |distance: f64| {
        let seen = errors.partition_point(|z| *z <= distance) as f64;
        let normal = 2.0 * normal_cdf(distance / spread) - 1.0;
        (seen + PRIOR_UNITS * normal) / (count + PRIOR_UNITS)
    };
    let furthest = errors.last().copied().unwrap_or(0.0).max(10.0 * spread);
    let distance = |level: f32| {
        let wanted = 2.0 * f64::from(level) - 1.0;
        let (mut low, mut high) = (0.0, furthest);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if share(middle) < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    };
    UPPER.into_iter().map(distance).collect()
}

#[cfg(test)]
mod tests {
    use candor_core::{Metric, Seed};
    use rand::RngExt;

    use super::*;
    use crate::{IntervalCalibration, VarianceScale};

    /// Predictions of one target with means about 3, standard deviations of 0.5 and 2 by turns, and truths off by that times a draw of `noise`.
    fn made(count: usize, seed: u64, noise: impl Fn(f64) -> f64) -> (Distribution, Targets) {
        let mut rng = Seed(seed).stream("noise", &[]);
        let (mut mean, mut variance, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..count {
            let (m, sd) = (3.0 + (i % 5) as f64, [0.5, 2.0][i % 2]);
            mean.push(m as f32);
            variance.push((sd * sd) as f32);
            values.push((m + sd * noise(rng.random())) as f32);
        }
        let predicted = Distribution::Gaussian {
            width: 1,
            mean,
            variance,
        };
        (predicted, Targets::Values { width: 1, values })
    }

    /// The quantile function of the Laplace distribution: tails that a normal distribution does not have.
    fn laplace(u: f64) -> f64 {
        let centred = u - 0.5;
        -centred.signum() * (1.0 - 2.0 * centred.abs()).max(1e-12).ln()
    }

    /// Two samples of 4,000 each: a share differs by 1.1 points (one standard deviation), at all levels alike.
    #[test]
    fn heavy_tails_are_told_where_a_scaled_normal_distribution_misses() {
        let (calibration, truth) = made(4_000, 1, laplace);
        let (test, test_truth) = made(4_000, 2, laplace);
        let said = ErrorLaw::fit(&calibration, &truth).unwrap();
        let said = said.apply(&test).unwrap();
        let normal = VarianceScale::fit(&calibration, &truth).unwrap();
        let normal = normal.apply(&test).unwrap();
        let measure = |d: &Distribution| IntervalCalibration::measure(d, &test_truth, Seed(0));
        let (law, scaled) = (measure(&said).unwrap(), measure(&normal).unwrap());
        assert!(
            law.mean_absolute_miscalibration < 0.02,
            "{}",
            law.mean_absolute_miscalibration
        );
        assert!(scaled.mean_absolute_miscalibration > 0.035, "{scaled:?}");
        let crps = |d: &Distribution| Metric::Crps.score(d, &test_truth).unwrap();
        assert!(crps(&said) < crps(&normal));
        let mae = |d: &Distribution| Metric::Mae.score(d, &test_truth).unwrap();
        assert!((mae(&said) - mae(&normal)).abs() < 1e-5, "the mean stays");
    }

    #[test]
    fn a_few_units_leave_it_nearly_normal() {
        let (calibration, truth) = made(8, 3, laplace);
        let law = ErrorLaw::fit(&calibration, &truth).unwrap();
        let of = |level: f32| {
            let place = UPPER.iter().position(|l| *l == level).unwrap();
            law.distances[0][place]
        };
        let ratio = of(0.975) / of(0.75);
        assert!((2.0..4.0).contains(&ratio), "{ratio}");
        let json = serde_json::to_string(&law).unwrap();
        assert_eq!(serde_json::from_str::<ErrorLaw>(&json).unwrap(), law);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_exact_predictions_are_bounded() {
        let (predicted, truth) = made(20, 4, |_| 0.0);
        let law = ErrorLaw::fit(&predicted, &truth).unwrap();
        assert!(law.apply(&predicted).unwrap().is_finite());
        let two = ErrorLaw {
            distances: vec![law.distances[0].clone(); 2],
        };
        assert!(two.apply(&predicted).is_err());
        let short = ErrorLaw {
            distances: vec![vec![1.0]],
        };
        assert!(short.apply(&predicted).is_err());
        let classes = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.5, 0.5],
        };
        assert!(ErrorLaw::fit(&classes, &truth).is_err());
    }
}
