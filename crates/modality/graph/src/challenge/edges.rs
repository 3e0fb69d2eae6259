use std::sync::Arc;

use candor_core::Seed;

use crate::{Graph, GraphUnits};

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
            Disturbance::EdgesRewired => rewired(units, share, seed),
        };
        GraphUnits {
            graph: Arc::new(graph),
            ..units.at(indices)
        }
    }
}

/// These units in a graph of which each edge is led to a random node at one end: what a model loses is what it owes to the edges.
pub fn edges_rewired(units: &GraphUnits, indices: &[usize], seed: Seed) -> GraphUnits {
    GraphUnits {
        graph: Arc::new(rewired(units, 1.0, seed)),
        ..units.at(indices)
    }
}

/// Inside its own graph, where there are many.
fn rewired(units: &GraphUnits, share: f64, seed: Seed) -> Graph {
    let all = [0, units.graph.nodes()];
    let starts = units
        .starts
        .as_ref()
        .map_or(&all[..], |starts| starts.as_slice());
    units.graph.rewired(share, starts, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeFeatures;
    use candor_baselines::Matrix;

    #[test]
    fn edges_of_many_graphs_stay_inside_their_own() {
        let ring = |first: u32| (0..10).map(move |i| (first + i, first + (i + 1) % 10));
        let pairs: Vec<(u32, u32)> = ring(0).chain(ring(10)).chain(ring(20)).collect();
        let (graph, _) = Graph::new(30, &pairs, None, false);
        let features = NodeFeatures {
            table: Matrix::new(30, vec![], vec![]).unwrap(),
            apart: None,
        };
        let ids = (0..3).map(|graph| graph.to_string()).collect();
        let units = GraphUnits::collection(graph, features, ids, vec![0, 10, 20, 30]);
        let changed = edges_rewired(&units, &[2, 0], Seed(1));
        assert_eq!(changed.which, [2, 0]);
        assert_ne!(changed.graph.edges(), units.graph.edges());
        let inside = |&(a, b): &(u32, u32)| a / 10 == b / 10;
        assert!(changed.graph.edges().iter().all(inside));
    }
}
