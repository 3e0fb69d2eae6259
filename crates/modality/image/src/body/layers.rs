use candor_data::ImageSize;
use candor_design::{Choice, Design};
use candor_nn::{After, ConvolutionConfig};

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// A network chosen layer by layer: the size of each filter, its stride, how many there are, and from which earlier layers each layer
/// takes its input.
///
/// Several inputs stand side by side, smaller ones padded with zeros; a layer without any takes the picture; layers that no other
/// takes stand side by side at the end.
///
/// # Reference
/// Zoph & Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017, sections 3.1 and 3.3.
#[derive(Debug, Clone, PartialEq)]
pub struct LayersConfig {
    /// The layers in order.
    pub layers: Vec<LayerConfig>,
}

/// One layer of a [`LayersConfig`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerConfig {
    /// Earlier layers whose results it takes, ascending.
    pub inputs: Vec<usize>,
    /// Rows of a filter, odd.
    pub height: usize,
    /// Columns of a filter, odd.
    pub width: usize,
    /// Steps between outputs.
    pub stride: usize,
    /// Filters.
    pub filters: usize,
}

/// Numbers of layers that a search may choose.
pub(crate) const LAYERS: [usize; 3] = [4, 6, 8];
/// Filters of the convolutions that shrink a large picture, which must not depend on the order of the layers.
const STEM: usize = 24;
/// Layers at most.
const MOST: usize = 64;

impl LayersConfig {
    pub(crate) fn choices() -> Vec<Choice> {
        let mut choices = vec![Choice::categorical("layers", LAYERS).when("model", ["layers"])];
        for layer in 0..LAYERS[LAYERS.len() - 1] {
            let with: Vec<usize> = LAYERS.into_iter().filter(|&count| count > layer).collect();
            let mut choice = |what: &str, values: &[usize]| {
                let choice = Choice::categorical(name(layer, what), values.iter().copied());
                choices.push(choice.when("layers", with.clone()));
            };
            choice("height", &[1, 3, 5, 7]);
            choice("width", &[1, 3, 5, 7]);
            choice("stride", &[1, 2, 3]);
            choice("filters", &[24, 36, 48, 64]);
            for from in 0..layer {
                let choice = Choice::categorical(skip(layer, from), [true, false]);
                choices.push(choice.when("layers", with.clone()));
            }
        }
        choices
    }

    pub(crate) fn read(reader: &Reader) -> Result<LayersConfig, String> {
        let count = reader.integer("layers", 4, 1, MOST)?;
        let layer = |layer: usize| -> Result<LayerConfig, String> {
            let mut inputs = Vec::new();
            for from in 0..layer {
                if reader.flag(&skip(layer, from), from + 1 == layer)? {
                    inputs.push(from);
                }
            }
            Ok(LayerConfig {
                inputs,
                height: reader.odd(&name(layer, "height"), 3, 15)?,
                width: reader.odd(&name(layer, "width"), 3, 15)?,
                stride: reader.integer(&name(layer, "stride"), 1, 1, 4)?,
                filters: reader.integer(&name(layer, "filters"), 24, 1, 512)?,
            })
        };
        let layers = (0..count).map(layer).collect::<Result<_, _>>()?;
        Ok(LayersConfig { layers })
    }

    /// Writes the layers into a design.
    pub(crate) fn write(&self, mut design: Design) -> Design {
        design = design.with("layers", self.layers.len());
        for (layer, config) in self.layers.iter().enumerate() {
            design = design
                .with(name(layer, "height"), config.height)
                .with(name(layer, "width"), config.width)
                .with(name(layer, "stride"), config.stride)
                .with(name(layer, "filters"), config.filters);
            for from in 0..layer {
                design = design.with(skip(layer, from), config.inputs.contains(&from));
            }
        }
        design
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let picture = shrink(&mut builder, 0, STEM);
        let mut results = Vec::with_capacity(self.layers.len());
        let mut used = vec![false; self.layers.len()];
        for layer in &self.layers {
            let from: Vec<usize> = layer.inputs.iter().map(|&i| results[i]).collect();
            layer.inputs.iter().for_each(|&i| used[i] = true);
            let from = if from.is_empty() {
                picture
            } else {
                builder.concatenate(from)
            };
            let config = ConvolutionConfig {
                kernel: [layer.height, layer.width],
                stride: [layer.stride; 2],
                after: After::NormRelu,
                ..ConvolutionConfig::new(1, layer.filters, 1)
            };
            results.push(builder.convolve(from, config));
        }
        let ends = results.iter().zip(&used).filter(|(_, used)| !**used);
        let ends: Vec<usize> = ends.map(|(&node, _)| node).collect();
        let last = builder.concatenate(ends);
        builder.finish(last)
    }
}

fn name(layer: usize, what: &str) -> String {
    format!("layer_{layer}_{what}")
}

fn skip(layer: usize, from: usize) -> String {
    format!("layer_{layer}_from_{from}")
}
