use candor_data::{Curation, encode_targets};
use serde::{Deserialize, Serialize};

use crate::curated::look;
use crate::modality::open;
use crate::sourced::SourceResult;
use crate::{EngineError, FitSettings};

/// What a source is, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was understood.
    pub source: SourceResult,
    /// What was found.
    pub curation: Curation,
}

/// Steps 1 and 2 alone: nothing is trained, nothing is written.
///
/// # Errors
/// When a setting makes no sense, the source cannot be read, or its data do not make a task.
pub fn check(settings: &FitSettings) -> Result<CheckResult, EngineError> {
    settings.check()?;
    let opened = open(settings)?;
    let source = SourceResult::of(&opened, settings)?;
    let targets = match opened.material.own_targets() {
        Some(own) => own.targets,
        None => encode_targets(&opened.table, &source.decision.target)?.targets,
    };
    let (table, material) = (&opened.table, opened.material.as_ref());
    let mut curation = look(table, material, &source, &targets, settings)?;
    curation.findings.splice(0..0, source.findings.clone());
    Ok(CheckResult { source, curation })
}
