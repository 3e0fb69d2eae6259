//! Trains designs on a part of the training shapes of an archive and judges them on the rest of those; the archive's own test part is read only
//! with `test` as the last word, and then the designs are trained on the whole training part and mixed. What is judged is judged twice: as it is, and with
//! each shape turned at random, uniformly over all rotations.
//!
//!     cargo run --release -p candor-point-cloud --example shrec -- shrec11/points1024.npz SEED validate '{"model":"linear"}' '{"model":"edge_convolutions"}'
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example that stops at the first fault, and speaks"
)]

use std::path::Path;
use std::time::Instant;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{
    Cloud, CloudLearner, CloudOptions, CloudSource, CloudUnits, Rotation, read_clouds,
};
use candor_train::{Assignment, Learner};
use rand::seq::SliceRandom;

#[global_allocator]
static MEMORY: candor_kernels::Recycler = candor_kernels::Recycler::new();

/// Of each class one shape in so many is judged on.
const HELD_OUT: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, seed, what, designs @ ..] = arguments.as_slice() else {
        println!("give an archive, a seed, `validate` or `test`, and designs as JSON");
        return;
    };
    let seed = Seed(seed.parse().unwrap());
    let source = CloudSource::detect(Path::new(source)).unwrap();
    let options = CloudOptions {
        labelled: true,
        ..CloudOptions::default()
    };
    let started = Instant::now();
    let read = read_clouds(&source, &options).unwrap();
    let shapes = read.clouds.len();
    let values = &read.table.column("class").unwrap().values;
    let texts: Vec<String> = (0..shapes).map(|row| values.text(row).unwrap()).collect();
    let mut classes = texts.clone();
    classes.sort();
    classes.dedup();
    let label = |text: &String| classes.binary_search(text).unwrap() as u32;
    let labels: Vec<u32> = texts.iter().map(label).collect();
    let development = shapes - read.test_rows;
    let (train, judged): (Vec<usize>, Vec<usize>) = if what == "test" {
        ((0..development).collect(), (development..shapes).collect())
    } else {
        let mut order: Vec<usize> = (0..development).collect();
        order.shuffle(&mut seed.stream("held out", &[]));
        let mut seen = vec![0usize; classes.len()];
        order.into_iter().partition(|&shape| {
            let seen = &mut seen[labels[shape] as usize];
            *seen += 1;
            !seen.is_multiple_of(HELD_OUT)
        })
    };
    let mut turns = seed.stream("turns", &[]);
    let turned = judged.iter().map(|&shape| {
        let mut points = read.clouds[shape].points().to_vec();
        Rotation::Any.turn(&mut points, &mut turns);
        Cloud::from_flat(&points, read.clouds[shape].len()).unwrap()
    });
    let turned = CloudUnits::units(turned.collect());
    let all_turned: Vec<usize> = (0..judged.len()).collect();
    let units = CloudUnits::units(read.clouds);
    let all: Vec<usize> = train.iter().chain(&judged).copied().collect();
    CloudUnits::of(&units).unwrap().descriptors(&all);
    println!(
        "{} shapes to learn from, {} to judge on, read and described in {:.1} s",
        train.len(),
        judged.len(),
        started.elapsed().as_secs_f64()
    );
    let targets = Targets::Classes(labels);
    let target = Target {
        task: Task::Multiclass,
        names: vec!["class".into()],
        classes,
    };
    let learner = CloudLearner::new(Task::Multiclass).unwrap();
    let truth = targets.select(&judged);
    let accuracy = |said: &Distribution| Metric::Accuracy.score(said, &truth).unwrap();
    let mut together: Vec<Distribution> = Vec::new();
    for design in designs {
        let design: Design = serde_json::from_str(design).unwrap();
        let started = Instant::now();
        let fitted = learner
            .fit(&Assignment {
                design: &design,
                units: &units,
                targets: &targets,
                target: &target,
                metric: Metric::LogLoss,
                train: &train,
                validation: &[],
                seed,
                clock: &Clock::unlimited(),
            })
            .unwrap();
        let trained = started.elapsed().as_secs_f64();
        let said = fitted
            .member
            .predict(&units, &judged)
            .unwrap()
            .mixture()
            .unwrap();
        let answered = started.elapsed().as_secs_f64() - trained;
        let of_turned = fitted.member.predict(&turned, &all_turned).unwrap();
        println!(
            "accuracy {:.4} (turned {:.4})  log loss {:.4}  parameters {:7}  trained in {trained:5.1} s, answered in {answered:4.1} s  {design}",
            accuracy(&said),
            accuracy(&of_turned.mixture().unwrap()),
            Metric::LogLoss.score(&said, &truth).unwrap(),
            fitted.member.parameters(),
        );
        together.push(said);
    }
    let weighed: Vec<(f64, &Distribution)> = together.iter().map(|said| (1.0, said)).collect();
    if weighed.len() > 1 {
        let said = Distribution::mixture(&weighed).unwrap();
        println!("all of them, mixed: accuracy {:.4}", accuracy(&said));
    }
}
