use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Csr, KdTree, ball_query, neighbour_max, relu, segment_max};
use candor_nn::{Linear, LinearConfig};
use rand_chacha::ChaCha8Rng;

use super::{PointLayer, coordinates, fits, mapped, row_of_entries, rows_of};
use crate::batch::Points;
use crate::{CloudBatch, CloudDesign};

/// Neighbourhoods of points, and neighbourhoods of those: about each of a few spread points, a small PointNet sees its ball.
///
/// # Reference
/// Qi, Yi, Su & Guibas, "PointNet++: Deep hierarchical feature learning on point sets in a metric space", NeurIPS 2017, section 3.2, with one
/// scale, a quarter of the points in each of two levels, and balls of 0.2 and 0.4 radii. The nearest points of a ball are taken, not the first.
#[derive(Module, Debug)]
pub struct SetAbstraction {
    levels: Vec<Level>,
    join: PointLayer,
    #[module(skip)]
    neighbours: usize,
    #[module(skip)]
    width: usize,
}

#[derive(Module, Debug)]
struct Level {
    features: Linear,
    offsets: Linear,
    layers: Vec<PointLayer>,
}

/// One point in so many is the centre of a ball.
const SHARE: usize = 4;
const RADII: [f32; 2] = [0.2, 0.4];

impl SetAbstraction {
    /// Draws the weights.
    pub fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> SetAbstraction {
        let w = design.width;
        let mut input = design.seen.width();
        let mut levels = Vec::new();
        for (inner, output) in [(w, 2 * w), (2 * w, 4 * w)] {
            let map = |input| LinearConfig {
                input,
                output: inner,
            };
            levels.push(Level {
                features: map(input).init(stream, device),
                offsets: map(3).init(stream, device),
                layers: vec![
                    PointLayer::new(inner, inner, stream, device),
                    PointLayer::new(inner, output, stream, device),
                ],
            });
            input = output;
        }
        SetAbstraction {
            levels,
            join: PointLayer::new(input + 3, 8 * w, stream, device),
            neighbours: design.neighbours,
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
        let device = x.device();
        let mut points = batch.points().clone();
        for (level, radius) in self.levels.iter().zip(RADII) {
            let (centres, _) = points.first(SHARE);
            let tree = fits(KdTree::new(&points.at, 3, &points.clouds));
            let balls = fits(ball_query(
                &tree,
                &centres.at,
                &centres.clouds,
                radius,
                Some(self.neighbours),
            ));
            x = level.forward(&points, &centres, &balls, x, &device);
            points = centres;
        }
        // How far each ball is from the centre does not change when the shape is turned, as nothing here should that was not asked for.
        let x = self
            .join
            .forward(Tensor::cat(vec![x, radii(&points, &device)], 1));
        fits(neighbour_max(&points.rows(), x))
    }
}

/// Distance from the centre, its square and its root: `[points, 3]`.
fn radii(points: &Points, device: &Device) -> Tensor<2> {
    let r = coordinates(points, device)
        .powf_scalar(2.0)
        .sum_dim(1)
        .sqrt();
    Tensor::cat(vec![r.clone(), r.clone().powf_scalar(2.0), r.sqrt()], 1)
}

impl Level {
    /// `[centres, output]`.
    fn forward(
        &self,
        points: &Points,
        centres: &Points,
        balls: &Csr,
        x: Tensor<2>,
        device: &Device,
    ) -> Tensor<2> {
        // Both maps are linear: they are computed once for each point and centre, and only their sums for each pair.
        let own = mapped(&self.features, x) + mapped(&self.offsets, coordinates(points, device));
        let middle = mapped(&self.offsets, coordinates(centres, device));
        let mut pairs =
            relu(rows_of(own, balls.indices()) - rows_of(middle, &row_of_entries(balls)));
        for layer in &self.layers {
            pairs = layer.forward(pairs);
        }
        fits(segment_max(balls, pairs))
    }
}
