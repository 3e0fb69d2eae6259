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
        let normalised = normalised_convolution(
            x,
            self.weight.val(),
            scale,
            shift,
            self.config.moves(),
            then,
        )
        .unwrap_or_else(|e| unreachable!("made for these channels: {e}"));
        if let Some(found) = pass.found() {
            let of = [norm.mean.id, norm.variance.id];
            found.add(of, &normalised.mean, &normalised.variance);
        }
        normalised.output
    }

    /// `[filters, channels / groups, rows, columns]`: the weights of the kernel.
    pub fn kernel(&self) -> Tensor<4> {
        self.weight.val()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, wide};
    use crate::{BatchStatistics, Weights};
    use burn::module::Module;
    use candor_core::Seed;

    fn config(after: After) -> ConvolutionConfig {
        ConvolutionConfig {
            after,
            ..ConvolutionConfig::new(1, 1, 1)
        }
    }

    fn picture(values: &[f32]) -> Tensor<4> {
        Tensor::<1>::from_data(values, &Device::flex()).reshape([values.len() as i32, 1, 1, 1])
    }

    /// One weight of 2, scale 3 and shift 1.
    fn stated(after: After) -> Convolution {
        let layer = config(after).init(&mut Seed(0).stream("conv", &[]), &Device::flex());
        let weights = Weights::stated(&[
            ("weight", &[1, 1, 1, 1], &[2.0]),
            ("norm.scale", &[1], &[3.0]),
            ("norm.shift", &[1], &[1.0]),
            ("norm.mean", &[1], &[4.0]),
            ("norm.variance", &[1], &[0.25]),
        ]);
        weights.load_into(layer).unwrap()
    }

    #[test]
    fn training_normalises_by_the_batch_and_evaluation_by_what_is_kept() {
        let x = picture(&[1.0, 3.0]);
        let mut stream = Seed(0).stream("dropout", &[]);
        // 2 x is 2 and 6: mean 4, standard deviation 2.
        let trained = stated(After::Norm).forward(x.clone(), &mut Pass::training(&mut stream));
        assert_close(&trained, [2, 1, 1, 1], &[-1.999_99, 3.999_99]);
        // Kept are mean 4 and standard deviation 0.5.
        let evaluated = stated(After::Norm).forward(x.clone(), &mut Pass::evaluation());
        assert_close(&evaluated, [2, 1, 1, 1], &[-10.999_76, 12.999_76]);
        let cut = stated(After::NormRelu).forward(x.clone(), &mut Pass::evaluation());
        assert_close(&cut, [2, 1, 1, 1], &[0.0, 12.999_76]);
        let plain = stated(After::Nothing).forward(x, &mut Pass::evaluation());
        assert_close(&plain, [2, 1, 1, 1], &[2.0, 6.0]);
    }

    #[test]
    fn statistics_are_those_of_all_batches_together() {
        let layer = stated(After::Norm);
        let mut found = BatchStatistics::default();
        assert!(found.is_empty());
        for batch in [[1.0, 3.0], [2.0, 6.0]] {
            layer.forward(picture(&batch), &mut Pass::statistics(&mut found));
        }
        let weights = Weights::of(&found.into_network(layer));
        // 2 x is 2, 6, 4, 12: mean 6, mean squared distance (16 + 0 + 4 + 36) / 4.
        assert_eq!(weights.values("norm.mean"), [6.0]);
        assert_eq!(weights.values("norm.variance"), [14.0]);
        assert_eq!(weights.values("norm.scale"), [3.0]);
        assert_eq!(weights.values("weight"), [2.0]);
    }

    /// Configurations of every kind: plain, strided, dilated, depthwise, with and without what follows.
    fn cases() -> Vec<ConvolutionConfig> {
        let plain = ConvolutionConfig::new(2, 3, 3);
        let depthwise = ConvolutionConfig {
            groups: 4,
            ..ConvolutionConfig::new(4, 4, 3)
        };
        vec![
            plain,
            ConvolutionConfig {
                stride: [2, 2],
                after: After::Norm,
                ..plain
            },
            ConvolutionConfig {
                kernel: [1, 5],
                after: After::Nothing,
                ..plain
            },
            ConvolutionConfig {
                after: After::Norm,
                ..depthwise
            },
            ConvolutionConfig {
                dilation: [2, 2],
                after: After::Nothing,
                ..depthwise
            },
        ]
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (case, mut config) in cases().into_iter().enumerate() {
            // Among so many numbers some always lie at the kink of ReLU.
            if config.after == After::NormRelu {
                config.after = After::Norm;
            }
            let mut stream = Seed(11).stream("convolution", &[case as u64]);
            let layer = config.init(&mut stream, &Device::flex().autodiff());
            let x = numbers([2, config.channels, 5, 4], &mut stream);
            let forward = |layer: &Convolution, x: Tensor<4>| {
                let mut stream = Seed(0).stream("dropout", &[]);
                layer.forward(x, &mut Pass::training(&mut stream))
            };
            let [height, width] = config.output([5, 4]);
            let shape = [2, config.filters, height, width];
            assert_eq!(forward(&layer.valid(), x.clone()).dims(), shape);
            let wrong = wrong_gradients(&layer, &x, &mut stream, forward);
            // The kept moments take no part in training.
            let wrong: Vec<String> = wrong
                .into_iter()
                .filter(|w| !w.contains("norm.mean"))
                .collect();
            assert_eq!(wrong, [""; 0], "{config:?}");
        }
    }

    #[test]
    fn no_picture_influences_another_in_evaluation() {
        for (case, config) in cases().into_iter().enumerate() {
            let mut stream = Seed(12).stream("convolution", &[case as u64]);
            let layer = config.init(&mut stream, &Device::flex());
            let x = numbers([3, config.channels, 6, 5], &mut stream);
            let mut found = BatchStatistics::default();
            layer.forward(x.clone(), &mut Pass::statistics(&mut found));
            let layer = found.into_network(layer);
            let together = wide(&layer.forward(x.clone(), &mut Pass::evaluation()));
            let alone: Vec<f64> = (0..3)
                .flat_map(|i| {
                    let one = x.clone().narrow(0, i, 1);
                    wide(&layer.forward(one, &mut Pass::evaluation()))
                })
                .collect();
            assert_eq!(together, alone);
            // On the batch whose moments are kept, evaluation is what training is.
            let mut again = BatchStatistics::default();
            let trained = wide(&layer.forward(x, &mut Pass::statistics(&mut again)));
            for (a, b) in together.iter().zip(&trained) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_parameters_are_those_that_learn() {
        for config in cases() {
            let mut stream = Seed(1).stream("convolution", &[]);
            let layer = config.init(&mut stream, &Device::flex());
            let kept = if config.after == After::Nothing { 0 } else { 2 };
            let learnt = Weights::of(&layer).count() - kept * config.filters;
            assert_eq!(learnt as u64, config.parameters());
        }
    }
}
