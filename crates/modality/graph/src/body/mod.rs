//! Networks for graphs, one file a paper.

mod affine;
mod appnp;
mod gatv2;
mod gcn;
mod gcnii;
mod gin;
mod graph_norm;
mod readout;
mod sage;
mod stack;

pub use affine::Affine;
pub use appnp::personalised;
pub use gcnii::Gcnii;
pub use graph_norm::Graphs;
pub use readout::Readout;
pub use sage::Aggregator;
pub use stack::Stack;

use burn::tensor::Tensor;
use candor_kernels::{attention_product, sparse_product, weighted_sparse_product};

use crate::Messages;

/// What each node receives: `[nodes, width]`, unchanged in shape.
pub fn propagated(messages: &Messages, x: Tensor<2>) -> Tensor<2> {
    let matrix = &messages.matrix;
    let sums = match (messages.masked_weights(), &messages.weights) {
        (Some(masked), _) => attention_product(matrix, masked, x),
        (None, Some(weights)) => weighted_sparse_product(matrix, weights, x),
        (None, None) => sparse_product(matrix, x),
    };
    sums.unwrap_or_else(|e| unreachable!("a row for each node, and finite weights: {e}"))
}
