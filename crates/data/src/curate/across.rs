use std::collections::HashSet;

use candor_core::{Finding, Severity};

use super::row_keys::row_keys;
use super::{evidence, notice, percent};
use crate::{Column, Role, Schema, Split, Table};

/// Columns below which equal rows are no surprise.
const FEW_COLUMNS: usize = 3;

/// Test rows whose features are equal to those of a row that is learned from.
pub fn duplicates_across(table: &Table, schema: &Schema, split: &Split) -> Vec<Finding> {
    let features = schema
        .with_role(Role::Feature)
        .filter_map(|info| table.column(&info.name));
    let columns: Vec<&Column> = features.collect();
    if columns.len() < FEW_COLUMNS || split.test.is_empty() {
        return Vec::new();
    }
    let known: HashSet<u64> = row_keys(&columns, &split.development(), None)
        .into_iter()
        .collect();
    let keys = row_keys(&columns, &split.test, None);
    let copies: Vec<usize> = split
        .test
        .iter()
        .zip(keys)
        .filter(|(_, key)| known.contains(key))
        .map(|(row, _)| *row)
        .collect();
    if copies.is_empty() {
        return Vec::new();
    }
    let share = percent(copies.len(), split.test.len());
    vec![notice(
        "duplicates-across",
        if copies.len() * 20 > split.test.len() {
            Severity::Warning
        } else {
            Severity::Note
        },
        Vec::new(),
        format!(
            "{} test rows ({share}) have the same features as a row that is learned from",
            copies.len()
        ),
        evidence(&copies, share),
        "remove copies, or name what they have in common with `--group`: test scores are too good because of them",
    )]
}
