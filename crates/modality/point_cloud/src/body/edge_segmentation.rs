use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::neighbour_max;
use rand_chacha::ChaCha8Rng;

use super::edge_convolutions::EdgeLayer;
use super::{PointLayer, Seen, fits};
use crate::{CloudBatch, CloudDesign};

/// Edge convolutions for single points: what all layers saw of a point, and beside it the greatest of a map of that over the whole shape.
///
/// # Reference
/// Wang et al., "Dynamic graph CNN for learning on point clouds", ACM TOG 38(5), 2019, figure 3, lower branch, without the transform of the
/// input. Layers are those of [`EdgeConvolutions`](super::EdgeConvolutions).
#[derive(Module, Debug)]
pub struct EdgeSegmentation {
    layers: Vec<EdgeLayer>,
    join: PointLayer,
    #[module(skip)]
    neighbours: usize,
    #[module(skip)]
    dynamic: bool,
    #[module(skip)]
    widths: (usize, usize),
}

impl EdgeSegmentation {
    /// Draws the weights, for `input` numbers of a point.
    pub fn new(
        design: &CloudDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> EdgeSegmentation {
        let local = design.depth * design.width;
        let global = 4 * design.width;
        EdgeSegmentation {
            layers: EdgeLayer::several(input, design, stream, device),
            join: PointLayer::new(local, global, stream, device),
            neighbours: design.neighbours,
            dynamic: design.dynamic,
            widths: (local, global),
        }
    }

    /// Numbers of a point, and of the whole.
    pub fn widths(&self) -> (usize, usize) {
        self.widths
    }

    pub(crate) fn forward(&self, batch: &CloudBatch) -> Seen {
        let seen = EdgeLayer::levels(&self.layers, batch, self.neighbours, self.dynamic);
        let local = Tensor::cat(seen, 1);
        let joined = self.join.forward(local.clone());
        Seen {
            global: fits(neighbour_max(&batch.points().rows(), joined)),
            local,
        }
    }
}
