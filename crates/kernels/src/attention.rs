use burn::Tensor;
use burn::tensor::activation::softmax;
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::{Array, View, spread_with};
use crate::elementary::exp;
use crate::error::cut_by_heads;
use crate::extension::{Keeps, Kernel, is_cpu, run};

const NAME: &str = "attention";

/// Scaled dot-product attention of each unit's tokens to each other: per head `softmax(q k^T / sqrt(width / heads)) v`.
///
/// The weights, tokens x tokens, are made again going backwards instead of being kept (Dao et al. 2022).
///
/// # Shapes
/// `q`, `k`, `v` and the result: `[units, tokens, width]`, cut into equal parts for the heads.
///
/// # Errors
/// When shapes differ or the width is no multiple of `heads`.
///
/// # Reference
/// Vaswani et al. 2017, equation 1.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
) -> Result<Tensor<3>, KernelError> {
    let shape = q.dims();
    for (what, given) in [("the keys", &k), ("the values", &v)] {
        if given.dims() != shape {
            return Err(KernelError::shape(NAME, what, shape, given.dims()));
        }
    }
    cut_by_heads(NAME, "width", heads, shape[2])?;
    if !is_cpu(&q.device()) {
        return Ok(portable(q, k, v, heads));
    }
    let inputs = vec![q.into_dispatch(), k.into_dispatch(), v.into_dispatch()];
    Ok(run(inputs, Attention { heads }))
}

pub(crate) fn portable(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    let [units, tokens, width] = q.dims();
    let split = |x: Tensor<3>| -> Tensor<4> {
        x.reshape([units, tokens, heads, width / heads])
            .swap_dims(1, 2)
    };
    let scale = 1.0 / ((width / heads) as f32).sqrt();
    let weights = softmax(split(q).matmul(split(k).swap_dims(2, 3)) * scale, 3);
    let mixed = weights.matmul(split(v)).swap_dims(1, 2);
    mixed.reshape([units, tokens, width])
}

/// Inputs: queries, keys, values.
#[derive(Debug)]
struct Attention {
    heads: usize,
}

/// Tokens that are computed at a time.
const LANES: usize = 16;

/// The sizes of one head of one unit.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    tokens: usize,
    /// Tokens with those that fill the last vector.
    padded: usize,
    /// Of all heads.
    width: usize,
    /// Of one.
    head: usize,
}

impl Sizes {
    fn of(q: View, heads: usize) -> Sizes {
        let [tokens, width] = [q.shape[1], q.shape[2]];
        Sizes {
            tokens,
            padded: tokens.next_multiple_of(LANES),
            width,
            head: width / heads,
        }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head as f32).sqrt()
    }

    /// Numbers of a unit.
    fn unit(&self) -> usize {
        self.tokens * self.width
    }
}

impl Kernel for Attention {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let s = Sizes::of(inputs[0], self.heads);
        let mut output = Array::zeros(inputs[0].shape);
        if output.values.is_empty() {
            return output;
        }
        let parts = output
            .values
            .chunks_exact_mut(s.unit())
            .enumerate()
            .collect();
        spread_with(parts, Scratch::default, |scratch, (unit, output)| {
            let [q, k, v] = [0, 1, 2].map(|i| &inputs[i].values[unit * s.unit()..][..s.unit()]);
            for head in 0..self.heads {
                scratch.lay_out(s, head, k, v);
                forward(s, head, q, scratch, output);
            }
        });
        output
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let s = Sizes::of(inputs[0], self.heads);
        let mut found: Vec<Array> = inputs.iter().map(|i| Array::zeros(i.shape)).collect();
        let [of_q, of_k, of_v] = found.as_mut_slice() else {
            return found;
        };
        if of_q.values.is_empty() {
            return found;
        }
        let parts = of_q.values.chunks_exact_mut(s.unit());
        let parts = parts.zip(of_k.values.chunks_exact_mut(s.unit()));
        let parts = parts
            .zip(of_v.values.chunks_exact_mut(s.unit()))
            .enumerate();
        spread_with(
            parts.collect(),
            Scratch::default,
            |scratch, (unit, ((of_q, of_k), of_v))| {
                let at = unit * s.unit()..(unit + 1) * s.unit();
                let [q, k, v] = [0, 1, 2].map(|i| &inputs[i].values[at.clone()]);
                let gradient = &gradient.values[at];
                for head in 0..self.heads {
                    scratch.lay_out(s, head, k, v);
                    backward(s, head, q, gradient, scratch, of_q);
                    take_back(s, head, &scratch.of_keys, of_k);
                    take_back(s, head, &scratch.of_values, of_v);
                }
            },
        );
        found
    }
}

/// One head's numbers with tokens as the last axis, `[head, padded]`, zero beyond the last token.
#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    of_keys: Vec<f32>,
    of_values: Vec<f32>,
    /// `[padded]`.
    weights: Vec<f32>,
    of_weights: Vec<f32>,
}

impl Scratch {
    fn lay_out(&mut self, s: Sizes, head: usize, k: &[f32], v: &[f32]) {
        for (to, from) in [(&mut self.keys, k), (&mut self.values, v)] {
            to.clear();
            to.resize(s.head * s.padded, 0.0);
            for (token, row) in from.chunks_exact(s.width).enumerate() {
                let row = &row[head * s.head..][..s.head];
                let to = to[token..].iter_mut().step_by(s.padded);
                to.zip(row).for_each(|(to, from)| *to = *from);
            }
        }
        for empty in [&mut self.of_keys, &mut self.of_values] {
            empty.clear();
            empty.resize(s.head * s.padded, 0.0);
        }
        self.weights.resize(s.padded, 0.0);
        self.of_weights.resize(s.padded, 0.0);
    }
}

/// `[head, padded]` to a head's part of `[tokens, width]`.
fn take_back(s: Sizes, head: usize, from: &[f32], to: &mut [f32]) {
    for (token, row) in to.chunks_exact_mut(s.width).enumerate() {
        let from = from[token..].iter().step_by(s.padded);
        let row = row[head * s.head..][..s.head].iter_mut();
        row.zip(from).for_each(|(to, from)| *to = *from);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn forward(s: Sizes, head: usize, q: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
    match_target! {
        "x86_64+avx512f+avx512vl" => forward_by::<true>(s, head, q, scratch, output),
        "x86_64+avx2+fma" => forward_by::<true>(s, head, q, scratch, output),
        "aarch64+neon" => forward_by::<true>(s, head, q, scratch, output),
        _ => forward_by::<false>(s, head, q, scratch, output),
    }
}

#[inline(always)]
fn forward_by<const FMA: bool>(
    s: Sizes,
    head: usize,
    q: &[f32],
    scratch: &mut Scratch,
    output: &mut [f32],
) {
    let rows = q
        .chunks_exact(s.width)
        .zip(output.chunks_exact_mut(s.width));
    for (q, output) in rows {
        let q = &q[head * s.head..][..s.head];
        weigh::<FMA>(s, q, &scratch.keys, &mut scratch.weights);
        let values = scratch.values.chunks_exact(s.padded);
        for (output, values) in output[head * s.head..][..s.head].iter_mut().zip(values) {
            *output = product::<FMA>(&scratch.weights, values);
        }
    }
}

/// The softmax of a query's products with all keys.
#[inline(always)]
fn weigh<const FMA: bool>(s: Sizes, q: &[f32], keys: &[f32], weights: &mut [f32]) {
    weights.fill(0.0);
    let scale = s.scale();
    for (&q, keys) in q.iter().zip(keys.chunks_exact(s.padded)) {
        add::<FMA>(weights, keys, q * scale);
    }
    let mut greatest = f32::NEG_INFINITY;
    for &weight in &weights[..s.tokens] {
        greatest = if weight > greatest { weight } else { greatest };
    }
    for weight in weights.iter_mut() {
        *weight = exp::<FMA>(*weight - greatest);
    }
    weights[s.tokens..].fill(0.0);
    let mut sums = [0f32; LANES];
    for weights in weights.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += weights[lane];
        }
    }
    let inverse = 1.0 / sums.iter().sum::<f32>();
    for weight in weights.iter_mut() {
        *weight *= inverse;
    }
}

/// `y += w x`.
#[inline(always)]
fn add<const FMA: bool>(y: &mut [f32], x: &[f32], w: f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = if FMA { x.mul_add(w, *y) } else { x * w + *y };
    }
}

/// The sum of products of two slices of whole vectors.
#[inline(always)]
fn product<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            sums[lane] = if FMA {
                a[lane].mul_add(b[lane], sums[lane])
            } else {
                a[lane] * b[lane] + sums[lane]
            };
        }
    }
    sums.iter().sum()
}

/// Sets the gradients of the queries, and of keys and values in `scratch`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn backward(
    s: Sizes,
    head: usize,
    q: &[f32],
    gradient: &[f32],
    scratch: &mut Scratch,
    of_q: &mut [f32],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => backward_by::<true>(s, head, q, gradient, scratch, of_q),
        "x86_64+avx2+fma" => backward_by::<true>(s, head, q, gradient, scratch, of_q),
        "aarch64+neon" => backward_by::<true>(s, head, q, gradient, scratch, of_q),
        _ => backward_by::<false>(s, head, q, gradient, scratch, of_q),
    }
}

#[inline(always)]
fn backward_by<const FMA: bool>(
    s: Sizes,
    head: usize,
    q: &[f32],
    gradient: &[f32],
    scratch: &mut Scratch,
    of_q: &mut [f32],
) {
    let Scratch {
        keys,
        values,
        of_keys,
        of_values,
        weights,
        of_weights,
    } = scratch;
    let part = head * s.head..(head + 1) * s.head;
    let given = q.chunks_exact(s.width).zip(gradient.chunks_exact(s.width));
    for ((q, gradient), of_q) in given.zip(of_q.chunks_exact_mut(s.width)) {
        let (q, gradient) = (&q[part.clone()], &gradient[part.clone()]);
        weigh::<FMA>(s, q, keys, weights);
        of_weights.fill(0.0);
        let both = values
            .chunks_exact(s.padded)
            .zip(of_values.chunks_exact_mut(s.padded));
        for (&g, (values, of_values)) in gradient.iter().zip(both) {
            add::<FMA>(of_weights, values, g);
            add::<FMA>(of_values, weights, g);
        }
        // Through the softmax and the scale.
        let mean = product::<FMA>(weights, of_weights);
        let scale = s.scale();
        for (of, &weight) in of_weights.iter_mut().zip(weights.iter()) {
            *of = (*of - mean) * weight * scale;
        }
        let both = keys
            .chunks_exact(s.padded)
            .zip(of_keys.chunks_exact_mut(s.padded));
        let queries = q.iter().zip(&mut of_q[part.clone()]);
        for ((&q, of_q), (keys, of_keys)) in queries.zip(both) {
            *of_q = product::<FMA>(of_weights, keys);
            add::<FMA>(of_keys, of_weights, q);
        }
    }
}
