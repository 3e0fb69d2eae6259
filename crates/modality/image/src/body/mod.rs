//! The families of bodies: each turns its choices into a [`Graph`](crate::Graph).

mod cells;
mod convnext;
mod fast_residual;
mod layers;
mod mobilenet;
mod resnet;

pub use cells::{Block, Cell, CellOperation, CellsConfig};
pub use convnext::ConvNextConfig;
pub use fast_residual::FastResidualConfig;
pub use layers::{LayerConfig, LayersConfig};
pub use mobilenet::MobileNetConfig;
pub use resnet::ResNetConfig;

use crate::GraphBuilder;

/// The longer side of a picture from which on every body first halves it.
const LARGE: usize = 48;

/// Halves a large picture by convolutions until it is no longer large. What is seen at full size costs most and says least.
fn shrink(builder: &mut GraphBuilder, mut node: usize, filters: usize) -> usize {
    while builder.shape(node).height.max(builder.shape(node).width) > LARGE {
        node = builder.convolution(node, filters, 3, 2);
    }
    node
}
