use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::graph_convolution;
use rand_chacha::ChaCha8Rng;

use super::affine::{Affine, project};
use super::propagated;
use crate::Messages;
use crate::prepare::Input;

/// `Â x W + b`: what neighbours and the node itself send, weighed by their degrees.
///
/// # Reference
/// Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017, equation 2.
#[derive(Module, Debug)]
pub struct GcnLayer {
    affine: Affine,
}

impl GcnLayer {
    /// Draws the weights.
    pub fn new(shape: [usize; 2], stream: &mut ChaCha8Rng, device: &Device) -> GcnLayer {
        GcnLayer {
            affine: Affine::new(shape, true, stream, device),
        }
    }

    /// `[nodes, inputs]` to `[nodes, outputs]`.
    pub fn forward(&self, x: &Input, messages: &Messages) -> Tensor<2> {
        let weight = self.affine.weight();
        let y = match x {
            Input::Dense(x) if messages.mask.is_none() => {
                let (matrix, weights) = (&messages.matrix, messages.weights.as_ref());
                let y = graph_convolution(matrix, weights, x.clone(), weight, None, false);
                y.unwrap_or_else(|e| unreachable!("shapes are those of the design: {e}"))
            }
            _ => propagated(messages, project(x, weight)),
        };
        self.affine.with_bias(y)
    }

    /// Weights that decay.
    pub fn weights(&self) -> Vec<Tensor<2>> {
        vec![self.affine.weight()]
    }
}

/// `Â h`, for the last layer, whose weights are the head's.
pub fn last(h: Tensor<2>, messages: &Messages) -> Tensor<2> {
    propagated(messages, h)
}
