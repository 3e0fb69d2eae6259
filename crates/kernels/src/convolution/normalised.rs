use std::sync::{Arc, OnceLock};

use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;

use super::{Moves, Sizes, backward, forward};
use crate::KernelError;
use crate::array::{Array, View, spread, unwritten};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::lanes::{sum, sum_of_squares};

const NAME: &str = "batch normalisation";

/// What follows the normalisation of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Added to the variance; above 0.
    pub epsilon: f32,
    /// Whether negative results become 0.
    pub relu: bool,
}

impl Default for Normalisation {
    fn default() -> Normalisation {
        Normalisation {
            epsilon: 1e-5,
            relu: true,
        }
    }
}

/// A normalised batch, and what it was normalised by.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// In the shape of what was normalised.
    pub output: Tensor<4>,
    /// Mean of each channel over the batch and all pixels.
    pub mean: Vec<f32>,
    /// Variance of each channel: the mean squared distance from the mean, not an estimate from a sample.
    pub variance: Vec<f32>,
}

/// Normalises each channel over the batch and all pixels, then scales and shifts it: `(x - mean) / sqrt(variance + epsilon) scale +
/// shift`, and sets negative results to 0 if `then.relu`.
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`; `scale` and `shift`: `[channels]`.
///
/// # Errors
/// When shapes do not fit, or epsilon is not above 0.
///
/// # Reference
/// Ioffe & Szegedy 2015, algorithm 1.
pub fn batch_norm(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    then: Normalisation,
) -> Result<Normalised, KernelError> {
    check(x.dims()[1], &scale, &shift, then)?;
    if !is_cpu(&x.device()) {
        return Ok(portable(x, scale, shift, then));
    }
    let [batch, channels, height, width] = x.dims();
    let moments = Arc::new(OnceLock::new());
    let kernel = BatchNorm {
        then,
        batch,
        channels,
        pixels: height * width,
        moments: moments.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
    ];
    Ok(normalised(run(inputs, kernel), &moments))
}

/// A [`convolution`](crate::convolution) without bias, then [`batch_norm`], in one operation: the moments are taken while an image's
/// result is in the cache, and going backwards the gradient of the convolution is never written as a whole.
///
/// # Shapes
/// `x` and `weight` as there; `scale` and `shift`: `[filters]`.
///
/// # Errors
/// As there.
pub fn normalised_convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    moves: Moves,
    then: Normalisation,
) -> Result<Normalised, KernelError> {
    let sizes = Sizes::new(x.dims(), weight.dims(), moves)?;
    check(sizes.filters, &scale, &shift, then)?;
    if !is_cpu(&x.device()) {
        return Ok(portable(
            super::portable(x, weight, None, moves),
            scale,
            shift,
            then,
        ));
    }
    let moments = Arc::new(OnceLock::new());
    let kernel = NormalisedConvolution {
        then,
        sizes,
        convolved: OnceLock::new(),
        moments: moments.clone(),
    };
    let inputs = vec![
        x.into_dispatch(),
        weight.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
    ];
    Ok(normalised(run(inputs, kernel), &moments))
}

/// Weights and bias of a convolution that does what a convolution without bias and a normalisation by fixed moments do in turn: what
/// a trained network is used with.
///
/// # Shapes
/// `weight`: `[filters, ...]`; `scale`, `shift`, `mean`, `variance`: `[filters]`.
///
/// # Errors
/// When the lengths differ.
pub fn fold(
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f32,
) -> Result<(Tensor<4>, Tensor<1>), KernelError> {
    let filters = weight.dims()[0];
    for (what, given) in [
        ("length of the scale", &scale),
        ("length of the shift", &shift),
        ("length of the mean", &mean),
        ("length of the variance", &variance),
    ] {
        equal(NAME, what, filters, given.dims()[0])?;
    }
    let factor = scale / (variance + epsilon).sqrt();
    let bias = shift - mean * factor.clone();
    Ok((weight * factor.reshape([filters, 1, 1, 1]), bias))
}

fn check(
    channels: usize,
    scale: &Tensor<1>,
    shift: &Tensor<1>,
    then: Normalisation,
) -> Result<(), KernelError> {
    equal(NAME, "length of the scale", channels, scale.dims()[0])?;
    equal(NAME, "length of the shift", channels, shift.dims()[0])?;
    if then.epsilon > 0.0 {
        return Ok(());
    }
    Err(KernelError::shape(NAME, "epsilon", "above 0", then.epsilon))
}

fn normalised(output: Tensor<4>, moments: &OnceLock<Moments>) -> Normalised {
    let moments = moments.get().cloned().unwrap_or_default();
    Normalised {
        output,
        mean: moments.mean,
        variance: moments.variance,
    }
}

pub(crate) fn portable(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    then: Normalisation,
) -> Normalised {
    let channels = x.dims()[1];
    let wide = |t: Tensor<1>| t.reshape([1, channels, 1, 1]);
    let average = |t: Tensor<4>| t.mean_dim(0).mean_dim(2).mean_dim(3);
    let mean = average(x.clone());
    let centred = x - mean.clone();
    let variance = average(centred.clone().square());
    let deviation = (variance.clone() + then.epsilon).sqrt();
    let output = centred / deviation * wide(scale) + wide(shift);
    let numbers = |t: Tensor<4>| t.into_data().iter::<f32>().collect();
    Normalised {
        output: if then.relu {
            activation::relu(output)
        } else {
            output
        },
        mean: numbers(mean),
        variance: numbers(variance),
    }
}

#[derive(Debug, Clone, Default)]
struct Moments {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Moments {
    fn inverse_deviation(&self, channel: usize, then: Normalisation) -> f32 {
        1.0 / (self.variance[channel] + then.epsilon).sqrt()
    }

    /// Mean, factor and shift of a channel, see [`scale_plane`].
    fn numbers(
        &self,
        channel: usize,
        [scale, shift]: [&[f32]; 2],
        then: Normalisation,
    ) -> [f32; 3] {
        let factor = self.inverse_deviation(channel, then) * scale[channel];
        [self.mean[channel], factor, shift[channel]]
    }
}

/// Mean and sum of squares around it of each plane of an image.
fn moments_of(image: &[f32], pixels: usize) -> Vec<(f32, f32)> {
    let of = |plane: &[f32]| {
        let mean = sum(plane) / pixels as f32;
        (mean, sum_of_squares(plane, mean))
    };
    image.chunks_exact(pixels).map(of).collect()
}

/// The moments of a batch from those of its images, which all have the same number of pixels (Chan et al. 1979).
fn joined(images: &[Vec<(f32, f32)>], channels: usize, pixels: usize) -> Moments {
    let count = images.len().max(1) as f64;
    let mut moments = Moments::default();
    for channel in 0..channels {
        let of_image = || images.iter().map(|image| image[channel]);
        let mean = of_image().map(|(mean, _)| f64::from(mean)).sum::<f64>() / count;
        let apart = |(m, squares): (f32, f32)| {
            f64::from(squares) + pixels as f64 * (f64::from(m) - mean).powi(2)
        };
        let variance = of_image().map(apart).sum::<f64>() / (count * pixels.max(1) as f64);
        moments.mean.push(mean as f32);
        moments.variance.push(variance as f32);
    }
    moments
}

/// `(x - mean) factor + shift`, perhaps cut at 0.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn scale_plane(out: &mut [f32], x: &[f32], [mean, factor, shift]: [f32; 3], relu: bool) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for (out, &x) in out.iter_mut().zip(x) {
        let y = (x - mean) * factor + shift;
        // So that what is no number stays none.
        *out = if y < floor { floor } else { y };
    }
}

/// Normalises a batch of images of `x` by its moments.
fn apply(
    x: &[f32],
    moments: &Moments,
    inputs: [View; 2],
    pixels: usize,
    then: Normalisation,
) -> Vec<f32> {
    let factors = inputs.map(|input| input.values);
    #[expect(unsafe_code, reason = "`x` is whole images, and each is written below")]
    let mut output = unsafe { unwritten(x.len()) };
    let length = factors[0].len() * pixels;
    let images = output.chunks_exact_mut(length).zip(x.chunks_exact(length));
    spread(images.collect(), |(output, x)| {
        let planes = output.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels));
        for (channel, (output, x)) in planes.enumerate() {
            let numbers = moments.numbers(channel, factors, then);
            scale_plane(output, x, numbers, then.relu);
        }
    });
    output
}

/// The result that [`scale_plane`] gave, computed again: cheaper than to read it.
#[inline(always)]
fn passed(g: f32, x: f32, [mean, factor, shift]: [f32; 3], relu: bool) -> f32 {
    let y = (x - mean) * factor + shift;
    if !relu || y > 0.0 { g } else { 0.0 }
}

/// The sums of the gradient, and of the gradient times the distance of `x` from its mean, where the result was not cut.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn plane_sums(gradient: &[f32], x: &[f32], numbers: [f32; 3], relu: bool) -> [f32; 2] {
    const LANES: usize = 16;
    let (g, rest_g) = gradient.as_chunks::<LANES>();
    let (x, rest_x) = x.as_chunks::<LANES>();
    let (mut sums, mut products) = ([0f32; LANES], [0f32; LANES]);
    for (g, x) in g.iter().zip(x) {
        for lane in 0..LANES {
            let g = passed(g[lane], x[lane], numbers, relu);
            sums[lane] += g;
            products[lane] += g * (x[lane] - numbers[0]);
        }
    }
    let mut found = [sums.iter().sum::<f32>(), products.iter().sum()];
    for (&g, &x) in rest_g.iter().zip(rest_x) {
        let g = passed(g, x, numbers, relu);
        found[0] += g;
        found[1] += g * (x - numbers[0]);
    }
    found
}

/// The gradient of `x`: `factor (passed gradient - its mean - (x - mean) slope)`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn of_plane(out: &mut [f32], gradient: &[f32], x: &[f32], of: OfChannel, relu: bool) {
    let [mean, factor, _] = of.numbers;
    for (out, (&g, &x)) in out.iter_mut().zip(gradient.iter().zip(x)) {
        let g = passed(g, x, of.numbers, relu);
        *out = factor * (g - of.mean - (x - mean) * of.slope);
    }
}

/// What a channel's gradient is computed from, see [`of_plane`].
#[derive(Clone, Copy)]
struct OfChannel {
    /// Mean, factor and shift.
    numbers: [f32; 3],
    /// Mean of the passed gradient.
    mean: f32,
    /// How the gradient grows with the distance of `x` from its mean.
    slope: f32,
}

/// What the backward pass of a normalisation needs of the whole batch: gradients of scale and shift, and numbers for each channel.
struct Backward {
    of_scale: Array,
    of_shift: Array,
    channels: Vec<OfChannel>,
}

fn sums_of(
    x: &[f32],
    gradient: &[f32],
    factors: [&[f32]; 2],
    moments: &Moments,
    pixels: usize,
    then: Normalisation,
) -> Backward {
    let channels = factors[0].len();
    let length = channels * pixels;
    let batch = x.len() / length.max(1);
    let numbers = |channel: usize| moments.numbers(channel, factors, then);
    let mut sums = vec![[0f32; 2]; batch * channels];
    let images: Vec<_> = sums.chunks_exact_mut(channels.max(1)).enumerate().collect();
    spread(images, |(number, sums)| {
        for (channel, sums) in sums.iter_mut().enumerate() {
            let first = number * length + channel * pixels;
            let at = first..first + pixels;
            *sums = plane_sums(&gradient[at.clone()], &x[at], numbers(channel), then.relu);
        }
    });
    let count = (batch * pixels).max(1) as f64;
    let mut found = Backward {
        of_scale: Array::zeros(&[channels]),
        of_shift: Array::zeros(&[channels]),
        channels: Vec::with_capacity(channels),
    };
    for channel in 0..channels {
        let total = |i: usize| -> f64 {
            let of_images = sums.iter().skip(channel).step_by(channels);
            of_images.map(|sums| f64::from(sums[i])).sum()
        };
        let (sum, product) = (total(0), total(1));
        let inverse = moments.inverse_deviation(channel, then);
        let square = f64::from(inverse) * f64::from(inverse);
        found.of_scale.values[channel] = (product * f64::from(inverse)) as f32;
        found.of_shift.values[channel] = sum as f32;
        found.channels.push(OfChannel {
            numbers: numbers(channel),
            mean: (sum / count) as f32,
            slope: (product * square / count) as f32,
        });
    }
    found
}

/// Inputs: `x`, scale, shift.
#[derive(Debug)]
struct BatchNorm {
    then: Normalisation,
    batch: usize,
    channels: usize,
    pixels: usize,
    moments: Arc<OnceLock<Moments>>,
}

impl BatchNorm {
    fn image_length(&self) -> usize {
        self.channels * self.pixels
    }
}

impl Kernel for BatchNorm {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let length = self.image_length();
        if self.batch * length == 0 {
            return Array::zeros(inputs[0].shape);
        }
        let x = inputs[0].values;
        let mut images = vec![Vec::new(); self.batch];
        let parts = images.iter_mut().zip(x.chunks_exact(length)).collect();
        spread(parts, |(moments, x)| *moments = moments_of(x, self.pixels));
        let moments = joined(&images, self.channels, self.pixels);
        let values = apply(x, &moments, [inputs[1], inputs[2]], self.pixels, self.then);
        // A kernel runs forwards once.
        let _ = self.moments.set(moments);
        Array {
            shape: inputs[0].shape.to_vec(),
            values,
        }
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
        let Some(moments) = self.moments.get() else {
            return Array::zeros_like(inputs);
        };
        let (x, gradient) = (inputs[0].values, gradient.values);
        let factors = [inputs[1].values, inputs[2].values];
        let (then, pixels) = (self.then, self.pixels);
        let found = sums_of(x, gradient, factors, moments, pixels, then);
        let mut of_x = Array::when(wanted[0], || Array::zeros(inputs[0].shape));
        if wanted[0] {
            let length = self.image_length();
            let images = of_x.values.chunks_exact_mut(length).enumerate().collect();
            spread(images, |(number, of_x)| {
                for (channel, of_x) in of_x.chunks_exact_mut(pixels).enumerate() {
                    let first = number * length + channel * pixels;
                    let at = first..first + pixels;
                    let (g, x) = (&gradient[at.clone()], &x[at]);
                    of_plane(of_x, g, x, found.channels[channel], then.relu);
                }
            });
        }
        vec![of_x, found.of_scale, found.of_shift]
    }
}

/// Inputs: `x`, weights, scale, shift.
#[derive(Debug)]
struct NormalisedConvolution {
    then: Normalisation,
    sizes: Sizes,
    /// The result of the convolution.
    convolved: OnceLock<Array>,
    moments: Arc<OnceLock<Moments>>,
}

impl Kernel for NormalisedConvolution {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let s = self.sizes;
        let (x, weight) = (inputs[0].values, inputs[1].values);
        let (convolved, images) =
            forward(s, x, weight, None, |image| moments_of(image, s.outputs()));
        if convolved.values.is_empty() {
            return convolved;
        }
        let moments = joined(&images, s.filters, s.outputs());
        let factors = [inputs[2], inputs[3]];
        let output = Array {
            shape: convolved.shape.clone(),
            values: apply(&convolved.values, &moments, factors, s.outputs(), self.then),
        };
        // A kernel runs forwards once.
        let _ = self.moments.set(moments);
        if keep {
            let _ = self.convolved.set(convolved);
        }
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
        wanted: &[bool],
    ) -> Vec<Array> {
        let (Some(moments), Some(convolved)) = (self.moments.get(), self.convolved.get()) else {
            return Array::zeros_like(inputs);
        };
        let (s, then, pixels) = (self.sizes, self.then, self.sizes.outputs());
        let y = convolved.values.as_slice();
        let factors = [inputs[2].values, inputs[3].values];
        let found = sums_of(y, gradient.values, factors, moments, pixels, then);
        let change = |number: usize, gradient: &[f32], of_convolved: &mut [f32]| {
            let planes = of_convolved.chunks_exact_mut(pixels);
            for (channel, (of_plane_of, g)) in planes.zip(gradient.chunks_exact(pixels)).enumerate()
            {
                let first = number * s.output_length() + channel * pixels;
                of_plane(
                    of_plane_of,
                    g,
                    &y[first..first + pixels],
                    found.channels[channel],
                    then.relu,
                );
            }
        };
        let wanted = [wanted[0], wanted[1]];
        let (of_x, of_weight, _) =
            backward(s, inputs[0], inputs[1], gradient, Some(&change), wanted);
        vec![of_x, of_weight, found.of_scale, found.of_shift]
    }
}
