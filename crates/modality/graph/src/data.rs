use std::sync::Arc;

use candor_train::{MemberError, Units};

use crate::{Graph, NodeFeatures};

/// Nodes of a graph as the models of this modality take them: a unit is a node, and its prediction rests on the whole graph.
#[derive(Debug, Clone)]
pub struct GraphUnits {
    /// The edges.
    pub graph: Arc<Graph>,
    /// What is known of each node of the graph.
    pub features: Arc<NodeFeatures>,
    /// The ids of the nodes.
    pub ids: Arc<Vec<String>>,
    /// A number of the graph as it was read, which changed edges and features keep: labels that were learned from are those of its
    /// nodes alone.
    pub origin: u64,
    /// Which node each unit is.
    pub nodes: Vec<u32>,
}

impl GraphUnits {
    /// All nodes of a graph, as units.
    pub fn whole(graph: Graph, features: NodeFeatures, ids: Vec<String>) -> GraphUnits {
        GraphUnits {
            origin: graph.fingerprint(),
            nodes: (0..graph.nodes() as u32).collect(),
            graph: Arc::new(graph),
            features: Arc::new(features),
            ids: Arc::new(ids),
        }
    }

    /// The same graph with only these nodes as units.
    pub fn only(&self, nodes: &[usize]) -> GraphUnits {
        GraphUnits {
            nodes: nodes.iter().map(|&node| node as u32).collect(),
            ..self.clone()
        }
    }

    /// As the pipeline holds them.
    pub fn units(self) -> Units {
        Units::new(self.nodes.len(), self)
    }

    /// The nodes of the units at `indices`.
    pub fn nodes_at(&self, indices: &[usize]) -> Vec<usize> {
        indices.iter().map(|&i| self.nodes[i] as usize).collect()
    }

    /// Whether unit `i` is node `i`, for all nodes: what is learned from.
    pub(crate) fn is_whole(&self) -> bool {
        self.nodes.len() == self.graph.nodes()
            && self
                .nodes
                .iter()
                .enumerate()
                .all(|(i, &node)| i == node as usize)
    }

    /// The nodes of a source that a model can learn from.
    pub(crate) fn to_learn_from(units: &Units) -> Result<&GraphUnits, MemberError> {
        let units = units.get::<GraphUnits>()?;
        if units.is_whole() {
            return Ok(units);
        }
        Err(MemberError::Training(
            "a model learns from a whole graph, not from some of its nodes".into(),
        ))
    }
}
