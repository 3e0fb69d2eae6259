use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erf;

use crate::ChallengeError;
use crate::empirical::standard_deviation;
use crate::labelled::{
    Classified, LabelProbabilities, Labelled, Measured, Number, Numbers, Probabilities,
    check_finite, check_length, top,
};

const INSTRUMENT: &str = "correctness";

/// When a prediction counts as right, and so what confidence means: the probability, by the model's
/// own word, of being right. One scale from 0 to 1 for classes and numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correctness {
    /// The most probable class is the true one. Confidence: its probability.
    TopClass,
    /// Every known label is said rightly, at a threshold of one half. Confidence: the product over labels of the probability of what is
    /// said, as if labels were independent given the unit.
    EveryLabel,
    /// Every target is within its tolerance of the predicted mean. Confidence: the product over
    /// targets of `P(|Y - mu| <= tolerance)` under the predicted distribution.
    Within {
        /// One a target, in its own units, 0 or more.
        tolerance: Vec<f64>,
    },
}

impl Correctness {
    /// The share of the targets' standard deviation that is tolerated by default: one half.
    pub const DEFAULT_SHARE: f64 = 0.5;

    /// Classes: the top class; labels: every one; numbers: within `share` of the standard deviation of these true values
    /// (0 where they are constant: then nothing but the exact value is right).
    ///
    /// # Errors
    /// When a true value or the share is not finite, or the share is negative.
    pub fn with_share(truth: &Targets, share: f64) -> Result<Correctness, ChallengeError> {
        let (width, values) = match truth {
            Targets::Classes(_) => return Ok(Correctness::TopClass),
            Targets::Labels { .. } => return Ok(Correctness::EveryLabel),
            Targets::Values { width, values } => (width, values),
        };
        if !(share.is_finite() && share >= 0.0) {
            return Err(ChallengeError::Setting {
                instrument: INSTRUMENT,
                name: "the tolerated share of the standard deviation",
                value: share,
                range: "0 or more",
            });
        }
        check_finite(INSTRUMENT, "true value", *width, values)?;
        let of_target = |target| {
            let column = values.iter().skip(target).step_by(*width);
            let column: Vec<f64> = column.map(|&v| f64::from(v)).collect();
            share * standard_deviation(&column)
        };
        Ok(Correctness::Within {
            tolerance: (0..*width).map(of_target).collect(),
        })
    }

    /// The confidence of each unit, 0 to 1.
    ///
    /// # Errors
    /// When the predictions are of the other kind, or have another number of targets.
    pub fn confidence(&self, predicted: &Distribution) -> Result<Vec<f64>, ChallengeError> {
        match self {
            Correctness::TopClass => {
                let rows = Probabilities::parse(INSTRUMENT, predicted)?;
                Ok(rows.rows().map(|row| top(row).1.min(1.0)).collect())
            }
            Correctness::EveryLabel => {
                let labels = LabelProbabilities::parse(INSTRUMENT, predicted)?;
                let said = |p: &f32| f64::from(p.max(1.0 - p));
                Ok(labels
                    .rows()
                    .map(|row| row.iter().map(said).product())
                    .collect())
            }
            Correctness::Within { tolerance } => {
                let numbers = Numbers::parse(INSTRUMENT, predicted)?;
                check_length(INSTRUMENT, "targets", tolerance.len(), numbers.width)?;
                let mut confidence = vec![1.0; numbers.len()];
                for (i, number) in numbers.numbers().enumerate() {
                    confidence[i / numbers.width] *= within(number, tolerance[i % numbers.width]);
                }
                Ok(confidence)
            }
        }
    }

    /// Whether each unit's prediction is wrong.
    ///
    /// # Errors
    /// When predictions do not fit the truth or this kind, or there are no units.
    pub fn wrong(
        &self,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<Vec<bool>, ChallengeError> {
        match self {
            Correctness::TopClass => {
                let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
                Ok(classified
                    .confidence()
                    .iter()
                    .map(|(_, right)| !right)
                    .collect())
            }
            Correctness::EveryLabel => {
                let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
                let wrong = |(p, applies): (&f32, &Option<bool>)| {
                    applies.is_some_and(|applies| (*p > 0.5) != applies)
                };
                let rows = labelled.rows();
                Ok(rows
                    .map(|(row, known)| row.iter().zip(known).any(wrong))
                    .collect())
            }
            Correctness::Within { tolerance } => {
                let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
                let width = measured.width();
                check_length(INSTRUMENT, "targets", tolerance.len(), width)?;
                let mut wrong = vec![false; measured.len()];
                for (i, (mean, _, y)) in measured.cells().enumerate() {
                    wrong[i / width] |= (y - mean).abs() > tolerance[i % width];
                }
                Ok(wrong)
            }
        }
    }
}

/// `P(|Y - mu| <= tolerance)`.
fn within(number: Number, tolerance: f64) -> f64 {
    match number {
        Number::Normal { sd, .. } => erf(tolerance / sd / std::f64::consts::SQRT_2),
        Number::Quantiles(quantiles) => {
            let mean = quantiles.mean();
            quantiles.cumulative(mean + tolerance) - quantiles.cumulative(mean - tolerance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_right_or_wrong() {
        let predicted = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.25, 0.75, 0.5, 0.5],
        };
        let truth = Targets::Classes(vec![0, 0]);
        let rule = Correctness::with_share(&truth, 0.5).unwrap();
        assert_eq!(rule, Correctness::TopClass);
        assert_eq!(rule.confidence(&predicted).unwrap(), [0.75, 0.5]);
        assert_eq!(rule.wrong(&predicted, &truth).unwrap(), [true, false]);
    }

    #[test]
    fn confidence_in_quantiles_is_the_mass_about_their_mean() {
        // Half of the mass is uniform on [0, 2], about the mean of 1.
        let predicted = Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.75],
            values: vec![0.0, 2.0],
        };
        for (tolerance, confidence) in [(0.0, 0.0), (0.5, 0.25), (1.0, 0.5)] {
            let rule = Correctness::Within {
                tolerance: vec![tolerance],
            };
            let found = rule.confidence(&predicted).unwrap()[0];
            assert!((found - confidence).abs() < 1e-12, "{found}");
        }
    }

    #[test]
    fn labels_are_right_when_all_that_are_known_are() {
        let predicted = Distribution::Bernoulli {
            width: 2,
            probabilities: vec![0.75, 0.5, 0.25, 1.0],
        };
        let truth = Targets::Labels {
            width: 2,
            values: vec![Some(true), Some(true), Some(false), None],
        };
        let rule = Correctness::with_share(&truth, 0.5).unwrap();
        assert_eq!(rule, Correctness::EveryLabel);
        assert_eq!(rule.confidence(&predicted).unwrap(), [0.375, 0.75]);
        // One half says "no", which is wrong; what nobody knows is not held against the second unit.
        assert_eq!(rule.wrong(&predicted, &truth).unwrap(), [true, false]);
    }

    #[test]
    fn numbers_are_right_within_a_tolerance() {
        // Standard deviations of the columns: sqrt(2) and 0.
        let truth = Targets::Values {
            width: 2,
            values: vec![0.0, 1.0, 2.0, 1.0],
        };
        let rule = Correctness::with_share(&truth, 2f64.sqrt()).unwrap();
        let Correctness::Within { tolerance } = &rule else {
            panic!("numbers")
        };
        assert!((tolerance[0] - 2.0).abs() < 1e-12 && tolerance[1] == 0.0);
        let predicted = Distribution::Gaussian {
            width: 2,
            mean: vec![1.5, 1.0, 2.0, 1.5],
            variance: vec![1.0; 4],
        };
        assert_eq!(rule.wrong(&predicted, &truth).unwrap(), [false, true]);
        assert_eq!(rule.confidence(&predicted).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn confidence_in_numbers_is_a_normal_probability() {
        let rule = Correctness::Within {
            tolerance: vec![1.96],
        };
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0, 0.0],
            variance: vec![1.0, 0.0],
        };
        let confidence = rule.confidence(&predicted).unwrap();
        assert!((confidence[0] - 0.95).abs() < 1e-4);
        assert_eq!(confidence[1], 1.0);
    }

    #[test]
    fn kinds_must_agree() {
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        assert!(Correctness::TopClass.confidence(&predicted).is_err());
        let two = Correctness::Within {
            tolerance: vec![1.0, 1.0],
        };
        assert!(two.confidence(&predicted).is_err());
        let truth = Targets::Values {
            width: 1,
            values: vec![1.0],
        };
        assert!(Correctness::with_share(&truth, f64::NAN).is_err());
    }
}
