use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{KdTree, ball_query, neighbour_max, relu, segment_max};
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

/// One level of balls.
#[derive(Module, Debug)]
pub(super) struct Level {
    features: Linear,
    offsets: Linear,
    layers: Vec<PointLayer>,
}

/// One point in so many is the centre of a ball.
pub(super) const SHARE: usize = 4;
pub(super) const RADII: [f32; 2] = [0.2, 0.4];

impl SetAbstraction {
    /// Draws the weights.
    pub fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> SetAbstraction {
        let w = design.width;
        SetAbstraction {
            levels: Level::both(design.seen.width(), w, stream, device),
            join: PointLayer::new(4 * w + 3, 8 * w, stream, device),
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
            x = level.forward(&points, &centres, radius, self.neighbours, x, &device);
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
pub(super) fn radii(points: &Points, device: &Device) -> Tensor<2> {
    let r = coordinates(points, device)
        .powf_scalar(2.0)
        .sum_dim(1)
        .sqrt();
    Tensor::cat(vec![r.clone(), r.clone().powf_scalar(2.0), r.sqrt()], 1)
}

impl Level {
    /// Two levels, from `input` numbers of a point to `2 w` and `4 w`.
    pub fn both(
        mut input: usize,
        w: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Vec<Level> {
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
        levels
    }

    /// `[centres, output]`.
    pub fn forward(
        &self,
        points: &Points,
        centres: &Points,
        radius: f32,
        neighbours: usize,
        x: Tensor<2>,
        device: &Device,
    ) -> Tensor<2> {
        let tree = fits(KdTree::new(&points.at, 3, &points.clouds));
        let balls = fits(ball_query(
            &tree,
            &centres.at,
            &centres.clouds,
            radius,
            Some(neighbours),
        ));
        // Both maps are linear: they are computed once for each point and centre, and only their sums for each pair.
        let own = mapped(&self.features, x) + mapped(&self.offsets, coordinates(points, device));
        let middle = mapped(&self.offsets, coordinates(centres, device));
        let mut pairs =
            relu(rows_of(own, balls.indices()) - rows_of(middle, &row_of_entries(&balls)));
        for layer in &self.layers {
            pairs = layer.forward(pairs);
        }
        fits(segment_max(&balls, pairs))
    }
}
