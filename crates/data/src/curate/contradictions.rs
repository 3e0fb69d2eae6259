use candor_core::{Finding, Severity, Targets};

use super::row_keys::{groups, row_keys};
use super::{Check, Context, evidence, notice, percent};
use crate::Column;

/// Rows with equal features and different classes.
pub(super) struct Contradictions;

impl Check for Contradictions {
    fn name(&self) -> &'static str {
        "contradictions"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let Targets::Classes(classes) = context.targets else {
            return Vec::new();
        };
        let columns: Vec<&Column> = context.features().map(|(_, column)| column).collect();
        if columns.is_empty() {
            return Vec::new();
        }
        let equal = groups(&row_keys(&columns, &context.rows, None), &context.rows);
        let differ =
            |group: &Vec<usize>| group.iter().any(|&row| classes[row] != classes[group[0]]);
        let rows: Vec<usize> = equal.into_iter().filter(differ).flatten().collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let share = percent(rows.len(), context.rows.len());
        vec![notice(
            self.name(),
            if rows.len() * 20 > context.rows.len() {
                Severity::Warning
            } else {
                Severity::Note
            },
            context.target.names.clone(),
            format!(
                "{} rows ({share}) have an equal row with another class: no model can be right on both",
                rows.len()
            ),
            evidence(&rows, share),
            "check their labels, or add a column that tells them apart",
        )]
    }
}
