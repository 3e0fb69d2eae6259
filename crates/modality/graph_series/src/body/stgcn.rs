use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Gate, relu};
use candor_nn::{LayerNorm, LayerNormConfig, Linear, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::{Senders, Shape, gated_halves, linear, map};

/// Moments of a convolution.
const MOMENTS: usize = 3;

/// Blocks of gated convolution in time, convolution over edges, and gated convolution in time again.
///
/// # Reference
/// Yu, Yin & Zhu, "Spatio-Temporal Graph Convolutional Networks", IJCAI 2018, section 3; over edges a step of a walk, as its first-order
/// approximation.
#[derive(Module, Debug)]
pub struct Stgcn {
    blocks: Vec<Block>,
    last: Linear,
    #[module(skip)]
    senders: Senders,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct Block {
    before: Linear,
    mix: Linear,
    after: Linear,
    norm: LayerNorm,
}

impl Stgcn {
    /// As many blocks as the window has room for, at most the design's layers.
    pub fn new(shape: &Shape, stream: &mut ChaCha8Rng, device: &Device) -> Stgcn {
        let width = shape.width;
        let each = 2 * (MOMENTS - 1);
        let blocks = shape.layers.min((shape.history - 1) / each);
        let mixed = width * (1 + shape.senders.count());
        let block = |place: usize| {
            let input = if place == 0 { shape.channels } else { width };
            Block {
                before: linear(MOMENTS * input, 2 * width, stream, device),
                mix: linear(mixed, width, stream, device),
                after: linear(MOMENTS * width, 2 * width, stream, device),
                norm: LayerNormConfig { width }.init(device),
            }
        };
        let made: Vec<Block> = (0..blocks).map(block).collect();
        let left =
            (shape.history - blocks * each) * if blocks == 0 { shape.channels } else { width };
        Stgcn {
            blocks: made,
            last: linear(left, width, stream, device),
            senders: shape.senders.clone(),
            dropout: shape.dropout,
        }
    }

    /// The edges it sees.
    pub fn senders(&mut self) -> &mut Senders {
        &mut self.senders
    }

    /// `[series, windows, history, channels]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<3> {
        let mut h = x;
        for block in &self.blocks {
            h = gated(&block.before, h);
            let mut parts = vec![h.clone()];
            parts.extend(self.senders.sent(&h, 1));
            h = relu(map(&block.mix, Tensor::cat(parts, 3)) + h);
            h = gated(&block.after, h);
            let [series, windows, moments, width] = h.dims();
            let normed = block
                .norm
                .forward(h.reshape([series, windows * moments, width]));
            h = dropout(
                normed.reshape([series, windows, moments, width]),
                self.dropout,
                pass,
            );
        }
        let [series, windows, moments, width] = h.dims();
        relu(
            self.last
                .forward(h.reshape([series, windows, moments * width])),
        )
    }
}

/// A convolution over moments, of which one half is the gate of the other.
fn gated(linear: &Linear, h: Tensor<4>) -> Tensor<4> {
    let moments = h.dims()[2] + 1 - MOMENTS;
    let shifted = (0..MOMENTS)
        .map(|shift| h.clone().narrow(2, shift, moments))
        .collect();
    gated_halves(map(linear, Tensor::cat(shifted, 3)), Gate::Linear)
}
