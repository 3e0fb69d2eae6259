//! Trains one design on 54,000 pictures of Fashion-MNIST's training part and judges it on the other 6,000; the test part is not read.
//!
//!     cargo run --release -p candor-image --example fashion -- '{"model":"fast_residual","width":24}' [seconds] [seed] [folder]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example that stops at the first fault, and speaks"
)]

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use candor_core::{Clock, Distribution, Interrupt, Metric, Seed, Target, Targets, Task};
use candor_data::{ImageSize, Images};
use candor_design::Design;
use candor_image::{Counts, ImageDesign, ImageLearner, ImageUnits};
use candor_train::{Assignment, Learner};
use rand::seq::SliceRandom;

#[global_allocator]
static MEMORY: candor_kernels::Recycler = candor_kernels::Recycler::new();

/// The bytes of an IDX file behind its header.
fn idx(path: &Path, header: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes.split_off(header)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize, default: &str| arguments.get(i).map_or(default, |s| s).to_owned();
    let design: Design =
        serde_json::from_str(&argument(0, r#"{"model":"fast_residual","width":24}"#)).unwrap();
    let seconds: u64 = argument(1, "420").parse().unwrap();
    let seed = Seed(argument(2, "0").parse().unwrap());
    let folder = argument(3, "/usr/share/datasets/fashion-mnist");
    let limit: usize = std::env::var("PICTURES").map_or(60_000, |n| n.parse().unwrap());
    let folder = Path::new(&folder);
    let size = ImageSize {
        channels: 1,
        height: 28,
        width: 28,
    };
    let images = Images::new(size, idx(&folder.join("train-images-idx3-ubyte.gz"), 16)).unwrap();
    let labels = idx(&folder.join("train-labels-idx1-ubyte.gz"), 8);
    let targets = Targets::Classes(labels.iter().map(|&l| u32::from(l)).collect());
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.shuffle(&mut Seed(17).stream("split", &[]));
    order.truncate(limit);
    let (validation, train) = order.split_at(limit / 10);

    if let Ok(read) = ImageDesign::read(&design) {
        let counts = Counts::of(&read.body.graph(size), 10);
        println!("{design}\n{counts:?}");
    }
    let target = Target {
        task: Task::Multiclass,
        names: vec!["class".into()],
        classes: (0..10).map(|c| c.to_string()).collect(),
    };
    let learner = ImageLearner::new(size, Task::Multiclass).unwrap();
    let units = ImageUnits::units(images);
    let limit = Some(Duration::from_secs(seconds));
    let clock = Clock::start(limit, Duration::ZERO, Interrupt::default());
    let started = Instant::now();
    let assignment = Assignment {
        design: &design,
        units: &units,
        targets: &targets,
        target: &target,
        metric: Metric::Accuracy,
        train,
        validation,
        seed,
        clock: &clock,
    };
    let fitted = learner.fit(&assignment).unwrap();
    println!("trained in {:.1} s", started.elapsed().as_secs_f64());
    for look in &fitted.history {
        println!(
            "epoch {:5.2}  train {:.4}  validation {:.4}",
            look.epoch, look.train_loss, look.validation_loss
        );
    }
    let started = Instant::now();
    let predicted = fitted.member.predict(&units, validation).unwrap();
    let longer = learner.for_long(&design, &*fitted.member, &units, validation, &targets);
    println!("for a longer training: {}", longer.unwrap());
    let said: Distribution = predicted.mixture().unwrap();
    let truth = targets.select(validation);
    println!(
        "accuracy {:.4}  log loss {:.4}  parameters {}  predicted in {:.1} s",
        Metric::Accuracy.score(&said, &truth).unwrap(),
        Metric::LogLoss.score(&said, &truth).unwrap(),
        fitted.member.parameters(),
        started.elapsed().as_secs_f64()
    );
}
