//! Bodies: how a network sees a series. One file a body.

mod causal_convolutions;
mod inception;
mod patches;
mod recurrent;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::Pass;
use rand_chacha::ChaCha8Rng;

pub use causal_convolutions::CausalConvolutions;
pub use inception::Inception;
pub use patches::Patches;
pub(crate) use patches::patch_of;
pub use recurrent::{CellKind, Recurrent};

use crate::design::{BodyKind, SequenceDesign};
use crate::prepare::SequenceBatch;

/// The body of one of the families.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it a network")]
pub enum Body {
    /// Filters of several lengths side by side.
    Inception(Inception),
    /// Convolutions that look back only.
    Causal(CausalConvolutions),
    /// Step after step.
    Recurrent(Recurrent),
    /// Attention between stretches.
    Patches(Patches),
}

impl Body {
    /// Draws the weights, for series of so many channels and moments.
    pub(crate) fn new(
        design: &SequenceDesign,
        (channels, moments): (usize, usize),
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Body {
        match design.body {
            BodyKind::Inception => {
                Body::Inception(Inception::new(design, channels, stream, device))
            }
            BodyKind::CausalConvolutions => {
                Body::Causal(CausalConvolutions::new(design, channels, stream, device))
            }
            BodyKind::Lstm => Body::Recurrent(Recurrent::new(
                CellKind::Lstm,
                design,
                channels,
                stream,
                device,
            )),
            BodyKind::Gru => Body::Recurrent(Recurrent::new(
                CellKind::Gru,
                design,
                channels,
                stream,
                device,
            )),
            BodyKind::Patches => {
                Body::Patches(Patches::new(design, (channels, moments), stream, device))
            }
        }
    }

    /// A vector for each series, `[units, width]`.
    pub(crate) fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Tensor<2> {
        match self {
            Body::Inception(body) => mean_while(body.forward(batch, pass), batch),
            Body::Causal(body) => {
                let seen = body.forward(batch, pass);
                Tensor::cat(vec![mean_while(seen.clone(), batch), last(seen, batch)], 1)
            }
            Body::Recurrent(body) => {
                let seen = body.forward(batch, pass);
                Tensor::cat(vec![mean_while(seen.clone(), batch), last(seen, batch)], 1)
            }
            Body::Patches(body) => body.forward(batch, pass),
        }
    }

    /// Length of that vector.
    pub(crate) fn width(design: &SequenceDesign) -> usize {
        match design.body {
            BodyKind::Inception => 4 * design.width,
            BodyKind::CausalConvolutions | BodyKind::Lstm | BodyKind::Gru => 2 * design.width,
            BodyKind::Patches => design.width,
        }
    }

    /// Whether it is trained on the moments of its batches.
    pub(crate) fn normalises_by_batch(&self) -> bool {
        matches!(self, Body::Inception(_) | Body::Causal(_))
    }
}

/// The mean over the moments at which a series goes on: `[units, width, moments]` to `[units, width]`.
fn mean_while(seen: Tensor<3>, batch: &SequenceBatch) -> Tensor<2> {
    let [units, width, _] = seen.dims();
    let mask: Tensor<3> = batch.goes_on.clone().unsqueeze_dim(1);
    let count = batch.goes_on.clone().sum_dim(1);
    (seen * mask).sum_dim(2).reshape([units, width]) / count
}

/// What is seen at the last moment: `[units, width, moments]` to `[units, width]`.
fn last(seen: Tensor<3>, batch: &SequenceBatch) -> Tensor<2> {
    let [units, width, moments] = seen.dims();
    let mut marks = vec![0.0f32; units * moments];
    for (unit, &length) in batch.lengths.iter().enumerate() {
        marks[unit * moments + length - 1] = 1.0;
    }
    let data = burn::tensor::TensorData::new(marks, [units, 1, moments]);
    let marks = Tensor::<3>::from_data(data, &batch.goes_on.device());
    (seen * marks).sum_dim(2).reshape([units, width])
}

/// What a layer gives that was made for the shapes of its batch.
pub(crate) fn fits<T>(result: Result<T, candor_kernels::KernelError>) -> T {
    result.unwrap_or_else(|e| unreachable!("the body was made for these shapes: {e}"))
}
