use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Csr, relu, weighted_sparse_product};
use rand_chacha::ChaCha8Rng;

use super::uniform;
use crate::SensorGraph;

/// Who sends to whom over given edges: a walk along them, and one against them where they lead one way.
#[derive(Debug, Clone, Default)]
pub struct Senders(Vec<(Csr, Arc<[f32]>)>);

impl Senders {
    /// Shares of senders sum to 1 (Li et al., ICLR 2018, section 2.2).
    ///
    /// # Errors
    /// When the graph is damaged.
    pub fn of(graph: Option<&SensorGraph>) -> Result<Senders, String> {
        let ways = |graph: &SensorGraph| if graph.is_symmetric() { 1 } else { 2 };
        match graph {
            Some(graph) => Senders::walking(graph, ways(graph)),
            None => Ok(Senders::default()),
        }
    }

    /// The same over other edges: as many walks.
    ///
    /// # Errors
    /// When the graph is damaged.
    pub fn over(&self, graph: &SensorGraph) -> Result<Senders, String> {
        Senders::walking(graph, self.count())
    }

    fn walking(graph: &SensorGraph, ways: usize) -> Result<Senders, String> {
        graph.check()?;
        let walk = |backward: bool| {
            let entries = graph.shares(backward);
            let mut starts = vec![0usize; graph.nodes + 1];
            entries
                .iter()
                .for_each(|(row, _, _)| starts[*row as usize + 1] += 1);
            for row in 0..graph.nodes {
                starts[row + 1] += starts[row];
            }
            let columns = entries.iter().map(|(_, column, _)| *column).collect();
            let shares: Vec<f32> = entries.iter().map(|(_, _, share)| *share).collect();
            let matrix = Csr::new(graph.nodes, starts, columns).map_err(|e| e.to_string())?;
            Ok::<_, String>((matrix, Arc::from(shares)))
        };
        let walks = [false, true].into_iter().take(ways).map(walk);
        Ok(Senders(walks.collect::<Result<_, _>>()?))
    }

    /// Walks.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What each walk brings to each node after one to `steps` steps: `count * steps` tensors shaped as `h`, `[series, ...]`.
    pub fn sent(&self, h: &Tensor<4>, steps: usize) -> Vec<Tensor<4>> {
        let dims = h.dims();
        let flat = [dims[0], dims[1] * dims[2] * dims[3]];
        let mut sent = Vec::new();
        for (matrix, shares) in &self.0 {
            let mut x: Tensor<2> = h.clone().reshape(flat);
            for _ in 0..steps {
                x = weighted_sparse_product(matrix, shares, x)
                    .unwrap_or_else(|e| unreachable!("the graph has a node a series: {e}"));
                sent.push(x.clone().reshape(dims));
            }
        }
        sent
    }
}

/// Who sends to whom in each moment of some windows: a row and a column a window, moment and node, in that order of nesting.
#[derive(Debug, Clone)]
pub struct MovingEdges {
    /// A row's senders.
    pub matrix: Csr,
    /// What part of all that is sent to a row comes by each entry; those of a row sum to 1.
    pub shares: Arc<[f32]>,
}

impl MovingEdges {
    /// From the shares of each window and moment, one after another: `(receiver, sender, share)`, ascending.
    ///
    /// # Errors
    /// When a node is outside.
    pub fn of(nodes: usize, graphs: &[&[(u32, u32, f32)]]) -> Result<MovingEdges, String> {
        let mut starts = vec![0usize; graphs.len() * nodes + 1];
        let (mut columns, mut shares) = (Vec::new(), Vec::new());
        for (place, graph) in graphs.iter().enumerate() {
            let first = place * nodes;
            for (receiver, sender, share) in *graph {
                starts[first + *receiver as usize + 1] += 1;
                columns.push(first as u32 + sender);
                shares.push(*share);
            }
        }
        for row in 1..starts.len() {
            starts[row] += starts[row - 1];
        }
        let matrix = Csr::new(graphs.len() * nodes, starts, columns).map_err(|e| e.to_string())?;
        Ok(MovingEdges {
            matrix,
            shares: Arc::from(shares),
        })
    }
}

/// Edges that are learned: `softmax(relu(E₁ E₂ᵀ))`, a share of each sender for each node.
///
/// # Reference
/// Wu et al., "Graph WaveNet for Deep Spatial-Temporal Graph Modeling", IJCAI 2019, equation 5.
#[derive(Module, Debug)]
pub struct LearnedEdges {
    receivers: Param<Tensor<2>>,
    senders: Param<Tensor<2>>,
}

/// Numbers by which a node is known.
const WIDTH: usize = 10;

impl LearnedEdges {
    /// Draws what nodes are known by.
    pub fn new(nodes: usize, stream: &mut ChaCha8Rng, device: &Device) -> LearnedEdges {
        LearnedEdges {
            receivers: uniform([nodes, WIDTH], 1.0, stream, device),
            senders: uniform([WIDTH, nodes], 1.0, stream, device),
        }
    }

    /// `[series, series]`: each row sums to 1.
    pub fn shares(&self) -> Tensor<2> {
        softmax(relu(self.receivers.val().matmul(self.senders.val())), 1)
    }

    /// What comes to each node: shaped as `h`, `[series, ...]`.
    pub fn sent(shares: &Tensor<2>, h: &Tensor<4>) -> Tensor<4> {
        let dims = h.dims();
        let flat = h.clone().reshape([dims[0], dims[1] * dims[2] * dims[3]]);
        shares.clone().matmul(flat).reshape(dims)
    }
}
