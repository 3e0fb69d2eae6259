use burn::module::Module;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Tensor};
use candor_nn::Linear;
use rand_chacha::ChaCha8Rng;

use super::{Senders, Shape, linear, map};

/// Steps of a walk.
const STEPS: usize = 2;

/// A gated recurrent unit whose products are diffusion convolutions: gates look at the node and at what walks along the edges, and against them,
/// bring to it. The paper's decoder is left out: all horizons are told at once from the last state.
///
/// # Reference
/// Li et al., "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic Forecasting", ICLR 2018, equations 2 and 4.
#[derive(Module, Debug)]
pub struct Dcrnn {
    gates: Linear,
    candidate: Linear,
    #[module(skip)]
    senders: Senders,
    #[module(skip)]
    width: usize,
}

impl Dcrnn {
    /// Draws the weights.
    pub fn new(shape: &Shape, stream: &mut ChaCha8Rng, device: &Device) -> Dcrnn {
        let input = (shape.channels + shape.width) * (1 + STEPS * shape.senders.count());
        Dcrnn {
            gates: linear(input, 2 * shape.width, stream, device),
            candidate: linear(input, shape.width, stream, device),
            senders: shape.senders.clone(),
            width: shape.width,
        }
    }

    /// The edges it sees.
    pub fn senders(&mut self) -> &mut Senders {
        &mut self.senders
    }

    /// `[series, windows, history, channels]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let [series, windows, history, _] = x.dims();
        let width = self.width;
        let mut h: Tensor<4> = Tensor::zeros([series, windows, 1, width], &x.device());
        let spread = |now: Tensor<4>| {
            let mut parts = vec![now.clone()];
            parts.extend(self.senders.sent(&now, STEPS));
            Tensor::cat(parts, 3)
        };
        for moment in 0..history {
            let now = x.clone().narrow(2, moment, 1);
            let gates = sigmoid(map(
                &self.gates,
                spread(Tensor::cat(vec![now.clone(), h.clone()], 3)),
            ));
            let (reset, update) = (
                gates.clone().narrow(3, 0, width),
                gates.narrow(3, width, width),
            );
            let recalled = Tensor::cat(vec![now, reset * h.clone()], 3);
            let candidate = tanh(map(&self.candidate, spread(recalled)));
            h = candidate.clone() + update * (h - candidate);
        }
        h.reshape([series, windows, width])
    }
}
