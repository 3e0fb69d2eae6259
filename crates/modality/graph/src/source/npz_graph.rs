use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_data::{
    Array, ArrayValues as Values, Column, SourceFacts, Table, Values as Cells, array_names,
    fingerprint_bytes, read_arrays,
};

use super::parts::GivenParts;
use super::{GraphOptions, ReadGraph, told};
use crate::curate::structure_findings;
use crate::{Graph, GraphError, SparseFeatures};

/// What arrays are called by those who publish graphs.
const EDGES: [&str; 2] = ["edges", "edge_index"];
const FEATURES: [&str; 4] = ["node_features", "x", "node_feat", "features"];
const LABELS: [&str; 4] = ["node_labels", "y", "labels", "node_label"];
const WEIGHTS: [&str; 2] = ["edge_weight", "edge_weights"];
const PARTS: [[&str; 5]; 3] = [
    [
        "train_masks",
        "train_mask",
        "train_idx",
        "idx_train",
        "train",
    ],
    [
        "val_masks",
        "val_mask",
        "valid_idx",
        "idx_val",
        "valid_mask",
    ],
    ["test_masks", "test_mask", "test_idx", "idx_test", "test"],
];
/// Sparse matrices in compressed rows: edges (Shchur et al. 2018) and features.
const ROWS: [&str; 2] = ["adj", "attr"];

/// The only archive of arrays in a folder.
pub(super) fn only_archive(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let paths = entries.map(|entry| entry.path());
    let mut archives = paths.filter(|path| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("npz"))
    });
    let first = archives.next()?;
    archives.next().is_none().then_some(first)
}

/// Whether an archive of arrays holds a graph.
pub(super) fn holds_edges(path: &Path) -> bool {
    let names = array_names(path);
    let has = |name: &str| names.iter().any(|known| known == name);
    EDGES.iter().any(|name| has(name)) || (has("adj_indptr") && has("adj_indices"))
}

fn is_known(name: &str) -> bool {
    let singles = EDGES.iter().chain(&FEATURES).chain(&LABELS).chain(&WEIGHTS);
    let mut known = singles.chain(PARTS.iter().flatten());
    let rows = ROWS
        .iter()
        .any(|matrix| name.starts_with(&format!("{matrix}_")));
    known.any(|known| *known == name) || rows || name == "num_nodes"
}

/// The arrays of one archive.
struct Arrays<'a> {
    path: &'a Path,
    held: BTreeMap<String, Array>,
}

impl Arrays<'_> {
    fn first(&self, names: &[&str]) -> Option<(&str, &Array)> {
        names.iter().find_map(|name| {
            let (name, array) = self.held.get_key_value(*name)?;
            Some((name.as_str(), array))
        })
    }

    fn fault(&self, name: &str, problem: impl std::fmt::Display) -> GraphError {
        GraphError::Arrays {
            path: self.path.to_owned(),
            problem: format!("array `{name}`: {problem}"),
        }
    }
}

pub(super) fn read(path: &Path, options: &GraphOptions) -> Result<ReadGraph, GraphError> {
    let held = read_arrays(path, is_known).map_err(|problem| GraphError::Arrays {
        path: path.to_owned(),
        problem,
    })?;
    let arrays = Arrays { path, held };
    let apart = features(&arrays)?;
    let labels = arrays.first(&LABELS);
    let nodes = match (&apart, labels) {
        (Some(features), _) => features.nodes(),
        (None, Some((_, labels))) => labels.shape.first().copied().unwrap_or(0),
        (None, None) => 0,
    };
    if nodes == 0 || nodes > u32::MAX as usize {
        return Err(GraphError::Arrays {
            path: path.to_owned(),
            problem: format!("it has neither features nor labels of nodes ({nodes} nodes)"),
        });
    }
    let (pairs, weights) = edges(&arrays, nodes)?;
    let (graph, left_out) = Graph::new(nodes, &pairs, weights.as_deref(), options.directed);
    if graph.edges().is_empty() {
        return Err(GraphError::NoEdges {
            path: path.to_owned(),
            nodes,
        });
    }
    let ids: Vec<String> = (0..nodes).map(|node| node.to_string()).collect();
    let mut columns = vec![Column {
        name: "node".into(),
        values: Cells::Text {
            codes: (0..nodes as u32).collect(),
            dictionary: ids.clone(),
        },
    }];
    let mut target = None;
    if let Some((name, labels)) = labels {
        let of_labels = label_columns(&arrays, name, labels, nodes)?;
        if let [only] = of_labels.as_slice() {
            target = Some(only.name.clone());
        }
        columns.extend(of_labels);
    }
    let mut notes = told(&graph, left_out);
    let parts = given_parts(&arrays, nodes, options, &mut notes)?;
    let table = Table { columns };
    let facts = facts(path, &table, target, notes)?;
    Ok(ReadGraph {
        id_column: "node".into(),
        ids,
        findings: structure_findings(&graph, left_out),
        graph,
        apart: apart.map(|features| (features, None)),
        parts,
        facts,
        table,
    })
}

/// The entries of a matrix in compressed rows: row, column, value.
fn compressed(arrays: &Arrays, matrix: &str) -> Result<Option<Compressed>, GraphError> {
    let get = |part: &str| arrays.held.get(&format!("{matrix}_{part}"));
    let (Some(starts), Some(indices)) = (get("indptr"), get("indices")) else {
        return Ok(None);
    };
    let fault = |part: &str, problem: String| arrays.fault(&format!("{matrix}_{part}"), problem);
    let count = indices.shape.first().copied().unwrap_or(0);
    let starts = starts.places(count + 1).map_err(|e| fault("indptr", e))?;
    let rows = starts.len().saturating_sub(1);
    if !starts.is_sorted() || starts.first() != Some(&0) || starts.last() != Some(&(count as u32)) {
        return Err(fault("indptr", format!("it should rise from 0 to {count}")));
    }
    let columns = match get("shape").map(|shape| shape.places(usize::MAX)) {
        Some(Ok(shape)) if shape.len() == 2 => shape[1] as usize,
        _ => rows,
    };
    let indices = indices.places(columns).map_err(|e| fault("indices", e))?;
    let values = match get("data") {
        None => vec![1.0; count],
        Some(data) => data
            .numbers()
            .filter(|numbers| numbers.len() == count)
            .ok_or_else(|| fault("data", format!("it should hold {count} numbers")))?,
    };
    let row_of = (0..rows).flat_map(|row| (starts[row]..starts[row + 1]).map(move |_| row as u32));
    let cells = row_of.zip(indices).zip(values);
    Ok(Some(Compressed {
        rows,
        columns,
        cells: cells.map(|((r, c), v)| (r, c, v as f32)).collect(),
    }))
}

struct Compressed {
    rows: usize,
    columns: usize,
    cells: Vec<(u32, u32, f32)>,
}

fn features(arrays: &Arrays) -> Result<Option<SparseFeatures>, GraphError> {
    if let Some(matrix) = compressed(arrays, "attr")? {
        return Ok(Some(SparseFeatures::new(
            matrix.rows,
            matrix.columns,
            matrix.cells,
        )));
    }
    let Some((name, array)) = arrays.first(&FEATURES) else {
        return Ok(None);
    };
    let (Some((_, width)), Some(values)) = (array.rows_and_columns(), array.numbers()) else {
        return Err(arrays.fault(name, "features should be numbers, a row a node"));
    };
    let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
    Ok((width > 0).then(|| SparseFeatures::of_dense(width, &values)))
}

type Edges = (Vec<(u32, u32)>, Option<Vec<f32>>);

fn edges(arrays: &Arrays, nodes: usize) -> Result<Edges, GraphError> {
    let weight = |name: &str, values: Vec<f64>| -> Result<Vec<f32>, GraphError> {
        match values.iter().position(|w| !w.is_finite() || *w <= 0.0) {
            None => Ok(values.into_iter().map(|w| w as f32).collect()),
            Some(place) => Err(arrays.fault(
                name,
                format!(
                    "the weight at place {place} should be a positive number, not {}",
                    values[place]
                ),
            )),
        }
    };
    if let Some((name, array)) = arrays.first(&EDGES) {
        let places = array.places(nodes).map_err(|e| arrays.fault(name, e))?;
        let pairs: Vec<(u32, u32)> = match *array.shape.as_slice() {
            // Two rows, as PyTorch Geometric and OGB write it, unless it is two edges as two rows of Platonov's form.
            [2, count] if name == "edge_index" || count != 2 => {
                let (from, to) = places.split_at(count);
                from.iter().copied().zip(to.iter().copied()).collect()
            }
            [_, 2] => places
                .chunks_exact(2)
                .map(|ends| (ends[0], ends[1]))
                .collect(),
            _ => return Err(arrays.fault(name, "edges should be two rows or two columns of nodes")),
        };
        let weights = match arrays.first(&WEIGHTS) {
            None => None,
            Some((name, array)) => {
                let numbers = array
                    .numbers()
                    .filter(|numbers| numbers.len() == pairs.len());
                let Some(numbers) = numbers else {
                    return Err(
                        arrays.fault(name, format!("it should hold {} numbers", pairs.len()))
                    );
                };
                Some(weight(name, numbers)?)
            }
        };
        return Ok((pairs, weights));
    }
    let Some(matrix) = compressed(arrays, "adj")? else {
        return Err(arrays.fault("edges", "it is missing"));
    };
    if matrix.rows != nodes || matrix.columns != nodes {
        return Err(arrays.fault("adj_indptr", format!("it should be of {nodes} nodes")));
    }
    let pairs = matrix.cells.iter().map(|&(r, c, _)| (r, c)).collect();
    let values: Vec<f64> = matrix.cells.iter().map(|&(_, _, v)| v.into()).collect();
    let weighted = values.iter().any(|&v| v != 1.0);
    let weights = weighted.then(|| weight("adj_data", values)).transpose()?;
    Ok((pairs, weights))
}

fn label_columns(
    arrays: &Arrays,
    name: &str,
    array: &Array,
    nodes: usize,
) -> Result<Vec<Column>, GraphError> {
    let fits = array.rows_and_columns().filter(|(rows, _)| *rows == nodes);
    let Some((_, width)) = fits else {
        return Err(arrays.fault(
            name,
            format!("labels should have a row for each of {nodes} nodes"),
        ));
    };
    let column = |label: usize| {
        let place = |node: usize| node * width + label;
        let values = match &array.values {
            Values::Real(values) => Cells::Numeric((0..nodes).map(|n| values[place(n)]).collect()),
            Values::Whole(values) => words(nodes, |node| {
                let class = values[place(node)];
                // Below zero: not known.
                (class >= 0).then(|| class.to_string())
            }),
            Values::Truth(values) => words(nodes, |node| {
                Some(u8::from(values[place(node)]).to_string())
            }),
            Values::Text(values) => words(nodes, |node| {
                Some(values[place(node)].clone()).filter(|word| !word.is_empty())
            }),
        };
        Column {
            name: if width == 1 {
                "label".into()
            } else {
                format!("label_{label}")
            },
            values,
        }
    };
    Ok((0..width).map(column).collect())
}

/// A column of text.
fn words(rows: usize, word: impl Fn(usize) -> Option<String>) -> Cells {
    let (mut places, mut dictionary) = (BTreeMap::new(), Vec::new());
    let mut code = |row: usize| match word(row) {
        None => Cells::MISSING,
        Some(word) => *places.entry(word).or_insert_with_key(|word| {
            dictionary.push(word.clone());
            (dictionary.len() - 1) as u32
        }),
    };
    let codes = (0..rows).map(&mut code).collect();
    Cells::Text { codes, dictionary }
}

fn given_parts(
    arrays: &Arrays,
    nodes: usize,
    options: &GraphOptions,
    notes: &mut Vec<String>,
) -> Result<Option<GivenParts>, GraphError> {
    let asked = options.mask.unwrap_or(0);
    let mut sets = 0;
    let mut found: [Option<Vec<usize>>; 3] = Default::default();
    for (part, names) in found.iter_mut().zip(&PARTS) {
        let Some((name, array)) = arrays.first(names) else {
            continue;
        };
        let (of_array, chosen) =
            part_of(array, nodes, asked).map_err(|problem| arrays.fault(name, problem))?;
        sets = sets.max(of_array);
        *part = chosen;
    }
    if options.mask.is_some_and(|asked| asked >= sets.max(1)) {
        return Err(GraphError::NoMask {
            path: arrays.path.to_owned(),
            asked,
            known: sets,
        });
    }
    let [Some(train), validation, test] = found else {
        return Ok(None);
    };
    if sets > 1 {
        notes.push(format!(
            "set {asked} of {sets} sets of masks is used (counted from 0)"
        ));
    }
    let parts = GivenParts {
        train,
        validation: validation.unwrap_or_default(),
        test: test.unwrap_or_default(),
    };
    match parts.overlap() {
        0 => Ok(Some(parts)),
        count => Err(GraphError::Arrays {
            path: arrays.path.to_owned(),
            problem: format!("its masks put {count} nodes into more than one part"),
        }),
    }
}

/// How many sets of masks an array holds, and the nodes of the one that is asked for. A mask has a truth value for each node; else the
/// array lists nodes.
fn part_of(
    array: &Array,
    nodes: usize,
    asked: usize,
) -> Result<(usize, Option<Vec<usize>>), String> {
    let Values::Truth(mask) = &array.values else {
        let mut listed: Vec<usize> = array
            .places(nodes)?
            .into_iter()
            .map(|n| n as usize)
            .collect();
        listed.sort_unstable();
        listed.dedup();
        return Ok((1, (asked == 0).then_some(listed)));
    };
    // Sets stand in rows (Platonov et al.) or in columns (PyTorch Geometric).
    let (sets, stride, step) = match *array.shape.as_slice() {
        [n] if n == nodes => (1, 1, 0),
        [sets, n] if n == nodes => (sets, 1, nodes),
        [n, sets] if n == nodes => (sets, sets, 1),
        _ => {
            return Err(format!(
                "a mask should have a value for each of {nodes} nodes"
            ));
        }
    };
    let chosen = (asked < sets).then(|| {
        let is_in = |node: &usize| mask[node * stride + asked * step];
        (0..nodes).filter(is_in).collect()
    });
    Ok((sets, chosen))
}

fn facts(
    path: &Path,
    table: &Table,
    default_target: Option<String>,
    notes: Vec<String>,
) -> Result<SourceFacts, GraphError> {
    let stored = std::fs::read(path).map_err(|e| GraphError::Arrays {
        path: path.to_owned(),
        problem: format!("it cannot be read ({e})"),
    })?;
    let (bytes, sha256) = fingerprint_bytes(&stored);
    Ok(SourceFacts {
        source: path.display().to_string(),
        format: "graph of npz".into(),
        rows: table.rows(),
        source_rows: table.rows(),
        columns: table.columns.len(),
        bytes,
        sha256,
        default_target,
        notes,
        ..SourceFacts::default()
    })
}
