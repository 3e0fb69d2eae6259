use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::neighbour_max;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::affine::{Affine, project};
use super::propagated;
use crate::Messages;
use crate::prepare::Input;

/// What is made of the neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregator {
    /// Their mean.
    Mean,
    /// The greatest value of each feature.
    Max,
}

impl Aggregator {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 2] = ["mean", "max"];
}

/// `x W + aggregate(x V) + b`: a node by itself, beside the mean or the maximum of its neighbours. Results are not brought to length 1,
/// which the paper does; the maximum is of the products themselves, without a layer of its own before it.
///
/// # Reference
/// Hamilton, Ying & Leskovec, "Inductive Representation Learning on Large Graphs", NeurIPS 2017, algorithm 1 and section 3.3.
#[derive(Module, Debug)]
pub struct SageLayer {
    own: Affine,
    neighbours: Affine,
    #[module(skip)]
    aggregator: Aggregator,
}

impl SageLayer {
    /// Draws the weights.
    pub fn new(
        shape: [usize; 2],
        aggregator: Aggregator,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SageLayer {
        SageLayer {
            own: Affine::new(shape, true, stream, device),
            neighbours: Affine::new(shape, false, stream, device),
            aggregator,
        }
    }

    /// `[nodes, inputs]` to `[nodes, outputs]`.
    pub fn forward(&self, x: &Input, messages: &Messages) -> Tensor<2> {
        let sent = project(x, self.neighbours.weight());
        self.own.forward(x) + aggregated(self.aggregator, sent, messages)
    }

    /// Weights that decay.
    pub fn weights(&self) -> Vec<Tensor<2>> {
        vec![self.own.weight(), self.neighbours.weight()]
    }
}

fn aggregated(aggregator: Aggregator, sent: Tensor<2>, messages: &Messages) -> Tensor<2> {
    match aggregator {
        Aggregator::Mean => propagated(messages, sent),
        Aggregator::Max => neighbour_max(&messages.matrix, sent)
            .unwrap_or_else(|e| unreachable!("a row for each node: {e}")),
    }
}

/// `[h, aggregate(h)]`, for the last layer, whose weights are the head's.
pub fn last(h: Tensor<2>, aggregator: Aggregator, messages: &Messages) -> Tensor<2> {
    let sent = aggregated(aggregator, h.clone(), messages);
    Tensor::cat(vec![h, sent], 1)
}
