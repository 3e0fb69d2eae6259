use candor_data::ImageSize;
use candor_nn::{After, ConvolutionConfig};

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// Three stages of residual blocks, each of two 3 x 3 convolutions; each stage halves the picture and doubles the filters.
///
/// # Reference
/// He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2: depth 6 n + 2 is `depth` n here. Shortcuts
/// that change the shape are 1 x 1 convolutions (option B).
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetConfig {
    /// Filters of the first stage.
    pub width: usize,
    /// Blocks of a stage.
    pub depth: usize,
}

impl ResNetConfig {
    pub(crate) fn read(reader: &Reader) -> Result<ResNetConfig, String> {
        Ok(ResNetConfig {
            width: reader.integer("width", 16, 1, 512)?,
            depth: reader.integer("depth", 2, 1, 32)?,
        })
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let mut node = shrink(&mut builder, 0, self.width);
        node = builder.convolution(node, self.width, 3, 1);
        for stage in 0..3 {
            let filters = self.width << stage;
            for block in 0..self.depth {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let inside = builder.convolution(node, filters, 3, stride);
                let last = ConvolutionConfig {
                    after: After::Norm,
                    ..ConvolutionConfig::new(filters, filters, 3)
                };
                let inside = builder.convolve(inside, last);
                if builder.shape(node) != builder.shape(inside) {
                    node = builder.pointwise(node, filters, stride, After::Norm);
                }
                let sum = builder.add(node, inside);
                node = builder.relu(sum);
            }
        }
        builder.finish(node)
    }
}
