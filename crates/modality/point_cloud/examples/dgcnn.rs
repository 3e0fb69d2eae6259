//! Forward passes and training steps of networks with edge convolutions, timed on request: reads lines `NAME COUNT` and answers each with the
//! seconds of one.
//!
//! The other half of `benches/peers/clouds.py`, which asks for the same of PyTorch in turn. Run with
//! `cargo run --release -p candor-point-cloud --example dgcnn`, then write `forward 5`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

#[path = "../../../kernels/examples/steps/answering.rs"]
mod answering;

use answering::{Step, answer, training};
use burn::tensor::Device;
use candor_core::{Seed, Targets};
use candor_kernels::Recycler;
use candor_nn::{HeadKind, Pass};
use candor_point_cloud::{
    BodyKind, Cloud, CloudDesign, CloudNetwork, CloudUnits, PointPreparation, PointUnits,
    Preparation, PreparedClouds, PreparedPoints, Rotation, Scan, Seen, SegmentNetwork,
};
use candor_train::{Batches, Network, Units};
use rand::RngExt;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

const POINTS: usize = 1024;
const CLASSES: usize = 40;
/// Clouds of a training step.
const CLOUDS: usize = 8;

/// Four edge convolutions over 20 neighbours, found anew by what each layer sees, 64 wide.
fn design() -> CloudDesign {
    CloudDesign {
        body: BodyKind::EdgeConvolutions,
        width: 64,
        depth: 4,
        neighbours: 20,
        dynamic: true,
        points: POINTS,
        seen: Seen::Coordinates,
        descriptors: false,
        dropout: 0.0,
        rotation: Rotation::Fixed,
        jitter: 0.0,
        stretch: 0.0,
        drop: 0.0,
        votes: 1,
        label_smoothing: 0.0,
        ..CloudDesign::default()
    }
}

fn ball(seed: u64) -> Vec<f32> {
    let mut rng = Seed(seed).stream("ball", &[]);
    (0..3 * POINTS)
        .map(|_| rng.random_range(-1.0f32..1.0))
        .collect()
}

fn head() -> HeadKind {
    HeadKind::Softmax {
        classes: CLASSES,
        label_smoothing: 0.0,
    }
}

fn clouds(count: usize) -> (Units, Preparation) {
    let clouds = (0..count as u64).map(|n| Cloud::from_flat(&ball(n), POINTS).unwrap());
    let units = CloudUnits::units(clouds.collect());
    let targets = Targets::Classes(vec![0; count]);
    let preparation = Preparation::fit(CloudUnits::of(&units).unwrap(), &targets, &[0]);
    (units, preparation)
}

fn forward() -> Step {
    let (units, preparation) = clouds(1);
    let design = design();
    let device = Device::flex();
    let network = CloudNetwork::new(
        &design,
        &head(),
        &mut Seed(0).stream("weights", &[]),
        &device,
    );
    Box::new(move || {
        let data = PreparedClouds::new(CloudUnits::of(&units).unwrap(), &preparation, &design);
        let output = network.forward(&data.batch(&[0], &device), &mut Pass::evaluation());
        assert_eq!(output.raw.into_data().iter::<f32>().count(), CLASSES);
    })
}

fn training_step() -> Step {
    let (units, preparation) = clouds(CLOUDS);
    let design = design();
    let device = Device::flex().autodiff();
    let mut stream = Seed(0).stream("weights", &[]);
    let network = CloudNetwork::new(&design, &head(), &mut stream, &device);
    let truth: Vec<u32> = (0..CLOUDS as u32).map(|n| n % CLASSES as u32).collect();
    let all: Vec<usize> = (0..CLOUDS).collect();
    training(network, move |network| {
        let data = PreparedClouds::new(CloudUnits::of(&units).unwrap(), &preparation, &design);
        let batch = data.batch(&all, &device);
        let mut dropping = Seed(0).stream("dropout", &[]);
        let output = network.forward(&batch, &mut Pass::training(&mut dropping));
        head()
            .loss_of_classes(output.raw, truth.clone(), None)
            .unwrap()
    })
}

fn segment() -> Step {
    let scan = Scan::new(ball(0), Vec::new());
    let points = PointUnits::new(vec![scan], Vec::new());
    let preparation =
        PointPreparation::fit(&points, &Targets::Classes(vec![0; POINTS]), &[0, 1, 2]);
    let design = design();
    let device = Device::flex();
    let mut stream = Seed(0).stream("weights", &[]);
    let network = SegmentNetwork::new(&design, 3, &head(), &mut stream, &device);
    Box::new(move || {
        let data = PreparedPoints::new(&points, &preparation, &design, &[]);
        let output = network.forward(&data.batch(&[0], &device), &mut Pass::evaluation());
        assert_eq!(
            output.raw.into_data().iter::<f32>().count(),
            POINTS * CLASSES
        );
    })
}

fn main() {
    answer(&[
        ("forward", forward),
        ("training", training_step),
        ("segment", segment),
    ]);
}
