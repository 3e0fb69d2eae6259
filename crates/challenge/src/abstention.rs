use candor_core::Task;
use serde::{Deserialize, Serialize};

use crate::Gate;

/// Why the model says "I do not know".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The input is unlike what the model learned from.
    UnlikeTrainingData,
    /// The members of the ensemble contradict each other: more data of this kind would help.
    MembersDisagree,
    /// The answer is uncertain in the data themselves: more data would not help.
    ClassesOverlap,
    /// The input could not be read, so that no model was asked.
    Unreadable,
}

impl Reason {
    /// The reason in a sentence for people who know no statistics.
    pub fn in_words(self, task: Task) -> &'static str {
        match self {
            Reason::UnlikeTrainingData => {
                "This case is unlike everything the model learned from, so its answer would be a guess."
            }
            Reason::Unreadable => "This case could not be read.",
            Reason::MembersDisagree => {
                "Models that learned from the same data contradict each other on this case: there \
                 were too few cases like it to learn from."
            }
            Reason::ClassesOverlap if task == Task::Multilabel => {
                "Cases like this one differ in their labels in the data: what is known about it does not settle all of them."
            }
            Reason::ClassesOverlap if task.is_classification() => {
                "Cases like this one belong to different classes in the data: what is known about \
                 it does not settle the answer."
            }
            Reason::ClassesOverlap => {
                "Cases like this one have very different values in the data: what is known about it \
                 does not settle the answer."
            }
        }
    }
}

/// When the model keeps silent: two gates in a row, since strange inputs and hard ones are different
/// failures and no blend of their scores serves both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AbstentionRule {
    /// Inputs with a smaller p-value of being usual are refused, 0 to 1; this is also the share of usual
    /// inputs that are refused.
    pub ood_p_min: f64,
    /// The gate on confidence.
    pub gate: Gate,
    /// The epistemic share of the uncertainty from which "the members disagree" is the reason given.
    /// It chooses the words, never whether an answer is given.
    pub disagreement_share: f64,
}

impl AbstentionRule {
    /// The p-value below which inputs are refused by default.
    pub const OOD_P_MIN: f64 = 0.01;

    /// The epistemic share of a disagreement by default. Members that are sure but contradict each other
    /// approach 1; on usual data a few members share most of their doubt and stay well below.
    pub const DISAGREEMENT_SHARE: f64 = 0.25;

    /// The rule with the default thresholds.
    pub fn new(gate: Gate) -> AbstentionRule {
        AbstentionRule {
            ood_p_min: AbstentionRule::OOD_P_MIN,
            gate,
            disagreement_share: AbstentionRule::DISAGREEMENT_SHARE,
        }
    }

    /// The rule where strangeness was calibrated on so many held-out units. With fewer than a hundred no p-value is below
    /// [`AbstentionRule::OOD_P_MIN`]; then inputs stranger than every held-out unit are refused, as long as that refuses no more than
    /// 5 % of usual ones.
    pub fn calibrated_on(self, held_out: usize) -> AbstentionRule {
        const MOST_REFUSED: f64 = 0.05;
        // Between the smallest p-value and the next.
        let stranger_than_all = 1.5 / (held_out + 1) as f64;
        AbstentionRule {
            ood_p_min: self.ood_p_min.max(stranger_than_all.min(MOST_REFUSED)),
            ..self
        }
    }

    /// Why this unit gets no answer; `None` when it gets one. NaN never leads to an answer.
    ///
    /// `epistemic_share` is the epistemic part over the total uncertainty, 0 to 1.
    pub fn decide(&self, p_value: f64, confidence: f64, epistemic_share: f64) -> Option<Reason> {
        let usual = p_value >= self.ood_p_min;
        if !usual {
            return Some(Reason::UnlikeTrainingData);
        }
        if self.gate.accepts(confidence) {
            return None;
        }
        Some(if epistemic_share >= self.disagreement_share {
            Reason::MembersDisagree
        } else {
            Reason::ClassesOverlap
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Gate = Gate {
        min_confidence: 0.8,
        target_risk: 0.05,
        delta: 0.05,
        guaranteed: true,
        coverage_on_calibration: 0.9,
        risk_on_calibration: 0.01,
        calibration_units: 500,
    };

    #[test]
    fn with_few_held_out_units_what_is_stranger_than_all_is_refused() {
        for (held_out, stranger_than_all, refused) in [
            (0, 1.0, false),
            (15, 1.0 / 16.0, false),
            (54, 1.0 / 55.0, true),
            (54, 2.0 / 55.0, false),
            (2_000, 1.0 / 2_001.0, true),
            (2_000, 20.0 / 2_001.0, true),
        ] {
            let rule = AbstentionRule::new(GATE).calibrated_on(held_out);
            let reason = rule.decide(stranger_than_all, 0.9, 0.0);
            assert_eq!(reason.is_some(), refused, "{held_out} {stranger_than_all}");
        }
    }

    #[test]
    fn the_two_gates_in_their_order() {
        let rule = AbstentionRule::new(GATE);
        let cases = [
            // (p-value, confidence, epistemic share) and what follows.
            (0.5, 0.8, 0.9, None),
            (0.005, 1.0, 0.0, Some(Reason::UnlikeTrainingData)),
            (0.5, 0.79, 0.1, Some(Reason::ClassesOverlap)),
            (0.5, 0.79, 0.25, Some(Reason::MembersDisagree)),
            (f64::NAN, 1.0, 0.0, Some(Reason::UnlikeTrainingData)),
            (0.5, f64::NAN, f64::NAN, Some(Reason::ClassesOverlap)),
        ];
        for (p, confidence, share, expected) in cases {
            assert_eq!(
                rule.decide(p, confidence, share),
                expected,
                "{p} {confidence} {share}"
            );
        }
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<AbstentionRule>(&json).unwrap(), rule);
    }

    #[test]
    fn reasons_differ_in_words_by_task() {
        let words = |task| Reason::ClassesOverlap.in_words(task);
        assert!(words(Task::Binary).contains("classes"));
        assert!(words(Task::Regression).contains("values"));
    }
}
