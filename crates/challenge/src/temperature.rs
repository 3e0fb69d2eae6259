use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::labelled::{
    Classified, LabelProbabilities, Labelled, Measured, Numbers, Probabilities, top,
};
use crate::{ChallengeError, ErrorLaw, Isotonic, SpreadScale};

const TEMPERATURE: &str = "temperature";
const VARIANCE_SCALE: &str = "variance scale";

/// The least probability whose logarithm is taken, as in the log loss.
const FLOOR: f64 = 1e-15;

/// One temperature `T` for all units: `p^(1/T)`, renormalised. Cannot change the most probable class.
///
/// Above 1 it makes an over-confident model humbler, below 1 a timid one bolder. Zero probabilities
/// count as 1e-15.
///
/// # Reference
/// Guo et al. 2017, equation 9. Applied to log-probabilities instead of logits (the same, since
/// softmax ignores a shift), and so to a whole ensemble after its probabilities were averaged. The paper fits by
/// maximum likelihood; here `ln T` has a normal prior around 0 with standard deviation [`Temperature::PRIOR_SD`], which
/// some hundred units outweigh. Without it, a hundred right answers make a model sure to fifteen digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// `T`, within [`Temperature::RANGE`].
    pub value: f64,
}

impl Temperature {
    /// The least and greatest temperature.
    pub const RANGE: (f64, f64) = (0.05, 20.0);

    /// Standard deviation of the prior on `ln T`: on few units a temperature far outside 0.4 to 2.7 is not believed.
    pub const PRIOR_SD: f64 = 0.5;

    /// The most probable temperature, given calibration units and the prior.
    ///
    /// Newton steps on the derivative by `ln(1/T)`, guarded by bisection. When the likelihood does not depend on `T`
    /// (a single class, uniform predictions) it is 1. The likelihood is never less than at 1. Labels have one temperature
    /// together, from all that are known.
    ///
    /// # Errors
    /// When predictions are not probabilities, do not fit the truth, or there are no units.
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<Temperature, ChallengeError> {
        if matches!(predicted, Distribution::Bernoulli { .. }) {
            let (predicted, truth) = Labelled::parse(TEMPERATURE, predicted, truth)?.pooled();
            return Temperature::fit(&predicted, &truth);
        }
        let classified = Classified::parse(TEMPERATURE, predicted, truth)?;
        let logs: Vec<(Vec<f64>, usize)> = classified
            .rows()
            .map(|(row, label)| (log_probabilities(row), label))
            .collect();
        Ok(Temperature {
            value: (-best_log_inverse(&logs)).exp(),
        })
    }

    /// The same units at this temperature.
    ///
    /// # Errors
    /// When predictions are not probabilities.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        if matches!(predicted, Distribution::Bernoulli { .. }) {
            let labels = LabelProbabilities::parse(TEMPERATURE, predicted)?;
            let cells = labels.rows().flatten();
            let applies = |p: &f32| tempered(&[1.0 - p, *p], 1.0 / self.value)[1].min(1.0);
            return Ok(Distribution::Bernoulli {
                width: labels.width,
                probabilities: cells.map(applies).collect(),
            });
        }
        let rows = Probabilities::parse(TEMPERATURE, predicted)?;
        let mut probabilities = Vec::with_capacity(rows.len() * rows.classes);
        for row in rows.rows() {
            probabilities.extend(tempered(row, 1.0 / self.value));
        }
        Ok(Distribution::Categorical {
            classes: rows.classes,
            probabilities,
        })
    }
}

fn log_probabilities(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&p| f64::from(p).max(FLOOR).ln()).collect()
}

/// `exp(beta * logs)` divided by its greatest element, with its sum.
fn powers(logs: &[f64], beta: f64) -> (Vec<f64>, f64) {
    let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logs.iter().map(|l| (beta * (l - greatest)).exp()).collect();
    let sum = powers.iter().sum();
    (powers, sum)
}

fn tempered(row: &[f32], beta: f64) -> Vec<f32> {
    let (powers, sum) = powers(&log_probabilities(row), beta);
    let mut tempered: Vec<f32> = powers.iter().map(|p| (p / sum) as f32).collect();
    // Rounding to 32 bits can make the two greatest equal: the winner stays the winner.
    let winner = top(row).0;
    if top(&tempered).0 != winner {
        tempered[winner] = tempered[winner].next_up();
    }
    tempered
}

/// First and second derivative of the negative log-posterior by `u = ln(1/T)`.
fn derivatives(logs: &[(Vec<f64>, usize)], u: f64) -> (f64, f64) {
    let beta = u.exp();
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (logs, label) in logs {
        let (powers, sum) = powers(logs, beta);
        let mean = powers.iter().zip(logs).map(|(p, l)| p * l).sum::<f64>() / sum;
        slope += mean - logs[*label];
        let spread = |(p, l): (&f64, &f64)| p * (l - mean).powi(2);
        curvature += powers.iter().zip(logs).map(spread).sum::<f64>() / sum;
    }
    let precision = Temperature::PRIOR_SD.powi(-2);
    (
        beta * slope + precision * u,
        beta * beta * curvature + beta * slope + precision,
    )
}

fn best_log_inverse(logs: &[(Vec<f64>, usize)]) -> f64 {
    let (least, greatest) = Temperature::RANGE;
    let (mut low, mut high) = (-greatest.ln(), -least.ln());
    let mut u = 0.0;
    for _ in 0..100 {
        let (slope, curvature) = derivatives(logs, u);
        if slope > 0.0 {
            high = u;
        } else {
            low = u;
        }
        let newton = u - slope / curvature;
        let next = if curvature > 0.0 && newton >= low && newton <= high {
            newton
        } else {
            f64::midpoint(low, high)
        };
        if (next - u).abs() <= 1e-10 {
            return next;
        }
        u = next;
    }
    u
}

/// One factor a target on the predicted variance: the humble counterpart of a temperature for numbers.
///
/// # Reference
/// Laves et al. 2020, equation 9 (sigma scaling): the factor that minimises the Gaussian negative
/// log-likelihood is the mean of `((y - mu) / sigma)^2`, in closed form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VarianceScale {
    /// One factor a target, within [`VarianceScale::RANGE`].
    pub factors: Vec<f64>,
}

impl VarianceScale {
    /// The least and greatest factor: exact predictions would otherwise give zero.
    pub const RANGE: (f64, f64) = (1e-6, 1e6);

    /// The factors that minimise the negative log-likelihood on calibration units.
    ///
    /// # Errors
    /// When predictions are not numbers, do not fit the truth, or there are no units.
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<VarianceScale, ChallengeError> {
        let measured = Measured::parse(VARIANCE_SCALE, predicted, truth)?;
        let width = measured.width();
        let mut squares = vec![0.0; width];
        for (i, z) in measured.standardised().enumerate() {
            squares[i % width] += z * z;
        }
        let units = measured.len() as f64;
        let (least, greatest) = VarianceScale::RANGE;
        let factors = squares
            .iter()
            .map(|sum| (sum / units).clamp(least, greatest))
            .collect();
        Ok(VarianceScale { factors })
    }

    /// The same units with scaled variances.
    ///
    /// # Errors
    /// When predictions are not numbers, or have another number of targets.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        let numbers = Numbers::parse(VARIANCE_SCALE, predicted)?;
        let (width, expected) = (numbers.width, self.factors.len());
        crate::labelled::check_length(VARIANCE_SCALE, "targets", expected, width)?;
        let mut scaled = predicted.clone();
        let Distribution::Gaussian { variance, .. } = &mut scaled else {
            return Err(ChallengeError::WrongKind {
                instrument: VARIANCE_SCALE,
                expected: "means and variances",
                got: "quantiles",
            });
        };
        for (i, v) in variance.iter_mut().enumerate() {
            let value = f64::from(*v) * self.factors[i % width];
            // Stays finite and positive in 32 bits.
            *v = value.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)) as f32;
        }
        Ok(scaled)
    }
}

/// What makes stated probabilities or variances true on average; fitted on units used for nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recalibration {
    /// For classes and labels.
    Temperature(Temperature),
    /// For numbers by mean and variance.
    VarianceScale(VarianceScale),
    /// For numbers by quantiles.
    SpreadScale(SpreadScale),
    /// For classes and labels, where a person asks for it and data allow.
    Isotonic(Isotonic),
    /// For numbers by mean and variance whose errors are not normal: forecasts.
    ErrorLaw(ErrorLaw),
}

impl Recalibration {
    /// Fits the kind that the predictions call for.
    ///
    /// # Errors
    /// As [`Temperature::fit`], [`VarianceScale::fit`] and [`SpreadScale::fit`].
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<Recalibration, ChallengeError> {
        match predicted {
            Distribution::Categorical { .. } | Distribution::Bernoulli { .. } => {
                Temperature::fit(predicted, truth).map(Recalibration::Temperature)
            }
            Distribution::Gaussian { .. } => {
                VarianceScale::fit(predicted, truth).map(Recalibration::VarianceScale)
            }
            Distribution::Quantiles { .. } => {
                SpreadScale::fit(predicted, truth).map(Recalibration::SpreadScale)
            }
        }
    }

    /// The same units, recalibrated.
    ///
    /// # Errors
    /// When predictions are of the other kind or another width.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        match self {
            Recalibration::Temperature(temperature) => temperature.apply(predicted),
            Recalibration::VarianceScale(scale) => scale.apply(predicted),
            Recalibration::SpreadScale(scale) => scale.apply(predicted),
            Recalibration::Isotonic(isotonic) => isotonic.apply(predicted),
            Recalibration::ErrorLaw(law) => law.apply(predicted),
        }
    }
}

#[cfg(test)]
mod tests {
    use candor_core::{Metric, Seed};
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;

    fn binary(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    #[test]
    fn labels_have_the_temperature_of_all_that_are_known_together() {
        let p = [0.9f32, 0.8, 0.3, 0.9, 0.6, 0.2];
        let (yes, no) = (Some(true), Some(false));
        let labels = Distribution::Bernoulli {
            width: 2,
            probabilities: p.to_vec(),
        };
        let truth = Targets::Labels {
            width: 2,
            values: vec![yes, None, no, no, yes, None],
        };
        let fitted = Temperature::fit(&labels, &truth).unwrap();
        let pooled = binary(&[0.9, 0.3, 0.9, 0.6]);
        let same = Temperature::fit(&pooled, &Targets::Classes(vec![1, 0, 0, 1])).unwrap();
        assert_eq!(fitted, same);
        // Odds to the power of 1/2: 9 to 1 becomes 3 to 1.
        let two = Temperature { value: 2.0 };
        let Distribution::Bernoulli { probabilities, .. } = two.apply(&labels).unwrap() else {
            panic!("labels");
        };
        assert!(
            (probabilities[0] - 0.75).abs() < 1e-6 && (probabilities[5] - 1.0 / 3.0).abs() < 1e-6
        );
    }

    #[test]
    fn a_temperature_worked_by_hand() {
        // Always 0.9 sure and right 3 times in 4. The likelihood alone wants 0.75 = 9^b / (9^b + 1), so 9^b = 3 and
        // T = ln 9 / ln 3 = 2. The prior pulls towards 1: b n (p - 0.75) ln 9 + ln(b) / sd^2 = 0 at the optimum.
        for (copies, tolerance) in [(1, 1.0), (25, 0.2), (25_000, 1e-3)] {
            let predicted = binary(&vec![0.9; 4 * copies]);
            let truth = Targets::Classes([1, 1, 1, 0].repeat(copies));
            let fitted = Temperature::fit(&predicted, &truth).unwrap();
            let b = 1.0 / fitted.value;
            let odds = 9f64.powf(b);
            let likelihood = b * (4 * copies) as f64 * (odds / (odds + 1.0) - 0.75) * 9f64.ln();
            let prior = b.ln() / Temperature::PRIOR_SD.powi(2);
            // 0.9 has seven digits in 32 bits.
            assert!(
                (likelihood + prior).abs() < 1e-5 * copies as f64,
                "{copies}: {likelihood} {prior}"
            );
            assert!((fitted.value - 2.0).abs() < tolerance, "{}", fitted.value);
        }
    }

    #[test]
    fn a_hundred_right_answers_are_no_certainty() {
        let sure = binary(&[0.98; 100]);
        let fitted = Temperature::fit(&sure, &Targets::Classes(vec![1; 100])).unwrap();
        assert!(fitted.value < 1.0 && fitted.value > 0.4, "{}", fitted.value);
    }

    #[test]
    fn the_range_holds_however_wrong_a_model_is() {
        let wrong = binary(&[1.0; 3_000]);
        let fitted = Temperature::fit(&wrong, &Targets::Classes(vec![0; 3_000])).unwrap();
        assert!(fitted.value <= Temperature::RANGE.1 && fitted.value > 10.0);
    }

    #[test]
    fn predictions_that_no_temperature_changes_keep_one() {
        let one_class = Distribution::Categorical {
            classes: 1,
            probabilities: vec![1.0; 3],
        };
        let fitted = Temperature::fit(&one_class, &Targets::Classes(vec![0; 3])).unwrap();
        assert_eq!(fitted.value, 1.0);
        let uniform = binary(&[0.5; 3]);
        let fitted = Temperature::fit(&uniform, &Targets::Classes(vec![0, 1, 1])).unwrap();
        assert_eq!(fitted.value, 1.0);
    }

    #[test]
    fn zeros_and_a_wrong_certainty_give_finite_numbers() {
        let certain = binary(&[1.0, 1.0, 1.0]);
        let truth = Targets::Classes(vec![1, 1, 0]);
        let fitted = Temperature::fit(&certain, &truth).unwrap();
        let cooled = fitted.apply(&certain).unwrap();
        assert!(cooled.is_finite());
        let loss = |p: &Distribution| Metric::LogLoss.score(p, &truth).unwrap();
        assert!(loss(&cooled) < loss(&certain));
    }

    #[test]
    fn a_known_temperature_is_found_again() {
        let mut rng = Seed(1).stream("test", &[]);
        let honest: Vec<f32> = (0..20_000).map(|_| rng.random_range(0.02..0.98)).collect();
        let labels = honest.iter().map(|&p| u32::from(rng.random::<f32>() < p));
        let truth = Targets::Classes(labels.collect());
        // Sharpened by 1/2.5, so that the remedy is T = 2.5.
        let sharp = Temperature { value: 0.4 }.apply(&binary(&honest)).unwrap();
        let fitted = Temperature::fit(&sharp, &truth).unwrap();
        assert!((fitted.value - 2.5).abs() < 0.1, "{}", fitted.value);
    }

    #[test]
    fn variance_is_scaled_by_the_mean_square() {
        // z = 2 and 0 in the first target, 1 and 1 in the second: factors 2 and 1.
        let predicted = Distribution::Gaussian {
            width: 2,
            mean: vec![0.0; 4],
            variance: vec![1.0, 4.0, 1.0, 4.0],
        };
        let truth = Targets::Values {
            width: 2,
            values: vec![2.0, 2.0, 0.0, -2.0],
        };
        let fitted = Recalibration::fit(&predicted, &truth).unwrap();
        let expected = VarianceScale {
            factors: vec![2.0, 1.0],
        };
        assert_eq!(fitted, Recalibration::VarianceScale(expected));
        let Distribution::Gaussian { variance, .. } = fitted.apply(&predicted).unwrap() else {
            panic!("kind is kept")
        };
        assert_eq!(variance, [2.0, 4.0, 2.0, 4.0]);
        assert!(fitted.apply(&binary(&[0.5])).is_err());
    }

    #[test]
    fn exact_predictions_keep_a_positive_variance() {
        let exact = Distribution::Gaussian {
            width: 1,
            mean: vec![3.0],
            variance: vec![1.0],
        };
        let truth = Targets::Values {
            width: 1,
            values: vec![3.0],
        };
        let fitted = VarianceScale::fit(&exact, &truth).unwrap();
        assert_eq!(fitted.factors, [VarianceScale::RANGE.0]);
    }

    proptest! {
        #[test]
        fn the_most_probable_class_never_changes(
            raw in prop::collection::vec(0.0f32..1.0, 5), temperature in 0.05f64..20.0,
        ) {
            let sum: f32 = raw.iter().sum();
            prop_assume!(sum > 1e-3);
            let predicted = Distribution::Categorical {
                classes: 5,
                probabilities: raw.iter().map(|p| p / sum).collect(),
            };
            let tempered = Temperature { value: temperature }.apply(&predicted).unwrap();
            prop_assert_eq!(predicted.classes(), tempered.classes());
        }

        #[test]
        fn fitting_never_raises_the_loss(cells in prop::collection::vec((0.01f32..0.99, 0u32..2), 1..40)) {
            let predicted = binary(&cells.iter().map(|c| c.0).collect::<Vec<_>>());
            let truth = Targets::Classes(cells.iter().map(|c| c.1).collect());
            let fitted = Temperature::fit(&predicted, &truth).unwrap();
            let loss = |p: &Distribution| Metric::LogLoss.score(p, &truth).unwrap();
            let tempered = fitted.apply(&predicted).unwrap();
            prop_assert!(loss(&tempered) <= loss(&predicted) + 1e-6);
        }
    }
}
