use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Csr, nearest_neighbours, neighbour_max, relu};
use candor_nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use rand_chacha::ChaCha8Rng;

use super::{PointLayer, fits, mapped, normalised, read_out};
use crate::batch::Points;
use crate::{CloudBatch, CloudDesign};

/// Each layer compares a point with its nearest neighbours: `max over j of W (x_j - x_i) + V x_i + b`, normalised, cut at zero. All layers
/// together are read out.
///
/// The map of an edge is linear, so that it is computed once for each point, as `max_j (W x_j) + (V - W) x_i + b`, and not for each edge: the
/// same numbers by a fraction of the work. Normalisation and cut come after the maximum, where the paper has them before it.
///
/// # Reference
/// Wang et al., "Dynamic graph CNN for learning on point clouds", ACM TOG 38(5), 2019, equations 7 and 8. With `dynamic`, neighbours are those
/// by what each layer sees, as there; without, those in space.
#[derive(Module, Debug)]
pub struct EdgeConvolutions {
    layers: Vec<EdgeLayer>,
    join: PointLayer,
    #[module(skip)]
    neighbours: usize,
    #[module(skip)]
    dynamic: bool,
    #[module(skip)]
    width: usize,
}

/// One edge convolution.
#[derive(Module, Debug)]
pub(super) struct EdgeLayer {
    edges: Linear,
    own: Linear,
    norm: LayerNorm,
}

impl EdgeConvolutions {
    /// Draws the weights.
    pub fn new(design: &CloudDesign, stream: &mut ChaCha8Rng, device: &Device) -> EdgeConvolutions {
        let (w, depth) = (design.width, design.depth);
        EdgeConvolutions {
            layers: EdgeLayer::several(design.seen.width(), design, stream, device),
            join: PointLayer::new(depth * w, 4 * w, stream, device),
            neighbours: design.neighbours,
            dynamic: design.dynamic,
            width: 8 * w,
        }
    }

    /// Numbers of a shape.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `[shapes, width]`.
    pub fn forward(&self, batch: &CloudBatch) -> Tensor<2> {
        let seen = EdgeLayer::levels(&self.layers, batch, self.neighbours, self.dynamic);
        read_out(batch.points(), self.join.forward(Tensor::cat(seen, 1)))
    }
}

/// Neighbours by features; `None` where they are no numbers any more, which training notices by its loss.
fn near(points: &Points, x: &Tensor<2>, neighbours: usize) -> Option<Csr> {
    let width = x.dims()[1];
    let values: Vec<f32> = x.clone().detach().into_data().iter().collect();
    nearest_neighbours(&values, width, &points.clouds, neighbours).ok()
}

impl EdgeLayer {
    /// As many layers as the design is deep, the first of which sees `input` numbers of a point.
    pub fn several(
        mut input: usize,
        design: &CloudDesign,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Vec<EdgeLayer> {
        let w = design.width;
        let mut layers = Vec::with_capacity(design.depth);
        for _ in 0..design.depth {
            let map = LinearConfig { input, output: w };
            layers.push(EdgeLayer {
                edges: map.init(stream, device),
                own: map.init(stream, device),
                norm: LayerNormConfig { width: w }.init(device),
            });
            input = w;
        }
        layers
    }

    /// What each of the layers makes of the points.
    pub fn levels(
        layers: &[EdgeLayer],
        batch: &CloudBatch,
        neighbours: usize,
        dynamic: bool,
    ) -> Vec<Tensor<2>> {
        let points = batch.points();
        let in_space = fits(nearest_neighbours(
            &points.at,
            3,
            &points.clouds,
            neighbours,
        ));
        let mut x = batch.features();
        let mut seen = Vec::with_capacity(layers.len());
        for (place, layer) in layers.iter().enumerate() {
            let again = (dynamic && place > 0)
                .then(|| near(points, &x, neighbours))
                .flatten();
            x = layer.forward(again.as_ref().unwrap_or(&in_space), x);
            seen.push(x.clone());
        }
        seen
    }

    fn forward(&self, near: &Csr, x: Tensor<2>) -> Tensor<2> {
        let edges = mapped(&self.edges, x.clone());
        let greatest = fits(neighbour_max(near, edges.clone()));
        relu(normalised(
            &self.norm,
            greatest - edges + mapped(&self.own, x),
        ))
    }
}
