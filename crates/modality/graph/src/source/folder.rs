use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_core::{Evidence, Finding, Severity};
use candor_data::{
    Column, Read, ReadOptions, Source, SourceFacts, Table, Values, fingerprint_bytes, read_table,
};

use super::parts::{GivenParts, is_parts};
use super::{GraphOptions, ReadGraph, told};
use crate::curate::structure_findings;
use crate::features::places;
use crate::{Graph, GraphError, SparseFeatures};

/// Endings of tables, the usual first.
const ENDINGS: [&str; 8] = [
    "csv", "csv.gz", "tsv", "tsv.gz", "parquet", "arrow", "feather", "txt",
];
/// Names of the column of ids, in lower case; else it is the first.
pub(super) const IDS: [&str; 5] = ["id", "node", "node_id", "nodeid", "name"];
/// Names of the first and the second node of an edge; else they are the first two columns.
pub(super) const ENDS: [(&str, &str); 6] = [
    ("source", "target"),
    ("src", "dst"),
    ("from", "to"),
    ("u", "v"),
    ("node1", "node2"),
    ("a", "b"),
];
/// Names of the column that says which of many graphs a row belongs to; else it is the first.
pub(super) const GRAPHS: [&str; 4] = ["graph", "graph_id", "graphid", "graph_index"];
pub(super) const WEIGHTS: [&str; 3] = ["weight", "w", "edge_weight"];
/// Share of edges that may name a node that does not exist.
const MOST_DANGLING: f64 = 0.05;

/// The files of a graph in a folder.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub nodes: Option<PathBuf>,
    pub edges: Option<PathBuf>,
    features: Option<PathBuf>,
    /// Of many graphs.
    pub graphs: Option<PathBuf>,
}

impl Files {
    pub fn of(folder: &Path) -> Files {
        let find = |stem: &str| {
            let paths = ENDINGS
                .iter()
                .map(|ending| folder.join(format!("{stem}.{ending}")));
            paths.into_iter().find(|path| path.is_file())
        };
        Files {
            nodes: find("nodes"),
            edges: find("edges"),
            features: find("features"),
            graphs: find("graphs"),
        }
    }

    /// Whether there is a table of nodes or one of edges.
    pub fn is_any(&self) -> bool {
        self.nodes.is_some() || self.edges.is_some()
    }
}

pub(super) fn read(folder: &Path, options: &GraphOptions) -> Result<ReadGraph, GraphError> {
    let files = Files::of(folder);
    let half = |has, lacks| GraphError::HalfAGraph {
        path: folder.to_owned(),
        has,
        lacks,
    };
    let (nodes_path, edges_path) = match (&files.nodes, &files.edges) {
        (Some(nodes), Some(edges)) => (nodes, edges),
        (Some(_), None) => return Err(half("nodes", "edges")),
        _ => return Err(half("edges", "nodes")),
    };
    let nodes = table(nodes_path, &options.tables)?;
    let edges = table(edges_path, &options.tables)?;
    let features = match &files.features {
        Some(path) => Some((path, table(path, &options.tables)?)),
        None => None,
    };

    let mut table = nodes.table;
    let place = named(&table, &IDS).unwrap_or(0);
    let id_column = table.columns[place].name.clone();
    let ids = unique_ids(nodes_path, &table.columns[place])?;
    // Ids are names: a model must not calculate with them.
    table.columns[place].values = texts(&ids);
    let known = places(&ids);

    let mut findings = Vec::new();
    let [first, second] = edge_ends(edges_path, &edges.table)?;
    let node = |id: &String| known.get(id.as_str()).copied();
    let ends = |row: usize| {
        let first_node = node(&first[row]).ok_or(&first[row])?;
        Ok((first_node, node(&second[row]).ok_or(&second[row])?))
    };
    let pairs = matched(edges_path, first.len(), ends, &mut findings)?;
    let weights = weights(edges_path, &edges.table, &pairs.rows)?;
    let (graph, left_out) = Graph::new(
        ids.len(),
        &pairs.pairs,
        weights.as_deref(),
        options.directed,
    );
    if graph.edges().is_empty() {
        return Err(GraphError::NoEdges {
            path: folder.to_owned(),
            nodes: ids.len(),
        });
    }
    findings.extend(structure_findings(&graph, left_out));
    let apart = match &features {
        Some((path, read)) => Some(sparse(path, &read.table, &known, &mut findings)?),
        None => None,
    };
    let parts = take_parts(nodes_path, &mut table, options)?;
    let facts = facts(
        folder,
        &table,
        [
            Some(&nodes.facts),
            Some(&edges.facts),
            features.as_ref().map(|(_, read)| &read.facts),
        ],
        told(&graph, left_out),
    );
    Ok(ReadGraph {
        table,
        id_column,
        ids,
        graph,
        apart,
        parts,
        facts,
        findings,
    })
}

pub(super) fn table(path: &Path, options: &ReadOptions) -> Result<Read, GraphError> {
    // Rows of one table are named in another: none may be left out to save memory.
    let whole = ReadOptions {
        memory_bytes: None,
        ..options.clone()
    };
    let source = Source::File(path.to_owned());
    let read = read_table(&source, &whole)?;
    let found = read.facts.header.as_ref().is_none_or(|header| header.found);
    // Among words alone a header looks like any row, but for what it says.
    let is_name = |column: &Column| {
        let text = column.values.text(0).unwrap_or_default();
        let ends = ENDS.iter().flat_map(|(a, b)| [a, b]);
        let mut names = IDS.iter().chain(&GRAPHS).chain(&WEIGHTS).chain(ends);
        names.any(|name| text.eq_ignore_ascii_case(name))
    };
    if found || whole.header.is_some() || !read.table.columns.iter().any(is_name) {
        return Ok(read);
    }
    let named = ReadOptions {
        header: Some(true),
        ..whole
    };
    Ok(read_table(&source, &named)?)
}

/// The place of the column with the first of these names that there is.
pub(super) fn named<'a>(
    table: &Table,
    names: impl IntoIterator<Item = &'a &'static str>,
) -> Option<usize> {
    names.into_iter().find_map(|name| {
        let mut columns = table.columns.iter();
        columns.position(|column| column.name.eq_ignore_ascii_case(name))
    })
}

/// The places of the columns of the two nodes of an edge, by their names.
pub(super) fn named_ends(table: &Table) -> Option<[usize; 2]> {
    ENDS.iter()
        .find_map(|(first, second)| Some([named(table, [first])?, named(table, [second])?]))
}

/// The ids of a column, the same for `7`, `7.0` and the number 7, so that tables agree that were written by different programs.
///
/// # Errors
/// A missing id, or a number that is not a whole one.
pub(super) fn ids_of(path: &Path, column: &Column) -> Result<Vec<String>, GraphError> {
    let id = |row: usize| {
        let Some(text) = column.values.text(row) else {
            return Err(GraphError::MissingId {
                path: path.to_owned(),
                column: column.name.clone(),
                row: row + 1,
            });
        };
        canonical_id(&text, matches!(column.values, Values::Numeric(_))).ok_or_else(|| {
            GraphError::InexactId {
                path: path.to_owned(),
                column: column.name.clone(),
                row: row + 1,
                id: text,
            }
        })
    };
    (0..column.values.len()).map(id).collect()
}

/// An id as it is compared: the same for `7`, `7.0` and, if `number`, what a program makes of the number 7. `None` for a number that is not
/// whole, or too large to be told from the next one.
pub fn canonical_id(text: &str, number: bool) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let text = text.trim();
    if number {
        let value: f64 = text.parse().ok()?;
        return (value.fract() == 0.0 && value.abs() < EXACT).then(|| format!("{value:.0}"));
    }
    if let Some((whole, rest)) = text.split_once('.')
        && !whole.is_empty()
        && whole.bytes().all(|b| b.is_ascii_digit())
        && !rest.is_empty()
        && rest.bytes().all(|b| b == b'0')
    {
        return Some(whole.to_owned());
    }
    Some(text.to_owned())
}

pub(super) fn unique_ids(path: &Path, column: &Column) -> Result<Vec<String>, GraphError> {
    unique(path, ids_of(path, column)?)
}

/// The ids, if none is there twice.
pub(super) fn unique(path: &Path, ids: Vec<String>) -> Result<Vec<String>, GraphError> {
    let mut seen = std::collections::HashSet::new();
    let repeated: Vec<usize> = (0..ids.len())
        .filter(|&row| !seen.insert(&ids[row]))
        .collect();
    match repeated.first() {
        None => Ok(ids),
        Some(&row) => Err(GraphError::DuplicateId {
            path: path.to_owned(),
            count: repeated.len(),
            row: row + 1,
            id: ids[row].clone(),
        }),
    }
}

pub(super) fn texts(ids: &[String]) -> Values {
    Values::Text {
        codes: (0..ids.len() as u32).collect(),
        dictionary: ids.to_vec(),
    }
}

/// The places of the two columns that name the nodes of an edge: by their names, else the first two. `None` where there are fewer.
pub fn edge_columns(table: &Table) -> Option<[usize; 2]> {
    let first = (table.columns.len() >= 2).then_some([0, 1]);
    named_ends(table).or(first)
}

fn edge_ends(path: &Path, table: &Table) -> Result<[Vec<String>; 2], GraphError> {
    let places = edge_columns(table).ok_or_else(|| GraphError::Columns {
        path: path.to_owned(),
        needed: "two columns, the ids of the two nodes of an edge",
    })?;
    let [first, second] = places.map(|place| ids_of(path, &table.columns[place]));
    Ok([first?, second?])
}

/// Edges between nodes that exist.
pub(super) struct Matched {
    pub pairs: Vec<(u32, u32)>,
    /// The row of each.
    pub rows: Vec<usize>,
}

/// The edges of so many rows; `ends` are the nodes of a row, or the id of what does not exist.
pub(super) fn matched<'a>(
    path: &Path,
    count: usize,
    ends: impl Fn(usize) -> Result<(u32, u32), &'a String>,
    findings: &mut Vec<Finding>,
) -> Result<Matched, GraphError> {
    let (mut pairs, mut rows, mut dangling) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..count {
        match ends(row) {
            Ok(pair) => {
                pairs.push(pair);
                rows.push(row);
            }
            Err(id) => dangling.push((row, id)),
        }
    }
    refuse_or_tell(path, count, &dangling, findings)?;
    Ok(Matched { pairs, rows })
}

/// An error when too many rows name nodes that do not exist, else a finding when some do.
pub(super) fn refuse_or_tell(
    path: &Path,
    rows: usize,
    dangling: &[(usize, &String)],
    findings: &mut Vec<Finding>,
) -> Result<(), GraphError> {
    let Some((row, id)) = dangling.first() else {
        return Ok(());
    };
    if dangling.len() as f64 > MOST_DANGLING * rows as f64 {
        return Err(GraphError::Dangling {
            path: path.to_owned(),
            dangling: dangling.len(),
            rows,
            row: row + 1,
            id: (*id).clone(),
        });
    }
    findings.push(Finding {
        kind: "dangling-edges".into(),
        severity: Severity::Warning,
        columns: Vec::new(),
        message: format!(
            "{} of {rows} rows of `{}` name a node that does not exist",
            dangling.len(),
            path.file_name().unwrap_or_default().to_string_lossy()
        ),
        evidence: Evidence {
            rows: dangling.iter().take(20).map(|(row, _)| row + 1).collect(),
            count: dangling.len(),
            figure: format!("the first is `{id}`"),
        },
        remedy: "add these nodes, or remove the rows".into(),
        action: Some("left out".into()),
    });
    Ok(())
}

pub(super) fn weights(
    path: &Path,
    table: &Table,
    rows: &[usize],
) -> Result<Option<Vec<f32>>, GraphError> {
    let is_weight = |column: &&Column| {
        WEIGHTS
            .iter()
            .any(|name| column.name.eq_ignore_ascii_case(name))
    };
    let Some(column) = table.columns.iter().find(is_weight) else {
        return Ok(None);
    };
    let weight = |&row: &usize| {
        let text = column.values.text(row);
        let value = text.as_deref().and_then(|text| text.parse::<f32>().ok());
        value
            .filter(|weight| weight.is_finite() && *weight > 0.0)
            .ok_or_else(|| GraphError::Weight {
                path: path.to_owned(),
                row: row + 1,
                value: text.map_or("missing".to_owned(), |text| format!("`{text}`")),
            })
    };
    rows.iter().map(weight).collect::<Result<_, _>>().map(Some)
}

type Named = (SparseFeatures, Option<Vec<String>>);

/// Rows of node, feature, and a number if there is a third column.
fn sparse(
    path: &Path,
    table: &Table,
    known: &std::collections::HashMap<&str, u32>,
    findings: &mut Vec<Finding>,
) -> Result<Named, GraphError> {
    let [node, feature, rest @ ..] = table.columns.as_slice() else {
        return Err(GraphError::Columns {
            path: path.to_owned(),
            needed: "two columns, the id of a node and a feature that it has, and maybe a third of numbers",
        });
    };
    let nodes = ids_of(path, node)?;
    let features = ids_of(path, feature)?;
    // Numbers in their order, then words.
    let key = |name: &String| {
        (
            name.parse::<f64>().ok().map_or(u64::MAX, |n| n.to_bits()),
            name.clone(),
        )
    };
    let sorted: BTreeMap<_, ()> = features.iter().map(|name| (key(name), ())).collect();
    let names: Vec<String> = sorted.into_keys().map(|(_, name)| name).collect();
    let place = places(&names);
    let (mut cells, mut dangling) = (Vec::with_capacity(nodes.len()), Vec::new());
    for (row, (node, feature)) in nodes.iter().zip(&features).enumerate() {
        let Some(&node) = known.get(node.as_str()) else {
            dangling.push((row, node));
            continue;
        };
        let value = match rest.first().map(|column| &column.values) {
            None => 1.0,
            Some(Values::Numeric(values)) => values[row] as f32,
            Some(Values::Text { .. }) => {
                return Err(GraphError::Columns {
                    path: path.to_owned(),
                    needed: "numbers in its third column",
                });
            }
        };
        cells.push((node, place[feature.as_str()], value));
    }
    refuse_or_tell(path, nodes.len(), &dangling, findings)?;
    let features = SparseFeatures::new(known.len(), names.len(), cells);
    Ok((features, Some(names)))
}

pub(super) fn take_parts(
    path: &Path,
    table: &mut Table,
    options: &GraphOptions,
) -> Result<Option<GivenParts>, GraphError> {
    let place = table
        .columns
        .iter()
        .position(|column| is_parts(column) && !options.ignore.contains(&column.name));
    let Some(place) = place else {
        return match options.mask {
            Some(asked) if asked > 0 => Err(GraphError::NoMask {
                path: path.to_owned(),
                asked,
                known: 0,
            }),
            _ => Ok(None),
        };
    };
    let column = table.columns.remove(place);
    GivenParts::of_column(path, &column).map(Some)
}

pub(super) fn facts(
    folder: &Path,
    table: &Table,
    files: [Option<&SourceFacts>; 3],
    mut notes: Vec<String>,
) -> SourceFacts {
    let sums: Vec<&str> = files
        .iter()
        .flatten()
        .map(|facts| facts.sha256.as_str())
        .collect();
    let (_, sha256) = fingerprint_bytes(sums.concat().as_bytes());
    let nodes = files[0].cloned().unwrap_or_default();
    for facts in files.iter().flatten() {
        notes.extend(
            facts
                .notes
                .iter()
                .map(|note| format!("`{}`: {note}", facts.source)),
        );
    }
    SourceFacts {
        source: folder.display().to_string(),
        format: format!("graph of {}", nodes.format),
        bytes: files.iter().flatten().map(|facts| facts.bytes).sum(),
        sha256,
        rows: table.rows(),
        source_rows: table.rows(),
        columns: table.columns.len(),
        notes,
        ..nodes
    }
}
