use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{MemberLinear, MemberLinearConfig, initialise};

/// Turns each number into sines and cosines of learned frequencies, then a small layer of its own.
///
/// # Reference
/// Gorishniy, Rubachev & Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
/// NeurIPS 2022, equation 2 (PLR: periodic, linear, ReLU).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeriodicEmbeddingConfig {
    /// Numeric columns.
    pub columns: usize,
    /// Frequencies per column.
    pub frequencies: usize,
    /// Standard deviation from which frequencies are drawn; the one sensitive constant of the method.
    pub sigma: f64,
    /// Length of each column's vector.
    pub width: usize,
}

/// See [`PeriodicEmbeddingConfig`].
#[derive(Module, Debug)]
pub struct PeriodicEmbedding {
    frequency: Param<Tensor<3>>,
    linear: MemberLinear,
}

impl PeriodicEmbeddingConfig {
    /// Frequencies are normal with standard deviation sigma.
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> PeriodicEmbedding {
        let shape = [self.columns, 1, self.frequencies];
        let linear = MemberLinearConfig {
            members: self.columns,
            input: 2 * self.frequencies,
            output: self.width,
        };
        PeriodicEmbedding {
            frequency: initialise::normal(shape, self.sigma as f32, stream, device),
            linear: linear.init(stream, device),
        }
    }
}

impl PeriodicEmbedding {
    /// Numeric columns.
    pub fn columns(&self) -> usize {
        self.frequency.val().dims()[0]
    }

    /// Numbers `[units, columns]` to vectors `[1, units, columns * width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let [units, columns] = x.dims();
        let x: Tensor<3> = x.transpose().reshape([columns, units, 1]);
        let angle = x * self.frequency.val() * (2.0 * std::f32::consts::PI);
        let waves = Tensor::cat(vec![angle.clone().cos(), angle.sin()], 2);
        let vectors = relu(self.linear.forward(waves));
        let [_, _, width] = vectors.dims();
        vectors.swap_dims(0, 1).reshape([1, units, columns * width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes, wide};
    use candor_core::Seed;

    fn config(columns: usize, frequencies: usize, width: usize) -> PeriodicEmbeddingConfig {
        PeriodicEmbeddingConfig {
            columns,
            frequencies,
            sigma: 0.2,
            width,
        }
    }

    #[test]
    fn a_quarter_turn_and_a_whole_one() {
        let layer = config(2, 1, 2).init(&mut Seed(0).stream("waves", &[]), &Device::flex());
        let layer = Weights::stated(&[
            ("frequency", &[2, 1, 1], &[1.0, 0.5]),
            // For each column a row for the cosine, then one for the sine.
            (
                "linear.weight",
                &[2, 2, 2],
                &[10.0, -10.0, 3.0, -3.0, 7.0, 8.0, -1.0, -1.0],
            ),
            ("linear.bias", &[2, 1, 2], &[0.5, 0.5, -10.0, 1.0]),
        ])
        .load_into(layer)
        .unwrap();
        assert_eq!(layer.columns(), 2);
        // 0.25 at frequency 1: cosine 0, sine 1. 2 at frequency 0.5: cosine 1, sine 0.
        let x = Tensor::from_data([[0.25, 2.0]], &Device::flex());
        // Before ReLU: 3.5 and -2.5, -3 and 9.
        assert_close(&layer.forward(x), [1, 1, 4], &[3.5, 0.0, 0.0, 9.0]);
    }

    #[test]
    fn follows_equation_2_column_by_column() {
        for ([units, columns, frequencies, width], mut stream) in shapes("waves in loops") {
            let layer = config(columns, frequencies, width).init(&mut stream, &Device::flex());
            let x = numbers([units, columns], &mut stream);
            let weights = Weights::of(&layer);
            let (frequency, bias) = (weights.values("frequency"), weights.values("linear.bias"));
            let (weight, values) = (weights.values("linear.weight"), wide(&x));
            let mut expected = Vec::new();
            for u in 0..units {
                for c in 0..columns {
                    for w in 0..width {
                        let mut sum = bias[c * width + w];
                        for f in 0..frequencies {
                            let v = std::f64::consts::TAU
                                * frequency[c * frequencies + f]
                                * values[u * columns + c];
                            let row = 2 * frequencies * c + f;
                            sum += v.cos() * weight[row * width + w];
                            sum += v.sin() * weight[(row + frequencies) * width + w];
                        }
                        expected.push(sum.max(0.0));
                    }
                }
            }
            assert_close(&layer.forward(x), [1, units, columns * width], &expected);
        }
    }

    #[test]
    fn large_numbers_stay_finite() {
        let layer = config(1, 4, 3).init(&mut Seed(0).stream("waves", &[]), &Device::flex());
        let x = Tensor::from_data([[1e4], [-1e4], [1e30]], &Device::flex());
        assert!(wide(&layer.forward(x)).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn frequencies_spread_by_sigma() {
        let config = PeriodicEmbeddingConfig {
            sigma: 3.0,
            ..config(10, 400, 1)
        };
        let layer = config.init(&mut Seed(0).stream("waves", &[]), &Device::flex());
        let frequency = Weights::of(&layer).values("frequency");
        let square = frequency.iter().map(|f| f * f).sum::<f64>() / frequency.len() as f64;
        // The relative standard deviation of the mean of 4000 squares is sqrt(2 / 4000) = 0.022.
        assert!((square / 9.0 - 1.0).abs() < 0.09, "{square}");
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([units, columns, frequencies, width], mut stream) in shapes("waves") {
            let device = Device::flex().autodiff();
            let layer = config(columns, frequencies, width).init(&mut stream, &device);
            let x = numbers([units, columns], &mut stream);
            let wrong = wrong_gradients(&layer, &x, &mut stream, PeriodicEmbedding::forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
