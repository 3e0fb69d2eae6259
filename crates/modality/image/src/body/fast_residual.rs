use candor_data::ImageSize;
use candor_nn::After;

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// A small residual network that trains in minutes on one thread: a convolution for each of three sizes of the picture, and a
/// residual block of two convolutions at the two smaller ones.
///
/// # Reference
/// Page, "How to Train Your ResNet", 2018 (the network known as ResNet-9); there pictures are pooled after a convolution, here before,
/// which costs a quarter.
#[derive(Debug, Clone, PartialEq)]
pub struct FastResidualConfig {
    /// Filters at the first size; they double with each halving.
    pub width: usize,
}

impl FastResidualConfig {
    pub(crate) fn read(reader: &Reader) -> Result<FastResidualConfig, String> {
        Ok(FastResidualConfig {
            width: reader.integer("width", 24, 1, 512)?,
        })
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let mut node = shrink(&mut builder, 0, self.width);
        node = builder.convolution(node, self.width, 3, 1);
        for factor in [2, 4] {
            let filters = self.width * factor;
            node = builder.max_pool(node, 2, 2);
            node = builder.convolution(node, filters, 3, 1);
            let inside = builder.convolution(node, filters, 3, 1);
            let inside = builder.convolution(inside, filters, 3, 1);
            node = builder.add(node, inside);
        }
        let last = builder.pointwise(node, self.width * 8, 1, After::NormRelu);
        builder.finish(last)
    }
}
