use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::labelled::{Classified, Labelled, Measured, check_length};
use crate::{ChallengeError, ConfidentJoint, OutlyingValues};

const INSTRUMENT: &str = "label review";

/// A label, as it was given or as the model would have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelValue {
    /// A class, by number.
    Class(u32),
    /// Whether a label applies.
    Applies(bool),
    /// A number, in the target's units.
    Number(f64),
}

/// A label that is probably wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// The unit, from 0.
    pub unit: usize,
    /// The target, from 0: one of several labels or numbers.
    pub target: usize,
    /// What was given.
    pub given: LabelValue,
    /// What models that had not seen the unit say.
    pub suggested: LabelValue,
    /// Classes and labels: the probability that those models give to everything but the given one. Numbers: one minus the share of
    /// false ones to be expected in the list up to here.
    pub confidence: f64,
    /// Numbers: the distance of the given from the suggested, in units of the usual scatter; else `None`.
    pub deviation: Option<f64>,
}

/// Labels that a person should look at again. Nothing is changed by it.
///
/// Predictions must be of models that had not seen the units (out-of-fold): a model repeats what it has learned by heart. Errors that
/// follow a rule are learned by the model and not found; errors by chance are the easier kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelReview {
    /// Units that were looked at.
    pub units: usize,
    /// Labels that were looked at: known ones, over all targets.
    pub labels: usize,
    /// The surest first.
    pub suspects: Vec<Suspect>,
    /// Classes and labels: the estimated share of labels that are wrong. Where classes overlap it is too high.
    pub noise: Option<f64>,
}

impl LabelReview {
    /// Looks at classes and labels by confident learning ([`ConfidentJoint`]; labels one by one), at numbers by their residuals
    /// ([`OutlyingValues`]).
    ///
    /// `spread`: for numbers the standard deviation of the data around the prediction, `[units, width]` row-major; the whole
    /// predicted standard deviation without it.
    ///
    /// # Errors
    /// When predictions do not fit the labels, or there are no units.
    pub fn of(
        predicted: &Distribution,
        spread: Option<&[f64]>,
        given: &Targets,
    ) -> Result<LabelReview, ChallengeError> {
        let mut review = match predicted {
            Distribution::Categorical { .. } => of_classes(predicted, given),
            Distribution::Bernoulli { .. } => of_labels(predicted, given),
            Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {
                of_numbers(predicted, spread, given)
            }
        }?;
        review.suspects.sort_by(|a, b| {
            let deviation = |s: &Suspect| s.deviation.unwrap_or(0.0).abs();
            b.confidence
                .total_cmp(&a.confidence)
                .then(deviation(b).total_cmp(&deviation(a)))
                .then((a.unit, a.target).cmp(&(b.unit, b.target)))
        });
        Ok(review)
    }
}

fn of_classes(predicted: &Distribution, given: &Targets) -> Result<LabelReview, ChallengeError> {
    let classified = Classified::parse(INSTRUMENT, predicted, given)?;
    let joint = ConfidentJoint::estimate(predicted, given)?;
    let rows: Vec<(&[f32], usize)> = classified.rows().collect();
    let suspects = joint.suspects(predicted, given)?.into_iter();
    let suspects = suspects.map(|(unit, class)| Suspect {
        unit,
        target: 0,
        given: LabelValue::Class(classified.labels[unit]),
        suggested: LabelValue::Class(class),
        confidence: 1.0 - f64::from(rows[unit].0[rows[unit].1]),
        deviation: None,
    });
    Ok(LabelReview {
        units: rows.len(),
        labels: rows.len(),
        suspects: suspects.collect(),
        noise: Some(joint.noise()),
    })
}

fn of_labels(predicted: &Distribution, given: &Targets) -> Result<LabelReview, ChallengeError> {
    let labelled = Labelled::parse(INSTRUMENT, predicted, given)?;
    let rows: Vec<_> = labelled.rows().collect();
    let (mut suspects, mut labels, mut wrong) = (Vec::new(), 0, 0.0);
    for target in 0..labelled.probabilities.width {
        let known: Vec<usize> = (0..rows.len())
            .filter(|&unit| rows[unit].1[target].is_some())
            .collect();
        if known.is_empty() {
            continue;
        }
        let (predicted, truth) = labelled.known(target);
        let joint = ConfidentJoint::estimate(&predicted, &truth)?;
        labels += known.len();
        wrong += joint.noise() * known.len() as f64;
        for (place, class) in joint.suspects(&predicted, &truth)? {
            let unit = known[place];
            let p = f64::from(rows[unit].0[target]);
            suspects.push(Suspect {
                unit,
                target,
                given: LabelValue::Applies(class == 0),
                suggested: LabelValue::Applies(class == 1),
                confidence: if class == 1 { p } else { 1.0 - p },
                deviation: None,
            });
        }
    }
    Ok(LabelReview {
        units: rows.len(),
        labels,
        suspects,
        noise: (labels > 0).then(|| wrong / labels as f64),
    })
}

fn of_numbers(
    predicted: &Distribution,
    spread: Option<&[f64]>,
    given: &Targets,
) -> Result<LabelReview, ChallengeError> {
    let measured = Measured::parse(INSTRUMENT, predicted, given)?;
    let width = measured.width();
    let cells: Vec<(f64, f64, f64)> = measured.cells().collect();
    if let Some(spread) = spread {
        check_length(INSTRUMENT, "spreads", cells.len(), spread.len())?;
    }
    let mut suspects = Vec::new();
    for target in 0..width {
        let column = || cells.iter().enumerate().skip(target).step_by(width);
        let residuals: Vec<f64> = column().map(|(_, (mean, _, y))| y - mean).collect();
        let least = f64::from(f32::MIN_POSITIVE);
        let spreads: Vec<f64> = column()
            .map(|(i, (_, sd, _))| spread.map_or(*sd, |s| s[i]).max(least))
            .collect();
        let outlying = OutlyingValues::of(&residuals, &spreads)?;
        suspects.extend(outlying.units.iter().map(|&(unit, share)| {
            let (mean, _, y) = cells[unit * width + target];
            let deviation = residuals[unit] / spreads[unit] - outlying.centre;
            Suspect {
                unit,
                target,
                given: LabelValue::Number(y),
                suggested: LabelValue::Number(mean),
                confidence: 1.0 - share,
                deviation: Some(deviation / outlying.scale),
            }
        }));
    }
    Ok(LabelReview {
        units: measured.len(),
        labels: cells.len(),
        suspects,
        noise: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_come_first() {
        let probabilities = [
            0.9, 0.1, 0.8, 0.2, 0.02, 0.98, 0.2, 0.8, 0.1, 0.9, 0.05, 0.95,
        ];
        let predicted = Distribution::Categorical {
            classes: 2,
            probabilities: probabilities.map(|p: f64| p as f32).to_vec(),
        };
        // Units 2 and 3 say 1 but were given 0.
        let given = Targets::Classes(vec![0, 0, 0, 0, 1, 1]);
        let review = LabelReview::of(&predicted, None, &given).unwrap();
        let first = review.suspects[0];
        assert_eq!(
            (first.unit, first.given, first.suggested),
            (2, LabelValue::Class(0), LabelValue::Class(1))
        );
        assert!((first.confidence - 0.98).abs() < 1e-6);
        assert_eq!((review.units, review.labels), (6, 6));
        let json = serde_json::to_string(&review).unwrap();
        assert_eq!(serde_json::from_str::<LabelReview>(&json).unwrap(), review);
    }

    #[test]
    fn labels_are_looked_at_where_they_are_known() {
        // Two labels; the second is known of the last four units only, and wrong in the last.
        let p = [0.1, 0.5, 0.1, 0.5, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.95];
        let predicted = Distribution::Bernoulli {
            width: 2,
            probabilities: p.map(|p: f64| p as f32).to_vec(),
        };
        let second = [None, None, Some(false), Some(true), Some(true), Some(false)];
        let first = [false, false, true, true, false, true];
        let values = first
            .iter()
            .zip(second)
            .flat_map(|(a, b)| [Some(*a), b])
            .collect();
        let given = Targets::Labels { width: 2, values };
        let review = LabelReview::of(&predicted, None, &given).unwrap();
        assert_eq!(review.labels, 10);
        let found: Vec<_> = review
            .suspects
            .iter()
            .map(|s| (s.unit, s.target, s.given, s.suggested))
            .collect();
        assert_eq!(
            found,
            [(5, 1, LabelValue::Applies(false), LabelValue::Applies(true))]
        );
    }

    #[test]
    fn a_number_far_off_is_suspected_and_unsureness_of_the_model_excuses_nothing() {
        let n = 100;
        let noise = |i: usize| (i as f32 * 0.618).fract() - 0.5;
        let mut values: Vec<f32> = (0..n).map(|i| 10.0 + noise(i)).collect();
        values[17] = 40.0;
        let given = Targets::Values { width: 1, values };
        let mut variance = vec![0.1f32; n];
        variance[17] = 1e6;
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![10.0; n],
            variance,
        };
        let whole = LabelReview::of(&predicted, None, &given).unwrap();
        assert!(whole.suspects.is_empty());
        let review = LabelReview::of(&predicted, Some(&[0.3; 100]), &given).unwrap();
        assert_eq!(review.suspects.len(), 1);
        let suspect = review.suspects[0];
        assert_eq!(
            (suspect.unit, suspect.suggested),
            (17, LabelValue::Number(10.0))
        );
        assert!(suspect.confidence > 0.99 && suspect.deviation.unwrap() > 50.0);
        assert!(LabelReview::of(&predicted, Some(&[0.3]), &given).is_err());
    }
}
