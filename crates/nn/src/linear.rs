use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::initialise;

/// An affine map of the last axis, the same for all members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Features in.
    pub input: usize,
    /// Features out.
    pub output: usize,
}

/// `y = x W + b`.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl LinearConfig {
    /// Weights and bias uniform in ±1/√input (He et al. 2015 with gain 1/√3).
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> Linear {
        let bound = 1.0 / (self.input.max(1) as f32).sqrt();
        Linear {
            weight: initialise::uniform([self.input, self.output], bound, stream, device),
            bias: initialise::uniform([self.output], bound, stream, device),
        }
    }
}

impl Linear {
    /// `[members, units, input]` to `[members, units, output]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [members, units, input] = x.dims();
        let weight = self.weight.val();
        let [_, output] = weight.dims();
        // One product of all rows is faster than a batch of products.
        let y = x.reshape([members * units, input]).matmul(weight);
        (y + self.bias.val().unsqueeze()).reshape([members, units, output])
    }
}
