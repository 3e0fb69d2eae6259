use burn::module::Module;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Window, average_pool, max_pool, relu};
use candor_nn::{Convolution, FoldedConvolution, Head, HeadConfig, HeadKind, Pass};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::{Graph, Operation, PoolConfig};

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
        let configs = graph.nodes().iter().filter_map(|node| match node.operation {
            Operation::Convolution(config) => Some(config),
            _ => None,
        });
        let convolutions = configs.map(|config| config.init(stream, device)).collect();
        let head = HeadConfig {
            members: 1,
            input: graph.width(),
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
        let convolve = |index: usize, x| self.convolutions[index].forward(x, pass);
        self.output(run(&self.graph, pictures.clone(), convolve))
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
        let body = run(&self.network.graph, pictures.clone(), convolve);
        self.network.output(body)
    }
}

/// The result of a graph; each tensor is dropped after its last use. Convolutions are counted in the graph's order.
fn run(
    graph: &Graph,
    pictures: Tensor<4>,
    mut convolve: impl FnMut(usize, Tensor<4>) -> Tensor<4>,
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
            Operation::Concatenate => concatenated(inputs.collect()),
            Operation::Add => {
                let (left, right) = (first(&mut inputs), first(&mut inputs));
                left + right
            }
            Operation::Convolution(_) => {
                let x = first(&mut inputs);
                convolutions += 1;
                convolve(convolutions - 1, x)
            }
            Operation::Relu => relu(first(&mut inputs)),
            Operation::MaxPool(config) => max_pool(first(&mut inputs), window(config))
                .unwrap_or_else(|e| unreachable!("the graph was made for this size: {e}")),
            Operation::AveragePool(config) => average_pool(first(&mut inputs), window(config))
                .unwrap_or_else(|e| unreachable!("the graph was made for this size: {e}")),
        };
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

fn window(config: PoolConfig) -> Window {
    Window {
        size: [config.size; 2],
        stride: [config.stride; 2],
        padding: [config.padding(); 2],
    }
}

/// Channels side by side, smaller pictures padded with zeros at the bottom and the right.
fn concatenated(parts: Vec<Tensor<4>>) -> Tensor<4> {
    let greatest = |axis: usize| parts.iter().map(|part| part.dims()[axis]).max().unwrap_or(0);
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
