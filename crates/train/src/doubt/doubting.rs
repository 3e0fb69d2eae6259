use burn::tensor::Device;
use candor_nn::{HeadKind, Weights};

use super::{Doubt, SavedDoubt, SelfDoubt};
use crate::{Batches, MemberError, Network, NetworkPrediction};

/// A trained network, and how it says what it does not know.
#[derive(Debug)]
pub struct DoubtingNetwork<N> {
    /// The network, without gradients.
    pub network: N,
    /// What it has beside its weights.
    pub doubt: Doubt,
}

impl<N: Network> DoubtingNetwork<N> {
    /// Predicts the units at `indices`, see [`SelfDoubt::predict`].
    pub fn predict<B: Batches<Batch = N::Batch>>(
        &self,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
    ) -> NetworkPrediction {
        let (network, device) = (&self.network, Device::flex());
        self.doubt.predict(network, data, indices, head, &device)
    }

    /// What stands in files: weights, and what a description holds of the doubt.
    pub fn save(&self) -> (Weights, SavedDoubt) {
        let mut weights = Weights::of(&self.network);
        let doubt = self.doubt.save(&mut weights);
        (weights, doubt)
    }

    /// Reads what [`DoubtingNetwork::save`] gave, the weights as bytes of safetensors, into a network of the same form.
    ///
    /// # Errors
    /// When it is damaged, or does not fit the head or the network.
    pub fn load(
        untrained: N,
        doubt: &SavedDoubt,
        weights: &[u8],
        head: &HeadKind,
    ) -> Result<DoubtingNetwork<N>, MemberError> {
        let malformed = |e: candor_nn::WeightsError| MemberError::Malformed(e.to_string());
        let weights = Weights::from_safetensors(weights).map_err(malformed)?;
        let network = weights.load_into(untrained).map_err(malformed)?;
        let doubt = Doubt::load(doubt, &weights, &network, head)?;
        Ok(DoubtingNetwork { network, doubt })
    }
}
