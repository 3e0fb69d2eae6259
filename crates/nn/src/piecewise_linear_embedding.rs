use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{MemberLinear, MemberLinearConfig};

/// A linear layer of its own for each column's piecewise-linear code.
///
/// The code itself (how far the number reaches into each of a column's bins, 0 to 1) is made
/// by the preparation, which knows the bins; here it becomes a vector.
///
/// # Reference
/// Gorishniy, Rubachev & Babenko, NeurIPS 2022, equation 1; without an activation, as in TabM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PiecewiseLinearEmbeddingConfig {
    /// Numeric columns.
    pub columns: usize,
    /// Bins per column.
    pub bins: usize,
    /// Length of each column's vector.
    pub width: usize,
}

/// See [`PiecewiseLinearEmbeddingConfig`].
#[derive(Module, Debug)]
pub struct PiecewiseLinearEmbedding {
    linear: MemberLinear,
}

impl PiecewiseLinearEmbeddingConfig {
    /// Weights as in [`MemberLinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> PiecewiseLinearEmbedding {
        let PiecewiseLinearEmbeddingConfig {
            columns,
            bins,
            width,
        } = *self;
        let linear = MemberLinearConfig {
            members: columns,
            input: bins,
            output: width,
        };
        PiecewiseLinearEmbedding {
            linear: linear.init(stream, device),
        }
    }
}

impl PiecewiseLinearEmbedding {
    /// Codes `[columns, units, bins]` to vectors `[1, units, columns * width]`.
    pub fn forward(&self, codes: Tensor<3>) -> Tensor<3> {
        let vectors = self.linear.forward(codes);
        let [columns, units, width] = vectors.dims();
        vectors.swap_dims(0, 1).reshape([1, units, columns * width])
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
    fn codes_of_each_column_pass_a_layer_of_its_own() {
        let config = PiecewiseLinearEmbeddingConfig {
            columns: 2,
            bins: 2,
            width: 1,
        };
        let layer = config.init(&mut Seed(0).stream("bins", &[]), &Device::flex());
        let layer = Weights::stated(&[
            ("linear.weight", &[2, 2, 1], &[1.0, 10.0, -2.0, 4.0]),
            ("linear.bias", &[2, 1, 1], &[0.5, 0.0]),
        ])
        .load_into(layer)
        .unwrap();
        // The first unit is half through the second bin of column 0 and half through the first of column 1.
        let codes = [[[1.0, 0.5], [0.0, 0.0]], [[0.5, 0.0], [1.0, 1.0]]];
        let codes = Tensor::from_data(codes, &Device::flex());
        // Without an activation: negative values pass.
        assert_close(&layer.forward(codes), [1, 2, 2], &[6.5, -1.0, 0.5, 2.0]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([units, columns, bins, width], mut stream) in shapes("bins") {
            let config = PiecewiseLinearEmbeddingConfig {
                columns,
                bins,
                width,
            };
            let layer = config.init(&mut stream, &Device::flex().autodiff());
            let codes = numbers([columns, units, bins], &mut stream);
            let dims = layer.valid().forward(codes.clone()).dims();
            assert_eq!(dims, [1, units, columns * width]);
            let forward = PiecewiseLinearEmbedding::forward;
            let wrong = wrong_gradients(&layer, &codes, &mut stream, forward);
            assert_eq!(wrong, [""; 0]);
        }
    }
}
