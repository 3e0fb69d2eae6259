use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::runs;

const INSTRUMENT: &str = "detection";

/// How well a score tells strange units (outside) from usual ones (inside). Greater is stranger.
///
/// Everything lies between 0 and 1. The areas under the precision-recall curves depend on the base
/// rate, which therefore stands beside them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Probability that a strange unit scores above a usual one, ties counted half.
    pub auroc: f64,
    /// Share of the strange that pass when 95 % of the usual pass: smaller is better.
    pub fpr95: f64,
    /// Average precision with the usual as positives.
    pub aupr_inside: f64,
    /// Average precision with the strange as positives.
    pub aupr_outside: f64,
    /// Share of the strange among all units: what `aupr_outside` would be by guessing.
    pub base_rate: f64,
    /// Usual units.
    pub inside: usize,
    /// Strange units.
    pub outside: usize,
}

impl Detection {
    /// Judges scores of usual and of strange units. Infinite scores are legal.
    ///
    /// # Errors
    /// When one side is empty, or a score is NaN.
    pub fn of(inside: &[f64], outside: &[f64]) -> Result<Detection, ChallengeError> {
        for (what, scores) in [("usual units", inside), ("strange units", outside)] {
            if scores.is_empty() {
                return Err(ChallengeError::TooFew {
                    instrument: INSTRUMENT,
                    what,
                    needed: 1,
                    got: 0,
                });
            }
            if let Some(i) = scores.iter().position(|s| s.is_nan()) {
                return Err(ChallengeError::NotFinite {
                    instrument: INSTRUMENT,
                    what: "score",
                    unit: i + 1,
                    value: f64::NAN,
                });
            }
        }
        let steps = Step::descending(inside, outside);
        let reversed: Vec<Step> = steps.iter().rev().map(|step| step.exchanged()).collect();
        Ok(Detection {
            auroc: auroc(&steps, inside.len(), outside.len()),
            fpr95: fpr95(inside, outside),
            aupr_inside: average_precision(&reversed, inside.len()),
            aupr_outside: average_precision(&steps, outside.len()),
            base_rate: outside.len() as f64 / (inside.len() + outside.len()) as f64,
            inside: inside.len(),
            outside: outside.len(),
        })
    }
}

/// Units of equal score.
#[derive(Clone, Copy)]
struct Step {
    positives: usize,
    negatives: usize,
}

impl Step {
    /// From the strangest score down; the strange are the positives.
    fn descending(inside: &[f64], outside: &[f64]) -> Vec<Step> {
        let usual = inside.iter().map(|&score| (score, false));
        let strange = outside.iter().map(|&score| (score, true));
        let mut all: Vec<(f64, bool)> = usual.chain(strange).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let scores: Vec<f64> = all.iter().map(|unit| unit.0).collect();
        let step = |(start, end): (usize, usize)| {
            let positives = all[start..end].iter().filter(|unit| unit.1).count();
            let negatives = end - start - positives;
            Step {
                positives,
                negatives,
            }
        };
        runs(&scores).into_iter().map(step).collect()
    }

    fn exchanged(self) -> Step {
        Step {
            positives: self.negatives,
            negatives: self.positives,
        }
    }
}

fn auroc(steps: &[Step], inside: usize, outside: usize) -> f64 {
    let (mut above, mut ordered) = (0.0, 0.0);
    for step in steps {
        let negatives = step.negatives as f64;
        ordered += negatives * (above + 0.5 * step.positives as f64);
        above += step.positives as f64;
    }
    ordered / (inside as f64 * outside as f64)
}

/// `sum (R_n - R_(n-1)) P_n` over the distinct scores (Davis & Goadrich 2006: no linear interpolation).
fn average_precision(steps: &[Step], positives: usize) -> f64 {
    let (mut found, mut taken, mut sum) = (0, 0, 0.0);
    for step in steps {
        found += step.positives;
        taken += step.positives + step.negatives;
        sum += step.positives as f64 * found as f64 / taken as f64;
    }
    sum / positives as f64
}

fn fpr95(inside: &[f64], outside: &[f64]) -> f64 {
    let mut inside = inside.to_vec();
    inside.sort_by(f64::total_cmp);
    // The least threshold at or below which at least 95 % of the usual lie.
    let rank = (inside.len() * 95).div_ceil(100);
    let threshold = inside[rank.max(1) - 1];
    let passed = outside.iter().filter(|score| **score <= threshold).count();
    passed as f64 / outside.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_worked_by_hand() {
        // Pairs (strange, usual): 3 > 1, 3 > 2, 1 = 1 (half), 1 < 2: 2.5 of 4.
        let found = Detection::of(&[1.0, 2.0], &[3.0, 1.0]).unwrap();
        assert!((found.auroc - 0.625).abs() < 1e-12);
        // Down: 3 (strange) precision 1; 2 (usual); 1 (both) precision 2/4.
        assert!((found.aupr_outside - 0.5 * (1.0 + 0.5)).abs() < 1e-12);
        // Up: 1 (both) precision 1/2; 2 (usual) precision 2/3.
        assert!((found.aupr_inside - 0.5 * (0.5 + 2.0 / 3.0)).abs() < 1e-12);
        // All the usual must pass, up to 2: one of the two strange passes too.
        assert_eq!((found.fpr95, found.base_rate), (0.5, 0.5));
    }

    #[test]
    fn constant_scores_are_guesses_and_infinite_ones_are_legal() {
        let constant = Detection::of(&[1.0; 3], &[1.0; 6]).unwrap();
        assert_eq!((constant.auroc, constant.fpr95), (0.5, 1.0));
        assert!((constant.aupr_outside - constant.base_rate).abs() < 1e-12);
        let perfect = Detection::of(&[1.0; 3], &[f64::INFINITY]).unwrap();
        assert_eq!((perfect.auroc, perfect.fpr95), (1.0, 0.0));
        assert_eq!((perfect.aupr_inside, perfect.aupr_outside), (1.0, 1.0));
    }

    #[test]
    fn an_empty_side_and_nan_are_refused() {
        assert!(Detection::of(&[], &[1.0]).is_err());
        assert!(Detection::of(&[1.0], &[]).is_err());
        assert!(Detection::of(&[1.0], &[f64::NAN]).is_err());
    }

    proptest! {
        #[test]
        fn the_other_way_round_the_area_is_the_rest(
            a in prop::collection::vec(0i32..8, 1..20), b in prop::collection::vec(0i32..8, 1..20),
        ) {
            let a: Vec<f64> = a.into_iter().map(f64::from).collect();
            let b: Vec<f64> = b.into_iter().map(f64::from).collect();
            let forth = Detection::of(&a, &b).unwrap().auroc;
            let back = Detection::of(&b, &a).unwrap().auroc;
            prop_assert!((forth + back - 1.0).abs() < 1e-12);
        }
    }
}
