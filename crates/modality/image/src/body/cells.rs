use candor_data::ImageSize;
use candor_design::{Choice, Design};
use candor_nn::{After, ConvolutionConfig};

use super::shrink;
use crate::design::Reader;
use crate::{Graph, GraphBuilder};

/// A network stacked from two cells: normal ones, and between their three groups reduction cells that halve the picture and
/// double the filters.
///
/// # Reference
/// Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018, section 3.
#[derive(Debug, Clone, PartialEq)]
pub struct CellsConfig {
    /// Filters of each operation in the first group (F of the paper).
    pub filters: usize,
    /// Normal cells of a group (N of the paper).
    pub repeats: usize,
    /// Keeps the picture's size.
    pub normal: Cell,
    /// Halves it.
    pub reduction: Cell,
}

/// Blocks, whose results stand side by side as far as no other block takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// In order; at least one.
    pub blocks: Vec<Block>,
}

/// The sum of two operations. Inputs are counted from 0: the result of the cell before the last one, that of the last cell, then the
/// blocks of this cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Input and operation of each side.
    pub sides: [(usize, CellOperation); 2],
}

/// What one side of a block does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellOperation {
    /// Nothing; a 1 x 1 convolution where the picture is halved.
    Identity,
    /// A 1 x 1 convolution.
    Convolution1,
    /// A 3 x 3 convolution.
    Convolution3,
    /// A 3 x 3 separable convolution, twice.
    Separable3,
    /// A 5 x 5 separable convolution, twice.
    Separable5,
    /// A 7 x 7 separable convolution, twice.
    Separable7,
    /// A 3 x 3 separable convolution with gaps of one pixel.
    Dilated3,
    /// The mean of 3 x 3 pixels.
    AveragePool3,
    /// The greatest of 3 x 3 pixels.
    MaxPool3,
}

impl CellOperation {
    /// Every operation, in the order of the space.
    pub const ALL: [CellOperation; 9] = [
        CellOperation::Identity,
        CellOperation::Convolution1,
        CellOperation::Convolution3,
        CellOperation::Separable3,
        CellOperation::Separable5,
        CellOperation::Separable7,
        CellOperation::Dilated3,
        CellOperation::AveragePool3,
        CellOperation::MaxPool3,
    ];

    /// The name in a design.
    pub fn name(self) -> &'static str {
        match self {
            CellOperation::Identity => "identity",
            CellOperation::Convolution1 => "conv_1",
            CellOperation::Convolution3 => "conv_3",
            CellOperation::Separable3 => "separable_3",
            CellOperation::Separable5 => "separable_5",
            CellOperation::Separable7 => "separable_7",
            CellOperation::Dilated3 => "dilated_3",
            CellOperation::AveragePool3 => "average_pool_3",
            CellOperation::MaxPool3 => "max_pool_3",
        }
    }
}

/// Numbers of blocks that a search may choose (B of the paper, where it is 5).
const BLOCKS: [usize; 3] = [3, 4, 5];
/// Blocks at most.
const MOST: usize = 16;
const KINDS: [&str; 2] = ["normal", "reduction"];
const SIDES: [&str; 2] = ["left", "right"];

impl CellsConfig {
    pub(crate) fn choices() -> Vec<Choice> {
        let mut choices = vec![
            Choice::categorical("filters", [8, 12, 16, 24, 32]).when("model", ["cells"]),
            Choice::categorical("repeats", [1, 2, 3]).when("model", ["cells"]),
            Choice::categorical("blocks", BLOCKS).when("model", ["cells"]),
        ];
        let operations = CellOperation::ALL.map(CellOperation::name);
        for kind in KINDS {
            for block in 0..BLOCKS[BLOCKS.len() - 1] {
                let with: Vec<usize> = BLOCKS.into_iter().filter(|&b| b > block).collect();
                for side in SIDES {
                    let input = Choice::categorical(name(kind, block, side, "input"), 0..block + 2);
                    choices.push(input.when("blocks", with.clone()));
                    let operation = Choice::categorical(name(kind, block, side, "op"), operations);
                    choices.push(operation.when("blocks", with.clone()));
                }
            }
        }
        choices
    }

    pub(crate) fn read(reader: &Reader) -> Result<CellsConfig, String> {
        let blocks = reader.integer("blocks", 3, 1, MOST)?;
        let side = |kind: &str, block: usize, side: &str| {
            let most = block + 1;
            let input = reader.integer(&name(kind, block, side, "input"), most, 0, most)?;
            let names = CellOperation::ALL.map(CellOperation::name);
            let place = reader.word(&name(kind, block, side, "op"), &names, 3)?;
            Ok::<_, String>((input, CellOperation::ALL[place]))
        };
        let cell = |kind: &str| -> Result<Cell, String> {
            let block = |block: usize| -> Result<Block, String> {
                let sides = [side(kind, block, SIDES[0])?, side(kind, block, SIDES[1])?];
                Ok(Block { sides })
            };
            let blocks = (0..blocks).map(block).collect::<Result<_, _>>()?;
            Ok(Cell { blocks })
        };
        Ok(CellsConfig {
            filters: reader.integer("filters", 16, 1, 512)?,
            repeats: reader.integer("repeats", 1, 1, 16)?,
            normal: cell(KINDS[0])?,
            reduction: cell(KINDS[1])?,
        })
    }

    /// Writes filters, repeats and cells into a design.
    pub(crate) fn write(&self, mut design: Design) -> Design {
        design = design
            .with("filters", self.filters)
            .with("repeats", self.repeats)
            .with("blocks", self.normal.blocks.len());
        for (kind, cell) in KINDS.into_iter().zip([&self.normal, &self.reduction]) {
            for (block, config) in cell.blocks.iter().enumerate() {
                for (side, (input, operation)) in SIDES.into_iter().zip(config.sides) {
                    design = design
                        .with(name(kind, block, side, "input"), input)
                        .with(name(kind, block, side, "op"), operation.name());
                }
            }
        }
        design
    }

    pub(crate) fn graph(&self, size: ImageSize) -> Graph {
        let mut builder = GraphBuilder::new(size);
        let picture = shrink(&mut builder, 0, self.filters);
        let stem = ConvolutionConfig {
            after: After::Norm,
            ..ConvolutionConfig::new(1, self.filters, 3)
        };
        let stem = builder.convolve(picture, stem);
        let mut last = [stem, stem];
        for group in 0..3 {
            let filters = self.filters << group;
            if group > 0 {
                let reduced = self.reduction.graph(&mut builder, last, filters, 2);
                last = [last[1], reduced];
            }
            for _ in 0..self.repeats {
                let next = self.normal.graph(&mut builder, last, filters, 1);
                last = [last[1], next];
            }
        }
        let end = builder.relu(last[1]);
        builder.finish(end)
    }
}

impl Cell {
    /// The blocks that no other block takes.
    pub fn ends(&self) -> Vec<usize> {
        let taken = |block: usize| {
            let sides = self.blocks.iter().flat_map(|b| b.sides);
            sides.into_iter().any(|(input, _)| input == block + 2)
        };
        (0..self.blocks.len()).filter(|&b| !taken(b)).collect()
    }

    fn graph(
        &self,
        builder: &mut GraphBuilder,
        last: [usize; 2],
        filters: usize,
        stride: usize,
    ) -> usize {
        let mut results: Vec<usize> = last
            .into_iter()
            .map(|node| fitted(builder, node, last[1], filters))
            .collect();
        for block in &self.blocks {
            let [left, right] = block.sides.map(|(input, operation)| {
                let stride = if input < 2 { stride } else { 1 };
                operation.apply(builder, results[input], stride)
            });
            results.push(builder.add(left, right));
        }
        builder.concatenate(self.ends().into_iter().map(|b| results[b + 2]).collect())
    }
}

/// The result of an earlier cell with as many channels as the operations have filters, and the size of the last cell's result.
fn fitted(builder: &mut GraphBuilder, node: usize, like: usize, filters: usize) -> usize {
    let (shape, wanted) = (builder.shape(node), builder.shape(like));
    let same_size = (shape.height, shape.width) == (wanted.height, wanted.width);
    if same_size && shape.channels == filters {
        return node;
    }
    let node = builder.relu(node);
    builder.pointwise(node, filters, if same_size { 1 } else { 2 }, After::Norm)
}

impl CellOperation {
    fn apply(self, builder: &mut GraphBuilder, from: usize, stride: usize) -> usize {
        let filters = builder.shape(from).channels;
        match self {
            CellOperation::Identity if stride == 1 => from,
            CellOperation::Identity | CellOperation::Convolution1 => {
                let positive = builder.relu(from);
                builder.pointwise(positive, filters, stride, After::Norm)
            }
            CellOperation::Convolution3 => {
                let config = ConvolutionConfig {
                    stride: [stride; 2],
                    after: After::Norm,
                    ..ConvolutionConfig::new(filters, filters, 3)
                };
                let positive = builder.relu(from);
                builder.convolve(positive, config)
            }
            CellOperation::Separable3 => separable_twice(builder, from, 3, stride),
            CellOperation::Separable5 => separable_twice(builder, from, 5, stride),
            CellOperation::Separable7 => separable_twice(builder, from, 7, stride),
            CellOperation::Dilated3 => separable(builder, from, 3, stride, 2, After::Norm),
            CellOperation::AveragePool3 => builder.average_pool(from, 3, stride),
            CellOperation::MaxPool3 => builder.max_pool(from, 3, stride),
        }
    }
}

/// ReLU, a depthwise and a pointwise convolution, normalised.
fn separable(
    builder: &mut GraphBuilder,
    from: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    after: After,
) -> usize {
    let filters = builder.shape(from).channels;
    let positive = builder.relu(from);
    let seen = builder.depthwise(positive, kernel, stride, dilation, After::Nothing);
    builder.pointwise(seen, filters, 1, after)
}

fn separable_twice(builder: &mut GraphBuilder, from: usize, kernel: usize, stride: usize) -> usize {
    let inside = separable(builder, from, kernel, stride, 1, After::NormRelu);
    separable(builder, inside, kernel, 1, 1, After::Norm)
}

fn name(kind: &str, block: usize, side: &str, what: &str) -> String {
    format!("{kind}_{block}_{side}_{what}")
}
