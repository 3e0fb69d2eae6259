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
