use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

/// Moments of what the layers of a network normalise, over batches of units.
///
/// Evaluation must not depend on which units stand side by side, so a layer that is trained on the moments of its batch is
/// evaluated with moments of training units. They are taken anew from the weights that will be used, in passes of their own
/// ([`Pass::statistics`](crate::Pass::statistics)), instead of being carried along while the weights still change: a moving average of
/// weights then gets the moments that belong to it.
///
/// # Reference
/// Ioffe & Szegedy 2015, algorithm 2, lines 8 to 10; Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018, section 3.2.
#[derive(Debug, Default)]
pub struct BatchStatistics {
    layers: HashMap<ParamId, Moments>,
    /// The variance of a layer, by the name of its mean.
    means: HashMap<ParamId, ParamId>,
}

/// Sums over batches that count alike, a channel each.
#[derive(Debug, Default)]
struct Moments {
    batches: f64,
    channels: Vec<OfChannel>,
}

#[derive(Debug, Default, Clone, Copy)]
struct OfChannel {
    mean: f64,
    mean_square: f64,
    variance: f64,
}

impl BatchStatistics {
    /// Whether no layer noted anything: the network does not normalise by batches.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Notes the moments of one batch for the layer that keeps them in the parameters `of`: mean and variance.
    pub(crate) fn add(&mut self, of: [ParamId; 2], mean: &[f32], variance: &[f32]) {
        self.means.insert(of[1], of[0]);
        let moments = self.layers.entry(of[0]).or_default();
        moments.batches += 1.0;
        moments.channels.resize(mean.len(), OfChannel::default());
        let given = mean.iter().zip(variance);
        for (channel, (&mean, &variance)) in moments.channels.iter_mut().zip(given) {
            channel.mean += f64::from(mean);
            channel.mean_square += f64::from(mean) * f64::from(mean);
            channel.variance += f64::from(variance);
        }
    }

    /// The network, evaluated with these moments from now on.
    pub fn into_network<M: Module>(self, module: M) -> M {
        module.map(&mut Writer { found: &self })
    }

    /// What the parameter holds from now on.
    fn values(&self, id: ParamId) -> Option<Vec<f32>> {
        let variance_of = self.means.get(&id);
        let moments = self.layers.get(variance_of.unwrap_or(&id))?;
        let value = |channel: &OfChannel| {
            let mean = channel.mean / moments.batches;
            if variance_of.is_none() {
                return mean as f32;
            }
            // Within the batches, and between them (Chan et al. 1979).
            let between = (channel.mean_square / moments.batches - mean * mean).max(0.0);
            (channel.variance / moments.batches + between) as f32
        };
        Some(moments.channels.iter().map(value).collect())
    }
}

struct Writer<'a> {
    found: &'a BatchStatistics,
}

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.found.values(param.id) else {
            return param;
        };
        param.map(|old| {
            let required = old.is_require_grad();
            Tensor::from_data(TensorData::new(values, old.dims()), &old.device())
                .set_require_grad(required)
        })
    }
}
