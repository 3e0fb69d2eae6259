use burn::Tensor;
use multiversion::multiversion;

use crate::KernelError;
use crate::array::{Array, View, pieces_of, spread, spread_with};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::lanes::{add_scaled, sum, sum_of_squares};

const NAME: &str = "layer normalisation";

/// Normalises the numbers of each row: `(x - mean) / sqrt(variance + epsilon) scale + shift`.
///
/// # Shapes
/// `x`: any, its last axis `width`; `scale` and `shift`: `[width]`.
///
/// # Errors
/// When the lengths differ, or epsilon is not above 0.
///
/// # Reference
/// Ba, Kiros & Hinton, "Layer Normalization", 2016.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f32,
) -> Result<Tensor<D>, KernelError> {
    let width = x.dims().last().copied().unwrap_or(1);
    equal(NAME, "length of the scale", width, scale.dims()[0])?;
    equal(NAME, "length of the shift", width, shift.dims()[0])?;
    if epsilon.is_nan() || epsilon <= 0.0 {
        return Err(KernelError::shape(NAME, "epsilon", "above 0", epsilon));
    }
    if !is_cpu(&x.device()) {
        return Ok(portable(x, scale, shift, epsilon));
    }
    let inputs = vec![
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
    ];
    Ok(run(inputs, LayerNorm { epsilon }))
}

pub(crate) fn portable<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f32,
) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    centred / (variance + epsilon).sqrt() * scale.unsqueeze() + shift.unsqueeze()
}

/// Inputs: `x`, scale, shift.
#[derive(Debug)]
struct LayerNorm {
    epsilon: f32,
}

/// Numbers that a thread takes at a time, about. Fixed, so that sums do not depend on the number of threads.
const PIECE: usize = 1 << 15;

impl LayerNorm {
    /// Mean and inverse deviation.
    fn moments(&self, row: &[f32]) -> [f32; 2] {
        let mean = sum(row) / row.len() as f32;
        let variance = sum_of_squares(row, mean) / row.len() as f32;
        [mean, 1.0 / (variance + self.epsilon).sqrt()]
    }
}

impl Kernel for LayerNorm {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let [x, scale, shift] = [inputs[0], inputs[1], inputs[2]];
        let width = x.width();
        #[expect(
            unsafe_code,
            reason = "as long as `x`, row by row of which it is written below"
        )]
        let mut result = unsafe { Array::unwritten(x.shape) };
        if result.values.is_empty() {
            return result;
        }
        let piece = PIECE.div_ceil(width) * width;
        let parts = result.values.chunks_mut(piece).zip(x.values.chunks(piece));
        spread(parts.collect(), |(result, x)| {
            for (result, x) in result.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                normalise(result, x, self.moments(x), scale.values, shift.values);
            }
        });
        result
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let [x, scale, shift] = [inputs[0], inputs[1], inputs[2]];
        let width = x.width();
        let mut of_x = Array::when(wanted[0], || Array::zeros(x.shape));
        let mut of_scale = Array::zeros(scale.shape);
        let mut of_shift = Array::zeros(shift.shape);
        if x.values.is_empty() {
            return vec![Array::zeros(x.shape), of_scale, of_shift];
        }
        let piece = PIECE.div_ceil(width) * width;
        let pieces = x.values.len().div_ceil(piece);
        let mut sums = vec![vec![0.0; 2 * width]; pieces];
        let ranges = (0..pieces).map(|i| i * piece..x.values.len().min((i + 1) * piece));
        let of_pieces = pieces_of(ranges, &mut of_x.values, |range| {
            if wanted[0] { range.len() } else { 0 }
        });
        let given = x.values.chunks(piece).zip(gradient.values.chunks(piece));
        let parts = of_pieces.into_iter().zip(&mut sums).zip(given).collect();
        spread_with(
            parts,
            || vec![0.0; width],
            |standard, (((_, of_x), sums), (x, gradient))| {
                let (of_scale, of_shift) = sums.split_at_mut(width);
                let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width));
                for (row, (x, g)) in rows.enumerate() {
                    let moments = self.moments(x);
                    let means = weigh(x, g, moments, scale.values, standard, of_scale, of_shift);
                    if wanted[0] {
                        let of_x = &mut of_x[row * width..(row + 1) * width];
                        of_row(of_x, standard, g, scale.values, moments[1], means);
                    }
                }
            },
        );
        for sum in &sums {
            add_scaled(&mut of_scale.values, &sum[..width], 1.0);
            add_scaled(&mut of_shift.values, &sum[width..], 1.0);
        }
        vec![of_x, of_scale, of_shift]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn normalise(
    result: &mut [f32],
    x: &[f32],
    [mean, inverse]: [f32; 2],
    scale: &[f32],
    shift: &[f32],
) {
    let factors = scale.iter().zip(shift);
    for ((result, &x), (scale, shift)) in result.iter_mut().zip(x).zip(factors) {
        *result = (x - mean) * inverse * scale + shift;
    }
}

/// Sets the standardised row, adds to the gradients of scale and shift, and gives the means of the scaled gradient and of its product
/// with the standardised row.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn weigh(
    x: &[f32],
    g: &[f32],
    [mean, inverse]: [f32; 2],
    scale: &[f32],
    standard: &mut [f32],
    of_scale: &mut [f32],
    of_shift: &mut [f32],
) -> [f32; 2] {
    const LANES: usize = 16;
    let width = x.len();
    let (g, scale, standard) = (&g[..width], &scale[..width], &mut standard[..width]);
    let (of_scale, of_shift) = (&mut of_scale[..width], &mut of_shift[..width]);
    for i in 0..width {
        standard[i] = (x[i] - mean) * inverse;
        of_scale[i] += g[i] * standard[i];
        of_shift[i] += g[i];
    }
    let (mut sums, mut products) = ([0f32; LANES], [0f32; LANES]);
    let whole = width / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let (g, scale) = (&g[start..start + LANES], &scale[start..start + LANES]);
        let standard = &standard[start..start + LANES];
        for lane in 0..LANES {
            let scaled = g[lane] * scale[lane];
            sums[lane] += scaled;
            products[lane] += scaled * standard[lane];
        }
    }
    for i in whole..width {
        let scaled = g[i] * scale[i];
        sums[i - whole] += scaled;
        products[i - whole] += scaled * standard[i];
    }
    [sums, products].map(|sums| sums.iter().sum::<f32>() / width as f32)
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn of_row(
    of_x: &mut [f32],
    standard: &[f32],
    g: &[f32],
    scale: &[f32],
    inverse: f32,
    means: [f32; 2],
) {
    let factors = g.iter().zip(scale);
    for ((of_x, standard), (g, scale)) in of_x.iter_mut().zip(standard).zip(factors) {
        *of_x = inverse * (g * scale - means[0] - standard * means[1]);
    }
}
