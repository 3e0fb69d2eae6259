use std::ops::Range;
use std::sync::Arc;

use candor_train::{MemberError, Units};

use crate::{Graph, NodeFeatures};

/// What the models of this modality predict: nodes of a graph, each on the ground of the whole graph, or whole graphs, which then lie side
/// by side in one, without an edge between them.
#[derive(Debug, Clone)]
pub struct GraphUnits {
    /// The edges.
    pub graph: Arc<Graph>,
    /// What is known of each node of the graph.
    pub features: Arc<NodeFeatures>,
    /// The ids of the nodes, or of the graphs.
    pub ids: Arc<Vec<String>>,
    /// A number of the graph as it was read, which changed edges and features keep: labels that were learned from are those of its
    /// nodes alone.
    pub origin: u64,
    /// Where a unit is a graph: where its nodes begin, and the number of all nodes. `None` where a unit is a node.
    pub starts: Option<Arc<Vec<usize>>>,
    /// Which node, or which graph, each unit is.
    pub which: Vec<u32>,
}

impl GraphUnits {
    /// All nodes of a graph, as units.
    pub fn whole(graph: Graph, features: NodeFeatures, ids: Vec<String>) -> GraphUnits {
        GraphUnits {
            origin: graph.fingerprint(),
            which: (0..graph.nodes() as u32).collect(),
            graph: Arc::new(graph),
            features: Arc::new(features),
            ids: Arc::new(ids),
            starts: None,
        }
    }

    /// Graphs that lie side by side in one, as units: the nodes of graph `i` are `starts[i]..starts[i + 1]`.
    pub fn collection(
        graph: Graph,
        features: NodeFeatures,
        ids: Vec<String>,
        starts: Vec<usize>,
    ) -> GraphUnits {
        GraphUnits {
            which: (0..starts.len().saturating_sub(1) as u32).collect(),
            starts: Some(Arc::new(starts)),
            ..GraphUnits::whole(graph, features, ids)
        }
    }

    /// The same graph with only these nodes, or these graphs, as units.
    pub fn only(&self, which: &[usize]) -> GraphUnits {
        GraphUnits {
            which: which.iter().map(|&unit| unit as u32).collect(),
            ..self.clone()
        }
    }

    /// The same graph with only the units at `indices`.
    pub fn at(&self, indices: &[usize]) -> GraphUnits {
        let which: Vec<usize> = indices.iter().map(|&i| self.which[i] as usize).collect();
        self.only(&which)
    }

    /// As the pipeline holds them.
    pub fn units(self) -> Units {
        Units::new(self.which.len(), self)
    }

    /// The nodes of a unit.
    pub fn nodes_of(&self, index: usize) -> Range<usize> {
        let which = self.which[index] as usize;
        match &self.starts {
            None => which..which + 1,
            Some(starts) => starts[which]..starts[which + 1],
        }
    }

    /// The nodes of the units at `indices`.
    pub fn nodes_at(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().flat_map(|&i| self.nodes_of(i)).collect()
    }

    /// Whether unit `i` is node `i`, or graph `i`, for all of them: what is learned from.
    pub(crate) fn is_whole(&self) -> bool {
        let all = match &self.starts {
            None => self.graph.nodes(),
            Some(starts) => starts.len().saturating_sub(1),
        };
        let mut numbered = self.which.iter().enumerate();
        self.which.len() == all && numbered.all(|(i, &which)| i == which as usize)
    }

    /// The units of a source that a model can learn from.
    pub(crate) fn to_learn_from(units: &Units) -> Result<&GraphUnits, MemberError> {
        let units = units.get::<GraphUnits>()?;
        if units.is_whole() {
            return Ok(units);
        }
        Err(MemberError::Training(
            "a model learns from a whole source, not from some of its nodes".into(),
        ))
    }
}
