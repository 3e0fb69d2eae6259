use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::Pass;

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
}

/// Units that can be made into batches.
pub trait Batches {
    /// What the network takes.
    type Batch;

    /// The batch of the units at `indices`, in that order, on a device.
    fn batch(&self, indices: &[usize], device: &Device) -> Self::Batch;
}
