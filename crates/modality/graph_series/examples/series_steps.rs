//! Training steps of networks for traffic, timed on request: reads lines `NAME COUNT` and answers each with the seconds of one step.
//!
//! The other half of `benches/peers/kernels.py`, which asks for the same steps of PyTorch in turn: 207 series on a graph of 1,449 edges, 64 windows
//! of 12 moments, 12 horizons.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../../kernels/examples/steps/answering.rs"]
mod answering;

use answering::{Step, answer, training};
use burn::tensor::{Device, Distribution, Tensor};
use candor_core::Seed;
use candor_graph_series::{
    Anchor, Body, Preparation, SensorGraph, SeriesBatch, SeriesDesign, SeriesNetwork,
};
use candor_kernels::Recycler;
use candor_nn::Pass;
use candor_train::Network;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

const NODES: usize = 207;
const WINDOWS: usize = 64;
const MOMENTS: usize = 12;
const DROPOUT: f64 = 0.1;

fn device() -> Device {
    Device::flex().autodiff()
}

/// A network made by hand, on random readings: the mean of its squared outputs falls.
fn step(design: &SeriesDesign) -> Step {
    let edges =
        |from: u32| (1..=7).map(move |k| (from, (from * 7 + k * k * 5) % NODES as u32, 1.0));
    let pairs: Vec<_> = (0..NODES as u32).flat_map(edges).collect();
    let preparation = Preparation {
        history: MOMENTS,
        horizons: (1..=MOMENTS).collect(),
        scales: vec![(0.0, 1.0); NODES],
        profile: None,
        periods: Vec::new(),
        gaps: false,
        known: Vec::new(),
        graph: Some(SensorGraph::new(NODES, &pairs)),
    };
    let normal = Distribution::Normal(0.0, 1.0);
    let batch = SeriesBatch {
        x: Tensor::random([NODES, WINDOWS, MOMENTS, 1], normal, &device()),
        context: Tensor::random([NODES, WINDOWS, preparation.context()], normal, &device()),
        known: None,
        edges: None,
    };
    let mut stream = Seed(1).stream("weights", &[]);
    let network = SeriesNetwork::new(design, &preparation, &mut stream, &device()).unwrap();
    let stream = std::cell::RefCell::new(Seed(2).stream("dropout", &[]));
    training(network, move |network| {
        let mut stream = stream.borrow_mut();
        let said = network.forward(&batch, &mut Pass::training(&mut stream));
        said.raw.powi_scalar(2).mean()
    })
}

fn design() -> SeriesDesign {
    SeriesDesign {
        identity: 0,
        highway: false,
        anchor: Anchor::None,
        dropout: DROPOUT,
        ..SeriesDesign::default()
    }
}

/// Two blocks, 64 wide.
fn stgcn() -> Step {
    step(&SeriesDesign {
        body: Body::Stgcn,
        ..design()
    })
}

/// Five layers, 32 wide, with learned edges beside the given ones.
fn graph_wavenet() -> Step {
    step(&SeriesDesign {
        body: Body::GraphWavenet,
        width: 32,
        layers: 5,
        ..design()
    })
}

fn main() {
    answer(&[("stgcn", stgcn), ("graph-wavenet", graph_wavenet)]);
}
