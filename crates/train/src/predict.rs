use burn::tensor::{Device, Tensor};
use candor_core::{Distribution, PredictionError};
use candor_nn::{HeadKind, Pass};

use crate::{Batches, Network};

/// Predictions of one trained network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPrediction {
    /// One distribution for each member inside the network.
    pub members: Vec<Distribution>,
    /// `[units, width]`: the mean of the members' embeddings.
    pub embedding: Vec<f32>,
    /// Length of an embedding.
    pub width: usize,
}

impl NetworkPrediction {
    /// The mixture of the members.
    ///
    /// # Errors
    /// Never for predictions made by [`predict`].
    pub fn mixture(&self) -> Result<Distribution, PredictionError> {
        let members: Vec<(f64, &Distribution)> = self.members.iter().map(|m| (1.0, m)).collect();
        Distribution::mixture(&members)
    }
}

/// Predicts the units at `indices`, in batches, without gradients.
///
/// Each unit's prediction is the same whatever units stand beside it only if the network keeps units
/// apart, which [`Network`] demands.
pub fn predict<N: Network, B: Batches<Batch = N::Batch>>(
    network: &N,
    data: &B,
    indices: &[usize],
    head: &HeadKind,
    device: &Device,
) -> NetworkPrediction {
    let mut parts: Vec<Vec<Distribution>> = Vec::new();
    let (mut embedding, mut width) = (Vec::new(), 0);
    for chunk in indices.chunks(data.units_at_once().max(1)) {
        let output = network.forward(&data.batch(chunk, device), &mut Pass::evaluation());
        let [members, units, outputs] = output.raw.dims();
        parts.resize(members, Vec::new());
        for (m, part) in parts.iter_mut().enumerate() {
            let raw: Tensor<2> = output.raw.clone().narrow(0, m, 1).reshape([units, outputs]);
            part.push(head.distribution(raw));
        }
        width = output.embedding.dims()[2];
        embedding.extend(output.embedding.mean_dim(0).into_data().iter::<f32>());
    }
    let members = parts
        .into_iter()
        .map(|part| concatenate(part, indices.len()))
        .collect();
    NetworkPrediction {
        members,
        embedding,
        width,
    }
}

fn concatenate(parts: Vec<Distribution>, units: usize) -> Distribution {
    let mut parts = parts.into_iter();
    let Some(mut whole) = parts.next() else {
        return Distribution::Categorical {
            classes: 0,
            probabilities: Vec::with_capacity(units),
        };
    };
    for part in parts {
        if whole.append(&part).is_err() {
            unreachable!("one head gives one kind of distribution");
        }
    }
    whole
}
