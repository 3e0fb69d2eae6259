//! What predictions rest on, where it is known.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph::{Graph, GraphLearner, GraphUnits, InputSource, NodeFeatures, Unit};
use candor_train::{Assignment, Learner};
use rand::RngExt;

const STARS: usize = 80;
/// Nodes of a star: its centre, the one that tells, and others that do not.
const NODES: usize = 6;

/// Stars whose centre has the class of one of its neighbours' first number, which all others lack; the second number is noise.
fn stars() -> (GraphUnits, Targets, Vec<u32>) {
    let stream = &mut Seed(3).stream("stars", &[]);
    let (mut pairs, mut values, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    let mut tellers = Vec::new();
    for star in 0..STARS {
        let first = (star * NODES) as u32;
        let teller = first + stream.random_range(1..NODES as u32);
        let class = u32::from(stream.random_bool(0.5));
        for node in first..first + NODES as u32 {
            let told = if node == teller {
                2.0 * class as f32 - 1.0
            } else {
                0.0
            };
            values.extend([told, stream.random_range(-1.0..1.0)]);
            classes.push(class);
            if node > first {
                pairs.push((first, node));
            }
        }
        tellers.push(teller);
    }
    let nodes = STARS * NODES;
    let features = NodeFeatures {
        table: Matrix::new(nodes, vec![FeatureKind::Numeric; 2], values).unwrap(),
        apart: None,
    };
    let (graph, _) = Graph::new(nodes, &pairs, None, false);
    let ids = (0..nodes).map(|node| node.to_string()).collect();
    let units = GraphUnits::whole(graph, features, ids);
    (units, Targets::Classes(classes), tellers)
}

#[test]
fn the_edge_and_the_feature_that_tell_are_found() {
    let (units, targets, tellers) = stars();
    let centres: Vec<usize> = (0..STARS).map(|star| star * NODES).collect();
    let units = units.units();
    let learner = GraphLearner::new(Task::Binary, Unit::Node).unwrap();
    let saved = |design: &Design| {
        let assignment = Assignment {
            design,
            units: &units,
            targets: &targets,
            target: &Target {
                task: Task::Binary,
                names: vec!["class".into()],
                classes: vec!["0".into(), "1".into()],
            },
            metric: Metric::LogLoss,
            train: &centres[..50],
            validation: &centres[50..60],
            seed: Seed(1),
            clock: &Clock::unlimited(),
        };
        learner.fit(&assignment).unwrap().member.save().unwrap()
    };
    let (mut found, mut right) = (Vec::new(), true);
    for model in ["gcn", "sage", "gatv2", "gin"] {
        let design = Design::new().with("model", model).with("width", 16);
        let saved = saved(&design.with("dropout", 0.0).with("weight_decay", 0.0));
        let (mut teller_worth, mut others_worth, mut features) = (0.0, 0.0, 0);
        for (star, &teller) in tellers.iter().enumerate().skip(60) {
            let centre = (star * NODES) as u32;
            let (description, numbers) = (&saved.description, &saved.numbers);
            let explained = GraphLearner::explain(description, numbers, &units, star * NODES, None);
            let explained = explained.unwrap().unwrap();
            assert_eq!(explained.node, Some(centre));
            assert_eq!(explained.edges.len(), NODES - 1);
            assert!(
                explained
                    .edges
                    .iter()
                    .all(|(_, _, w)| (0.0..=1.0).contains(w))
            );
            let tells = |(a, b, _): &&(u32, u32, f32)| (*a, *b) == (centre, teller);
            let worth = explained.edges.iter().find(tells).unwrap().2;
            let all: f32 = explained.edges.iter().map(|(_, _, worth)| worth).sum();
            teller_worth += worth / 20.0;
            others_worth += (all - worth) / (NODES - 2) as f32 / 20.0;
            features += usize::from(explained.features[0].0 == InputSource::Table(0));
        }
        found.push(format!(
            "{model}: {teller_worth:.2} against {others_worth:.2}, {features} features of 20"
        ));
        right &= teller_worth > others_worth + 0.25 && features >= 17;
    }
    assert!(right, "{found:?}");
    // What is no network has no masks.
    let design = Design::new().with("model", "label_propagation");
    let saved = saved(&design);
    let explained = GraphLearner::explain(&saved.description, &saved.numbers, &units, 0, None);
    assert_eq!(explained.unwrap(), None);
}
