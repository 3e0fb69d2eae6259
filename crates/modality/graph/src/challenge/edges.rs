use std::sync::Arc;

use candor_core::Seed;

use crate::GraphUnits;

/// What commonly is wrong with the edges of a graph that was collected in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Edges that were not seen.
    EdgesDropped,
    /// Edges that lead to a wrong node.
    EdgesRewired,
}

/// Share of edges at the severities 1 to 5.
const SHARES: [f64; 5] = [0.05, 0.1, 0.2, 0.35, 0.5];

impl Disturbance {
    /// All of them.
    pub const ALL: [Disturbance; 2] = [Disturbance::EdgesDropped, Disturbance::EdgesRewired];

    /// The name as a person reads it.
    pub fn name(self) -> &'static str {
        match self {
            Disturbance::EdgesDropped => "edges dropped",
            Disturbance::EdgesRewired => "edges rewired",
        }
    }

    /// These units in a graph of which a share of all edges is dropped or led elsewhere: 5, 10, 20, 35 and 50 % at the severities 1
    /// to 5.
    pub fn apply(
        self,
        units: &GraphUnits,
        indices: &[usize],
        severity: u8,
        seed: Seed,
    ) -> GraphUnits {
        let share = SHARES[usize::from(severity.clamp(1, 5)) - 1];
        let graph = match self {
            Disturbance::EdgesDropped => units
                .graph
                .thinned(share, &mut seed.stream("edges dropped", &[])),
            Disturbance::EdgesRewired => units.graph.rewired(share, seed),
        };
        GraphUnits {
            graph: Arc::new(graph),
            ..units.only(&units.nodes_at(indices))
        }
    }
}

/// These units in a graph of which each edge is led to a random node at one end: what a model loses is what it owes to the edges.
pub fn edges_rewired(units: &GraphUnits, indices: &[usize], seed: Seed) -> GraphUnits {
    GraphUnits {
        graph: Arc::new(units.graph.rewired(1.0, seed)),
        ..units.only(&units.nodes_at(indices))
    }
}
