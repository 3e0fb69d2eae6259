//! Networks for graphs, one file a paper.

mod affine;
mod appnp;
mod gatv2;
mod gcn;
mod gcnii;
mod gin;
mod sage;
mod stack;

pub use affine::{Affine, dropped};
pub use appnp::personalised;
pub use gcnii::Gcnii;
pub use sage::Aggregator;
pub use stack::Stack;

use burn::tensor::Tensor;
use candor_kernels::{sparse_product, weighted_sparse_product};

use crate::Messages;

/// What each node receives: `[nodes, width]`, unchanged in shape.
pub fn propagated(messages: &Messages, x: Tensor<2>) -> Tensor<2> {
    let sums = match &messages.weights {
        Some(weights) => weighted_sparse_product(&messages.matrix, weights, x),
        None => sparse_product(&messages.matrix, x),
    };
    sums.unwrap_or_else(|e| unreachable!("a row for each node, and finite weights: {e}"))
}
