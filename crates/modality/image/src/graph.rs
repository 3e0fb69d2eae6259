use std::collections::HashMap;

use candor_data::ImageSize;
use candor_nn::{After, ConvolutionConfig};

/// A body as a graph of operations: what every family of networks is turned into before anything is built, counted or drawn.
///
/// Node 0 is the picture; the last node is the result, whose pixels are averaged into the embedding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Graph {
    nodes: Vec<Node>,
}

/// One operation on the results of earlier nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// What is done.
    pub operation: Operation,
    /// The nodes whose results it takes.
    pub inputs: Vec<usize>,
    /// The shape of its result.
    pub shape: ImageSize,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The picture itself, standardised.
    Picture,
    /// A convolution, with what follows it.
    Convolution(ConvolutionConfig),
    /// Negative numbers become 0.
    Relu,
    /// The greatest pixel of each window.
    MaxPool(PoolConfig),
    /// The mean pixel of each window.
    AveragePool(PoolConfig),
    /// The sum of results of one shape.
    Add,
    /// Channels side by side; smaller results are padded with zeros at the bottom and the right.
    Concatenate,
}

/// Square windows; an odd size reaches beyond the picture so that stride 1 keeps its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolConfig {
    /// Rows and columns of a window.
    pub size: usize,
    /// Steps between windows.
    pub stride: usize,
}

impl PoolConfig {
    /// How far windows reach beyond the picture.
    pub fn padding(&self) -> usize {
        if self.size % 2 == 1 { self.size / 2 } else { 0 }
    }

    fn output(&self, size: usize) -> usize {
        let padded = size + 2 * self.padding();
        padded.saturating_sub(self.size) / self.stride + 1
    }
}

impl Graph {
    /// The nodes, each after those that it takes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of the result.
    pub fn output(&self) -> ImageSize {
        self.nodes[self.nodes.len() - 1].shape
    }

    /// The channels of the result, which are the length of the embedding.
    pub fn channels(&self) -> usize {
        self.output().channels
    }

    /// How many nodes take the result of each node.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for node in &self.nodes {
            node.inputs.iter().for_each(|&input| uses[input] += 1);
        }
        uses
    }
}

/// Puts a [`Graph`] together. A node is named by its number.
#[derive(Debug)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
    /// Operations without weights, which give the same for the same inputs and are made once.
    known: HashMap<(Operation, Vec<usize>), usize>,
}

impl GraphBuilder {
    /// Starts with a picture, which is node 0.
    pub fn new(size: ImageSize) -> GraphBuilder {
        let picture = Node {
            operation: Operation::Picture,
            inputs: Vec::new(),
            shape: size,
        };
        GraphBuilder {
            nodes: vec![picture],
            known: HashMap::new(),
        }
    }

    /// The shape of a node's result.
    pub fn shape(&self, node: usize) -> ImageSize {
        self.nodes[node].shape
    }

    /// A convolution with a square kernel, normalised and cut at zero.
    pub fn convolution(
        &mut self,
        from: usize,
        filters: usize,
        kernel: usize,
        stride: usize,
    ) -> usize {
        let config = ConvolutionConfig {
            stride: [stride; 2],
            ..ConvolutionConfig::new(self.shape(from).channels, filters, kernel)
        };
        self.convolve(from, config)
    }

    /// Any convolution; its channels are set to those that there are.
    pub fn convolve(&mut self, from: usize, config: ConvolutionConfig) -> usize {
        let shape = self.shape(from);
        let [height, width] = config.output([shape.height, shape.width]);
        let config = ConvolutionConfig {
            channels: shape.channels,
            ..config
        };
        let shape = ImageSize {
            channels: config.filters,
            height,
            width,
        };
        self.push(Operation::Convolution(config), vec![from], shape)
    }

    /// A convolution of each channel by itself.
    pub fn depthwise(
        &mut self,
        from: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        after: After,
    ) -> usize {
        let channels = self.shape(from).channels;
        let config = ConvolutionConfig {
            stride: [stride; 2],
            dilation: [dilation; 2],
            groups: channels,
            after,
            ..ConvolutionConfig::new(channels, channels, kernel)
        };
        self.convolve(from, config)
    }

    /// A convolution that mixes the channels of each pixel.
    pub fn pointwise(&mut self, from: usize, filters: usize, stride: usize, after: After) -> usize {
        let config = ConvolutionConfig {
            stride: [stride; 2],
            after,
            ..ConvolutionConfig::new(self.shape(from).channels, filters, 1)
        };
        self.convolve(from, config)
    }

    /// Negative numbers become 0.
    pub fn relu(&mut self, from: usize) -> usize {
        let already = match self.nodes[from].operation {
            Operation::Relu => true,
            Operation::Convolution(config) => config.after == After::NormRelu,
            _ => false,
        };
        if already {
            return from;
        }
        let shape = self.shape(from);
        self.once(Operation::Relu, vec![from], shape)
    }

    /// The greatest pixel of each window.
    pub fn max_pool(&mut self, from: usize, size: usize, stride: usize) -> usize {
        let config = PoolConfig { size, stride };
        self.pool(from, Operation::MaxPool(config), config)
    }

    /// The mean pixel of each window.
    pub fn average_pool(&mut self, from: usize, size: usize, stride: usize) -> usize {
        let config = PoolConfig { size, stride };
        self.pool(from, Operation::AveragePool(config), config)
    }

    fn pool(&mut self, from: usize, operation: Operation, config: PoolConfig) -> usize {
        let shape = self.shape(from);
        // A window that does not fit has nothing to choose from.
        if config.padding() == 0 && shape.height.min(shape.width) < config.size {
            return from;
        }
        let shape = ImageSize {
            height: config.output(shape.height),
            width: config.output(shape.width),
            ..shape
        };
        self.once(operation, vec![from], shape)
    }

    /// The sum of two results of one shape.
    pub fn add(&mut self, left: usize, right: usize) -> usize {
        let shape = self.shape(left);
        self.once(
            Operation::Add,
            vec![left.min(right), left.max(right)],
            shape,
        )
    }

    /// Channels side by side.
    pub fn concatenate(&mut self, parts: Vec<usize>) -> usize {
        if let [one] = parts[..] {
            return one;
        }
        let shapes = || parts.iter().map(|&part| self.shape(part));
        let shape = ImageSize {
            channels: shapes().map(|s| s.channels).sum(),
            height: shapes().map(|s| s.height).max().unwrap_or(1),
            width: shapes().map(|s| s.width).max().unwrap_or(1),
        };
        self.once(Operation::Concatenate, parts, shape)
    }

    /// The graph whose result is that of `node`; what it does not need is left out.
    pub fn finish(self, node: usize) -> Graph {
        let mut needed = vec![false; node + 1];
        needed[node] = true;
        needed[0] = true;
        for at in (0..=node).rev() {
            if needed[at] {
                self.nodes[at].inputs.iter().for_each(|&i| needed[i] = true);
            }
        }
        let mut place = vec![0; node + 1];
        let mut nodes = Vec::new();
        for (at, mut found) in self.nodes.into_iter().take(node + 1).enumerate() {
            if needed[at] {
                place[at] = nodes.len();
                found
                    .inputs
                    .iter_mut()
                    .for_each(|input| *input = place[*input]);
                nodes.push(found);
            }
        }
        Graph { nodes }
    }

    fn push(&mut self, operation: Operation, inputs: Vec<usize>, shape: ImageSize) -> usize {
        self.nodes.push(Node {
            operation,
            inputs,
            shape,
        });
        self.nodes.len() - 1
    }

    fn once(&mut self, operation: Operation, inputs: Vec<usize>, shape: ImageSize) -> usize {
        let key = (operation, inputs.clone());
        if let Some(&node) = self.known.get(&key) {
            return node;
        }
        let node = self.push(operation, inputs, shape);
        self.known.insert(key, node);
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize {
        channels: 1,
        height: 6,
        width: 6,
    };

    #[test]
    fn what_has_no_weights_is_done_once_and_what_nobody_takes_is_left_out() {
        let mut builder = GraphBuilder::new(SIZE);
        let one = builder.max_pool(0, 3, 1);
        assert_eq!(builder.max_pool(0, 3, 1), one);
        assert_ne!(builder.average_pool(0, 3, 1), one);
        let convolution = builder.convolution(one, 4, 3, 2);
        assert_ne!(builder.convolution(one, 4, 3, 2), convolution);
        // Nothing is left to cut.
        assert_eq!(builder.relu(convolution), convolution);
        let sum = builder.add(one, 0);
        assert_eq!(builder.add(0, one), sum);
        let graph = builder.finish(sum);
        assert_eq!(graph.nodes().len(), 3);
        assert_eq!(graph.nodes()[2].inputs, [0, 1]);
        assert_eq!((graph.output(), graph.channels()), (SIZE, 1));
        assert_eq!(graph.uses(), [2, 1, 0]);
    }

    #[test]
    fn sizes_are_halved_as_the_operations_do() {
        let mut builder = GraphBuilder::new(ImageSize {
            height: 7,
            width: 1,
            ..SIZE
        });
        let odd = builder.max_pool(0, 3, 2);
        assert_eq!(
            (builder.shape(odd).height, builder.shape(odd).width),
            (4, 1)
        );
        // A window that is larger than the picture has nothing to choose from.
        assert_eq!(builder.max_pool(0, 2, 2), 0);
        let wide = builder.concatenate(vec![odd, 0]);
        assert_eq!(
            (builder.shape(wide).channels, builder.shape(wide).height),
            (2, 7)
        );
        assert_eq!(builder.concatenate(vec![odd]), odd);
    }
}
