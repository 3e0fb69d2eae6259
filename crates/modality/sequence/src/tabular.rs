//! Series in one table: a row for each series and moment, or a row for each series.

use std::collections::HashMap;
use std::path::Path;

use candor_core::{Evidence, Finding, Severity, did_you_mean};
use candor_data::{Column, Table, Values, time_values};
use serde::{Deserialize, Serialize};

use crate::recordings::{ascend_evenly, is_time_name, uneven_times};
use crate::{LENGTH, SequenceError, SeriesSet};

/// The kind of the finding about columns that are not looked at.
pub const OTHER_COLUMNS: &str = "other-columns";

/// Where the readings of series stand in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableForm {
    /// A row for each series and moment.
    Readings {
        /// The column that says which series a row is of.
        series: String,
        /// The column of times, by which readings of a series are put in order, if there is one.
        time: Option<String>,
        /// The columns of readings, one a channel.
        channels: Vec<String>,
    },
    /// A row for each series, with its readings side by side; one channel.
    Rows {
        /// The columns of readings, in order.
        readings: Vec<String>,
    },
}

/// What a person says of the columns of a table of series.
#[derive(Debug, Clone, Default)]
pub struct TableColumns<'a> {
    /// The column that says which series a row is of; `None` where each row is a series.
    pub series: Option<&'a str>,
    /// The column of times; found when not given.
    pub time: Option<&'a str>,
    /// Columns that hold no readings: what is predicted, and what a person wants to be left out.
    pub others: Vec<&'a str>,
}

/// Series of a table.
#[derive(Debug, Clone)]
pub struct TableSeries {
    /// The series, in the order in which they first come.
    pub series: SeriesSet,
    /// Their names; of rows `None`.
    pub names: Option<Vec<String>>,
    /// The rows of each, in the order of their readings.
    pub rows: Vec<Vec<usize>>,
    /// Series whose times do not ascend by equal steps.
    pub uneven: Vec<usize>,
}

impl TableForm {
    /// Which columns hold what.
    ///
    /// # Errors
    /// When a named column is not there, or none holds readings.
    pub fn of(
        table: &Table,
        path: &Path,
        columns: &TableColumns,
    ) -> Result<TableForm, SequenceError> {
        for name in columns
            .series
            .iter()
            .chain(&columns.time)
            .chain(&columns.others)
        {
            column(table, path, name, "name columns as the table does")?;
        }
        if let Some(series) = columns.series.filter(|name| columns.others.contains(name)) {
            return Err(SequenceError::Content {
                path: path.to_owned(),
                problem: format!(
                    "`{series}` tells the series, and cannot be predicted or left out"
                ),
                repair: "name another column with `--series`, or as what is predicted",
            });
        }
        let time = match columns.time {
            Some(name) => Some(name),
            None => {
                let free = || {
                    table.columns.iter().filter(|column| {
                        let name = column.name.as_str();
                        columns.series != Some(name) && !columns.others.contains(&name)
                    })
                };
                let of_dates = |column: &&Column| {
                    matches!(column.values, Values::Text { .. })
                        && time_values(column).iter().all(|time| time.is_finite())
                };
                let found = free().find(|column| is_time_name(&column.name));
                found
                    .or_else(|| free().find(of_dates))
                    .map(|column| column.name.as_str())
            }
        };
        let numbers = table.columns.iter().filter(|column| {
            let name = column.name.as_str();
            matches!(column.values, Values::Numeric(_))
                && columns.series != Some(name)
                && time != Some(name)
                && !columns.others.contains(&name)
        });
        let numbers: Vec<String> = numbers.map(|column| column.name.clone()).collect();
        let (least, what) = match columns.series {
            Some(_) => (1, "no column of numbers to be the readings of its series"),
            None => (2, "no columns of numbers to be the readings of its rows"),
        };
        if numbers.len() < least {
            return Err(SequenceError::Content {
                path: path.to_owned(),
                problem: format!("it has {what}"),
                repair: "give the readings as numbers: a row for each series and moment (`--series COLUMN` says whose), or all readings of a \
                         series side by side in its row (`--series-in-rows`)",
            });
        }
        Ok(match columns.series {
            Some(series) => TableForm::Readings {
                series: series.to_owned(),
                time: time.map(str::to_owned),
                channels: numbers,
            },
            None => TableForm::Rows { readings: numbers },
        })
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        match self {
            TableForm::Readings { channels, .. } => channels.len(),
            TableForm::Rows { .. } => 1,
        }
    }

    /// The columns that a table of series must have.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            TableForm::Readings {
                series,
                time,
                channels,
            } => std::iter::once(series)
                .chain(time)
                .chain(channels)
                .map(String::as_str)
                .collect(),
            TableForm::Rows { readings } => readings.iter().map(String::as_str).collect(),
        }
    }

    /// The series of a table.
    ///
    /// # Errors
    /// When a column is missing or holds no numbers, or a row says neither whose it is nor when.
    pub fn read(&self, table: &Table, path: &Path) -> Result<TableSeries, SequenceError> {
        match self {
            TableForm::Readings {
                series,
                time,
                channels,
            } => {
                let series = column(table, path, series, AS_LEARNED)?;
                let time = time
                    .as_deref()
                    .map(|name| column(table, path, name, AS_LEARNED));
                let channels = numbers(table, path, channels)?;
                readings(table.rows(), path, series, time.transpose()?, &channels)
            }
            TableForm::Rows { readings } => {
                let columns = numbers(table, path, readings)?;
                let mut series = SeriesSet::new(1);
                for row in 0..table.rows() {
                    let mut one: Vec<f32> = columns.iter().map(|c| c[row] as f32).collect();
                    // Shorter series end with empty cells.
                    let end = one
                        .iter()
                        .rposition(|v| v.is_finite())
                        .map_or(0, |last| last + 1);
                    one.truncate(end);
                    series.push(&[one]);
                }
                Ok(TableSeries {
                    series,
                    names: None,
                    rows: (0..table.rows()).map(|row| vec![row]).collect(),
                    uneven: Vec::new(),
                })
            }
        }
    }
}

impl TableSeries {
    /// A row for each series: its name and length, and what the `needed` columns say of it, which is the same in all its rows; with what was
    /// noticed.
    ///
    /// # Errors
    /// When a needed column says several things of one series.
    pub fn units(
        &self,
        table: &Table,
        path: &Path,
        form: &TableForm,
        needed: &[&str],
    ) -> Result<(Table, Vec<Finding>), SequenceError> {
        let known = form.columns();
        let firsts: Vec<usize> = self
            .rows
            .iter()
            .filter_map(|rows| rows.first().copied())
            .collect();
        let lengths = (0..self.series.len()).map(|unit| self.series.length(unit) as f64);
        let mut columns = Vec::new();
        if let (TableForm::Readings { series, .. }, Some(names)) = (form, &self.names) {
            columns.push(Column {
                name: series.clone(),
                values: Values::texts(names.iter().map(Some)),
            });
        }
        columns.push(Column {
            name: LENGTH.to_owned(),
            values: Values::Numeric(lengths.collect()),
        });
        let mut others = Vec::new();
        for column in &table.columns {
            if known.contains(&column.name.as_str()) || column.name == LENGTH {
                continue;
            }
            if !needed.contains(&column.name.as_str()) {
                others.push(column.name.clone());
                continue;
            }
            if let Some((unit, row, other)) = self.change_of(&column.values) {
                let says = |row: usize| column.values.text(row).unwrap_or_else(|| "nothing".into());
                let name = self
                    .names
                    .as_ref()
                    .map_or_else(String::new, |names| names[unit].clone());
                return Err(SequenceError::Content {
                    path: path.to_owned(),
                    problem: format!(
                        "`{}` says `{}` of the series `{name}` in row {} and `{}` in row {}",
                        column.name,
                        says(row),
                        row + 1,
                        says(other),
                        other + 1
                    ),
                    repair: "what is said of a whole series is the same in all its rows; to forecast series use `--horizon`",
                });
            }
            columns.push(Column {
                name: column.name.clone(),
                values: column.values.select(&firsts),
            });
        }
        let mut findings = Vec::new();
        if !others.is_empty() {
            findings.push(Finding {
                kind: OTHER_COLUMNS.to_owned(),
                severity: Severity::Note,
                message: format!(
                    "{} columns are neither readings nor said to be of use",
                    others.len()
                ),
                columns: others,
                evidence: Evidence::default(),
                remedy: "give as numbers what models are to see".to_owned(),
                action: Some("left out".to_owned()),
            });
        }
        if !self.uneven.is_empty() {
            findings.push(uneven_times(&self.uneven, "series", ""));
        }
        Ok((Table { columns }, findings))
    }

    /// A series of which a column says two things, with two rows that differ.
    fn change_of(&self, values: &Values) -> Option<(usize, usize, usize)> {
        let same = |a: usize, b: usize| match values {
            Values::Numeric(values) => values[a].to_bits() == values[b].to_bits(),
            Values::Text { codes, .. } => codes[a] == codes[b],
        };
        self.rows.iter().enumerate().find_map(|(unit, rows)| {
            let first = *rows.first()?;
            let other = rows.iter().find(|&&row| !same(first, row))?;
            Some((unit, first, *other))
        })
    }
}

/// What is told of a table that lacks a column of the form.
const AS_LEARNED: &str = "give the columns that the model was made from";

fn column<'a>(
    table: &'a Table,
    path: &Path,
    name: &str,
    repair: &'static str,
) -> Result<&'a Column, SequenceError> {
    table.column(name).ok_or_else(|| {
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        SequenceError::Content {
            path: path.to_owned(),
            problem: format!("it has no column `{name}`{}", did_you_mean(name, &names)),
            repair,
        }
    })
}

fn numbers<'a>(
    table: &'a Table,
    path: &Path,
    names: &[String],
) -> Result<Vec<&'a [f64]>, SequenceError> {
    let of = |name: &String| match &column(table, path, name, AS_LEARNED)?.values {
        Values::Numeric(values) => Ok(values.as_slice()),
        Values::Text { .. } => Err(SequenceError::Content {
            path: path.to_owned(),
            problem: format!("column `{name}` holds no numbers"),
            repair: "give readings as numbers; leave cells of missing ones empty",
        }),
    };
    names.iter().map(of).collect()
}

fn readings(
    rows: usize,
    path: &Path,
    series: &Column,
    time: Option<&Column>,
    channels: &[&[f64]],
) -> Result<TableSeries, SequenceError> {
    let times = time.map(time_values);
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut of_series: Vec<Vec<usize>> = Vec::new();
    for row in 0..rows {
        let absent = |column: &Column| SequenceError::Content {
            path: path.to_owned(),
            problem: format!(
                "row {} says nothing in column `{}` that can be read",
                row + 1,
                column.name
            ),
            repair: "fill the cell in, or leave the row out; times are written as 2024-03-01 12:30:00, or as numbers",
        };
        if let (Some(times), Some(column)) = (&times, time)
            && !times[row].is_finite()
        {
            return Err(absent(column));
        }
        let name = series.values.text(row).ok_or_else(|| absent(series))?;
        let place = *places.entry(name.clone()).or_insert(of_series.len());
        if place == of_series.len() {
            of_series.push(Vec::new());
            names.push(name);
        }
        of_series[place].push(row);
    }
    let mut set = SeriesSet::new(channels.len());
    let mut uneven = Vec::new();
    for (unit, rows) in of_series.iter_mut().enumerate() {
        if let Some(times) = &times {
            rows.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
            let own: Vec<f64> = rows.iter().map(|&row| times[row]).collect();
            if !ascend_evenly(&own) {
                uneven.push(unit);
            }
        }
        let of = |channel: &&[f64]| -> Vec<f32> {
            rows.iter().map(|&row| channel[row] as f32).collect()
        };
        set.push(&channels.iter().map(of).collect::<Vec<_>>());
    }
    Ok(TableSeries {
        series: set,
        names: Some(names),
        rows: of_series,
        uneven,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candor_core::Hints;

    fn texts(name: &str, cells: &[&str]) -> Column {
        let cells = cells.iter().map(|cell| (!cell.is_empty()).then_some(*cell));
        Column {
            name: name.into(),
            values: Values::texts(cells),
        }
    }

    fn numbers_of(name: &str, cells: &[f64]) -> Column {
        Column {
            name: name.into(),
            values: Values::Numeric(cells.to_vec()),
        }
    }

    /// Two engines; the readings of the second come first, and in no order.
    fn long() -> Table {
        let day = [
            "2024-01-03",
            "2024-01-01",
            "2024-01-01",
            "2024-01-02",
            "2024-01-02",
            "2024-01-05",
        ];
        Table {
            columns: vec![
                texts("engine", &["b", "a", "b", "b", "a", "a"]),
                texts("when", &day),
                numbers_of("heat", &[3.0, 10.0, 1.0, 2.0, 20.0, 50.0]),
                numbers_of("noise", &[0.3, 1.0, 0.1, f64::NAN, 2.0, 5.0]),
                texts("state", &["ok", "broken", "ok", "ok", "broken", "broken"]),
                texts("shift", &["x", "y", "z", "x", "y", "z"]),
            ],
        }
    }

    fn asked<'a>(series: Option<&'a str>, others: &[&'a str]) -> TableColumns<'a> {
        TableColumns {
            series,
            time: None,
            others: others.to_vec(),
        }
    }

    #[test]
    fn rows_of_readings_become_series_in_order() {
        let (table, path) = (long(), Path::new("log.csv"));
        let form = TableForm::of(&table, path, &asked(Some("engine"), &["state"])).unwrap();
        assert_eq!(form.columns(), ["engine", "when", "heat", "noise"]);
        let found = form.read(&table, path).unwrap();
        assert_eq!(found.names.as_deref().unwrap(), ["b", "a"]);
        assert_eq!(found.series.channels(), 2);
        assert_eq!(&found.series.unit(0)[..4], [1.0, 2.0, 3.0, 0.1]);
        assert!(found.series.unit(0)[4].is_nan());
        assert_eq!(&found.series.unit(1)[..3], [10.0, 20.0, 50.0]);
        // Of the second two days are missing.
        assert_eq!(found.uneven, [1]);
        let (units, findings) = found.units(&table, path, &form, &["state"]).unwrap();
        let names: Vec<&str> = units.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["engine", LENGTH, "state"]);
        assert_eq!(units.columns[2].values.text(0).unwrap(), "ok");
        assert_eq!(units.columns[2].values.text(1).unwrap(), "broken");
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].columns, ["shift"]);
    }

    #[test]
    fn rows_are_series_that_may_end_early() {
        let table = Table {
            columns: vec![
                numbers_of("t1", &[1.0, 4.0]),
                texts("kind", &["x", "y"]),
                numbers_of("t2", &[2.0, f64::NAN]),
                numbers_of("t3", &[3.0, f64::NAN]),
            ],
        };
        let path = Path::new("wide.csv");
        let form = TableForm::of(&table, path, &asked(None, &["kind"])).unwrap();
        assert_eq!((form.columns().len(), form.channels()), (3, 1));
        let found = form.read(&table, path).unwrap();
        assert_eq!(found.series.unit(0), [1.0, 2.0, 3.0]);
        assert_eq!(found.series.unit(1), [4.0]);
        let (units, findings) = found.units(&table, path, &form, &["kind"]).unwrap();
        assert_eq!(units.columns[0].values, Values::Numeric(vec![3.0, 1.0]));
        assert_eq!(units.columns[1].values.text(1).unwrap(), "y");
        assert!(findings.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said() {
        let (table, path) = (long(), Path::new("log.csv"));
        let of =
            |series, others: &[&'static str]| TableForm::of(&table, path, &asked(series, others));
        let form = of(Some("engine"), &["state"]).unwrap();
        let with = |change: &dyn Fn(&mut Table)| {
            let mut table = long();
            change(&mut table);
            let found = form.read(&table, path)?;
            found.units(&table, path, &form, &["state"]).map(|_| ())
        };
        let cases = [
            (of(Some("engin"), &[]).map(|_| ()), "did you mean `engine`?"),
            (
                of(Some("engine"), &["stat"]).map(|_| ()),
                "did you mean `state`?",
            ),
            (
                of(Some("engine"), &["heat", "noise"]).map(|_| ()),
                "no column of numbers",
            ),
            (of(None, &["heat"]).map(|_| ()), "no columns of numbers"),
            (
                with(&|t| {
                    t.columns[4] =
                        texts("state", &["ok", "broken", "ok", "bad", "broken", "broken"])
                }),
                "`ok` of the series `b` in row 3 and `bad` in row 4",
            ),
            (
                with(&|t| t.columns[0] = texts("engine", &["b", "", "b", "b", "a", "a"])),
                "row 2 says nothing in column `engine`",
            ),
            (
                with(&|t| t.columns[1] = texts("when", &["soon"; 6])),
                "row 1 says nothing in column `when`",
            ),
            (
                with(&|t| t.columns[2] = texts("heat", &["hot"; 6])),
                "`heat` holds no numbers",
            ),
            (
                with(&|t| {
                    t.columns.remove(3);
                }),
                "no column `noise`",
            ),
        ];
        for (place, (result, expected)) in cases.into_iter().enumerate() {
            let error = result.unwrap_err();
            assert!(
                error.to_string().contains(expected),
                "case {place}: {error}"
            );
            assert!(!error.hints().is_empty());
        }
    }
}
