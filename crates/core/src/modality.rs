use serde::{Deserialize, Serialize};

/// The kind of data that a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Rows and columns.
    Table,
    /// Pictures.
    Image,
    /// Ordered values: signals, text, sound.
    Sequence,
    /// Nodes and edges.
    Graph,
    /// Chemical structures.
    Molecule,
    /// Series of values on the nodes of a graph.
    GraphSeries,
    /// Unordered points in space.
    PointCloud,
}

impl Modality {
    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Table => "table",
            Modality::Image => "image",
            Modality::Sequence => "sequence",
            Modality::Graph => "graph",
            Modality::Molecule => "molecule",
            Modality::GraphSeries => "graph series",
            Modality::PointCloud => "point cloud",
        }
    }

    /// What one prediction is about.
    pub fn unit(self) -> &'static str {
        match self {
            Modality::Table => "row",
            Modality::Image => "image",
            Modality::Sequence => "series",
            Modality::Graph => "node",
            Modality::Molecule => "molecule",
            Modality::GraphSeries => "node at a horizon",
            Modality::PointCloud => "shape",
        }
    }

    /// Several of [`Modality::unit`].
    pub fn units(self) -> &'static str {
        match self {
            Modality::Table => "rows",
            Modality::Image => "images",
            Modality::Sequence => "series",
            Modality::Graph => "nodes",
            Modality::Molecule => "molecules",
            Modality::GraphSeries => "nodes at horizons",
            Modality::PointCloud => "shapes",
        }
    }
}
