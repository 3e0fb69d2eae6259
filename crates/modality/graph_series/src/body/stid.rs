use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Linear, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::{Shape, linear};

/// The whole window as one input, and layers whose input is added to what they make. What node and what time it is, which the paper embeds, all
/// networks here are told by their context.
///
/// # Reference
/// Shao et al., "Spatial-Temporal Identity: A Simple yet Effective Baseline for Multivariate Time Series Forecasting", CIKM 2022.
#[derive(Module, Debug)]
pub struct Stid {
    first: Linear,
    blocks: Vec<Block>,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct Block {
    inner: Linear,
    outer: Linear,
}

impl Stid {
    /// Draws the weights; `told`: numbers that are told beside the window.
    pub fn new(shape: &Shape, told: usize, stream: &mut ChaCha8Rng, device: &Device) -> Stid {
        let width = shape.width;
        let mut square = || linear(width, width, stream, device);
        let block = |_| Block {
            inner: square(),
            outer: square(),
        };
        let blocks = (0..shape.layers).map(block).collect();
        Stid {
            blocks,
            first: linear(shape.history * shape.channels + told, width, stream, device),
            dropout: shape.dropout,
        }
    }

    /// `[series, windows, history, channels]` beside `[series, windows, told]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>, told: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let [series, windows, history, channels] = x.dims();
        let x = x.reshape([series, windows, history * channels]);
        let mut h = self.first.forward(Tensor::cat(vec![x, told], 2));
        for block in &self.blocks {
            let inner = dropout(relu(block.inner.forward(h.clone())), self.dropout, pass);
            h = h + block.outer.forward(inner);
        }
        h
    }
}
