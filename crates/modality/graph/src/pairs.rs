//! Pairs of nodes as units.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use candor_core::Seed;
use candor_train::{MemberError, Units};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::{Disturbance, Graph, GraphUnits, NodeFeatures, SparseFeatures, edges_rewired};

/// Numbers of the signature that nodes without features are told apart by.
const SIGNATURE: usize = 32;

/// What the models of this modality predict: whether two nodes are joined by an edge.
///
/// The edges that are to be predicted are not among those of `graph`: a model adds the ones that it learned from, and those alone, so that no
/// edge that it is judged on takes part in what it computes.
#[derive(Debug, Clone)]
pub struct PairUnits {
    /// The nodes, and the edges that everybody may see. Its units are its nodes.
    pub graph: GraphUnits,
    /// All pairs.
    pub pairs: Arc<Vec<[u32; 2]>>,
    /// Which pair each unit is.
    pub which: Vec<u32>,
    /// What is done to the edges that a model sees.
    pub change: Option<PairChange>,
}

/// What is done to the edges that a model sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairChange {
    /// Something common, at a severity from 1 to 5.
    Disturbed(Disturbance, u8, Seed),
    /// Each edge leads to a random node at one end.
    Rewired(Seed),
}

impl PairUnits {
    /// All of some pairs, as units. Nodes of which nothing is known get a signature: random numbers that their ids fix, so that sums over
    /// neighbours can tell which nodes have neighbours in common.
    ///
    /// # Reference
    /// Sato, Yamada & Kashima, "Random Features Strengthen Graph Neural Networks", SDM 2021, section 4.
    pub fn new(mut graph: GraphUnits, pairs: Vec<[u32; 2]>) -> PairUnits {
        if graph.features.width() == 0 {
            let signed = NodeFeatures {
                table: graph.features.table.clone(),
                apart: Some(signatures(&graph.ids)),
            };
            graph.features = Arc::new(signed);
        }
        PairUnits {
            graph,
            which: (0..pairs.len() as u32).collect(),
            pairs: Arc::new(pairs),
            change: None,
        }
    }

    /// The same graph with only the units at `indices`.
    pub fn at(&self, indices: &[usize]) -> PairUnits {
        PairUnits {
            which: indices.iter().map(|&i| self.which[i]).collect(),
            ..self.clone()
        }
    }

    /// As the pipeline holds them.
    pub fn units(self) -> Units {
        Units::new(self.which.len(), self)
    }

    /// The two nodes of each unit.
    pub fn nodes(&self) -> Vec<[u32; 2]> {
        let which = self.which.iter();
        which.map(|&pair| self.pairs[pair as usize]).collect()
    }

    /// The nodes of the units at `indices`, each once, ascending.
    pub fn nodes_at(&self, indices: &[usize]) -> Vec<usize> {
        let pairs = indices.iter();
        let pairs = pairs.map(|&i| self.pairs[self.which[i] as usize]);
        let mut nodes: Vec<usize> = pairs.flatten().map(|node| node as usize).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// What a model sees that learned from the edges `learned` of the graph `origin`.
    pub(crate) fn seen(&self, learned: &[[u32; 2]], origin: u64) -> GraphUnits {
        let mut edges = self.graph.graph.edges().to_vec();
        if origin == self.graph.origin {
            edges.extend(learned.iter().map(|&[a, b]| (a, b)));
        }
        let (graph, _) = Graph::new(self.graph.graph.nodes(), &edges, None, false);
        let seen = GraphUnits {
            graph: Arc::new(graph),
            ..self.graph.clone()
        };
        match self.change {
            None => seen,
            Some(change) => {
                let changed = match change {
                    PairChange::Disturbed(what, severity, seed) => {
                        what.apply(&seen, &[], severity, seed)
                    }
                    PairChange::Rewired(seed) => edges_rewired(&seen, &[], seed),
                };
                GraphUnits {
                    graph: changed.graph,
                    ..seen
                }
            }
        }
    }

    /// The units of a source that a model can learn from.
    pub(crate) fn to_learn_from(units: &Units) -> Result<&PairUnits, MemberError> {
        let units = units.get::<PairUnits>()?;
        let mut numbered = units.which.iter().enumerate();
        let whole = units.which.len() == units.pairs.len()
            && numbered.all(|(i, &which)| i == which as usize);
        if whole && units.change.is_none() {
            return Ok(units);
        }
        Err(MemberError::Training(
            "a model learns from a whole source, not from some of its pairs".into(),
        ))
    }
}

/// `[nodes, SIGNATURE]`, each number -1 or 1.
fn signatures(ids: &[String]) -> SparseFeatures {
    let mut values = Vec::with_capacity(ids.len() * SIGNATURE);
    for id in ids {
        // FNV-1a: the same for an id on every machine.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let bits = Seed(hash).stream("signature", &[]).next_u64();
        let signs = (0..SIGNATURE).map(|place| if bits >> place & 1 == 1 { 1.0 } else { -1.0 });
        values.extend(signs);
    }
    SparseFeatures::of_dense(SIGNATURE, &values)
}

/// Edges to be predicted, and as many pairs that are no edge.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnPairs {
    /// The pairs, in a random order, the lesser node first.
    pub pairs: Vec<[u32; 2]>,
    /// Whether each is an edge.
    pub joined: Vec<bool>,
    /// The edges that are not among them.
    pub others: Vec<(u32, u32)>,
}

impl DrawnPairs {
    /// At most `most` edges at random, and as many pairs of different nodes that are no edge, each as likely as any other. Fewer, where the graph
    /// does not have so many: then there are as many edges as pairs that are none.
    pub fn draw(graph: &Graph, most: usize, seed: Seed) -> DrawnPairs {
        let stream = &mut seed.stream("pairs", &[]);
        let edges: HashSet<[u32; 2]> = graph
            .edges()
            .iter()
            .map(|&(a, b)| [a.min(b), a.max(b)])
            .collect();
        let nodes = graph.nodes() as u64;
        let possible = nodes * nodes.saturating_sub(1) / 2 - edges.len() as u64;
        let count = most
            .min(edges.len())
            .min(possible.min(most as u64) as usize);
        let absent = absent(&edges, nodes as u32, count, possible, stream);
        let mut order: Vec<[u32; 2]> = edges.into_iter().collect();
        order.sort_unstable();
        order.shuffle(stream);
        let others = order.split_off(count);
        let joined = order.into_iter().map(|pair| (pair, true));
        let mut drawn: Vec<([u32; 2], bool)> = joined
            .chain(absent.into_iter().map(|pair| (pair, false)))
            .collect();
        drawn.shuffle(stream);
        let (pairs, joined) = drawn.into_iter().unzip();
        DrawnPairs {
            pairs,
            joined,
            others: others.into_iter().map(|[a, b]| (a, b)).collect(),
        }
    }
}

/// Pairs of nodes that are no edge, each once.
fn absent(
    edges: &HashSet<[u32; 2]>,
    nodes: u32,
    count: usize,
    possible: u64,
    stream: &mut impl Rng,
) -> Vec<[u32; 2]> {
    // Where few pairs are no edge, drawing would seldom find one.
    if possible < 4 * (count as u64 + edges.len() as u64) {
        let all = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| [a, b]));
        let mut all: Vec<[u32; 2]> = all.filter(|pair| !edges.contains(pair)).collect();
        all.shuffle(stream);
        all.truncate(count);
        return all;
    }
    let (mut found, mut known) = (Vec::with_capacity(count), HashSet::new());
    while found.len() < count {
        let (a, b) = (stream.random_range(0..nodes), stream.random_range(0..nodes));
        let pair = [a.min(b), a.max(b)];
        if a != b && !edges.contains(&pair) && known.insert(pair) {
            found.push(pair);
        }
    }
    found
}

/// The places of nodes among some, ascending.
pub(crate) fn places_of(nodes: &[usize], pairs: &[[u32; 2]]) -> [Vec<i32>; 2] {
    let places: HashMap<usize, i32> = (0..).zip(nodes).map(|(i, &node)| (node, i)).collect();
    [0, 1].map(|end| {
        let places = pairs.iter().map(|pair| places[&(pair[end] as usize)]);
        places.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_baselines::Matrix;

    fn ring(nodes: u32) -> Graph {
        let pairs: Vec<(u32, u32)> = (0..nodes).map(|i| (i, (i + 1) % nodes)).collect();
        Graph::new(nodes as usize, &pairs, None, false).0
    }

    #[test]
    fn as_many_pairs_are_no_edge_and_none_of_them_is_one() {
        for (nodes, most, expected) in [
            (100, 1000, 100),
            (100, 30, 30),
            (6, 1000, 6),
            (5, 99, 5),
            (4, 99, 2),
        ] {
            let graph = ring(nodes);
            let drawn = DrawnPairs::draw(&graph, most, Seed(3));
            assert_eq!(drawn, DrawnPairs::draw(&graph, most, Seed(3)));
            let joined = drawn.joined.iter().filter(|joined| **joined).count();
            assert_eq!((joined, drawn.pairs.len()), (expected, 2 * expected));
            for (&[a, b], &joined) in drawn.pairs.iter().zip(&drawn.joined) {
                assert!(a < b);
                assert_eq!(graph.edges().contains(&(a, b)), joined);
                assert!(!drawn.others.contains(&(a, b)));
            }
            let mut once = drawn.pairs.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), drawn.pairs.len());
            assert_eq!(drawn.others.len() + expected, graph.edges().len());
        }
        // A graph with every edge has no pair that is none.
        let (whole, _) = Graph::new(3, &[(0, 1), (1, 2), (0, 2)], None, false);
        assert!(DrawnPairs::draw(&whole, 10, Seed(0)).pairs.is_empty());
    }

    #[test]
    fn a_model_sees_the_edges_that_it_learned_from_in_its_own_graph_alone() {
        let features = NodeFeatures {
            table: Matrix::new(6, vec![], vec![]).unwrap(),
            apart: None,
        };
        let ids: Vec<String> = (0..6).map(|node| node.to_string()).collect();
        let (background, _) = Graph::new(6, &[(0, 1)], None, false);
        let mut graph = GraphUnits::whole(background, features, ids);
        graph.origin = ring(6).fingerprint();
        let units = PairUnits::new(graph, vec![[1, 2], [2, 3], [0, 3]]);
        let own = units.seen(&[[1, 2]], units.graph.origin);
        assert_eq!(own.graph.edges(), [(0, 1), (1, 2)]);
        assert_eq!(units.seen(&[[1, 2]], 1).graph.edges(), [(0, 1)]);
        assert_eq!(units.at(&[2, 0]).nodes(), [[0, 3], [1, 2]]);
        assert_eq!(units.nodes_at(&[1, 0]), [1, 2, 3]);
        // Each node its own signature, the same whatever the others are.
        let apart = units.graph.features.apart.as_ref().unwrap();
        let row = |node| apart.row(node).map(|(_, v)| v).collect::<Vec<_>>();
        assert_eq!(apart.width(), SIGNATURE);
        assert_ne!(row(0), row(1));
        let other = signatures(&["5".to_owned()]);
        assert_eq!(other.row(0).map(|(_, v)| v).collect::<Vec<_>>(), row(5));
    }
}
