//! Searches in space and reductions of rows, timed on request: reads lines `NAME COUNT` and answers each with the seconds of one call.
//!
//! The other half of `benches/peers/neighbours.py`, which asks for the same of SciPy, NumPy and PyTorch in turn. Run with
//! `cargo run --release -p candor-kernels --example neighbours`, then write `nearest-20 10`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use candor_core::Seed;
use candor_kernels::{
    Csr, KdTree, KernelError, ball_query, farthest_points, k_nearest, nearest_neighbours,
    segment_max, segment_mean, segment_sum,
};
use rand::RngExt;

type Call = Box<dyn FnMut()>;

/// Uniform in the unit cube: coordinates, and where each cloud begins.
fn cubes(clouds: usize, points: usize) -> (Vec<f32>, Vec<usize>) {
    let mut rng = Seed(1).stream("cubes", &[]);
    let coordinates = (0..3 * clouds * points).map(|_| rng.random()).collect();
    (coordinates, (0..=clouds).map(|i| i * points).collect())
}

/// On the unit sphere, as scanned surfaces are.
fn spheres(clouds: usize, points: usize) -> (Vec<f32>, Vec<usize>) {
    let mut rng = Seed(2).stream("spheres", &[]);
    let mut coordinates = Vec::new();
    while coordinates.len() < 3 * clouds * points {
        let at: [f32; 3] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let norm = at.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.1 && norm <= 1.0 {
            coordinates.extend(at.map(|x| x / norm));
        }
    }
    (coordinates, (0..=clouds).map(|i| i * points).collect())
}

/// The `k` nearest of every point, the tree built anew each time.
fn nearest((points, clouds): (Vec<f32>, Vec<usize>), k: usize) -> Call {
    Box::new(move || {
        let tree = KdTree::new(&points, 3, &clouds).unwrap();
        black_box(k_nearest(&tree, &points, &clouds, k).unwrap());
    })
}

fn build() -> Call {
    let (points, clouds) = cubes(8, 1024);
    Box::new(move || {
        black_box(KdTree::new(&points, 3, &clouds).unwrap());
    })
}

/// The same by distances to all points, as in any number of dimensions.
fn exhaustive() -> Call {
    let (points, clouds) = cubes(8, 1024);
    Box::new(move || {
        black_box(nearest_neighbours(&points, 3, &clouds, 20).unwrap());
    })
}

/// About twenty points in each ball; and the most that PointNet++ takes, around half of the points.
fn balls(radius: f32, most: Option<usize>) -> Call {
    let (points, clouds) = cubes(8, 1024);
    Box::new(move || {
        let tree = KdTree::new(&points, 3, &clouds).unwrap();
        black_box(ball_query(&tree, &points, &clouds, radius, most).unwrap());
    })
}

fn farthest() -> Call {
    let (points, clouds) = cubes(8, 1024);
    Box::new(move || {
        black_box(farthest_points(&points, 3, &clouds, &clouds[..8], 512).unwrap());
    })
}

/// Forwards and backwards: 128,000 entries of 64 numbers in rows of 1 to 63 entries.
fn segments(reduce: fn(&Csr, Tensor<2>) -> Result<Tensor<2>, KernelError>) -> Call {
    let starts: Vec<usize> = (0..=4000)
        .map(|row| row / 2 * 64 + row % 2 * (1 + row / 2 % 63))
        .collect();
    let entries = *starts.last().unwrap();
    let matrix = Csr::new(entries, starts, (0..entries as u32).collect()).unwrap();
    let device = Device::flex().autodiff();
    let normal = Distribution::Normal(0.0, 1.0);
    let x = Tensor::<2>::random([entries, 64], normal, &device).require_grad();
    Box::new(move || {
        let gradients = reduce(&matrix, x.clone()).unwrap().sum().backward();
        black_box(x.grad(&gradients).unwrap());
    })
}

fn call(name: &str) -> Option<Call> {
    Some(match name {
        "nearest-8" => nearest(cubes(8, 1024), 8),
        "nearest-20" => nearest(cubes(8, 1024), 20),
        "nearest-20-sphere" => nearest(spheres(8, 1024), 20),
        "nearest-20-large" => nearest(cubes(1, 65_536), 20),
        "build" => build(),
        "exhaustive-20" => exhaustive(),
        "ball" => balls(0.17, None),
        "ball-32" => balls(0.2, Some(32)),
        "farthest" => farthest(),
        "segment-sum" => segments(segment_sum),
        "segment-mean" => segments(segment_mean),
        "segment-max" => segments(segment_max),
        _ => return None,
    })
}

fn main() {
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Some((name, count)) = line.split_once(' ') else {
            break;
        };
        if !calls.contains_key(name) {
            let Some(call) = call(name) else {
                println!("nothing is called `{name}`");
                continue;
            };
            calls.insert(name.to_owned(), call);
        }
        let call = calls.get_mut(name).unwrap();
        let count: u32 = count.trim().parse().unwrap();
        let started = Instant::now();
        (0..count).for_each(|_| call());
        println!(
            "{}",
            started.elapsed().as_secs_f64() / f64::from(count.max(1))
        );
        std::io::stdout().flush().unwrap();
    }
}
