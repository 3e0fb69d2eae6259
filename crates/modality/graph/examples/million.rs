//! A generated graph of a million nodes and ten million edges: time and memory of training, and of predicting all nodes.
//!
//! `cargo run --release -p candor-graph --example million -- --memory 1 --set model=sage --set width=64`
//!
//! Ten classes; an edge joins two nodes of one class six times in ten, else any two; sixteen numbers a node, each with a trace of the
//! class. `--memory` are the GiB that a step of training may take: where the whole graph needs more, steps look at samples of it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph::{Graph, GraphLearner, GraphUnits, NodeFeatures, Unit};
use candor_kernels::Recycler;
use candor_train::{Assignment, Learner};
use rand::RngExt;
use serde_json::Value;

#[global_allocator]
static MEMORY: Recycler = Recycler::new();

const CLASSES: usize = 10;
const FEATURES: usize = 16;
/// Share of edges that join two nodes of one class whatever chance says.
const JOINED: f64 = 0.6;
/// How far the numbers of two classes lie apart, in standard deviations of the noise.
const TRACE: f32 = 0.15;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut nodes, mut edges, mut seed, mut memory) = (1_000_000, 10_000_000, 0, 4.0f64);
    let mut design = Design::new();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap();
        match argument.as_str() {
            "--nodes" => nodes = value.parse().unwrap(),
            "--edges" => edges = value.parse().unwrap(),
            "--seed" => seed = value.parse().unwrap(),
            "--memory" => memory = value.parse().unwrap(),
            "--set" => {
                let (name, value) = value.split_once('=').unwrap();
                let value = serde_json::from_str(value).unwrap_or(Value::String(value.into()));
                design = design.with(name, value);
            }
            other => panic!("`{other}` is not known"),
        }
    }
    if design.get("model").is_none() {
        design = design.with("model", "sage");
    }
    MEMORY.keep_at_most(64 << 20);
    let seed = Seed(seed);
    let started = Instant::now();
    let (units, targets) = generated(nodes, edges, seed);
    println!(
        "{nodes} nodes, {} edges, {FEATURES} features: {:.1} s to make, {}",
        units.graph.edges().len(),
        started.elapsed().as_secs_f64(),
        resident(),
    );
    let units = units.units();
    let (train, rest): (Vec<usize>, Vec<usize>) = (0..nodes).partition(|node| node % 10 < 6);
    let (validation, test): (Vec<usize>, Vec<usize>) =
        rest.into_iter().partition(|node| node % 100 == 9);
    let started = Instant::now();
    let fitted = GraphLearner::new(Task::Multiclass, Unit::Node)
        .unwrap()
        .within((memory * f64::from(1 << 30)) as u64)
        .fit(&Assignment {
            design: &design,
            units: &units,
            targets: &targets,
            target: &Target {
                task: Task::Multiclass,
                names: vec!["class".into()],
                classes: (0..CLASSES).map(|class| class.to_string()).collect(),
            },
            metric: Metric::Accuracy,
            train: &train,
            validation: &validation,
            seed,
            clock: &Clock::unlimited(),
        })
        .unwrap();
    let last = fitted.history.last().unwrap();
    println!(
        "trained in {:.1} s, {:.1} passes over {} nodes, {} parameters, {}",
        started.elapsed().as_secs_f64(),
        last.epoch,
        train.len(),
        fitted.member.parameters(),
        resident(),
    );
    let started = Instant::now();
    let all: Vec<usize> = (0..nodes).collect();
    let said = fitted.member.predict(&units, &all).unwrap();
    let said = said.mixture().unwrap().select(&test);
    let score = Metric::Accuracy
        .score(&said, &targets.select(&test))
        .unwrap();
    println!(
        "all nodes predicted in {:.1} s, {}; accuracy on {} test nodes {:.2} %",
        started.elapsed().as_secs_f64(),
        resident(),
        test.len(),
        100.0 * score
    );
    let started = Instant::now();
    fitted.member.predict(&units, &[17]).unwrap();
    println!("one node in {:.2} s", started.elapsed().as_secs_f64());
}

fn generated(nodes: usize, edges: usize, seed: Seed) -> (GraphUnits, Targets) {
    let stream = &mut seed.stream("million", &[]);
    let class = |node: usize| node * 7919 % 65_537 % CLASSES;
    let mut of_class = vec![Vec::new(); CLASSES];
    (0..nodes).for_each(|node| of_class[class(node)].push(node as u32));
    let pairs: Vec<(u32, u32)> = (0..edges)
        .map(|_| {
            let from = stream.random_range(0..nodes);
            let to = match stream.random_bool(JOINED) {
                true => {
                    let same = &of_class[class(from)];
                    same[stream.random_range(0..same.len())]
                }
                false => stream.random_range(0..nodes as u32),
            };
            (from as u32, to)
        })
        .collect();
    let (graph, _) = Graph::new(nodes, &pairs, None, false);
    let values: Vec<f32> = (0..nodes * FEATURES)
        .map(|place| {
            let shifted = place % FEATURES == class(place / FEATURES);
            // Three numbers from -1 to 1 have a variance of a third each.
            let noise: f32 = (0..3).map(|_| 2.0 * stream.random::<f32>() - 1.0).sum();
            noise + if shifted { TRACE } else { 0.0 }
        })
        .collect();
    let features = NodeFeatures {
        table: Matrix::new(nodes, vec![FeatureKind::Numeric; FEATURES], values).unwrap(),
        apart: None,
    };
    let ids = (0..nodes).map(|node| node.to_string()).collect();
    let targets = Targets::Classes((0..nodes).map(|node| class(node) as u32).collect());
    (GraphUnits::whole(graph, features, ids), targets)
}

/// The greatest resident memory so far, where the system tells it.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or("peak memory unknown".into(), |kib| {
        format!("peak {:.0} MB", kib * 1024.0 / 1e6)
    })
}
