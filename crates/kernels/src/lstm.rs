use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::{View, unwritten};
use crate::elementary::{LANES, sigmoid, sigmoids, tanh};
use crate::lanes::add_scaled;
use crate::recurrence::{self, Cell, OfGates, Sizes};
use crate::tiles::{Panels, Rows, load, store};

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
    recurrence::apply::<Lstm>(x, input_weights, hidden_weights, bias, lengths)
}

/// What is kept of some sequences for the backward pass.
#[derive(Debug)]
pub(crate) struct Block {
    /// Activated gates, `[sequences, steps, 4 hidden]`.
    gates: Vec<f32>,
    /// `[sequences, steps, hidden]`.
    cells: Vec<f32>,
}

#[derive(Debug)]
pub(crate) struct Lstm;

impl Cell for Lstm {
    const NAME: &'static str = "LSTM";
    const GATES: usize = 4;

    type Block = Block;

    fn forward(
        sizes: Sizes,
        inputs: &[View],
        [input_weights, hidden_weights]: &[Panels; 2],
        lengths: &[usize],
        first: usize,
        states: &mut [f32],
    ) -> Block {
        let Sizes {
            sequences,
            steps,
            hidden,
            ..
        } = sizes;
        let mut gates = recurrence::project(sizes, inputs[0], first, input_weights, 4 * hidden);
        #[expect(
            unsafe_code,
            reason = "a cell is read only after its step was computed"
        )]
        let mut cells = unsafe { unwritten(states.len()) };
        let nothing = vec![0.0; hidden];
        for step in 0..steps {
            if step > 0 {
                let before = Rows {
                    values: &states[(step - 1) * hidden..],
                    count: sequences,
                    stride: steps * hidden,
                };
                let now = Rows {
                    values: &mut gates[step * 4 * hidden..],
                    count: sequences,
                    stride: steps * 4 * hidden,
                };
                hidden_weights.multiply(now, before, true);
            }
            for (sequence, &length) in lengths.iter().enumerate() {
                if step >= length {
                    continue;
                }
                let row = sequence * steps + step;
                let at = row * hidden..(row + 1) * hidden;
                let (earlier, cell) = cells.split_at_mut(at.start);
                let before = if step > 0 {
                    &earlier[at.start - hidden..]
                } else {
                    &nothing
                };
                let gates = &mut gates[4 * at.start..4 * at.end];
                activate(
                    gates,
                    inputs[3].values,
                    before,
                    &mut cell[..hidden],
                    &mut states[at],
                );
            }
        }
        Block { gates, cells }
    }

    fn backward(
        sizes: Sizes,
        block: Block,
        hidden_weights: &Panels,
        _states: &[f32],
        gradient: &[f32],
        lengths: &[usize],
    ) -> OfGates {
        let Sizes {
            sequences,
            steps,
            hidden,
            ..
        } = sizes;
        // The gradients of the gates are written over the gates.
        let Block { mut gates, cells } = block;
        sizes.clear_beyond(lengths, &mut gates);
        let mut of_state = vec![0.0; sequences * hidden];
        let mut of_cell = vec![0.0; sequences * hidden];
        let mut bias = vec![0.0; 4 * hidden];
        let nothing = vec![0.0; hidden];
        for step in (0..steps).rev() {
            for (sequence, &length) in lengths.iter().enumerate() {
                if step >= length {
                    continue;
                }
                let row = sequence * steps + step;
                let at = row * hidden..(row + 1) * hidden;
                let before = if step > 0 {
                    &cells[at.start - hidden..at.start]
                } else {
                    &nothing
                };
                let own = sequence * hidden..(sequence + 1) * hidden;
                let of_gates = &mut gates[4 * at.start..4 * at.end];
                differentiate(
                    of_gates,
                    &cells[at.clone()],
                    before,
                    [&gradient[at], &of_state[own.clone()]],
                    &mut of_cell[own],
                );
                add_scaled(&mut bias, of_gates, 1.0);
            }
            if step > 0 {
                let of_gates = Rows {
                    values: &gates[step * 4 * hidden..],
                    count: sequences,
                    stride: steps * 4 * hidden,
                };
                let of_state = Rows {
                    values: of_state.as_mut_slice(),
                    count: sequences,
                    stride: hidden,
                };
                hidden_weights.multiply(of_state, of_gates, false);
            }
        }
        OfGates {
            input: gates,
            hidden: None,
            bias,
        }
    }

    fn portable(
        x: Tensor<3>,
        input_weights: Tensor<2>,
        hidden_weights: Tensor<2>,
        bias: Tensor<1>,
        lengths: &[usize],
    ) -> Tensor<3> {
        let [batch, hidden] = [x.dims()[0], hidden_weights.dims()[0]];
        let mut c: Tensor<2> = Tensor::zeros([batch, hidden], &x.device());
        let bias: Tensor<2> = bias.unsqueeze();
        recurrence::unrolled(x, hidden, lengths, |x, h| {
            let gates =
                x.matmul(input_weights.clone()) + h.matmul(hidden_weights.clone()) + bias.clone();
            let gate = |i: usize| gates.clone().narrow(1, i * hidden, hidden);
            let remembered = activation::sigmoid(gate(1)) * c.clone();
            c = remembered + activation::sigmoid(gate(0)) * gate(2).tanh();
            activation::sigmoid(gate(3)) * c.clone().tanh()
        })
    }
}

/// One sequence, one step: sums become activated gates; sets the cell and `state`, the next `h`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn activate(gates: &mut [f32], bias: &[f32], before: &[f32], cell: &mut [f32], state: &mut [f32]) {
    match_target! {
        "x86_64+avx512f+avx512vl" => activate_by::<true>(gates, bias, before, cell, state),
        "x86_64+avx2+fma" => activate_by::<true>(gates, bias, before, cell, state),
        "aarch64+neon" => activate_by::<true>(gates, bias, before, cell, state),
        _ => activate_by::<false>(gates, bias, before, cell, state),
    }
}

#[inline(always)]
fn activate_by<const FMA: bool>(
    gates: &mut [f32],
    bias: &[f32],
    before: &[f32],
    cell: &mut [f32],
    state: &mut [f32],
) {
    let whole = cell.len() - cell.len() % LANES;
    for first in (0..whole).step_by(LANES) {
        activate_some::<LANES, FMA>(first, gates, bias, before, [cell, state]);
    }
    for first in whole..cell.len() {
        activate_some::<1, FMA>(first, gates, bias, before, [cell, state]);
    }
}

/// `N` units from `first` on.
#[inline(always)]
fn activate_some<const N: usize, const FMA: bool>(
    first: usize,
    gates: &mut [f32],
    bias: &[f32],
    before: &[f32],
    [cell, state]: [&mut [f32]; 2],
) {
    let hidden = cell.len();
    let mut units = [[0f32; N]; 4];
    for (gate, sums) in units.iter_mut().enumerate() {
        let mut own = [0f32; N];
        load(sums, &gates[gate * hidden + first..][..N]);
        load(&mut own, &bias[gate * hidden + first..][..N]);
        for lane in 0..N {
            sums[lane] += own[lane];
        }
    }
    let (mut c, mut h) = ([0f32; N], [0f32; N]);
    load(&mut c, &before[first..][..N]);
    for k in 0..N {
        let (i, f) = sigmoids::<FMA>(units[0][k], units[1][k]);
        let g = tanh::<FMA>(units[2][k]);
        let o = sigmoid::<FMA>(units[3][k]);
        c[k] = f * c[k] + i * g;
        h[k] = o * tanh::<FMA>(c[k]);
        (units[0][k], units[1][k], units[2][k], units[3][k]) = (i, f, g, o);
    }
    for (gate, units) in units.iter().enumerate() {
        store(&mut gates[gate * hidden + first..][..N], units);
    }
    store(&mut cell[first..][..N], &c);
    store(&mut state[first..][..N], &h);
}

/// One sequence, one step: from the gradient of `h` (the sum of two) and of the cell those of the gates before activation, which
/// take the place of the gates; `of_cell` becomes the gradient of the cell before.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn differentiate(
    gates: &mut [f32],
    cells: &[f32],
    before: &[f32],
    of_state: [&[f32]; 2],
    of_cell: &mut [f32],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => differentiate_by::<true>(gates, cells, before, of_state, of_cell),
        "x86_64+avx2+fma" => differentiate_by::<true>(gates, cells, before, of_state, of_cell),
        "aarch64+neon" => differentiate_by::<true>(gates, cells, before, of_state, of_cell),
        _ => differentiate_by::<false>(gates, cells, before, of_state, of_cell),
    }
}

#[inline(always)]
fn differentiate_by<const FMA: bool>(
    gates: &mut [f32],
    cells: &[f32],
    before: &[f32],
    of_state: [&[f32]; 2],
    of_cell: &mut [f32],
) {
    let hidden = cells.len();
    let (input, rest) = gates.split_at_mut(hidden);
    let (forget, rest) = rest.split_at_mut(hidden);
    let (candidate, output) = rest.split_at_mut(hidden);
    let (output, of_cell) = (&mut output[..hidden], &mut of_cell[..hidden]);
    let before = &before[..hidden];
    let [from_above, from_later] = of_state.map(|gradient| &gradient[..hidden]);
    for k in 0..hidden {
        let (i, f, g, o) = (input[k], forget[k], candidate[k], output[k]);
        let of_h = from_above[k] + from_later[k];
        let t = tanh::<FMA>(cells[k]);
        let of_c = of_cell[k] + of_h * o * (1.0 - t * t);
        input[k] = of_c * g * i * (1.0 - i);
        forget[k] = of_c * before[k] * f * (1.0 - f);
        candidate[k] = of_c * i * (1.0 - g * g);
        output[k] = of_h * t * o * (1.0 - o);
        of_cell[k] = of_c * f;
    }
}
