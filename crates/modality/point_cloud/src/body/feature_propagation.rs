use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{KdTree, k_nearest, neighbour_max, weighted_sparse_product};
use rand_chacha::ChaCha8Rng;

use super::set_abstraction::{Level, RADII, SHARE, radii};
use super::{PointLayer, Seen, fits};
use crate::batch::Points;
use crate::{CloudBatch, CloudDesign};

/// Neighbourhoods of neighbourhoods, whose numbers then come back to the points: at each level those of the three nearest centres, by their
/// squared distances, beside what the level had seen before.
///
/// # Reference
/// Qi, Yi, Su & Guibas, "PointNet++: Deep hierarchical feature learning on point sets in a metric space", NeurIPS 2017, section 3.4, equation 2
/// with `p = 2`, `k = 3`. Levels are those of [`SetAbstraction`](super::SetAbstraction).
#[derive(Module, Debug)]
pub struct FeaturePropagation {
    levels: Vec<Level>,
    /// From the upper level down.
    back: Vec<PointLayer>,
    whole: PointLayer,
    #[module(skip)]
    neighbours: usize,
    #[module(skip)]
    widths: (usize, usize),
}

/// Centres that a point learns from.
const CENTRES: usize = 3;
/// Added to squared distances, in squared radii of the shape.
const EPSILON: f32 = 1e-8;

impl FeaturePropagation {
    /// Draws the weights, for `input` numbers of a point.
    pub fn new(
        design: &CloudDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> FeaturePropagation {
        let w = design.width;
        FeaturePropagation {
            levels: Level::both(input, w, stream, device),
            back: vec![
                PointLayer::new(4 * w + 2 * w, 4 * w, stream, device),
                PointLayer::new(4 * w + input, 2 * w, stream, device),
            ],
            whole: PointLayer::new(4 * w + 3, 8 * w, stream, device),
            neighbours: design.neighbours,
            widths: (2 * w, 8 * w),
        }
    }

    /// Numbers of a point, and of the whole.
    pub fn widths(&self) -> (usize, usize) {
        self.widths
    }

    pub(crate) fn forward(&self, batch: &CloudBatch) -> Seen {
        let mut x = batch.features();
        let device = x.device();
        let mut points = batch.points().clone();
        let mut below = Vec::with_capacity(self.levels.len());
        for (level, radius) in self.levels.iter().zip(RADII) {
            let (centres, _) = points.first(SHARE);
            let up = level.forward(
                &points,
                &centres,
                radius,
                self.neighbours,
                x.clone(),
                &device,
            );
            below.push((std::mem::replace(&mut points, centres), x));
            x = up;
        }
        let whole = Tensor::cat(vec![x.clone(), radii(&points, &device)], 1);
        let global = fits(neighbour_max(&points.rows(), self.whole.forward(whole)));
        for (layer, (fine, seen)) in self.back.iter().zip(below.into_iter().rev()) {
            let told = brought_back(&points, &fine, x);
            x = layer.forward(Tensor::cat(vec![told, seen], 1));
            points = fine;
        }
        Seen { local: x, global }
    }
}

/// Numbers of centres at finer points: `[fine points, width]`.
fn brought_back(centres: &Points, fine: &Points, x: Tensor<2>) -> Tensor<2> {
    let tree = fits(KdTree::new(&centres.at, 3, &centres.clouds));
    let near = fits(k_nearest(&tree, &fine.at, &fine.clouds, CENTRES));
    let mut weights = Vec::with_capacity(near.entries());
    for (row, p) in fine.at.chunks_exact(3).enumerate() {
        let from = weights.len();
        for &centre in &near.indices()[near.row(row)] {
            let c = &centres.at[3 * centre as usize..3 * centre as usize + 3];
            let square: f32 = p.iter().zip(c).map(|(p, c)| (p - c) * (p - c)).sum();
            weights.push(1.0 / (square + EPSILON));
        }
        let sum: f32 = weights[from..].iter().sum();
        weights[from..].iter_mut().for_each(|w| *w /= sum);
    }
    let weights: Arc<[f32]> = weights.into();
    fits(weighted_sparse_product(&near, &weights, x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn a_point_learns_from_its_three_nearest_centres() {
        let points = |at: &[f32]| {
            let mut points = Points::default();
            points.push(at);
            points
        };
        let centres = points(&[0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 9.0, 9.0, 9.0]);
        // At a centre; at (1, 0, 0) squared distances are 1, 1 and 5.
        let fine = points(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let data = TensorData::new(vec![1.0f32, 2.0, 4.0, 100.0], [4, 1]);
        let x: Tensor<2> = Tensor::from_data(data, &Device::flex());
        let told: Vec<f32> = brought_back(&centres, &fine, x)
            .into_data()
            .iter()
            .collect();
        assert!((told[0] - 1.0).abs() < 1e-4, "{told:?}");
        let expected = (1.0 + 2.0 + 4.0 / 5.0) / (1.0 + 1.0 + 1.0 / 5.0);
        assert!((told[1] - expected).abs() < 1e-4, "{told:?}");
    }
}
