use std::path::Path;

use candor_data::{Column, Values};

use crate::GraphError;

/// Which nodes, or graphs, are learned from, which choose a model, and which it is tested on, as the source says. Nodes that are in none
/// are part of the graph alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenParts {
    /// What is learned from, ascending.
    pub train: Vec<usize>,
    /// What to stop and choose on, ascending; empty when the source does not say.
    pub validation: Vec<usize>,
    /// What is looked at once, at the end, ascending; empty when the source does not say.
    pub test: Vec<usize>,
}

/// Names that a column of parts has.
const NAMES: [&str; 3] = ["split", "part", "mask"];

/// Whether a column says in which part each node is: by its name, and because every word in it is that of a part.
pub(super) fn is_parts(column: &Column) -> bool {
    let named = NAMES.iter().any(|n| column.name.eq_ignore_ascii_case(n));
    let Values::Text { dictionary, .. } = &column.values else {
        return false;
    };
    named
        && dictionary
            .iter()
            .any(|word| part_of(word).is_some_and(|p| p.is_some()))
}

/// The part that a word means, from 0; inside `None` for a word that means no part.
fn part_of(word: &str) -> Option<Option<usize>> {
    Some(match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(0),
        "val" | "valid" | "validation" | "dev" => Some(1),
        "test" | "testing" => Some(2),
        "none" | "unlabelled" | "unlabeled" | "unused" | "other" => None,
        _ => return None,
    })
}

impl GivenParts {
    /// Reads a column of words.
    pub(super) fn of_column(path: &Path, column: &Column) -> Result<GivenParts, GraphError> {
        let mut parts: [Vec<usize>; 3] = Default::default();
        for row in 0..column.values.len() {
            let Some(word) = column.values.text(row) else {
                continue;
            };
            let part = part_of(&word).ok_or_else(|| GraphError::Part {
                path: path.to_owned(),
                column: column.name.clone(),
                row: row + 1,
                word,
            })?;
            if let Some(part) = part {
                parts[part].push(row);
            }
        }
        let [train, validation, test] = parts;
        Ok(GivenParts {
            train,
            validation,
            test,
        })
    }

    /// Nodes that are in two parts.
    pub fn overlap(&self) -> usize {
        let mut all = [&self.train[..], &self.validation, &self.test].concat();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        count - all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, words: &[&str]) -> Column {
        Column {
            name: name.into(),
            values: Values::Text {
                codes: (0..words.len() as u32).collect(),
                dictionary: words.iter().map(ToString::to_string).collect(),
            },
        }
    }

    #[test]
    fn words_of_parts_are_read_and_others_named() {
        let words = column("Split", &["train", "none", "VAL", "test", "Train"]);
        assert!(is_parts(&words));
        let parts = GivenParts::of_column(Path::new("nodes.csv"), &words).unwrap();
        assert_eq!(
            (parts.train, parts.validation, parts.test),
            (vec![0, 4], vec![2], vec![3])
        );
        assert!(!is_parts(&column("split", &["left", "right"])));
        assert!(!is_parts(&column("colour", &["train"])));
        let wrong = column("split", &["train", "trian"]);
        let error = GivenParts::of_column(Path::new("nodes.csv"), &wrong).unwrap_err();
        assert!(error.to_string().contains("row 2: `trian`"), "{error}");
    }
}
