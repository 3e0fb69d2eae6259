//! Convolutions by Winograd's transforms against the same ones as they are defined, in turn: medians of ratios of time with their range, for
//! the forward pass and the gradients of the images and of the weights.
//!
//! Run with `cargo run --release -p candor-kernels --example convolutions -- [threads] [rounds] [batch]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use candor_kernels::{Moves, Recycler, convolution, direct_convolution};

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

/// Channels, filters, and size of a square image.
const SHAPES: [[usize; 3]; 13] = [
    [32, 64, 32],
    [64, 128, 16],
    [64, 64, 14],
    [64, 64, 28],
    [128, 128, 8],
    [128, 128, 4],
    [32, 32, 28],
    [24, 24, 28],
    [48, 48, 14],
    [96, 96, 7],
    [16, 16, 32],
    [16, 32, 8],
    [8, 8, 32],
];

/// What is differentiated by.
#[derive(Clone, Copy)]
enum Pass {
    Forward,
    Images,
    Weights,
}

/// Seconds of one call by each method; as many calls as last a few milliseconds.
fn seconds(pass: Pass, [x, weight]: &[Tensor<4>; 2], direct: bool, calls: usize) -> f64 {
    let moves = Moves::same([3, 3]);
    let call = |x: Tensor<4>, weight: Tensor<4>| {
        if direct {
            direct_convolution(x, weight, None, moves).unwrap()
        } else {
            convolution(x, weight, None, moves).unwrap()
        }
    };
    let mut total = 0.0;
    for _ in 0..calls {
        let (x, weight) = (x.clone().detach(), weight.clone().detach());
        total += match pass {
            Pass::Forward => {
                let started = Instant::now();
                let y = call(x, weight);
                let seconds = started.elapsed();
                drop(y);
                seconds
            }
            Pass::Images | Pass::Weights => {
                let (x, weight) = if matches!(pass, Pass::Images) {
                    (x.require_grad(), weight)
                } else {
                    (x, weight.require_grad())
                };
                let y = call(x, weight).sum();
                let started = Instant::now();
                let gradients = y.backward();
                let seconds = started.elapsed();
                drop(gradients);
                seconds
            }
        }
        .as_secs_f64();
    }
    total / calls as f64
}

fn compare(pass: Pass, inputs: &[Tensor<4>; 2], rounds: usize) -> String {
    let once = seconds(pass, inputs, true, 1).max(1e-6);
    let calls = (0.01 / once).clamp(1.0, 200.0) as usize;
    let mut found: Vec<[f64; 2]> = (0..rounds + 1)
        .map(|_| [true, false].map(|direct| seconds(pass, inputs, direct, calls)))
        .skip(1)
        .collect();
    let median = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        (
            values[values.len() / 2],
            values[0],
            values[values.len() - 1],
        )
    };
    let direct = median(found.iter().map(|[direct, _]| direct * 1e3).collect()).0;
    let ratios = found.drain(..).map(|[direct, other]| other / direct);
    let (middle, least, most) = median(ratios.collect());
    format!("{direct:.2} {middle:.2} ({least:.2} to {most:.2})")
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|a| a.parse::<usize>().unwrap());
    let mut next = |default: usize| arguments.next().unwrap_or(default);
    let (threads, rounds, batch) = (next(1), next(9), next(64));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(|| {
        println!(
            "milliseconds of the direct one, and ratio to it; {threads} threads, {batch} images"
        );
        println!(
            "| channels, filters, image | forward | gradient of the images | of the weights |"
        );
        println!("| --- | --- | --- | --- |");
        for [channels, filters, size] in SHAPES {
            let normal = Distribution::Normal(0.0, 1.0);
            let inputs = [[batch, channels, size, size], [filters, channels, 3, 3]]
                .map(|shape| Tensor::<4>::random(shape, normal, &Device::flex().autodiff()));
            let [forward, images, weights] = [Pass::Forward, Pass::Images, Pass::Weights]
                .map(|pass| compare(pass, &inputs, rounds));
            println!(
                "| {channels}, {filters}, {size} x {size} | {forward} | {images} | {weights} |"
            );
        }
    });
}
