//! Tables with a row for each series and moment.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use candor_core::{Evidence, Finding, Severity};
use candor_data::{Column, Table, Values};
use serde::{Deserialize, Serialize};

use super::{SeriesOptions, place_of, times};
use crate::SeriesError;

/// The columns of a table with a row for each series and moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Long {
    /// Says which series a row is of.
    pub series: String,
    /// What was read.
    pub reading: String,
}

/// Readings that may be missing for each that is there, in tables that are not small.
const MOST_EMPTY: usize = 64;
/// Cells up to which a table is small.
const SMALL: usize = 1 << 22;

/// A table that was one with a row for each series and moment.
pub(super) struct Spread {
    pub long: Long,
    /// A row a moment and a column a series.
    pub table: Table,
    /// For each column that is known ahead the same: of the rows of `table` its cells, one a series.
    pub known: Vec<Vec<f64>>,
}

/// Turns a table with a row for each series and moment into one with a row a moment and a column a series, where it is one: where
/// `options` name the column that tells the series, or where times come again, and some column tells rows of one time apart.
pub(super) fn spread(
    table: &Table,
    path: &Path,
    options: &SeriesOptions,
    findings: &mut Vec<Finding>,
) -> Result<Option<Spread>, SeriesError> {
    let place = times::place(table, options.time_column.as_deref())?;
    let series = match (&options.series, place) {
        (Some(name), Some(_)) => Some(place_of(table, "series", name)?),
        (Some(_), None) => {
            return Err(SeriesError::Setting {
                setting: "time_column",
                problem: "no column is one of times, and without one rows of several series cannot be put in order".into(),
            });
        }
        (None, Some(time)) => told_apart(table, time, options),
        (None, None) => None,
    };
    let (Some(time), Some(series)) = (place, series) else {
        return match &options.reading {
            Some(_) => Err(SeriesError::Setting {
                setting: "target",
                problem: "all series are predicted; leave some out with `--ignore`".into(),
            }),
            None => Ok(None),
        };
    };
    let mut known = Vec::with_capacity(options.known_ahead.len());
    for name in &options.known_ahead {
        known.push(place_of(table, "known_ahead", name)?);
    }
    let reading = reading(table, path, options, time, series)?;
    let long = Long {
        series: table.columns[series].name.clone(),
        reading: table.columns[reading].name.clone(),
    };
    let others: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(at, column)| {
            ![time, series, reading].contains(at) && !is_named(&column.name, options)
        })
        .map(|(_, column)| column.name.clone())
        .collect();
    if !others.is_empty() {
        findings.push(Finding {
            kind: "other-columns".into(),
            severity: Severity::Note,
            message: format!(
                "{} columns beside `{}`, `{}` and the time are not looked at",
                others.len(),
                long.series,
                long.reading
            ),
            columns: others,
            evidence: Evidence::default(),
            remedy: "nothing, or `--target` for another one".into(),
            action: Some("left out".into()),
        });
    }
    let (table, known) = wide(table, path, [time, series, reading], &known)?;
    Ok(Some(Spread { long, table, known }))
}

/// Whether a person said what a column is for, or that it is for nothing.
fn is_named(name: &String, options: &SeriesOptions) -> bool {
    options.ignore.contains(name) || options.known_ahead.contains(name)
}

/// Different times for each row up to which times come again because there are several series, and not by mistake.
const DIFFERENT: f64 = 0.8;

/// The column, if times come again, by which rows of one time are told apart: of several the one with the fewest values.
fn told_apart(table: &Table, time: usize, options: &SeriesOptions) -> Option<usize> {
    let when = candor_data::time_values(&table.columns[time]);
    let different: HashSet<u64> = when.iter().map(|time| time.to_bits()).collect();
    if different.len() as f64 > DIFFERENT * when.len() as f64 {
        return None;
    }
    let distinct = |(at, column): (usize, &Column)| {
        let key: Vec<u64> = match &column.values {
            Values::Text { codes, .. } => codes.iter().map(|&code| code.into()).collect(),
            Values::Numeric(values) if values.iter().all(|v| v.fract() == 0.0) => {
                values.iter().map(|v| v.to_bits()).collect()
            }
            Values::Numeric(_) => return None,
        };
        let mut seen = HashSet::new();
        let apart = key
            .iter()
            .zip(&when)
            .all(|(key, when)| seen.insert((*key, when.to_bits())));
        let count = key.iter().collect::<HashSet<_>>().len();
        // Each value comes at several moments.
        let free = at != time
            && !is_named(&column.name, options)
            && options.reading.as_ref() != Some(&column.name);
        (free && apart && count * 2 < key.len()).then_some((count, at))
    };
    let found = table.columns.iter().enumerate().filter_map(distinct);
    found.min().map(|(_, at)| at)
}

/// The column that was read.
fn reading(
    table: &Table,
    path: &Path,
    options: &SeriesOptions,
    time: usize,
    series: usize,
) -> Result<usize, SeriesError> {
    let found = match &options.reading {
        Some(name) => place_of(table, "target", name)?,
        None => {
            let numbers = table.columns.iter().enumerate().filter(|(at, column)| {
                ![time, series].contains(at)
                    && !is_named(&column.name, options)
                    && matches!(column.values, Values::Numeric(_))
            });
            let numbers: Vec<(usize, &Column)> = numbers.collect();
            match numbers.as_slice() {
                [] => {
                    return Err(SeriesError::NoSeries {
                        path: path.to_owned(),
                    });
                }
                [(at, _)] => *at,
                several => {
                    let names: Vec<String> = several
                        .iter()
                        .map(|(_, c)| format!("`{}`", c.name))
                        .collect();
                    return Err(SeriesError::Setting {
                        setting: "target",
                        problem: format!(
                            "the table has a row for each `{}` and moment, and several columns of numbers ({}): say which one is forecast",
                            table.columns[series].name,
                            names.join(", ")
                        ),
                    });
                }
            }
        }
    };
    if found == time || found == series {
        return Err(SeriesError::Setting {
            setting: "target",
            problem: format!(
                "`{}` tells the time or the series",
                table.columns[found].name
            ),
        });
    }
    Ok(found)
}

/// A row a moment, ascending, and a column a series, in the order in which they first come; and the same of other columns.
fn wide(
    table: &Table,
    path: &Path,
    [time, series, reading]: [usize; 3],
    known: &[usize],
) -> Result<(Table, Vec<Vec<f64>>), SeriesError> {
    let (when, names) = (&table.columns[time], &table.columns[series]);
    let values = times::known(when, path)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order.dedup_by(|a, b| values[*a] == values[*b]);
    let moment: HashMap<u64, usize> = order
        .iter()
        .enumerate()
        .map(|(place, &row)| (values[row].to_bits(), place))
        .collect();
    let mut found: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut filled: HashSet<(usize, usize)> = HashSet::new();
    // The series and the moment of each row.
    let mut at = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let Some(name) = names.values.text(row) else {
            return Err(SeriesError::Nameless {
                path: path.to_owned(),
                row: row + 1,
                column: names.name.clone(),
            });
        };
        let place = *places.entry(name.clone()).or_insert(found.len());
        if place == found.len() {
            found.push(name.clone());
        }
        let place = (place, moment[&values[row].to_bits()]);
        if !filled.insert(place) {
            return Err(SeriesError::Twice {
                path: path.to_owned(),
                row: row + 1,
                series: name,
                text: when.values.text(row).unwrap_or_default(),
            });
        }
        at.push(place);
    }
    let cells = found.len() * order.len();
    if cells > SMALL && cells > MOST_EMPTY * values.len() {
        return Err(SeriesError::Setting {
            setting: "series",
            problem: format!(
                "the series that `{}` tells apart share hardly any moments",
                names.name
            ),
        });
    }
    let of = |column: usize| -> Result<Vec<Vec<f64>>, SeriesError> {
        let read = super::read_numbers(&table.columns[column], path)?;
        let mut columns = vec![vec![f64::NAN; order.len()]; found.len()];
        for (value, &(series, moment)) in read.iter().zip(&at) {
            columns[series][moment] = *value;
        }
        Ok(columns)
    };
    let mut columns = vec![Column {
        name: when.name.clone(),
        values: when.values.select(&order),
    }];
    let series = found.iter().zip(of(reading)?);
    columns.extend(series.map(|(name, values)| Column {
        name: name.clone(),
        values: Values::Numeric(values),
    }));
    let known = known.iter().map(|&column| {
        let columns = of(column)?;
        let cells = (0..order.len()).flat_map(|row| columns.iter().map(move |c| c[row]));
        Ok(cells.collect())
    });
    let known = known.collect::<Result<_, SeriesError>>()?;
    Ok((Table { columns }, known))
}
