use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::neighbour_max;
use rand_chacha::ChaCha8Rng;

use super::point_net::stack;
use super::{PointLayer, Seen, fits};
use crate::{CloudBatch, CloudDesign};

/// Layers of each point by itself, all of them together, and beside them the greatest of each number of the last over the shape.
///
/// # Reference
/// Qi, Su, Mo & Guibas, "PointNet: Deep learning on point sets for 3D classification and segmentation", CVPR 2017, figure 2 and supplement C
/// (all layers are joined), without the transforms.
#[derive(Module, Debug)]
pub struct PointNetSegmentation {
    layers: Vec<PointLayer>,
    whole: PointLayer,
    #[module(skip)]
    widths: (usize, usize),
}

impl PointNetSegmentation {
    /// Draws the weights, for `input` numbers of a point.
    pub fn new(
        design: &CloudDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> PointNetSegmentation {
        let w = design.width;
        PointNetSegmentation {
            layers: stack(&[input, w, w, 2 * w], stream, device),
            whole: PointLayer::new(2 * w, 8 * w, stream, device),
            widths: (4 * w, 8 * w),
        }
    }

    /// Numbers of a point, and of the whole.
    pub fn widths(&self) -> (usize, usize) {
        self.widths
    }

    pub(crate) fn forward(&self, batch: &CloudBatch) -> Seen {
        let mut x = batch.features();
        let mut seen = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            x = layer.forward(x);
            seen.push(x.clone());
        }
        let whole = self.whole.forward(x);
        Seen {
            local: Tensor::cat(seen, 1),
            global: fits(neighbour_max(&batch.points().rows(), whole)),
        }
    }
}
