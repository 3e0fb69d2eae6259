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
    /// How many maps there are, and how many numbers each takes.
    pub fn shape(&self) -> (usize, usize) {
        let [members, input, _] = self.weight.dims();
        (members, input)
    }

    /// `[members, units, input]` to `[members, units, output]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(self.weight.val()) + self.bias.val()
    }

    /// The numbers of each member's map, offsets as a last row: `[members]` of `[input + 1, output]`.
    pub fn maps(&self) -> Vec<Vec<f64>> {
        let rows = Tensor::cat(vec![self.weight.val(), self.bias.val()], 1);
        let [members, input, output] = rows.dims();
        let numbers: Vec<f64> = rows.into_data().iter::<f64>().collect();
        let maps = numbers.chunks((input * output).max(1)).take(members);
        maps.map(<[f64]>::to_vec).collect()
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
    fn each_member_has_a_map_of_its_own() {
        let config = MemberLinearConfig {
            members: 2,
            input: 2,
            output: 1,
        };
        let layer = config.init(&mut Seed(0).stream("members", &[]), &Device::flex());
        let layer = Weights::stated(&[
            ("weight", &[2, 2, 1], &[1.0, 2.0, 10.0, 20.0]),
            ("bias", &[2, 1, 1], &[0.5, -0.5]),
        ])
        .load_into(layer)
        .unwrap();
        // Three units, the same for both members.
        let units = [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]];
        let x = Tensor::from_data([units, units], &Device::flex());
        let expected = [1.5, 2.5, -0.5, 9.5, 19.5, -10.5];
        assert_close(&layer.forward(x), [2, 3, 1], &expected);
        let maps = [vec![1.0, 2.0, 0.5], vec![10.0, 20.0, -0.5]];
        assert_eq!(layer.maps(), maps);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([members, units, input, output], mut stream) in shapes("members") {
            let config = MemberLinearConfig {
                members,
                input,
                output,
            };
            let layer = config.init(&mut stream, &Device::flex().autodiff());
            let x = numbers([members, units, input], &mut stream);
            assert_eq!(
                layer.valid().forward(x.clone()).dims(),
                [members, units, output]
            );
            let wrong = wrong_gradients(&layer, &x, &mut stream, MemberLinear::forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
