use std::fmt::Write;

use candor_data::ImageSize;
use candor_design::Design;
use candor_nn::After;

use crate::body::{Cell, CellOperation, CellsConfig};
use crate::{Body, Counts, Graph, ImageDesign, Operation};

mod svg;

pub use svg::drawing_svg;

/// A design in words: the cells block by block or the operations in order, then what the network costs.
///
/// # Errors
/// In words, when the design cannot be read.
pub fn drawing_text(design: &Design, size: ImageSize, outputs: usize) -> Result<String, String> {
    let body = ImageDesign::read(design)?.body;
    let graph = body.graph(size);
    let mut text = match &body {
        Body::Cells(cells) => cells_in_words(cells),
        _ => graph_in_words(&graph),
    };
    let counts = Counts::of(&graph, outputs);
    let _ = writeln!(
        text,
        "{} parameters, {} multiply-adds and {} bytes of activations a picture of {size}",
        counts.parameters, counts.multiply_adds, counts.activation_bytes
    );
    Ok(text)
}

fn cells_in_words(cells: &CellsConfig) -> String {
    let mut text = format!(
        "3 groups of {} normal cells, a reduction cell between two groups, {} filters in the first\n",
        cells.repeats, cells.filters
    );
    for (name, cell) in [("normal", &cells.normal), ("reduction", &cells.reduction)] {
        let _ = writeln!(text, "{name} cell");
        for (number, block) in cell.blocks.iter().enumerate() {
            let side = |(input, operation): (usize, CellOperation)| {
                format!("{}({})", operation.name(), input_name(input))
            };
            let [left, right] = block.sides.map(side);
            let _ = writeln!(text, "  block {} = {left} + {right}", number + 1);
        }
        let ends: Vec<String> = cell
            .ends()
            .iter()
            .map(|b| format!("block {}", b + 1))
            .collect();
        let _ = writeln!(text, "  result: {}", ends.join(", "));
    }
    text
}

/// An operation of a cell in a box.
fn short_name(operation: CellOperation) -> &'static str {
    match operation {
        CellOperation::Identity => "identity",
        CellOperation::Convolution1 => "conv 1×1",
        CellOperation::Convolution3 => "conv 3×3",
        CellOperation::Separable3 => "sep 3×3",
        CellOperation::Separable5 => "sep 5×5",
        CellOperation::Separable7 => "sep 7×7",
        CellOperation::Dilated3 => "dilated 3×3",
        CellOperation::AveragePool3 => "mean 3×3",
        CellOperation::MaxPool3 => "max 3×3",
    }
}

/// What an input of a block is called.
fn input_name(input: usize) -> String {
    match input {
        0 => "cell before last".into(),
        1 => "last cell".into(),
        block => format!("block {}", block - 1),
    }
}

fn graph_in_words(graph: &Graph) -> String {
    let mut text = String::new();
    for (number, node) in graph.nodes().iter().enumerate() {
        let from: Vec<String> = node.inputs.iter().map(usize::to_string).collect();
        let from = if from.is_empty() {
            String::new()
        } else {
            format!(" of {}", from.join(", "))
        };
        let words = operation_in_words(node.operation);
        let _ = writeln!(text, "{number:3}  {words}{from}: {}", node.shape);
    }
    text
}

/// An operation in a few words.
fn operation_in_words(operation: Operation) -> String {
    let stride = |stride: usize| {
        if stride > 1 {
            format!(", stride {stride}")
        } else {
            String::new()
        }
    };
    match operation {
        Operation::Picture => "picture".into(),
        Operation::Relu => "ReLU".into(),
        Operation::Add => "sum".into(),
        Operation::Concatenate => "side by side".into(),
        Operation::MaxPool(pool) => {
            format!("max pool {0} x {0}{1}", pool.size, stride(pool.stride))
        }
        Operation::AveragePool(pool) => {
            format!("average pool {0} x {0}{1}", pool.size, stride(pool.stride))
        }
        Operation::Convolution(config) => {
            let [height, width] = config.kernel;
            let depthwise = config.groups > 1 && config.groups == config.channels;
            let kind = if depthwise { "depthwise" } else { "conv" };
            let dilated = if config.dilation[0] > 1 {
                format!(", dilation {}", config.dilation[0])
            } else {
                String::new()
            };
            let after = match config.after {
                After::Nothing => "",
                After::Norm => ", norm",
                After::NormRelu => ", norm, ReLU",
            };
            let stride = stride(config.stride[0]);
            format!("{kind} {height} x {width}{stride}{dilated}{after}")
        }
    }
}

/// The same graph for a drawing: boxes with words, and which boxes each takes.
struct Boxes {
    title: String,
    words: Vec<String>,
    inputs: Vec<Vec<usize>>,
}

impl Boxes {
    /// The operations of a body; a normalisation or ReLU is in the box of its convolution.
    fn of_graph(graph: &Graph) -> Boxes {
        let nodes = graph.nodes().iter();
        let words = |node: &crate::Node| match node.operation {
            Operation::Convolution(config) => {
                let [height, width] = config.kernel;
                let depthwise = config.groups > 1 && config.groups == config.channels;
                let kind = if depthwise { "depthwise " } else { "" };
                let by = |stride: usize| {
                    if stride > 1 {
                        format!(" /{stride}")
                    } else {
                        String::new()
                    }
                };
                format!(
                    "{kind}{height}×{width}{}, {}",
                    by(config.stride[0]),
                    config.filters
                )
            }
            Operation::Picture => format!("picture {}×{}", node.shape.height, node.shape.width),
            other => operation_in_words(other).replace(" x ", "×"),
        };
        Boxes {
            title: String::new(),
            words: nodes.clone().map(words).collect(),
            inputs: nodes.map(|node| node.inputs.clone()).collect(),
        }
    }

    /// The two inputs of a cell, for each block its two operations and their sum, and the result.
    fn of_cell(title: &str, cell: &Cell) -> Boxes {
        let mut boxes = Boxes {
            title: title.into(),
            words: vec![input_name(0), input_name(1)],
            inputs: vec![Vec::new(), Vec::new()],
        };
        // The box that holds the result of each input.
        let mut results = vec![0, 1];
        for block in &cell.blocks {
            let sides = block.sides.map(|(input, operation)| {
                boxes.push(short_name(operation).into(), vec![results[input]])
            });
            results.push(boxes.push("+".into(), sides.to_vec()));
        }
        let ends = cell.ends().into_iter().map(|b| results[b + 2]).collect();
        boxes.push("side by side".into(), ends);
        boxes
    }

    fn push(&mut self, words: String, inputs: Vec<usize>) -> usize {
        self.words.push(words);
        self.inputs.push(inputs);
        self.words.len() - 1
    }
}

/// What a design is drawn as.
fn boxes_of(body: &Body, size: ImageSize) -> Vec<Boxes> {
    match body {
        Body::Cells(cells) => vec![
            Boxes::of_cell("normal cell", &cells.normal),
            Boxes::of_cell("reduction cell", &cells.reduction),
        ],
        other => vec![Boxes::of_graph(&other.graph(size))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    use crate::space;

    const SIZE: ImageSize = ImageSize {
        channels: 1,
        height: 28,
        width: 28,
    };

    #[test]
    fn a_cell_is_told_block_by_block() {
        let design = Design::new()
            .with("model", "cells")
            .with("normal_0_left_op", "max_pool_3")
            .with("normal_0_left_input", 0);
        let text = drawing_text(&design, SIZE, 10).unwrap();
        let expected = "  block 1 = max_pool_3(cell before last) + separable_3(last cell)";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("  result: block 3"), "{text}");
        let counts = Counts::of(&ImageDesign::read(&design).unwrap().body.graph(SIZE), 10);
        assert!(text.contains(&format!("{} parameters", counts.parameters)));
    }

    #[test]
    fn every_design_has_a_drawing_in_which_nothing_overlaps() {
        let space = space(SIZE).unwrap();
        let mut rng = Seed(2).stream("designs", &[]);
        for _ in 0..60 {
            let design = space.sample(&mut rng).unwrap();
            assert!(drawing_text(&design, SIZE, 3).unwrap().lines().count() > 4);
            let svg = drawing_svg(&design, SIZE).unwrap();
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
            let number = |text: &str, name: &str| -> f64 {
                let value = text.split(&format!("{name}=\"")).nth(1).unwrap();
                value.split('"').next().unwrap().parse().unwrap()
            };
            let boxes: Vec<[f64; 4]> = svg
                .split("<rect ")
                .skip(1)
                .map(|b| ["x", "y", "width", "height"].map(|name| number(b, name)))
                .collect();
            for (i, a) in boxes.iter().enumerate() {
                assert!(
                    a[0] >= 0.0 && a[0] + a[2] <= 360.0 && a[2] > 15.0,
                    "{design}"
                );
                for b in &boxes[..i] {
                    let apart = |axis: usize| {
                        a[axis] >= b[axis] + b[axis + 2] || b[axis] >= a[axis] + a[axis + 2]
                    };
                    assert!(apart(0) || apart(1), "{design}: {a:?} {b:?}");
                }
            }
        }
        let unknown = Design::new().with("model", "resent");
        assert!(drawing_svg(&unknown, SIZE).is_err());
    }
}
