use candor_core::did_you_mean;
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::read::text_column::TextColumn;

/// Columns of equal length, as read: nothing is dropped, repaired or scaled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns in the order of the source. All have the same length.
    pub columns: Vec<Column>,
}

/// One column as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name in the source, made unique.
    pub name: String,
    /// The cells.
    pub values: Values,
}

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; a missing cell is NaN. Infinities are kept as read.
    Numeric(Vec<f64>),
    /// Texts by code into a dictionary in order of first appearance; a missing cell is [`Values::MISSING`].
    Text {
        /// One code a row.
        codes: Vec<u32>,
        /// The distinct texts, trimmed.
        dictionary: Vec<String>,
    },
}

impl Values {
    /// The code of a missing text.
    pub const MISSING: u32 = u32::MAX;

    /// A column of texts; `None` is a missing cell.
    pub fn texts<S: AsRef<str>>(cells: impl IntoIterator<Item = Option<S>>) -> Values {
        let mut column = TextColumn::default();
        for cell in cells {
            column.push(cell.as_ref().map(S::as_ref));
        }
        column.finish()
    }

    /// These cells, and below them others: numbers below numbers, else all as texts.
    pub fn followed_by(self, more: &Values) -> Values {
        match (self, more) {
            (Values::Numeric(mut values), Values::Numeric(more)) => {
                values.extend(more);
                Values::Numeric(values)
            }
            (values, more) => {
                let cells = |values: &Values| -> Vec<Option<String>> {
                    (0..values.len()).map(|row| values.text(row)).collect()
                };
                Values::texts([cells(&values), cells(more)].concat())
            }
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Numeric(values) => values.len(),
            Values::Text { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the cell of `row` is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Values::Numeric(values) => values[row].is_nan(),
            Values::Text { codes, .. } => codes[row] == Values::MISSING,
        }
    }

    /// The cell as text; `None` when missing. Numbers are written in their shortest exact form.
    pub fn text(&self, row: usize) -> Option<String> {
        if self.is_missing(row) {
            return None;
        }
        Some(match self {
            Values::Numeric(values) => values[row].to_string(),
            Values::Text { codes, dictionary } => dictionary[codes[row] as usize].clone(),
        })
    }

    /// The rows at `indices`, in that order. The dictionary is kept whole.
    pub fn select(&self, indices: &[usize]) -> Values {
        match self {
            Values::Numeric(values) => {
                Values::Numeric(indices.iter().map(|&i| values[i]).collect())
            }
            Values::Text { codes, dictionary } => Values::Text {
                codes: indices.iter().map(|&i| codes[i]).collect(),
                dictionary: dictionary.clone(),
            },
        }
    }
}

impl Table {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Table {
        let select = |c: &Column| Column {
            name: c.name.clone(),
            values: c.values.select(indices),
        };
        Table {
            columns: self.columns.iter().map(select).collect(),
        }
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Measurements and counts.
    Numeric,
    /// One of a few words or codes, without order.
    Categorical,
    /// Two values.
    Boolean,
    /// Days or moments, written as text (ISO 8601 and the common forms).
    Date,
    /// A name for the row: (almost) every value is different and carries no measure.
    Id,
    /// Words in sentences.
    Text,
    /// One value only, or none.
    Constant,
}

impl ColumnKind {
    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Numeric => "numeric",
            ColumnKind::Categorical => "categorical",
            ColumnKind::Boolean => "boolean",
            ColumnKind::Date => "date",
            ColumnKind::Id => "id",
            ColumnKind::Text => "text",
            ColumnKind::Constant => "constant",
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Seen by the model.
    Feature,
    /// To be predicted.
    Target,
    /// Not seen by the model (an id, a constant, declared so, or leaking the target).
    Ignored,
    /// Names the group of a row: a group is never cut by a split.
    Group,
    /// Orders the rows in time.
    Time,
}

impl Role {
    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Feature => "feature",
            Role::Target => "target",
            Role::Ignored => "ignored",
            Role::Group => "group",
            Role::Time => "time",
        }
    }
}

/// What was understood of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Why that was concluded, in one clause (for example `23 distinct whole numbers in 1 030 rows`).
    pub reason: String,
    /// What it is for.
    pub role: Role,
    /// Whether it may describe a protected attribute (sex, race, age, religion, ...).
    pub sensitive: bool,
}

/// What was understood of all columns, in the order of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// One entry a column.
    pub columns: Vec<ColumnSchema>,
}

impl Schema {
    /// The columns of one role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &ColumnSchema> {
        self.columns
            .iter()
            .filter(move |column| column.role == role)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Schema {
    /// Gives a column another role; an unknown name changes nothing.
    pub fn set_role(&mut self, name: &str, role: Role) {
        if let Some(column) = self.columns.iter_mut().find(|column| column.name == name) {
            column.role = role;
        }
    }
}

/// The indices of the wanted columns in the order of the source; all when none are named.
pub(crate) fn choose_columns(
    names: &[String],
    wanted: Option<&[String]>,
) -> Result<Vec<usize>, DataError> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Ok((0..names.len()).collect());
    };
    for column in wanted {
        known_column(column, "the columns to read", names)?;
    }
    Ok((0..names.len())
        .filter(|&i| wanted.contains(&names[i]))
        .collect())
}

/// An error that suggests a near miss, unless the column exists.
pub(crate) fn known_column(
    column: &str,
    wanted_by: &'static str,
    names: &[String],
) -> Result<(), DataError> {
    if names.iter().any(|name| name == column) {
        return Ok(());
    }
    Err(DataError::UnknownColumn {
        column: column.to_owned(),
        wanted_by,
        suggestion: did_you_mean(column, names),
        known: names.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_below_numbers_and_become_texts_below_texts() {
        let numbers = Values::Numeric(vec![1.0, f64::NAN]);
        assert_eq!(
            Values::Numeric(vec![0.5]).followed_by(&Values::Numeric(vec![2.0])),
            Values::Numeric(vec![0.5, 2.0])
        );
        let texts = Values::texts([Some("b"), None, Some("1")]);
        let both = texts.followed_by(&numbers);
        assert_eq!(
            both,
            Values::texts([Some("b"), None, Some("1"), Some("1"), None])
        );
        assert_eq!(
            numbers
                .followed_by(&Values::texts([Some("b")]))
                .text(2)
                .as_deref(),
            Some("b")
        );
    }
}
