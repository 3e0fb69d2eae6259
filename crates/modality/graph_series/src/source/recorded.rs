use std::fs::File;
use std::io::Read;
use std::path::Path;

use candor_data::{Column, SourceFacts, Table, Values, fingerprint_bytes};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::joined::Joined;
use crate::{SensorGraph, SeriesError};

/// Bytes of a file, unpacked, at most.
const MOST_BYTES: u64 = 1 << 30;
/// Names under which the data sets keep their series: a row a moment.
const SERIES: [&str; 3] = ["FX", "X", "block"];
/// Nodes that edges may name where no series says how many there are; more are a damaged file.
const MOST_NODES: usize = 1 << 20;

/// What a file holds: a table with a row a moment, and the edges.
pub(super) struct Recorded {
    pub table: Table,
    pub joined: Joined,
}

/// Whether a file is one of these by its name.
pub(super) fn is_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase());
    let named = name.is_some_and(|n| n.ends_with(".json") || n.ends_with(".json.gz"));
    named && path.is_file()
}

/// Reads a data set of PyTorch Geometric Temporal, plain or gzip: `edges` as pairs of numbers of nodes, `weights` if there are some, `node_ids` as
/// names with their numbers if they have names, and the series under `FX`, `X` or `block` as a row a moment, or under `0`, `1`, ... as `y`.
///
/// # Reference
/// Rozemberczki et al., "PyTorch Geometric Temporal: Spatiotemporal Signal Processing with Neural Machine Learning Models", CIKM 2021.
pub(super) fn read(path: &Path) -> Result<Recorded, SeriesError> {
    let fault = |problem: String| SeriesError::Recorded {
        path: path.to_owned(),
        problem,
    };
    let unreadable = |source| {
        SeriesError::Table(candor_data::DataError::Unreadable {
            path: path.to_owned(),
            source,
        })
    };
    let mut stored = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES)
        .read_to_end(&mut stored)
        .map_err(unreadable)?;
    let (bytes, sha256) = fingerprint_bytes(&stored);
    let gzip = stored.starts_with(&[0x1f, 0x8b]);
    if gzip {
        let mut plain = Vec::new();
        let mut decoder = MultiGzDecoder::new(stored.as_slice()).take(MOST_BYTES);
        decoder.read_to_end(&mut plain).map_err(unreadable)?;
        stored = plain;
    }
    if stored.len() as u64 >= MOST_BYTES {
        return Err(fault("it holds more than 1 GiB".into()));
    }
    let whole: Value =
        serde_json::from_slice(&stored).map_err(|e| fault(format!("it is no JSON: {e}")))?;
    drop(stored);
    let rows = rows(&whole).map_err(fault)?;
    let nodes = rows.first().map_or(0, Vec::len);
    if nodes == 0 {
        return Err(fault("its series are empty".into()));
    }
    if let Some(row) = rows.iter().position(|row| row.len() != nodes) {
        return Err(fault(format!(
            "moment {row} has {} readings, where there are {nodes} series",
            rows[row].len()
        )));
    }
    let names = names(&whole, nodes).map_err(fault)?;
    let graph = graph(&whole, nodes).map_err(fault)?;
    let column = |(node, name)| Column {
        name,
        values: Values::Numeric(rows.iter().map(|row| row[node]).collect()),
    };
    let facts = SourceFacts {
        format: if gzip { "JSON (gzip)" } else { "JSON" }.to_owned(),
        bytes,
        sha256,
        ..SourceFacts::default()
    };
    Ok(Recorded {
        table: Table {
            columns: names.into_iter().enumerate().map(column).collect(),
        },
        joined: Joined {
            graph,
            facts,
            places: None,
        },
    })
}

/// The readings of each moment; NaN for what is `null`.
fn rows(whole: &Value) -> Result<Vec<Vec<f64>>, String> {
    let known = |name: &&&str| whole.get(**name).is_some_and(Value::is_array);
    let numbered: Vec<&Value>;
    let moments: Vec<&Value> = match SERIES.iter().find(known) {
        Some(name) => whole[*name].as_array().into_iter().flatten().collect(),
        None => {
            let moment = |i: usize| whole.get(i.to_string())?.get("y");
            numbered = (0..).map_while(moment).collect();
            numbered
        }
    };
    if moments.is_empty() {
        return Err("it holds no series: there is neither a list `FX`, `X` or `block`, nor `0`, `1`, ... with `y`".into());
    }
    let reading = |value: &Value, moment: usize, node: usize| {
        match value {
            Value::Null => Ok(f64::NAN),
            // Readings of one channel may stand in lists of one.
            Value::Array(one) if one.len() == 1 => one[0].as_f64().ok_or(()),
            other => other.as_f64().ok_or(()),
        }
        .map_err(|()| format!("moment {moment}, series {node}: this is no number"))
    };
    let row = |(moment, row): (usize, &Value)| {
        let row = row
            .as_array()
            .ok_or_else(|| format!("moment {moment} is no list of readings"))?;
        row.iter()
            .enumerate()
            .map(|(node, value)| reading(value, moment, node))
            .collect()
    };
    moments.into_iter().enumerate().map(row).collect()
}

/// What each node is called: the name with its number, else its number.
fn names(whole: &Value, nodes: usize) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = (0..nodes).map(|node| node.to_string()).collect();
    let ids = whole.get("node_ids").and_then(Value::as_object);
    for (name, id) in ids.into_iter().flatten() {
        let place = id.as_u64().and_then(|id| usize::try_from(id).ok());
        let name_of = place.and_then(|place| names.get_mut(place));
        *name_of.ok_or_else(|| {
            format!("`node_ids`: `{name}` has the number {id}, where there are {nodes} series")
        })? = name.clone();
    }
    let mut sorted = names.clone();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("`node_ids`: two series are called `{}`", pair[0])),
        None => Ok(names),
    }
}

fn graph(whole: &Value, nodes: usize) -> Result<SensorGraph, String> {
    let list = |name: &str| whole.get(name).and_then(Value::as_array).map(Vec::as_slice);
    let edges = list("edges").ok_or("it has no list `edges`")?;
    let weights = list("weights");
    if let Some(weights) = weights.filter(|weights| weights.len() != edges.len()) {
        return Err(format!(
            "there are {} weights of {} edges",
            weights.len(),
            edges.len()
        ));
    }
    let mut pairs = Vec::with_capacity(edges.len());
    for (place, edge) in edges.iter().enumerate() {
        let end = |side: usize| {
            let number = edge.get(side)?.as_u64()?;
            (number < nodes.min(MOST_NODES) as u64).then_some(number as u32)
        };
        let (Some(from), Some(to)) = (end(0), end(1)) else {
            return Err(format!(
                "edge {place} is {edge}: it does not join two of {nodes} series"
            ));
        };
        let weight = weights.map_or(Some(1.0), |weights| weights[place].as_f64());
        match weight.filter(|weight| *weight >= 0.0 && weight.is_finite()) {
            Some(weight) => pairs.push((from, to, weight as f32)),
            None => return Err(format!("edge {place}: its weight is no number from 0 on")),
        }
    }
    Ok(SensorGraph::new(nodes, &pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Recorded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weeks.json");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn names_readings_and_edges_are_read() {
        let read = of(
            r#"{"edges": [[0, 1], [1, 0], [1, 1]], "node_ids": {"PEST": 1, "BACS": 0}, "FX": [[1, 2.5], [null, -1]]}"#,
        )
        .unwrap();
        let names: Vec<&str> = read.table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["BACS", "PEST"]);
        assert_eq!(
            read.table.columns[1].values,
            Values::Numeric(vec![2.5, -1.0])
        );
        assert!(read.table.columns[0].values.is_missing(1));
        assert_eq!(read.joined.graph.edges, [(0, 1), (1, 0)]);
        let numbered = of(
            r#"{"edges": [[1, 0]], "weights": [0.5], "0": {"y": [1, 2]}, "1": {"y": [3, 4]}, "time_periods": 2}"#,
        );
        let numbered = numbered.unwrap();
        assert_eq!(
            (
                numbered.table.rows(),
                numbered.table.columns[1].name.as_str()
            ),
            (2, "1")
        );
        assert_eq!(numbered.joined.graph.weights, [0.5]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("{\"edges\": [", "it is no JSON"),
            ("[1, 2]", "holds no series"),
            (r#"{"edges": []}"#, "holds no series"),
            (r#"{"X": [[1, 2]]}"#, "no list `edges`"),
            (r#"{"X": [[]], "edges": []}"#, "are empty"),
            (
                r#"{"X": [[1, 2], [3]], "edges": []}"#,
                "moment 1 has 1 readings, where there are 2 series",
            ),
            (
                r#"{"X": [[1, "two"]], "edges": []}"#,
                "moment 0, series 1: this is no number",
            ),
            (
                r#"{"X": [[1, 2]], "edges": [[0, 2]]}"#,
                "edge 0 is [0,2]: it does not join two of 2 series",
            ),
            (r#"{"X": [[1, 2]], "edges": [[0, -1]]}"#, "edge 0"),
            (
                r#"{"X": [[1, 2]], "edges": [[0, 1]], "weights": []}"#,
                "0 weights of 1 edges",
            ),
            (
                r#"{"X": [[1, 2]], "edges": [[0, 1]], "weights": [-1]}"#,
                "its weight is no number",
            ),
            (
                r#"{"X": [[1, 2]], "edges": [], "node_ids": {"a": 2}}"#,
                "`a` has the number 2",
            ),
            (
                r#"{"X": [[1, 2]], "edges": [], "node_ids": {"1": 0}}"#,
                "two series are called `1`",
            ),
        ];
        for (text, expected) in cases {
            let error = of(text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
