use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::{gru, lstm};
use candor_nn::{Pass, dropout};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::fits;
use crate::design::SequenceDesign;
use crate::prepare::SequenceBatch;

/// Which cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// [`candor_kernels::lstm`].
    Lstm,
    /// [`candor_kernels::gru`].
    Gru,
}

impl CellKind {
    fn gates(self) -> usize {
        match self {
            CellKind::Lstm => 4,
            CellKind::Gru => 3,
        }
    }
}

/// Layers of recurrent cells.
///
/// # Reference
/// Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); Cho et al., "Learning phrase representations using RNN
/// encoder-decoder", EMNLP 2014.
#[derive(Module, Debug)]
pub struct Recurrent {
    layers: Vec<RecurrentLayer>,
    #[module(skip)]
    cell: CellKind,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct RecurrentLayer {
    input_weights: Param<Tensor<2>>,
    hidden_weights: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl RecurrentLayer {
    /// Weights uniform in ±1/√hidden; the forget gate of a long short-term memory begins open, with a bias of 1.
    fn new(
        cell: CellKind,
        inputs: usize,
        hidden: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> RecurrentLayer {
        let bound = 1.0 / (hidden.max(1) as f32).sqrt();
        let mut uniform = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|_| (stream.random::<f32>() * 2.0 - 1.0) * bound)
                .collect()
        };
        let gates = cell.gates() * hidden;
        let input = uniform(inputs * gates);
        let state = uniform(hidden * gates);
        // Four parts in both cells: a gated recurrent unit has two biases for its candidate.
        let mut bias = uniform(4 * hidden);
        if cell == CellKind::Lstm {
            bias[hidden..2 * hidden].fill(1.0);
        }
        RecurrentLayer {
            input_weights: Param::from_data(TensorData::new(input, [inputs, gates]), device),
            hidden_weights: Param::from_data(TensorData::new(state, [hidden, gates]), device),
            bias: Param::from_data(TensorData::new(bias, [4 * hidden]), device),
        }
    }
}

impl Recurrent {
    pub(crate) fn new(
        cell: CellKind,
        design: &SequenceDesign,
        channels: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Recurrent {
        let of = |layer: usize| if layer == 0 { channels } else { design.width };
        Recurrent {
            layers: (0..design.depth)
                .map(|layer| RecurrentLayer::new(cell, of(layer), design.width, stream, device))
                .collect(),
            cell,
            dropout: design.dropout,
        }
    }

    /// `[units, width, moments]`, zeros where a series has ended; what is seen at a moment rests on it and those before.
    pub(crate) fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Tensor<3> {
        let mut x = batch.values.clone().swap_dims(1, 2);
        for (number, layer) in self.layers.iter().enumerate() {
            if number > 0 {
                x = dropout(x, self.dropout, pass);
            }
            let weights = [&layer.input_weights, &layer.hidden_weights].map(Param::val);
            let ([input, hidden], bias) = (weights, layer.bias.val());
            let lengths = Some(batch.lengths.as_slice());
            x = fits(match self.cell {
                CellKind::Lstm => lstm(x, input, hidden, bias, lengths),
                CellKind::Gru => gru(x, input, hidden, bias, lengths),
            });
        }
        x.swap_dims(1, 2)
    }
}
