//! What a network rests on when it predicts a node, as a picture.
//!
//! `cargo run --release -p candor-graph --example explain -- DATA NODE PICTURE.svg --set model=gcn`
//!
//! The design is what `--set` says; parts are those that the source gives.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use candor_core::{Clock, Metric, Seed};
use candor_data::{SchemaOptions, decide_target, encode_targets, infer_schema};
use candor_design::Design;
use candor_graph::{
    Drawing, GraphLearner, GraphOptions, GraphSource, GraphUnits, InputSource, NodeFeatures, Unit,
    draw, read_graph,
};
use candor_train::{Assignment, Learner};
use serde_json::Value;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, node, picture, rest @ ..] = arguments.as_slice() else {
        panic!("a source, the id of a node, and a file for the picture are needed");
    };
    let mut design = Design::new().with("model", "gcn");
    for setting in rest.iter().filter(|word| *word != "--set") {
        let (name, value) = setting.split_once('=').unwrap();
        let value = serde_json::from_str(value).unwrap_or(Value::String(value.into()));
        design = design.with(name, value);
    }
    let source = GraphSource::detect(path.as_ref()).unwrap();
    let read = read_graph(&source, &GraphOptions::default()).unwrap();
    let schema = infer_schema(&read.table, &SchemaOptions::default()).unwrap();
    let target = decide_target(&read.table, &schema, &[], Some("label"), None)
        .unwrap()
        .target;
    let targets = encode_targets(&read.table, &target).unwrap().targets;
    let parts = read.parts.unwrap();
    let (apart, names) = read.apart.unzip();
    let names = names.flatten();
    let features = NodeFeatures {
        table: candor_baselines::Matrix::new(read.ids.len(), vec![], vec![]).unwrap(),
        apart,
    };
    let index = read.ids.iter().position(|id| id == node).unwrap();
    let units = GraphUnits::whole(read.graph, features, read.ids.clone()).units();
    let learner = GraphLearner::new(target.task, Unit::Node).unwrap();
    let fitted = learner
        .fit(&Assignment {
            design: &design,
            units: &units,
            targets: &targets,
            target: &target,
            metric: Metric::LogLoss,
            train: &parts.train,
            validation: &parts.validation,
            seed: Seed(0),
            clock: &Clock::unlimited(),
        })
        .unwrap();
    let saved = fitted.member.save().unwrap();
    let explained = GraphLearner::explain(&saved.description, &saved.numbers, &units, index, None)
        .unwrap()
        .unwrap();
    for (a, b, worth) in explained.edges.iter().take(10) {
        let (a, b) = (&read.ids[*a as usize], &read.ids[*b as usize]);
        println!("edge {a} - {b}: {worth:.2}");
    }
    let feature = |source: InputSource| match (source, &names) {
        (InputSource::Apart(place), Some(names)) => format!("feature {}", names[place]),
        (InputSource::Apart(place), None) => format!("feature {place}"),
        (InputSource::Table(place), _) => format!("column {place}"),
        (InputSource::Edges, _) => "number of edges".to_owned(),
    };
    for (source, worth) in explained.features.iter().take(10) {
        println!("{}: {worth:.2}", feature(*source));
    }
    let svg = draw(&Drawing {
        explanation: &explained,
        node: &|node| read.ids[node as usize].clone(),
        feature: &feature,
        title: &format!("What the prediction of node {node} rests on"),
    });
    std::fs::write(picture, svg).unwrap();
}
