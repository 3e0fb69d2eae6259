use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely to harm the model or its use.
    Warning,
    /// The model's figures cannot be trusted until this is resolved.
    Serious,
}

/// What shows that a finding is true.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Row numbers as a person counts them: the first row of data is 1. A sample when there are many.
    pub rows: Vec<usize>,
    /// How many units are affected in all.
    pub count: usize,
    /// The figure behind it, in words (for example `AUC 0.999 alone`).
    pub figure: String,
}

/// Something noticed about the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind, stable across versions, in kebab-case (for example `target-leakage`).
    pub kind: String,
    /// How much it matters.
    pub severity: Severity,
    /// The columns it is about; empty when it is about the whole source.
    pub columns: Vec<String>,
    /// What was noticed, in one sentence.
    pub message: String,
    /// What shows it.
    pub evidence: Evidence,
    /// What a person can do about it.
    pub remedy: String,
    /// What Candor itself did about it; `None` when it only reports.
    pub action: Option<String>,
}
