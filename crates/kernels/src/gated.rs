use burn::Tensor;
use burn::tensor::activation::sigmoid as burn_sigmoid;
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::{Array, View, spread};
use crate::elementary::{LANES, sigmoid, tanh};
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::tiles::{load, store};

/// What is gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The numbers as they are.
    Linear,
    /// Their hyperbolic tangents.
    Tanh,
}

/// The first half of each row, gated by the second: `a sigmoid(b)` or `tanh(a) sigmoid(b)`.
///
/// # Shapes
/// `x`: any, its last axis `2 width`; the output's is `width`.
///
/// # Errors
/// When the last axis is odd.
///
/// # Reference
/// Dauphin et al., "Language Modeling with Gated Convolutional Networks", ICML 2017, equation 1; van den Oord et al., "Conditional Image
/// Generation with PixelCNN Decoders", NeurIPS 2016, equation 2.
pub fn gated<const D: usize>(x: Tensor<D>, gate: Gate) -> Result<Tensor<D>, KernelError> {
    let width = x.dims().last().copied().unwrap_or(0);
    if !width.is_multiple_of(2) {
        return Err(KernelError::shape("gate", "last axis", "even", width));
    }
    if !is_cpu(&x.device()) {
        return Ok(portable(x, gate));
    }
    Ok(run(vec![x.into_dispatch()], Gated { gate }))
}

pub(crate) fn portable<const D: usize>(x: Tensor<D>, gate: Gate) -> Tensor<D> {
    let width = x.dims()[D - 1] / 2;
    let (a, b) = (
        x.clone().narrow(D - 1, 0, width),
        x.narrow(D - 1, width, width),
    );
    let a = match gate {
        Gate::Linear => a,
        Gate::Tanh => a.tanh(),
    };
    a * burn_sigmoid(b)
}

#[derive(Debug)]
struct Gated {
    gate: Gate,
}

/// Rows' numbers that a thread takes at a time, about.
const PIECE: usize = 1 << 15;

impl Kernel for Gated {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let x = inputs[0];
        let width = x.width() / 2;
        let mut shape = x.shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        #[expect(
            unsafe_code,
            reason = "half as long as `x`, row by row of which it is written below"
        )]
        let mut y = unsafe { Array::unwritten(&shape) };
        if y.values.is_empty() {
            return y;
        }
        let piece = PIECE.div_ceil(width) * width;
        let parts = y.values.chunks_mut(piece).zip(x.values.chunks(2 * piece));
        spread(parts.collect(), |(y, x)| open(y, x, width, self.gate));
        y
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
        let x = inputs[0];
        let width = x.width() / 2;
        #[expect(
            unsafe_code,
            reason = "as long as `x`, row by row of which it is written below"
        )]
        let mut found = unsafe { Array::unwritten(x.shape) };
        if found.values.is_empty() {
            return vec![found];
        }
        let piece = PIECE.div_ceil(width) * width;
        let given = x
            .values
            .chunks(2 * piece)
            .zip(gradient.values.chunks(piece));
        let parts = found.values.chunks_mut(2 * piece).zip(given).collect();
        spread(
            parts,
            |(found, (x, gradient)): (&mut [f32], (&[f32], &[f32]))| {
                pass(found, x, gradient, width, self.gate);
            },
        );
        vec![found]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn open(y: &mut [f32], x: &[f32], width: usize, gate: Gate) {
    match_target! {
        "x86_64+avx512f+avx512vl" => open_by::<true>(y, x, width, gate),
        "x86_64+avx2+fma" => open_by::<true>(y, x, width, gate),
        "aarch64+neon" => open_by::<true>(y, x, width, gate),
        _ => open_by::<false>(y, x, width, gate),
    }
}

// Plain loops: closures would not be compiled for these instructions.
#[inline(always)]
fn open_by<const FMA: bool>(y: &mut [f32], x: &[f32], width: usize, gate: Gate) {
    let whole = width - width % LANES;
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(2 * width)) {
        for first in (0..whole).step_by(LANES) {
            open_some::<LANES, FMA>(first, y, x, gate);
        }
        for first in whole..width {
            open_some::<1, FMA>(first, y, x, gate);
        }
    }
}

/// `N` numbers of a row from `first` on.
#[inline(always)]
fn open_some<const N: usize, const FMA: bool>(first: usize, y: &mut [f32], x: &[f32], gate: Gate) {
    let (mut a, mut b) = ([0f32; N], [0f32; N]);
    load(&mut a, &x[first..][..N]);
    load(&mut b, &x[y.len() + first..][..N]);
    for k in 0..N {
        let of = match gate {
            Gate::Linear => a[k],
            Gate::Tanh => tanh::<FMA>(a[k]),
        };
        a[k] = of * sigmoid::<FMA>(b[k]);
    }
    store(&mut y[first..][..N], &a);
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn pass(found: &mut [f32], x: &[f32], gradient: &[f32], width: usize, gate: Gate) {
    match_target! {
        "x86_64+avx512f+avx512vl" => pass_by::<true>(found, x, gradient, width, gate),
        "x86_64+avx2+fma" => pass_by::<true>(found, x, gradient, width, gate),
        "aarch64+neon" => pass_by::<true>(found, x, gradient, width, gate),
        _ => pass_by::<false>(found, x, gradient, width, gate),
    }
}

#[inline(always)]
fn pass_by<const FMA: bool>(
    found: &mut [f32],
    x: &[f32],
    gradient: &[f32],
    width: usize,
    gate: Gate,
) {
    let whole = width - width % LANES;
    let rows = found
        .chunks_exact_mut(2 * width)
        .zip(x.chunks_exact(2 * width));
    for ((found, x), g) in rows.zip(gradient.chunks_exact(width)) {
        for first in (0..whole).step_by(LANES) {
            pass_some::<LANES, FMA>(first, found, x, g, gate);
        }
        for first in whole..width {
            pass_some::<1, FMA>(first, found, x, g, gate);
        }
    }
}

/// `N` numbers of a row from `first` on.
#[inline(always)]
fn pass_some<const N: usize, const FMA: bool>(
    first: usize,
    found: &mut [f32],
    x: &[f32],
    gradient: &[f32],
    gate: Gate,
) {
    let width = gradient.len();
    let (mut a, mut b, mut g) = ([0f32; N], [0f32; N], [0f32; N]);
    load(&mut a, &x[first..][..N]);
    load(&mut b, &x[width + first..][..N]);
    load(&mut g, &gradient[first..][..N]);
    for k in 0..N {
        let s = sigmoid::<FMA>(b[k]);
        let (t, slope) = match gate {
            Gate::Linear => (a[k], 1.0),
            Gate::Tanh => {
                let t = tanh::<FMA>(a[k]);
                (t, 1.0 - t * t)
            }
        };
        a[k] = g[k] * s * slope;
        b[k] = g[k] * t * s * (1.0 - s);
    }
    store(&mut found[first..][..N], &a);
    store(&mut found[width + first..][..N], &b);
}
