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
