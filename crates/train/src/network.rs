use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::{Head, Pass};
use rand_chacha::ChaCha8Rng;

/// What a network says of a batch.
#[derive(Debug, Clone)]
pub struct Output {
    /// `[members, units, width]`: what the head sees.
    pub embedding: Tensor<3>,
    /// `[members, units, outputs]`: raw parameters of the predictive distribution.
    pub raw: Tensor<3>,
}

/// A body and a head.
pub trait Network: Module {
    /// A batch of units as the body takes it.
    type Batch;

    /// One pass over a batch. In evaluation it must be a pure function of the batch, and no unit may
    /// influence another.
    fn forward(&self, batch: &Self::Batch, pass: &mut Pass) -> Output;

    /// The layer that makes raw parameters of embeddings, if that is how the network ends: what some ways of doubt rest on.
    fn last_layer(&self) -> Option<&Head> {
        None
    }

    /// What the weights cost by themselves, added to the loss of every step: the squared norm of some of them, say. `None`: nothing.
    fn penalty(&self) -> Option<Tensor<1>> {
        None
    }

    /// Whether it is trained on the moments of its batches ([`candor_nn::BatchStatistics`]). Then the loop takes the moments of training
    /// units before it evaluates.
    fn normalises_by_batch(&self) -> bool {
        false
    }
}

/// Units that can be made into batches.
pub trait Batches {
    /// What the network takes.
    type Batch;

    /// The batch of the units at `indices`, in that order, on a device.
    fn batch(&self, indices: &[usize], device: &Device) -> Self::Batch;

    /// The same for a step of training, perhaps changed at random: all randomness is the stream's.
    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self::Batch {
        let _ = stream;
        self.batch(indices, device)
    }

    /// The rows of the targets that a batch of training answers, in the order of what the network says; `units` are what it was made of. By
    /// default these themselves; other where a unit of training holds many that are predicted, such as the points of a shape.
    fn answered(&self, batch: &Self::Batch, units: &[usize]) -> Vec<usize> {
        let _ = batch;
        units.to_vec()
    }

    /// What each class counts in the loss; of several labels, the absence and the presence of each in turn. `None`: all alike.
    fn class_weights(&self) -> Option<&[f32]> {
        None
    }

    /// Units that are predicted at a time: large enough to fill the caches, small enough to keep memory flat.
    fn units_at_once(&self) -> usize {
        512
    }
}
