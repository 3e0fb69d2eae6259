//! What the edges around two nodes tell of whether they are joined.

use std::cmp::Ordering;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Graph, Preparation, Rows};

/// What each pair of nodes is described by, in order. Counts are told as the logarithm of one more.
pub const PAIR_NUMBERS: [&str; 7] = [
    "common_neighbours",
    "adamic_adar",
    "resource_allocation",
    "preferential_attachment",
    "jaccard",
    "paths_of_three",
    "similarity",
];

/// What a model needs to know of the pairs that it learns from: fitted on them alone, and saved with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairPreparation {
    /// How nodes become the input of a network.
    pub nodes: Preparation,
    /// Mean and standard deviation of each of [`PAIR_NUMBERS`].
    pub numbers: Vec<(f32, f32)>,
}

/// Scaled numbers are cut here, so that a wild one cannot drown a pair.
const CUT: f32 = 10.0;

impl PairPreparation {
    /// Fits on the rows of `numbers`.
    pub(crate) fn fit(nodes: Preparation, numbers: &[f32]) -> PairPreparation {
        let width = PAIR_NUMBERS.len();
        let count = (numbers.len() / width).max(1) as f64;
        let scale = |place: usize| {
            let column = || {
                numbers
                    .iter()
                    .skip(place)
                    .step_by(width)
                    .map(|&v| f64::from(v))
            };
            let mean = column().sum::<f64>() / count;
            let sd = (column().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
            // What never changes has no scale.
            (mean as f32, if sd > 1e-6 { sd as f32 } else { 1.0 })
        };
        PairPreparation {
            nodes,
            numbers: (0..width).map(scale).collect(),
        }
    }

    /// Brings rows of numbers to mean 0 and standard deviation 1.
    pub(crate) fn scale(&self, numbers: &mut [f32]) {
        for row in numbers.chunks_exact_mut(self.numbers.len().max(1)) {
            for (value, (mean, sd)) in row.iter_mut().zip(&self.numbers) {
                *value = ((*value - mean) / sd).clamp(-CUT, CUT);
            }
        }
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        self.nodes.check()?;
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.numbers.len() != PAIR_NUMBERS.len() || self.numbers.iter().any(damaged) {
            return Err("scaling of the numbers of pairs is damaged".into());
        }
        Ok(())
    }
}

/// The neighbours of each node, ascending, whichever way edges lead.
pub(crate) struct Neighbours {
    starts: Vec<usize>,
    nodes: Vec<u32>,
}

impl Neighbours {
    pub fn new(graph: &Graph) -> Neighbours {
        let ways = graph.edges().iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
        let mut ways: Vec<(u32, u32)> = ways.collect();
        ways.sort_unstable();
        ways.dedup();
        let mut starts = vec![0; graph.nodes() + 1];
        for &(from, _) in &ways {
            starts[from as usize + 1] += 1;
        }
        for node in 0..graph.nodes() {
            starts[node + 1] += starts[node];
        }
        Neighbours {
            starts,
            nodes: ways.into_iter().map(|(_, to)| to).collect(),
        }
    }

    fn of(&self, node: u32) -> &[u32] {
        &self.nodes[self.starts[node as usize]..self.starts[node as usize + 1]]
    }

    /// Whether two nodes are joined.
    pub fn joined(&self, [a, b]: [u32; 2]) -> bool {
        self.of(a).binary_search(&b).is_ok()
    }

    fn degree(&self, node: u32) -> usize {
        self.of(node).len()
    }
}

/// Calls `found` with what stands in both ascending lists.
fn both(a: &[u32], b: &[u32], mut found: impl FnMut(u32)) {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if 16 * few.len() < many.len() {
        few.iter()
            .filter(|node| many.binary_search(node).is_ok())
            .for_each(|node| found(*node));
        return;
    }
    let (mut from, mut to) = (0, 0);
    while let (Some(x), Some(y)) = (few.get(from), many.get(to)) {
        match x.cmp(y) {
            Ordering::Less => from += 1,
            Ordering::Greater => to += 1,
            Ordering::Equal => {
                found(*x);
                (from, to) = (from + 1, to + 1);
            }
        }
    }
}

/// `[pairs, PAIR_NUMBERS]`. The edge between the two nodes of a pair, if it is there, is not counted: the numbers are those of the graph without it.
///
/// - Common neighbours, and their share of all neighbours (Jaccard).
/// - The sum over common neighbours of one over the logarithm of their number of edges (Adamic & Adar, "Friends and Neighbors on the Web",
///   2003), and of one over that number (Zhou, Lü & Zhang, "Predicting Missing Links via Local Information", 2009, equation 8).
/// - The product of the numbers of edges (Barabási & Albert 1999; Liben-Nowell & Kleinberg, 2003, section 3.1).
/// - Paths of three edges (Kovács et al., "Network-based Prediction of Protein Interactions", 2019; here without weights).
/// - The cosine of what the nodes themselves are described by.
pub(crate) fn pair_numbers(around: &Neighbours, rows: &Rows, pairs: &[[u32; 2]]) -> Vec<f32> {
    let numbers = pairs.par_iter().map(|&pair| of_pair(around, rows, pair));
    let numbers: Vec<[f32; PAIR_NUMBERS.len()]> = numbers.collect();
    numbers.concat()
}

fn of_pair(around: &Neighbours, rows: &Rows, [a, b]: [u32; 2]) -> [f32; PAIR_NUMBERS.len()] {
    let own = usize::from(around.joined([a, b]));
    let (of_a, of_b) = (around.of(a), around.of(b));
    let (degree_a, degree_b) = (of_a.len() - own, of_b.len() - own);
    let (mut common, mut adamic_adar, mut allocation) = (0usize, 0.0, 0.0);
    both(of_a, of_b, |node| {
        // It is joined to both.
        let degree = around.degree(node) as f64;
        common += 1;
        adamic_adar += 1.0 / degree.ln();
        allocation += 1.0 / degree;
    });
    let union = degree_a + degree_b - common;
    let (few, other, end) = if degree_a <= degree_b {
        (of_a, of_b, [a, b])
    } else {
        (of_b, of_a, [b, a])
    };
    let mut paths = 0usize;
    for &step in few.iter().filter(|node| **node != end[1]) {
        both(around.of(step), other, |node| {
            paths += usize::from(node != end[0]);
        });
    }
    let log = |count: f64| count.ln_1p() as f32;
    [
        log(common as f64),
        log(adamic_adar),
        log(allocation),
        log(degree_a as f64 * degree_b as f64),
        common as f32 / union.max(1) as f32,
        log(paths as f64),
        rows.similarity(a as usize, b as usize),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GraphUnits, NodeFeatures, Preparation, SparseFeatures};
    use candor_baselines::Matrix;
    use candor_train::TargetScale;

    #[test]
    fn a_square_with_a_tail_worked_by_hand_with_the_edge_and_without_it() {
        // 0 - 1 - 2 - 3 - 0, and 3 - 4.
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)];
        let cells = vec![(0, 0, 1.0), (0, 1, 1.0), (2, 1, 1.0), (4, 5, 2.0)];
        let features = NodeFeatures {
            table: Matrix::new(5, vec![], vec![]).unwrap(),
            apart: Some(SparseFeatures::new(5, 40, cells)),
        };
        let ids = (0..5).map(|node| node.to_string()).collect();
        let (graph, _) = Graph::new(5, &edges, None, false);
        let units = GraphUnits::whole(graph, features, ids);
        let fitted = Preparation::fit(&units.features, &[0, 1], TargetScale::default(), false);
        let rows = fitted.apply(&units);
        let around = Neighbours::new(&units.graph);
        let numbers = pair_numbers(&around, &rows, &[[0, 2], [0, 3], [4, 1]]);
        let ln = |x: f64| x.ln() as f32;
        let root = 0.5f32.sqrt();
        let expected = [
            // Common: 1 with two edges, 3 with three. Degrees 2 and 2, no path of three.
            [
                ln(3.0),
                ln(1.0 + 1.0 / 2f64.ln() + 1.0 / 3f64.ln()),
                ln(1.0 + 5.0 / 6.0),
                ln(5.0),
                1.0,
                0.0,
                root,
            ],
            // Without their own edge: 0 has one, 3 has two; the path 0 - 1 - 2 - 3.
            [0.0, 0.0, 0.0, ln(3.0), 0.0, ln(2.0), 0.0],
            // Degrees 1 and 2; two paths of three, over 3 - 0 and 3 - 2.
            [0.0, 0.0, 0.0, ln(3.0), 0.0, ln(3.0), 0.0],
        ];
        for (found, expected) in numbers.iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-6, "{numbers:?}");
        }
    }
}
