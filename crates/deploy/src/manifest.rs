use std::collections::BTreeMap;

use candor_challenge::{
    AbstentionRule, AdaptiveIntervals, Correctness, LabelRiskControl, Recalibration,
    ShiftReference, Surprise,
};
use candor_core::{Metric, Modality, Target, UncertaintyMethod};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Conformal, FileSum};

/// The format written here. Grows when a reader must know.
pub const FORMAT: u32 = 2;

/// What a bundle holds beside its members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// A name for people.
    pub name: String,
    /// The kind of data.
    pub modality: Modality,
    /// What is predicted.
    pub target: Target,
    /// What was optimised.
    pub metric: Metric,
    /// How raw data become units; the modality knows.
    pub input: Value,
    /// Repairs stated probabilities or variances.
    pub recalibration: Recalibration,
    /// Sets or intervals.
    pub conformal: Conformal,
    /// For forecasts: intervals that follow what came, as they stood after the test part; served instead of those of `conformal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveIntervals>,
    /// For forecasts: how surprising what comes is, at the nearest horizon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surprise: Option<Surprise>,
    /// When a prediction counts as right.
    pub correctness: Correctness,
    /// When to say "I do not know".
    pub abstention: AbstentionRule,
    /// For labels: which are listed, so that few of those that apply are missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<LabelRiskControl>,
    /// How networks say what they do not know.
    #[serde(default, skip_serializing_if = "is_default")]
    pub uncertainty: UncertaintyMethod,
    /// What is said of usual units, to tell a shifted batch; `None` when there were too few test units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<ShiftReference>,
}

fn is_default(method: &UncertaintyMethod) -> bool {
    *method == UncertaintyMethod::default()
}

/// One member in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    /// A name for people.
    pub name: String,
    /// Its share of the mixture; all sum to 1. Members at 0 only look for strange inputs.
    pub weight: f64,
    /// The description's file.
    pub description: String,
    /// The file of learned numbers.
    pub numbers: String,
    /// The file of its detector of strange inputs, if it has one.
    pub detector: Option<String>,
    /// Places of other members whose embeddings the detector looks at, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<usize>,
}

/// `bundle.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    pub written_by: String,
    pub parts: Parts,
    pub members: Vec<MemberEntry>,
    /// Every other file of the bundle.
    pub files: BTreeMap<String, FileSum>,
}
