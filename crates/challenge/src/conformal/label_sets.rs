use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

use super::{ConformalClassifier, ConformalMethod};
use crate::ChallengeError;
use crate::error::open_unit;
use crate::labelled::{LabelProbabilities, Labelled, check_length};

const INSTRUMENT: &str = "conformal label sets";

/// For each label a set of values, out of "does not apply" (0) and "applies" (1), that holds the true one with probability at least
/// `1 - alpha`. A set of both values says that the label is not known.
///
/// Each label has a threshold of its own (LAC, Sadinle et al. 2019), from the units where it is known, so the promise is for each
/// label alone, over units where labels are known as they were in calibration; not for all labels of a unit together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalLabelSets {
    /// The promised probability that a label's set misses the truth, between 0 and 1.
    pub alpha: f64,
    /// One a label, for two classes.
    pub labels: Vec<ConformalClassifier>,
}

impl ConformalLabelSets {
    /// Calibrates on rows that nothing else was fitted on. A label that none of them knows gets sets of both values.
    ///
    /// # Errors
    /// When predictions are not of labels or do not fit the truth, there are no rows, or `alpha` is not between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<ConformalLabelSets, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
        let of_label = |label| {
            let (predicted, truth) = labelled.known(label);
            if truth.is_empty() {
                return Ok(ConformalClassifier {
                    method: ConformalMethod::Lac,
                    alpha,
                    threshold: None,
                    classes: 2,
                    calibration_units: 0,
                    seed: Seed(0),
                });
            }
            // LAC draws no lots, so that the seed says nothing.
            ConformalClassifier::fit(ConformalMethod::Lac, alpha, &predicted, &truth, Seed(0))
        };
        let labels = (0..labelled.probabilities.width).map(of_label);
        Ok(ConformalLabelSets {
            alpha,
            labels: labels.collect::<Result<_, _>>()?,
        })
    }

    /// The set of each unit and label, `[units, width]` row-major, the more probable value first. May be empty.
    ///
    /// # Errors
    /// When predictions are not of as many labels.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<Vec<u32>>, ChallengeError> {
        let probabilities = LabelProbabilities::parse(INSTRUMENT, predicted)?;
        let width = self.labels.len();
        check_length(INSTRUMENT, "labels", width, probabilities.width)?;
        let mut sets = vec![Vec::new(); probabilities.len() * width];
        for (label, classifier) in self.labels.iter().enumerate() {
            let of_label = classifier.predict(&probabilities.as_classes(label))?;
            for (unit, set) in of_label.into_iter().enumerate() {
                sets[unit * width + label] = set;
            }
        }
        Ok(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(probabilities: &[f32]) -> Distribution {
        Distribution::Bernoulli {
            width: 2,
            probabilities: probabilities.to_vec(),
        }
    }

    #[test]
    fn sets_worked_by_hand() {
        // The first label is known four times, with scores 1 - p of the truth 0.1, 0.2, 0.3, 0.6: rank ceil(5 * 0.6) = 3. The
        // second is known once, which is too few.
        let predicted = labels(&[0.9, 0.5, 0.2, 0.5, 0.7, 0.5, 0.6, 0.5, 0.5, 0.5]);
        let (yes, no) = (Some(true), Some(false));
        let truth = Targets::Labels {
            width: 2,
            values: vec![yes, yes, no, None, yes, None, no, None, None, None],
        };
        let fitted = ConformalLabelSets::fit(0.4, &predicted, &truth).unwrap();
        let thresholds: Vec<Option<f64>> = fitted.labels.iter().map(|l| l.threshold).collect();
        assert!((thresholds[0].unwrap() - 0.3).abs() < 1e-6 && thresholds[1].is_none());
        // Sure of yes, of no, of neither; the second label is always open.
        let sets = fitted
            .predict(&labels(&[0.8, 0.9, 0.1, 0.4, 0.5, 0.5]))
            .unwrap();
        assert_eq!(
            sets,
            [vec![1], vec![1, 0], vec![0], vec![0, 1], vec![], vec![0, 1]]
        );
        let json = serde_json::to_string(&fitted).unwrap();
        let again: ConformalLabelSets = serde_json::from_str(&json).unwrap();
        assert_eq!(again, fitted);
    }

    #[test]
    fn a_label_that_no_row_knows_is_left_open_and_other_kinds_are_refused() {
        let truth = Targets::Labels {
            width: 2,
            values: vec![Some(true), None],
        };
        let fitted = ConformalLabelSets::fit(0.5, &labels(&[0.9, 0.9]), &truth).unwrap();
        assert_eq!(fitted.labels[1].calibration_units, 0);
        assert_eq!(fitted.predict(&labels(&[0.9, 0.9])).unwrap()[1], [1, 0]);
        let one = Distribution::Bernoulli {
            width: 1,
            probabilities: vec![0.5],
        };
        assert!(fitted.predict(&one).is_err());
        assert!(ConformalLabelSets::fit(1.5, &labels(&[0.9, 0.9]), &truth).is_err());
    }
}
