use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use candor_core::Distribution;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{MemberLinear, MemberLinearConfig};

/// Which predictive distribution the head gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HeadKind {
    /// Class probabilities by softmax; trained on cross-entropy.
    Softmax {
        /// Classes.
        classes: usize,
        /// Share of the probability mass that training spreads over all classes, 0 to 1 (Szegedy et al. 2016).
        label_smoothing: f64,
    },
    /// Independent normal distributions; trained on the beta-weighted likelihood, so that the mean does not
    /// under-fit where the variance is large (Seitzer et al., ICLR 2022, equation 5).
    Gaussian {
        /// Numbers per unit.
        width: usize,
        /// 0 is the plain likelihood, 1 weighs units as squared error does; 0.5 is the paper's choice.
        beta: f64,
    },
}

/// Maps embeddings to the parameters of a predictive distribution, and holds the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Members, each with a map of its own.
    pub members: usize,
    /// Length of the embedding.
    pub input: usize,
    /// The distribution.
    pub kind: HeadKind,
}

/// See [`HeadConfig`].
#[derive(Module, Debug)]
pub struct Head {
    linear: MemberLinear,
}

/// Log-variances outside are cut: beyond them the exponential leaves the range of 32-bit floats.
const LOG_VARIANCE: (f32, f32) = (-14.0, 10.0);

impl HeadConfig {
    /// Weights as in [`MemberLinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> Head {
        let output = match self.kind {
            HeadKind::Softmax { classes, .. } => classes,
            HeadKind::Gaussian { width, .. } => 2 * width,
        };
        let config = MemberLinearConfig {
            members: self.members,
            input: self.input,
            output,
        };
        Head {
            linear: config.init(stream, device),
        }
    }
}

impl Head {
    /// Embeddings `[members, units, input]` to raw parameters `[members, units, outputs]`.
    pub fn forward(&self, embedding: Tensor<3>) -> Tensor<3> {
        self.linear.forward(embedding)
    }
}

impl HeadKind {
    /// Loss of raw parameters `[members, units, classes]` against class indices `[units]`: each member is
    /// judged alone, and the mean is taken.
    pub fn loss_of_classes(&self, raw: Tensor<3>, classes: Tensor<1, Int>) -> Tensor<1> {
        let smoothing = match self {
            HeadKind::Softmax {
                label_smoothing, ..
            } => *label_smoothing,
            HeadKind::Gaussian { .. } => 0.0,
        };
        let [members, units, _] = raw.dims();
        let log_p = log_softmax(raw, 2);
        let index: Tensor<3, Int> = classes.reshape([1, units, 1]).expand([members, units, 1]);
        let picked = log_p.clone().gather(2, index).mean().neg();
        if smoothing == 0.0 {
            return picked;
        }
        picked * (1.0 - smoothing) + log_p.mean().neg() * smoothing
    }

    /// Loss of raw parameters `[members, units, 2 * width]` against numbers `[units, width]`.
    pub fn loss_of_values(&self, raw: Tensor<3>, values: Tensor<2>) -> Tensor<1> {
        let beta = match self {
            HeadKind::Gaussian { beta, .. } => *beta,
            HeadKind::Softmax { .. } => 0.0,
        };
        let (mean, log_variance) = split_gaussian(raw);
        let error = (mean - values.unsqueeze()).square();
        let nll = (log_variance.clone() + error / log_variance.clone().exp()) * 0.5;
        let weight = (log_variance.detach() * beta as f32).exp();
        (nll * weight).mean()
    }

    /// The distributions of one member from raw parameters `[units, outputs]`.
    pub fn distribution(&self, raw: Tensor<2>) -> Distribution {
        match self {
            HeadKind::Softmax { classes, .. } => Distribution::Categorical {
                classes: *classes,
                probabilities: floats(softmax(raw, 1)),
            },
            HeadKind::Gaussian { width, .. } => {
                let (mean, log_variance) = split_gaussian(raw.unsqueeze());
                Distribution::Gaussian {
                    width: *width,
                    mean: floats(mean),
                    variance: floats(log_variance.exp()),
                }
            }
        }
    }
}

fn split_gaussian(raw: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [_, _, outputs] = raw.dims();
    let width = outputs / 2;
    let log_variance = raw
        .clone()
        .narrow(2, width, width)
        .clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
    (raw.narrow(2, 0, width), log_variance)
}

/// The values of a tensor, row-major.
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
