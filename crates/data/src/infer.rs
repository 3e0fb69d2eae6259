use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::table::known_column;
use crate::{Column, ColumnKind, ColumnSchema, DataError, Role, Schema, Table, Values, parse_date};

/// What a person says of the columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SchemaOptions {
    /// Columns to predict.
    pub target: Vec<String>,
    /// Rows with the same value belong together.
    pub group: Option<String>,
    /// Orders the rows in time.
    pub time_column: Option<String>,
    /// Columns that describe a protected attribute, beside those recognised by name.
    pub sensitive: Vec<String>,
    /// Columns that the model must not see.
    pub ignore: Vec<String>,
}

/// Distinct texts from which a column is free text or a category of very many levels, not a handful of words.
const MANY_TEXTS: usize = 20;
/// Share of distinct values from which a column of text names its rows.
const ID_SHARE: f64 = 0.95;
/// Rows from which distinctness says anything.
const ID_ROWS: usize = 20;
/// Texts that are looked at to recognise dates and sentences.
const LOOKED_AT: usize = 1000;

/// Parts of a name that say that a column may describe a protected attribute.
const SENSITIVE: [&str; 22] = [
    "sex",
    "gender",
    "race",
    "racial",
    "ethnicity",
    "ethnic",
    "age",
    "religion",
    "religious",
    "disability",
    "disabled",
    "nationality",
    "citizenship",
    "marital",
    "pregnant",
    "pregnancy",
    "orientation",
    "caste",
    "veteran",
    "skin",
    "birthplace",
    "native",
];

/// Decides what each column holds and what it is for. Ids and constants are still features here; curation
/// leaves them out and says so.
///
/// # Errors
/// When a named column does not exist, or is given two roles.
pub fn infer_schema(table: &Table, options: &SchemaOptions) -> Result<Schema, DataError> {
    let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    let asked = [
        ("--target", options.target.as_slice(), Role::Target),
        ("--group", options.group.as_slice(), Role::Group),
        ("--time-column", options.time_column.as_slice(), Role::Time),
        ("--ignore", options.ignore.as_slice(), Role::Ignored),
    ];
    let mut schema = Schema {
        columns: table.columns.iter().map(describe).collect(),
    };
    let mut given: Vec<(&str, Role)> = Vec::new();
    for (option, columns, role) in asked {
        for column in columns {
            known_column(column, option, &names)?;
            if let Some((_, first)) = given.iter().find(|(c, r)| c == column && *r != role) {
                return Err(DataError::RoleConflict {
                    column: column.clone(),
                    first: role_name(*first),
                    second: role_name(role),
                });
            }
            given.push((column, role));
            schema.set_role(column, role);
        }
    }
    for column in &options.sensitive {
        known_column(column, "--sensitive", &names)?;
        if let Some(found) = schema.columns.iter_mut().find(|c| c.name == *column) {
            found.sensitive = true;
        }
    }
    Ok(schema)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Feature => "feature",
        Role::Target => "target",
        Role::Ignored => "ignored",
        Role::Group => "group",
        Role::Time => "time",
    }
}

fn describe(column: &Column) -> ColumnSchema {
    let (kind, reason) = match &column.values {
        Values::Numeric(values) => kind_of_numbers(&column.name, values),
        Values::Text { codes, dictionary } => kind_of_texts(codes, dictionary),
    };
    ColumnSchema {
        name: column.name.clone(),
        kind,
        reason,
        role: Role::Feature,
        sensitive: is_sensitive(&column.name),
    }
}

fn kind_of_numbers(name: &str, values: &[f64]) -> (ColumnKind, String) {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let rows = present.len();
    let distinct = present
        .iter()
        .map(|v| v.to_bits())
        .collect::<HashSet<_>>()
        .len();
    let whole = present.iter().all(|v| v.fract() == 0.0);
    match distinct {
        0 => (ColumnKind::Constant, "no cell has a value".into()),
        1 => (ColumnKind::Constant, format!("always {}", present[0])),
        2 if present.iter().all(|v| *v == 0.0 || *v == 1.0) => {
            (ColumnKind::Boolean, "only 0 and 1".into())
        }
        _ if whole && distinct == rows && rows >= ID_ROWS && counts_rows(name, &present) => (
            ColumnKind::Id,
            format!("{rows} different whole numbers, one a row, that count or name the rows"),
        ),
        _ => (
            ColumnKind::Numeric,
            format!("numbers, {distinct} distinct in {rows} rows"),
        ),
    }
}

/// Whether distinct whole numbers count the rows (each one more than the last) or their column is named as an id.
fn counts_rows(name: &str, values: &[f64]) -> bool {
    let steps = values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
    let named = words_of(name).iter().any(|w| {
        [
            "id",
            "ids",
            "uid",
            "uuid",
            "guid",
            "key",
            "index",
            "rowid",
            "identifier",
        ]
        .contains(&w.as_str())
    });
    named || (steps && values.first().is_some_and(|v| *v == 0.0 || *v == 1.0))
}

fn kind_of_texts(codes: &[u32], dictionary: &[String]) -> (ColumnKind, String) {
    let mut used = vec![0usize; dictionary.len()];
    for &code in codes {
        if let Some(count) = used.get_mut(code as usize) {
            *count += 1;
        }
    }
    let rows: usize = used.iter().sum();
    let distinct = used.iter().filter(|count| **count > 0).count();
    let texts = || {
        dictionary
            .iter()
            .zip(&used)
            .filter(|(_, count)| **count > 0)
            .map(|(text, _)| text.as_str())
    };
    match distinct {
        0 => return (ColumnKind::Constant, "no cell has a value".into()),
        1 => {
            return (
                ColumnKind::Constant,
                format!("always `{}`", texts().next().unwrap_or_default()),
            );
        }
        2 => return (ColumnKind::Boolean, "two distinct texts".into()),
        _ => {}
    }
    if texts()
        .take(LOOKED_AT)
        .all(|text| parse_date(text).is_some())
    {
        return (
            ColumnKind::Date,
            format!("{distinct} distinct texts, all dates"),
        );
    }
    let looked_at = distinct.min(LOOKED_AT);
    let words: usize = texts()
        .take(LOOKED_AT)
        .map(|text| text.split_whitespace().count())
        .sum();
    let mean_words = words as f64 / looked_at as f64;
    if distinct > MANY_TEXTS && mean_words >= 4.0 {
        return (
            ColumnKind::Text,
            format!("{distinct} distinct texts of {mean_words:.1} words on average"),
        );
    }
    if rows >= ID_ROWS && distinct as f64 >= ID_SHARE * rows as f64 {
        return (
            ColumnKind::Id,
            format!("{distinct} distinct texts in {rows} rows"),
        );
    }
    (
        ColumnKind::Categorical,
        format!("{distinct} distinct texts in {rows} rows"),
    )
}

fn is_sensitive(name: &str) -> bool {
    words_of(name)
        .iter()
        .any(|word| SENSITIVE.contains(&word.as_str()))
}

/// The words of a name in lower case: `maritalStatus`, `marital_status` and `Marital-Status` have the same.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else if words.is_empty() || (c.is_uppercase() && lower_before) {
            words.push(c.to_lowercase().collect());
        } else if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, cells: &[&str]) -> Column {
        let mut dictionary: Vec<String> = Vec::new();
        let code = |cell: &&str| {
            if cell.is_empty() {
                return Values::MISSING;
            }
            let known = dictionary.iter().position(|d| d == cell);
            known.unwrap_or_else(|| {
                dictionary.push((*cell).to_owned());
                dictionary.len() - 1
            }) as u32
        };
        let codes = cells.iter().map(code).collect();
        Column {
            name: name.into(),
            values: Values::Text { codes, dictionary },
        }
    }

    fn numbers(name: &str, cells: Vec<f64>) -> Column {
        Column {
            name: name.into(),
            values: Values::Numeric(cells),
        }
    }

    #[test]
    fn kinds() {
        let many: Vec<String> = (0..40).map(|i| format!("patient-{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let essays: Vec<String> = (0..40)
            .map(|i| format!("note {i} says that all is well"))
            .collect();
        let essays: Vec<&str> = essays.iter().map(String::as_str).collect();
        let cases = [
            (
                numbers("weight", vec![1.5, 2.5, f64::NAN]),
                ColumnKind::Numeric,
            ),
            (numbers("n", vec![3.0, 1.0, 2.0]), ColumnKind::Numeric),
            (
                numbers("flag", vec![0.0, 1.0, f64::NAN]),
                ColumnKind::Boolean,
            ),
            (numbers("x", vec![7.0, 7.0, f64::NAN]), ColumnKind::Constant),
            (numbers("x", vec![f64::NAN; 3]), ColumnKind::Constant),
            (
                numbers("row", (0..40).map(f64::from).collect()),
                ColumnKind::Id,
            ),
            (
                numbers(
                    "patient_id",
                    (0..40).rev().map(|i| f64::from(i * 7)).collect(),
                ),
                ColumnKind::Id,
            ),
            (
                numbers("squares", (0..40).map(|i| f64::from(i * i)).collect()),
                ColumnKind::Numeric,
            ),
            (texts("c", &["a", "b", "c", "a"]), ColumnKind::Categorical),
            (texts("c", &["yes", "no", "", "no"]), ColumnKind::Boolean),
            (
                texts("d", &["2024-01-02", "2024-03-04", "2023-12-31"]),
                ColumnKind::Date,
            ),
            (texts("who", &many), ColumnKind::Id),
            (texts("notes", &essays), ColumnKind::Text),
            (texts("x", &["", "", ""]), ColumnKind::Constant),
        ];
        for (column, kind) in cases {
            let found = describe(&column);
            assert_eq!(found.kind, kind, "{column:?}: {}", found.reason);
        }
    }

    #[test]
    fn names_about_people_are_noticed_and_words_that_only_contain_them_are_not() {
        for name in [
            "Sex",
            "maritalStatus",
            "applicant_age",
            "RACE",
            "native-country",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["message", "average", "stage", "embrace", "sextant"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    #[test]
    fn roles_are_given_once_to_columns_that_exist() -> Result<(), DataError> {
        let table = Table {
            columns: vec![numbers("a", vec![1.0, 2.0]), numbers("b", vec![1.0, 3.0])],
        };
        let options = |target: &str, group: &str| SchemaOptions {
            target: vec![target.into()],
            group: Some(group.into()),
            ..SchemaOptions::default()
        };
        let schema = infer_schema(&table, &options("b", "a"))?;
        assert_eq!(schema.column("a").map(|c| c.role), Some(Role::Group));
        assert_eq!(schema.column("b").map(|c| c.role), Some(Role::Target));
        assert!(matches!(
            infer_schema(&table, &options("a", "a")),
            Err(DataError::RoleConflict { .. })
        ));
        assert!(matches!(
            infer_schema(&table, &options("z", "a")),
            Err(DataError::UnknownColumn { .. })
        ));
        Ok(())
    }
}
