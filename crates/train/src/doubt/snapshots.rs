use burn::tensor::Device;
use candor_nn::{HeadKind, Weights};

use super::SelfDoubt;
use crate::{Batches, MemberError, Network, NetworkPrediction, predict};

/// States of one network in which one training came to rest before it was set going again; the network itself is the first.
///
/// # Reference
/// Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017. There all states share one budget equally; here the first has a whole
/// training, so that it is as good as a network alone, and each further one a part of it, as of Garipov et al., NeurIPS 2018.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshots(pub(crate) Vec<Weights>);

impl Snapshots {
    /// States beside the first.
    pub const FURTHER: usize = 4;
    /// How many a saved network may have.
    pub(super) const MOST: usize = 100;
    /// What part of the passes of the first training each further state has: one in so many.
    pub(crate) const PART: usize = 5;

    fn prefix(place: usize) -> String {
        format!("doubt.{place}.")
    }

    pub(super) fn write(&self, weights: &mut Weights) {
        for (place, state) in self.0.iter().enumerate() {
            weights.put_under(&Snapshots::prefix(place), state);
        }
    }

    /// What [`Snapshots::write`] wrote, if each fits the network.
    pub(super) fn read<N: Network>(
        weights: &Weights,
        count: usize,
        network: &N,
    ) -> Result<Snapshots, MemberError> {
        if count > Snapshots::MOST {
            let problem = format!("it has {count} states, more than {}", Snapshots::MOST);
            return Err(MemberError::Malformed(problem));
        }
        let read = |place: usize| {
            let state = weights.under(&Snapshots::prefix(place));
            let fits = state.load_into(network.clone());
            let fits = fits.map_err(|e| MemberError::Malformed(e.to_string()));
            fits.map(|_| state)
        };
        (0..count)
            .map(read)
            .collect::<Result<_, _>>()
            .map(Snapshots)
    }
}

impl SelfDoubt for Snapshots {
    fn predict<N: Network, B: Batches<Batch = N::Batch>>(
        &self,
        network: &N,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> NetworkPrediction {
        // What the first state sees tells strange units.
        let mut whole = predict(network, data, indices, head, device);
        for state in &self.0 {
            let network = state
                .load_into(network.clone())
                .unwrap_or_else(|e| unreachable!("a state of the same network: {e}"));
            let said = predict(&network, data, indices, head, device);
            whole.members.extend(said.members);
        }
        whole
    }
}
