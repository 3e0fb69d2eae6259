use candor_core::Seed;
use candor_kernels::Csr;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Nodes `0..n` and the edges between different ones, each edge once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    nodes: usize,
    /// From node, to node; of an undirected edge the lesser node stands first. Ascending.
    edges: Vec<(u32, u32)>,
    /// One positive number an edge.
    weights: Option<Vec<f32>>,
    directed: bool,
}

/// What was left out to make a [`Graph`] of a list of edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Edges from a node to itself.
    pub loops: usize,
    /// Edges that were there already.
    pub repeated: usize,
    /// Of these, edges whose twin goes the other way: most undirected graphs are written so.
    pub mirrored: usize,
}

impl Graph {
    /// Sorts the edges and leaves out loops and repetitions; weights of repetitions are averaged.
    ///
    /// Nodes outside `0..nodes` are the caller's fault: such edges are left out.
    pub fn new(
        nodes: usize,
        pairs: &[(u32, u32)],
        weights: Option<&[f32]>,
        directed: bool,
    ) -> (Graph, LeftOut) {
        let mut left_out = LeftOut::default();
        // From node, to node, and the place in the list with, in its lowest bit, whether the two were exchanged.
        let mut found: Vec<((u32, u32), u64)> = Vec::with_capacity(pairs.len());
        for (place, &(from, to)) in pairs.iter().enumerate() {
            if from == to {
                left_out.loops += 1;
                continue;
            }
            if from.max(to) as usize >= nodes {
                continue;
            }
            let exchanged = !directed && from > to;
            let key = if exchanged { (to, from) } else { (from, to) };
            found.push((key, 2 * place as u64 + u64::from(exchanged)));
        }
        // Places differ, so that the order is one.
        found.sort_unstable();
        let mut graph = Graph {
            nodes,
            edges: Vec::with_capacity(found.len()),
            weights: weights.map(|_| Vec::with_capacity(found.len())),
            directed,
        };
        for same in found.chunk_by(|(a, _), (b, _)| a == b) {
            let (edge, first) = same[0];
            left_out.repeated += same.len() - 1;
            let turned = same.iter().filter(|(_, place)| (place ^ first) & 1 == 1);
            left_out.mirrored += turned.count();
            graph.edges.push(edge);
            if let (Some(kept), Some(weights)) = (&mut graph.weights, weights) {
                let sum: f32 = same
                    .iter()
                    .map(|(_, place)| weights[(place / 2) as usize])
                    .sum();
                kept.push(sum / same.len() as f32);
            }
        }
        (graph, left_out)
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The edges, each once.
    pub fn edges(&self) -> &[(u32, u32)] {
        &self.edges
    }

    /// The weight of each edge, if edges have one.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Whether edges lead one way only.
    pub fn is_directed(&self) -> bool {
        self.directed
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let outside = |&(a, b): &(u32, u32)| a.max(b) as usize >= self.nodes || a == b;
        let length = self
            .weights
            .as_ref()
            .is_some_and(|w| w.len() != self.edges.len());
        let weights = self.weights.iter().flatten();
        if self.nodes > u32::MAX as usize || self.edges.iter().any(outside) || length {
            return Err("the edges of its graph are damaged".into());
        }
        if weights.into_iter().any(|w| !w.is_finite() || *w <= 0.0) {
            return Err("the weights of its edges are damaged".into());
        }
        Ok(())
    }

    /// `(to, from, weight)` of every message: an edge that is not directed carries one each way.
    pub fn messages(&self) -> impl Iterator<Item = (u32, u32, f32)> {
        let weight = |edge: usize| self.weights.as_ref().map_or(1.0, |weights| weights[edge]);
        let edges = self.edges.iter().enumerate();
        edges.flat_map(move |(edge, &(from, to))| {
            let back = (!self.directed).then(|| (from, to, weight(edge)));
            std::iter::once((to, from, weight(edge))).chain(back)
        })
    }

    /// Row `i` lists the nodes that send to node `i`.
    pub fn senders(&self) -> Csr {
        let pairs: Vec<(u32, u32)> = self.messages().map(|(to, from, _)| (to, from)).collect();
        match Csr::from_pairs(self.nodes, self.nodes, &pairs) {
            Ok((csr, _)) => csr,
            Err(error) => unreachable!("edges lie between nodes: {error}"),
        }
    }

    /// Edges of each node, whichever way they lead.
    pub fn degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.nodes];
        for &(from, to) in &self.edges {
            degrees[from as usize] += 1;
            degrees[to as usize] += 1;
        }
        degrees
    }

    /// The component of each node, whichever way edges lead: the least node in it.
    pub fn components(&self) -> Vec<u32> {
        let mut parent: Vec<u32> = (0..self.nodes as u32).collect();
        fn root(parent: &mut [u32], mut node: u32) -> u32 {
            while parent[node as usize] != node {
                // Halve the path on the way.
                parent[node as usize] = parent[parent[node as usize] as usize];
                node = parent[node as usize];
            }
            node
        }
        for &(a, b) in &self.edges {
            let (a, b) = (root(&mut parent, a), root(&mut parent, b));
            parent[a.max(b) as usize] = a.min(b);
        }
        (0..self.nodes as u32)
            .map(|node| root(&mut parent, node))
            .collect()
    }

    /// The graph without a random share of its edges, 0 to 1.
    pub fn thinned(&self, share: f64, stream: &mut impl Rng) -> Graph {
        let kept: Vec<usize> = (0..self.edges.len())
            .filter(|_| !stream.random_bool(share.clamp(0.0, 1.0)))
            .collect();
        self.select(&kept)
    }

    /// The graph with a random share of its edges led to a random other node instead; where such an edge was there already, there is one
    /// fewer. `starts` are the first nodes of graphs that lie side by side, and the number of all nodes: an edge stays inside its own.
    pub fn rewired(&self, share: f64, starts: &[usize], seed: Seed) -> Graph {
        let stream = &mut seed.stream("rewired", &[]);
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        order.shuffle(stream);
        order.truncate((share.clamp(0.0, 1.0) * self.edges.len() as f64).round() as usize);
        let mut pairs = self.edges.clone();
        for edge in order {
            let (from, to) = pairs[edge];
            let stays = if stream.random_bool(0.5) { from } else { to };
            let own = starts.partition_point(|&start| start <= from as usize);
            let other = stream.random_range(starts[own - 1] as u32..starts[own] as u32);
            pairs[edge] = if stays == from {
                (from, other)
            } else {
                (other, to)
            };
        }
        Graph::new(self.nodes, &pairs, self.weights.as_deref(), self.directed).0
    }

    /// The graph with only the edges that a test keeps.
    pub fn only(&self, kept: impl Fn(&(u32, u32)) -> bool) -> Graph {
        let places = 0..self.edges.len();
        self.select(&places.filter(|&e| kept(&self.edges[e])).collect::<Vec<_>>())
    }

    fn select(&self, edges: &[usize]) -> Graph {
        let weights = self.weights.as_ref();
        Graph {
            nodes: self.nodes,
            edges: edges.iter().map(|&e| self.edges[e]).collect(),
            weights: weights.map(|weights| edges.iter().map(|&e| weights[e]).collect()),
            directed: self.directed,
        }
    }

    /// The same graph with its nodes in another order: node `order[i]` becomes node `i`.
    pub fn reordered(&self, order: &[usize]) -> Graph {
        let mut place = vec![0u32; self.nodes];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new as u32;
        }
        let pairs: Vec<(u32, u32)> = self
            .edges
            .iter()
            .map(|&(a, b)| (place[a as usize], place[b as usize]))
            .collect();
        Graph::new(self.nodes, &pairs, self.weights.as_deref(), self.directed).0
    }

    /// A number that differs between graphs, whatever is done to their edges later.
    pub fn fingerprint(&self) -> u64 {
        let edges = self
            .edges
            .iter()
            .map(|&(a, b)| u64::from(a) << 32 | u64::from(b));
        let numbers: Vec<u64> = std::iter::once(self.nodes as u64).chain(edges).collect();
        Seed(0).derive("graph", &numbers).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(u32, u32); 6] = [(2, 1), (1, 2), (0, 1), (3, 3), (0, 1), (4, 5)];

    #[test]
    fn loops_and_repetitions_are_counted_and_left_out() {
        let (graph, left_out) = Graph::new(7, &PAIRS, None, false);
        assert_eq!(graph.edges(), [(0, 1), (1, 2), (4, 5)]);
        let expected = LeftOut {
            loops: 1,
            repeated: 2,
            mirrored: 1,
        };
        assert_eq!(left_out, expected);
        assert_eq!(graph.degrees(), [1, 2, 1, 0, 1, 1, 0]);
        assert_eq!(graph.components(), [0, 0, 0, 3, 4, 4, 6]);
        assert_eq!(
            graph.senders().degrees(),
            [1, 2, 1, 0, 1, 1, 0],
            "a message each way"
        );
        let (directed, left_out) = Graph::new(7, &PAIRS, None, true);
        assert_eq!(directed.edges(), [(0, 1), (1, 2), (2, 1), (4, 5)]);
        assert_eq!((left_out.repeated, left_out.mirrored), (1, 0));
        assert_eq!(directed.senders().degrees(), [0, 2, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn weights_of_one_edge_are_averaged() {
        let (graph, _) = Graph::new(3, &[(0, 1), (1, 0), (1, 2)], Some(&[1.0, 3.0, 5.0]), false);
        assert_eq!(graph.weights(), Some([2.0, 5.0].as_slice()));
        assert_eq!(graph.check(), Ok(()));
    }

    #[test]
    fn edges_are_dropped_and_led_elsewhere_by_their_share() {
        let pairs: Vec<(u32, u32)> = (0..2000).map(|i| (i, (i + 1) % 2000)).collect();
        let (ring, _) = Graph::new(2000, &pairs, None, false);
        let stream = &mut Seed(3).stream("thinned", &[]);
        let left = ring.thinned(0.25, stream).edges().len();
        // The standard deviation is 19.
        assert!((1420..=1580).contains(&left), "{left}");
        let all = &[0, 2000];
        let rewired = ring.rewired(0.25, all, Seed(3));
        let same = rewired.edges().iter().filter(|e| ring.edges().contains(e));
        let same = same.count();
        assert!((1490..=1510).contains(&same), "{same}");
        assert_eq!(ring.rewired(0.0, all, Seed(3)), ring);
        assert_eq!(
            ring.rewired(0.5, all, Seed(3)),
            ring.rewired(0.5, all, Seed(3))
        );
    }

    #[test]
    fn another_order_of_the_nodes_is_the_same_graph() {
        let (graph, _) = Graph::new(4, &[(0, 1), (1, 2)], None, true);
        let reordered = graph.reordered(&[2, 1, 0, 3]);
        assert_eq!(reordered.edges(), [(1, 0), (2, 1)]);
        assert_eq!(reordered.reordered(&[2, 1, 0, 3]), graph);
        assert_ne!(reordered.fingerprint(), graph.fingerprint());
    }

    #[test]
    fn damaged_graphs_are_refused() {
        let text = |edges: &str, weights: &str| {
            let text =
                format!(r#"{{"nodes":2,"edges":{edges},"weights":{weights},"directed":false}}"#);
            serde_json::from_str::<Graph>(&text).unwrap().check()
        };
        assert_eq!(text("[[0,1]]", "null"), Ok(()));
        for (edges, weights) in [
            ("[[0,2]]", "null"),
            ("[[1,1]]", "null"),
            ("[[0,1]]", "[]"),
            ("[[0,1]]", "[0]"),
        ] {
            assert!(text(edges, weights).is_err(), "{edges} {weights}");
        }
    }
}
