use candor_core::{Finding, Severity};

use super::row_keys::{groups, row_keys};
use super::{Check, Context, evidence, listed, notice};
use crate::{Column, ColumnKind};

/// Columns that hold the same values.
pub(super) struct DuplicateColumns;

impl Check for DuplicateColumns {
    fn name(&self) -> &'static str {
        "duplicate-columns"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let varying = context
            .features()
            .filter(|(info, _)| info.kind != ColumnKind::Constant);
        let columns: Vec<&Column> = varying.map(|(_, column)| column).collect();
        let keys: Vec<u64> = columns
            .iter()
            .map(|column| contents(column, &context.rows))
            .collect();
        let places: Vec<usize> = (0..columns.len()).collect();
        let same = groups(&keys, &places).into_iter().map(|group| {
            let names: Vec<String> = group.iter().map(|&i| columns[i].name.clone()).collect();
            notice(
                self.name(),
                Severity::Note,
                names.clone(),
                format!("{} hold the same values", listed(&names)),
                evidence(&[], format!("{} columns", names.len())),
                "leave all but one out with `--ignore`; importance is shared between them",
            )
        });
        same.collect()
    }
}

/// A number for the contents of a column; texts count by what they say.
fn contents(column: &Column, rows: &[usize]) -> u64 {
    use std::hash::Hasher;
    let mut hash = super::row_keys::Fnv::default();
    match &column.values {
        crate::Values::Numeric(_) => {
            for key in row_keys(&[column], rows, None) {
                hash.write(&key.to_le_bytes());
            }
        }
        crate::Values::Text { codes, dictionary } => {
            for &row in rows {
                hash.write(
                    dictionary
                        .get(codes[row] as usize)
                        .map_or(&[0xff][..], |text| text.as_bytes()),
                );
                hash.write(&[0]);
            }
        }
    }
    hash.finish()
}
