use serde::{Deserialize, Serialize};

use crate::EdgeChange;

/// What joins series: weighted edges, from the series that acts to the one that is acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SensorGraph {
    /// Series.
    pub nodes: usize,
    /// `(from, to)`, each pair once, none from a node to itself.
    pub edges: Vec<(u32, u32)>,
    /// A positive number an edge.
    pub weights: Vec<f32>,
}

impl SensorGraph {
    /// From pairs, of which equal ones are added up and those of a node with itself are left out. Weights that are not positive are left out,
    /// too.
    pub fn new(nodes: usize, pairs: &[(u32, u32, f32)]) -> SensorGraph {
        let mut sums = std::collections::BTreeMap::new();
        for &(from, to, weight) in pairs {
            if from != to && weight > 0.0 {
                *sums.entry((from, to)).or_insert(0.0f32) += weight;
            }
        }
        let (edges, weights) = sums.into_iter().unzip();
        SensorGraph {
            nodes,
            edges,
            weights,
        }
    }

    /// For each node the shares of its senders: each row of the matrix sums to 1, or to 0 where nobody sends. `backward`: of those that
    /// it sends to. `[nodes, nodes]`, row by row, as `(row, column, share)`.
    pub fn shares(&self, backward: bool) -> Vec<(u32, u32, f32)> {
        let end = |edge: (u32, u32)| {
            if backward {
                (edge.0, edge.1)
            } else {
                (edge.1, edge.0)
            }
        };
        let mut sums = vec![0.0f32; self.nodes];
        for (&edge, weight) in self.edges.iter().zip(&self.weights) {
            sums[end(edge).0 as usize] += weight;
        }
        let entries = self.edges.iter().zip(&self.weights).map(|(&edge, weight)| {
            let (row, column) = end(edge);
            (row, column, weight / sums[row as usize])
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(row, column, _)| (*row, *column));
        entries
    }

    /// The same where something else goes along some edges.
    pub fn changed(&self, changes: &[EdgeChange]) -> SensorGraph {
        let edges = self.edges.iter().zip(&self.weights);
        let edges = edges.map(|(&(from, to), &weight)| {
            let weight = EdgeChange::of(changes, (from, to, weight));
            (from, to, weight)
        });
        SensorGraph::new(self.nodes, &edges.collect::<Vec<_>>())
    }

    /// Whether each edge has its mirror of the same weight.
    pub fn is_symmetric(&self) -> bool {
        let known: std::collections::BTreeMap<(u32, u32), f32> = self
            .edges
            .iter()
            .copied()
            .zip(self.weights.iter().copied())
            .collect();
        known.iter().all(|((from, to), weight)| {
            known
                .get(&(*to, *from))
                .is_some_and(|w| (w - weight).abs() <= 1e-6 * weight)
        })
    }

    /// Why this cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let inside = |n: u32| (n as usize) < self.nodes;
        let edges = self
            .edges
            .iter()
            .all(|&(a, b)| inside(a) && inside(b) && a != b);
        let weights = self.weights.iter().all(|w| w.is_finite() && *w > 0.0);
        match edges && weights && self.edges.len() == self.weights.len() && self.edges.is_sorted() {
            true => Ok(()),
            false => Err("its graph is damaged".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_senders_sum_to_one() {
        let graph = SensorGraph::new(
            3,
            &[
                (0, 2, 1.0),
                (1, 2, 2.0),
                (1, 2, 1.0),
                (2, 2, 9.0),
                (2, 0, 0.0),
            ],
        );
        assert_eq!(graph.edges, [(0, 2), (1, 2)]);
        assert_eq!(graph.shares(false), [(2, 0, 0.25), (2, 1, 0.75)]);
        assert_eq!(graph.shares(true), [(0, 2, 1.0), (1, 2, 1.0)]);
        assert!(!graph.is_symmetric());
        assert!(graph.check().is_ok());
        let damaged = SensorGraph { nodes: 2, ..graph };
        assert!(damaged.check().is_err());
    }
}
