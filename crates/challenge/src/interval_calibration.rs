use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use crate::labelled::Measured;
use crate::{ChallengeError, NullDistribution};

const INSTRUMENT: &str = "interval calibration";

/// The stated probabilities of the central intervals that are checked.
const LEVELS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Bars of the histogram of the probability integral transform.
const HISTOGRAM_BINS: usize = 10;

/// How often one central interval holds the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelCoverage {
    /// The share that the prediction states.
    pub expected: f64,
    /// The share that was seen.
    pub observed: f64,
}

/// Whether predicted distributions of numbers hold the truth as often as they state.
///
/// Several targets are pooled.
///
/// # Reference
/// Kuleshov et al. 2018, section 3.5, with central intervals; Gneiting et al. 2007, section 3.1 for
/// the probability integral transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntervalCalibration {
    /// Ten central intervals, from 10 % to 95 %.
    pub levels: Vec<LevelCoverage>,
    /// Mean over the levels of `|observed - expected|`, 0 to 1.
    pub mean_absolute_miscalibration: f64,
    /// How many values of the predicted distribution function at the truth fall into each tenth of [0, 1]: flat when
    /// calibrated, a valley when over-confident, a hill when timid.
    pub pit_histogram: Vec<usize>,
    /// The miscalibration that a perfectly calibrated model shows on as many units. The targets of
    /// one unit count once, as if they erred together, which can only widen it.
    pub null: NullDistribution,
    /// Units judged.
    pub units: usize,
}

impl IntervalCalibration {
    /// Measures predictions against the truth. Only the null distribution depends on the seed.
    ///
    /// # Errors
    /// When predictions are not numbers, do not fit the truth, or there are no units.
    pub fn measure(
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<IntervalCalibration, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let said = measured.numbers();
        let transformed: Vec<f64> = said.map(|(number, y)| number.cumulative(y)).collect();
        let mut pit_histogram = vec![0; HISTOGRAM_BINS];
        for &u in &transformed {
            pit_histogram[((u * HISTOGRAM_BINS as f64) as usize).min(HISTOGRAM_BINS - 1)] += 1;
        }
        let observed = coverages(transformed.iter().copied());
        let miscalibration = miscalibration(&observed);
        let units = measured.len();
        let null =
            NullDistribution::simulate(miscalibration, units, seed, "interval-null", |uniform| {
                self::miscalibration(&coverages((0..units).map(|_| uniform())))
            });
        Ok(IntervalCalibration {
            levels: LEVELS
                .iter()
                .zip(observed)
                .map(|(&expected, observed)| LevelCoverage { expected, observed })
                .collect(),
            mean_absolute_miscalibration: miscalibration,
            pit_histogram,
            null,
            units,
        })
    }

    /// Whether the miscalibration is no greater than a perfectly calibrated model's often is.
    pub fn within_null(&self) -> bool {
        self.null.contains(self.mean_absolute_miscalibration)
    }
}

/// Standard normal distribution function.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// The share of transformed values inside each central interval: `|2u - 1| <= level`.
fn coverages(transformed: impl Iterator<Item = f64>) -> [f64; LEVELS.len()] {
    let mut inside = [0usize; LEVELS.len()];
    let mut count = 0usize;
    for u in transformed {
        count += 1;
        let needed = (2.0 * u - 1.0).abs();
        for (inside, level) in inside.iter_mut().zip(LEVELS) {
            *inside += usize::from(needed <= level);
        }
    }
    inside.map(|inside| inside as f64 / count.max(1) as f64)
}

fn miscalibration(observed: &[f64; LEVELS.len()]) -> f64 {
    let gaps = observed
        .iter()
        .zip(LEVELS)
        .map(|(o, level)| (o - level).abs());
    gaps.sum::<f64>() / LEVELS.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One unit at each of the given standardised errors.
    fn measure(z: &[f32], sd: f32) -> IntervalCalibration {
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0; z.len()],
            variance: vec![sd * sd; z.len()],
        };
        let truth = Targets::Values {
            width: 1,
            values: z.to_vec(),
        };
        IntervalCalibration::measure(&predicted, &truth, Seed(0)).unwrap()
    }

    /// The quantiles of a standard normal at (i + 1/2) / n, by bisection.
    fn normal_sample(n: usize) -> Vec<f32> {
        let quantile = |p: f64| {
            let (mut low, mut high) = (-8.0, 8.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if normal_cdf(middle) < p {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low as f32
        };
        (0..n)
            .map(|i| quantile((i as f64 + 0.5) / n as f64))
            .collect()
    }

    #[test]
    fn the_normal_distribution_function_at_known_points() {
        for (z, p) in [(0.0, 0.5), (1.959_963_985, 0.975), (-1.0, 0.158_655_254)] {
            assert!((normal_cdf(z) - p).abs() < 1e-9);
        }
    }

    #[test]
    fn a_perfect_sample_is_calibrated() {
        let report = measure(&normal_sample(1000), 1.0);
        assert!(report.mean_absolute_miscalibration < 2e-3);
        assert!(report.within_null());
        assert!(
            report
                .pit_histogram
                .iter()
                .all(|&n| (99..=101).contains(&n))
        );
    }

    #[test]
    fn quantiles_are_judged_by_their_own_distribution_function() {
        // Evenly over the levels: calibrated by construction, though nothing here is normal.
        let levels = vec![0.1, 0.5, 0.9];
        let cell = [0.0, 1.0, 10.0];
        let quantiles = candor_core::QuantileFunction::new(&levels, &cell).unwrap();
        let n = 1000;
        let truth = (0..n).map(|i| quantiles.quantile((f64::from(i) + 0.5) / f64::from(n)) as f32);
        let truth = Targets::Values {
            width: 1,
            values: truth.collect(),
        };
        let predicted = Distribution::Quantiles {
            width: 1,
            values: cell.repeat(n as usize),
            levels,
        };
        let report = IntervalCalibration::measure(&predicted, &truth, Seed(0)).unwrap();
        assert!(report.mean_absolute_miscalibration < 2e-3);
        assert!(
            report
                .pit_histogram
                .iter()
                .all(|&n| (99..=101).contains(&n))
        );
    }

    #[test]
    fn half_the_true_spread_is_found_out() {
        let report = measure(&normal_sample(500), 0.5);
        assert!(!report.within_null());
        // The stated 95 % interval reaches 0.98 true standard deviations: it holds 67 %.
        let last = report.levels[9];
        assert!((last.observed - 0.673).abs() < 0.01, "{last:?}");
        assert!(report.pit_histogram[0] > report.pit_histogram[5]);
    }

    #[test]
    fn one_unit_has_a_defined_report() {
        // The mean itself lies in every central interval.
        let report = measure(&[0.0], 1.0);
        assert!(report.levels.iter().all(|level| level.observed == 1.0));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            serde_json::from_str::<IntervalCalibration>(&json).unwrap(),
            report
        );
    }
}
