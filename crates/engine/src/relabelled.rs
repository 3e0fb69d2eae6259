use candor_core::{Evidence, Finding, Severity};
use candor_data::{ReadOptions, Source, Table, Values, read_table};

use crate::modality::Opened;
use crate::{EngineError, FitSettings};

/// The kind of the finding that says which labels a person changed.
pub(crate) const CHANGED: &str = "labels-changed";
/// What a person writes where the right label is not known: the row is then not learned from, nor tested on.
const UNKNOWN: &str = "unknown";
/// Rows that the finding names.
const NAMED: usize = 50;

/// Changes the labels that a person corrected in the table that an earlier run wrote: columns `row` (from 1), `target` (the column), `label` (the
/// right one; empty leaves it, `unknown` takes it away) and, if it is there, `given`, which must be what the data say.
pub(crate) fn relabel(opened: &mut Opened, settings: &FitSettings) -> Result<(), EngineError> {
    let Some(file) = &settings.labels else {
        return Ok(());
    };
    let options = ReadOptions {
        header: Some(true),
        ..ReadOptions::default()
    };
    let read = read_table(&Source::parse(file)?, &options)?;
    let wrong = |problem: String| EngineError::Setting {
        setting: "labels",
        problem: format!("{file}: {problem}"),
    };
    let edits = edits(&read.table).map_err(wrong)?;
    let (mut changed, mut unknown) = (Vec::new(), 0);
    for edit in edits {
        let before = edit.apply(&mut opened.table).map_err(wrong)?;
        if before {
            changed.push(edit.row);
            unknown += usize::from(edit.label == UNKNOWN);
        }
    }
    let count = changed.len();
    opened.findings.push(Finding {
        kind: CHANGED.to_owned(),
        severity: Severity::Note,
        columns: Vec::new(),
        message: format!(
            "{count} labels are not those of the source but those of `{file}` ({unknown} of them unknown)"
        ),
        evidence: Evidence {
            rows: changed.into_iter().take(NAMED).collect(),
            count,
            figure: format!("SHA-256 of the table {}", read.facts.sha256),
        },
        remedy: "leave out `--labels` to use the labels of the source".to_owned(),
        action: Some("the labels were changed before anything was learned".to_owned()),
    });
    Ok(())
}

/// One cell that a person filled in.
struct Edit {
    /// From 1.
    row: usize,
    target: String,
    given: Option<String>,
    label: String,
    /// The line of the table, from 1, for messages.
    line: usize,
}

fn edits(table: &Table) -> Result<Vec<Edit>, String> {
    let column = |name: &str| {
        let found = table.column(name);
        found.ok_or_else(|| {
            format!("there is no column `{name}`; it needs `row`, `target` and `label`")
        })
    };
    let (rows, targets, labels) = (column("row")?, column("target")?, column("label")?);
    let given = table.column("given");
    let mut edits = Vec::new();
    for line in 0..table.rows() {
        let Some(label) = labels.values.text(line) else {
            continue;
        };
        let row = rows.values.text(line).and_then(|text| text.parse().ok());
        let (Some(row), Some(target)) = (row, targets.values.text(line)) else {
            return Err(format!("line {} names no row and target", line + 1));
        };
        edits.push(Edit {
            row,
            target,
            given: given.and_then(|given| given.values.text(line)),
            label,
            line: line + 1,
        });
    }
    Ok(edits)
}

impl Edit {
    /// Whether the cell was changed.
    fn apply(&self, table: &mut Table) -> Result<bool, String> {
        let Edit {
            row,
            target,
            given,
            label,
            line,
        } = self;
        let rows = table.rows();
        if !(1..=rows).contains(row) {
            return Err(format!(
                "line {line}: there is no row {row}, only 1 to {rows}"
            ));
        }
        let column = table.columns.iter_mut().find(|c| c.name == *target);
        let column =
            column.ok_or_else(|| format!("line {line}: the source has no column `{target}`"))?;
        let place = row - 1;
        let now = column.values.text(place);
        if let Some(given) = given
            && now.as_ref().is_none_or(|now| !same(now, given))
        {
            return Err(format!(
                "line {line}: `{given}` was given for row {row}, but the source says `{}`: the table belongs to other data",
                now.unwrap_or_default()
            ));
        }
        match &mut column.values {
            Values::Text { codes, dictionary } => {
                let code = dictionary.iter().position(|text| text == label);
                codes[place] = match code {
                    Some(code) => code as u32,
                    None if label == UNKNOWN => Values::MISSING,
                    None => {
                        return Err(format!(
                            "line {line}: `{label}` does not occur in column `{target}`; write one of its values, or `{UNKNOWN}`"
                        ));
                    }
                };
            }
            Values::Numeric(values) => {
                values[place] = match label.parse::<f64>() {
                    Ok(number) if number.is_finite() => number,
                    _ if label == UNKNOWN => f64::NAN,
                    _ => {
                        return Err(format!(
                            "line {line}: `{label}` is no number, but column `{target}` holds numbers; write one, or `{UNKNOWN}`"
                        ));
                    }
                };
            }
        }
        Ok(column.values.text(place) != now)
    }
}

/// The same text, or the same number: a reader may have taken `1.50` for a number.
fn same(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a == b || number(a).is_some_and(|a| number(b).is_some_and(|b| (a - b).abs() <= 1e-9 * a.abs()))
}

#[cfg(test)]
mod tests {
    use candor_data::Column;

    use super::*;

    fn texts(name: &str, cells: &[&str]) -> Column {
        let mut dictionary: Vec<String> = Vec::new();
        let code = |cell: &&str| {
            if cell.is_empty() {
                return Values::MISSING;
            }
            let found = dictionary.iter().position(|text| text == cell);
            found.unwrap_or_else(|| {
                dictionary.push((*cell).to_owned());
                dictionary.len() - 1
            }) as u32
        };
        let codes = cells.iter().map(code).collect();
        Column {
            name: name.to_owned(),
            values: Values::Text { codes, dictionary },
        }
    }

    fn data() -> Table {
        let numbers = Column {
            name: "y".into(),
            values: Values::Numeric(vec![1.5, 2.0, 3.0]),
        };
        Table {
            columns: vec![texts("class", &["a", "b", "a"]), numbers],
        }
    }

    fn applied(
        row: &str,
        target: &str,
        given: &str,
        label: &str,
    ) -> Result<Option<String>, String> {
        let table = Table {
            columns: vec![
                texts("row", &[row]),
                texts("target", &[target]),
                texts("given", &[given]),
                texts("label", &[label]),
            ],
        };
        let mut data = data();
        for edit in edits(&table)? {
            edit.apply(&mut data)?;
        }
        let place = row.parse::<usize>().unwrap() - 1;
        Ok(data.column(target).and_then(|c| c.values.text(place)))
    }

    #[test]
    fn labels_change_as_a_person_says() {
        let cases = [
            ("1", "class", "a", "b", Some("b")),
            ("1", "class", "", "b", Some("b")),
            ("2", "class", "b", "", Some("b")),
            ("3", "class", "a", "unknown", None),
            ("1", "y", "1.50", "7", Some("7")),
            ("2", "y", "2", "unknown", None),
        ];
        for (row, target, given, label, expected) in cases {
            let got = applied(row, target, given, label).unwrap();
            assert_eq!(got.as_deref(), expected, "{row} {target} {label}");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_says_where() {
        let cases = [
            ("1", "class", "b", "b", "the table belongs to other data"),
            (
                "1",
                "class",
                "a",
                "c",
                "`c` does not occur in column `class`",
            ),
            ("1", "y", "1.5", "many", "`many` is no number"),
            ("1", "z", "", "b", "no column `z`"),
        ];
        for (row, target, given, label, part) in cases {
            let error = applied(row, target, given, label).unwrap_err();
            assert!(error.contains(part) && error.contains("line 1"), "{error}");
        }
        let edit = |row| Edit {
            row,
            target: "class".into(),
            given: None,
            label: "b".into(),
            line: 4,
        };
        for row in [0, 4] {
            let error = edit(row).apply(&mut data()).unwrap_err();
            assert!(error.contains("only 1 to 3"), "{error}");
        }
        let none = Table {
            columns: vec![texts("row", &["1"])],
        };
        assert!(edits(&none).is_err_and(|e| e.contains("no column `target`")));
    }
}
