//! What recurrent layers have in common.

use std::ops::Range;

use burn::Tensor;
use rayon::prelude::*;

use crate::KernelError;
use crate::array::{Array, View, pieces_of, unwritten};
use crate::error::equal;
use crate::lanes::add_scaled;
use crate::matrix_product::{Matrix, multiply};
use crate::tiles::{Panels, Rows, transposed_product};

/// Sequences that one thread takes through all steps. Fixed, so that results do not depend on the number of threads.
pub(crate) const SEQUENCES: usize = 16;

/// Compares the shapes of a layer's tensors; gives the length of each sequence.
pub(crate) fn check(
    name: &'static str,
    gates: usize,
    x: &Tensor<3>,
    input_weights: &Tensor<2>,
    hidden_weights: &Tensor<2>,
    bias: &Tensor<1>,
    lengths: Option<&[usize]>,
) -> Result<Vec<usize>, KernelError> {
    let [batch, steps, inputs] = x.dims();
    let [hidden, columns] = hidden_weights.dims();
    let [rows, input_columns] = input_weights.dims();
    equal(
        name,
        "columns of the hidden weights",
        gates * hidden,
        columns,
    )?;
    equal(name, "rows of the input weights", inputs, rows)?;
    equal(
        name,
        "columns of the input weights",
        gates * hidden,
        input_columns,
    )?;
    // A gated recurrent unit has a fourth part; see there.
    equal(name, "length of the bias", 4 * hidden, bias.dims()[0])?;
    let Some(lengths) = lengths else {
        return Ok(vec![steps; batch]);
    };
    equal(name, "number of lengths", batch, lengths.len())?;
    match lengths.iter().position(|&length| length > steps) {
        None => Ok(lengths.to_vec()),
        Some(place) => Err(KernelError::Index {
            operation: name,
            place,
            index: lengths[place] as u64,
            bound: steps + 1,
        }),
    }
}

/// The sizes of a batch, or of a block of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub sequences: usize,
    pub steps: usize,
    pub inputs: usize,
    pub hidden: usize,
}

impl Sizes {
    /// Of `x` `[batch, steps, inputs]`, input weights, and hidden weights `[hidden, ...]`.
    pub fn of(inputs: &[View]) -> Sizes {
        let x = inputs[0].shape;
        Sizes {
            sequences: x[0],
            steps: x[1],
            inputs: x[2],
            hidden: inputs[2].shape[0],
        }
    }

    /// The sizes of one block, and its sequences.
    pub fn block(self, number: usize) -> (Sizes, Range<usize>) {
        let first = number * SEQUENCES;
        let range = first..(first + SEQUENCES).min(self.sequences);
        let sizes = Sizes {
            sequences: range.len(),
            ..self
        };
        (sizes, range)
    }
}

/// `x W` for the sequences of a block from `first` on: `[sequences, steps, columns]`.
pub(crate) fn project(
    sizes: Sizes,
    x: View,
    first: usize,
    weights: &Panels,
    columns: usize,
) -> Vec<f32> {
    let count = sizes.sequences * sizes.steps;
    let first = first * sizes.steps;
    #[expect(unsafe_code, reason = "the product sets every row and column")]
    let mut sums = unsafe { unwritten(count * columns) };
    let out = Rows {
        values: sums.as_mut_slice(),
        count,
        stride: columns,
    };
    let x = Rows {
        values: x.rows(first..first + count),
        count,
        stride: sizes.inputs,
    };
    weights.multiply(out, x, false);
    sums
}

/// Gradients of weights and bias that one block contributes; empty where they are not wanted.
pub(crate) struct OfWeights {
    input_weights: Vec<f32>,
    hidden_weights: Vec<f32>,
    bias: Vec<f32>,
}

/// From the gradients of the gates before activation, as they go to `x W` and to `h U`, those of everything before them; the rows
/// of `of_x` are filled.
pub(crate) fn of_weights(
    sizes: Sizes,
    inputs: &[View],
    x: &[f32],
    states: &[f32],
    (of_input, of_hidden): (&[f32], &[f32]),
    of_x: &mut [f32],
    wanted: &[bool],
) -> OfWeights {
    let rows = sizes.sequences * sizes.steps;
    let columns = of_input.len() / rows.max(1);
    let of_gates = Matrix::new(of_input, rows, columns);
    if wanted[0] {
        multiply(of_x, of_gates, inputs[1].matrix().transposed(), false);
    }
    let product = |wanted: bool, a: &[f32], width: usize, of_gates: &[f32]| {
        if wanted {
            transposed_product(a, width, of_gates, columns)
        } else {
            Vec::new()
        }
    };
    let input_weights = product(wanted[1], x, sizes.inputs, of_input);
    let mut before = vec![0.0; if wanted[2] { states.len() } else { 0 }];
    let length = sizes.steps * sizes.hidden;
    for (before, states) in before
        .chunks_exact_mut(length)
        .zip(states.chunks_exact(length))
    {
        before[sizes.hidden..].copy_from_slice(&states[..length - sizes.hidden]);
    }
    let hidden_weights = product(wanted[2], &before, sizes.hidden, of_hidden);
    let mut bias = vec![0.0; if wanted[3] { 4 * sizes.hidden } else { 0 }];
    if wanted[3] {
        for row in of_input.chunks_exact(columns) {
            add_scaled(&mut bias[..columns], row, 1.0);
        }
        // Where the last gate has a bias on either side: that on the side of `h`.
        if columns < bias.len() {
            for row in of_hidden.chunks_exact(columns) {
                add_scaled(&mut bias[columns..], &row[columns - sizes.hidden..], 1.0);
            }
        }
    }
    OfWeights {
        input_weights,
        hidden_weights,
        bias,
    }
}

/// Runs a block's backward pass for each block, and adds up what they give, in their order.
pub(crate) fn gather<T: Sync>(
    inputs: &[View],
    wanted: &[bool],
    blocks: &[T],
    backward: impl Fn(usize, &T, &mut [f32]) -> OfWeights + Sync,
) -> Vec<Array> {
    let mut found: Vec<Array> = inputs
        .iter()
        .zip(wanted)
        .map(|(input, &wanted)| Array::when(wanted, || Array::zeros(input.shape)))
        .collect();
    let sizes = Sizes::of(inputs);
    let ranges = (0..blocks.len()).map(|number| sizes.block(number).1);
    let parts = pieces_of(ranges, &mut found[0].values, |range| {
        if wanted[0] {
            range.len() * sizes.steps * sizes.inputs
        } else {
            0
        }
    });
    let sums: Vec<OfWeights> = parts
        .into_par_iter()
        .zip(blocks)
        .enumerate()
        .map(|(number, ((_, of_x), block))| backward(number, block, of_x))
        .collect();
    for sum in sums {
        let sums = [&sum.input_weights, &sum.hidden_weights, &sum.bias];
        for (found, sum) in found[1..].iter_mut().zip(sums) {
            add_scaled(&mut found.values, sum, 1.0);
        }
    }
    found
}
