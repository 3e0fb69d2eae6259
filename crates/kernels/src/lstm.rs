use std::sync::OnceLock;

use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::KernelError;
use crate::array::{Array, View};
use crate::elementary::{sigmoid, tanh};
use crate::error::equal;
use crate::extension::{Kernel, is_cpu, run};
use crate::lanes::add_scaled;
use crate::matrix_product::{Matrix, multiply};

const NAME: &str = "LSTM";

/// A long short-term memory over whole sequences, with one backward pass for all steps; starts from zeros.
///
/// Per step, with gates in the order input, forget, cell, output: `a = x_t W + h_{t-1} U + b`, `c_t = sigmoid(f) c_{t-1} +
/// sigmoid(i) tanh(g)`, `h_t = sigmoid(o) tanh(c_t)`.
///
/// # Shapes
/// `x`: `[batch, steps, inputs]`; `input_weights`: `[inputs, 4 hidden]`; `hidden_weights`: `[hidden, 4 hidden]`; `bias`:
/// `[4 hidden]`; the result, `h_t` for every step: `[batch, steps, hidden]`. With `lengths`, steps from a sequence's length on are
/// not computed, and are zero.
///
/// # Errors
/// When shapes do not fit, or a length is greater than the number of steps.
///
/// # Reference
/// Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
pub fn lstm(
    x: Tensor<3>,
    input_weights: Tensor<2>,
    hidden_weights: Tensor<2>,
    bias: Tensor<1>,
    lengths: Option<&[usize]>,
) -> Result<Tensor<3>, KernelError> {
    let [batch, steps, inputs] = x.dims();
    let [hidden, gates] = hidden_weights.dims();
    equal(NAME, "columns of the hidden weights", 4 * hidden, gates)?;
    equal(
        NAME,
        "rows of the input weights",
        inputs,
        input_weights.dims()[0],
    )?;
    equal(
        NAME,
        "columns of the input weights",
        gates,
        input_weights.dims()[1],
    )?;
    equal(NAME, "length of the bias", gates, bias.dims()[0])?;
    let lengths = match lengths {
        None => vec![steps; batch],
        Some(lengths) => {
            equal(NAME, "number of lengths", batch, lengths.len())?;
            if let Some(place) = lengths.iter().position(|&length| length > steps) {
                return Err(KernelError::Index {
                    operation: NAME,
                    place,
                    index: lengths[place] as u64,
                    bound: steps + 1,
                });
            }
            lengths.to_vec()
        }
    };
    if !is_cpu(&x.device()) {
        return Ok(portable(x, input_weights, hidden_weights, bias, &lengths));
    }
    let kernel = Lstm {
        lengths,
        kept: OnceLock::new(),
    };
    let inputs = vec![
        x.into_dispatch(),
        input_weights.into_dispatch(),
        hidden_weights.into_dispatch(),
        bias.into_dispatch(),
    ];
    Ok(run(inputs, kernel))
}

/// Made of Burn's own operations, step by step.
pub(crate) fn portable(
    x: Tensor<3>,
    input_weights: Tensor<2>,
    hidden_weights: Tensor<2>,
    bias: Tensor<1>,
    lengths: &[usize],
) -> Tensor<3> {
    let device = x.device();
    let [batch, steps, inputs] = x.dims();
    let hidden = hidden_weights.dims()[0];
    let mut h: Tensor<2> = Tensor::zeros([batch, hidden], &device);
    let mut c = h.clone();
    let bias: Tensor<2> = bias.unsqueeze();
    let mut all = Vec::with_capacity(steps);
    for step in 0..steps {
        let x: Tensor<2> = x.clone().narrow(1, step, 1).reshape([batch, inputs]);
        let gates =
            x.matmul(input_weights.clone()) + h.matmul(hidden_weights.clone()) + bias.clone();
        let gate = |i: usize| gates.clone().narrow(1, i * hidden, hidden);
        let remembered = activation::sigmoid(gate(1)) * c;
        c = remembered + activation::sigmoid(gate(0)) * gate(2).tanh();
        h = activation::sigmoid(gate(3)) * c.clone().tanh();
        let valid: Vec<f32> = lengths
            .iter()
            .map(|&l| f32::from(u8::from(step < l)))
            .collect();
        let valid = burn::tensor::TensorData::new(valid, [batch, 1]);
        h = h * Tensor::from_data(valid, &device);
        all.push(h.clone().unsqueeze_dim::<3>(1));
    }
    if all.is_empty() {
        return Tensor::zeros([batch, 0, hidden], &device);
    }
    Tensor::cat(all, 1)
}

/// Sequences that one thread takes through all steps. Fixed, so that results do not depend on the number of threads.
const SEQUENCES: usize = 32;

/// Inputs: `x`, input weights, hidden weights, bias.
#[derive(Debug)]
struct Lstm {
    lengths: Vec<usize>,
    kept: OnceLock<Vec<Block>>,
}

/// What is kept of some sequences for the backward pass; time-major, so that a step is one piece.
#[derive(Debug)]
struct Block {
    /// `[steps, sequences, inputs]`.
    x: Vec<f32>,
    /// Activated gates, `[steps, sequences, 4 hidden]`.
    gates: Vec<f32>,
    /// Cells, `[steps, sequences, hidden]`.
    cells: Vec<f32>,
    /// `h`, `[steps, sequences, hidden]`.
    hidden: Vec<f32>,
}

/// The sizes of one block.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    sequences: usize,
    steps: usize,
    inputs: usize,
    hidden: usize,
}

impl Lstm {
    fn sizes(&self, inputs: &[View]) -> (usize, Sizes) {
        let [batch, steps, width] = [inputs[0].shape[0], inputs[0].shape[1], inputs[0].shape[2]];
        let sizes = Sizes {
            sequences: SEQUENCES,
            steps,
            inputs: width,
            hidden: inputs[2].shape[0],
        };
        (batch, sizes)
    }
}

impl Kernel for Lstm {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let (batch, sizes) = self.sizes(inputs);
        let hidden = sizes.hidden;
        let mut output = Array::zeros(&[batch, sizes.steps, hidden]);
        if output.values.is_empty() {
            return output;
        }
        let blocks: Vec<Block> = output
            .values
            .par_chunks_mut(SEQUENCES * sizes.steps * hidden)
            .enumerate()
            .map(|(number, output)| {
                let first = number * SEQUENCES;
                let sequences = SEQUENCES.min(batch - first);
                let sizes = Sizes { sequences, ..sizes };
                let from = first * sizes.steps * sizes.inputs;
                let x = &inputs[0].values[from..][..sequences * sizes.steps * sizes.inputs];
                let x = time_major(x, sequences, sizes.steps, sizes.inputs);
                let lengths = &self.lengths[first..first + sequences];
                let block = forward(sizes, x, inputs, lengths);
                sequence_major(&block.hidden, output, sizes);
                block
            })
            .collect();
        if keep {
            // A kernel runs forwards once.
            let _ = self.kept.set(blocks);
        }
        output
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let (batch, sizes) = self.sizes(inputs);
        let blocks = self.kept.get().map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<Array> = inputs
            .iter()
            .zip(wanted)
            .map(|(input, &wanted)| Array::when(wanted, || Array::zeros(input.shape)))
            .collect();
        let parts: Vec<Gradients> = blocks
            .par_iter()
            .enumerate()
            .map(|(number, block)| {
                let first = number * SEQUENCES;
                let sequences = SEQUENCES.min(batch - first);
                let sizes = Sizes { sequences, ..sizes };
                let width = sizes.steps * sizes.hidden;
                let gradient = &gradient.values[first * width..][..sequences * width];
                let gradient = time_major(gradient, sequences, sizes.steps, sizes.hidden);
                let lengths = &self.lengths[first..first + sequences];
                backward(sizes, block, inputs, &gradient, lengths, wanted)
            })
            .collect();
        let mut first = 0;
        for part in parts {
            if wanted[0] {
                let to = &mut found[0].values[first..first + part.x.len()];
                to.copy_from_slice(&part.x);
                first += part.x.len();
            }
            let sums = [&part.input_weights, &part.hidden_weights, &part.bias];
            for (found, part) in found[1..].iter_mut().zip(sums) {
                add_scaled(&mut found.values, part, 1.0);
            }
        }
        found
    }
}

/// `[sequences, steps, width]` to `[steps, sequences, width]`.
fn time_major(values: &[f32], sequences: usize, steps: usize, width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for step in 0..steps {
        for sequence in 0..sequences {
            let at = (sequence * steps + step) * width;
            out.extend_from_slice(&values[at..at + width]);
        }
    }
    out
}

fn sequence_major(values: &[f32], out: &mut [f32], sizes: Sizes) {
    let Sizes {
        sequences,
        steps,
        hidden: width,
        ..
    } = sizes;
    for step in 0..steps {
        for sequence in 0..sequences {
            let (from, to) = (
                (step * sequences + sequence) * width,
                (sequence * steps + step) * width,
            );
            out[to..to + width].copy_from_slice(&values[from..from + width]);
        }
    }
}

fn forward(sizes: Sizes, x: Vec<f32>, inputs: &[View], lengths: &[usize]) -> Block {
    let Sizes {
        sequences,
        steps,
        inputs: width,
        hidden,
    } = sizes;
    let (w, u, bias) = (inputs[1].values, inputs[2].values, inputs[3].values);
    let mut gates = Vec::with_capacity(steps * sequences * 4 * hidden);
    for _ in 0..steps * sequences {
        gates.extend_from_slice(bias);
    }
    multiply(
        &mut gates,
        Matrix::new(&x, steps * sequences, width),
        Matrix::new(w, width, 4 * hidden),
        true,
    );
    let per_step = sequences * hidden;
    let mut cells = vec![0.0; steps * per_step];
    let mut states = vec![0.0; steps * per_step];
    for step in 0..steps {
        let gates = &mut gates[step * 4 * per_step..(step + 1) * 4 * per_step];
        let (cells_before, cells_after) = cells.split_at_mut(step * per_step);
        let (states_before, states_after) = states.split_at_mut(step * per_step);
        let earlier = step.saturating_sub(1) * per_step;
        if step > 0 {
            let before = Matrix::new(&states_before[earlier..], sequences, hidden);
            multiply(gates, before, Matrix::new(u, hidden, 4 * hidden), true);
        }
        for (sequence, &length) in lengths.iter().enumerate() {
            let at = sequence * hidden..(sequence + 1) * hidden;
            let gates = &mut gates[4 * at.start..4 * at.end];
            if step >= length {
                continue;
            }
            let before = (step > 0).then(|| &cells_before[earlier..][at.clone()]);
            let (cell, state) = (&mut cells_after[at.clone()], &mut states_after[at]);
            if let Some(before) = before {
                cell.copy_from_slice(before);
            }
            activate(gates, cell, state);
        }
    }
    Block {
        x,
        gates,
        cells,
        hidden: states,
    }
}

/// One sequence, one step: gates become activations, `cell` the next cell, `state` the next `h`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn activate(gates: &mut [f32], cell: &mut [f32], state: &mut [f32]) {
    let hidden = cell.len();
    let (input, rest) = gates.split_at_mut(hidden);
    let (forget, rest) = rest.split_at_mut(hidden);
    let (candidate, output) = rest.split_at_mut(hidden);
    let (output, state) = (&mut output[..hidden], &mut state[..hidden]);
    for k in 0..hidden {
        let (i, f) = (sigmoid(input[k]), sigmoid(forget[k]));
        let (g, o) = (tanh(candidate[k]), sigmoid(output[k]));
        let c = f * cell[k] + i * g;
        (input[k], forget[k], candidate[k], output[k]) = (i, f, g, o);
        cell[k] = c;
        state[k] = o * tanh(c);
    }
}

/// Gradients of one block.
struct Gradients {
    /// `[sequences, steps, inputs]`.
    x: Vec<f32>,
    input_weights: Vec<f32>,
    hidden_weights: Vec<f32>,
    bias: Vec<f32>,
}

fn backward(
    sizes: Sizes,
    block: &Block,
    inputs: &[View],
    gradient: &[f32],
    lengths: &[usize],
    wanted: &[bool],
) -> Gradients {
    let Sizes {
        sequences,
        steps,
        inputs: width,
        hidden,
    } = sizes;
    let (w, u) = (inputs[1].values, inputs[2].values);
    let per_step = sequences * hidden;
    // Gradients for the gates before activation, of all steps.
    let mut gates = vec![0.0; steps * 4 * per_step];
    let mut of_state = vec![0.0; per_step];
    let mut of_cell = vec![0.0; per_step];
    for step in (0..steps).rev() {
        for (sum, g) in of_state.iter_mut().zip(&gradient[step * per_step..]) {
            *sum += g;
        }
        let of_gates = &mut gates[step * 4 * per_step..(step + 1) * 4 * per_step];
        for (sequence, &length) in lengths.iter().enumerate() {
            let at = sequence * hidden..(sequence + 1) * hidden;
            if step >= length {
                of_state[at].fill(0.0);
                continue;
            }
            let now = step * per_step + at.start..step * per_step + at.end;
            let before = (step > 0).then(|| &block.cells[now.start - per_step..][..hidden]);
            differentiate(
                &block.gates[4 * now.start..4 * now.end],
                &block.cells[now],
                before,
                &of_state[at.clone()],
                &mut of_cell[at.clone()],
                &mut of_gates[4 * at.start..4 * at.end],
            );
        }
        if step > 0 {
            let u = Matrix::new(u, hidden, 4 * hidden).transposed();
            multiply(
                &mut of_state,
                Matrix::new(of_gates, sequences, 4 * hidden),
                u,
                false,
            );
        }
    }
    let of_gates = Matrix::new(&gates, steps * sequences, 4 * hidden);
    let product = |wanted: bool, a: &[f32], rows: usize, columns: usize, b: Matrix| {
        let mut out = Vec::new();
        if wanted {
            out = vec![0.0; columns * 4 * hidden];
            multiply(
                &mut out,
                Matrix::new(a, rows, columns).transposed(),
                b,
                false,
            );
        }
        out
    };
    let input_weights = product(wanted[1], &block.x, steps * sequences, width, of_gates);
    let later = (steps - 1) * sequences;
    let hidden_weights = product(
        wanted[2],
        &block.hidden,
        later,
        hidden,
        Matrix::new(&gates[4 * per_step..], later, 4 * hidden),
    );
    let mut bias = Vec::new();
    if wanted[3] {
        bias = vec![0.0; 4 * hidden];
        for row in gates.chunks_exact(4 * hidden) {
            bias.iter_mut().zip(row).for_each(|(b, g)| *b += g);
        }
    }
    let mut x = Vec::new();
    if wanted[0] {
        let mut of_x = vec![0.0; steps * sequences * width];
        multiply(
            &mut of_x,
            of_gates,
            Matrix::new(w, width, 4 * hidden).transposed(),
            false,
        );
        x = vec![0.0; of_x.len()];
        let sizes = Sizes {
            hidden: width,
            ..sizes
        };
        sequence_major(&of_x, &mut x, sizes);
    }
    Gradients {
        x,
        input_weights,
        hidden_weights,
        bias,
    }
}

/// One sequence, one step: from the gradients of `h` and of the cell those of the gates before activation; `of_cell` becomes the
/// gradient of the cell before.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn differentiate(
    gates: &[f32],
    cells: &[f32],
    before: Option<&[f32]>,
    of_state: &[f32],
    of_cell: &mut [f32],
    of_gates: &mut [f32],
) {
    let hidden = cells.len();
    let (input, rest) = gates.split_at(hidden);
    let (forget, rest) = rest.split_at(hidden);
    let (candidate, output) = rest.split_at(hidden);
    let (of_input, rest) = of_gates.split_at_mut(hidden);
    let (of_forget, rest) = rest.split_at_mut(hidden);
    let (of_candidate, of_output) = rest.split_at_mut(hidden);
    let (of_state, of_cell) = (&of_state[..hidden], &mut of_cell[..hidden]);
    let (output, of_output) = (&output[..hidden], &mut of_output[..hidden]);
    for k in 0..hidden {
        let (i, f, g, o) = (input[k], forget[k], candidate[k], output[k]);
        let t = tanh(cells[k]);
        let of_c = of_cell[k] + of_state[k] * o * (1.0 - t * t);
        let earlier = before.map_or(0.0, |b| b[k]);
        of_input[k] = of_c * g * i * (1.0 - i);
        of_forget[k] = of_c * earlier * f * (1.0 - f);
        of_candidate[k] = of_c * i * (1.0 - g * g);
        of_output[k] = of_state[k] * t * o * (1.0 - o);
        of_cell[k] = of_c * f;
    }
}
