use burn::module::Module;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Window, average_pool, max_pool, relu};
use candor_nn::{Convolution, FoldedConvolution, Head, HeadConfig, HeadKind, Pass};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::{Graph, Node, Operation, PoolConfig};

/// A network for pictures: a body that follows a [`Graph`], the mean over all pixels, and a head.
#[derive(Module, Debug)]
pub struct ImageNetwork {
    /// Those of the graph, in its order.
    convolutions: Vec<Convolution>,
    head: Head,
    #[module(skip)]
    graph: Graph,
}

impl ImageNetwork {
    /// Draws the weights.
    pub fn new(
        graph: &Graph,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> ImageNetwork {
        let configs = graph
            .nodes()
            .iter()
            .filter_map(|node| match node.operation {
                Operation::Convolution(config) => Some(config),
                _ => None,
            });
        let convolutions = configs.map(|config| config.init(stream, device)).collect();
        let head = HeadConfig {
            members: 1,
            input: graph.channels(),
            kind: head.clone(),
        };
        ImageNetwork {
            convolutions,
            head: head.init(stream, device),
            graph: graph.clone(),
        }
    }

    /// The same in evaluation, with each normalisation inside the weights before it.
    pub fn folded(&self) -> FoldedNetwork<'_> {
        FoldedNetwork {
            convolutions: self.convolutions.iter().map(Convolution::folded).collect(),
            network: self,
        }
    }

    /// The kernels of the convolutions in the order of the graph.
    pub(crate) fn kernels(&self) -> impl Iterator<Item = Tensor<4>> {
        self.convolutions.iter().map(Convolution::kernel)
    }

    /// For each channel of the embedding, the sum of the sizes of the head's weights: what the head makes of each channel alone.
    pub(crate) fn head_sizes(&self, device: &Device) -> Vec<f64> {
        let width = self.graph.channels();
        let nothing = self.head.forward(Tensor::zeros([1, 1, width], device));
        let each: Tensor<3> = Tensor::<2>::eye(width, device).unsqueeze();
        let weights = (self.head.forward(each) - nothing).abs();
        let sizes = weights.sum_dim(2).into_data();
        sizes.iter::<f32>().map(f64::from).collect()
    }

    /// One pass that shows each node of the graph with its result.
    pub(crate) fn forward_seen(
        &self,
        pictures: &Tensor<4>,
        pass: &mut Pass,
        see: impl FnMut(&Node, &Tensor<4>),
    ) -> Output {
        let convolve = |index: usize, x| self.convolutions[index].forward(x, pass);
        self.output(run(&self.graph, pictures.clone(), convolve, see))
    }

    fn output(&self, body: Tensor<4>) -> Output {
        let [units, channels, height, width] = body.dims();
        let pixels: Tensor<3> = body.reshape([units, channels, height * width]);
        let embedding: Tensor<3> = pixels.mean_dim(2).reshape([1, units, channels]);
        Output {
            raw: self.head.forward(embedding.clone()),
            embedding,
        }
    }
}

impl Network for ImageNetwork {
    type Batch = Tensor<4>;

    fn forward(&self, pictures: &Tensor<4>, pass: &mut Pass) -> Output {
        if !pass.normalises_by_batch() {
            return self.folded().forward(pictures);
        }
        self.forward_seen(pictures, pass, |_, _| ())
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }

    fn normalises_by_batch(&self) -> bool {
        true
    }
}

/// An [`ImageNetwork`] as it is used once it is trained.
#[derive(Debug)]
pub struct FoldedNetwork<'a> {
    convolutions: Vec<FoldedConvolution>,
    network: &'a ImageNetwork,
}

impl FoldedNetwork<'_> {
    /// As [`Network::forward`] in evaluation.
    pub fn forward(&self, pictures: &Tensor<4>) -> Output {
        let convolve = |index: usize, x| self.convolutions[index].forward(x);
        let body = run(&self.network.graph, pictures.clone(), convolve, |_, _| ());
        self.network.output(body)
    }
}

/// The result of a graph; each tensor is dropped after its last use. Convolutions are counted in the graph's order; `see` is shown each
/// node with its result.
fn run(
    graph: &Graph,
    pictures: Tensor<4>,
    mut convolve: impl FnMut(usize, Tensor<4>) -> Tensor<4>,
    mut see: impl FnMut(&Node, &Tensor<4>),
) -> Tensor<4> {
    let mut uses = graph.uses();
    let mut results: Vec<Option<Tensor<4>>> = Vec::with_capacity(graph.nodes().len());
    let mut convolutions = 0;
    for node in graph.nodes() {
        let mut inputs = node.inputs.iter().map(|&input| {
            uses[input] -= 1;
            let held = &mut results[input];
            let found = if uses[input] == 0 {
                held.take()
            } else {
                held.clone()
            };
            found.unwrap_or_else(|| unreachable!("its uses were counted"))
        });
        let result = match node.operation {
            Operation::Picture => pictures.clone(),
            Operation::Add | Operation::Concatenate => joined(node.operation, inputs.collect()),
            Operation::Convolution(_) => {
                let x = first(&mut inputs);
                convolutions += 1;
                convolve(convolutions - 1, x)
            }
            Operation::Relu => relu(first(&mut inputs)),
            Operation::MaxPool(config) => max_pool(first(&mut inputs), window(config))
                .unwrap_or_else(|e| unreachable!("the graph was made for this size: {e}")),
            Operation::AveragePool(config) => averaged(first(&mut inputs), config),
        };
        see(node, &result);
        results.push(Some(result));
    }
    let last = results.pop().flatten();
    last.unwrap_or_else(|| unreachable!("a graph has a node, and nobody uses the last"))
}

fn first(inputs: &mut impl Iterator<Item = Tensor<4>>) -> Tensor<4> {
    inputs
        .next()
        .unwrap_or_else(|| unreachable!("operations have their inputs"))
}

/// The mean pixel of each window.
pub(crate) fn averaged(x: Tensor<4>, config: PoolConfig) -> Tensor<4> {
    average_pool(x, window(config))
        .unwrap_or_else(|e| unreachable!("the graph was made for this size: {e}"))
}

/// The sum of tensors, or their channels side by side.
pub(crate) fn joined(operation: Operation, parts: Vec<Tensor<4>>) -> Tensor<4> {
    if operation == Operation::Concatenate {
        return concatenated(parts);
    }
    let sum = parts.into_iter().reduce(|left, right| left + right);
    sum.unwrap_or_else(|| unreachable!("a sum has two sides"))
}

fn window(config: PoolConfig) -> Window {
    Window {
        size: [config.size; 2],
        stride: [config.stride; 2],
        padding: [config.padding(); 2],
    }
}

/// Channels side by side, smaller pictures padded with zeros at the bottom and the right.
fn concatenated(parts: Vec<Tensor<4>>) -> Tensor<4> {
    let greatest = |axis: usize| {
        parts
            .iter()
            .map(|part| part.dims()[axis])
            .max()
            .unwrap_or(0)
    };
    let (height, width) = (greatest(2), greatest(3));
    let padded = parts.into_iter().map(|part| {
        let [_, _, h, w] = part.dims();
        if (h, w) == (height, width) {
            return part;
        }
        part.pad([(0, height - h), (0, width - w)], PadMode::Constant(0.0))
    });
    Tensor::cat(padded.collect(), 1)
}
