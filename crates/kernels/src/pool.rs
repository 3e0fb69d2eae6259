use std::ops::Range;
use std::sync::OnceLock;

use burn::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use multiversion::multiversion;

use crate::KernelError;
use crate::array::{Array, View, spread};
use crate::extension::{Keeps, Kernel, is_cpu, run};

/// What pixels a pooled one is made of; the first number of each pair is vertical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns, 1 or more.
    pub size: [usize; 2],
    /// Steps between windows, 1 or more.
    pub stride: [usize; 2],
    /// How far windows reach beyond the image, at most half of their size; there is nothing there.
    pub padding: [usize; 2],
}

impl Window {
    /// Windows side by side.
    pub fn new(size: [usize; 2]) -> Window {
        Window {
            size,
            stride: size,
            padding: [0, 0],
        }
    }
}

/// The greatest pixel of each window; of equal ones the first gets the gradient. A NaN is never greater than a number.
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`; the result has `(size + 2 padding - window) / stride + 1` rows and columns, rounded down.
///
/// # Errors
/// When a window's size or stride is zero, its padding more than half of its size, or it is larger than the padded image.
pub fn max_pool(x: Tensor<4>, window: Window) -> Result<Tensor<4>, KernelError> {
    let output = output_of("maximum pooling", x.dims(), window)?;
    if !is_cpu(&x.device()) {
        return Ok(portable_max(x, window));
    }
    let kernel = MaxPool {
        window,
        output,
        winners: OnceLock::new(),
    };
    Ok(run(vec![x.into_dispatch()], kernel))
}

/// The mean of each window's pixels, those beyond the image not counted.
///
/// # Shapes
/// As of [`max_pool`].
///
/// # Errors
/// As of [`max_pool`].
pub fn average_pool(x: Tensor<4>, window: Window) -> Result<Tensor<4>, KernelError> {
    let output = output_of("average pooling", x.dims(), window)?;
    if !is_cpu(&x.device()) {
        return Ok(portable_average(x, window));
    }
    Ok(run(vec![x.into_dispatch()], AveragePool { window, output }))
}

pub(crate) fn portable_max(x: Tensor<4>, window: Window) -> Tensor<4> {
    let options = MaxPoolOptions::new(window.size)
        .with_stride(window.stride)
        .with_padding(window.padding);
    max_pool2d(x, options)
}

pub(crate) fn portable_average(x: Tensor<4>, window: Window) -> Tensor<4> {
    let options = AvgPoolOptions::new(window.size)
        .with_stride(window.stride)
        .with_padding(window.padding)
        .with_count_include_pad(false);
    avg_pool2d(x, options)
}

fn output_of(
    name: &'static str,
    [_, _, height, width]: [usize; 4],
    window: Window,
) -> Result<[usize; 2], KernelError> {
    let mut output = [0; 2];
    for (axis, image) in [height, width].into_iter().enumerate() {
        let (size, stride, padding) =
            (window.size[axis], window.stride[axis], window.padding[axis]);
        if size == 0 || stride == 0 {
            let least = size.min(stride);
            return Err(KernelError::shape(
                name,
                "window's size and stride",
                "at least 1",
                least,
            ));
        }
        if padding > size / 2 {
            let most = format!("at most {}", size / 2);
            return Err(KernelError::shape(name, "padding", most, padding));
        }
        let padded = image + 2 * padding;
        let Some(room) = padded.checked_sub(size) else {
            let least = format!("at least {size}");
            return Err(KernelError::shape(name, "padded image", least, padded));
        };
        output[axis] = room / stride + 1;
    }
    Ok(output)
}

impl Window {
    /// The pixels along one axis that belong to the window number `place`.
    fn pixels(&self, axis: usize, place: usize, image: usize) -> Range<usize> {
        let start = place * self.stride[axis];
        let end = (start + self.size[axis]).saturating_sub(self.padding[axis]);
        start.saturating_sub(self.padding[axis])..end.min(image)
    }

    /// The windows along one axis whose pixel number `k` is inside the image, and that pixel of the first.
    fn windows(&self, axis: usize, k: usize, image: usize, count: usize) -> (Range<usize>, usize) {
        let (stride, padding) = (self.stride[axis], self.padding[axis]);
        let first = padding.saturating_sub(k).div_ceil(stride);
        let end = (image + padding)
            .saturating_sub(k)
            .div_ceil(stride)
            .min(count);
        (
            first..end.max(first),
            (first * stride + k).wrapping_sub(padding),
        )
    }
}

#[derive(Debug)]
struct MaxPool {
    window: Window,
    output: [usize; 2],
    /// Where in its plane each value came from, in the order of the result.
    winners: OnceLock<Vec<u32>>,
}

/// The result's shape, and the sizes of a plane of `x` and of the result.
fn sizes(x: View, output: [usize; 2]) -> ([usize; 4], usize, usize) {
    let [batch, channels, height, width] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
    let shape = [batch, channels, output[0], output[1]];
    (shape, height * width, output[0] * output[1])
}

/// Planes that a thread takes at a time.
const PLANES: usize = 16;

impl Kernel for MaxPool {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let x = inputs[0];
        let (shape, from, to) = sizes(x, self.output);
        let mut result = Array::zeros(&shape);
        if result.values.is_empty() || from == 0 {
            return result;
        }
        let mut winners = vec![0u32; result.values.len()];
        let parts = result.values.chunks_mut(PLANES * to);
        let parts = parts.zip(winners.chunks_mut(PLANES * to));
        let parts = parts.zip(x.values.chunks(PLANES * from)).collect();
        spread(parts, |((result, winners), x)| {
            let planes = result
                .chunks_exact_mut(to)
                .zip(winners.chunks_exact_mut(to));
            for ((result, winners), x) in planes.zip(x.chunks_exact(from)) {
                max_of_plane(
                    self.window,
                    x,
                    inputs[0].shape[3],
                    self.output,
                    result,
                    winners,
                );
            }
        });
        if keep {
            // A kernel runs forwards once.
            let _ = self.winners.set(winners);
        }
        result
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let (_, to, from) = sizes(inputs[0], self.output);
        let mut found = Array::zeros(inputs[0].shape);
        let winners = self.winners.get().map(Vec::as_slice).unwrap_or_default();
        if winners.is_empty() || to == 0 {
            return vec![found];
        }
        let parts = found.values.chunks_mut(PLANES * to);
        let parts = parts.zip(winners.chunks(PLANES * from));
        let parts = parts.zip(gradient.values.chunks(PLANES * from)).collect();
        spread(parts, |((found, winners), gradient)| {
            let planes = winners.chunks_exact(from).zip(gradient.chunks_exact(from));
            for (found, (winners, gradient)) in found.chunks_exact_mut(to).zip(planes) {
                for (&winner, g) in winners.iter().zip(gradient) {
                    found[winner as usize] += g;
                }
            }
        });
        vec![found]
    }
}

/// Line after line: each pixel of the windows of a line of results in turn, all windows at once.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn max_of_plane(
    window: Window,
    x: &[f32],
    width: usize,
    output: [usize; 2],
    result: &mut [f32],
    winners: &mut [u32],
) {
    let height = x.len() / width;
    result.fill(f32::NEG_INFINITY);
    let lines = result
        .chunks_exact_mut(output[1])
        .zip(winners.chunks_exact_mut(output[1]));
    for (line, (result, winners)) in lines.enumerate() {
        let rows = window.pixels(0, line, height);
        // A window of numbers that are none, or of negative infinities, comes from its first pixel.
        for (place, winner) in winners.iter_mut().enumerate() {
            *winner = (rows.start * width + window.pixels(1, place, width).start) as u32;
        }
        for row in rows {
            for k in 0..window.size[1] {
                let (places, first) = window.windows(1, k, width, output[1]);
                if places.is_empty() {
                    continue;
                }
                let at = row * width + first;
                let x = &x[at..(row + 1) * width];
                let (result, winners) = (&mut result[places.clone()], &mut winners[places]);
                match window.stride[1] {
                    1 => greater::<1>(x, at, result, winners),
                    2 => greater::<2>(x, at, result, winners),
                    3 => greater::<3>(x, at, result, winners),
                    stride => greater_apart(x, at, stride, result, winners),
                }
            }
        }
    }
    for (result, &winner) in result.iter_mut().zip(winners.iter()) {
        if *result == f32::NEG_INFINITY {
            *result = x[winner as usize];
        }
    }
}

/// Takes every `S`th pixel, the first of which is number `at` of its plane, where it is greater.
#[inline(always)]
fn greater<const S: usize>(x: &[f32], at: usize, result: &mut [f32], winners: &mut [u32]) {
    let whole = (x.len() / S).min(result.len());
    let (x_whole, x_rest) = x.split_at(whole * S);
    let (result, result_rest) = result.split_at_mut(whole);
    let (winners, winners_rest) = winners.split_at_mut(whole);
    let groups = x_whole.as_chunks::<S>().0.iter();
    let places = result.iter_mut().zip(winners).enumerate();
    for ((i, (result, winner)), group) in places.zip(groups) {
        let better = group[0] > *result;
        *result = if better { group[0] } else { *result };
        *winner = if better { (at + i * S) as u32 } else { *winner };
    }
    greater_apart(x_rest, at + whole * S, S, result_rest, winners_rest);
}

#[inline(always)]
fn greater_apart(x: &[f32], at: usize, stride: usize, result: &mut [f32], winners: &mut [u32]) {
    let places = result.iter_mut().zip(winners).enumerate();
    for ((i, (result, winner)), &value) in places.zip(x.iter().step_by(stride)) {
        if value > *result {
            (*result, *winner) = (value, (at + i * stride) as u32);
        }
    }
}

#[derive(Debug)]
struct AveragePool {
    window: Window,
    output: [usize; 2],
}

impl Kernel for AveragePool {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let x = inputs[0];
        let (shape, from, to) = sizes(x, self.output);
        let mut result = Array::zeros(&shape);
        if result.values.is_empty() || from == 0 {
            return result;
        }
        let [height, width] = [x.shape[2], x.shape[3]];
        let parts = result.values.chunks_mut(PLANES * to);
        let parts = parts.zip(x.values.chunks(PLANES * from)).collect();
        spread(parts, |(result, x)| {
            for (result, x) in result.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
                for (place, result) in result.iter_mut().enumerate() {
                    let (rows, columns) = self.pixels(place, height, width);
                    let count = rows.len() * columns.len();
                    let lines = rows.map(|row| &x[row * width..][columns.clone()]);
                    *result = lines.map(crate::lanes::sum).sum::<f32>() / count as f32;
                }
            }
        });
        result
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let (_, to, from) = sizes(inputs[0], self.output);
        let mut found = Array::zeros(inputs[0].shape);
        if gradient.values.is_empty() || to == 0 {
            return vec![found];
        }
        let [height, width] = [inputs[0].shape[2], inputs[0].shape[3]];
        let parts = found.values.chunks_mut(PLANES * to);
        let parts = parts.zip(gradient.values.chunks(PLANES * from)).collect();
        spread(parts, |(found, gradient)| {
            let planes = found.chunks_exact_mut(to).zip(gradient.chunks_exact(from));
            for (found, gradient) in planes {
                for (place, g) in gradient.iter().enumerate() {
                    let (rows, columns) = self.pixels(place, height, width);
                    let share = g / (rows.len() * columns.len()) as f32;
                    for row in rows {
                        let line = &mut found[row * width..][columns.clone()];
                        line.iter_mut().for_each(|found| *found += share);
                    }
                }
            }
        });
        vec![found]
    }
}

impl AveragePool {
    /// Rows and columns of a window, by the place of its result.
    fn pixels(&self, place: usize, height: usize, width: usize) -> (Range<usize>, Range<usize>) {
        let (line, column) = (place / self.output[1], place % self.output[1]);
        (
            self.window.pixels(0, line, height),
            self.window.pixels(1, column, width),
        )
    }
}
