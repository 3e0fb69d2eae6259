use std::ops::Range;

use burn::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use rayon::prelude::*;

use crate::KernelError;
use crate::array::{Array, View, pieces_of};
use crate::error::equal;
use crate::extension::{Kernel, is_cpu, run};
use crate::lanes::{add_scaled, dot};
use crate::matrix_product::{Matrix, multiply, multiply_into};

const NAME: &str = "2-D convolution";

/// How a kernel moves over an image; the first number of each pair is vertical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Steps between outputs, 1 or more.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: [usize; 2],
    /// Distance between the kernel's places, 1 or more.
    pub dilation: [usize; 2],
    /// Parts of the channels that do not see each other; the number of channels for a depthwise convolution.
    pub groups: usize,
}

impl Default for Moves {
    fn default() -> Moves {
        Moves {
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

impl Moves {
    /// Stride 1, and so many zeros that an odd kernel of this size keeps the size of the image.
    pub fn same(kernel: [usize; 2]) -> Moves {
        Moves {
            padding: [kernel[0] / 2, kernel[1] / 2],
            ..Moves::default()
        }
    }
}

/// A convolution (as everywhere in deep learning a correlation: the kernel is not mirrored).
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`; `weight`: `[filters, channels / groups, kernel height, kernel width]`; `bias`:
/// `[filters]`; the result: `[batch, filters, ...]` with `(size + 2 padding - dilation (kernel - 1) - 1) / stride + 1` rows and
/// columns, rounded down.
///
/// # Errors
/// When shapes do not fit, the kernel is larger than the padded image, or a stride, dilation or number of groups is zero.
pub fn convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    moves: Moves,
) -> Result<Tensor<4>, KernelError> {
    let sizes = Sizes::new(x.dims(), weight.dims(), moves)?;
    if let Some(bias) = &bias {
        equal(NAME, "length of the bias", sizes.filters, bias.dims()[0])?;
    }
    if !is_cpu(&x.device()) {
        return Ok(portable(x, weight, bias, moves));
    }
    let mut inputs = vec![x.into_dispatch(), weight.into_dispatch()];
    inputs.extend(bias.map(Tensor::into_dispatch));
    Ok(run(inputs, Convolution { sizes }))
}

pub(crate) fn portable(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    moves: Moves,
) -> Tensor<4> {
    let options = ConvOptions::new(moves.stride, moves.padding, moves.dilation, moves.groups);
    conv2d(x, weight, bias, options)
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    channels: usize,
    image: [usize; 2],
    filters: usize,
    kernel: [usize; 2],
    output: [usize; 2],
    moves: Moves,
}

impl Sizes {
    fn new(x: [usize; 4], weight: [usize; 4], moves: Moves) -> Result<Sizes, KernelError> {
        let [batch, channels, height, width] = x;
        let [filters, per_group, kernel_height, kernel_width] = weight;
        let positive = [
            ("stride", moves.stride[0].min(moves.stride[1])),
            ("dilation", moves.dilation[0].min(moves.dilation[1])),
            ("number of groups", moves.groups),
            ("kernel size", kernel_height.min(kernel_width)),
        ];
        for (what, value) in positive {
            if value == 0 {
                return Err(KernelError::shape(NAME, what, "at least 1", 0));
            }
        }
        equal(
            NAME,
            "channels of the weights, times groups",
            channels,
            per_group * moves.groups,
        )?;
        if filters % moves.groups != 0 {
            let expected = format!("a multiple of {} groups", moves.groups);
            return Err(KernelError::shape(
                NAME,
                "number of filters",
                expected,
                filters,
            ));
        }
        let (image, kernel) = ([height, width], [kernel_height, kernel_width]);
        let mut output = [0; 2];
        for axis in 0..2 {
            let padded = image[axis] + 2 * moves.padding[axis];
            let reach = moves.dilation[axis] * (kernel[axis] - 1) + 1;
            let Some(room) = padded.checked_sub(reach) else {
                return Err(KernelError::shape(
                    NAME,
                    "padded image",
                    format!("at least {reach}"),
                    padded,
                ));
            };
            output[axis] = room / moves.stride[axis] + 1;
        }
        Ok(Sizes {
            batch,
            channels,
            image,
            filters,
            kernel,
            output,
            moves,
        })
    }

    fn channels_per_group(&self) -> usize {
        self.channels / self.moves.groups
    }

    fn filters_per_group(&self) -> usize {
        self.filters / self.moves.groups
    }

    fn kernel_places(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Numbers that one output depends on.
    fn depth(&self) -> usize {
        self.channels_per_group() * self.kernel_places()
    }

    fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    fn outputs(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn is_depthwise(&self) -> bool {
        self.channels_per_group() == 1 && self.filters_per_group() == 1
    }

    /// Whether the image is already the matrix that the kernel is multiplied with.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.moves.stride == [1, 1] && self.moves.padding == [0, 0]
    }

    /// Output rows whose columns are laid out at a time, so that they stay in the cache.
    fn rows_at_once(&self) -> usize {
        (COLUMNS / (self.depth() * self.output[1]).max(1)).clamp(1, self.output[0])
    }

    /// The output places along one axis at which a kernel place lies inside the image, and the image place of the first.
    fn inside(&self, axis: usize, place: usize) -> (Range<usize>, usize) {
        let (stride, padding) = (self.moves.stride[axis], self.moves.padding[axis]);
        let offset = place * self.moves.dilation[axis];
        let first = padding.saturating_sub(offset).div_ceil(stride);
        // stride * o + offset - padding < size
        let end = (self.image[axis] + padding)
            .saturating_sub(offset)
            .div_ceil(stride);
        let range = first..end.min(self.output[axis]).max(first);
        (range, (first * stride + offset).wrapping_sub(padding))
    }
}

/// Numbers of a piece of laid-out columns: half of a small second-level cache.
const COLUMNS: usize = 1 << 16;
/// Images whose weight gradients are summed by one thread. Fixed, so that sums do not depend on the number of threads.
const IMAGES: usize = 4;

/// Inputs: `x`, weights, and the bias if there is one.
#[derive(Debug)]
struct Convolution {
    sizes: Sizes,
}

impl Kernel for Convolution {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let s = self.sizes;
        let (x, weight) = (inputs[0].values, inputs[1].values);
        let mut output = Array::zeros(&[s.batch, s.filters, s.output[0], s.output[1]]);
        if output.values.is_empty() {
            return output;
        }
        let image = s.channels * s.pixels();
        output
            .values
            .par_chunks_mut(s.filters * s.outputs())
            .enumerate()
            .for_each_init(Vec::new, |columns, (number, output)| {
                if let Some(bias) = inputs.get(2) {
                    for (plane, &bias) in output.chunks_exact_mut(s.outputs()).zip(bias.values) {
                        plane.fill(bias);
                    }
                }
                let x = &x[number * image..(number + 1) * image];
                if s.is_depthwise() {
                    depthwise_forward(s, x, weight, output);
                } else {
                    dense_forward(s, x, weight, output, columns);
                }
            });
        output
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let s = self.sizes;
        let (x, weight) = (inputs[0].values, inputs[1].values);
        let (image, result) = (s.channels * s.pixels(), s.filters * s.outputs());
        let mut of_x = Array::when(wanted[0], || Array::zeros(inputs[0].shape));
        let mut of_weight = Array::zeros(inputs[1].shape);
        let mut of_bias = Array::zeros(&[s.filters]);
        if gradient.values.is_empty() || image == 0 {
            let mut found = vec![Array::zeros(inputs[0].shape), of_weight];
            found.extend(inputs.get(2).map(|_| of_bias));
            return found;
        }
        // Some images at a time: their gradients for x, and the sum of those for the weights.
        let images = (0..s.batch)
            .step_by(IMAGES)
            .map(|first| first..(first + IMAGES).min(s.batch));
        let parts = pieces_of(images, &mut of_x.values, |images| {
            if wanted[0] { images.len() * image } else { 0 }
        });
        let sums: Vec<(Vec<f32>, Vec<f32>)> = parts
            .into_par_iter()
            .map(|(images, of_x)| {
                let (mut columns, mut of_columns) = (Vec::new(), Vec::new());
                let mut of_weight = vec![0.0; if wanted[1] { weight.len() } else { 0 }];
                let mut of_bias = vec![0.0; s.filters];
                for (i, number) in images.enumerate() {
                    let x = &x[number * image..(number + 1) * image];
                    let g = &gradient.values[number * result..(number + 1) * result];
                    for (sum, plane) in of_bias.iter_mut().zip(g.chunks_exact(s.outputs())) {
                        *sum += plane.iter().sum::<f32>();
                    }
                    let of_x = wanted[0].then(|| &mut of_x[i * image..(i + 1) * image]);
                    let of_weight = wanted[1].then_some(of_weight.as_mut_slice());
                    if s.is_depthwise() {
                        depthwise_backward(s, x, weight, g, of_x, of_weight);
                    } else {
                        let buffers = (&mut columns, &mut of_columns);
                        dense_backward(s, x, weight, g, of_x, of_weight, buffers);
                    }
                }
                (of_weight, of_bias)
            })
            .collect();
        for (weight, bias) in &sums {
            add_scaled(&mut of_weight.values, weight, 1.0);
            add_scaled(&mut of_bias.values, bias, 1.0);
        }
        let mut found = vec![of_x, of_weight];
        found.extend(inputs.get(2).map(|_| of_bias));
        found
    }
}

/// Where one kernel place brings a line of an image plane and a line of the output together.
struct Meeting {
    /// The kernel place.
    place: usize,
    /// From the first pixel that is met to the end of its line.
    image: Range<usize>,
    /// The output places, counted from the first of the rows that were asked for.
    output: Range<usize>,
}

/// All meetings of some output rows; those of one kernel place follow each other.
fn meetings(s: Sizes, rows: Range<usize>) -> Vec<Meeting> {
    let mut found = Vec::new();
    for ky in 0..s.kernel[0] {
        let (inside_y, first_y) = s.inside(0, ky);
        for kx in 0..s.kernel[1] {
            let (inside_x, first_x) = s.inside(1, kx);
            if inside_x.is_empty() {
                continue;
            }
            for row in rows.clone().filter(|row| inside_y.contains(row)) {
                let y = first_y + (row - inside_y.start) * s.moves.stride[0];
                let output = (row - rows.start) * s.output[1];
                found.push(Meeting {
                    place: ky * s.kernel[1] + kx,
                    image: y * s.image[1] + first_x..(y + 1) * s.image[1],
                    output: output + inside_x.start..output + inside_x.end,
                });
            }
        }
    }
    found
}

/// `image += w output`, where neighbours in the output are `stride` apart in the image.
fn add_to_image(image: &mut [f32], output: &[f32], stride: usize, w: f32) {
    if stride == 1 {
        add_scaled(&mut image[..output.len()], output, w);
    } else {
        let image = image.iter_mut().step_by(stride);
        image.zip(output).for_each(|(to, from)| *to += w * from);
    }
}

/// The columns of some output rows of one group: `[depth, rows * output width]`, zero outside the image.
fn lay_out(s: Sizes, x: &[f32], rows: Range<usize>, columns: &mut Vec<f32>) {
    let length = rows.len() * s.output[1];
    columns.clear();
    columns.resize(s.depth() * length, 0.0);
    let meetings = meetings(s, rows);
    let blocks = columns.chunks_exact_mut(s.kernel_places() * length);
    for (plane, block) in x.chunks_exact(s.pixels()).zip(blocks) {
        for Meeting {
            place,
            image,
            output,
        } in &meetings
        {
            let from = &plane[image.clone()];
            let to = &mut block[place * length..][output.clone()];
            if s.moves.stride[1] == 1 {
                let length = to.len();
                to.copy_from_slice(&from[..length]);
            } else {
                let from = from.iter().step_by(s.moves.stride[1]);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// The reverse of [`lay_out`]: adds columns to the places of the image that they came from.
fn add_back(s: Sizes, columns: &[f32], rows: Range<usize>, x: &mut [f32]) {
    let length = rows.len() * s.output[1];
    let meetings = meetings(s, rows);
    let blocks = columns.chunks_exact(s.kernel_places() * length);
    for (plane, block) in x.chunks_exact_mut(s.pixels()).zip(blocks) {
        for Meeting {
            place,
            image,
            output,
        } in &meetings
        {
            let from = &block[place * length..][output.clone()];
            add_to_image(&mut plane[image.clone()], from, s.moves.stride[1], 1.0);
        }
    }
}

/// Pieces of the output rows, one after the other.
fn pieces(s: Sizes) -> impl Iterator<Item = Range<usize>> {
    let at_once = if s.is_pointwise() {
        s.output[0]
    } else {
        s.rows_at_once()
    };
    (0..s.output[0])
        .step_by(at_once)
        .map(move |row| row..(row + at_once).min(s.output[0]))
}

/// The part of a slice that belongs to a group.
fn of_group<T>(values: &[T], groups: usize, group: usize) -> &[T] {
    let length = values.len() / groups;
    &values[group * length..(group + 1) * length]
}

fn dense_forward(s: Sizes, x: &[f32], weight: &[f32], output: &mut [f32], columns: &mut Vec<f32>) {
    let filters = s.filters_per_group();
    let per_group = filters * s.outputs();
    for group in 0..s.moves.groups {
        let x = of_group(x, s.moves.groups, group);
        let weight = Matrix::new(of_group(weight, s.moves.groups, group), filters, s.depth());
        let output = &mut output[group * per_group..(group + 1) * per_group];
        if s.is_pointwise() {
            multiply(output, weight, Matrix::new(x, s.depth(), s.outputs()), true);
            continue;
        }
        for rows in pieces(s) {
            lay_out(s, x, rows.clone(), columns);
            let count = rows.len() * s.output[1];
            let columns = Matrix::new(columns, s.depth(), count);
            multiply_into(
                &mut output[rows.start * s.output[1]..],
                s.outputs(),
                weight,
                columns,
            );
        }
    }
}

fn dense_backward(
    s: Sizes,
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    mut of_x: Option<&mut [f32]>,
    mut of_weight: Option<&mut [f32]>,
    (columns, of_columns): (&mut Vec<f32>, &mut Vec<f32>),
) {
    let (groups, filters) = (s.moves.groups, s.filters_per_group());
    for group in 0..groups {
        let x = of_group(x, groups, group);
        let weights = of_group(weight, groups, group);
        let gradient = of_group(gradient, groups, group);
        for rows in pieces(s) {
            let count = rows.len() * s.output[1];
            let gradient = &gradient[rows.start * s.output[1]..];
            let gradient = Matrix::strided(gradient, filters, count, s.outputs(), 1);
            if let Some(of_weight) = of_weight.as_deref_mut() {
                let length = filters * s.depth();
                let sum = &mut of_weight[group * length..(group + 1) * length];
                let columns: &[f32] = if s.is_pointwise() {
                    x
                } else {
                    lay_out(s, x, rows.clone(), columns);
                    columns
                };
                multiply(
                    sum,
                    gradient,
                    Matrix::new(columns, s.depth(), count).transposed(),
                    true,
                );
            }
            if let Some(of_x) = of_x.as_deref_mut() {
                let length = of_x.len() / groups;
                let of_x = &mut of_x[group * length..(group + 1) * length];
                let weights = Matrix::new(weights, filters, s.depth()).transposed();
                if s.is_pointwise() {
                    multiply(of_x, weights, gradient, true);
                } else {
                    of_columns.resize(s.depth() * count, 0.0);
                    multiply(of_columns, weights, gradient, false);
                    add_back(s, of_columns, rows, of_x);
                }
            }
        }
    }
}

fn depthwise_forward(s: Sizes, x: &[f32], weight: &[f32], output: &mut [f32]) {
    let meetings = meetings(s, 0..s.output[0]);
    let planes = x
        .chunks_exact(s.pixels())
        .zip(output.chunks_exact_mut(s.outputs()));
    for ((x, out), weight) in planes.zip(weight.chunks_exact(s.kernel_places())) {
        for Meeting {
            place,
            image,
            output,
        } in &meetings
        {
            let (from, to) = (&x[image.clone()], &mut out[output.clone()]);
            if s.moves.stride[1] == 1 {
                let length = to.len();
                add_scaled(to, &from[..length], weight[*place]);
            } else {
                let from = from.iter().step_by(s.moves.stride[1]);
                to.iter_mut()
                    .zip(from)
                    .for_each(|(to, from)| *to += weight[*place] * from);
            }
        }
    }
}

fn depthwise_backward(
    s: Sizes,
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    mut of_x: Option<&mut [f32]>,
    mut of_weight: Option<&mut [f32]>,
) {
    let (pixels, places) = (s.pixels(), s.kernel_places());
    let meetings = meetings(s, 0..s.output[0]);
    for channel in 0..s.channels {
        let x = &x[channel * pixels..(channel + 1) * pixels];
        let gradient = &gradient[channel * s.outputs()..(channel + 1) * s.outputs()];
        let weight = &weight[channel * places..(channel + 1) * places];
        for Meeting {
            place,
            image,
            output,
        } in &meetings
        {
            let (x, gradient) = (&x[image.clone()], &gradient[output.clone()]);
            if let Some(of_weight) = of_weight.as_deref_mut() {
                let sum = &mut of_weight[channel * places + place];
                *sum += if s.moves.stride[1] == 1 {
                    dot(&x[..gradient.len()], gradient)
                } else {
                    let x = x.iter().step_by(s.moves.stride[1]);
                    x.zip(gradient).map(|(x, g)| x * g).sum::<f32>()
                };
            }
            if let Some(of_x) = of_x.as_deref_mut() {
                let of_x = &mut of_x[channel * pixels..(channel + 1) * pixels];
                let of_x = &mut of_x[image.clone()];
                add_to_image(of_x, gradient, s.moves.stride[1], weight[*place]);
            }
        }
    }
}
