use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice};
use crate::{ColumnKind, Values};

/// Rows below which a category is rare.
const RARE: usize = 5;
/// Categories from which a column has very many.
const MANY: usize = 100;

/// How many rows have each text of a column.
pub(super) fn counts(values: &Values, rows: &[usize]) -> Vec<(usize, String)> {
    let Values::Text { codes, dictionary } = values else {
        return Vec::new();
    };
    let mut counts = vec![0usize; dictionary.len()];
    for &row in rows {
        if let Some(count) = counts.get_mut(codes[row] as usize) {
            *count += 1;
        }
    }
    let used = counts
        .into_iter()
        .zip(dictionary)
        .filter(|(count, _)| *count > 0);
    used.map(|(count, text)| (count, text.clone())).collect()
}

/// Categories with a handful of rows.
pub(super) struct RareCategories;

impl Check for RareCategories {
    fn name(&self) -> &'static str {
        "rare-categories"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let of_kind = context
            .features()
            .filter(|(info, _)| info.kind == ColumnKind::Categorical);
        let found = of_kind.filter_map(|(info, column)| {
            let counts = counts(&column.values, &context.rows);
            let rare: Vec<&(usize, String)> = counts.iter().filter(|(count, _)| *count < RARE).collect();
            let (_, example) = rare.first()?;
            Some(notice(
                self.name(),
                Severity::Note,
                vec![info.name.clone()],
                format!(
                    "`{}`: {} of {} categories have fewer than {RARE} rows, such as `{example}`",
                    info.name,
                    rare.len(),
                    counts.len()
                ),
                evidence(&[], format!("{} categories", rare.len())),
                "merge spellings of the same thing; what the model says of rare categories is mostly a guess",
            ))
        });
        found.collect()
    }
}

/// Columns with very many categories.
pub(super) struct HighCardinality;

impl Check for HighCardinality {
    fn name(&self) -> &'static str {
        "high-cardinality"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let of_kind = context
            .features()
            .filter(|(info, _)| info.kind == ColumnKind::Categorical);
        let found = of_kind.filter_map(|(info, column)| {
            let many = counts(&column.values, &context.rows).len();
            (many > MANY).then(|| {
                notice(
                    self.name(),
                    Severity::Note,
                    vec![info.name.clone()],
                    format!("`{}` has {many} categories", info.name),
                    evidence(&[], format!("{many} categories in {} rows", context.rows.len())),
                    "if it names persons or places, split by it with `--group`, or leave it out with `--ignore`",
                )
            })
        });
        found.collect()
    }
}
