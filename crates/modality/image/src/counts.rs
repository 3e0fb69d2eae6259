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
        let (width, outputs) = (graph.channels() as u64, outputs as u64);
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::{Device, Tensor};
    use candor_core::Seed;
    use candor_nn::{HeadKind, Pass};

    use crate::{GraphBuilder, ImageDesign, ImageNetwork, space};

    /// The numbers that learn.
    struct Learning(u64);

    impl ModuleVisitor for Learning {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() {
                self.0 += param.val().shape().num_elements() as u64;
            }
        }
    }

    #[test]
    fn counts_are_those_of_the_network_that_is_built() {
        let sizes = [(1, 9, 9), (3, 14, 10), (1, 1, 1), (3, 60, 52)];
        let mut rng = Seed(8).stream("designs", &[]);
        let mut built = std::collections::BTreeMap::new();
        for (case, (channels, height, width)) in sizes.into_iter().cycle().take(240).enumerate() {
            let size = ImageSize {
                channels,
                height,
                width,
            };
            let design = space(size).unwrap().sample(&mut rng).unwrap();
            let graph = ImageDesign::read(&design).unwrap().body.graph(size);
            let (outputs, counts) = (1 + case % 5, Counts::of(&graph, 1 + case % 5));
            // Larger ones take their time, and hold nothing new.
            if counts.parameters > 150_000 || counts.multiply_adds > 20_000_000 {
                continue;
            }
            let family = design.get("model").unwrap().to_string();
            *built.entry(family).or_insert(0) += 1;
            let head = HeadKind::Softmax {
                classes: outputs,
                label_smoothing: 0.0,
            };
            let mut stream = Seed(case as u64).stream("weights", &[]);
            let device = Device::flex().autodiff();
            let network = ImageNetwork::new(&graph, &head, &mut stream, &device);
            let mut learning = Learning(0);
            network.visit(&mut learning);
            assert_eq!(learning.0, counts.parameters, "{design}");

            let network = network.valid();
            let picture = Tensor::ones([1, channels, height, width], &Device::flex());
            let mut shapes = Vec::new();
            let mut kernels = network.kernels();
            let mut multiplied = 0;
            network.forward_seen(&picture, &mut Pass::evaluation(), |node, result| {
                let [_, channels, height, width] = result.dims();
                shapes.push(ImageSize {
                    channels,
                    height,
                    width,
                });
                if matches!(node.operation, Operation::Convolution(_)) {
                    let kernel = kernels.next().unwrap().dims();
                    multiplied += (kernel.iter().product::<usize>() * height * width) as u64;
                }
            });
            let expected: Vec<ImageSize> = graph.nodes().iter().map(|n| n.shape).collect();
            assert_eq!(shapes, expected, "{design}");
            let head = (graph.channels() * outputs) as u64;
            assert_eq!(multiplied + head, counts.multiply_adds, "{design}");
        }
        assert!(
            built.len() == 6 && built.values().all(|n| *n >= 3),
            "{built:?}"
        );
    }

    #[test]
    fn a_small_network_counted_by_hand() {
        let size = ImageSize {
            channels: 2,
            height: 4,
            width: 4,
        };
        let mut builder = GraphBuilder::new(size);
        let node = builder.convolution(0, 3, 3, 1);
        let node = builder.max_pool(node, 2, 2);
        let node = builder.depthwise(node, 3, 1, 1, After::Nothing);
        let counts = Counts::of(&builder.finish(node), 5);
        // Kernel, scale and shift; the depthwise kernel; the head.
        assert_eq!(counts.parameters, 54 + 6 + 27 + (3 * 5 + 5));
        assert_eq!(counts.multiply_adds, 54 * 16 + 27 * 4 + 15);
        // The picture; before and after the norm; the pool and its places; the depthwise result; embedding and outputs.
        assert_eq!(counts.activation_bytes, 4 * (32 + 96 + 24 + 12 + 8));
    }
}
