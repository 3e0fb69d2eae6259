use std::collections::BTreeMap;

use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice, percent};
use crate::{Column, ColumnKind, Role, Values};

/// Rows below which nothing can be said of a group.
const FEW: usize = 50;

/// Columns about people, and how their groups are represented.
pub(super) struct Sensitive;

impl Check for Sensitive {
    fn name(&self) -> &'static str {
        "sensitive"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let about_people = context
            .schema
            .columns
            .iter()
            .filter(|c| c.sensitive && c.role != Role::Target);
        let found = about_people.filter_map(|info| {
            let column = context.table.column(&info.name)?;
            let groups = groups(column, info.kind, &context.rows);
            let smallest = groups.iter().min_by_key(|(_, count)| **count);
            let (few, shown) = smallest.map_or((false, String::new()), |(group, count)| {
                let share = percent(*count, context.rows.len());
                (*count < FEW, format!(" (the smallest of its {} groups, `{group}`, has {count} rows, {share})", groups.len()))
            });
            let used = if info.role == Role::Feature { "the model sees it" } else { "the model does not see it" };
            Some(notice(
                self.name(),
                if few { Severity::Warning } else { Severity::Note },
                vec![info.name.clone()],
                format!("`{}` may describe a protected attribute{shown}; {used}", info.name),
                evidence(&[], info.reason.clone()),
                "look at the results for each group; leaving it out with `--ignore` does not remove bias that other columns carry",
            ))
        });
        found.collect()
    }
}

/// Rows of each group; none for a column of many numbers.
fn groups(column: &Column, kind: ColumnKind, rows: &[usize]) -> BTreeMap<String, usize> {
    let mut groups = BTreeMap::new();
    if matches!(column.values, Values::Numeric(_)) && kind == ColumnKind::Numeric {
        return groups;
    }
    for text in rows.iter().filter_map(|&row| column.values.text(row)) {
        *groups.entry(text).or_default() += 1;
    }
    groups
}
