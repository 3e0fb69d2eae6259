use burn::tensor::Tensor;

use super::propagated;
use crate::Messages;

/// What a network without edges says, passed on: `z <- (1 - α) Â z + α z0`, `steps` times.
///
/// # Reference
/// Gasteiger, Bojchevski & Günnemann, "Predict then Propagate: Graph Neural Networks meet Personalized PageRank", ICLR 2019, equation 4.
pub fn personalised(said: Tensor<2>, steps: usize, alpha: f64, messages: &Messages) -> Tensor<2> {
    let mut z = said.clone();
    for _ in 0..steps {
        z = propagated(messages, z) * (1.0 - alpha) + said.clone() * alpha;
    }
    z
}
