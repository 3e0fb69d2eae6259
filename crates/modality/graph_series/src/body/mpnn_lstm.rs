use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{lstm, relu, weighted_sparse_product};
use candor_nn::{LayerNorm, LayerNormConfig, Linear, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::{MovingEdges, Senders, Shape, linear, uniform};

/// Message passing over the edges of each moment, then a long short-term memory over the moments: for edges that change with time, as people between
/// regions. Where edges stay, they are the same at all moments.
///
/// Of each moment the memory sees the readings and what each layer of message passing makes of them. Where the paper normalises batches, nodes are normalised by
/// themselves, so that no window influences another.
///
/// # Reference
/// Panagopoulos, Nikolentzos & Vazirgiannis, "Transfer Graph Neural Networks for Pandemic Forecasting", AAAI 2021, equations 1 and 2 and
/// section "MPNN+LSTM".
#[derive(Module, Debug)]
pub struct MpnnLstm {
    layers: Vec<Layer>,
    memories: Vec<Memory>,
    #[module(skip)]
    senders: Senders,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct Layer {
    mix: Linear,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Memory {
    input: Param<Tensor<2>>,
    hidden: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// Layers of the memory, as in the paper.
const MEMORIES: usize = 2;

impl MpnnLstm {
    /// Draws the weights.
    pub fn new(shape: &Shape, stream: &mut ChaCha8Rng, device: &Device) -> MpnnLstm {
        let (width, layers) = (shape.width, shape.layers);
        let layer = |place: usize| {
            let input = if place == 0 { shape.channels } else { width };
            (input, width)
        };
        let layers: Vec<Layer> = (0..layers)
            .map(layer)
            .map(|(input, width)| Layer {
                mix: linear(2 * input, width, stream, device),
                norm: LayerNormConfig { width }.init(device),
            })
            .collect();
        let seen = shape.channels + layers.len() * width;
        let bound = 1.0 / (width as f32).sqrt();
        let memory = |place: usize| {
            let input = if place == 0 { seen } else { width };
            Memory {
                input: uniform([input, 4 * width], bound, stream, device),
                hidden: uniform([width, 4 * width], bound, stream, device),
                bias: uniform([4 * width], bound, stream, device),
            }
        };
        MpnnLstm {
            layers,
            memories: (0..MEMORIES).map(memory).collect(),
            senders: shape.senders.clone(),
            dropout: shape.dropout,
        }
    }

    /// `[series, windows, history, channels]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>, edges: Option<&MovingEdges>, pass: &mut Pass) -> Tensor<3> {
        let [series, windows, history, channels] = x.dims();
        // A row a window, moment and node: the graphs of a batch are one graph without edges between them.
        let rows = windows * history * series;
        let mut h: Tensor<2> = x.clone().permute([1, 2, 0, 3]).reshape([rows, channels]);
        let mut seen = vec![h.clone()];
        for layer in &self.layers {
            let sent = match edges {
                Some(MovingEdges { matrix, shares }) => {
                    weighted_sparse_product(matrix, shares, h.clone())
                        .unwrap_or_else(|e| unreachable!("a row a window, moment and node: {e}"))
                }
                None => self.always(h.clone(), [windows * history, series]),
            };
            let mixed = layer.mix.forward(Tensor::cat(vec![h, sent], 1).unsqueeze());
            let normed = layer.norm.forward(relu(mixed));
            let [_, _, width] = normed.dims();
            h = dropout(normed, self.dropout, pass).reshape([rows, width]);
            seen.push(h.clone());
        }
        let seen = Tensor::cat(seen, 1);
        let [_, width] = seen.dims();
        let mut states: Tensor<3> = seen
            .reshape([windows, history, series, width])
            .permute([2, 0, 1, 3])
            .reshape([series * windows, history, width]);
        for memory in &self.memories {
            let Memory {
                input,
                hidden,
                bias,
            } = memory;
            states = lstm(states, input.val(), hidden.val(), bias.val(), None)
                .unwrap_or_else(|e| unreachable!("shapes are those of the design: {e}"));
        }
        let [_, _, width] = states.dims();
        states
            .narrow(1, history - 1, 1)
            .reshape([series, windows, width])
    }

    /// What comes over edges that stay: of rows a moment and node.
    fn always(&self, h: Tensor<2>, [moments, series]: [usize; 2]) -> Tensor<2> {
        let [rows, width] = h.dims();
        let by_node: Tensor<4> = h
            .reshape([moments, series, width])
            .swap_dims(0, 1)
            .reshape([series, moments, 1, width]);
        // Only those that send: what a node sends to comes by the other walk.
        match self.senders.sent(&by_node, 1).into_iter().next() {
            Some(sent) => sent
                .reshape([series, moments, width])
                .swap_dims(0, 1)
                .reshape([rows, width]),
            None => Tensor::zeros([rows, width], &by_node.device()),
        }
    }
}
