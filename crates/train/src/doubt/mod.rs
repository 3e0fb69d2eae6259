//! How one network says what it does not know: what the pipeline's default, an ensemble, learns from several.

mod doubting;
mod laplace;
mod snapshots;
mod symmetric;
mod thinned;

use burn::tensor::Device;
use candor_core::{Seed, Targets, UncertaintyMethod};
use candor_nn::{HeadKind, Weights};
use serde::{Deserialize, Serialize};

pub use doubting::DoubtingNetwork;
pub use laplace::LastLayerLaplace;
pub use snapshots::Snapshots;
pub use thinned::ThinnedNetworks;

use crate::{Batches, MemberError, Network, NetworkPrediction, predict};

/// A way in which one network doubts itself.
pub trait SelfDoubt {
    /// Predicts the units at `indices`, with doubt: as several members that may disagree, or as one that says how much of its doubt is in
    /// the data. A pure function of network and unit: no unit influences another, and the same call gives the same.
    fn predict<N: Network, B: Batches<Batch = N::Batch>>(
        &self,
        network: &N,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> NetworkPrediction;
}

/// What a network that shall doubt itself has beside its weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Doubt {
    /// Nothing: it says what its head says, which for evidential heads holds the doubt.
    #[default]
    OfHead,
    /// See [`LastLayerLaplace`].
    Laplace(LastLayerLaplace),
    /// See [`ThinnedNetworks`].
    Thinned(ThinnedNetworks),
    /// See [`Snapshots`].
    Snapshots(Snapshots),
}

/// What a saved network's description says of its [`Doubt`]; the large rest stands among the weights.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SavedDoubt {
    /// See [`Doubt::OfHead`].
    #[default]
    OfHead,
    /// See [`Doubt::Laplace`].
    Laplace {
        /// The chosen precision of the prior.
        prior_precision: f64,
    },
    /// See [`Doubt::Thinned`].
    Thinned(ThinnedNetworks),
    /// See [`Doubt::Snapshots`].
    Snapshots {
        /// States beside the first.
        count: usize,
    },
}

impl Doubt {
    /// What the method adds to a trained network; states of its training are not among it, they come from [`crate::fit_assigned`]. `units` are those that it learned from, `targets` those of all units.
    ///
    /// # Errors
    /// When the method does not fit the network or its head.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of what a trained network is"
    )]
    pub fn fit<N: Network, B: Batches<Batch = N::Batch>>(
        method: UncertaintyMethod,
        network: &N,
        data: &B,
        targets: &Targets,
        units: &[usize],
        head: &HeadKind,
        seed: Seed,
        device: &Device,
    ) -> Result<Doubt, MemberError> {
        Ok(match method {
            UncertaintyMethod::Ensemble
            | UncertaintyMethod::Evidential
            | UncertaintyMethod::Snapshots => Doubt::OfHead,
            UncertaintyMethod::Laplace => Doubt::Laplace(LastLayerLaplace::fit(
                network, data, targets, units, head, device,
            )?),
            UncertaintyMethod::Dropout => Doubt::Thinned(ThinnedNetworks {
                passes: ThinnedNetworks::PASSES,
                seed: seed.derive("doubt", &[]),
            }),
        })
    }

    /// What the description of a saved network holds of it; the rest is put among the weights.
    pub fn save(&self, weights: &mut Weights) -> SavedDoubt {
        match self {
            Doubt::OfHead => SavedDoubt::OfHead,
            Doubt::Thinned(thinned) => SavedDoubt::Thinned(*thinned),
            Doubt::Snapshots(states) => {
                states.write(weights);
                SavedDoubt::Snapshots {
                    count: states.0.len(),
                }
            }
            Doubt::Laplace(laplace) => {
                laplace.write(weights);
                SavedDoubt::Laplace {
                    prior_precision: laplace.prior_precision,
                }
            }
        }
    }

    /// Reads what [`Doubt::save`] wrote of a network.
    ///
    /// # Errors
    /// When it is damaged, or does not fit the head or the network.
    pub fn load<N: Network>(
        saved: &SavedDoubt,
        weights: &Weights,
        network: &N,
        head: &HeadKind,
    ) -> Result<Doubt, MemberError> {
        let malformed = |what: &str| Err(MemberError::Malformed(what.into()));
        match *saved {
            SavedDoubt::OfHead => Ok(Doubt::OfHead),
            SavedDoubt::Thinned(thinned) => {
                if !(1..=ThinnedNetworks::MOST_PASSES).contains(&thinned.passes) {
                    return malformed("the number of its thinned networks is damaged");
                }
                Ok(Doubt::Thinned(thinned))
            }
            SavedDoubt::Laplace { prior_precision } => {
                let layer = network.last_layer();
                let (members, width) = layer.map_or((0, 0), |layer| layer.shape());
                let laplace = LastLayerLaplace::read(weights, members, head, prior_precision)?;
                if !laplace.fits(width) {
                    return malformed("its doubt of the last layer is of another layer");
                }
                Ok(Doubt::Laplace(laplace))
            }
            SavedDoubt::Snapshots { count } => {
                Snapshots::read(weights, count, network).map(Doubt::Snapshots)
            }
        }
    }
}

impl SelfDoubt for Doubt {
    fn predict<N: Network, B: Batches<Batch = N::Batch>>(
        &self,
        network: &N,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> NetworkPrediction {
        match self {
            Doubt::OfHead => predict(network, data, indices, head, device),
            Doubt::Laplace(laplace) => laplace.predict(network, data, indices, head, device),
            Doubt::Thinned(thinned) => thinned.predict(network, data, indices, head, device),
            Doubt::Snapshots(states) => states.predict(network, data, indices, head, device),
        }
    }
}
