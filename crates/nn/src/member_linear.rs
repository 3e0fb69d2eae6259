use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::initialise;

/// An affine map of its own for each member (or each feature, when features take the place of members).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberLinearConfig {
    /// How many maps.
    pub members: usize,
    /// Features in.
    pub input: usize,
    /// Features out.
    pub output: usize,
}

/// `y_m = x_m W_m + b_m`.
#[derive(Module, Debug)]
pub struct MemberLinear {
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<3>>,
}

impl MemberLinearConfig {
    /// Weights and biases uniform in ±1/√input, drawn for each member.
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> MemberLinear {
        let bound = 1.0 / (self.input.max(1) as f32).sqrt();
        let MemberLinearConfig {
            members,
            input,
            output,
        } = *self;
        MemberLinear {
            weight: initialise::uniform([members, input, output], bound, stream, device),
            bias: initialise::uniform([members, 1, output], bound, stream, device),
        }
    }
}

impl MemberLinear {
    /// `[members, units, input]` to `[members, units, output]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(self.weight.val()) + self.bias.val()
    }
}
