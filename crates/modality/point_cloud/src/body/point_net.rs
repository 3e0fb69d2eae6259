use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::neighbour_max;
use candor_nn::{Linear, LinearConfig};
use rand_chacha::ChaCha8Rng;

use super::{PointLayer, coordinates, fits, mapped, rows_of};
use crate::design::Seen;
use crate::{CloudBatch, CloudDesign};

/// Layers of each point by itself, then the greatest of each number over the shape.
///
/// # Reference
/// Qi, Su, Mo & Guibas, "PointNet: Deep learning on point sets for 3D classification and segmentation", CVPR 2017, section 4.2, with layer
/// normalisation in place of batch normalisation. The transform of the input is their T-Net; that of features is left out.
#[derive(Module, Debug)]
pub struct PointNet {
    transform: Option<Transform>,
    layers: Vec<PointLayer>,
    #[module(skip)]
    width: usize,
}

/// A linear map of space that a small network of the same kind reads off the shape; it begins as one that changes nothing.
#[derive(Module, Debug)]
struct Transform {
    layers: Vec<PointLayer>,
    behind: PointLayer,
    map: Linear,
}

/// How far a fresh transform is from changing nothing.
const BEGINS: f32 = 0.1;

impl PointNet {
    /// Draws the weights.
    pub fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> PointNet {
        let w = design.width;
        let layers = stack(&[design.seen.width(), w, w, 2 * w, 8 * w], stream, device);
        // There is nothing to turn where coordinates are not seen.
        let turns = design.transform && design.seen != Seen::Intrinsic;
        let transform = turns.then(|| {
            let config = LinearConfig {
                input: w,
                output: 9,
            };
            Transform {
                layers: stack(&[3, w, 2 * w], stream, device),
                behind: PointLayer::new(2 * w, w, stream, device),
                map: config.init(stream, device),
            }
        });
        PointNet {
            transform,
            layers,
            width: 8 * w,
        }
    }

    /// Numbers of a shape.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `[shapes, width]`.
    pub fn forward(&self, batch: &CloudBatch) -> Tensor<2> {
        let mut x = batch.features();
        if let Some(transform) = &self.transform {
            let [rows, width] = x.dims();
            let turned = transform.forward(batch, &x.device());
            x = match width {
                3 => turned,
                _ => Tensor::cat(vec![turned, x.slice([0..rows, 3..width])], 1),
            };
        }
        for layer in &self.layers {
            x = layer.forward(x);
        }
        fits(neighbour_max(&batch.points().rows(), x))
    }
}

pub(super) fn stack(widths: &[usize], stream: &mut ChaCha8Rng, device: &Device) -> Vec<PointLayer> {
    let pairs = widths.windows(2);
    pairs
        .map(|pair| PointLayer::new(pair[0], pair[1], stream, device))
        .collect()
}

impl Transform {
    /// The points, turned: `[points, 3]`.
    fn forward(&self, batch: &CloudBatch, device: &Device) -> Tensor<2> {
        let points = batch.points();
        let at = coordinates(points, device);
        let mut x = at.clone();
        for layer in &self.layers {
            x = layer.forward(x);
        }
        let shapes = fits(neighbour_max(&points.rows(), x));
        let change = mapped(&self.map, self.behind.forward(shapes)) * BEGINS;
        let shape_of: Vec<u32> = points
            .clouds
            .windows(2)
            .enumerate()
            .flat_map(|(shape, cloud)| (cloud[0]..cloud[1]).map(move |_| shape as u32))
            .collect();
        let count = points.len();
        let change: Tensor<3> = rows_of(change, &shape_of).reshape([count, 3, 3]);
        let moved: Tensor<3> = change * at.clone().reshape([count, 3, 1]);
        at + moved.sum_dim(1).reshape([count, 3])
    }
}
