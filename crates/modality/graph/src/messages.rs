use std::sync::Arc;

use candor_kernels::Csr;

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
}

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
        let scaled: Option<Box<dyn Fn((u32, u32, f32)) -> f32>> = match rule {
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
        }
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
