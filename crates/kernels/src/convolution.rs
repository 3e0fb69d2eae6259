mod dense;
mod depthwise;
mod normalised;
mod padded;
mod winograd;

#[cfg(test)]
pub(crate) use normalised::portable as portable_norm;
pub use normalised::{Normalisation, Normalised, batch_norm, fold, normalised_convolution};

use std::borrow::Cow;

use burn::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

use crate::KernelError;
use crate::array::{Array, View, pieces_of, spread, spread_with};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::lanes::{add_scaled, sum};
use crate::tiles::panel_width;
use padded::Correlation;

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
    convolve(x, weight, bias, sizes)
}

/// A [`convolution`] whose sums are always made as they are defined, where that function takes Winograd's transforms if they are faster:
/// three to four times more exact, and what the transforms are measured against.
///
/// # Shapes
/// As there.
///
/// # Errors
/// As there.
pub fn direct_convolution(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    moves: Moves,
) -> Result<Tensor<4>, KernelError> {
    let sizes = Sizes::new(x.dims(), weight.dims(), moves)?;
    let method = Method::Direct;
    convolve(x, weight, bias, Sizes { method, ..sizes })
}

fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    sizes: Sizes,
) -> Result<Tensor<4>, KernelError> {
    if let Some(bias) = &bias {
        equal(NAME, "length of the bias", sizes.filters, bias.dims()[0])?;
    }
    if !is_cpu(&x.device()) {
        return Ok(portable(x, weight, bias, sizes.moves));
    }
    let mut inputs = vec![x.into_dispatch(), weight.into_dispatch()];
    inputs.extend(bias.map(Tensor::into_dispatch));
    Ok(run(inputs, Convolution { sizes }))
}

/// A [`convolution`] along one axis, as of sequences.
///
/// # Shapes
/// `x`: `[batch, channels, length]`; `weight`: `[filters, channels / groups, kernel]`; `bias`: `[filters]`; the result: `[batch,
/// filters, (length + 2 padding - dilation (kernel - 1) - 1) / stride + 1]`, rounded down. Of `moves` the second number of each pair is
/// used, and the first must be that of [`Moves::default`].
///
/// # Errors
/// As of [`convolution`].
pub fn convolution_1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    moves: Moves,
) -> Result<Tensor<3>, KernelError> {
    let across = [moves.stride[0], moves.padding[0], moves.dilation[0]];
    if across != [1, 0, 1] {
        let what = "stride, padding and dilation across";
        return Err(KernelError::shape(NAME, what, [1, 0, 1], across));
    }
    Ok(convolution(x.unsqueeze_dim(2), weight.unsqueeze_dim(2), bias, moves)?.squeeze_dim(2))
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

/// Whether a convolution of these shapes is made by Winograd's transforms, and the gradient of its weights, too.
#[cfg(test)]
pub(crate) fn by_winograd(x: [usize; 4], weight: [usize; 4], moves: Moves) -> [bool; 2] {
    Sizes::new(x, weight, moves).map_or([false; 2], |s| [s.by_winograd(), s.weights_by_winograd()])
}

/// The sizes of a convolution's tensors.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    channels: usize,
    image: [usize; 2],
    filters: usize,
    kernel: [usize; 2],
    output: [usize; 2],
    moves: Moves,
    method: Method,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// As it is defined.
    Direct,
    /// By Winograd's transforms where they pay.
    Fastest,
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
            method: Method::Fastest,
        })
    }

    /// Whether the correlations of both passes are made by Winograd's transforms.
    fn by_winograd(&self) -> bool {
        self.method == Method::Fastest && winograd::pays(self)
    }

    fn weights_by_winograd(&self) -> bool {
        self.method == Method::Fastest && winograd::pays_for_weights(self)
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

    fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    fn outputs(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn is_depthwise(&self) -> bool {
        self.channels_per_group() == 1 && self.filters_per_group() == 1
    }

    /// Numbers of an image of `x`.
    fn image_length(&self) -> usize {
        self.channels * self.pixels()
    }

    /// Numbers of an image of the result.
    fn output_length(&self) -> usize {
        self.filters * self.outputs()
    }

    /// The forward pass as a correlation.
    fn forwards(&self) -> Correlation {
        let Moves {
            stride,
            padding,
            dilation,
            ..
        } = self.moves;
        Correlation {
            planes: self.channels_per_group(),
            pixels: self.image,
            kernel: self.kernel,
            output: self.output,
            stride,
            dilation,
            start: padding.map(|p| p as isize),
            spread: [1, 1],
        }
    }

    /// From the gradient of the result to that of `x`: the correlation with the mirrored kernel of the gradient, whose numbers are
    /// as far apart as the forward pass steps.
    fn backwards(&self) -> Correlation {
        let Moves {
            stride,
            padding,
            dilation,
            ..
        } = self.moves;
        let start = |axis: usize| {
            (dilation[axis] * (self.kernel[axis] - 1)) as isize - padding[axis] as isize
        };
        Correlation {
            planes: self.filters_per_group(),
            pixels: self.output,
            kernel: self.kernel,
            output: self.image,
            stride: [1, 1],
            dilation,
            start: [start(0), start(1)],
            spread: stride,
        }
    }

    /// The kernel of [`Sizes::backwards`]: `[groups, channels, filters, kernel]`, each kernel mirrored at its centre.
    fn mirrored(&self, weight: &[f32]) -> Vec<f32> {
        let (filters, channels, places) = (
            self.filters_per_group(),
            self.channels_per_group(),
            self.kernel_places(),
        );
        let mut mirrored = Vec::with_capacity(weight.len());
        for group in 0..self.moves.groups {
            for channel in 0..channels {
                for filter in group * filters..(group + 1) * filters {
                    let kernel = &weight[(filter * channels + channel) * places..][..places];
                    mirrored.extend(kernel.iter().rev());
                }
            }
        }
        mirrored
    }
}

/// Images whose weight gradients are summed by one thread. Fixed, so that sums do not depend on the number of threads.
const IMAGES: usize = 8;

/// What is computed once for all images of a batch; the weights are those of each group, `[groups, filters, planes, kernel]`.
enum Plan<'a> {
    Dense(dense::Plan, Cow<'a, [f32]>),
    Depthwise(Correlation, Cow<'a, [f32]>),
    Winograd(winograd::Plan, winograd::Weights),
}

impl<'a> Plan<'a> {
    fn forwards(s: Sizes, weight: &'a [f32]) -> Plan<'a> {
        if s.by_winograd() {
            let plan = winograd::Plan::new(s.forwards(), s.filters_per_group());
            let weights = winograd::Weights::new(&plan, weight, false);
            Plan::Winograd(plan, weights)
        } else {
            Plan::direct(s, s.forwards(), weight.into())
        }
    }

    fn backwards(s: Sizes, weight: &[f32]) -> Plan<'a> {
        if s.by_winograd() {
            let plan = winograd::Plan::new(s.backwards(), s.channels_per_group());
            let weights = winograd::Weights::new(&plan, weight, true);
            Plan::Winograd(plan, weights)
        } else {
            Plan::direct(s, s.backwards(), s.mirrored(weight).into())
        }
    }

    fn direct(s: Sizes, correlation: Correlation, weight: Cow<'a, [f32]>) -> Plan<'a> {
        if s.is_depthwise() {
            Plan::Depthwise(correlation, weight)
        } else {
            Plan::Dense(dense::Plan::new(correlation), weight)
        }
    }

    /// Images that are best correlated together.
    fn images_at_once(&self) -> usize {
        match self {
            Plan::Winograd(plan, _) => plan.images_at_once(),
            Plan::Dense(..) | Plan::Depthwise(..) => 1,
        }
    }

    /// Some images: `x` `[images, groups * planes, pixels]`.
    fn correlate(
        &self,
        [count, groups]: [usize; 2],
        x: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        if let Plan::Winograd(plan, weights) = self {
            for group in 0..groups {
                let of_x = x.len() / count;
                let of_output = output.len() / count;
                let images = x.chunks_exact(of_x).map(|x| of_group(x, groups, group));
                let output = output.chunks_exact_mut(of_output);
                let output = output.map(|output| of_group_mut(output, groups, group));
                plan.correlate_images(
                    &images.collect::<Vec<_>>(),
                    weights.group(group),
                    bias.map(|bias| of_group(bias, groups, group)),
                    &mut output.collect::<Vec<_>>(),
                    &mut scratch.winograd,
                );
            }
            return;
        }
        let (of_x, of_output) = (x.len() / count, output.len() / count);
        for image in 0..count {
            let x = &x[image * of_x..][..of_x];
            let output = &mut output[image * of_output..][..of_output];
            self.correlate_directly(groups, x, bias, output, scratch);
        }
    }

    fn correlate_directly(
        &self,
        groups: usize,
        x: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        match self {
            Plan::Winograd(..) => {}
            Plan::Depthwise(correlation, weight) => {
                let padded = &mut scratch.padded;
                depthwise::correlate(correlation, x, weight, bias, output, padded);
            }
            Plan::Dense(plan, weight) => {
                for group in 0..groups {
                    plan.correlate(
                        of_group(x, groups, group),
                        of_group(weight, groups, group),
                        bias.map(|bias| of_group(bias, groups, group)),
                        of_group_mut(output, groups, group),
                        scratch,
                    );
                }
            }
        }
    }
}

/// What a thread reuses from image to image.
#[derive(Default)]
struct Scratch {
    padded: Vec<f32>,
    panel: Vec<f32>,
    transposed: Vec<f32>,
    winograd: winograd::Scratch,
}

/// The part of a slice that belongs to a group.
fn of_group<T>(values: &[T], groups: usize, group: usize) -> &[T] {
    let length = values.len() / groups;
    &values[group * length..(group + 1) * length]
}

fn of_group_mut<T>(values: &mut [T], groups: usize, group: usize) -> &mut [T] {
    let length = values.len() / groups;
    &mut values[group * length..(group + 1) * length]
}

/// Convolves a batch; `then` sees each image of the result.
fn forward<T: Send>(
    s: Sizes,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    then: impl Fn(&[f32]) -> T + Sync + Send,
) -> (Array, Vec<T>) {
    #[expect(unsafe_code, reason = "each image is written as a whole below")]
    let mut output = unsafe { Array::unwritten(&[s.batch, s.filters, s.output[0], s.output[1]]) };
    if output.values.is_empty() {
        return (output, Vec::new());
    }
    let plan = Plan::forwards(s, weight);
    let threads = rayon::current_num_threads();
    if let Plan::Winograd(plan, weights) = &plan
        && s.batch < threads
    {
        let images = x.chunks_exact(s.image_length() / s.moves.groups);
        winograd::correlate_in_parts(plan, weights, images.collect(), bias, &mut output.values);
        let images = output.values.chunks_exact(s.output_length());
        let seen = images.map(then).collect();
        return (output, seen);
    }
    let mut seen: Vec<Option<T>> = (0..s.batch).map(|_| None).collect();
    let at_once = plan.images_at_once().min(s.batch / (2 * threads)).max(1);
    let images = output.values.chunks_mut(at_once * s.output_length());
    let parts = images.zip(seen.chunks_mut(at_once)).enumerate().collect();
    spread_with(
        parts,
        Scratch::default,
        |scratch, (number, (output, seen))| {
            let x = &x[number * at_once * s.image_length()..][..seen.len() * s.image_length()];
            plan.correlate([seen.len(), s.moves.groups], x, bias, output, scratch);
            for (output, seen) in output.chunks_exact(s.output_length()).zip(seen) {
                *seen = Some(then(output));
            }
        },
    );
    (output, seen.into_iter().flatten().collect())
}

/// Changes the gradient of an image of the result, given its number, into a buffer.
type Change<'a> = &'a (dyn Fn(usize, &[f32], &mut [f32]) + Sync);

/// The gradients of a few images' results, changed.
fn changed<'a>(s: Sizes, given: &'a [f32], change: Option<Change>) -> Cow<'a, [f32]> {
    let Some(change) = change else {
        return given.into();
    };
    let mut changed = vec![0.0; given.len()];
    let images = changed
        .chunks_exact_mut(s.output_length())
        .zip(given.chunks_exact(s.output_length()));
    let parts = images.enumerate().collect();
    spread(parts, |(number, (changed, given))| {
        change(number, given, changed)
    });
    changed.into()
}

/// Gradients of `x` and the weights, and sums over each filter's plane of the gradient of the result.
fn backward(
    s: Sizes,
    x: View,
    weight: View,
    gradient: View,
    change: Option<Change>,
    wanted: [bool; 2],
) -> (Array, Array, Array) {
    let mut of_weight = Array::zeros(weight.shape);
    let mut of_bias = Array::zeros(&[s.filters]);
    if s.batch * s.output_length() == 0 {
        return (Array::zeros(x.shape), of_weight, of_bias);
    }
    #[expect(unsafe_code, reason = "each image is written as a whole below")]
    let mut of_x = unsafe { Array::unwritten(if wanted[0] { x.shape } else { &[0] }) };
    let (groups, image) = (s.moves.groups, s.image_length());
    let mut plan_of_x = wanted[0].then(|| Plan::backwards(s, weight.values));
    if let Some(Plan::Winograd(plan, weights)) = &plan_of_x
        && s.batch.div_ceil(IMAGES) < rayon::current_num_threads()
    {
        let changed = changed(s, gradient.values, change);
        let images = changed.chunks_exact(s.output_length() / groups).collect();
        winograd::correlate_in_parts(plan, weights, images, None, &mut of_x.values);
        plan_of_x = None;
    }
    let in_turn = plan_of_x.is_some();
    let plan = WeightPlan::new(s);
    let at_once = plan_of_x
        .as_ref()
        .map_or(1, Plan::images_at_once)
        .max(plan.images_at_once());
    // Some images at a time: their gradients for x, and the sum of those for the weights.
    let images = (0..s.batch)
        .step_by(IMAGES)
        .map(|first| first..(first + IMAGES).min(s.batch));
    let parts = pieces_of(images, &mut of_x.values, |images| {
        if in_turn { images.len() * image } else { 0 }
    });
    let mut sums: Vec<(Vec<f32>, Vec<f32>)> = vec![Default::default(); parts.len()];
    let parts = parts.into_iter().zip(&mut sums).collect();
    let scratch = || (Scratch::default(), Vec::new());
    spread_with(
        parts,
        scratch,
        |(scratch, buffer), ((images, of_x), sums)| {
            let (of_weight, of_bias) = sums;
            *of_weight = plan.empty_sum(s, wanted[1]);
            *of_bias = vec![0.0; s.filters];
            for first in images.clone().step_by(at_once) {
                let count = at_once.min(images.end - first);
                let length = s.output_length();
                let given = &gradient.values[first * length..][..count * length];
                let gradient = match change {
                    None => given,
                    Some(change) => {
                        buffer.resize(given.len(), 0.0);
                        let changed = buffer.chunks_exact_mut(length);
                        for (i, (changed, given)) in
                            changed.zip(given.chunks_exact(length)).enumerate()
                        {
                            change(first + i, given, changed);
                        }
                        &*buffer
                    }
                };
                for (plane, values) in gradient.chunks_exact(s.outputs()).enumerate() {
                    of_bias[plane % s.filters] += sum(values);
                }
                if let Some(plan) = &plan_of_x {
                    let of_x = &mut of_x[(first - images.start) * image..][..count * image];
                    plan.correlate([count, groups], gradient, None, of_x, scratch);
                }
                if wanted[1] {
                    let both = [&x.values[first * image..][..count * image], gradient];
                    let is_first = first == images.start;
                    plan.add([count, groups], both, is_first, of_weight, scratch);
                }
            }
            if wanted[1] {
                plan.finish(groups, of_weight, scratch);
            }
        },
    );
    for (weight, bias) in &sums {
        if wanted[1] {
            plan.add_sum(s, weight, &mut of_weight.values);
        }
        add_scaled(&mut of_bias.values, bias, 1.0);
    }
    (of_x, of_weight, of_bias)
}

/// How the gradients of the weights are summed.
enum WeightPlan {
    Dense(dense::Plan),
    Depthwise(Correlation),
    Winograd(winograd::Plan),
}

impl WeightPlan {
    fn new(s: Sizes) -> WeightPlan {
        if s.is_depthwise() {
            WeightPlan::Depthwise(s.forwards())
        } else if s.weights_by_winograd() {
            WeightPlan::Winograd(winograd::Plan::new(s.forwards(), s.filters_per_group()))
        } else {
            WeightPlan::Dense(dense::Plan::new(s.forwards()))
        }
    }

    /// Images whose contributions are best computed together.
    fn images_at_once(&self) -> usize {
        match self {
            WeightPlan::Winograd(plan) => plan.images_at_once(),
            WeightPlan::Dense(_) | WeightPlan::Depthwise(_) => 1,
        }
    }

    /// Zeros, in the form in which the gradients of the weights are summed.
    fn empty_sum(&self, s: Sizes, wanted: bool) -> Vec<f32> {
        let length = match self {
            WeightPlan::Depthwise(_) => s.filters * s.kernel_places(),
            WeightPlan::Dense(plan) => s.moves.groups * plan.sum_length(s.filters_per_group()),
            WeightPlan::Winograd(plan) => s.moves.groups * plan.sum_length(),
        };
        vec![0.0; if wanted { length } else { 0 }]
    }

    /// Adds what some images, `x` and the gradients of their results, contribute to the gradients of the weights; `first` for the first of
    /// those after which [`WeightPlan::finish`] follows.
    fn add(
        &self,
        [count, groups]: [usize; 2],
        [x, gradient]: [&[f32]; 2],
        first: bool,
        sum: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let image = |values: &'_ [f32], i: usize| {
            let length = values.len() / count;
            i * length..(i + 1) * length
        };
        if let WeightPlan::Winograd(plan) = self {
            for group in 0..groups {
                let of = |i| of_group(&x[image(x, i)], groups, group);
                let images: Vec<&[f32]> = (0..count).map(of).collect();
                let of = |i| of_group(&gradient[image(gradient, i)], groups, group);
                let gradients: Vec<&[f32]> = (0..count).map(of).collect();
                let scratch = &mut scratch.winograd;
                plan.weight_gradient(&images, &gradients, [group, groups], first, scratch);
            }
            return;
        }
        for i in 0..count {
            let (x, gradient) = (&x[image(x, i)], &gradient[image(gradient, i)]);
            self.add_directly(groups, x, gradient, sum, scratch);
        }
    }

    fn add_directly(
        &self,
        groups: usize,
        x: &[f32],
        gradient: &[f32],
        sum: &mut [f32],
        scratch: &mut Scratch,
    ) {
        match self {
            WeightPlan::Winograd(_) => {}
            WeightPlan::Depthwise(correlation) => {
                let padded = &mut scratch.padded;
                depthwise::weight_gradient(correlation, x, gradient, sum, padded);
            }
            WeightPlan::Dense(plan) => {
                for group in 0..groups {
                    let (x, gradient) = (
                        of_group(x, groups, group),
                        of_group(gradient, groups, group),
                    );
                    plan.weight_gradient(x, gradient, of_group_mut(sum, groups, group), scratch);
                }
            }
        }
    }

    /// Adds what was left in the scratch.
    fn finish(&self, groups: usize, sum: &mut [f32], scratch: &mut Scratch) {
        if let WeightPlan::Winograd(plan) = self {
            for group in 0..groups {
                let sum = of_group_mut(sum, groups, group);
                plan.finish_weight_gradient(group, sum, &scratch.winograd);
            }
        }
    }

    /// Adds a sum to gradients in the order of the weights.
    fn add_sum(&self, s: Sizes, sum: &[f32], of_weight: &mut [f32]) {
        let groups = s.moves.groups;
        let width = match self {
            WeightPlan::Depthwise(_) => return add_scaled(of_weight, sum, 1.0),
            WeightPlan::Dense(_) => panel_width(),
            WeightPlan::Winograd(_) => winograd::full_width(),
        };
        for group in 0..groups {
            let depth = s.channels_per_group() * s.kernel_places();
            let (sum, of_weight) = (
                of_group(sum, groups, group),
                of_group_mut(of_weight, groups, group),
            );
            add_panels(sum, [depth, width], of_weight);
        }
    }
}

/// Adds a sum, `[panels of filters, depth, width of a panel]`, to gradients `[filters, depth]`.
fn add_panels(sum: &[f32], [depth, width]: [usize; 2], of_weight: &mut [f32]) {
    for (filter, of_weight) in of_weight.chunks_exact_mut(depth).enumerate() {
        let panel = &sum[filter / width * depth * width + filter % width..];
        let panel = panel.iter().step_by(width);
        of_weight
            .iter_mut()
            .zip(panel)
            .for_each(|(to, from)| *to += from);
    }
}

/// Inputs: `x`, weights, and the bias if there is one.
#[derive(Debug)]
struct Convolution {
    sizes: Sizes,
}

impl Kernel for Convolution {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let bias = inputs.get(2).map(|bias| bias.values);
        forward(self.sizes, inputs[0].values, inputs[1].values, bias, |_| ()).0
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
        let wanted = [wanted[0], wanted[1]];
        let (of_x, of_weight, of_bias) =
            backward(self.sizes, inputs[0], inputs[1], gradient, None, wanted);
        let mut found = vec![of_x, of_weight];
        found.extend(inputs.get(2).map(|_| of_bias));
        found
    }
}
