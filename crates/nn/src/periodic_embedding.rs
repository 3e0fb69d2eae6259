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
