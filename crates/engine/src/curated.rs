use candor_core::{Event, Seed, Step, Targets};
use candor_data::{CurateOptions, Curation, Role, Schema, Table, curate};

use crate::EngineError;
use crate::context::Context;
use crate::sourced::{SourceResult, Sourced};

/// State 2: a table whose faults are known, and whose schema leaves out what a model must not see.
pub(crate) struct Curated {
    pub table: Table,
    pub targets: Targets,
    pub without_target: Vec<usize>,
    pub source: SourceResult,
    /// As understood, without the columns that were dropped.
    pub schema: Schema,
    pub curation: Curation,
}

impl Sourced {
    /// Looks for what is wrong with the data.
    pub fn curate(self, context: &Context) -> Result<Curated, EngineError> {
        let settings = &context.settings;
        let curation = context.step(Step::Curated, &[], || {
            let options = CurateOptions {
                disabled: settings.without.clone(),
                keep: settings.keep.clone(),
            };
            let curation = curate(
                &self.table,
                &self.facts.schema,
                &self.facts.decision.target,
                &self.targets,
                &options,
                settings.seed.derive("curate", &[]),
            )?;
            for finding in &curation.findings {
                context.events.emit(Event::Found {
                    finding: finding.clone(),
                });
            }
            Ok(curation)
        })?;
        let mut schema = self.facts.schema.clone();
        for (column, _) in &curation.dropped_columns {
            schema.set_role(column, Role::Ignored);
        }
        Ok(Curated {
            table: self.table,
            targets: self.targets,
            without_target: self.without_target,
            source: self.facts,
            schema,
            curation,
        })
    }
}

/// Purposes of the streams of a run.
pub(crate) fn split_seed(seed: Seed) -> Seed {
    seed.derive("split", &[])
}
