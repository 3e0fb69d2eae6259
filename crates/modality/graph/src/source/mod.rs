//! Where graphs come from: one file a format.

mod collection;
mod folder;
mod gml;
mod graphml;
mod listed;
mod npz_graph;
mod parts;

use std::fmt;
use std::path::{Path, PathBuf};

use candor_core::Finding;
use candor_data::{ReadOptions, SourceFacts, Table};
use serde::{Deserialize, Serialize};

pub use collection::{CollectionSource, ReadCollection, read_collection};
pub use folder::{canonical_id, edge_columns};
pub use parts::GivenParts;

use crate::{Graph, GraphError, SparseFeatures};

/// Where a graph comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphSource {
    /// A folder with a table of nodes and one of edges (`nodes.csv`, `edges.csv`; also `.tsv`, `.parquet`, `.arrow`, `.feather`, the
    /// first two also with `.gz`), and maybe one of features (`features.csv`: node, feature, and a number if it is not 1).
    Folder(PathBuf),
    /// NumPy arrays in one archive, as of Planetoid, of Shchur et al., of Platonov et al., and of OGB.
    Arrays(PathBuf),
    /// A file in GraphML.
    GraphMl(PathBuf),
    /// A file in GML.
    Gml(PathBuf),
}

impl GraphSource {
    /// Tells whether `path` holds a graph, and how; `None` when it holds something else, or nothing.
    pub fn detect(path: &Path) -> Option<GraphSource> {
        if path.is_dir() {
            if folder::Files::of(path).is_any() {
                return Some(GraphSource::Folder(path.to_owned()));
            }
            let archive = npz_graph::only_archive(path)?;
            return npz_graph::holds_edges(&archive).then_some(GraphSource::Arrays(archive));
        }
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "npz" => npz_graph::holds_edges(path).then(|| GraphSource::Arrays(path.to_owned())),
            "graphml" => Some(GraphSource::GraphMl(path.to_owned())),
            "gml" => Some(GraphSource::Gml(path.to_owned())),
            _ => None,
        }
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        match self {
            GraphSource::Folder(path)
            | GraphSource::Arrays(path)
            | GraphSource::GraphMl(path)
            | GraphSource::Gml(path) => path,
        }
    }
}

impl fmt::Display for GraphSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())
    }
}

/// How a graph is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphOptions {
    /// How its tables are read.
    pub tables: ReadOptions,
    /// Whether edges lead one way only, from the first node to the second.
    pub directed: bool,
    /// Which of several sets of masks says what is learned from and what is tested on, from 0.
    pub mask: Option<usize>,
    /// Columns that a model must not see; a column of parts that stands here is not one.
    pub ignore: Vec<String>,
}

/// A graph that was read.
#[derive(Debug, Clone)]
pub struct ReadGraph {
    /// One row a node: its id, then all that stands in the table of nodes.
    pub table: Table,
    /// The column of ids.
    pub id_column: String,
    /// The id of each node, each once.
    pub ids: Vec<String>,
    /// The edges.
    pub graph: Graph,
    /// Features that were given apart from the table, and their names where they have one.
    pub apart: Option<(SparseFeatures, Option<Vec<String>>)>,
    /// What is learned from and what is tested on, where that was given.
    pub parts: Option<GivenParts>,
    /// How it was read.
    pub facts: SourceFacts,
    /// What was noticed while reading.
    pub findings: Vec<Finding>,
}

/// Reads a graph.
///
/// # Errors
/// When a file cannot be read, ids repeat or are missing, more than one edge in twenty names a node that does not exist, or there is no
/// edge.
pub fn read_graph(source: &GraphSource, options: &GraphOptions) -> Result<ReadGraph, GraphError> {
    match source {
        GraphSource::Folder(path) => folder::read(path, options),
        GraphSource::Arrays(path) => npz_graph::read(path, options),
        GraphSource::GraphMl(path) => read_listed(path, "GraphML", graphml::parse, options),
        GraphSource::Gml(path) => read_listed(path, "GML", gml::parse, options),
    }
}

/// Reads a file that lists nodes and edges.
fn read_listed(
    path: &Path,
    format: &str,
    parse: fn(&str) -> Result<listed::Listed, String>,
    options: &GraphOptions,
) -> Result<ReadGraph, GraphError> {
    let fault = |problem| GraphError::Listed {
        path: path.to_owned(),
        format: format.to_owned(),
        problem,
    };
    let bytes = std::fs::read(path).map_err(|e| fault(e.to_string()))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| fault(format!("it is no UTF-8 text from byte {}", e.valid_up_to())))?;
    // Some programs write a mark of the order of bytes first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let listed = parse(text).map_err(fault)?;
    listed.graph(path, format, &bytes, options)
}

/// What the reading of edges says of them, for the facts of a source.
fn told(graph: &Graph, left_out: crate::LeftOut) -> Vec<String> {
    let way = if graph.is_directed() {
        "leading one way"
    } else {
        "taken as leading both ways"
    };
    let mut notes = vec![format!("{} edges, {way}", graph.edges().len())];
    if left_out.mirrored > 0 {
        notes.push(format!(
            "{} edges stand in both directions and count once",
            left_out.mirrored
        ));
    }
    notes
}
