use serde::{Deserialize, Serialize};

use crate::wording::Words;

/// The kind of data that a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Rows and columns.
    Table,
    /// Pictures.
    Image,
    /// Ordered values: signals, sound.
    Sequence,
    /// Written words.
    Text,
    /// Nodes and edges.
    Graph,
    /// Many graphs, each of which is one unit.
    GraphSet,
    /// Pairs of nodes of a graph, each of which may be an edge.
    GraphPairs,
    /// Chemical structures.
    Molecule,
    /// Series of values on the nodes of a graph.
    GraphSeries,
    /// Unordered points in space, each cloud of which is one unit.
    PointCloud,
    /// Points in space, each of which is one unit.
    CloudPoints,
}

impl Modality {
    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Table => "table",
            Modality::Image => "image",
            Modality::Sequence => "sequence",
            Modality::Text => "text",
            Modality::Graph => "graph",
            Modality::GraphSet => "graph set",
            Modality::GraphPairs => "graph pairs",
            Modality::Molecule => "molecule",
            Modality::GraphSeries => "graph series",
            Modality::PointCloud => "point cloud",
            Modality::CloudPoints => "cloud points",
        }
    }

    /// What units and their parts are called.
    pub fn words(self) -> Words {
        let words = |row, rows, column, columns, strange| Words {
            row,
            rows,
            column,
            columns,
            strange,
        };
        match self {
            Modality::Table => words(
                "row",
                "rows",
                "column",
                "columns",
                "rows whose cells were shuffled between rows",
            ),
            Modality::Image => words(
                "image",
                "images",
                "region",
                "regions",
                "images whose patches were shuffled",
            ),
            Modality::Sequence => words(
                "series",
                "series",
                "stretch",
                "stretches",
                "series whose stretches were shuffled",
            ),
            Modality::Text => words(
                "text",
                "texts",
                "part of the text",
                "parts of the text",
                "texts whose letters were shuffled",
            ),
            Modality::Graph => words(
                "node",
                "nodes",
                "feature",
                "features",
                "nodes whose features were shuffled between nodes",
            ),
            Modality::GraphSet => words(
                "graph",
                "graphs",
                "feature of nodes",
                "features of nodes",
                "graphs whose nodes' features were shuffled between nodes",
            ),
            Modality::GraphPairs => words(
                "pair of nodes",
                "pairs of nodes",
                "feature of nodes",
                "features of nodes",
                "pairs whose nodes' features were shuffled between nodes",
            ),
            Modality::Molecule => words(
                "molecule",
                "molecules",
                "kind of atom",
                "kinds of atoms",
                "molecules whose atoms were shuffled",
            ),
            Modality::GraphSeries => words(
                "node at a horizon",
                "nodes at horizons",
                "channel",
                "channels",
                "windows whose moments were shuffled",
            ),
            Modality::PointCloud => words(
                "shape",
                "shapes",
                "region",
                "regions",
                "shapes whose parts were shuffled",
            ),
            Modality::CloudPoints => words(
                "point",
                "points",
                "region",
                "regions",
                "points of shapes whose parts were shuffled",
            ),
        }
    }
}
