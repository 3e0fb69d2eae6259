//! What turns the windows of all series into an embedding of each: one paper a file. All take `[series, windows, history, channels]`.

mod dcrnn;
mod dlinear;
mod edges;
mod graph_wavenet;
mod gru;
mod mpnn_lstm;
mod patches;
mod stgcn;
mod stid;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::{Gate, gated};
use candor_nn::{Linear, LinearConfig};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub use dcrnn::Dcrnn;
pub use dlinear::Dlinear;
pub use edges::{LearnedEdges, MovingEdges, Senders};
pub use graph_wavenet::GraphWavenet;
pub use gru::NodeGru;
pub use mpnn_lstm::MpnnLstm;
pub(crate) use patches::LONG;
pub use patches::Patches;
pub use stgcn::Stgcn;
pub use stid::Stid;

/// What a body is made for.
pub struct Shape<'a> {
    /// Series.
    pub nodes: usize,
    /// Moments.
    pub history: usize,
    /// Numbers a moment.
    pub channels: usize,
    /// Width of a layer.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Share of values dropped.
    pub dropout: f64,
    /// Who sends to whom.
    pub senders: &'a Senders,
    /// Whether edges are learned, too.
    pub learned_edges: bool,
}

pub(crate) fn linear(
    input: usize,
    output: usize,
    stream: &mut ChaCha8Rng,
    device: &Device,
) -> Linear {
    LinearConfig { input, output }.init(stream, device)
}

/// An affine map of the last axis.
pub(crate) fn map(linear: &Linear, x: Tensor<4>) -> Tensor<4> {
    let [a, b, c, width] = x.dims();
    let y = linear.forward(x.reshape([a, b * c, width]));
    let [_, _, output] = y.dims();
    y.reshape([a, b, c, output])
}

/// The first half of the last axis, gated by the second.
pub(crate) fn gated_halves(both: Tensor<4>, gate: Gate) -> Tensor<4> {
    gated(both, gate).unwrap_or_else(|e| unreachable!("the map made both halves: {e}"))
}

/// A parameter drawn uniformly from `[-bound, bound]`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    stream: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let draw = |_| (stream.random::<f32>() * 2.0 - 1.0) * bound;
    let values: Vec<f32> = (0..count).map(draw).collect();
    Param::from_data(TensorData::new(values, shape), device)
}
