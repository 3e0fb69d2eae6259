use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use candor_kernels::Csr;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::Graph;

/// How what neighbours send is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `D^-1/2 (A + I) D^-1/2`, where `D` sums the rows of `A + I` (Kipf & Welling 2017, equation 2). A node sends to itself.
    Symmetric,
    /// The same without the nodes themselves, `D^-1/2 A D^-1/2` (Zhou et al. 2004).
    SymmetricNeighbours,
    /// The mean over neighbours, by the weights of edges.
    Mean,
    /// The sum over neighbours, by the weights of edges.
    Sum,
    /// Whatever a network learns; a node sends to itself.
    Learned,
}

/// Who sends to whom, and with what weight: row `i` lists what node `i` receives.
#[derive(Debug, Clone)]
pub struct Messages {
    /// The senders of each node.
    pub matrix: Csr,
    /// A number for each entry; all one if there are none.
    pub weights: Option<Arc<[f32]>>,
    /// `[entries, 1]`: what each entry is multiplied by beside that, with a gradient; the maximum over neighbours does not look at it.
    pub mask: Option<Tensor<2>>,
}

/// What a message of receiver, sender and weight counts.
type Scale = Box<dyn Fn((u32, u32, f32)) -> f32>;

impl Messages {
    /// The messages over the edges of a graph.
    pub fn new(graph: &Graph, rule: Rule) -> Messages {
        let nodes = graph.nodes();
        let looped = matches!(rule, Rule::Symmetric | Rule::Learned);
        let loops = if looped { nodes as u32 } else { 0 };
        let entries = || {
            let own = (0..loops).map(|node| (node, node, 1.0));
            graph.messages().chain(own)
        };
        let mut starts = vec![0usize; nodes + 1];
        let mut received = vec![0f32; nodes];
        for (to, _, weight) in entries() {
            starts[to as usize + 1] += 1;
            received[to as usize] += weight;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let scaled: Option<Scale> = match rule {
            Rule::Symmetric | Rule::SymmetricNeighbours => {
                let root: Vec<f32> = received
                    .iter()
                    // What receives nothing has no say.
                    .map(|&sum| if sum > 0.0 { 1.0 / sum.sqrt() } else { 0.0 })
                    .collect();
                Some(Box::new(move |(to, from, w)| {
                    root[to as usize] * w * root[from as usize]
                }))
            }
            Rule::Mean => Some(Box::new(move |(to, _, w)| w / received[to as usize])),
            Rule::Sum if graph.weights().is_some() => Some(Box::new(|(_, _, w)| w)),
            Rule::Sum | Rule::Learned => None,
        };
        // Row by row at once, without a list of pairs: graphs are large.
        let mut next = starts.clone();
        let mut senders = vec![0u32; starts[nodes]];
        let mut weights = vec![0f32; if scaled.is_some() { starts[nodes] } else { 0 }];
        for entry in entries() {
            let (to, from, _) = entry;
            let place = &mut next[to as usize];
            senders[*place] = from;
            if let Some(scaled) = &scaled {
                weights[*place] = scaled(entry);
            }
            *place += 1;
        }
        let matrix = Csr::new(nodes, starts, senders)
            .unwrap_or_else(|e| unreachable!("edges lie between nodes: {e}"));
        Messages {
            matrix,
            weights: scaled.is_some().then(|| weights.into()),
            mask: None,
        }
    }

    /// Some of many graphs beside each other, each the nodes of a range that no edge leaves; in training without a share of their edges, what is
    /// left counting for all.
    pub(crate) fn of_graphs(
        &self,
        graphs: &[Range<usize>],
        rule: Rule,
        mut dropping: Option<(f64, &mut ChaCha8Rng)>,
    ) -> Messages {
        let (mut starts, mut senders, mut weights) = (vec![0], Vec::new(), Vec::new());
        let scaled = self.weights.is_some() || (dropping.is_some() && rule != Rule::Learned);
        let mut first = 0;
        for nodes in graphs {
            for node in nodes.clone() {
                let (begin, mut others) = (senders.len(), 0);
                for entry in self.matrix.row(node) {
                    let sender = self.matrix.indices()[entry];
                    if sender as usize != node {
                        others += 1;
                        let dropped = dropping.as_mut();
                        if dropped.is_some_and(|(rate, stream)| stream.random_bool(*rate)) {
                            continue;
                        }
                    }
                    senders.push((first + sender as usize - nodes.start) as u32);
                    if scaled {
                        weights.push(self.weights.as_ref().map_or(1.0, |w| w[entry]));
                    }
                }
                let place = (first + node - nodes.start) as u32;
                let left = senders[begin..].iter().filter(|s| **s != place).count();
                if scaled && left < others && left > 0 {
                    let scale = others as f32 / left as f32;
                    let kept = senders[begin..].iter().zip(&mut weights[begin..]);
                    kept.filter(|(sender, _)| **sender != place)
                        .for_each(|(_, weight)| *weight *= scale);
                }
                starts.push(senders.len());
            }
            first += nodes.len();
        }
        let matrix = Csr::new(first, starts, senders)
            .unwrap_or_else(|e| unreachable!("no edge leaves a graph: {e}"));
        Messages {
            matrix,
            weights: scaled.then(|| weights.into()),
            mask: None,
        }
    }

    /// `[entries, 1]`: the mask times the weights; `None` without a mask.
    pub fn masked_weights(&self) -> Option<Tensor<2>> {
        let mask = self.mask.clone()?;
        Some(match &self.weights {
            Some(weights) => {
                let data = TensorData::new(weights.to_vec(), [weights.len(), 1]);
                mask.clone() * Tensor::from_data(data, &mask.device())
            }
            None => mask,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row by row, `(sender, weight)`.
    fn rows(messages: &Messages) -> Vec<Vec<(u32, f32)>> {
        let row = |row: usize| {
            let mut entries: Vec<(u32, f32)> = messages
                .matrix
                .row(row)
                .map(|e| {
                    let weight = messages.weights.as_ref().map_or(1.0, |w| w[e]);
                    (messages.matrix.indices()[e], weight)
                })
                .collect();
            entries.sort_by_key(|(sender, _)| *sender);
            entries
        };
        (0..messages.matrix.rows()).map(row).collect()
    }

    #[test]
    fn a_path_of_three_worked_by_hand() {
        let (path, _) = Graph::new(3, &[(0, 1), (1, 2)], None, false);
        let symmetric = rows(&Messages::new(&path, Rule::Symmetric));
        let six = 1.0 / 6f32.sqrt();
        let expected = [
            vec![(0, 0.5), (1, six)],
            vec![(0, six), (1, 1.0 / 3.0), (2, six)],
            vec![(1, six), (2, 0.5)],
        ];
        for (row, expected) in symmetric.iter().zip(&expected) {
            for (got, expected) in row.iter().zip(expected) {
                assert_eq!(got.0, expected.0);
                assert!((got.1 - expected.1).abs() < 1e-6, "{got:?} {expected:?}");
            }
        }
        let mean = rows(&Messages::new(&path, Rule::Mean));
        assert_eq!(mean[1], [(0, 0.5), (2, 0.5)]);
        assert_eq!(
            rows(&Messages::new(&path, Rule::Sum))[1],
            [(0, 1.0), (2, 1.0)]
        );
        let learned = rows(&Messages::new(&path, Rule::Learned));
        assert_eq!(learned[0], [(0, 1.0), (1, 1.0)]);
    }

    #[test]
    fn graphs_beside_each_other_keep_their_edges_and_may_stand_twice() {
        let (two, _) = Graph::new(5, &[(0, 1), (2, 3), (3, 4)], None, false);
        let all = Messages::new(&two, Rule::Symmetric);
        let beside = all.of_graphs(&[2..5, 0..2, 2..5], Rule::Symmetric, None);
        let (whole, part) = (rows(&all), rows(&beside));
        assert_eq!(part.len(), 8);
        let moved = |row: &[(u32, f32)], from: u32, to: u32| {
            let moved = row.iter().map(|&(sender, w)| (sender - from + to, w));
            moved.collect::<Vec<_>>()
        };
        for place in 0..3 {
            assert_eq!(part[place], moved(&whole[2 + place], 2, 0));
            assert_eq!(part[5 + place], moved(&whole[2 + place], 2, 5));
        }
        assert_eq!(part[4], moved(&whole[1], 0, 3));
        // What is left of dropped edges counts for all.
        let pairs: Vec<(u32, u32)> = (1..41).map(|leaf| (0, leaf)).collect();
        let (star, _) = Graph::new(41, &pairs, None, false);
        let stream = &mut candor_core::Seed(1).stream("dropped", &[]);
        let all = Messages::new(&star, Rule::Sum);
        let left = all.of_graphs(
            std::slice::from_ref(&(0..41)),
            Rule::Sum,
            Some((0.5, stream)),
        );
        let centre = &rows(&left)[0];
        assert!((8..=32).contains(&centre.len()), "{}", centre.len());
        let sum: f32 = centre.iter().map(|(_, weight)| weight).sum();
        assert!((sum - 40.0).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn weights_and_directions_count() {
        let pairs = [(0, 2), (1, 2)];
        let (graph, _) = Graph::new(3, &pairs, Some(&[1.0, 3.0]), true);
        let mean = rows(&Messages::new(&graph, Rule::Mean));
        assert_eq!(mean, [vec![], vec![], vec![(0, 0.25), (1, 0.75)]]);
        assert_eq!(
            rows(&Messages::new(&graph, Rule::Sum))[2],
            [(0, 1.0), (1, 3.0)]
        );
        // Nothing comes to 0 and 1, so that they have no say here.
        let none = rows(&Messages::new(&graph, Rule::SymmetricNeighbours));
        assert_eq!(none[2], [(0, 0.0), (1, 0.0)]);
    }
}
