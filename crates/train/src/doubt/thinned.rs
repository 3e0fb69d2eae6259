use burn::tensor::Device;
use candor_core::{Seed, UncertaintyMethod};
use candor_nn::{HeadKind, Pass};
use serde::{Deserialize, Serialize};

use super::SelfDoubt;
use crate::predict::each_member;
use crate::{Batches, Network, NetworkPrediction, predict};

/// Networks that are left of one when features are dropped at random, as they were in training: Monte Carlo dropout. Each drops the same features of
/// all units, so that an answer does not depend on the units beside it, and is the same each time.
///
/// # Reference
/// Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinnedNetworks {
    /// How many.
    pub passes: usize,
    /// What is dropped.
    pub seed: Seed,
}

impl ThinnedNetworks {
    /// How many unless said otherwise: the error of the mean is then a fifth of one network's.
    pub const PASSES: usize = 25;
    /// The least rate of dropout with which a network is trained that shall be thinned: without dropout it has no doubt.
    const LEAST_RATE: f64 = 0.05;
    /// Raises the rate of dropout of a network that shall be thinned to the least with which it can be, and says so.
    pub fn raise(method: UncertaintyMethod, rate: &mut f64) -> Option<String> {
        let least = ThinnedNetworks::LEAST_RATE;
        (method == UncertaintyMethod::Dropout && *rate < least).then(|| {
            let asked = std::mem::replace(rate, least);
            format!(
                "a network that shall be thinned needs dropout: it was trained with a rate of {least} instead of {asked}"
            )
        })
    }

    /// How many a saved network may ask for.
    pub(super) const MOST_PASSES: usize = 1_000;
}

impl SelfDoubt for ThinnedNetworks {
    fn predict<N: Network, B: Batches<Batch = N::Batch>>(
        &self,
        network: &N,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> NetworkPrediction {
        // What the whole network sees tells strange units.
        let whole = predict(network, data, indices, head, device);
        let mut members = Vec::new();
        for pass in 0..self.passes {
            members.extend(each_member(data, indices, head, device, &|batch| {
                // The same stream for each batch of units: the same features.
                let mut stream = self.seed.stream("thinned", &[pass as u64]);
                network.forward(batch, &mut Pass::thinned(&mut stream)).raw
            }));
        }
        NetworkPrediction { members, ..whole }
    }
}
