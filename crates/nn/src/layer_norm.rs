use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
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
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normalised = centred / (variance + 1e-5).sqrt();
        normalised * self.scale.val().unsqueeze() + self.shift.val().unsqueeze()
    }
}
