//! Bodies: how a network sees a shape. One file a body.

mod edge_convolutions;
mod edge_segmentation;
mod feature_propagation;
mod point_mlp;
mod point_net;
mod point_net_segmentation;
mod set_abstraction;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use candor_kernels::{Csr, KernelError, neighbour_max, relu, segment_mean};
use candor_nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass};
use rand_chacha::ChaCha8Rng;

pub use edge_convolutions::EdgeConvolutions;
pub use edge_segmentation::EdgeSegmentation;
pub use feature_propagation::FeaturePropagation;
pub use point_mlp::PointMlp;
pub use point_net::PointNet;
pub use point_net_segmentation::PointNetSegmentation;
pub use set_abstraction::SetAbstraction;

use crate::batch::Points;
use crate::design::BodyKind;
use crate::{CloudBatch, CloudDesign};

/// The body of one of the families.
#[derive(Module, Debug)]
pub enum Body {
    /// Points by themselves.
    PointNet(PointNet),
    /// Differences to neighbours.
    EdgeConvolutions(EdgeConvolutions),
    /// Neighbourhoods of neighbourhoods.
    SetAbstraction(SetAbstraction),
    /// The same with residual layers.
    PointMlp(PointMlp),
}

impl Body {
    /// Draws the weights.
    pub(crate) fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> Body {
        match design.body {
            BodyKind::PointNet => Body::PointNet(PointNet::new(design, stream, device)),
            BodyKind::EdgeConvolutions => {
                Body::EdgeConvolutions(EdgeConvolutions::new(design, stream, device))
            }
            BodyKind::SetAbstraction => {
                Body::SetAbstraction(SetAbstraction::new(design, stream, device))
            }
            BodyKind::PointMlp => Body::PointMlp(PointMlp::new(design, stream, device)),
        }
    }

    /// Numbers of a shape.
    pub(crate) fn width(&self) -> usize {
        match self {
            Body::PointNet(body) => body.width(),
            Body::EdgeConvolutions(body) => body.width(),
            Body::SetAbstraction(body) => body.width(),
            Body::PointMlp(body) => body.width(),
        }
    }

    /// `[shapes, width]`.
    pub(crate) fn forward(&self, batch: &CloudBatch, _pass: &mut Pass) -> Tensor<2> {
        match self {
            Body::PointNet(body) => body.forward(batch),
            Body::EdgeConvolutions(body) => body.forward(batch),
            Body::SetAbstraction(body) => body.forward(batch),
            Body::PointMlp(body) => body.forward(batch),
        }
    }
}

/// A body that sees single points, and the whole beside them.
#[derive(Module, Debug)]
pub enum SegmentBody {
    /// Points by themselves.
    PointNet(PointNetSegmentation),
    /// Differences to neighbours.
    EdgeConvolutions(EdgeSegmentation),
    /// Neighbourhoods of neighbourhoods, and back.
    SetAbstraction(FeaturePropagation),
}

/// What a [`SegmentBody`] sees.
pub(crate) struct Seen {
    /// `[points, local]`: each point where it is.
    pub local: Tensor<2>,
    /// `[shapes, global]`: the whole.
    pub global: Tensor<2>,
}

impl SegmentBody {
    /// Draws the weights, for `input` numbers of a point. Residual layers have no form for points and are edge convolutions here.
    pub(crate) fn new(
        design: &CloudDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SegmentBody {
        match design.body {
            BodyKind::PointNet => {
                SegmentBody::PointNet(PointNetSegmentation::new(design, input, stream, device))
            }
            BodyKind::EdgeConvolutions | BodyKind::PointMlp => {
                SegmentBody::EdgeConvolutions(EdgeSegmentation::new(design, input, stream, device))
            }
            BodyKind::SetAbstraction => {
                SegmentBody::SetAbstraction(FeaturePropagation::new(design, input, stream, device))
            }
        }
    }

    /// Numbers of a point, and of the whole.
    pub(crate) fn widths(&self) -> (usize, usize) {
        match self {
            SegmentBody::PointNet(body) => body.widths(),
            SegmentBody::EdgeConvolutions(body) => body.widths(),
            SegmentBody::SetAbstraction(body) => body.widths(),
        }
    }

    pub(crate) fn forward(&self, batch: &CloudBatch) -> Seen {
        match self {
            SegmentBody::PointNet(body) => body.forward(batch),
            SegmentBody::EdgeConvolutions(body) => body.forward(batch),
            SegmentBody::SetAbstraction(body) => body.forward(batch),
        }
    }
}

/// An affine map of each row, normalised over its features, cut at zero. The normalisation is that of a row alone, so that neither points nor
/// shapes influence each other through it.
#[derive(Module, Debug)]
pub struct PointLayer {
    map: Linear,
    norm: LayerNorm,
}

impl PointLayer {
    /// Draws the weights.
    pub fn new(
        input: usize,
        output: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> PointLayer {
        PointLayer {
            map: LinearConfig { input, output }.init(stream, device),
            norm: LayerNormConfig { width: output }.init(device),
        }
    }

    /// `[rows, input]` to `[rows, output]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        relu(self.linear(x))
    }

    /// The same without the cut.
    pub(crate) fn linear(&self, x: Tensor<2>) -> Tensor<2> {
        normalised(&self.norm, mapped(&self.map, x))
    }
}

/// A map of plain rows.
pub(crate) fn mapped(map: &Linear, x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    let y = map.forward(x.reshape([1, rows, width]));
    let [_, rows, width] = y.dims();
    y.reshape([rows, width])
}

/// A normalisation of plain rows.
pub(crate) fn normalised(norm: &LayerNorm, x: Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    norm.forward(x.reshape([1, rows, width]))
        .reshape([rows, width])
}

/// Greatest and mean of each shape's points, `[points, width]` to `[shapes, 2 width]`.
pub(crate) fn read_out(points: &Points, x: Tensor<2>) -> Tensor<2> {
    let rows = points.rows();
    let greatest = fits(neighbour_max(&rows, x.clone()));
    Tensor::cat(vec![greatest, fits(segment_mean(&rows, x))], 1)
}

/// Rows of a tensor by their numbers.
pub(crate) fn rows_of(x: Tensor<2>, numbers: &[u32]) -> Tensor<2> {
    let numbers: Vec<i64> = numbers.iter().map(|&n| i64::from(n)).collect();
    let count = numbers.len();
    let device = x.device();
    let numbers: Tensor<1, Int> = Tensor::from_data(TensorData::new(numbers, [count]), &device);
    x.select(0, numbers)
}

/// For each entry of a matrix the number of its row.
pub(crate) fn row_of_entries(matrix: &Csr) -> Vec<u32> {
    (0..matrix.rows() as u32)
        .flat_map(|row| matrix.row(row as usize).map(move |_| row))
        .collect()
}

/// Points of a shape by the coordinates in a tensor.
pub(crate) fn coordinates(points: &Points, device: &Device) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(points.at.clone(), [points.len(), 3]),
        device,
    )
}

/// What a layer gives that was made for its input.
pub(crate) fn fits<T>(result: Result<T, KernelError>) -> T {
    result.unwrap_or_else(|e| unreachable!("the body was made for these points: {e}"))
}
