//! Accuracy on the parts that a source gives, over seeds or over its sets of masks.
//!
//! `cargo run --release -p candor-graph --example planetoid -- DATA --seeds 10 --set model=gcn --set width=16`
//!
//! A design is what `--set` says, and defaults (Kipf & Welling 2017, section 5.2) beside it. With `--masks 10` each set of masks is used
//! once, with its number as seed. With `--stop false` training does not look at the validation part, and keeps the last weights.
//! `--part validation` judges there, and leaves the test part alone: for choosing a design.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use candor_core::{Clock, Metric, Seed};
use candor_data::{SchemaOptions, decide_target, encode_targets, infer_schema};
use candor_design::Design;
use candor_graph::{
    GraphLearner, GraphOptions, GraphSource, GraphUnits, NodeFeatures, Unit, read_graph,
};
use candor_kernels::Recycler;
use candor_train::{Assignment, Learner};
use serde_json::Value;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap();
    let (mut seeds, mut masks, mut part, mut metric) = (1, 0, "test".to_owned(), Metric::Accuracy);
    let mut stops = true;
    let mut design = Design::new();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap();
        match argument.as_str() {
            "--seeds" => seeds = value.parse().unwrap(),
            "--masks" => masks = value.parse().unwrap(),
            "--part" => part = value,
            "--stop" => stops = value.parse().unwrap(),
            "--metric" => metric = value.parse().unwrap(),
            "--set" => {
                let (name, value) = value.split_once('=').unwrap();
                let value = serde_json::from_str(value).unwrap_or(Value::String(value.into()));
                design = design.with(name, value);
            }
            other => panic!("`{other}` is not known"),
        }
    }
    if design.get("model").is_none() {
        design = design.with("model", "gcn");
    }
    let source = GraphSource::detect(path.as_ref()).unwrap();
    let runs = if masks > 0 { masks } else { seeds };
    let mut scores = Vec::new();
    for run in 0..runs {
        let options = GraphOptions {
            mask: (masks > 0).then_some(run),
            ..GraphOptions::default()
        };
        let read = read_graph(&source, &options).unwrap();
        let schema = infer_schema(&read.table, &SchemaOptions::default()).unwrap();
        let preferred = Some("label");
        let target = decide_target(&read.table, &schema, &[], preferred, None)
            .unwrap()
            .target;
        let targets = encode_targets(&read.table, &target).unwrap().targets;
        let parts = read.parts.unwrap();
        let features = NodeFeatures {
            table: candor_baselines::Matrix::new(read.ids.len(), vec![], vec![]).unwrap(),
            apart: read.apart.map(|(features, _)| features),
        };
        let units = GraphUnits::whole(read.graph, features, read.ids).units();
        let started = Instant::now();
        let fitted = GraphLearner::new(target.task, Unit::Node)
            .unwrap()
            .fit(&Assignment {
                design: &design,
                units: &units,
                targets: &targets,
                target: &target,
                metric,
                train: &parts.train,
                validation: if stops { &parts.validation } else { &[] },
                seed: Seed(run as u64),
                clock: &Clock::unlimited(),
            })
            .unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let judged = match part.as_str() {
            "test" => &parts.test,
            _ => &parts.validation,
        };
        let said = fitted
            .member
            .predict(&units, judged)
            .unwrap()
            .mixture()
            .unwrap();
        let score = metric.score(&said, &targets.select(judged)).unwrap();
        let epochs = fitted.history.last().map_or(0.0, |look| look.epoch);
        println!(
            "{run}: {} {:.2} % on {part}, {seconds:.1} s, {epochs} epochs, {} parameters",
            metric.name(),
            100.0 * score,
            fitted.member.parameters()
        );
        scores.push(100.0 * score);
    }
    let mean = scores.iter().sum::<f64>() / runs as f64;
    let variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
    let sd = (variance / (runs.max(2) - 1) as f64).sqrt();
    println!("mean {mean:.2} ± {sd:.2} over {runs}");
}
