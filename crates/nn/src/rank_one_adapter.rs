use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Multiplies the features of each member by a vector of its own, so that members that share all other
/// weights see the input differently.
///
/// # Reference
/// Gorishniy, Kotelnikov & Babenko, "TabM", ICLR 2025, section 3.3 (TabM-mini: one adapter, in
/// front of the first layer, started at random signs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankOneAdapterConfig {
    /// Members of the ensemble.
    pub members: usize,
    /// Features.
    pub width: usize,
}

/// `y_m = r_m * x`.
#[derive(Module, Debug)]
pub struct RankOneAdapter {
    scale: Param<Tensor<3>>,
}

impl RankOneAdapterConfig {
    /// Scales start at +1 or -1, each with probability one half.
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> RankOneAdapter {
        let count = self.members * self.width;
        let signs: Vec<f32> = (0..count)
            .map(|_| if stream.random::<bool>() { 1.0 } else { -1.0 })
            .collect();
        let shape = [self.members, 1, self.width];
        RankOneAdapter {
            scale: Param::from_data(TensorData::new(signs, shape), device),
        }
    }
}

impl RankOneAdapter {
    /// `[1, units, width]` to `[members, units, width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x * self.scale.val()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::initialise;
    use crate::reference::{assert_close, numbers, shapes};
    use candor_core::Seed;

    #[test]
    fn each_member_scales_the_same_units_in_its_own_way() {
        let config = RankOneAdapterConfig {
            members: 2,
            width: 2,
        };
        let layer = config.init(&mut Seed(0).stream("adapter", &[]), &Device::flex());
        let layer = Weights::stated(&[("scale", &[2, 1, 2], &[1.0, -1.0, 0.5, 2.0])])
            .load_into(layer)
            .unwrap();
        let x = Tensor::from_data([[[1.0, 2.0], [3.0, 4.0]]], &Device::flex());
        let expected = [1.0, -2.0, 3.0, -4.0, 0.5, 4.0, 1.5, 8.0];
        assert_close(&layer.forward(x), [2, 2, 2], &expected);
    }

    #[test]
    fn starts_at_signs_of_which_half_are_negative() {
        let config = RankOneAdapterConfig {
            members: 40,
            width: 100,
        };
        let layer = config.init(&mut Seed(0).stream("adapter", &[]), &Device::flex());
        let signs = Weights::of(&layer).values("scale");
        assert!(signs.iter().all(|s| s.abs() == 1.0));
        // The sum of 4000 signs has standard deviation 63.
        assert!(signs.iter().sum::<f64>().abs() < 4.0 * 63.0);
        // No two members start alike.
        assert_ne!(signs[..100], signs[100..200]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("adapter") {
            let device = Device::flex().autodiff();
            let layer = RankOneAdapter {
                scale: initialise::uniform([members, 1, width], 1.5, &mut stream, &device),
            };
            let x = numbers([1, units, width], &mut stream);
            assert_eq!(
                layer.valid().forward(x.clone()).dims(),
                [members, units, width]
            );
            let wrong = wrong_gradients(&layer, &x, &mut stream, RankOneAdapter::forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
