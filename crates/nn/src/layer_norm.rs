use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::layer_norm;
use serde::{Deserialize, Serialize};

use crate::initialise;

/// Normalises each unit over its features, then scales and shifts them.
///
/// # Reference
/// Ba, Kiros & Hinton, "Layer Normalization", 2016.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerNormConfig {
    /// Features.
    pub width: usize,
}

/// See [`LayerNormConfig`].
#[derive(Module, Debug)]
pub struct LayerNorm {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
}

impl LayerNormConfig {
    /// Starts as the plain normalisation.
    pub fn init(&self, device: &Device) -> LayerNorm {
        LayerNorm {
            scale: initialise::constant([self.width], 1.0, device),
            shift: initialise::constant([self.width], 0.0, device),
        }
    }
}

impl LayerNorm {
    /// `[members, units, width]`, unchanged in shape.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(x, self.scale.val(), self.shift.val(), 1e-5)
            .unwrap_or_else(|e| unreachable!("made for this width: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes, wide};

    fn layer(scale: &[f32], shift: &[f32]) -> LayerNorm {
        let width = scale.len();
        Weights::stated(&[("scale", &[width], scale), ("shift", &[width], shift)])
            .load_into(LayerNormConfig { width }.init(&Device::flex()))
            .unwrap()
    }

    #[test]
    fn units_are_normalised_then_scaled_and_shifted() {
        let layer = layer(&[2.0, 3.0], &[10.0, 20.0]);
        // Mean 2 and variance 1; mean 0 and variance 4. The variance is that of the values, not an estimate from them.
        let x = Tensor::from_data([[[1.0, 3.0], [2.0, -2.0]]], &Device::flex());
        let (one, four) = (1.0 / 1.00001_f64.sqrt(), 2.0 / 4.00001_f64.sqrt());
        let expected = [
            10.0 - 2.0 * one,
            20.0 + 3.0 * one,
            10.0 + 2.0 * four,
            20.0 - 3.0 * four,
        ];
        assert_close(&layer.forward(x), [1, 2, 2], &expected);
    }

    #[test]
    fn a_unit_without_variance_becomes_the_shift() {
        let equal = Tensor::from_data([[[5.0, 5.0]], [[-1e4, -1e4]]], &Device::flex());
        let got = layer(&[2.0, 3.0], &[10.0, 20.0]).forward(equal);
        assert_close(&got, [2, 1, 2], &[10.0, 20.0, 10.0, 20.0]);
        let alone = Tensor::from_data([[[5.0]]], &Device::flex());
        assert_close(&layer(&[2.0], &[7.0]).forward(alone), [1, 1, 1], &[7.0]);
    }

    #[test]
    fn starts_as_the_plain_normalisation() {
        let layer = LayerNormConfig { width: 3 }.init(&Device::flex());
        let x = Tensor::from_data([[[1e4, 2e4, 6e4]]], &Device::flex());
        let y = wide(&layer.forward(x));
        assert!(y.iter().sum::<f64>().abs() < 1e-5);
        let variance = y.iter().map(|v| v * v / 3.0).sum::<f64>();
        assert!((variance - 1.0).abs() < 1e-5);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("layer norm") {
            let device = Device::flex().autodiff();
            let layer = LayerNorm {
                scale: initialise::uniform([width], 1.5, &mut stream, &device),
                shift: initialise::uniform([width], 1.5, &mut stream, &device),
            };
            // Added to a slope, so that no two values of a unit are near: where the variance is small, the
            // function bends within the width of a finite difference.
            let slope = Tensor::arange(0..width as i64, &Device::flex()).float();
            let x = numbers([members, units, width], &mut stream) * 0.4 + slope.unsqueeze() * 2.0;
            let wrong = wrong_gradients(&layer, &x, &mut stream, LayerNorm::forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
