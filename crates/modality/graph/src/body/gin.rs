use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use rand_chacha::ChaCha8Rng;

use super::affine::{Affine, project, uniform};
use super::propagated;
use crate::Messages;
use crate::prepare::Input;

/// `MLP((1 + ε) x + sum of neighbours)`, with two layers and a learned ε. Where the paper normalises over batches, the stack around
/// it may normalise over features.
///
/// # Reference
/// Xu, Hu, Leskovec & Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019, equation 4.1.
#[derive(Module, Debug)]
pub struct GinLayer {
    first: Affine,
    second: Affine,
    epsilon: Param<Tensor<1>>,
}

impl GinLayer {
    /// Draws the weights; ε begins at zero.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> GinLayer {
        GinLayer {
            first: Affine::new([inputs, outputs], true, stream, device),
            second: Affine::new([outputs, outputs], true, stream, device),
            epsilon: uniform([1], 0.0, stream, device),
        }
    }

    /// `[nodes, inputs]` to `[nodes, outputs]`.
    pub fn forward(&self, x: &Input, messages: &Messages) -> Tensor<2> {
        // The sum is linear: it is taken of the narrower product.
        let sums = summed(
            project(x, self.first.weight()),
            self.epsilon.val(),
            messages,
        );
        self.second
            .forward(&Input::Dense(relu(self.first.with_bias(sums))))
    }

    /// Weights that decay.
    pub fn weights(&self) -> Vec<Tensor<2>> {
        vec![self.first.weight(), self.second.weight()]
    }
}

/// `(1 + ε) h + sum of neighbours`; for the last layer, whose weights are the head's, with ε = 0.
pub fn last(h: Tensor<2>, messages: &Messages) -> Tensor<2> {
    propagated(messages, h.clone()) + h
}

fn summed(h: Tensor<2>, epsilon: Tensor<1>, messages: &Messages) -> Tensor<2> {
    let own = h.clone() * (epsilon + 1.0).unsqueeze();
    propagated(messages, h) + own
}
