use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{Csr, KdTree, k_nearest, relu, segment_max, segment_mean};
use rand_chacha::ChaCha8Rng;

use super::{PointLayer, fits, read_out, row_of_entries, rows_of};
use crate::batch::Points;
use crate::{CloudBatch, CloudDesign};

/// Stages of residual layers: each halves the points, gathers the neighbours of those that are left, brings the differences to one spread, and
/// takes the greatest of what residual layers make of them.
///
/// # Reference
/// Ma, Qin, You, Ran & Fu, "Rethinking network design and local geometry in point cloud: a simple residual MLP framework", ICLR 2022, equations
/// 2 to 4 (the lighter form: one residual layer before and one behind each maximum). The spread is that of one shape.
#[derive(Module, Debug)]
pub struct PointMlp {
    embed: PointLayer,
    stages: Vec<Stage>,
    #[module(skip)]
    neighbours: usize,
    #[module(skip)]
    width: usize,
}

#[derive(Module, Debug)]
struct Stage {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    transfer: PointLayer,
    before: Residual,
    behind: Residual,
}

/// `relu(x + B(A x))` of narrow layers.
#[derive(Module, Debug)]
struct Residual {
    first: PointLayer,
    second: PointLayer,
}

/// Widths double so often at most.
const DOUBLED: usize = 2;
/// Added to the spread.
const EPSILON: f64 = 1e-5;

impl PointMlp {
    /// Draws the weights.
    pub fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> PointMlp {
        let embed = PointLayer::new(design.seen.width(), design.width, stream, device);
        let mut input = design.width;
        let mut stages = Vec::with_capacity(design.depth);
        for stage in 0..design.depth {
            let output = if stage < DOUBLED { 2 * input } else { input };
            let constant = |value: f32| Param::from_data(vec![value; input].as_slice(), device);
            stages.push(Stage {
                scale: constant(1.0),
                shift: constant(0.0),
                transfer: PointLayer::new(2 * input, output, stream, device),
                before: Residual::new(output, stream, device),
                behind: Residual::new(output, stream, device),
            });
            input = output;
        }
        PointMlp {
            embed,
            stages,
            neighbours: design.neighbours,
            width: 2 * input,
        }
    }

    /// Numbers of a shape.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `[shapes, width]`.
    pub fn forward(&self, batch: &CloudBatch) -> Tensor<2> {
        let mut x = self.embed.forward(batch.features());
        let mut points = batch.points().clone();
        for stage in &self.stages {
            let (centres, numbers) = points.first(2);
            let tree = fits(KdTree::new(&points.at, 3, &points.clouds));
            let near = fits(k_nearest(
                &tree,
                &centres.at,
                &centres.clouds,
                self.neighbours,
            ));
            x = stage.forward(&centres, &numbers, &near, x);
            points = centres;
        }
        read_out(&points, x)
    }
}

impl Stage {
    /// `[centres, output]`.
    fn forward(&self, centres: &Points, numbers: &[u32], near: &Csr, x: Tensor<2>) -> Tensor<2> {
        let own = rows_of(x.clone(), numbers);
        let entries = row_of_entries(near);
        let middle = rows_of(own, &entries);
        let apart = rows_of(x, near.indices()) - middle.clone();
        // The spread of all differences of a shape.
        let starts = centres.clouds.iter().map(|&c| near.starts()[c]).collect();
        let count = near.entries();
        let shapes = Csr::new(count, starts, (0..count as u32).collect());
        let shapes = fits(shapes);
        let square = apart.clone().powf_scalar(2.0).mean_dim(1);
        let spread = (fits(segment_mean(&shapes, square)) + EPSILON).sqrt();
        let shape_of = row_of_entries(&shapes);
        let apart = apart / rows_of(spread, &shape_of) * self.scale.val().unsqueeze()
            + self.shift.val().unsqueeze();
        let pairs = self.transfer.forward(Tensor::cat(vec![apart, middle], 1));
        let pairs = self.before.forward(pairs);
        self.behind.forward(fits(segment_max(near, pairs)))
    }
}

impl Residual {
    fn new(width: usize, stream: &mut ChaCha8Rng, device: &Device) -> Residual {
        let narrow = (width / 2).max(1);
        Residual {
            first: PointLayer::new(width, narrow, stream, device),
            second: PointLayer::new(narrow, width, stream, device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        relu(self.second.linear(self.first.forward(x.clone())) + x)
    }
}
