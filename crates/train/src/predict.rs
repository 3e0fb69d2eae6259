use burn::tensor::{Device, Tensor};
use candor_core::{Distribution, PredictionError};
use candor_nn::{HeadKind, Pass};

use crate::{Batches, Features, MemberPrediction, Network};

/// Predictions of one trained network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPrediction {
    /// One distribution for each member inside the network.
    pub members: Vec<Distribution>,
    /// How much of its own doubt each member finds in the data, see [`crate::MemberPrediction::aleatoric`].
    pub aleatoric: Option<Vec<Vec<f32>>>,
    /// `[units, width]`: the mean of the members' embeddings.
    pub embedding: Vec<f32>,
    /// Length of an embedding.
    pub width: usize,
}

/// Makes of raw parameters and embeddings of one member inside a network what it says, and how much of its doubt is in the data.
pub(crate) type Answer<'a> =
    &'a mut dyn FnMut(Tensor<2>, &[f32], usize) -> (Distribution, Option<Vec<f32>>);

impl NetworkPrediction {
    /// The mixture of the members.
    ///
    /// # Errors
    /// Never for predictions made by [`predict`].
    pub fn mixture(&self) -> Result<Distribution, PredictionError> {
        let members: Vec<(f64, &Distribution)> = self.members.iter().map(|m| (1.0, m)).collect();
        Distribution::mixture(&members)
    }

    /// The same as `restore` makes it of what each member says: in the target's own units, with the odds of the data. The share of its doubt
    /// that a member finds in the data stays as it is.
    pub fn restored(self, restore: impl Fn(Distribution) -> Distribution) -> NetworkPrediction {
        let mut aleatoric = self.aleatoric;
        let restored = |(place, member): (usize, Distribution)| {
            let Some(own) = aleatoric.as_mut().and_then(|all| all.get_mut(place)) else {
                return restore(member);
            };
            let before = whole_doubt(&member);
            let member = restore(member);
            for (own, (before, after)) in own.iter_mut().zip(before.zip(whole_doubt(&member))) {
                if before > 0.0 {
                    *own = (f64::from(*own) * after / before) as f32;
                }
            }
            member
        };
        NetworkPrediction {
            members: self.members.into_iter().enumerate().map(restored).collect(),
            aleatoric,
            ..self
        }
    }

    /// The mean of several looks at the same units by the same network, member by member. At least one look.
    ///
    /// # Errors
    /// Never for predictions made by one network.
    pub fn mean(
        looks: impl IntoIterator<Item = NetworkPrediction>,
    ) -> Result<NetworkPrediction, PredictionError> {
        let mut looks = looks.into_iter();
        let mut mean = looks.next().ok_or(PredictionError::NoMembers)?;
        let mut said: Vec<Vec<Distribution>> = mean.members.into_iter().map(|m| vec![m]).collect();
        for look in looks {
            for (all, member) in said.iter_mut().zip(look.members) {
                all.push(member);
            }
            add(&mut mean.embedding, &look.embedding);
            let own = mean.aleatoric.iter_mut().flatten();
            for (sum, own) in own.zip(look.aleatoric.iter().flatten()) {
                add(sum, own);
            }
        }
        let share = said.first().map_or(1.0, |all| 1.0 / all.len() as f32);
        let sums = mean.aleatoric.iter_mut().flatten();
        for sum in sums.chain([&mut mean.embedding]) {
            sum.iter_mut().for_each(|value| *value *= share);
        }
        let mixed = said.iter().map(|all| match all.as_slice() {
            [one] => Ok(one.clone()),
            many => Distribution::mixture(&many.iter().map(|m| (1.0, m)).collect::<Vec<_>>()),
        });
        mean.members = mixed.collect::<Result<_, _>>()?;
        Ok(mean)
    }

    /// As what a member says, with the prepared input `[units, input_width]` beside it.
    pub fn described(self, input_width: usize, input: Vec<f32>) -> MemberPrediction {
        MemberPrediction {
            members: self.members,
            aleatoric: self.aleatoric,
            features: Some(Features {
                width: self.width,
                embedding: self.embedding,
                input_width,
                input,
            }),
        }
    }

    /// What a network says of the units at `indices`, in batches: `answer` makes of the raw parameters and the embeddings of one
    /// member what it says of a batch, and how much of its doubt is in the data.
    pub(crate) fn gather<N: Network, B: Batches<Batch = N::Batch>>(
        network: &N,
        data: &B,
        indices: &[usize],
        device: &Device,
        answer: Answer,
    ) -> NetworkPrediction {
        let mut parts: Vec<Vec<Distribution>> = Vec::new();
        let mut aleatoric: Option<Vec<Vec<f32>>> = None;
        let (mut embedding, mut width) = (Vec::new(), 0);
        for chunk in indices.chunks(data.units_at_once().max(1)) {
            let output = network.forward(&data.batch(chunk, device), &mut Pass::evaluation());
            let [members, units, _] = output.raw.dims();
            parts.resize(members, Vec::new());
            width = output.embedding.dims()[2];
            let seen: Vec<f32> = output.embedding.clone().into_data().iter().collect();
            for (m, part) in parts.iter_mut().enumerate() {
                // Networks may show all their members one embedding.
                let place = if seen.len() < (m + 1) * units * width {
                    0
                } else {
                    m
                };
                let rows = &seen[place * units * width..][..units * width];
                let (said, own) = answer(raw_of(&output.raw, m), rows, m);
                part.push(said);
                if let Some(own) = own {
                    let all = aleatoric.get_or_insert_with(|| vec![Vec::new(); members]);
                    all[m].extend(own);
                }
            }
            embedding.extend(output.embedding.mean_dim(0).into_data().iter::<f32>());
        }
        NetworkPrediction {
            members: concatenate(parts, indices.len()),
            aleatoric,
            embedding,
            width,
        }
    }
}

fn add(sum: &mut [f32], more: &[f32]) {
    sum.iter_mut().zip(more).for_each(|(sum, m)| *sum += m);
}

/// The entropy of probabilities in nats.
pub(crate) fn entropy(p: &[f64]) -> f64 {
    let terms = p.iter().filter(|p| **p > 0.0);
    -terms.map(|p| p * p.ln()).sum::<f64>()
}

/// All doubt in what a member says: entropies in nats of classes, one a unit, and of labels; variances of numbers.
fn whole_doubt(said: &Distribution) -> std::vec::IntoIter<f64> {
    let doubt: Vec<f64> = match said {
        Distribution::Categorical {
            classes,
            probabilities,
        } => probabilities
            .chunks((*classes).max(1))
            .map(|row| entropy(&row.iter().map(|p| f64::from(*p)).collect::<Vec<_>>()))
            .collect(),
        Distribution::Bernoulli { probabilities, .. } => probabilities
            .iter()
            .map(|p| entropy(&[f64::from(*p), 1.0 - f64::from(*p)]))
            .collect(),
        Distribution::Gaussian { variance, .. } => variance.iter().map(|v| f64::from(*v)).collect(),
        // No member that tells quantiles doubts itself.
        Distribution::Quantiles { .. } => Vec::new(),
    };
    doubt.into_iter()
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
    NetworkPrediction::gather(network, data, indices, device, &mut |raw, _, _| {
        (head.distribution(raw.clone()), head.aleatoric(raw))
    })
}

/// What each member inside a network says of the units at `indices`, by raw parameters that `forward` makes of a batch.
pub(crate) fn each_member<B: Batches>(
    data: &B,
    indices: &[usize],
    head: &HeadKind,
    device: &Device,
    forward: &dyn Fn(&B::Batch) -> Tensor<3>,
) -> Vec<Distribution> {
    let mut parts: Vec<Vec<Distribution>> = Vec::new();
    for chunk in indices.chunks(data.units_at_once().max(1)) {
        let raw = forward(&data.batch(chunk, device));
        parts.resize(raw.dims()[0], Vec::new());
        for (m, part) in parts.iter_mut().enumerate() {
            part.push(head.distribution(raw_of(&raw, m)));
        }
    }
    concatenate(parts, indices.len())
}

/// The raw parameters `[units, outputs]` of one member.
pub(crate) fn raw_of(raw: &Tensor<3>, member: usize) -> Tensor<2> {
    let [_, units, outputs] = raw.dims();
    raw.clone().narrow(0, member, 1).reshape([units, outputs])
}

fn concatenate(members: Vec<Vec<Distribution>>, units: usize) -> Vec<Distribution> {
    let one = |parts: Vec<Distribution>| {
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
    };
    members.into_iter().map(one).collect()
}
