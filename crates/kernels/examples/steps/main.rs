//! Training steps, timed on request: reads lines `NAME COUNT` and answers each with the seconds of one step.
//!
//! The other half of `benches/peers/kernels.py`, which asks for the same steps of PyTorch in turn. Run with
//! `cargo run --release -p candor-kernels --example steps`, then write `lstm 5`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod answering;

use std::sync::Arc;

use answering::{Step, answer, training};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};
use candor_core::Seed;
use candor_kernels::{
    Csr, Moves, Normalisation, Recycler, Truth, Window, average_pool, convolution, cross_entropy,
    graph_convolution, lstm, max_pool, neighbour_max, normalised_convolution, relu,
    weighted_sparse_product,
};
use rand::RngExt;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device())
}

fn weights<const D: usize>(shape: [usize; D], inputs: usize) -> Param<Tensor<D>> {
    let tensor = random(shape) * (1.0 / inputs as f64).sqrt();
    Param::from_tensor(tensor)
}

fn labels(count: usize, classes: u32) -> Truth {
    let mut rng = Seed(1).stream("labels", &[]);
    let labels = (0..count).map(|_| rng.random_range(0..classes));
    Truth::new(labels.collect::<Vec<u32>>())
}

#[derive(Module, Debug)]
struct Recurrent {
    input: Param<Tensor<2>>,
    hidden: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    head: Param<Tensor<2>>,
}

/// 64 sequences of 50 steps of 128 numbers, 128 hidden, 10 classes from the last state.
fn recurrent() -> Step {
    let (x, y) = (random([64, 50, 128]), labels(64, 10));
    let module = Recurrent {
        input: weights([128, 512], 128),
        hidden: weights([128, 512], 128),
        bias: Param::from_tensor(Tensor::zeros([512], &device())),
        head: weights([128, 10], 128),
    };
    training(module, move |m| {
        let states = lstm(x.clone(), m.input.val(), m.hidden.val(), m.bias.val(), None).unwrap();
        let last = states.narrow(1, 49, 1).reshape([64, 128]);
        cross_entropy(last.matmul(m.head.val()), &y).unwrap()
    })
}

#[derive(Module, Debug)]
struct Layers {
    weights: Vec<Param<Tensor<4>>>,
    scales: Vec<Param<Tensor<1>>>,
    shifts: Vec<Param<Tensor<1>>>,
    head: Param<Tensor<2>>,
}

/// 64 images of 3 x 32 x 32; convolutions of 32, 64, then after pooling 128 filters, each with batch normalisation and ReLU.
fn convolutional() -> Step {
    let (x, y) = (random([64, 3, 32, 32]), labels(64, 10));
    let sizes = [(3, 32), (32, 64), (64, 128)];
    let channels =
        |value: f32, n: usize| Param::from_tensor(Tensor::<1>::ones([n], &device()) * value);
    let module = Layers {
        weights: sizes
            .iter()
            .map(|&(i, o)| weights([o, i, 3, 3], 9 * i))
            .collect(),
        scales: sizes.iter().map(|&(_, o)| channels(1.0, o)).collect(),
        shifts: sizes.iter().map(|&(_, o)| channels(0.0, o)).collect(),
        head: weights([128, 10], 128),
    };
    training(module, move |m| {
        let mut x = x.clone();
        for layer in 0..3 {
            if layer == 2 {
                x = max_pool(x, Window::new([2, 2])).unwrap();
            }
            let (weight, moves) = (m.weights[layer].val(), Moves::same([3, 3]));
            let (scale, shift) = (m.scales[layer].val(), m.shifts[layer].val());
            let then = Normalisation::default();
            let normalised = normalised_convolution(x, weight, scale, shift, moves, then);
            x = normalised.unwrap().output;
        }
        let x = average_pool(x, Window::new([16, 16])).unwrap();
        cross_entropy(x.reshape([64, 128]).matmul(m.head.val()), &y).unwrap()
    })
}

#[derive(Module, Debug)]
struct Separable {
    depthwise: Vec<Param<Tensor<4>>>,
    pointwise: Vec<Param<Tensor<4>>>,
}

/// 32 images of 44 x 16 x 16; separable convolutions of 3 x 3 and 5 x 5, each after a ReLU.
fn separable() -> Step {
    let x = random([32, 44, 16, 16]);
    let module = Separable {
        depthwise: vec![weights([44, 1, 3, 3], 9), weights([44, 1, 5, 5], 25)],
        pointwise: vec![weights([44, 44, 1, 1], 44), weights([44, 44, 1, 1], 44)],
    };
    training(module, move |m| {
        let mut x = x.clone();
        for (layer, size) in [3, 5].into_iter().enumerate() {
            let moves = Moves {
                groups: 44,
                ..Moves::same([size, size])
            };
            x = convolution(relu(x), m.depthwise[layer].val(), None, moves).unwrap();
            x = convolution(x, m.pointwise[layer].val(), None, Moves::default()).unwrap();
        }
        x.powi_scalar(2).mean()
    })
}

#[derive(Module, Debug)]
struct Graph {
    weights: Vec<Param<Tensor<2>>>,
}

/// A random graph with loops, symmetrically normalised.
fn graph(nodes: usize, edges: usize) -> (Csr, Arc<[f32]>) {
    let mut rng = Seed(2).stream("graph", &[]);
    let mut pairs: Vec<(u32, u32)> = (0..nodes as u32).map(|i| (i, i)).collect();
    for _ in 0..edges / 2 {
        let (a, b) = (
            rng.random_range(0..nodes as u32),
            rng.random_range(0..nodes as u32),
        );
        pairs.extend([(a, b), (b, a)]);
    }
    let matrix = Csr::from_pairs(nodes, nodes, &pairs).unwrap().0;
    let degrees = matrix.degrees();
    let mut norm = Vec::with_capacity(matrix.entries());
    for row in 0..nodes {
        for entry in matrix.row(row) {
            let column = matrix.indices()[entry] as usize;
            norm.push(1.0 / ((degrees[row] * degrees[column]) as f32).sqrt());
        }
    }
    (matrix, norm.into())
}

/// The shapes of Cora: 2,708 nodes, 10,556 edges, 1,433 binary features of which 49,216 are ones; 16 hidden, 7 classes.
fn gcn_cora() -> Step {
    let (matrix, norm) = graph(2708, 10_556);
    let mut rng = Seed(3).stream("words", &[]);
    let words: Vec<(u32, u32)> = (0..49_216)
        .map(|_| (rng.random_range(0..2708), rng.random_range(0..1433)))
        .collect();
    let words = Csr::from_pairs(2708, 1433, &words).unwrap().0;
    let ones: Arc<[f32]> = vec![1.0 / 18.0; words.entries()].into();
    let y = labels(2708, 7);
    let module = Graph {
        weights: vec![weights([1433, 16], 1433), weights([16, 7], 16)],
    };
    training(module, move |m| {
        let x = weighted_sparse_product(&words, &ones, m.weights[0].val()).unwrap();
        let x = relu(weighted_sparse_product(&matrix, &norm, x).unwrap());
        let weight = m.weights[1].val();
        let x = graph_convolution(&matrix, Some(&norm), x, weight, None, false).unwrap();
        cross_entropy(x, &y).unwrap()
    })
}

/// 170,000 nodes, 1,200,000 edges; 128 features, two layers of 256, 40 classes.
fn gcn_large() -> Step {
    let (matrix, norm) = graph(170_000, 1_200_000);
    let (x, y) = (random([170_000, 128]), labels(170_000, 40));
    let module = Graph {
        weights: vec![
            weights([128, 256], 128),
            weights([256, 256], 256),
            weights([256, 40], 256),
        ],
    };
    training(module, move |m| {
        let layer = |x, weight: &Param<Tensor<2>>, relu| {
            graph_convolution(&matrix, Some(&norm), x, weight.val(), None, relu).unwrap()
        };
        let x = layer(x.clone(), &m.weights[0], true);
        let x = layer(x, &m.weights[1], true);
        let x = layer(x, &m.weights[2], false);
        cross_entropy(x, &y).unwrap()
    })
}

/// 8 clouds of 1,024 points with 64 features, 20 neighbours each; an edge convolution to 64, its maximum over the neighbours.
fn edge_convolution() -> Step {
    let (clouds, points, k) = (8, 1024, 20);
    let mut rng = Seed(4).stream("neighbours", &[]);
    let indices: Vec<u32> = (0..clouds * points * k)
        .map(|i| (i / (points * k) * points) as u32 + rng.random_range(0..points as u32))
        .collect();
    let starts = (0..=clouds * points).map(|i| i * k).collect();
    let neighbours = Csr::new(clouds * points, starts, indices).unwrap();
    let x = random([clouds * points, 64]);
    let module = Graph {
        weights: vec![weights([64, 64], 128), weights([64, 64], 128)],
    };
    training(module, move |m| {
        // W [x_i ; x_j - x_i] = (W_1 - W_2) x_i + W_2 x_j.
        let (own, other) = (m.weights[0].val(), m.weights[1].val());
        let centre = x.clone().matmul(own - other.clone());
        let greatest = neighbour_max(&neighbours, x.clone().matmul(other)).unwrap();
        relu(centre + greatest).powi_scalar(2).mean()
    })
}

fn main() {
    answer(&[
        ("lstm", recurrent),
        ("cnn", convolutional),
        ("separable", separable),
        ("gcn-cora", gcn_cora),
        ("gcn-large", gcn_large),
        ("edge-convolution", edge_convolution),
    ]);
}
