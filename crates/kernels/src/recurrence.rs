//! What recurrent layers have in common.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::Tensor;
use burn::tensor::TensorData;
use rayon::prelude::*;

use crate::KernelError;
use crate::array::{Array, View, pieces_of, unwritten};
use crate::error::equal;
use crate::extension::{Kernel, is_cpu, run};
use crate::lanes::add_scaled;
use crate::matrix_product::{Matrix, multiply};
use crate::tiles::{Left, Panels, Rows, add_transposed_products};

/// What one recurrent layer does differently from another.
pub(crate) trait Cell: Debug + Send + Sync + 'static {
    const NAME: &'static str;
    /// Columns of the weights, in multiples of the hidden width.
    const GATES: usize;

    /// What is kept of some sequences for the backward pass.
    type Block: Debug + Send;

    /// Takes a block of sequences, from `first` on, through all steps; sets `states`, `[sequences, steps, hidden]`, which hold
    /// zeros beyond a sequence's length and nothing before.
    fn forward(
        sizes: Sizes,
        inputs: &[View],
        weights: &[Panels; 2],
        lengths: &[usize],
        first: usize,
        states: &mut [f32],
    ) -> Self::Block;

    /// The gradients of the gates before activation.
    fn backward(
        sizes: Sizes,
        block: Self::Block,
        hidden_weights: &Panels,
        states: &[f32],
        gradient: &[f32],
        lengths: &[usize],
    ) -> OfGates;

    /// The same made of Burn's own operations.
    fn portable(
        x: Tensor<3>,
        input_weights: Tensor<2>,
        hidden_weights: Tensor<2>,
        bias: Tensor<1>,
        lengths: &[usize],
    ) -> Tensor<3>;
}

/// The gradients of a block's gates before activation, `[sequences, steps, gates]`.
pub(crate) struct OfGates {
    /// As they go to `x W`.
    pub input: Vec<f32>,
    /// As they go to `h U`, where that differs.
    pub hidden: Option<Vec<f32>>,
    /// Their sums over all steps, `[4 hidden]`: the gradient of the bias.
    pub bias: Vec<f32>,
}

/// Runs a layer over whole sequences.
pub(crate) fn apply<C: Cell>(
    x: Tensor<3>,
    input_weights: Tensor<2>,
    hidden_weights: Tensor<2>,
    bias: Tensor<1>,
    lengths: Option<&[usize]>,
) -> Result<Tensor<3>, KernelError> {
    let lengths = check::<C>(&x, &input_weights, &hidden_weights, &bias, lengths)?;
    if !is_cpu(&x.device()) {
        let (w, u) = (input_weights, hidden_weights);
        return Ok(C::portable(x, w, u, bias, &lengths));
    }
    let kernel = Recurrence::<C> {
        lengths,
        kept: Mutex::new(Vec::new()),
    };
    let inputs = vec![
        x.into_dispatch(),
        input_weights.into_dispatch(),
        hidden_weights.into_dispatch(),
        bias.into_dispatch(),
    ];
    Ok(run(inputs, kernel))
}

/// Step by step from zeros: `next` gives `h` from a step's input and the `h` before.
pub(crate) fn unrolled(
    x: Tensor<3>,
    hidden: usize,
    lengths: &[usize],
    mut next: impl FnMut(Tensor<2>, Tensor<2>) -> Tensor<2>,
) -> Tensor<3> {
    let device = x.device();
    let [batch, steps, inputs] = x.dims();
    let mut h: Tensor<2> = Tensor::zeros([batch, hidden], &device);
    let mut all = Vec::with_capacity(steps);
    for step in 0..steps {
        let x: Tensor<2> = x.clone().narrow(1, step, 1).reshape([batch, inputs]);
        let valid: Vec<f32> = lengths
            .iter()
            .map(|&l| f32::from(u8::from(step < l)))
            .collect();
        let valid = Tensor::from_data(TensorData::new(valid, [batch, 1]), &device);
        h = next(x, h) * valid;
        all.push(h.clone().unsqueeze_dim::<3>(1));
    }
    if all.is_empty() {
        return Tensor::zeros([batch, 0, hidden], &device);
    }
    Tensor::cat(all, 1)
}

/// Sequences that one thread takes through all steps. Fixed, so that results do not depend on the number of threads.
const SEQUENCES: usize = 16;

/// Compares the shapes of a layer's tensors; gives the length of each sequence.
fn check<C: Cell>(
    x: &Tensor<3>,
    input_weights: &Tensor<2>,
    hidden_weights: &Tensor<2>,
    bias: &Tensor<1>,
    lengths: Option<&[usize]>,
) -> Result<Vec<usize>, KernelError> {
    let (name, gates) = (C::NAME, C::GATES);
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
    fn of(inputs: &[View]) -> Sizes {
        let x = inputs[0].shape;
        Sizes {
            sequences: x[0],
            steps: x[1],
            inputs: x[2],
            hidden: inputs[2].shape[0],
        }
    }

    /// Sets what belongs to steps beyond a sequence's length to zero.
    pub fn clear_beyond(&self, lengths: &[usize], values: &mut [f32]) {
        let of_sequence = values.len() / self.sequences.max(1);
        let of_step = of_sequence / self.steps.max(1);
        for (values, length) in values.chunks_exact_mut(of_sequence.max(1)).zip(lengths) {
            values[length * of_step..].fill(0.0);
        }
    }

    /// The sizes of one block, and its sequences.
    fn block(self, number: usize) -> (Sizes, Range<usize>) {
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
struct OfWeights {
    input_weights: Vec<f32>,
    hidden_weights: Vec<f32>,
    bias: Vec<f32>,
}

/// From the gradients of the gates before activation, as they go to `x W` and to `h U`, those of everything before them; the rows
/// of `of_x` are filled.
fn of_weights(
    sizes: Sizes,
    inputs: &[View],
    x: &[f32],
    states: &[f32],
    of_gates: OfGates,
    of_x: &mut [f32],
    wanted: &[bool],
) -> OfWeights {
    let of_input = of_gates.input.as_slice();
    let rows = sizes.sequences * sizes.steps;
    let columns = of_input.len() / rows.max(1);
    if wanted[0] {
        let of_gates = Matrix::new(of_input, rows, columns);
        multiply(of_x, of_gates, inputs[1].matrix().transposed(), false);
    }
    let mut input_weights = vec![0.0; if wanted[1] { sizes.inputs * columns } else { 0 }];
    let mut hidden_weights = vec![0.0; if wanted[2] { sizes.hidden * columns } else { 0 }];
    let x = Left {
        values: x,
        width: sizes.inputs,
        before: None,
    };
    let states = Left {
        values: states,
        width: sizes.hidden,
        before: Some(sizes.steps),
    };
    let mut of_input_weights = wanted[1].then_some((input_weights.as_mut_slice(), x));
    let mut of_hidden_weights = wanted[2].then_some((hidden_weights.as_mut_slice(), states));
    match &of_gates.hidden {
        None => {
            let products = of_input_weights.into_iter().chain(of_hidden_weights);
            add_transposed_products(&mut products.collect::<Vec<_>>(), of_input, columns);
        }
        Some(of_hidden) => {
            add_transposed_products(of_input_weights.as_mut_slice(), of_input, columns);
            add_transposed_products(of_hidden_weights.as_mut_slice(), of_hidden, columns);
        }
    }
    OfWeights {
        input_weights,
        hidden_weights,
        bias: of_gates.bias,
    }
}

/// Inputs: `x`, input weights, hidden weights, bias.
#[derive(Debug)]
struct Recurrence<C: Cell> {
    lengths: Vec<usize>,
    /// Until the backward pass.
    kept: Mutex<Vec<C::Block>>,
}

impl<C: Cell> Recurrence<C> {
    fn kept(&self) -> MutexGuard<'_, Vec<C::Block>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Cell> Kernel for Recurrence<C> {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let sizes = Sizes::of(inputs);
        #[expect(
            unsafe_code,
            reason = "steps within a sequence's length are computed below, those beyond it are cleared here"
        )]
        let mut output = unsafe { Array::unwritten(&[sizes.sequences, sizes.steps, sizes.hidden]) };
        if output.values.is_empty() {
            return output;
        }
        sizes.clear_beyond(&self.lengths, &mut output.values);
        let weights = [1, 2].map(|i| Panels::new(inputs[i].matrix()));
        let blocks: Vec<C::Block> = output
            .values
            .par_chunks_mut(SEQUENCES * sizes.steps * sizes.hidden)
            .enumerate()
            .map(|(number, states)| {
                let (sizes, range) = sizes.block(number);
                let lengths = &self.lengths[range.clone()];
                C::forward(sizes, inputs, &weights, lengths, range.start, states)
            })
            .collect();
        if keep {
            *self.kept() = blocks;
        }
        output
    }

    fn backward(
        &self,
        inputs: &[View],
        output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let sizes = Sizes::of(inputs);
        let blocks = std::mem::take(&mut *self.kept());
        let hidden_weights = Panels::new(inputs[2].matrix().transposed());
        let mut found: Vec<Array> = inputs
            .iter()
            .zip(wanted)
            .map(|(input, &wanted)| Array::when(wanted, || Array::zeros(input.shape)))
            .collect();
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
            .map(|(number, ((range, of_x), block))| {
                let sizes = sizes.block(number).0;
                let rows = range.start * sizes.steps..range.end * sizes.steps;
                let (states, gradient) = (output.rows(rows.clone()), gradient.rows(rows.clone()));
                let lengths = &self.lengths[range];
                let of_gates =
                    C::backward(sizes, block, &hidden_weights, states, gradient, lengths);
                let x = inputs[0].rows(rows);
                of_weights(sizes, inputs, x, states, of_gates, of_x, wanted)
            })
            .collect();
        // In the order of the blocks.
        for sum in sums {
            let sums = [&sum.input_weights, &sum.hidden_weights, &sum.bias];
            let wanted = found[1..].iter_mut().zip(sums).zip(&wanted[1..]);
            for ((found, sum), _) in wanted.filter(|(_, wanted)| **wanted) {
                add_scaled(&mut found.values, sum, 1.0);
            }
        }
        found
    }
}
