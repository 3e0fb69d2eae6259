use std::path::Path;

use candor_core::{Step, Targets};
use candor_data::{
    Column, ReadOptions, Schema, SchemaOptions, Source, SourceFacts, Table, TargetDecision, Values,
    decide_target, encode_targets, infer_schema, read_table,
};
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::context::Context;

/// State 1: a source that was read and understood.
pub(crate) struct Sourced {
    pub table: Table,
    pub targets: Targets,
    /// Rows whose target is missing.
    pub without_target: Vec<usize>,
    pub facts: SourceResult,
}

/// What is kept of step 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceResult {
    /// The file.
    pub source: SourceFacts,
    /// The file of test rows, if one was given.
    pub test: Option<SourceFacts>,
    /// The columns.
    pub schema: Schema,
    /// What is predicted, and why.
    pub decision: TargetDecision,
}

impl SourceResult {
    /// Rows of the source before those of the test file.
    pub fn own_rows(&self) -> usize {
        self.source.rows
    }
}

impl Sourced {
    /// Reads the source, or reads it again and makes sure that it is what it was.
    pub fn read(context: &Context) -> Result<Sourced, EngineError> {
        let settings = &context.settings;
        let options = ReadOptions {
            memory_bytes: settings.memory.or(settings.read.memory_bytes),
            ..settings.read.clone()
        };
        let read = read_table(&Source::parse(&settings.source)?, &options)?;
        let mut table = read.table;
        let test = match &settings.test {
            Some(path) => {
                let test = read_table(&Source::parse(path)?, &options)?;
                table = joined(table, &test.table)?;
                Some(test.facts)
            }
            None => None,
        };
        let facts = context.step(Step::Source, &[], || {
            let options = SchemaOptions {
                target: settings.target.clone(),
                group: settings.group.clone(),
                time_column: settings.time_column.clone(),
                sensitive: settings.sensitive.clone(),
                ignore: settings.ignore.clone(),
            };
            let mut schema = infer_schema(&table, &options)?;
            let preferred = read.facts.default_target.as_deref();
            let decision =
                decide_target(&table, &schema, &settings.target, preferred, settings.task)?;
            for name in &decision.target.names {
                schema.set_role(name, candor_data::Role::Target);
            }
            check_metric(context, &decision)?;
            Ok(SourceResult {
                source: read.facts.clone(),
                test: test.clone(),
                schema,
                decision,
            })
        })?;
        same_as_before(context, &facts, &read.facts, test.as_ref())?;
        let target = &facts.decision.target;
        context.understood(format!(
            "{} rows, {} columns of `{}`; predicts `{}` ({}): {}",
            facts.source.rows,
            facts.source.columns,
            facts.source.source,
            target.names.join("`, `"),
            target.task,
            facts.decision.reason
        ));
        let encoded = encode_targets(&table, target)?;
        Ok(Sourced {
            table,
            targets: encoded.targets,
            without_target: encoded.missing_rows,
            facts,
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

/// A run goes on only with the data that it was begun with.
fn same_as_before(
    context: &Context,
    kept: &SourceResult,
    now: &SourceFacts,
    test: Option<&SourceFacts>,
) -> Result<(), EngineError> {
    let changed = [(Some(&kept.source), Some(now)), (kept.test.as_ref(), test)]
        .into_iter()
        .find(|(kept, now)| kept.map(|f| &f.sha256) != now.map(|f| &f.sha256));
    match changed {
        None => Ok(()),
        Some((_, now)) => {
            let name = now.map_or("the source", |facts| facts.source.as_str());
            Err(EngineError::run_folder(
                context.folder.path(),
                format!("`{name}` is not what it was when the run began"),
                "put the old file back, or begin a new run with `--out` another folder",
            ))
        }
    }
}

/// The rows of `more` below those of `table`, column by column; columns that only `more` has are left out.
fn joined(table: Table, more: &Table) -> Result<Table, EngineError> {
    let join = |column: Column| {
        let Some(other) = more.column(&column.name) else {
            return Err(EngineError::Setting {
                setting: "test",
                problem: format!("the file of test rows has no column `{}`", column.name),
            });
        };
        let values = match (column.values, &other.values) {
            (Values::Numeric(mut values), Values::Numeric(rest)) => {
                values.extend(rest);
                Values::Numeric(values)
            }
            (values, rest) => as_texts(&values, rest),
        };
        Ok(Column {
            name: column.name,
            values,
        })
    };
    Ok(Table {
        columns: table
            .columns
            .into_iter()
            .map(join)
            .collect::<Result<_, _>>()?,
    })
}

fn as_texts(first: &Values, second: &Values) -> Values {
    let mut places = std::collections::HashMap::new();
    let mut dictionary = Vec::new();
    let mut code = |text: Option<String>| match text {
        None => Values::MISSING,
        Some(text) => *places.entry(text).or_insert_with_key(|text| {
            dictionary.push(text.clone());
            (dictionary.len() - 1) as u32
        }),
    };
    let cells = (0..first.len())
        .map(|row| first.text(row))
        .chain((0..second.len()).map(|row| second.text(row)));
    let codes = cells.map(&mut code).collect();
    Values::Text { codes, dictionary }
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
