use candor_data::ImageSize;
use candor_nn::After;

use crate::{Graph, Node, Operation};

/// What a network costs, before anything is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Numbers that are learned, those of the head included.
    pub parameters: u64,
    /// Multiplications with a weight for one picture, forwards. Pools, sums, ReLU and the normalisation, which in use is part of the
    /// weights, are not counted.
    pub multiply_adds: u64,
    /// Bytes that a training step holds for one picture between its forward and its backward pass: the results of all operations, before
    /// and after normalisation, and where maxima were found.
    pub activation_bytes: u64,
}

impl Counts {
    /// Of a body and a head with so many outputs.
    pub fn of(graph: &Graph, outputs: usize) -> Counts {
        let (width, outputs) = (graph.width() as u64, outputs as u64);
        let head = Counts {
            parameters: (width + 1) * outputs,
            multiply_adds: width * outputs,
            activation_bytes: FLOAT * (width + outputs),
        };
        graph.nodes().iter().map(of_node).fold(head, Counts::plus)
    }

    fn plus(self, other: Counts) -> Counts {
        Counts {
            parameters: self.parameters.saturating_add(other.parameters),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
            activation_bytes: self.activation_bytes.saturating_add(other.activation_bytes),
        }
    }
}

/// Bytes of a number.
const FLOAT: u64 = 4;

fn of_node(node: &Node) -> Counts {
    let ImageSize {
        channels,
        height,
        width,
    } = node.shape;
    let pixels = height as u64 * width as u64;
    let result = FLOAT * channels as u64 * pixels;
    let (parameters, multiply_adds, arrays) = match node.operation {
        Operation::Convolution(config) => {
            // The normalisation keeps what it normalises.
            let arrays = if config.after == After::Nothing { 1 } else { 2 };
            let per_pixel = config.weights();
            (config.parameters(), per_pixel * pixels, arrays)
        }
        // The place of each maximum takes as many bytes as the maximum.
        Operation::MaxPool(_) => (0, 0, 2),
        Operation::Picture
        | Operation::Relu
        | Operation::AveragePool(_)
        | Operation::Add
        | Operation::Concatenate => (0, 0, 1),
    };
    Counts {
        parameters,
        multiply_adds,
        activation_bytes: arrays * result,
    }
}
