use std::path::Path;

use candor_core::{Event, Finding, Modality, Step, Targets};
use candor_data::{
    Schema, SchemaOptions, SourceFacts, Table, TargetDecision, decide_target, encode_targets,
    infer_schema,
};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::modality::{Material, Opened, open};
use crate::relabelled::CHANGED;
use crate::{EngineError, FitSettings};

/// State 1: a source that was read and understood.
pub(crate) struct Sourced {
    pub table: Table,
    pub material: Box<dyn Material>,
    pub targets: Targets,
    /// Rows whose target is missing.
    pub without_target: Vec<usize>,
    pub facts: SourceResult,
}

/// What is kept of step 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceResult {
    /// The kind of data.
    pub modality: Modality,
    /// The source.
    pub source: SourceFacts,
    /// The source of test units, if one was given apart.
    pub test: Option<SourceFacts>,
    /// So many units, the last ones, were given as the test part.
    pub test_rows: usize,
    /// What was noticed while reading.
    pub findings: Vec<Finding>,
    /// The columns.
    pub schema: Schema,
    /// What is predicted, and why.
    pub decision: TargetDecision,
}

impl Sourced {
    /// Reads the source, or reads it again and makes sure that it is what it was.
    pub fn read(context: &Context) -> Result<Sourced, EngineError> {
        let settings = &context.settings;
        let opened = open(settings)?;
        let facts = context.step(Step::Source, &[], || {
            let facts = SourceResult::of(&opened, settings)?;
            check_metric(context, &facts.decision)?;
            for finding in &facts.findings {
                context.events.emit(Event::Found {
                    finding: finding.clone(),
                });
            }
            Ok(facts)
        })?;
        same_as_before(context, &facts, &opened)?;
        let target = &facts.decision.target;
        context.understood(format!(
            "{}: {} {} of `{}`, {} columns; predicts `{}` ({}): {}",
            facts.modality.name(),
            facts.source.rows,
            facts.modality.words().rows,
            facts.source.source,
            facts.source.columns,
            target.names.join("`, `"),
            target.task,
            facts.decision.reason
        ));
        let encoded = match opened.material.own_targets() {
            Some(own) => own,
            None => encode_targets(&opened.table, target)?,
        };
        Ok(Sourced {
            table: opened.table,
            material: opened.material,
            targets: encoded.targets,
            without_target: encoded.missing_rows,
            facts,
        })
    }
}

/// Names of columns that hold commas themselves, put together again from the pieces that a list with commas made of them.
pub(crate) fn whole_names(pieces: &[String], table: &Table) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = pieces;
    while !rest.is_empty() {
        let whole = (1..=rest.len())
            .rev()
            .map(|count| (count, rest[..count].join(",")))
            .find(|(_, name)| table.column(name).is_some());
        // What is no column at all is refused later, as it stands.
        let (count, name) = whole.unwrap_or((1, rest[0].clone()));
        names.push(name);
        rest = &rest[count..];
    }
    names
}

impl SourceResult {
    /// What the columns are, and what is predicted.
    pub(crate) fn of(opened: &Opened, settings: &FitSettings) -> Result<SourceResult, EngineError> {
        let named = whole_names(&settings.target, &opened.table);
        let elsewhere = opened.material.own_columns();
        let of_units = |name: &&String| {
            opened.table.column(name).is_some() || !elsewhere.contains(&name.as_str())
        };
        let own = opened.material.own_target();
        // Where units say themselves what is predicted, settings speak of columns of the source, not of their table.
        let options = match own {
            Some(_) => SchemaOptions::default(),
            None => SchemaOptions {
                target: named.clone(),
                group: settings.group.clone(),
                time_column: settings.time_column.clone().filter(|name| of_units(&name)),
                sensitive: settings.sensitive.clone(),
                ignore: settings.ignore.iter().filter(of_units).cloned().collect(),
            },
        };
        let mut schema = infer_schema(&opened.table, &options)?;
        let preferred = opened.facts.default_target.as_deref();
        let (table, task) = (&opened.table, settings.task);
        let decision = match own {
            Some(own) => own,
            None => decide_target(table, &schema, &named, preferred, task)?,
        };
        for name in &decision.target.names {
            schema.set_role(name, candor_data::Role::Target);
        }
        let mut findings = opened.findings.clone();
        findings.extend(opened.material.settle(&mut schema));
        findings.retain(|finding| !settings.without.contains(&finding.kind));
        Ok(SourceResult {
            modality: opened.material.modality(),
            source: opened.facts.clone(),
            test: opened.test.clone(),
            test_rows: opened.test_rows,
            findings,
            schema,
            decision,
        })
    }
}

fn check_metric(context: &Context, decision: &TargetDecision) -> Result<(), EngineError> {
    let task = decision.target.task;
    match context.settings.metric {
        Some(metric) if !metric.fits(task) => Err(EngineError::Setting {
            setting: "metric",
            problem: format!("{} does not judge a {task} task", metric.name()),
        }),
        _ => Ok(()),
    }
}

/// A run goes on only with the data that it was begun with, corrected labels included.
fn same_as_before(
    context: &Context,
    kept: &SourceResult,
    opened: &Opened,
) -> Result<(), EngineError> {
    let (now, test) = (&opened.facts, opened.test.as_ref());
    let changed = [(Some(&kept.source), Some(now)), (kept.test.as_ref(), test)]
        .into_iter()
        .find(|(kept, now)| kept.map(|f| &f.sha256) != now.map(|f| &f.sha256));
    let labels = |findings: &[Finding]| {
        let mut findings = findings.iter().filter(|finding| finding.kind == CHANGED);
        findings.next().map(|finding| finding.evidence.clone())
    };
    let before = labels(&kept.findings);
    let other_labels = before.is_some() && before != labels(&opened.findings);
    let name = match (&changed, &context.settings.labels) {
        (Some((_, now)), _) => now.map_or("the source", |facts| facts.source.as_str()),
        (None, Some(file)) if other_labels => file,
        (None, _) => return Ok(()),
    };
    Err(EngineError::run_folder(
        context.folder.path(),
        format!("`{name}` is not what it was when the run began"),
        "put the old file back, or begin a new run with `--out` another folder",
    ))
}

/// The name of a run after its source: `data/patients.csv` becomes `patients`.
pub fn name_of(source: &str) -> String {
    let name = source.strip_prefix('@').unwrap_or(source);
    let name = Path::new(name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        "run".to_owned()
    } else {
        stem.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_data::{Column, Values};

    #[test]
    fn names_with_commas_are_put_together_again() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            values: Values::Numeric(vec![0.0]),
        };
        let table = Table {
            columns: ["a", "b", "a, malignant, and c", "c"].map(column).to_vec(),
        };
        let named = |text: &str| -> Vec<String> {
            let pieces: Vec<String> = text.split(',').map(str::to_owned).collect();
            whole_names(&pieces, &table)
        };
        assert_eq!(named("a,b"), ["a", "b"]);
        assert_eq!(
            named("b,a, malignant, and c,c"),
            ["b", "a, malignant, and c", "c"]
        );
        assert_eq!(named("a, malign,c"), ["a", " malign", "c"]);
    }
}
