use std::collections::HashSet;

use candor_core::{Finding, Severity};

use super::row_keys::{groups, row_keys};
use super::{Check, Context, evidence, notice, percent};
use crate::{Column, Values};

/// Columns below which equal rows are no surprise.
const FEW_COLUMNS: usize = 3;
/// Significant digits to which near copies agree.
const DIGITS: i32 = 2;
/// Numeric columns below which rounded rows are alike by chance.
const FEW_NUMBERS: usize = 5;

/// Rows that are equal in every column, the target included.
pub(super) struct Duplicates;

impl Check for Duplicates {
    fn name(&self) -> &'static str {
        "duplicates"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let columns: Vec<&Column> = context.table.columns.iter().collect();
        let found = groups(&row_keys(&columns, &context.rows, None), &context.rows);
        if found.is_empty() || columns.len() < FEW_COLUMNS {
            return Vec::new();
        }
        let copies: Vec<usize> = found.iter().flat_map(|group| group[1..].to_vec()).collect();
        let share = percent(copies.len(), context.rows.len());
        vec![notice(
            self.name(),
            if copies.len() * 20 > context.rows.len() {
                Severity::Warning
            } else {
                Severity::Note
            },
            Vec::new(),
            format!(
                "{} rows ({share}) are exact copies of earlier ones",
                copies.len()
            ),
            evidence(&copies, share),
            "remove them unless each is a case of its own; copies on both sides of a split make scores too good",
        )]
    }
}

/// Rows that differ only in later digits of their numbers.
pub(super) struct NearDuplicates;

impl Check for NearDuplicates {
    fn name(&self) -> &'static str {
        "near-duplicates"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let columns: Vec<&Column> = context.features().map(|(_, column)| column).collect();
        let numbers = columns
            .iter()
            .filter(|c| matches!(c.values, Values::Numeric(_)))
            .count();
        if numbers < FEW_NUMBERS {
            return Vec::new();
        }
        let exact = groups(&row_keys(&columns, &context.rows, None), &context.rows);
        let exact: HashSet<usize> = exact.iter().flat_map(|group| group[1..].to_vec()).collect();
        let near = groups(
            &row_keys(&columns, &context.rows, Some(DIGITS)),
            &context.rows,
        );
        let copies: Vec<usize> = near
            .iter()
            .flat_map(|group| group[1..].to_vec())
            .filter(|row| !exact.contains(row))
            .collect();
        if copies.is_empty() {
            return Vec::new();
        }
        let share = percent(copies.len(), context.rows.len());
        vec![notice(
            self.name(),
            Severity::Note,
            Vec::new(),
            format!(
                "{} rows ({share}) agree with an earlier one to {DIGITS} digits in every column",
                copies.len()
            ),
            evidence(&copies, share),
            "if they are the same case measured twice, name the case with `--group` so that it is not cut by a split",
        )]
    }
}
