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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes};
    use candor_core::Seed;

    #[test]
    fn an_affine_map_worked_by_hand() {
        let config = LinearConfig {
            input: 2,
            output: 3,
        };
        let layer = config.init(&mut Seed(0).stream("linear", &[]), &Device::flex());
        let layer = Weights::stated(&[
            ("weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("bias", &[3], &[0.1, 0.2, 0.3]),
        ])
        .load_into(layer)
        .unwrap();
        // Two members of one unit each, which share the map.
        let x = Tensor::from_data([[[1.0, 2.0]], [[-1.0, 0.5]]], &Device::flex());
        let expected = [9.1, 12.2, 15.3, 1.1, 0.7, 0.3];
        assert_close(&layer.forward(x), [2, 1, 3], &expected);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([members, units, input, output], mut stream) in shapes("linear") {
            let layer =
                LinearConfig { input, output }.init(&mut stream, &Device::flex().autodiff());
            let x = numbers([members, units, input], &mut stream);
            assert_eq!(
                layer.valid().forward(x.clone()).dims(),
                [members, units, output]
            );
            let wrong = wrong_gradients(&layer, &x, &mut stream, Linear::forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
