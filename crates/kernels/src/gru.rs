use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::View;
use crate::elementary::{LANES, sigmoid, tanh};
use crate::lanes::add_scaled;
use crate::recurrence::{self, Cell, OfGates, Sizes};
use crate::tiles::{Panels, Rows, load, store};

/// A gated recurrent unit over whole sequences, with one backward pass for all steps; starts from zeros.
///
/// Per step, with gates in the order reset, update, candidate: `r = sigmoid(x_t W_r + h_{t-1} U_r + b_r)`, `z = sigmoid(x_t W_z +
/// h_{t-1} U_z + b_z)`, `n = tanh(x_t W_n + b_n + r (h_{t-1} U_n + b_h))`, `h_t = (1 - z) n + z h_{t-1}`. The reset gate works after
/// the product, as in cuDNN and PyTorch.
///
/// # Shapes
/// `x`: `[batch, steps, inputs]`; `input_weights`: `[inputs, 3 hidden]`; `hidden_weights`: `[hidden, 3 hidden]`; `bias`: `[4 hidden]`,
/// `b_r`, `b_z`, `b_n` and `b_h`; the result, `h_t` for every step: `[batch, steps, hidden]`. With `lengths`, steps from a sequence's
/// length on are not computed, and are zero.
///
/// # Errors
/// When shapes do not fit, or a length is greater than the number of steps.
///
/// # Reference
/// Cho et al. 2014, in the variant of their first preprint.
pub fn gru(
    x: Tensor<3>,
    input_weights: Tensor<2>,
    hidden_weights: Tensor<2>,
    bias: Tensor<1>,
    lengths: Option<&[usize]>,
) -> Result<Tensor<3>, KernelError> {
    recurrence::apply::<Gru>(x, input_weights, hidden_weights, bias, lengths)
}

/// What is kept of some sequences for the backward pass.
#[derive(Debug)]
pub(crate) struct Block {
    /// Activated gates, `[sequences, steps, 3 hidden]`.
    gates: Vec<f32>,
    /// `h_{t-1} U_n + b_h`, `[sequences, steps, hidden]`.
    recalled: Vec<f32>,
}

#[derive(Debug)]
pub(crate) struct Gru;

impl Cell for Gru {
    const NAME: &'static str = "GRU";
    const GATES: usize = 3;

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
        let mut gates = recurrence::project(sizes, inputs[0], first, input_weights, 3 * hidden);
        let mut recalled = vec![0.0; states.len()];
        let mut from_hidden = vec![0.0; sequences * 3 * hidden];
        let nothing = vec![0.0; hidden];
        for step in 0..steps {
            if step > 0 {
                let before = Rows {
                    values: &states[(step - 1) * hidden..],
                    count: sequences,
                    stride: steps * hidden,
                };
                let now = Rows {
                    values: from_hidden.as_mut_slice(),
                    count: sequences,
                    stride: 3 * hidden,
                };
                hidden_weights.multiply(now, before, false);
            }
            for (sequence, &length) in lengths.iter().enumerate() {
                if step >= length {
                    continue;
                }
                let row = sequence * steps + step;
                let at = row * hidden..(row + 1) * hidden;
                let (earlier, state) = states.split_at_mut(at.start);
                let before = if step > 0 {
                    &earlier[at.start - hidden..]
                } else {
                    &nothing
                };
                activate(
                    &mut gates[3 * at.start..3 * at.end],
                    &from_hidden[sequence * 3 * hidden..(sequence + 1) * 3 * hidden],
                    inputs[3].values,
                    before,
                    &mut recalled[at],
                    &mut state[..hidden],
                );
            }
        }
        Block { gates, recalled }
    }

    fn backward(
        sizes: Sizes,
        block: Block,
        hidden_weights: &Panels,
        states: &[f32],
        gradient: &[f32],
        lengths: &[usize],
    ) -> OfGates {
        let Sizes {
            sequences,
            steps,
            hidden,
            ..
        } = sizes;
        let mut of_input = vec![0.0; block.gates.len()];
        let mut of_hidden = vec![0.0; block.gates.len()];
        let mut of_state = vec![0.0; sequences * hidden];
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
                    &states[at.start - hidden..at.start]
                } else {
                    &nothing
                };
                let three = 3 * at.start..3 * at.end;
                differentiate(
                    &block.gates[three.clone()],
                    &block.recalled[at.clone()],
                    before,
                    &gradient[at],
                    &mut of_state[sequence * hidden..(sequence + 1) * hidden],
                    &mut of_input[three.clone()],
                    &mut of_hidden[three.clone()],
                );
                // The candidate has a bias on either side: the last is that on the side of `h`.
                let (of_x, of_h) = bias.split_at_mut(3 * hidden);
                add_scaled(of_x, &of_input[three.clone()], 1.0);
                add_scaled(of_h, &of_hidden[three.end - hidden..three.end], 1.0);
            }
            if step > 0 {
                let of_gates = Rows {
                    values: &of_hidden[step * 3 * hidden..],
                    count: sequences,
                    stride: steps * 3 * hidden,
                };
                let of_state = Rows {
                    values: of_state.as_mut_slice(),
                    count: sequences,
                    stride: hidden,
                };
                hidden_weights.multiply(of_state, of_gates, true);
            }
        }
        OfGates {
            input: of_input,
            hidden: Some(of_hidden),
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
        let hidden = hidden_weights.dims()[0];
        let bias: Tensor<2> = bias.unsqueeze();
        let part = |t: &Tensor<2>, i: usize| t.clone().narrow(1, i * hidden, hidden);
        recurrence::unrolled(x, hidden, lengths, |x, h| {
            let (from_x, from_h) = (
                x.matmul(input_weights.clone()),
                h.clone().matmul(hidden_weights.clone()),
            );
            let sum = |i: usize| part(&from_x, i) + part(&bias, i);
            let r = activation::sigmoid(sum(0) + part(&from_h, 0));
            let z = activation::sigmoid(sum(1) + part(&from_h, 1));
            let n = (sum(2) + r * (part(&from_h, 2) + part(&bias, 3))).tanh();
            n.clone() + z * (h - n)
        })
    }
}

/// One sequence, one step: sums become activated gates; sets what the candidate recalls, and `state`, the next `h`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn activate(
    gates: &mut [f32],
    from_hidden: &[f32],
    bias: &[f32],
    before: &[f32],
    recalled: &mut [f32],
    state: &mut [f32],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => activate_by::<true>(gates, from_hidden, bias, before, recalled, state),
        "x86_64+avx2+fma" => activate_by::<true>(gates, from_hidden, bias, before, recalled, state),
        "aarch64+neon" => activate_by::<true>(gates, from_hidden, bias, before, recalled, state),
        _ => activate_by::<false>(gates, from_hidden, bias, before, recalled, state),
    }
}

#[inline(always)]
fn activate_by<const FMA: bool>(
    gates: &mut [f32],
    from_hidden: &[f32],
    bias: &[f32],
    before: &[f32],
    recalled: &mut [f32],
    state: &mut [f32],
) {
    let whole = state.len() - state.len() % LANES;
    let given = [from_hidden, bias, before];
    for first in (0..whole).step_by(LANES) {
        activate_some::<LANES, FMA>(first, gates, given, [recalled, state]);
    }
    for first in whole..state.len() {
        activate_some::<1, FMA>(first, gates, given, [recalled, state]);
    }
}

/// `N` units from `first` on.
#[inline(always)]
fn activate_some<const N: usize, const FMA: bool>(
    first: usize,
    gates: &mut [f32],
    [from_hidden, bias, before]: [&[f32]; 3],
    [recalled, state]: [&mut [f32]; 2],
) {
    let hidden = state.len();
    let mut own = [[0f32; N]; 3];
    let mut from = [[0f32; N]; 3];
    let mut biases = [[0f32; N]; 4];
    for gate in 0..3 {
        load(&mut own[gate], &gates[gate * hidden + first..][..N]);
        load(&mut from[gate], &from_hidden[gate * hidden + first..][..N]);
    }
    for (gate, bias_of) in biases.iter_mut().enumerate() {
        load(bias_of, &bias[gate * hidden + first..][..N]);
    }
    let (mut h, mut m) = ([0f32; N], [0f32; N]);
    load(&mut h, &before[first..][..N]);
    for k in 0..N {
        let r = sigmoid::<FMA>(own[0][k] + from[0][k] + biases[0][k]);
        let z = sigmoid::<FMA>(own[1][k] + from[1][k] + biases[1][k]);
        m[k] = from[2][k] + biases[3][k];
        let n = tanh::<FMA>(own[2][k] + biases[2][k] + r * m[k]);
        (own[0][k], own[1][k], own[2][k]) = (r, z, n);
        h[k] = n + z * (h[k] - n);
    }
    for (gate, own) in own.iter().enumerate() {
        store(&mut gates[gate * hidden + first..][..N], own);
    }
    store(&mut recalled[first..][..N], &m);
    store(&mut state[first..][..N], &h);
}

/// One sequence, one step. `of_state` holds what later steps ask of `h`; it becomes what this step's update gate passes on to the
/// `h` before.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn differentiate(
    gates: &[f32],
    recalled: &[f32],
    before: &[f32],
    gradient: &[f32],
    of_state: &mut [f32],
    of_input: &mut [f32],
    of_hidden: &mut [f32],
) {
    let hidden = recalled.len();
    let [reset, update, candidate] = std::array::from_fn(|gate| &gates[gate * hidden..][..hidden]);
    let (input_r, rest) = of_input.split_at_mut(hidden);
    let (input_z, input_n) = rest.split_at_mut(hidden);
    let (hidden_r, rest) = of_hidden.split_at_mut(hidden);
    let (hidden_z, hidden_n) = rest.split_at_mut(hidden);
    let (input_n, hidden_n) = (&mut input_n[..hidden], &mut hidden_n[..hidden]);
    let (before, gradient) = (&before[..hidden], &gradient[..hidden]);
    let of_state = &mut of_state[..hidden];
    for k in 0..hidden {
        let (r, z, n, m) = (reset[k], update[k], candidate[k], recalled[k]);
        let of_h = gradient[k] + of_state[k];
        let of_n = of_h * (1.0 - z) * (1.0 - n * n);
        let of_z = of_h * (before[k] - n) * z * (1.0 - z);
        let of_r = of_n * m * r * (1.0 - r);
        (input_r[k], hidden_r[k]) = (of_r, of_r);
        (input_z[k], hidden_z[k]) = (of_z, of_z);
        (input_n[k], hidden_n[k]) = (of_n, of_n * r);
        of_state[k] = of_h * z;
    }
}
