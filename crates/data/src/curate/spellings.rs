use std::collections::BTreeMap;

use candor_core::{Finding, Severity};

use super::rare::counts;
use super::{Check, Context, evidence, notice};
use crate::{Column, ColumnKind, ColumnSchema, Role};

/// Groups of spellings that are shown.
const SHOWN: usize = 3;

/// Classes and categories that differ in capitals, blanks or dashes alone.
pub(super) struct Spellings;

impl Check for Spellings {
    fn name(&self) -> &'static str {
        "spellings"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let targets = context
            .schema
            .with_role(Role::Target)
            .filter(|_| context.target.task.is_classification())
            .filter_map(|info| Some((info, context.table.column(&info.name)?)));
        let features = context
            .features()
            .filter(|(info, _)| matches!(info.kind, ColumnKind::Categorical | ColumnKind::Boolean));
        let found = |(info, column): (&ColumnSchema, &Column)| {
            let mut ways: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
            for (count, text) in counts(&column.values, &context.rows) {
                ways.entry(plain(&text)).or_default().push((count, text));
            }
            ways.retain(|_, texts| texts.len() > 1);
            let rows: usize = ways
                .values()
                .map(|texts| {
                    let all = texts.iter().map(|(count, _)| count);
                    all.clone().sum::<usize>() - all.max().unwrap_or(&0)
                })
                .sum();
            let (severity, what) = match info.role {
                Role::Target => (Severity::Warning, "classes"),
                _ => (Severity::Note, "categories"),
            };
            let shown = ways.values().take(SHOWN).map(|texts| {
                let texts: Vec<String> =
                    texts.iter().map(|(_, text)| format!("`{text}`")).collect();
                texts.join(", ")
            });
            let shown: Vec<String> = shown.collect();
            (!ways.is_empty()).then(|| {
                notice(
                    self.name(),
                    severity,
                    vec![info.name.clone()],
                    format!(
                        "`{}`: {} {what} are written in several ways: {}{}",
                        info.name,
                        ways.len(),
                        shown.join("; "),
                        if ways.len() > SHOWN { "; ..." } else { "" }
                    ),
                    evidence(&[], format!("{rows} rows in one of the rarer spellings")),
                    "write each in one way, unless they are meant to differ: each spelling is learned as something else",
                )
            })
        };
        targets.chain(features).filter_map(found).collect()
    }
}

/// A text without what people vary when they mean the same.
fn plain(text: &str) -> String {
    let parted = text.replace(['_', '-'], " ").to_lowercase();
    parted.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn capitals_blanks_and_dashes_make_no_difference() {
        for text in ["New York", "new-york", " NEW  YORK", "new_york"] {
            assert_eq!(plain(text), "new york");
        }
        assert_ne!(plain("newyork"), plain("new york"));
    }
}
