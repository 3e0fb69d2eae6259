use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::labelled::{Classified, top};

const INSTRUMENT: &str = "confident learning";

/// How far below its threshold a 32-bit probability still counts as reaching it.
const ROUNDING: f64 = 1e-6;

/// How many units that were given one class truly belong to another, estimated from probabilities that a model gave to units which it
/// had not learned from.
///
/// A unit counts for the class whose probability is the greatest among those that reach their threshold, which is the mean
/// probability of the class over the units that were given it: so a model that is unsure of a class everywhere still finds
/// its errors. Nothing counts for a class that the model cannot tell at all, that is, one to which it gives no more
/// probability where the class was given than elsewhere.
///
/// Classes that truly overlap look like errors of labels: what is found is to be looked at by a person.
///
/// # Reference
/// Northcutt, Jiang & Chuang 2021, equations 1 to 3 (confident joint, calibration), and section 3.2, method 3 (prune by
/// noise rate); as its reference implementation does, a unit whose most probable class is the given one is never suspected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfidentJoint {
    /// Classes.
    pub classes: usize,
    /// Estimated units, `[given, true]` row-major. A row sums to the units that were given its class.
    pub counts: Vec<f64>,
    /// The threshold of each class; `None` for a class that no unit was given, or that the model cannot tell.
    pub thresholds: Vec<Option<f64>>,
}

impl ConfidentJoint {
    /// Counts over units whose labels the model had not seen.
    ///
    /// # Errors
    /// When predictions are not probabilities of classes, do not fit the labels, or there are no units.
    pub fn estimate(
        predicted: &Distribution,
        given: &Targets,
    ) -> Result<ConfidentJoint, ChallengeError> {
        let classified = Classified::parse(INSTRUMENT, predicted, given)?;
        let classes = classified.probabilities.classes;
        let thresholds = thresholds(&classified);
        let mut counts = vec![0.0f64; classes * classes];
        let mut units = vec![0.0f64; classes];
        for (row, label) in classified.rows() {
            units[label] += 1.0;
            if let Some(class) = confident(row, &thresholds) {
                counts[label * classes + class] += 1.0;
            }
        }
        for (label, row) in counts.chunks_exact_mut(classes).enumerate() {
            // A class without a confident unit accuses nobody.
            row[label] = row[label].max(1.0);
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|c| *c *= units[label] / sum);
        }
        Ok(ConfidentJoint {
            classes,
            counts,
            thresholds,
        })
    }

    /// The estimated share of labels that are wrong, 0 to 1.
    pub fn noise(&self) -> f64 {
        let all: f64 = self.counts.iter().sum();
        let right: f64 = self.counts.iter().step_by(self.classes + 1).sum();
        if all > 0.0 { 1.0 - right / all } else { 0.0 }
    }

    /// Units whose label is probably wrong, in unit order, each with its most probable class: of the units given one class, as many as
    /// the estimate says belong to another, those with the greatest margin of the other's probability over the given one's.
    ///
    /// # Errors
    /// As [`ConfidentJoint::estimate`], when they are other units than those of the estimate.
    pub fn suspects(
        &self,
        predicted: &Distribution,
        given: &Targets,
    ) -> Result<Vec<(usize, u32)>, ChallengeError> {
        let classified = Classified::parse(INSTRUMENT, predicted, given)?;
        let classes = classified.probabilities.classes;
        crate::labelled::check_length(INSTRUMENT, "classes", self.classes, classes)?;
        let rows: Vec<(&[f32], usize)> = classified.rows().collect();
        let mut of_class = vec![Vec::new(); classes];
        for (unit, (_, label)) in rows.iter().enumerate() {
            of_class[*label].push(unit);
        }
        let mut suspected = vec![false; rows.len()];
        for (label, units) in of_class.iter().enumerate() {
            for class in (0..classes).filter(|class| *class != label) {
                let wrong = self.counts[label * classes + class].round() as usize;
                if wrong == 0 {
                    continue;
                }
                let margin = |unit: usize| f64::from(rows[unit].0[class] - rows[unit].0[label]);
                let mut order = units.clone();
                order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)).then(a.cmp(&b)));
                order
                    .iter()
                    .take(wrong)
                    .for_each(|&unit| suspected[unit] = true);
            }
        }
        let suspects = rows.iter().enumerate().filter(|(unit, _)| suspected[*unit]);
        Ok(suspects
            .map(|(unit, (row, label))| (unit, top(row).0, *label))
            .filter(|(_, class, label)| class != label)
            .map(|(unit, class, _)| (unit, class as u32))
            .collect())
    }
}

/// The mean probability of each class over the units that were given it.
fn thresholds(classified: &Classified<'_>) -> Vec<Option<f64>> {
    let classes = classified.probabilities.classes;
    let (mut own, mut others) = (vec![(0.0, 0usize); classes], vec![(0.0, 0usize); classes]);
    for (row, label) in classified.rows() {
        for (class, &p) in row.iter().enumerate() {
            let side = if class == label {
                &mut own
            } else {
                &mut others
            };
            side[class].0 += f64::from(p);
            side[class].1 += 1;
        }
    }
    let mean = |(sum, count): &(f64, usize)| (*count > 0).then(|| sum / *count as f64);
    own.iter()
        .zip(&others)
        .map(|(own, others)| {
            let (own, others) = (mean(own)?, mean(others));
            others
                .is_none_or(|others| own > others + ROUNDING)
                .then_some(own)
        })
        .collect()
}

/// The most probable class among those that reach their threshold.
fn confident(row: &[f32], thresholds: &[Option<f64>]) -> Option<usize> {
    let reached = (0..row.len())
        .filter(|&class| thresholds[class].is_some_and(|t| f64::from(row[class]) >= t - ROUNDING));
    // The first of equals.
    reached.fold(None, |best, class| match best {
        Some(best) if row[class] <= row[best] => Some(best),
        _ => Some(class),
    })
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

    #[test]
    fn a_joint_worked_by_hand() {
        // Given 0: probabilities of 1 are 0.1, 0.1, 0.9 (wrong); given 1: 0.8, 0.9.
        let predicted = binary(&[0.1, 0.1, 0.9, 0.8, 0.9]);
        let given = Targets::Classes(vec![0, 0, 0, 1, 1]);
        let joint = ConfidentJoint::estimate(&predicted, &given).unwrap();
        // Thresholds: mean of 0.9, 0.9, 0.1 for class 0; mean of 0.8, 0.9 for class 1.
        let t = |i: usize| joint.thresholds[i].unwrap();
        assert!((t(0) - 1.9 / 3.0).abs() < 1e-6 && (t(1) - 0.85).abs() < 1e-6);
        // Confident: 0 -> 0 twice, 0 -> 1 once; of the units given 1 only the second reaches 0.85.
        let expected = [2.0, 1.0, 0.0, 2.0];
        for (got, expected) in joint.counts.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-9, "{:?}", joint.counts);
        }
        assert!((joint.noise() - 0.2).abs() < 1e-9);
        assert_eq!(joint.suspects(&predicted, &given).unwrap(), [(2, 1)]);
    }

    #[test]
    fn a_model_that_knows_nothing_accuses_nobody() {
        let predicted = binary(&[0.2; 50]);
        let given = Targets::Classes((0..50).map(|i| u32::from(i % 5 == 0)).collect());
        let joint = ConfidentJoint::estimate(&predicted, &given).unwrap();
        assert_eq!(joint.thresholds, [None, None]);
        assert_eq!(joint.noise(), 0.0);
        assert!(joint.suspects(&predicted, &given).unwrap().is_empty());
    }

    #[test]
    fn one_class_alone_and_a_class_that_nobody_was_given() {
        let predicted = binary(&[0.1, 0.9]);
        let given = Targets::Classes(vec![0, 0]);
        let joint = ConfidentJoint::estimate(&predicted, &given).unwrap();
        assert!(joint.thresholds[1].is_none());
        assert!(joint.suspects(&predicted, &given).unwrap().is_empty());
        assert!(ConfidentJoint::estimate(&binary(&[]), &Targets::Classes(vec![])).is_err());
        assert!(
            ConfidentJoint::estimate(&binary(&[f32::NAN]), &Targets::Classes(vec![0])).is_err()
        );
    }

    #[test]
    fn a_unit_whose_top_class_is_the_given_one_is_not_suspected() {
        // The threshold of class 1 is 0.3, which unit 0 reaches, but 0 stays its most probable class.
        let predicted = binary(&[0.4, 0.05, 0.05, 0.3, 0.3]);
        let given = Targets::Classes(vec![0, 0, 0, 1, 1]);
        let joint = ConfidentJoint::estimate(&predicted, &given).unwrap();
        assert!(joint.noise() > 0.0);
        let suspects = joint.suspects(&predicted, &given).unwrap();
        assert!(suspects.iter().all(|(unit, _)| *unit != 0), "{suspects:?}");
    }
}
