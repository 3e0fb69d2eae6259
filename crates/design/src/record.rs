use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Design, Observation};

/// A finished job: one trial trained and scored at one rung. Recorded once, never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Number in the study, from 0, in the order in which jobs were decided on.
    pub job: usize,
    /// The trial, from 0: all jobs of one design.
    pub trial: usize,
    /// How much training: 0 is the least.
    pub rung: usize,
    /// The design.
    pub design: Design,
    /// Who proposed it: `hand-made`, `baseline` or the name of a sampler.
    pub origin: String,
    /// How it ended.
    pub result: JobResult,
    /// Wall-clock seconds of the evaluation.
    pub seconds: f64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum JobResult {
    /// With a score on validation.
    Scored {
        /// Smaller is better; finite.
        loss: f64,
        /// In the metric's own direction; finite.
        score: f64,
        /// Trainable parameters.
        parameters: u64,
        /// What else the objective wants to keep.
        detail: Value,
    },
    /// Without one.
    Failed {
        /// Why.
        reason: String,
    },
}

impl JobRecord {
    /// What a sampler sees of it.
    pub(crate) fn observation(&self) -> Observation {
        Observation {
            trial: self.trial,
            design: self.design.clone(),
            rung: self.rung,
            loss: self.loss(),
            parameters: self.parameters().unwrap_or(0),
        }
    }

    /// The loss; `None` when the job failed.
    pub fn loss(&self) -> Option<f64> {
        match self.result {
            JobResult::Scored { loss, .. } => Some(loss),
            JobResult::Failed { .. } => None,
        }
    }

    /// The score in the metric's own direction; `None` when the job failed.
    pub fn score(&self) -> Option<f64> {
        match self.result {
            JobResult::Scored { score, .. } => Some(score),
            JobResult::Failed { .. } => None,
        }
    }

    /// Trainable parameters; `None` when the job failed.
    pub fn parameters(&self) -> Option<u64> {
        match self.result {
            JobResult::Scored { parameters, .. } => Some(parameters),
            JobResult::Failed { .. } => None,
        }
    }

    /// Why the job failed; `None` when it did not.
    pub fn failure(&self) -> Option<&str> {
        match &self.result {
            JobResult::Scored { .. } => None,
            JobResult::Failed { reason } => Some(reason),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A record with the figures that orderings look at; a NaN loss stands for a failure.
    pub(crate) fn record(trial: usize, rung: usize, loss: f64, parameters: u64) -> JobRecord {
        let result = if loss.is_nan() {
            JobResult::Failed {
                reason: "diverged".to_owned(),
            }
        } else {
            JobResult::Scored {
                loss,
                score: -loss,
                parameters,
                detail: json!({"epochs": 3}),
            }
        };
        JobRecord {
            job: 10 * rung + trial,
            trial,
            rung,
            design: Design::new().with("trial", trial),
            origin: "random".to_owned(),
            result,
            seconds: 0.5,
        }
    }

    #[test]
    fn a_failed_job_has_a_reason_and_no_figures() {
        let failed = record(0, 0, f64::NAN, 0);
        assert_eq!(failed.failure(), Some("diverged"));
        assert_eq!(
            (failed.loss(), failed.score(), failed.parameters()),
            (None, None, None)
        );
        let scored = record(1, 0, 0.25, 7);
        assert_eq!(scored.failure(), None);
        assert_eq!(
            (scored.loss(), scored.score(), scored.parameters()),
            (Some(0.25), Some(-0.25), Some(7))
        );
    }
}
