use candor_data::ImageSize;
use candor_design::Choice;
use candor_nn::{After, ConvolutionConfig};

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// Residual blocks of a large depthwise convolution and two pointwise ones, four times as wide between them; three stages behind a
/// stem of patches.
///
/// # Reference
/// Liu et al., "A ConvNet for the 2020s", CVPR 2022, section 2. Batch norm in place of layer norm and ReLU in place of GELU, so that in
/// use the norm vanishes in the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvNextConfig {
    /// Channels of the first stage.
    pub width: usize,
    /// Blocks of a stage.
    pub depth: usize,
    /// Rows and columns of the depthwise kernel, odd.
    pub kernel: usize,
}

impl ConvNextConfig {
    pub(crate) fn choices() -> Vec<Choice> {
        vec![Choice::categorical("kernel", [3, 5, 7]).when("model", ["convnext"])]
    }

    pub(crate) fn read(reader: &Reader) -> Result<ConvNextConfig, String> {
        Ok(ConvNextConfig {
            width: reader.integer("width", 24, 1, 512)?,
            depth: reader.integer("depth", 2, 1, 32)?,
            kernel: reader.odd("kernel", 5, 15)?,
        })
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let mut node = shrink(&mut builder, 0, self.width);
        let patches = |filters: usize| ConvolutionConfig {
            stride: [2; 2],
            after: After::Norm,
            ..ConvolutionConfig::new(1, filters, 3)
        };
        for stage in 0..3 {
            let filters = self.width << stage;
            if stage < 2 || builder.shape(node).height.min(builder.shape(node).width) > 8 {
                node = builder.convolve(node, patches(filters));
            } else {
                node = builder.pointwise(node, filters, 1, After::Norm);
            }
            for _ in 0..self.depth {
                let seen = builder.depthwise(node, self.kernel, 1, 1, After::Norm);
                let wide = builder.pointwise(seen, 4 * filters, 1, After::NormRelu);
                let narrow = builder.pointwise(wide, filters, 1, After::Norm);
                node = builder.add(node, narrow);
            }
        }
        builder.finish(node)
    }
}
