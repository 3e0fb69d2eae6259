//! What is wrong with a table before anything is learned from it. One check a file.

mod across;
mod contradictions;
mod drift;
mod duplicate_columns;
mod duplicates;
mod imbalance;
mod infinities;
mod leakage;
mod missing;
mod outliers;
mod people;
mod rare;
pub(crate) mod row_keys;
mod size;
mod spellings;
mod useless;

use candor_core::{Evidence, Finding, Seed, Severity, Target, Targets, did_you_mean};
use serde::{Deserialize, Serialize};

pub use across::duplicates_across;

use crate::table::known_column;
use crate::{Column, ColumnSchema, DataError, Role, Schema, Table, Values};

/// One thing that can be wrong with a table.
pub(crate) trait Check: Sync {
    /// Its name, in kebab-case: the kind of its findings, and what turns it off.
    fn name(&self) -> &'static str;

    /// What it finds.
    fn run(&self, context: &Context) -> Vec<Finding>;
}

/// All checks, in the order in which their findings are shown.
pub(crate) fn checks() -> [&'static dyn Check; 18] {
    [
        &size::TooFewRows,
        &missing::MissingTarget,
        &leakage::Leakage,
        &contradictions::Contradictions,
        &duplicates::Duplicates,
        &duplicates::NearDuplicates,
        &duplicate_columns::DuplicateColumns,
        &useless::Constants,
        &useless::Ids,
        &missing::Missing,
        &infinities::Infinities,
        &outliers::Outliers,
        &imbalance::Imbalance,
        &spellings::Spellings,
        &rare::RareCategories,
        &rare::HighCardinality,
        &drift::Drift,
        &people::Sensitive,
    ]
}

/// The names of all checks.
pub fn check_names() -> Vec<&'static str> {
    checks().iter().map(|check| check.name()).collect()
}

/// What checks look at.
pub(crate) struct Context<'a> {
    pub table: &'a Table,
    pub schema: &'a Schema,
    pub target: &'a Target,
    pub targets: &'a Targets,
    /// Rows with a target, ascending.
    pub rows: Vec<usize>,
    pub keep: &'a [String],
    pub seed: Seed,
}

impl<'a> Context<'a> {
    /// Columns that the model would see.
    pub fn features(&self) -> impl Iterator<Item = (&'a ColumnSchema, &'a Column)> {
        let (schema, table) = (self.schema, self.table);
        schema
            .with_role(Role::Feature)
            .filter_map(|info| Some((info, table.column(&info.name)?)))
    }

    /// What is done with a column that no model should see.
    pub fn dropping(&self, column: &str) -> Option<String> {
        (!self.keep.iter().any(|kept| kept == column))
            .then(|| "left out of the features".to_owned())
    }
}

/// What curation may do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CurateOptions {
    /// Names of checks that do not run.
    pub disabled: Vec<String>,
    /// Columns that are never left out.
    pub keep: Vec<String>,
}

/// What was found, and what is done about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curation {
    /// Everything that was noticed.
    pub findings: Vec<Finding>,
    /// Columns that the model does not see, and why.
    pub dropped_columns: Vec<(String, String)>,
    /// Rows (from 0) that are not used, and why.
    pub dropped_rows: Vec<(usize, String)>,
}

/// Runs the checks. Leaves out constants, ids and copies of the target, and rows without a target; nothing else is changed.
///
/// # Errors
/// When an option names a check or a column that does not exist.
pub fn curate(
    table: &Table,
    schema: &Schema,
    target: &Target,
    targets: &Targets,
    options: &CurateOptions,
    seed: Seed,
) -> Result<Curation, DataError> {
    let names = check_names();
    for name in &options.disabled {
        if !names.contains(&name.as_str()) {
            let suggestion = did_you_mean(name, &names);
            return Err(DataError::UnknownCheck {
                name: name.clone(),
                suggestion,
            });
        }
    }
    let columns: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    for column in &options.keep {
        known_column(column, "--keep", &columns)?;
    }
    let has_target = |row: &usize| match targets {
        Targets::Classes(_) => target.names.iter().all(|name| {
            table
                .column(name)
                .is_some_and(|c| is_usable(&c.values, *row))
        }),
        Targets::Labels { width, values } => values[row * width..(row + 1) * width]
            .iter()
            .any(Option::is_some),
        Targets::Values { width, values } => values[row * width..(row + 1) * width]
            .iter()
            .all(|v| v.is_finite()),
    };
    let (rows, without): (Vec<usize>, Vec<usize>) = (0..table.rows()).partition(has_target);
    let context = Context {
        table,
        schema,
        target,
        targets,
        rows,
        keep: &options.keep,
        seed,
    };
    let running = checks()
        .into_iter()
        .filter(|check| !options.disabled.iter().any(|d| d == check.name()));
    let findings: Vec<Finding> = running.flat_map(|check| check.run(&context)).collect();
    let mut dropped_columns: Vec<(String, String)> = Vec::new();
    for finding in findings.iter().filter(|f| f.action.is_some()) {
        for column in &finding.columns {
            let known = dropped_columns.iter().any(|(name, _)| name == column);
            let feature = schema
                .column(column)
                .is_some_and(|c| c.role == Role::Feature);
            if feature && !known {
                dropped_columns.push((column.clone(), finding.kind.clone()));
            }
        }
    }
    let dropped_rows = without
        .into_iter()
        .map(|row| (row, "no target".to_owned()))
        .collect();
    Ok(Curation {
        findings,
        dropped_columns,
        dropped_rows,
    })
}

fn is_usable(values: &Values, row: usize) -> bool {
    match values {
        Values::Numeric(numbers) => numbers[row].is_finite(),
        Values::Text { .. } => !values.is_missing(row),
    }
}

/// Rows shown as evidence.
const SHOWN: usize = 10;

/// The numbers (from 1) of the first few of some rows (from 0), and how many there are.
pub(crate) fn evidence(rows: &[usize], figure: impl Into<String>) -> Evidence {
    Evidence {
        rows: rows.iter().take(SHOWN).map(|row| row + 1).collect(),
        count: rows.len(),
        figure: figure.into(),
    }
}

/// A finding about some columns that changes nothing.
pub(crate) fn notice(
    kind: &str,
    severity: Severity,
    columns: Vec<String>,
    message: String,
    evidence: Evidence,
    remedy: &str,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        columns,
        message,
        evidence,
        remedy: remedy.to_owned(),
        action: None,
    }
}

/// A share as a person reads it.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// At most five names in backticks.
pub(crate) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
