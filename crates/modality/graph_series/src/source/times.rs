use std::path::Path;

use candor_core::{Evidence, Finding, Severity};
use candor_data::{Column, Table, Values, parse_date, time_values};

use super::place_of;
use crate::SeriesError;

/// Names that a column of times has.
const NAMES: [&str; 8] = [
    "time",
    "date",
    "datetime",
    "timestamp",
    "moment",
    "day",
    "week",
    "ds",
];
/// Numbers from here on are seconds since 1970, and from there on milliseconds.
const SECONDS_FROM: f64 = 1e8;
const MILLISECONDS_FROM: f64 = 1e11;
/// How far a distance may be from a multiple of the step.
const TOLERANCE: f64 = 0.01;
/// The same of months, which are of several lengths.
const OF_MONTHS: f64 = 0.1;
const DAY: f64 = 86_400.0;
/// Moments that may be missing for each that is there.
const MOST_MISSING: usize = 20;

/// When rows were.
pub(super) struct Times {
    /// The column.
    pub column: String,
    /// The moment of each row, from 0.
    pub places: Vec<usize>,
    /// Of moment 0, and between two; `None` where the numbers count moments.
    pub seconds: Option<(f64, f64)>,
}

/// Takes the column of times out of the table, if there is one.
pub(super) fn take(
    table: &mut Table,
    path: &Path,
    named: Option<&str>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Times>, SeriesError> {
    let Some(place) = place(table, named)? else {
        return Ok(None);
    };
    let column = table.columns.remove(place);
    let values = known(&column, path)?;
    let text = |row: usize| column.values.text(row).unwrap_or_default();
    for row in 1..values.len() {
        let fault = match values[row].total_cmp(&values[row - 1]) {
            std::cmp::Ordering::Greater => continue,
            std::cmp::Ordering::Equal => SeriesError::DuplicateTime {
                path: path.to_owned(),
                row: row + 1,
                text: text(row),
            },
            std::cmp::Ordering::Less => SeriesError::Unordered {
                path: path.to_owned(),
                row: row + 1,
                text: text(row),
            },
        };
        return Err(fault);
    }
    let written = matches!(column.values, Values::Text { .. });
    let scale = match values.first() {
        Some(first) if !written && *first >= MILLISECONDS_FROM => Some(1e-3),
        Some(first) if written || *first >= SECONDS_FROM => Some(1.0),
        _ => None,
    };
    let Some(step) = usual(&values) else {
        return Ok(Some(Times {
            column: column.name,
            places: (0..values.len()).collect(),
            seconds: None,
        }));
    };
    let places = places(&values, step, scale).map_err(|row| SeriesError::Irregular {
        path: path.to_owned(),
        row: row + 1,
        found: in_words(values[row] - values[row - 1], scale),
        step: in_words(step, scale),
    })?;
    let missing = places.last().map_or(0, |last| last + 1 - places.len());
    if missing > 0 {
        findings.push(Finding {
            kind: "missing-moments".into(),
            severity: Severity::Note,
            columns: vec![column.name.clone()],
            message: format!(
                "{missing} moments have no row (the usual step is {})",
                in_words(step, scale)
            ),
            evidence: Evidence {
                count: missing,
                ..Evidence::default()
            },
            remedy: "nothing, unless they could be had".into(),
            action: Some("filled in, without readings".into()),
        });
    }
    Ok(Some(Times {
        column: column.name,
        places,
        seconds: scale.map(|scale| (values[0] * scale, step * scale)),
    }))
}

/// Where the column of times is, if there is one.
pub(super) fn place(table: &Table, named: Option<&str>) -> Result<Option<usize>, SeriesError> {
    match named {
        Some(name) => place_of(table, "time_column", name).map(Some),
        None => Ok(table.columns.iter().position(is_time)),
    }
}

/// The times of all rows.
pub(super) fn known(column: &Column, path: &Path) -> Result<Vec<f64>, SeriesError> {
    let values = time_values(column);
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(row) => Err(SeriesError::Time {
            path: path.to_owned(),
            row: row + 1,
            column: column.name.clone(),
            text: column.values.text(row).unwrap_or_default(),
        }),
    }
}

fn is_time(column: &Column) -> bool {
    let named = NAMES
        .iter()
        .any(|name| column.name.trim().eq_ignore_ascii_case(name));
    match &column.values {
        Values::Numeric(_) => named,
        Values::Text { dictionary, .. } => {
            !dictionary.is_empty()
                && (named
                    || dictionary
                        .iter()
                        .take(100)
                        .all(|text| parse_date(text).is_some()))
        }
    }
}

/// The median distance.
fn usual(values: &[f64]) -> Option<f64> {
    let mut distances: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied()
}

/// The moment of each row; else the row whose distance is no multiple of the step.
fn places(values: &[f64], step: f64, scale: Option<f64>) -> Result<Vec<usize>, usize> {
    let days = step * scale.unwrap_or(f64::NAN) / DAY;
    let tolerance = if days > 27.0 { OF_MONTHS } else { TOLERANCE };
    let mut place = 0usize;
    let mut places = vec![0];
    for row in 1..values.len() {
        let steps = (values[row] - values[row - 1]) / step;
        let rounded = steps.round();
        if rounded < 1.0 || (steps - rounded).abs() > tolerance {
            return Err(row);
        }
        place = place.saturating_add(rounded as usize);
        if place > MOST_MISSING * values.len() {
            return Err(row);
        }
        places.push(place);
    }
    Ok(places)
}

fn in_words(distance: f64, scale: Option<f64>) -> String {
    let Some(scale) = scale else {
        return format!("{distance}");
    };
    let seconds = distance * scale;
    let units = [(DAY, "days"), (3600.0, "hours"), (60.0, "minutes")];
    match units.into_iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{} {name}", (seconds / unit * 100.0).round() / 100.0),
        None => format!("{seconds} seconds"),
    }
}
