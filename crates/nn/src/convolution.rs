use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{Moves, Normalisation, convolution, fold, normalised_convolution, relu};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Pass, initialise};

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Nothing, not even a bias.
    Nothing,
    /// Batch normalisation.
    Norm,
    /// Batch normalisation, then ReLU.
    NormRelu,
}

/// A convolution over pictures, and the normalisation after it.
///
/// # Reference
/// Ioffe & Szegedy, "Batch Normalization", 2015. Depthwise convolutions are those with as many groups as channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConvolutionConfig {
    /// Channels in.
    pub channels: usize,
    /// Channels out.
    pub filters: usize,
    /// Rows and columns of the kernel, odd.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Distance between the kernel's places.
    pub dilation: [usize; 2],
    /// Parts of the channels that do not see each other.
    pub groups: usize,
    /// What follows.
    pub after: After,
}

impl ConvolutionConfig {
    /// A square kernel, normalised and cut at zero, that keeps the picture's size.
    pub fn new(channels: usize, filters: usize, kernel: usize) -> ConvolutionConfig {
        ConvolutionConfig {
            channels,
            filters,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            groups: 1,
            after: After::NormRelu,
        }
    }

    /// Zeros around the picture: at stride 1 it keeps its size, at stride s it has ceil(size / s) rows and columns.
    pub fn padding(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.dilation[axis] * (self.kernel[axis] - 1) / 2)
    }

    /// Rows and columns of the result for a picture of this size.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| size[axis].div_ceil(self.stride[axis]))
    }

    /// Numbers of the kernel.
    pub fn weights(&self) -> u64 {
        let [height, width] = self.kernel.map(|k| k as u64);
        self.filters as u64 * (self.channels / self.groups) as u64 * height * width
    }

    /// Numbers that are learned: the kernel, and scale and shift of the normalisation.
    pub fn parameters(&self) -> u64 {
        let norm = if self.after == After::Nothing { 0 } else { 2 };
        self.weights() + norm * self.filters as u64
    }

    fn moves(&self) -> Moves {
        Moves {
            stride: self.stride,
            padding: self.padding(),
            dilation: self.dilation,
            groups: self.groups,
        }
    }

    /// Weights normal with variance 2 / inputs of a filter (He et al. 2015), scale 1, shift 0; it normalises by mean 0 and variance 1
    /// until statistics are taken.
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> Convolution {
        let [height, width] = self.kernel;
        let per_group = self.channels / self.groups.max(1);
        let inputs = (per_group * height * width).max(1) as f32;
        let shape = [self.filters, per_group, height, width];
        Convolution {
            weight: initialise::normal(shape, (2.0 / inputs).sqrt(), stream, device),
            norm: (self.after != After::Nothing).then(|| BatchNorm::new(self.filters, device)),
            config: *self,
        }
    }
}

/// Scale and shift, and the moments by which evaluation normalises.
#[derive(Module, Debug)]
struct BatchNorm {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    mean: Param<Tensor<1>>,
    variance: Param<Tensor<1>>,
}

impl BatchNorm {
    fn new(channels: usize, device: &Device) -> BatchNorm {
        let constant = |value| initialise::constant([channels], value, device);
        // The moments are taken, not learned.
        let fixed = |value| constant(value).map(|t: Tensor<1>| t.set_require_grad(false));
        BatchNorm {
            scale: constant(1.0),
            shift: constant(0.0),
            mean: fixed(0.0),
            variance: fixed(1.0),
        }
    }
}

/// Added to the variance.
const EPSILON: f32 = 1e-5;

/// See [`ConvolutionConfig`].
#[derive(Module, Debug)]
pub struct Convolution {
    weight: Param<Tensor<4>>,
    norm: Option<BatchNorm>,
    #[module(skip)]
    config: ConvolutionConfig,
}

impl Convolution {
    /// `[batch, channels, height, width]` to `[batch, filters, height / stride, width / stride]`, rounded up.
    ///
    /// In training, and where statistics are taken, it normalises by the batch; in evaluation by the moments that it keeps, so that no
    /// unit influences another.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let Some(norm) = self.norm.as_ref().filter(|_| pass.normalises_by_batch()) else {
            return self.folded().forward(x);
        };
        let then = Normalisation {
            epsilon: EPSILON,
            relu: self.config.after == After::NormRelu,
        };
        let (scale, shift) = (norm.scale.val(), norm.shift.val());
        let normalised =
            normalised_convolution(x, self.weight.val(), scale, shift, self.config.moves(), then)
                .unwrap_or_else(|e| unreachable!("made for these channels: {e}"));
        if let Some(found) = pass.found() {
            let of = [norm.mean.id, norm.variance.id];
            found.add(of, &normalised.mean, &normalised.variance);
        }
        normalised.output
    }

    /// The same in evaluation, with the normalisation inside the weights.
    pub fn folded(&self) -> FoldedConvolution {
        let weight = self.weight.val();
        let (weight, bias) = match &self.norm {
            None => (weight, None),
            Some(norm) => {
                let [scale, shift] = [&norm.scale, &norm.shift].map(Param::val);
                let [mean, variance] = [&norm.mean, &norm.variance].map(Param::val);
                fold(weight, scale, shift, mean, variance, EPSILON)
                    .map(|(weight, bias)| (weight, Some(bias)))
                    .unwrap_or_else(|e| unreachable!("made for these filters: {e}"))
            }
        };
        FoldedConvolution {
            weight,
            bias,
            moves: self.config.moves(),
            relu: self.config.after == After::NormRelu,
        }
    }
}

/// A [`Convolution`] as it is evaluated: weights and bias that hold the normalisation.
#[derive(Debug, Clone)]
pub struct FoldedConvolution {
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    moves: Moves,
    relu: bool,
}

impl FoldedConvolution {
    /// As [`Convolution::forward`] in evaluation.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = convolution(x, self.weight.clone(), self.bias.clone(), self.moves)
            .unwrap_or_else(|e| unreachable!("made for these channels: {e}"));
        if self.relu { relu(y) } else { y }
    }
}
