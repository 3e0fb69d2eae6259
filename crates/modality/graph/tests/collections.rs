//! Models of many graphs, of every kind.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph::{Graph, GraphLearner, GraphUnits, NodeFeatures, Unit};
use candor_train::{Assignment, FittedMember, Learner, Member};
use rand::RngExt;
use rand::seq::SliceRandom;

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

const GRAPHS: usize = 90;

/// Six nodes in a ring (class 0), or each joined with each (class 1), with a chain of one to three nodes at the first; features say nothing.
/// `seed` orders the nodes of each graph.
fn rings(seed: u64) -> (GraphUnits, Targets) {
    let values_of = &mut Seed(7).stream("rings", &[]);
    let order_of = &mut Seed(seed).stream("order", &[]);
    let (mut pairs, mut starts) = (Vec::new(), vec![0usize]);
    let mut values = Vec::new();
    for graph in 0..GRAPHS {
        let tail = values_of.random_range(1..4usize);
        let nodes = 6 + tail;
        let first = starts[graph];
        let mut order: Vec<usize> = (0..nodes).collect();
        if seed > 0 {
            order.shuffle(order_of);
        }
        let mut own = vec![0.0f32; nodes];
        own.fill_with(|| values_of.random_range(-1.0..1.0));
        let place = |node: usize| (first + order[node]) as u32;
        for a in 0..6 {
            let joined = (a + 1..6).filter(|b| graph % 2 == 1 || b - a == 1 || b - a == 5);
            pairs.extend(joined.map(|b| (place(a), place(b))));
        }
        let chain = [0].into_iter().chain(6..nodes);
        pairs.extend(chain.zip(6..nodes).map(|(a, b)| (place(a), place(b))));
        let mut placed = vec![0.0; nodes];
        (0..nodes).for_each(|node| placed[order[node]] = own[node]);
        values.extend(placed.iter().flat_map(|&v| [v, f32::from(v > 0.0)]));
        starts.push(first + nodes);
    }
    let nodes = starts[GRAPHS];
    let kinds = vec![
        FeatureKind::Numeric,
        FeatureKind::Categorical { cardinality: 2 },
    ];
    let features = NodeFeatures {
        table: Matrix::new(nodes, kinds, values).unwrap(),
        apart: None,
    };
    let (graph, _) = Graph::new(nodes, &pairs, None, false);
    let ids = (0..GRAPHS).map(|graph| format!("g{graph}")).collect();
    let targets = Targets::Classes((0..GRAPHS).map(|graph| (graph % 2) as u32).collect());
    (
        GraphUnits::collection(graph, features, ids, starts),
        targets,
    )
}

fn target(task: Task) -> Target {
    let classes: &[&str] = match task {
        Task::Regression => &[],
        _ => &["0", "1"],
    };
    Target {
        task,
        names: vec!["rings".into()],
        classes: classes.iter().map(ToString::to_string).collect(),
    }
}

fn fitted(design: &Design, units: &GraphUnits, targets: &Targets, task: Task) -> FittedMember {
    let order: Vec<usize> = (0..GRAPHS).collect();
    GraphLearner::new(task, Unit::Graph)
        .unwrap()
        .fit(&Assignment {
            design,
            units: &units.clone().units(),
            targets,
            target: &target(task),
            metric: Metric::default_for(task),
            train: &order[..50],
            validation: &order[50..70],
            seed: Seed(1),
            clock: &Clock::unlimited(),
        })
        .unwrap()
}

/// Every kind of model with every readout, made small.
fn designs() -> Vec<Design> {
    let bodies = ["mlp", "gcn", "sage", "gatv2", "gin", "gcnii"];
    let networks = bodies.iter().enumerate().map(|(number, model)| {
        let readout = ["mean", "max", "sum"][number % 3];
        let design = Design::new().with("model", *model).with("epochs", 3);
        let norm = ["none", "graph", "layer"][number / 2];
        let design = design.with("width", 8).with("batch", 16).with("norm", norm);
        design.with("readout", readout).with("edge_dropout", 0.1)
    });
    let tables = ["trivial", "linear", "boosting"];
    let tables = tables
        .iter()
        .map(|model| Design::new().with("model", *model));
    networks.chain(tables).collect()
}

fn probabilities(member: &dyn Member, units: &GraphUnits, graphs: &[usize]) -> Vec<f32> {
    let said = member.predict(&units.clone().units(), graphs).unwrap();
    match said.mixture().unwrap() {
        Distribution::Categorical { probabilities, .. } => probabilities,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_order_of_nodes_changes_nothing_and_neither_do_other_questions() {
    let (units, targets) = rings(0);
    let (reordered, _) = rings(5);
    assert_ne!(units.graph.edges(), reordered.graph.edges());
    let all: Vec<usize> = (0..GRAPHS).collect();
    for design in designs() {
        let member = fitted(&design, &units, &targets, Task::Binary).member;
        let said = probabilities(&*member, &units, &all);
        let there = probabilities(&*member, &reordered, &all);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(&said, &there), "{design:?}");
        let few = probabilities(&*member, &units.at(&[8, 5, 3]), &[2, 1]);
        assert!(near(&few[..2], &said[6..8]) && near(&few[2..], &said[10..12]));
    }
}

#[test]
fn saved_and_loaded_every_member_says_the_same_as_with_other_threads() {
    let (units, targets) = rings(0);
    let learner = GraphLearner::new(Task::Binary, Unit::Graph).unwrap();
    let all: Vec<usize> = (0..GRAPHS).collect();
    for design in designs() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let fit = || fitted(&design, &units, &targets, Task::Binary).member;
            pool.build().unwrap().install(fit)
        };
        let member = on(1);
        let said = probabilities(&*member, &units, &all);
        assert!(said.iter().all(|p| p.is_finite()));
        let saved = member.save().unwrap();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(probabilities(&*loaded, &units, &all), said, "{design:?}");
        assert_eq!(probabilities(&*on(2), &units, &all), said, "{design:?}");
    }
}

#[test]
fn rings_are_told_from_cliques_by_those_who_look_at_edges() {
    let (units, targets) = rings(0);
    let test: Vec<usize> = (70..GRAPHS).collect();
    let accuracy = |design: &Design| {
        let member = fitted(design, &units, &targets, Task::Binary).member;
        let said = member.predict(&units.clone().units(), &test).unwrap();
        let said = said.mixture().unwrap();
        Metric::Accuracy
            .score(&said, &targets.select(&test))
            .unwrap()
    };
    // The closed paths of two edges are among the numbers of a graph's shape.
    let boosting = accuracy(&Design::new().with("model", "boosting"));
    assert!(boosting >= 0.95, "{boosting}");
    // Sums over neighbours count them; nodes without edges say nothing.
    let of = |model: &str, readout: &str| {
        let design = Design::new().with("model", model).with("readout", readout);
        let design = design
            .with("layers", 4)
            .with("width", 32)
            .with("norm", "layer");
        accuracy(&design.with("epochs", 120).with("learning_rate", 5e-3))
    };
    let (gin, mlp) = (of("gin", "sum"), of("mlp", "mean"));
    assert!(gin >= 0.9 && gin > mlp + 0.15, "gin {gin}, mlp {mlp}");
}

#[test]
fn numbers_of_graphs_are_predicted() {
    let (units, targets) = rings(0);
    let Targets::Classes(classes) = &targets else {
        unreachable!()
    };
    let numbers = Targets::Values {
        width: 1,
        values: classes.iter().map(|&c| 100.0 + 50.0 * c as f32).collect(),
    };
    let test: Vec<usize> = (70..GRAPHS).collect();
    for model in ["gin", "boosting", "linear"] {
        let design = Design::new().with("model", model).with("readout", "mean");
        let design = design.with("epochs", 150).with("dropout", 0.0);
        let member = fitted(&design, &units, &numbers, Task::Regression).member;
        let said = member.predict(&units.clone().units(), &test).unwrap();
        let said = said.mixture().unwrap();
        let error = Metric::Rmse.score(&said, &numbers.select(&test)).unwrap();
        // The mean of all is wrong by 25.
        assert!(error < 12.0, "{model}: {error}");
    }
}

#[test]
fn labels_of_graphs_that_are_not_learned_from_are_never_looked_at() {
    let (units, targets) = rings(0);
    let Targets::Classes(classes) = &targets else {
        unreachable!()
    };
    let numbered = classes.iter().enumerate();
    let turned = numbered.map(|(graph, &class)| if graph < 70 { class } else { 1 - class });
    let turned = Targets::Classes(turned.collect());
    let all: Vec<usize> = (0..GRAPHS).collect();
    for design in designs() {
        let said = |targets: &Targets| {
            let member = fitted(&design, &units, targets, Task::Binary).member;
            probabilities(&*member, &units, &all)
        };
        assert_eq!(said(&targets), said(&turned), "{design:?}");
    }
}

#[test]
fn what_says_something_of_nodes_alone_is_refused_and_what_is_by_hand_is_in_the_space() {
    let (units, targets) = rings(0);
    let learner = GraphLearner::new(Task::Binary, Unit::Graph).unwrap();
    let order: Vec<usize> = (0..GRAPHS).collect();
    for model in ["appnp", "label_propagation"] {
        let refused = learner.fit(&Assignment {
            design: &Design::new().with("model", model),
            units: &units.clone().units(),
            targets: &targets,
            target: &target(Task::Binary),
            metric: Metric::LogLoss,
            train: &order[..50],
            validation: &order[50..],
            seed: Seed(1),
            clock: &Clock::unlimited(),
        });
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("not of whole graphs"), "{error}");
    }
    for by_hand in learner.hand_made().iter().filter(|h| !h.baseline) {
        let checked = learner.space().check(&by_hand.design);
        assert!(checked.is_ok(), "{}: {checked:?}", by_hand.name);
    }
}

/// Random trees of 4 to 40 nodes, or rings, without features; the target is how many nodes there are.
fn counted(rings: bool) -> (GraphUnits, Targets) {
    let stream = &mut Seed(11).stream("counted", &[]);
    let (mut pairs, mut starts, mut values) = (Vec::new(), vec![0usize], Vec::new());
    for _ in 0..160 {
        let first = starts[starts.len() - 1];
        let nodes = stream.random_range(4..41usize);
        let place = |node: usize| (first + node) as u32;
        let mut older = |node: usize| match rings {
            true => place(node - 1),
            false => place(stream.random_range(0..node)),
        };
        pairs.extend((1..nodes).map(|node| (place(node), older(node))));
        if rings {
            pairs.push((place(0), place(nodes - 1)));
        }
        starts.push(first + nodes);
        values.push(nodes as f32);
    }
    let nodes = starts[starts.len() - 1];
    let features = NodeFeatures {
        table: Matrix::new(nodes, vec![], vec![]).unwrap(),
        apart: None,
    };
    let (graph, _) = Graph::new(nodes, &pairs, None, false);
    let ids = (0..160).map(|graph| graph.to_string()).collect();
    let units = GraphUnits::collection(graph, features, ids, starts);
    (units, Targets::Values { width: 1, values })
}

#[test]
fn sums_over_nodes_count_them() {
    let (units, targets) = counted(false);
    let order: Vec<usize> = (0..160).collect();
    let learner = GraphLearner::new(Task::Regression, Unit::Graph).unwrap();
    let fitted = |design: &Design, units: &GraphUnits, targets: &Targets| {
        let fitted = learner.fit(&Assignment {
            design,
            units: &units.clone().units(),
            targets,
            target: &target(Task::Regression),
            metric: Metric::Rmse,
            train: &order[..100],
            validation: &order[100..130],
            seed: Seed(1),
            clock: &Clock::unlimited(),
        });
        fitted.unwrap().member
    };
    let error = |member: &dyn Member, units: &GraphUnits, targets: &Targets| {
        let test = &order[130..];
        let said = member.predict(&units.clone().units(), test).unwrap();
        let said = said.mixture().unwrap();
        Metric::Rmse.score(&said, &targets.select(test)).unwrap()
    };
    // The hand-made design whose readout is a sum; numbers of nodes have a standard deviation of 10.7.
    let by_hand = learner.hand_made();
    let sum = by_hand
        .iter()
        .find(|h| h.name == "sums of neighbours (GIN)");
    let design = &sum.unwrap().design;
    let member = fitted(design, &units, &targets);
    let wrong = error(&*member, &units, &targets);
    assert!(wrong < 1.0, "{wrong}");
    // What sums are held against is saved with the model.
    let saved = member.save().unwrap();
    let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
    assert_eq!(error(&*loaded, &units, &targets), wrong);
    let mut damaged = saved.description;
    damaged["preparation"]["readout"][0][1] = serde_json::json!(-1.0);
    assert!(learner.load(&damaged, &saved.numbers).is_err());
    // Of nodes that are all alike, normalised over their graph, nothing is left: what little is left must not be blown up.
    let (rings, sizes) = counted(true);
    let wrong = error(&*fitted(design, &rings, &sizes), &rings, &sizes);
    assert!(wrong < 16.0, "{wrong}");
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_graph_and_come_back_from_files() {
    let (units, targets) = rings(0);
    let learner = GraphLearner::new(Task::Binary, Unit::Graph).unwrap();
    let networks = designs().into_iter().take(6);
    let designs: Vec<Design> = networks.map(|d| d.with("dropout", 0.3)).collect();
    let fit = |design: &Design| fitted(design, &units, &targets, Task::Binary);
    let methods = learner.uncertainty_methods();
    let all = units.clone().units();
    doubting::every_method(&learner, methods, &designs, &fit, &all, 1e-3);
}
