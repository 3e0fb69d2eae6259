use std::collections::BTreeSet;

use candor_core::{Event, Seed, Step, Targets};
use candor_data::{CurateOptions, Curation, Role, Schema, Table, curate};

use crate::context::Context;
use crate::modality::Material;
use crate::sourced::{SourceResult, Sourced};
use crate::{EngineError, FitSettings};

/// State 2: units whose faults are known, and a schema that leaves out what a model must not see.
pub(crate) struct Curated {
    pub table: Table,
    pub material: Box<dyn Material>,
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
        let mut curation = context.step(Step::Curated, &[], || {
            let (table, material) = (&self.table, self.material.as_ref());
            let curation = look(table, material, &self.facts, &self.targets, settings)?;
            for finding in &curation.findings {
                context.events.emit(Event::Found {
                    finding: finding.clone(),
                });
            }
            Ok(curation)
        })?;
        curation.findings.splice(0..0, self.facts.findings.clone());
        let mut schema = self.facts.schema.clone();
        for (column, _) in &curation.dropped_columns {
            schema.set_role(column, Role::Ignored);
        }
        Ok(Curated {
            table: self.table,
            material: self.material,
            targets: self.targets,
            without_target: self.without_target,
            source: self.facts,
            schema,
            curation,
        })
    }
}

/// All that can be noticed before the units are parted.
pub(crate) fn look(
    table: &Table,
    material: &dyn Material,
    source: &SourceResult,
    targets: &Targets,
    settings: &FitSettings,
) -> Result<Curation, EngineError> {
    let unfit = material.unfit_checks().into_iter().map(str::to_owned);
    let own = material.own_checks();
    // Names that the material knows are no checks of tables.
    let of_tables = |name: &&String| !own.contains(&name.as_str());
    let without = settings.without.iter().filter(of_tables).cloned();
    let options = CurateOptions {
        disabled: without.chain(unfit).collect(),
        keep: settings.keep.clone(),
    };
    let (schema, target) = (&source.schema, &source.decision.target);
    let seed = settings.seed.derive("curate", &[]);
    let mut curation = curate(table, schema, target, targets, &options, seed)?;
    let mut findings = material.findings(table, schema, targets, None);
    findings.retain(|finding| !settings.without.contains(&finding.kind));
    curation.findings.extend(findings);
    let dropped: BTreeSet<usize> = curation.dropped_rows.iter().map(|(row, _)| *row).collect();
    let mut unusable = material.unusable();
    unusable.retain(|(row, _)| !dropped.contains(row));
    curation.dropped_rows.extend(unusable);
    Ok(curation)
}

/// Purposes of the streams of a run.
pub(crate) fn split_seed(seed: Seed) -> Seed {
    seed.derive("split", &[])
}
