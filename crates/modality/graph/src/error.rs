use std::path::PathBuf;

use candor_core::Hints;
use candor_data::DataError;
use thiserror::Error;

/// What stops a graph from being read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// One of its tables cannot be read.
    #[error(transparent)]
    Table(#[from] DataError),
    /// A folder with a table of nodes and none of edges, or the other way round.
    #[error("`{}` has a table of {has} and none of {lacks}", path.display())]
    HalfAGraph {
        /// The folder.
        path: PathBuf,
        /// What is there.
        has: &'static str,
        /// What is not.
        lacks: &'static str,
    },
    /// A folder with a table of graphs, and not both of the others.
    #[error("`{}` has a table of graphs and none of {lacks}", path.display())]
    HalfACollection {
        /// The folder.
        path: PathBuf,
        /// What is not there.
        lacks: &'static str,
    },
    /// No graph of many has a node.
    #[error("none of the {graphs} graphs of `{}` has a node", path.display())]
    NoNodes {
        /// The source.
        path: PathBuf,
        /// Graphs.
        graphs: usize,
    },
    /// Two nodes of one graph with one id.
    #[error("`{}`, row {row}: graph `{graph}` has a node `{id}` already", path.display())]
    DuplicateNode {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The graph.
        graph: String,
        /// The node.
        id: String,
    },
    /// A table has fewer columns than are needed.
    #[error("`{}` should have {needed}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Which columns, in words.
        needed: &'static str,
    },
    /// A node without an id.
    #[error("`{}`, row {row}: column `{column}` has no id", path.display())]
    MissingId {
        /// The file.
        path: PathBuf,
        /// The column of ids.
        column: String,
        /// Row of data, from 1.
        row: usize,
    },
    /// An id that is a number, but not a whole one that a 64-bit float holds exactly.
    #[error("`{}`, row {row}: `{id}` in column `{column}` cannot be an id", path.display())]
    InexactId {
        /// The file.
        path: PathBuf,
        /// The column of ids.
        column: String,
        /// Row of data, from 1.
        row: usize,
        /// The number.
        id: String,
    },
    /// Two nodes with one id.
    #[error("`{}`: {count} rows repeat the id of an earlier node (first: row {row}, `{id}`)", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// Such rows.
        count: usize,
        /// The first of them, from 1.
        row: usize,
        /// Its id.
        id: String,
    },
    /// Too many rows name nodes that do not exist.
    #[error("`{}`: {dangling} of {rows} rows name a node that does not exist (first: row {row}, `{id}`)", path.display())]
    Dangling {
        /// The file.
        path: PathBuf,
        /// Such rows.
        dangling: usize,
        /// Rows in all.
        rows: usize,
        /// The first of them, from 1.
        row: usize,
        /// The id that no node has.
        id: String,
    },
    /// No edge between two different nodes.
    #[error("`{}` has {nodes} nodes and no edge between two of them", path.display())]
    NoEdges {
        /// The source.
        path: PathBuf,
        /// Nodes.
        nodes: usize,
    },
    /// An edge's weight is not a positive number.
    #[error("`{}`, row {row}: the weight of an edge should be a positive number, not {value}", path.display())]
    Weight {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// What stands there.
        value: String,
    },
    /// An archive of arrays that cannot be read, or whose arrays do not fit each other.
    #[error("`{}`: {problem}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file of nodes and edges that cannot be read.
    #[error("`{}` cannot be read as {format}: {problem}", path.display())]
    Listed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        format: String,
        /// What is wrong.
        problem: String,
    },
    /// The word of a node's part is not known.
    #[error("`{}`, row {row}: `{word}` in column `{column}` is no part", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// The column of parts.
        column: String,
        /// Row of data, from 1.
        row: usize,
        /// What stands there.
        word: String,
    },
    /// The source does not have the masks that were asked for.
    #[error("`{}` has {known} sets of masks; set {asked} is not one of them (they are counted from 0)", path.display())]
    NoMask {
        /// The source.
        path: PathBuf,
        /// Which was asked for, from 0.
        asked: usize,
        /// How many there are.
        known: usize,
    },
    /// Nodes that the graph does not have.
    #[error("{count} of the nodes are not in the graph (first: `{id}`)")]
    UnknownNodes {
        /// How many.
        count: usize,
        /// The first.
        id: String,
    },
}

impl Hints for GraphError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            GraphError::Table(error) => return error.hints(),
            GraphError::HalfAGraph { .. } => {
                "a graph is a folder with `nodes.csv` (a row a node: its id, its features, what is predicted) and `edges.csv` (a row an \
                 edge: the ids of its two nodes)"
            }
            GraphError::HalfACollection { .. } => {
                "many graphs are a folder with `graphs.csv` (a row a graph: its id, what is predicted), `nodes.csv` (graph, id, features) and \
                 `edges.csv` (graph, source, target)"
            }
            GraphError::NoNodes { .. } => {
                "name the graph of each node in the first column of `nodes.csv`, or in one called `graph`"
            }
            GraphError::DuplicateNode { .. } => "number the nodes of each graph, each once",
            GraphError::Columns { .. } => "add the columns, or a header that names them",
            GraphError::MissingId { .. } => "give each row the id of its node",
            GraphError::InexactId { .. } => {
                "write ids as whole numbers or as text, the same in all tables; numbers beyond 2^53 must be quoted text with a letter"
            }
            GraphError::DuplicateId { .. } => "leave one row for each node",
            GraphError::Dangling { .. } => {
                "add the nodes, or remove these rows; up to one row in twenty is left out with a warning"
            }
            GraphError::NoEdges { .. } => {
                "add edges, or give the table of nodes alone: it is fitted as a table"
            }
            GraphError::Weight { .. } => {
                "give every edge a positive weight; an edge that does not count is left out"
            }
            GraphError::Arrays { .. } => {
                "an archive needs edges (`edges`, `edge_index`, or `adj_indptr` and `adj_indices`), and may have features (`x`, \
                 `node_features`), labels (`y`, `node_labels`) and masks (`train_mask` or `train_masks`, and the others)"
            }
            GraphError::Listed { .. } => {
                "write the file anew with the program that it comes from, or give two tables, `nodes.csv` and `edges.csv`"
            }
            GraphError::Part { .. } => {
                "write `train`, `validation` or `test`, and nothing for nodes of no part; or leave the column out with `--ignore`"
            }
            GraphError::NoMask { .. } => "choose one with `--set mask=NUMBER`",
            GraphError::UnknownNodes { .. } => {
                "give the ids of nodes of the graph that the model was made from, or a whole source with its nodes and edges"
            }
        };
        vec![hint.to_owned()]
    }
}
