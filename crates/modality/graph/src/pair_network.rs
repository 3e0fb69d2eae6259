use std::collections::HashSet;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use candor_kernels::relu;
use candor_nn::{Head, HeadConfig, HeadKind, Pass, dropout};
use candor_train::{Batches, Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{Affine, personalised};
use crate::network::{Layers, penalty};
use crate::pair_numbers::{Neighbours, PAIR_NUMBERS, pair_numbers};
use crate::pairs::places_of;
use crate::prepare::{GraphBatch, Input};
use crate::{Body, Decoder, GraphDesign, GraphUnits, PairPreparation, PairUnits, PreparedGraph};

/// A network for pairs of nodes: a body that sees the graph, a decoder that makes one vector of two nodes, and a head.
///
/// # Reference
/// Kipf & Welling, "Variational Graph Auto-Encoders", 2016, section 2 (inner products); Hu et al., "Open Graph Benchmark", NeurIPS 2020, appendix
/// (products, number by number, and layers on them).
#[derive(Module, Debug)]
pub struct PairNetwork {
    layers: Layers,
    /// From products and pair numbers to what the head sees; none where it sees the inner product.
    decoder: Option<Affine>,
    head: Head,
    #[module(skip)]
    design: GraphDesign,
}

/// What such a network sees.
#[derive(Debug, Clone)]
pub struct PairBatch {
    /// The graph, or a part of it, and the nodes that are asked for.
    pub graph: GraphBatch,
    /// `[pairs]`: the places of the two nodes of each pair among these.
    pub ends: [Tensor<1, Int>; 2],
    /// `[pairs, PAIR_NUMBERS]`, scaled.
    pub numbers: Tensor<2>,
}

impl PairNetwork {
    /// Draws the weights of a network whose nodes have so many numbers.
    pub fn new(
        design: &GraphDesign,
        input: usize,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> PairNetwork {
        let (layers, embedding) = Layers::new(design, input, stream, device);
        let (decoder, seen) = match design.decoder {
            Decoder::Inner => (None, 1),
            Decoder::Product => {
                let shape = [embedding + PAIR_NUMBERS.len(), design.width];
                let decoder = Affine::new(shape, true, stream, device);
                (Some(decoder), design.width)
            }
        };
        let head = HeadConfig {
            members: 1,
            input: seen,
            kind: head.clone(),
        };
        PairNetwork {
            layers,
            decoder,
            head: head.init(stream, device),
            design: design.clone(),
        }
    }
}

impl Network for PairNetwork {
    type Batch = PairBatch;

    fn forward(&self, batch: &PairBatch, pass: &mut Pass) -> Output {
        let design = &self.design;
        let mut h = self.layers.embed(design, &batch.graph, pass);
        if let (Body::Appnp, Some(messages)) = (design.body, &batch.graph.messages) {
            h = personalised(h, design.steps, design.alpha, messages);
        }
        if let Some(asked) = &batch.graph.asked {
            h = h.select(0, asked.clone());
        }
        let [a, b] = batch
            .ends
            .each_ref()
            .map(|end| h.clone().select(0, end.clone()));
        let product = a * b;
        let [_, width] = product.dims();
        let (embedding, seen) = match &self.decoder {
            None => {
                let inner = product.clone().sum_dim(1) / (width as f32).sqrt();
                (product, inner)
            }
            Some(decoder) => {
                let both = Tensor::cat(vec![product, batch.numbers.clone()], 1);
                let made = relu(decoder.forward(&Input::Dense(both)));
                (made.clone(), dropout(made, design.dropout, pass))
            }
        };
        Output {
            embedding: embedding.unsqueeze(),
            raw: self.head.forward(seen.unsqueeze()),
        }
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        penalty(&self.layers, &self.design)
    }
}

/// Pairs with the graph around them, from which a network's batches are made.
pub(crate) struct PreparedPairs<'a> {
    pairs: Vec<[u32; 2]>,
    graph: &'a GraphUnits,
    data: PreparedGraph<'a>,
    around: Neighbours,
    numbers: Vec<f32>,
    edge_dropout: f64,
}

impl<'a> PreparedPairs<'a> {
    /// The units in the graph `seen`.
    pub fn new(
        units: &PairUnits,
        seen: &'a GraphUnits,
        preparation: &PairPreparation,
        design: &GraphDesign,
    ) -> PreparedPairs<'a> {
        let data = PreparedGraph::new(seen, &preparation.nodes, design.gathering());
        let pairs = units.nodes();
        let around = Neighbours::new(&seen.graph);
        let mut numbers = pair_numbers(&around, data.rows(), &pairs);
        preparation.scale(&mut numbers);
        PreparedPairs {
            pairs,
            graph: seen,
            data,
            around,
            numbers,
            edge_dropout: design.edge_dropout,
        }
    }

    /// What distances between units are measured on: the pair numbers.
    pub fn described(&self) -> (usize, Vec<f32>) {
        (PAIR_NUMBERS.len(), self.numbers.clone())
    }

    fn around(&self, indices: &[usize]) -> (Vec<[u32; 2]>, Vec<usize>) {
        let pairs: Vec<[u32; 2]> = indices.iter().map(|&i| self.pairs[i]).collect();
        let mut nodes: Vec<usize> = pairs.iter().flatten().map(|&node| node as usize).collect();
        nodes.sort_unstable();
        nodes.dedup();
        (pairs, nodes)
    }

    fn of(
        &self,
        graph: GraphBatch,
        indices: &[usize],
        (pairs, nodes): (&[[u32; 2]], &[usize]),
        device: &Device,
    ) -> PairBatch {
        let count = pairs.len();
        let ends = places_of(nodes, pairs)
            .map(|places| Tensor::from_data(TensorData::new(places, [count]), device));
        let width = PAIR_NUMBERS.len();
        let rows = indices.iter();
        let numbers: Vec<f32> = rows
            .flat_map(|&i| &self.numbers[i * width..(i + 1) * width])
            .copied()
            .collect();
        PairBatch {
            graph,
            ends,
            numbers: Tensor::from_data(TensorData::new(numbers, [count, width]), device),
        }
    }
}

impl Batches for PreparedPairs<'_> {
    type Batch = PairBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> PairBatch {
        let (pairs, nodes) = self.around(indices);
        let graph = self.data.batch(&nodes, device);
        self.of(graph, indices, (&pairs, &nodes), device)
    }

    /// In a graph without the edges that are asked for: a network that saw them would learn to look for them.
    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> PairBatch {
        let (pairs, nodes) = self.around(indices);
        let asked: HashSet<(u32, u32)> = pairs
            .iter()
            .filter(|pair| self.around.joined(**pair))
            .map(|&[a, b]| (a.min(b), a.max(b)))
            .collect();
        let mut left = self
            .graph
            .graph
            .only(|&(a, b)| !asked.contains(&(a.min(b), a.max(b))));
        if self.edge_dropout > 0.0 {
            left = left.thinned(self.edge_dropout, stream);
        }
        let graph = self.data.training_batch_in(&left, &nodes, stream, device);
        self.of(graph, indices, (&pairs, &nodes), device)
    }

    /// The graph is computed for each batch, however many pairs are asked for.
    fn units_at_once(&self) -> usize {
        usize::MAX
    }
}
