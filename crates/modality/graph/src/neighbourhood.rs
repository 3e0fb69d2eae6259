use std::sync::Arc;

use candor_kernels::Csr;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{Messages, Rule};

/// Some nodes with those that send to them, and so on outwards: as much of a graph as their predictions rest on, or a sample of it.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    /// The nodes, those that were asked for first.
    pub nodes: Vec<u32>,
    /// Where each node that was asked for stands in `nodes`.
    pub asked: Vec<u32>,
    /// What they send to each other. What the outermost ones receive is not all there: it counts for nobody who was asked for.
    pub messages: Messages,
}

/// How senders are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Senders of a node at most, itself not counted.
    pub senders: usize,
    /// Share of edges that are dropped first.
    pub dropped: f64,
    /// Nodes from which on no more are looked for.
    pub most_nodes: usize,
}

/// Nodes of a neighbourhood that is being made.
struct Found {
    nodes: Vec<u32>,
    /// Of each node of the graph; `NOWHERE` if it is not in.
    place: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Found {
    fn place_of(&mut self, node: u32) -> u32 {
        let place = &mut self.place[node as usize];
        if *place == NOWHERE {
            *place = self.nodes.len() as u32;
            self.nodes.push(node);
        }
        *place
    }
}

impl Neighbourhood {
    /// All senders, as many steps outwards as the network looks: what it says of `asked` is then what it says in the whole graph. `None` if
    /// there would be more than `most_nodes`.
    pub fn whole(
        messages: &Messages,
        asked: &[u32],
        steps: usize,
        most_nodes: usize,
    ) -> Option<Neighbourhood> {
        let mut made = Making::new(messages, asked);
        for _ in 0..steps {
            for row in made.ring() {
                made.receive_all(messages, row);
                if made.found.nodes.len() > most_nodes {
                    return None;
                }
            }
        }
        (made.found.nodes.len() <= most_nodes).then(|| made.close(messages))
    }

    /// A few senders of each node, drawn without replacement and made to count for all: what a node receives is right on average.
    ///
    /// # Reference
    /// Hamilton, Ying & Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017, algorithm 2. There each layer has its
    /// own sample; here all layers share one, as the nodes of each step outwards are those of one layer.
    pub fn sampled(
        messages: &Messages,
        rule: Rule,
        asked: &[u32],
        steps: usize,
        sampling: Sampling,
        stream: &mut ChaCha8Rng,
    ) -> Neighbourhood {
        let mut made = Making::new(messages, asked);
        // Attention shares out what there is; the others are sums, of which a part stands for the whole.
        made.scaled = rule != Rule::Learned;
        for _ in 0..steps {
            for row in made.ring() {
                if made.found.nodes.len() >= sampling.most_nodes {
                    return made.close(messages);
                }
                made.receive_some(messages, row, sampling, stream);
            }
        }
        made.close(messages)
    }
}

struct Making {
    found: Found,
    asked: Vec<u32>,
    starts: Vec<usize>,
    indices: Vec<u32>,
    weights: Vec<f32>,
    /// Whether what is received has weights, although the whole graph's has none.
    scaled: bool,
    /// Entries of a row, to draw from.
    drawn: Vec<usize>,
}

impl Making {
    fn new(messages: &Messages, asked: &[u32]) -> Making {
        let mut found = Found {
            nodes: Vec::with_capacity(asked.len()),
            place: vec![NOWHERE; messages.matrix.rows()],
        };
        Making {
            asked: asked.iter().map(|&node| found.place_of(node)).collect(),
            found,
            starts: vec![0],
            indices: Vec::new(),
            weights: Vec::new(),
            scaled: messages.weights.is_some(),
            drawn: Vec::new(),
        }
    }

    /// The places of the nodes that have received nothing yet.
    fn ring(&self) -> std::ops::Range<usize> {
        self.starts.len() - 1..self.found.nodes.len()
    }

    fn push(&mut self, messages: &Messages, entry: usize, scale: f32) {
        let sender = messages.matrix.indices()[entry];
        let place = self.found.place_of(sender);
        self.indices.push(place);
        if self.scaled {
            let weight = messages.weights.as_ref().map_or(1.0, |w| w[entry]);
            self.weights.push(weight * scale);
        }
    }

    fn receive_all(&mut self, messages: &Messages, row: usize) {
        for entry in messages.matrix.row(self.found.nodes[row] as usize) {
            self.push(messages, entry, 1.0);
        }
        self.starts.push(self.indices.len());
    }

    fn receive_some(
        &mut self,
        messages: &Messages,
        row: usize,
        sampling: Sampling,
        stream: &mut ChaCha8Rng,
    ) {
        let node = self.found.nodes[row];
        let senders = messages.matrix.indices();
        let entries = messages.matrix.row(node as usize);
        let mut drawn = std::mem::take(&mut self.drawn);
        drawn.clear();
        let others = entries.clone().filter(|&entry| senders[entry] != node);
        drawn.extend(others);
        let all = drawn.len();
        if sampling.dropped > 0.0 {
            drawn.retain(|_| !stream.random_bool(sampling.dropped));
        }
        if drawn.len() > sampling.senders {
            // The first places of a shuffle.
            for place in 0..sampling.senders {
                let other = stream.random_range(place..drawn.len());
                drawn.swap(place, other);
            }
            drawn.truncate(sampling.senders);
        }
        let scale = all as f32 / drawn.len().max(1) as f32;
        drawn.iter().for_each(|&e| self.push(messages, e, scale));
        self.drawn = drawn;
        self.receive_own(messages, row);
    }

    /// What a node sends to itself, and the end of its row.
    fn receive_own(&mut self, messages: &Messages, row: usize) {
        let node = self.found.nodes[row];
        let entries = messages.matrix.row(node as usize);
        let own = entries.filter(|&entry| messages.matrix.indices()[entry] == node);
        own.for_each(|entry| self.push(messages, entry, 1.0));
        self.starts.push(self.indices.len());
    }

    fn close(mut self, messages: &Messages) -> Neighbourhood {
        for row in self.ring() {
            self.receive_own(messages, row);
        }
        let matrix = Csr::new(self.found.nodes.len(), self.starts, self.indices)
            .unwrap_or_else(|e| unreachable!("rows are made in order, of places: {e}"));
        Neighbourhood {
            nodes: self.found.nodes,
            asked: self.asked,
            messages: Messages {
                matrix,
                weights: self.scaled.then(|| Arc::from(self.weights)),
                mask: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use candor_core::Seed;

    /// Row by row, `(sender, weight)`, by the numbers of the whole graph.
    fn rows(made: &Neighbourhood) -> Vec<Vec<(u32, f32)>> {
        let matrix = &made.messages.matrix;
        let entry = |e: usize| {
            let weight = made.messages.weights.as_ref().map_or(1.0, |w| w[e]);
            (made.nodes[matrix.indices()[e] as usize], weight)
        };
        let row = |row: usize| {
            let mut entries: Vec<_> = matrix.row(row).map(entry).collect();
            entries.sort_by_key(|(sender, _)| *sender);
            entries
        };
        (0..matrix.rows()).map(row).collect()
    }

    #[test]
    fn a_path_is_followed_as_many_steps_as_asked() {
        let pairs: Vec<(u32, u32)> = (0..9).map(|i| (i, i + 1)).collect();
        let (path, _) = Graph::new(10, &pairs, None, false);
        let messages = Messages::new(&path, Rule::Mean);
        let made = Neighbourhood::whole(&messages, &[4, 0, 4], 1, 10).unwrap();
        assert_eq!(made.nodes, [4, 0, 3, 5, 1]);
        assert_eq!(made.asked, [0, 1, 0]);
        let expected = [vec![(3, 0.5), (5, 0.5)], vec![(1, 1.0)]];
        assert_eq!(rows(&made)[..2], expected);
        assert_eq!(rows(&made)[2..], [vec![], vec![], vec![]]);
        assert_eq!(
            Neighbourhood::whole(&messages, &[4], 2, 10).unwrap().nodes,
            [4, 3, 5, 2, 6]
        );
        assert!(Neighbourhood::whole(&messages, &[4], 2, 4).is_none());
        // Loops stay with the outermost.
        let looped = Messages::new(&path, Rule::Learned);
        let made = Neighbourhood::whole(&looped, &[0], 1, 10).unwrap();
        assert_eq!(rows(&made), [vec![(0, 1.0), (1, 1.0)], vec![(1, 1.0)]]);
    }

    #[test]
    fn a_sample_counts_for_all_senders() {
        let pairs: Vec<(u32, u32)> = (1..41).map(|i| (0, i)).collect();
        let (star, _) = Graph::new(41, &pairs, None, false);
        let stream = &mut Seed(3).stream("sample", &[]);
        let sampling = Sampling {
            senders: 8,
            dropped: 0.0,
            most_nodes: 100,
        };
        for rule in [Rule::Sum, Rule::Mean, Rule::Symmetric] {
            let messages = Messages::new(&star, rule);
            let mut times = [0; 41];
            for _ in 0..200 {
                let made = Neighbourhood::sampled(&messages, rule, &[0], 1, sampling, stream);
                let row = &rows(&made)[0];
                let others: Vec<_> = row.iter().filter(|(sender, _)| *sender != 0).collect();
                assert_eq!(others.len(), 8);
                let whole = rows(&Neighbourhood::whole(&messages, &[0], 1, 100).unwrap());
                let sum = |row: &[(u32, f32)]| row.iter().map(|(_, w)| w).sum::<f32>();
                // All leaves weigh the same here.
                assert!((sum(row) - sum(&whole[0])).abs() < 1e-4, "{rule:?}");
                others
                    .iter()
                    .for_each(|(sender, _)| times[*sender as usize] += 1);
            }
            // Each of 40 leaves 40 times of 200 on average, with a standard deviation of 6.
            assert!(
                times[1..].iter().all(|t| (12..=68).contains(t)),
                "{times:?}"
            );
        }
        // Fewer senders than may be drawn: the whole, in its order.
        let messages = Messages::new(&star, Rule::Learned);
        let many = Sampling {
            senders: 50,
            ..sampling
        };
        let made = Neighbourhood::sampled(&messages, Rule::Learned, &[7], 2, many, stream);
        assert_eq!(made.nodes.len(), 41);
        assert!(made.messages.weights.is_none());
        // The bound on nodes ends the search.
        let few = Sampling {
            most_nodes: 2,
            ..many
        };
        let made = Neighbourhood::sampled(&messages, Rule::Learned, &[7], 2, few, stream);
        assert_eq!(made.nodes, [7, 0]);
    }
}
