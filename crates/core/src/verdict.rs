use serde::{Deserialize, Serialize};

/// How a challenge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The gate was met.
    Pass,
    /// The gate was not met.
    Fail,
    /// The challenge has no meaning for this model or these data.
    NotApplicable,
}

/// The judgement of one challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The challenge, in kebab-case (for example `calibration`).
    pub challenge: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The figure that was judged; `None` when not applicable.
    pub value: Option<f64>,
    /// The threshold that a person can set; `None` when there is none.
    pub threshold: Option<f64>,
    /// Why, in words that need no statistics.
    pub reason: String,
}
