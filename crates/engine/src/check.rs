use candor_data::{
    Curation, ReadOptions, SchemaOptions, Source, curate, decide_target, encode_targets,
    infer_schema, read_table,
};
use serde::{Deserialize, Serialize};

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
    let options = ReadOptions {
        memory_bytes: settings.memory.or(settings.read.memory_bytes),
        ..settings.read.clone()
    };
    let read = read_table(&Source::parse(&settings.source)?, &options)?;
    let schema_options = SchemaOptions {
        target: settings.target.clone(),
        group: settings.group.clone(),
        time_column: settings.time_column.clone(),
        sensitive: settings.sensitive.clone(),
        ignore: settings.ignore.clone(),
    };
    let mut schema = infer_schema(&read.table, &schema_options)?;
    let preferred = read.facts.default_target.as_deref();
    let decision = decide_target(
        &read.table,
        &schema,
        &settings.target,
        preferred,
        settings.task,
    )?;
    for name in &decision.target.names {
        schema.set_role(name, candor_data::Role::Target);
    }
    let encoded = encode_targets(&read.table, &decision.target)?;
    let curate_options = candor_data::CurateOptions {
        disabled: settings.without.clone(),
        keep: settings.keep.clone(),
    };
    let seed = settings.seed.derive("curate", &[]);
    let curation = curate(
        &read.table,
        &schema,
        &decision.target,
        &encoded.targets,
        &curate_options,
        seed,
    )?;
    let source = SourceResult {
        source: read.facts,
        test: None,
        schema,
        decision,
    };
    Ok(CheckResult { source, curation })
}
