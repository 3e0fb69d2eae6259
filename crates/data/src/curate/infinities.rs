use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice};
use crate::Values;

/// Cells that hold an infinite number.
pub(super) struct Infinities;

impl Check for Infinities {
    fn name(&self) -> &'static str {
        "infinite"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let found = context.features().filter_map(|(info, column)| {
            let Values::Numeric(values) = &column.values else { return None };
            let rows: Vec<usize> =
                context.rows.iter().copied().filter(|&row| values[row].is_infinite()).collect();
            (!rows.is_empty()).then(|| {
                notice(
                    self.name(),
                    Severity::Warning,
                    vec![info.name.clone()],
                    format!("`{}` is infinite in {} rows", info.name, rows.len()),
                    evidence(&rows, format!("{} cells", rows.len())),
                    "they count as beyond the greatest value seen; a division by zero upstream is the usual cause",
                )
            })
        });
        found.collect()
    }
}
