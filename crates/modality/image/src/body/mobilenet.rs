use candor_data::ImageSize;
use candor_design::Choice;
use candor_nn::After;

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// Inverted residuals: channels are widened pointwise, filtered each by itself, and narrowed again without ReLU; three stages.
///
/// # Reference
/// Sandler et al., "MobileNetV2", CVPR 2018, section 3; ReLU in place of ReLU6, which only matters in low precision.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileNetConfig {
    /// Channels of the first stage, between blocks.
    pub width: usize,
    /// Blocks of a stage.
    pub depth: usize,
    /// How much wider a block is inside.
    pub expansion: usize,
}

impl MobileNetConfig {
    pub(crate) fn choices() -> Vec<Choice> {
        vec![Choice::categorical("expansion", [2, 3, 4, 6]).when("model", ["mobilenet"])]
    }

    pub(crate) fn read(reader: &Reader) -> Result<MobileNetConfig, String> {
        Ok(MobileNetConfig {
            width: reader.integer("width", 16, 1, 512)?,
            depth: reader.integer("depth", 2, 1, 32)?,
            expansion: reader.integer("expansion", 4, 1, 16)?,
        })
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let mut node = shrink(&mut builder, 0, self.width);
        node = builder.convolution(node, self.width, 3, 1);
        for stage in 0..3 {
            let filters = self.width << stage;
            for block in 0..self.depth {
                // The first block already halves the picture: at full size little is worth its cost.
                let stride = if stage < 2 && block == 0 { 2 } else { 1 };
                let inside = builder.shape(node).channels * self.expansion;
                let wide = builder.pointwise(node, inside, 1, After::NormRelu);
                let seen = builder.depthwise(wide, 3, stride, 1, After::NormRelu);
                let narrow = builder.pointwise(seen, filters, 1, After::Norm);
                node = if builder.shape(narrow) == builder.shape(node) {
                    builder.add(node, narrow)
                } else {
                    narrow
                };
            }
        }
        let last = builder.pointwise(node, self.width * 8, 1, After::NormRelu);
        builder.finish(last)
    }
}
