//! What is said of doubt is true of shapes and of points.
#![allow(clippy::unwrap_used)]

use candor_core::{Seed, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{Cloud, CloudLearner, CloudUnits, KEPT, PointLearner, PointUnits, Scan};
use rand::RngExt;
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

fn design() -> Design {
    Design::new()
        .with("model", "point_net")
        .with("width", 16)
        .with("points", 64)
        .with("dropout", 0.0)
        .with("jitter", 0.0)
        .with("stretch", 0.0)
        .with("drop", 0.0)
        .with("votes", 1)
        .with("rotation", "fixed")
        .with("learning_rate", 0.005)
}

/// Points in a ball; of each a smooth function of its place is known, with noise.
fn points(scans: usize, noise: f32, task: Task) -> Problem {
    const POINTS: usize = 24;
    let mut rng = Seed(1).stream("points", &[]);
    let mut values = Vec::new();
    let scan = |_| {
        let at: Vec<f32> = (0..3 * POINTS)
            .map(|_| rng.random_range(-0.6f32..0.6))
            .collect();
        for p in at.chunks_exact(3) {
            values.push((3.0 * p[0]).sin() + p[2] + noise * normal(&mut rng));
        }
        Scan::new(at, Vec::new())
    };
    let scans: Vec<Scan> = (0..scans).map(scan).collect();
    let points = PointUnits::new(scans, Vec::new());
    Problem {
        learner: Box::new(PointLearner::new(task, points.starts()).unwrap()),
        units: points.units(),
        targets: Targets::Values { width: 1, values },
        each: POINTS,
        design: design().with("seen", "coordinates"),
    }
}

/// Ellipsoids; of each how flat it is is known, with noise.
fn shapes(count: usize, noise: f32, task: Task) -> Problem {
    let mut rng = Seed(2).stream("shapes", &[]);
    let mut values = Vec::new();
    let shape = |_| {
        let flat = rng.random_range(0.1f32..1.0);
        values.push(3.0 * flat + noise * normal(&mut rng));
        let points: Vec<f32> = (0..64)
            .flat_map(|_| {
                let p: [f32; 3] = std::array::from_fn(|_| normal(&mut rng));
                let r = p.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-3);
                [p[0] / r, p[1] / r, flat * p[2] / r]
            })
            .collect();
        Cloud::from_flat(&points, KEPT).unwrap()
    };
    let clouds: Vec<Cloud> = (0..count).map(shape).collect();
    Problem {
        units: CloudUnits::units(clouds),
        targets: Targets::Values { width: 1, values },
        each: 1,
        learner: Box::new(CloudLearner::new(task).unwrap()),
        design: design()
            .with("seen", "coordinates")
            .with("descriptors", false),
    }
}

#[test]
fn the_doubt_of_points_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 12,
        watched: 24,
        held: 40,
        steps: 400,
        left: 1.0,
        apart: 0.1,
    };
    let of = |noise: f32| points(192 + 64, noise, Task::Regression);
    split::the_split_is_real(&of, 0.3, sizes);
}

#[test]
fn the_doubt_of_shapes_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 30,
        watched: 60,
        held: 100,
        steps: 400,
        left: 1.0,
        apart: 0.13,
    };
    let of = |noise: f32| shapes(480 + 160, noise, Task::Regression);
    split::the_split_is_real(&of, 0.3, sizes);
}

#[test]
fn labels_of_points_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut problem = points(40, 0.0, Task::Binary);
    let design = problem.design.with("model", "edge_convolutions");
    problem.design = design
        .with("width", 48)
        .with("depth", 3)
        .with("neighbours", 6)
        .with("weight_decay", 0.001);
    split::coins_are_learned_by_heart(problem, 8, 600);
}

#[test]
fn labels_of_shapes_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut problem = shapes(400, 0.0, Task::Binary);
    problem.design = problem
        .design
        .with("width", 32)
        .with("label_smoothing", 0.0);
    split::coins_are_learned_by_heart(problem, 40, 1_500);
}
