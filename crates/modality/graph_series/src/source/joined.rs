use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candor_data::{ReadOptions, SourceFacts, Table, Values};

use super::{distances, read as read_file, table_in};
use crate::{SensorGraph, SeriesError};

/// Weights of a Gaussian kernel below are left out (Li et al., ICLR 2018, appendix E.1).
pub(super) const LEAST_WEIGHT: f64 = 0.1;
/// Metres of a degree of latitude.
const DEGREE: f64 = 111_320.0;

/// A graph that was read.
pub(super) struct Joined {
    pub graph: SensorGraph,
    pub facts: SourceFacts,
    /// Where the series are, if that is what joins them.
    pub places: Option<Vec<(f64, f64)>>,
}

/// What joins the series of a folder, if it says so: a matrix, edges, distances, or places.
pub(super) fn read(
    folder: &Path,
    options: &ReadOptions,
    nodes: &[String],
) -> Result<Option<(PathBuf, Joined)>, SeriesError> {
    if let Some(path) = table_in(folder, "adjacency") {
        let joined = matrix(&path, options, nodes)?;
        return Ok(Some((path, joined)));
    }
    if let Some(path) = table_in(folder, "edges") {
        let found = read_file(&path, options, Some(true))?;
        let graph = edges(&path, &found.table, nodes)?;
        return Ok(Some((
            path,
            Joined {
                graph,
                facts: found.facts,
                places: None,
            },
        )));
    }
    if let Some(found) = distances::read(folder, options, nodes)? {
        return Ok(Some(found));
    }
    if let Some(path) = table_in(folder, "coordinates") {
        let found = read_file(&path, options, Some(true))?;
        let places = places_of(&path, &found.table, nodes)?;
        return Ok(Some((
            path,
            Joined {
                graph: near(&places),
                facts: found.facts,
                places: Some(places),
            },
        )));
    }
    Ok(None)
}

pub(super) fn fault(path: &Path, problem: String) -> SeriesError {
    SeriesError::Graph {
        path: path.to_owned(),
        problem,
    }
}

/// A square matrix; maybe with names above, and beside.
fn matrix(path: &Path, options: &ReadOptions, nodes: &[String]) -> Result<Joined, SeriesError> {
    let count = nodes.len();
    let mut found = read_file(path, options, Some(false))?;
    if found.table.rows() == count + 1 {
        found = read_file(path, options, Some(true))?;
    }
    let mut table = found.table;
    if table.columns.len() == count + 1 {
        table.columns.remove(0);
    }
    let (rows, columns) = (table.rows(), table.columns.len());
    if (rows, columns) != (count, count) {
        return Err(fault(
            path,
            format!("it has {rows} rows and {columns} columns, where there are {count} series"),
        ));
    }
    let mut pairs = Vec::new();
    for (to, column) in table.columns.iter().enumerate() {
        let Values::Numeric(weights) = &column.values else {
            return Err(fault(path, format!("column {} holds no numbers", to + 1)));
        };
        for (from, &weight) in weights.iter().enumerate() {
            if weight < 0.0 || !weight.is_finite() {
                return Err(fault(
                    path,
                    format!(
                        "row {}, column {}: a weight cannot be {weight}",
                        from + 1,
                        to + 1
                    ),
                ));
            }
            pairs.push((from as u32, to as u32, weight as f32));
        }
    }
    Ok(Joined {
        graph: SensorGraph::new(count, &pairs),
        facts: found.facts,
        places: None,
    })
}

/// Which series each name means: its name, or its number from 0 where no name is known.
/// `rows`: names of as many rows stand one column after another.
fn known<'a>(
    path: &Path,
    nodes: &'a [String],
    names: &[String],
    rows: usize,
) -> Result<Vec<u32>, SeriesError> {
    let places: HashMap<&'a str, u32> = (0..)
        .zip(nodes)
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    let named = names.iter().any(|name| places.contains_key(name.as_str()));
    let place = |(row, name): (usize, &String)| {
        let by_number = name
            .parse::<u32>()
            .ok()
            .filter(|n| !named && (*n as usize) < nodes.len());
        places
            .get(name.as_str())
            .copied()
            .or(by_number)
            .ok_or_else(|| {
                let near = candor_core::did_you_mean(name, nodes);
                fault(
                    path,
                    format!(
                        "row {}: there is no series `{name}`{near}",
                        row % rows.max(1) + 1
                    ),
                )
            })
    };
    names.iter().enumerate().map(place).collect()
}

pub(super) fn texts(table: &Table, column: usize) -> Vec<String> {
    let values = &table.columns[column].values;
    (0..table.rows())
        .map(|row| values.text(row).unwrap_or_default())
        .collect()
}

fn edges(path: &Path, table: &Table, nodes: &[String]) -> Result<SensorGraph, SeriesError> {
    if table.columns.len() < 2 {
        return Err(fault(path, "it needs the columns from and to".into()));
    }
    let both = [texts(table, 0), texts(table, 1)].concat();
    let ends = known(path, nodes, &both, table.rows())?;
    let (from, to) = ends.split_at(table.rows());
    let weights = match table.columns.get(2).map(|c| &c.values) {
        None => vec![1.0; table.rows()],
        Some(Values::Numeric(weights)) => weights.clone(),
        Some(Values::Text { .. }) => return Err(fault(path, "its weights are no numbers".into())),
    };
    if let Some(row) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
        return Err(fault(
            path,
            format!("row {}: a weight cannot be {}", row + 1, weights[row]),
        ));
    }
    let pairs: Vec<(u32, u32, f32)> = from
        .iter()
        .zip(to)
        .zip(weights)
        .map(|((&from, &to), weight)| (from, to, weight as f32))
        .collect();
    Ok(SensorGraph::new(nodes.len(), &pairs))
}

/// Where the series of a folder are, if it says so: `(x, y)` each, eastward and northward, in metres where it gives latitudes.
pub(super) fn places(
    folder: &Path,
    options: &ReadOptions,
    nodes: &[String],
) -> Result<Option<Vec<(f64, f64)>>, SeriesError> {
    let Some(path) = table_in(folder, "coordinates") else {
        return Ok(None);
    };
    let found = read_file(&path, options, Some(true))?;
    places_of(&path, &found.table, nodes).map(Some)
}

fn places_of(path: &Path, table: &Table, nodes: &[String]) -> Result<Vec<(f64, f64)>, SeriesError> {
    let numbers = |column: usize| match table.columns.get(column).map(|c| &c.values) {
        Some(Values::Numeric(values)) if values.iter().all(|v| v.is_finite()) => Ok(values.clone()),
        _ => Err(fault(path, "it needs a name and two numbers a row".into())),
    };
    let (x, y) = (numbers(1)?, numbers(2)?);
    let order = known(path, nodes, &texts(table, 0), table.rows())?;
    let mut at = vec![None; nodes.len()];
    let on_earth = table.columns[1]
        .name
        .to_ascii_lowercase()
        .starts_with("lat");
    for (row, &node) in order.iter().enumerate() {
        at[node as usize] = Some(match on_earth {
            true => (y[row] * DEGREE * x[row].to_radians().cos(), x[row] * DEGREE),
            false => (x[row], y[row]),
        });
    }
    let all: Option<Vec<(f64, f64)>> = at.iter().copied().collect();
    all.ok_or_else(|| {
        let lacking = at.iter().position(Option::is_none).unwrap_or(0);
        fault(path, format!("series `{}` has no place", nodes[lacking]))
    })
}

/// `exp(-d² / s²)` of the distances, whose standard deviation is `s`.
fn near(at: &[(f64, f64)]) -> SensorGraph {
    let distance = |a: usize, b: usize| (at[a].0 - at[b].0).hypot(at[a].1 - at[b].1);
    let ordered = (0..at.len()).flat_map(|a| (0..at.len()).map(move |b| (a, b)));
    let pairs: Vec<(usize, usize)> = ordered.filter(|(a, b)| a != b).collect();
    let count = pairs.len().max(1) as f64;
    let mean = pairs.iter().map(|&(a, b)| distance(a, b)).sum::<f64>() / count;
    let variance = pairs
        .iter()
        .map(|&(a, b)| (distance(a, b) - mean).powi(2))
        .sum::<f64>()
        / count;
    let weighted = pairs.into_iter().filter_map(|(a, b)| {
        let weight = (-distance(a, b).powi(2) / variance.max(f64::MIN_POSITIVE)).exp();
        (weight >= LEAST_WEIGHT).then_some((a as u32, b as u32, weight as f32))
    });
    SensorGraph::new(at.len(), &weighted.collect::<Vec<_>>())
}
