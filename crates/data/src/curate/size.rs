use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice};

/// Rows below which every figure is a guess.
const FEW: usize = 100;

/// Too few rows, absolutely or for so many columns.
pub(super) struct TooFewRows;

impl Check for TooFewRows {
    fn name(&self) -> &'static str {
        "too-few-rows"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let (rows, columns) = (context.rows.len(), context.features().count());
        let (message, severity) = if rows < FEW {
            (
                format!("only {rows} rows: any figure about the model is rough"),
                Severity::Serious,
            )
        } else if columns > rows {
            (
                format!("{columns} columns for {rows} rows: chance alone makes some look useful"),
                Severity::Warning,
            )
        } else {
            return Vec::new();
        };
        let remedy =
            "collect more rows; look at the intervals of the scores, not at the scores alone";
        let shown = evidence(&[], format!("{rows} rows, {columns} columns"));
        vec![notice(
            self.name(),
            severity,
            Vec::new(),
            message,
            shown,
            remedy,
        )]
    }
}
