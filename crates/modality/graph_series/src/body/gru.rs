use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{gru, relu};
use candor_nn::{Linear, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::{Senders, Shape, linear, uniform};

/// A gated recurrent unit over the window of each series, the same for all, then steps over the edges.
///
/// # Reference
/// Cho et al. 2014 in time; Li et al., ICLR 2018, equation 2 over edges.
#[derive(Module, Debug)]
pub struct NodeGru {
    input: Param<Tensor<2>>,
    hidden: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    mixes: Vec<Linear>,
    #[module(skip)]
    senders: Senders,
    #[module(skip)]
    dropout: f64,
}

impl NodeGru {
    /// Draws the weights.
    pub fn new(shape: &Shape, stream: &mut ChaCha8Rng, device: &Device) -> NodeGru {
        let width = shape.width;
        let bound = 1.0 / (width as f32).sqrt();
        let mixed = width * (1 + shape.senders.count());
        let layers = if shape.senders.count() > 0 {
            shape.layers
        } else {
            0
        };
        NodeGru {
            input: uniform([shape.channels, 3 * width], bound, stream, device),
            hidden: uniform([width, 3 * width], bound, stream, device),
            bias: uniform([4 * width], bound, stream, device),
            mixes: (0..layers)
                .map(|_| linear(mixed, width, stream, device))
                .collect(),
            senders: shape.senders.clone(),
            dropout: shape.dropout,
        }
    }

    /// `[series, windows, history, channels]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<3> {
        let [series, windows, history, channels] = x.dims();
        let x = x.reshape([series * windows, history, channels]);
        let states = gru(
            x,
            self.input.val(),
            self.hidden.val(),
            self.bias.val(),
            None,
        )
        .unwrap_or_else(|e| unreachable!("shapes are those of the design: {e}"));
        let [_, _, width] = states.dims();
        let mut h: Tensor<4> = states
            .narrow(1, history - 1, 1)
            .reshape([series, windows, 1, width]);
        for mix in &self.mixes {
            let mut parts = vec![h.clone()];
            parts.extend(self.senders.sent(&h, 1));
            let sent = relu(super::map(mix, Tensor::cat(parts, 3)));
            h = h + dropout(sent, self.dropout, pass);
        }
        h.reshape([series, windows, width])
    }
}
