use candor_data::ImageSize;
use candor_nn::After;

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// A small residual network that trains in minutes on one thread: a convolution that halves the picture at once, a residual block of
/// two convolutions, half the size and twice the filters, and another block.
///
/// # Reference
/// Page, "How to Train Your ResNet", 2018 (the network known as ResNet-9), without what it does at the picture's full size, which costs
/// most there.
#[derive(Debug, Clone, PartialEq)]
pub struct FastResidualConfig {
    /// Filters at half the picture's size; they double at a quarter.
    pub width: usize,
}

impl FastResidualConfig {
    pub(crate) fn read(reader: &Reader) -> Result<FastResidualConfig, String> {
        Ok(FastResidualConfig {
            width: reader.integer("width", 32, 1, 512)?,
        })
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let picture = shrink(&mut builder, 0, self.width);
        let stem = builder.convolution(picture, self.width, 5, 2);
        let first = residual(&mut builder, stem);
        let small = builder.max_pool(first, 2, 2);
        let wide = builder.convolution(small, 2 * self.width, 3, 1);
        let second = residual(&mut builder, wide);
        let last = builder.pointwise(second, 4 * self.width, 1, After::NormRelu);
        builder.finish(last)
    }
}

/// Two convolutions, added to what they take.
fn residual(builder: &mut GraphBuilder, node: usize) -> usize {
    let filters = builder.shape(node).channels;
    let inside = builder.convolution(node, filters, 3, 1);
    let inside = builder.convolution(inside, filters, 3, 1);
    builder.add(node, inside)
}
