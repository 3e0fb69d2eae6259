use std::collections::{BTreeMap, HashMap};

use candor_baselines::{BaselineError, FeatureKind, Matrix};
use candor_core::{Hints, did_you_mean};
use candor_data::{ColumnKind, Role, Schema, Table, Values, number_of, parse_date};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How columns as read become numbers and category codes: fixed once, saved with the model.
///
/// It learns which categories and words exist, and nothing else: no statistic that could carry
/// the target or the spread of held-out rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEncoder {
    /// One entry for each column that the model sees.
    pub encodings: Vec<Encoding>,
}

/// How one column is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Encoding {
    /// The number itself.
    Numeric {
        /// The column.
        column: String,
    },
    /// The place of the text among the known categories.
    Categorical {
        /// The column.
        column: String,
        /// Known categories, sorted.
        categories: Vec<String>,
    },
    /// Days since 1970, day of year and weekday on the circle, hour.
    Date {
        /// The column.
        column: String,
    },
    /// Length, number of words, and which of the known words occur.
    Text {
        /// The column.
        column: String,
        /// Known words, lower case, sorted.
        words: Vec<String>,
    },
}

/// Rows that do not fit the model.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RowError {
    /// Columns are not there.
    #[error("{} of the model's columns are missing: {}{suggestion}", missing.len(), quoted(missing))]
    MissingColumns {
        /// Their names.
        missing: Vec<String>,
        /// A near miss among the columns that are there.
        suggestion: String,
    },
    /// No column can be used.
    #[error("no column is left that a model could use")]
    NoFeatures,
    /// The encoded rows do not make a matrix (a column of more categories than can be counted).
    #[error(transparent)]
    Matrix(BaselineError),
}

impl Hints for RowError {
    fn hints(&self) -> Vec<String> {
        match self {
            RowError::MissingColumns { .. } => vec![
                "give the columns under the names that they had in training; a cell may be empty".into(),
            ],
            RowError::Matrix(error) => error.hints(),
            RowError::NoFeatures => vec![
                "constant and id columns are left out; keep one with `--keep COLUMN`, or add columns that vary".into(),
            ],
        }
    }
}

fn quoted(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
    let more = if names.len() > 5 { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Words of free text that become columns of their own.
const WORDS: usize = 64;
/// Numbers that a date becomes.
const DATE_FEATURES: [&str; 6] = [
    "days", "year_sin", "year_cos", "week_sin", "week_cos", "hour",
];

impl TableEncoder {
    /// Fixes the encoding of all feature columns, from the rows that may be learned from.
    ///
    /// # Errors
    /// When no column has the role of a feature.
    pub fn fit(table: &Table, schema: &Schema, rows: &[usize]) -> Result<TableEncoder, RowError> {
        let mut encodings = Vec::new();
        for info in schema.with_role(Role::Feature) {
            let Some(column) = table.column(&info.name) else {
                continue;
            };
            let name = info.name.clone();
            encodings.push(match info.kind {
                ColumnKind::Numeric => Encoding::Numeric { column: name },
                ColumnKind::Date => Encoding::Date { column: name },
                ColumnKind::Text => Encoding::Text {
                    column: name,
                    words: frequent_words(&column.values, rows),
                },
                ColumnKind::Id if matches!(column.values, Values::Numeric(_)) => {
                    Encoding::Numeric { column: name }
                }
                ColumnKind::Constant if matches!(column.values, Values::Numeric(_)) => {
                    Encoding::Numeric { column: name }
                }
                ColumnKind::Categorical
                | ColumnKind::Boolean
                | ColumnKind::Id
                | ColumnKind::Constant => Encoding::Categorical {
                    column: name,
                    categories: known_categories(&column.values, rows),
                },
            });
        }
        if encodings.is_empty() {
            return Err(RowError::NoFeatures);
        }
        Ok(TableEncoder { encodings })
    }

    /// The names of the columns that the model sees.
    pub fn columns(&self) -> Vec<&str> {
        self.encodings.iter().map(Encoding::column).collect()
    }

    /// The name of each number that a row becomes.
    pub fn feature_names(&self) -> Vec<String> {
        self.encodings
            .iter()
            .flat_map(Encoding::feature_names)
            .collect()
    }

    /// Which features of the matrix come from `column`.
    pub fn features_of(&self, column: &str) -> std::ops::Range<usize> {
        let mut start = 0;
        for encoding in &self.encodings {
            let width = encoding.feature_names().len();
            if encoding.column() == column {
                return start..start + width;
            }
            start += width;
        }
        start..start
    }

    /// Encodes all rows of a table. Extra columns are ignored; unknown categories and cells that do not parse
    /// count as missing.
    ///
    /// # Errors
    /// When a column of the model is not in the table.
    pub fn encode(&self, table: &Table) -> Result<Matrix, RowError> {
        let missing: Vec<String> = self
            .columns()
            .into_iter()
            .filter(|name| table.column(name).is_none())
            .map(str::to_string)
            .collect();
        if let Some(first) = missing.first() {
            let present: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            let suggestion = did_you_mean(first, &present);
            return Err(RowError::MissingColumns {
                missing,
                suggestion,
            });
        }
        let rows = table.rows();
        let columns: Vec<FeatureKind> = self.encodings.iter().flat_map(Encoding::kinds).collect();
        let width = columns.len();
        let mut values = vec![f32::NAN; rows * width];
        let mut start = 0;
        for encoding in &self.encodings {
            let Some(column) = table.column(encoding.column()) else {
                continue;
            };
            encoding.write(&column.values, &mut values, start, width);
            start += encoding.kinds().len();
        }
        Matrix::new(rows, columns, values).map_err(RowError::Matrix)
    }
}

impl Encoding {
    /// The column's name.
    pub fn column(&self) -> &str {
        match self {
            Encoding::Numeric { column }
            | Encoding::Categorical { column, .. }
            | Encoding::Date { column }
            | Encoding::Text { column, .. } => column,
        }
    }

    fn feature_names(&self) -> Vec<String> {
        match self {
            Encoding::Numeric { column } | Encoding::Categorical { column, .. } => {
                vec![column.clone()]
            }
            Encoding::Date { column } => DATE_FEATURES
                .iter()
                .map(|part| format!("{column}.{part}"))
                .collect(),
            Encoding::Text { column, words } => ["length", "words"]
                .into_iter()
                .map(|part| format!("{column}.{part}"))
                .chain(words.iter().map(|word| format!("{column}:{word}")))
                .collect(),
        }
    }

    fn kinds(&self) -> Vec<FeatureKind> {
        match self {
            Encoding::Categorical { categories, .. } => {
                vec![FeatureKind::Categorical {
                    cardinality: categories.len() as u32,
                }]
            }
            other => vec![FeatureKind::Numeric; other.feature_names().len()],
        }
    }

    /// Writes the encoded cells to the features from `start` on of each row of `width` values.
    fn write(&self, cells: &Values, values: &mut [f32], start: usize, width: usize) {
        match self {
            Encoding::Numeric { .. } => {
                for row in 0..cells.len() {
                    values[row * width + start] = number(cells, row);
                }
            }
            Encoding::Categorical { categories, .. } => {
                let place: HashMap<&str, usize> = categories
                    .iter()
                    .enumerate()
                    .map(|(i, c)| (c.as_str(), i))
                    .collect();
                let code = |text: &str| place.get(text).map_or(f32::NAN, |&i| i as f32);
                match cells {
                    Values::Text { codes, dictionary } => {
                        let known: Vec<f32> = dictionary.iter().map(|text| code(text)).collect();
                        for (row, &c) in codes.iter().enumerate() {
                            values[row * width + start] =
                                known.get(c as usize).copied().unwrap_or(f32::NAN);
                        }
                    }
                    Values::Numeric(_) => {
                        for row in 0..cells.len() {
                            values[row * width + start] =
                                cells.text(row).map_or(f32::NAN, |text| code(&text));
                        }
                    }
                }
            }
            Encoding::Date { .. } => {
                for row in 0..cells.len() {
                    if let Some(seconds) = cells.text(row).and_then(|text| parse_date(&text)) {
                        let at = row * width + start;
                        values[at..at + DATE_FEATURES.len()]
                            .copy_from_slice(&date_features(seconds));
                    }
                }
            }
            Encoding::Text { words, .. } => {
                for row in 0..cells.len() {
                    let Some(text) = cells.text(row) else {
                        continue;
                    };
                    let at = row * width + start;
                    let found = words_of(&text);
                    values[at] = text.chars().count() as f32;
                    values[at + 1] = found.len() as f32;
                    for (i, word) in words.iter().enumerate() {
                        values[at + 2 + i] = f32::from(u8::from(found.contains(word)));
                    }
                }
            }
        }
    }
}

/// A cell as a number; infinities count as missing, because no later step can use them.
fn number(cells: &Values, row: usize) -> f32 {
    let value = match cells {
        Values::Numeric(values) => values[row],
        Values::Text { .. } => cells
            .text(row)
            .and_then(|text| number_of(text.trim()))
            .unwrap_or(f64::NAN),
    };
    let value = value as f32;
    if value.is_finite() { value } else { f32::NAN }
}

fn date_features(seconds: f64) -> [f32; 6] {
    let days = seconds / 86_400.0;
    let circle = |share: f64| (std::f64::consts::TAU * share).sin_cos();
    let (year_sin, year_cos) = circle((days / 365.2425).fract());
    let (week_sin, week_cos) = circle((days / 7.0).fract());
    let hour = days.rem_euclid(1.0) * 24.0;
    [days, year_sin, year_cos, week_sin, week_cos, hour].map(|v| v as f32)
}

fn known_categories(cells: &Values, rows: &[usize]) -> Vec<String> {
    let mut known: Vec<String> = match cells {
        Values::Text { codes, dictionary } => {
            let mut seen = vec![false; dictionary.len()];
            for &row in rows {
                if let Some(seen) = seen.get_mut(codes[row] as usize) {
                    *seen = true;
                }
            }
            dictionary
                .iter()
                .zip(seen)
                .filter(|(_, seen)| *seen)
                .map(|(t, _)| t.clone())
                .collect()
        }
        Values::Numeric(_) => rows.iter().filter_map(|&row| cells.text(row)).collect(),
    };
    known.sort_unstable();
    known.dedup();
    known
}

fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn frequent_words(cells: &Values, rows: &[usize]) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in rows.iter().filter_map(|&row| cells.text(row)) {
        words_of(&text)
            .into_iter()
            .for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let least = (rows.len() / 100).max(3);
    let mut frequent: Vec<(usize, String)> = counts
        .into_iter()
        .filter(|(_, count)| *count >= least && *count < rows.len())
        .map(|(word, count)| (count, word))
        .collect();
    frequent.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut words: Vec<String> = frequent
        .into_iter()
        .take(WORDS)
        .map(|(_, word)| word)
        .collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_data::{Column, ColumnSchema};

    fn texts(cells: &[&str]) -> Values {
        let mut dictionary: Vec<String> = Vec::new();
        let codes = cells
            .iter()
            .map(|cell| {
                if cell.is_empty() {
                    return Values::MISSING;
                }
                let known = dictionary.iter().position(|d| d == cell);
                known.unwrap_or_else(|| {
                    dictionary.push(cell.to_string());
                    dictionary.len() - 1
                }) as u32
            })
            .collect();
        Values::Text { codes, dictionary }
    }

    fn table(columns: Vec<(&str, Values)>) -> Table {
        let column = |(name, values): (&str, Values)| Column {
            name: name.into(),
            values,
        };
        Table {
            columns: columns.into_iter().map(column).collect(),
        }
    }

    fn schema(columns: &[(&str, ColumnKind)]) -> Schema {
        let column = |(name, kind): &(&str, ColumnKind)| ColumnSchema {
            name: name.to_string(),
            kind: *kind,
            reason: String::new(),
            role: Role::Feature,
            sensitive: false,
        };
        Schema {
            columns: columns.iter().map(column).collect(),
        }
    }

    #[test]
    fn unseen_categories_and_infinities_are_missing() {
        let train = table(vec![
            ("colour", texts(&["red", "blue", "red"])),
            ("size", Values::Numeric(vec![1.0, 2.0, 3.0])),
        ]);
        let schema = schema(&[
            ("colour", ColumnKind::Categorical),
            ("size", ColumnKind::Numeric),
        ]);
        let encoder = TableEncoder::fit(&train, &schema, &[0, 1, 2]).unwrap();
        let new = table(vec![
            ("size", Values::Numeric(vec![f64::INFINITY, 5.0])),
            ("extra", Values::Numeric(vec![0.0, 0.0])),
            ("colour", texts(&["green", "red"])),
        ]);
        let matrix = encoder.encode(&new).unwrap();
        assert!(matrix.values()[0].is_nan() && matrix.values()[1].is_nan());
        assert_eq!(&matrix.values()[2..], &[1.0, 5.0]);
    }

    #[test]
    fn a_renamed_column_is_named_in_the_error() {
        let train = table(vec![("height", Values::Numeric(vec![1.0]))]);
        let encoder =
            TableEncoder::fit(&train, &schema(&[("height", ColumnKind::Numeric)]), &[0]).unwrap();
        let new = table(vec![("heigth", Values::Numeric(vec![1.0]))]);
        let message = encoder.encode(&new).unwrap_err().to_string();
        assert!(
            message.contains("`height`") && message.contains("did you mean `heigth`?"),
            "{message}"
        );
    }

    #[test]
    fn numbers_read_as_text_at_prediction_still_parse() {
        let train = table(vec![("x", Values::Numeric(vec![1.0]))]);
        let encoder =
            TableEncoder::fit(&train, &schema(&[("x", ColumnKind::Numeric)]), &[0]).unwrap();
        let matrix = encoder
            .encode(&table(vec![(
                "x",
                texts(&["2.5", "oops", "", "$3", "4 kg"]),
            )]))
            .unwrap();
        assert_eq!(matrix.values()[0], 2.5);
        assert!(matrix.values()[1].is_nan() && matrix.values()[2].is_nan());
        assert_eq!(matrix.values()[3..], [3.0, 4.0]);
    }

    #[test]
    fn dates_lie_on_circles() {
        let [days, year_sin, year_cos, ..] = date_features(86_400.0 * 365.2425);
        assert!(
            (days - 365.2425).abs() < 1e-3
                && year_sin.abs() < 1e-5
                && (year_cos - 1.0).abs() < 1e-5
        );
    }
}
