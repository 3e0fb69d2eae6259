//! Models of pairs of nodes, of every kind.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph::{Body, DrawnPairs, Graph, GraphUnits, NodeFeatures, PairLearner, PairUnits};
use candor_train::{Assignment, FittedMember, Learner, Member};
use rand::RngExt;

const NODES: usize = 240;
const BLOCKS: usize = 6;

/// Blocks of nodes that are mostly joined inside their own, and pairs of their nodes: the units, what is true of them, and the whole graph.
/// With `features` there is a number that hints at the block.
fn blocks(features: bool) -> (PairUnits, Targets, Graph) {
    let stream = &mut Seed(5).stream("blocks", &[]);
    let mut edges = Vec::new();
    for a in 0..NODES {
        for b in a + 1..NODES {
            let chance = if a % BLOCKS == b % BLOCKS { 0.3 } else { 0.01 };
            if stream.random_bool(chance) {
                edges.push((a as u32, b as u32));
            }
        }
    }
    let (graph, _) = Graph::new(NODES, &edges, None, false);
    let (columns, values) = match features {
        false => (vec![], vec![]),
        true => {
            let hint = |node: usize| (node % BLOCKS) as f32;
            let mut number = |node| hint(node) + stream.random_range(-2.0..2.0f32);
            (
                vec![FeatureKind::Numeric],
                (0..NODES).map(&mut number).collect(),
            )
        }
    };
    let features = NodeFeatures {
        table: Matrix::new(NODES, columns, values).unwrap(),
        apart: None,
    };
    let ids = (0..NODES).map(|node| format!("n{node}")).collect();
    let drawn = DrawnPairs::draw(&graph, 10_000, Seed(2));
    let whole = GraphUnits::whole(graph.clone(), features, ids);
    let (others, _) = Graph::new(NODES, &drawn.others, None, false);
    let seen = GraphUnits {
        graph: others.into(),
        ..whole
    };
    let classes = drawn.joined.iter().map(|&joined| u32::from(joined));
    let targets = Targets::Classes(classes.collect());
    (PairUnits::new(seen, drawn.pairs), targets, graph)
}

/// The parts of so many pairs: learned from, chosen on, tested on.
fn parts(pairs: usize) -> [Vec<usize>; 3] {
    let (a, b) = (pairs * 3 / 5, pairs * 4 / 5);
    [(0..a).collect(), (a..b).collect(), (b..pairs).collect()]
}

fn fitted(design: &Design, units: &PairUnits, targets: &Targets) -> FittedMember {
    let [train, validation, _] = parts(units.which.len());
    PairLearner::new()
        .unwrap()
        .fit(&Assignment {
            design,
            units: &units.clone().units(),
            targets,
            target: &Target {
                task: Task::Binary,
                names: vec!["edges".into()],
                classes: vec!["absent".into(), "present".into()],
            },
            metric: Metric::LogLoss,
            train: &train,
            validation: &validation,
            seed: Seed(1),
            clock: &Clock::unlimited(),
        })
        .unwrap()
}

fn said(member: &dyn Member, units: &PairUnits, indices: &[usize]) -> Distribution {
    let said = member.predict(&units.clone().units(), indices).unwrap();
    said.mixture().unwrap()
}

fn probabilities(member: &dyn Member, units: &PairUnits, indices: &[usize]) -> Vec<f32> {
    match said(member, units, indices) {
        Distribution::Categorical { probabilities, .. } => probabilities,
        other => panic!("{other:?}"),
    }
}

const TABLES: [&str; 7] = [
    "trivial",
    "linear",
    "boosting",
    "common_neighbours",
    "adamic_adar",
    "resource_allocation",
    "preferential_attachment",
];

/// Every kind of model, made small.
fn designs() -> Vec<Design> {
    let networks = Body::NAMES.into_iter().enumerate().map(|(number, model)| {
        let design = Design::new().with("model", model).with("epochs", 24);
        let decoder = ["product", "inner"][number % 2];
        let design = design.with("width", 8).with("decoder", decoder);
        design.with("edge_dropout", 0.1)
    });
    let sampled = Design::new().with("model", "sage").with("epochs", 24);
    let sampled = sampled.with("width", 8).with("sample", 64);
    let tables = TABLES.map(|model| Design::new().with("model", model));
    networks
        .chain([sampled.with("senders", 4)])
        .chain(tables)
        .collect()
}

#[test]
fn edges_inside_blocks_are_told_from_pairs_that_are_none() {
    for features in [false, true] {
        let (units, targets, _) = blocks(features);
        let [_, _, test] = parts(units.which.len());
        let truth = targets.select(&test);
        let auc = |design: &Design| {
            let member = fitted(design, &units, &targets).member;
            let said = said(&*member, &units, &test);
            Metric::RocAuc.score(&said, &truth).unwrap()
        };
        let learner = PairLearner::new().unwrap();
        let mut found: Vec<(String, f64)> = Vec::new();
        for by_hand in learner.hand_made() {
            let checked = learner.space().check(&by_hand.design);
            assert!(by_hand.baseline || checked.is_ok(), "{checked:?}");
            let quick = match by_hand.baseline {
                true => by_hand.design.clone(),
                false => by_hand.design.clone().with("epochs", 120).with("width", 32),
            };
            found.push((by_hand.name.to_owned(), auc(&quick)));
        }
        println!("{features}: {found:?}");
        let of = |part: &str| {
            let mut named = found.iter().filter(|(name, _)| name.contains(part));
            named.next().unwrap().1
        };
        // The same degrees for all; whom two nodes have in common tells nearly all that there is to tell.
        assert!(
            of("preferential") < 0.7 && of("majority") == 0.5,
            "{found:?}"
        );
        for (part, least) in [
            ("common", 0.7),
            ("Adamic", 0.7),
            ("allocation", 0.7),
            ("linear", 0.8),
            ("boosting", 0.8),
            ("GCN), products", 0.8),
            ("GraphSAGE", 0.8),
            ("auto-encoder", 0.65),
        ] {
            assert!(of(part) > least, "{part}: {found:?}");
        }
    }
}

#[test]
fn no_edge_that_is_judged_on_is_seen() {
    let (units, targets, whole) = blocks(true);
    let count = units.which.len();
    let [_, validation, test] = parts(count);
    // Nobody sees an edge that is a unit, but for those who learn from it.
    let background = units.graph.graph.edges();
    assert!(
        units
            .pairs
            .iter()
            .all(|&[a, b]| !background.contains(&(a, b)))
    );
    assert_eq!(background.len() + count / 2, whole.edges().len());
    let Targets::Classes(classes) = &targets else {
        unreachable!()
    };
    // Who turns what is true of the test part changes nothing that a model says of anything.
    let first = test[0];
    let numbered = classes.iter().enumerate();
    let turned = numbered.map(|(pair, &class)| if pair < first { class } else { 1 - class });
    let turned = Targets::Classes(turned.collect());
    let all: Vec<usize> = (0..count).collect();
    // The same pairs, of which those of the test part that are edges are no edges of the world either.
    for design in designs() {
        let member = fitted(&design, &units, &targets).member;
        let before = probabilities(&*member, &units, &all);
        let other = fitted(&design, &units, &turned).member;
        assert_eq!(probabilities(&*other, &units, &all), before, "{design:?}");
        // A model keeps the edges that it learned from, and no other.
        let saved = member.save().unwrap();
        let learned = saved.description["sight"]["learned"].as_array().unwrap();
        let learned: HashSet<(u64, u64)> = learned
            .iter()
            .map(|pair| (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap()))
            .collect();
        let nodes = units.nodes();
        for (pair, [a, b]) in nodes.iter().enumerate() {
            let kept = learned.contains(&(u64::from(*a), u64::from(*b)));
            assert_eq!(
                kept,
                pair < validation[0] && classes[pair] == 1,
                "{design:?}"
            );
        }
    }
}

#[test]
fn saved_and_loaded_every_member_says_the_same_whatever_else_is_asked() {
    let (units, targets, _) = blocks(false);
    let learner = PairLearner::new().unwrap();
    let [_, _, test] = parts(units.which.len());
    for design in designs() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let fit = || fitted(&design, &units, &targets).member;
            pool.build().unwrap().install(fit)
        };
        let member = on(1);
        let all = probabilities(&*member, &units, &test);
        assert!(all.iter().all(|p| p.is_finite()));
        let saved = member.save().unwrap();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(probabilities(&*loaded, &units, &test), all, "{design:?}");
        assert_eq!(probabilities(&*on(2), &units, &test), all, "{design:?}");
        let few = probabilities(&*member, &units.at(&test[..9]), &[7, 2]);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(
            near(&few[..2], &all[14..16]) && near(&few[2..], &all[4..6]),
            "{design:?}"
        );
        // Which of the two nodes stands first does not matter.
        let turned: Vec<[u32; 2]> = units.pairs.iter().map(|&[a, b]| [b, a]).collect();
        let turned = PairUnits {
            pairs: turned.into(),
            ..units.clone()
        };
        assert!(
            near(&probabilities(&*member, &turned, &test), &all),
            "{design:?}"
        );
    }
}

#[test]
fn damaged_members_are_refused() {
    let (units, targets, _) = blocks(true);
    let learner = PairLearner::new().unwrap();
    let design = Design::new()
        .with("model", "gcn")
        .with("epochs", 4)
        .with("width", 4);
    let saved = fitted(&design, &units, &targets).member.save().unwrap();
    for (part, value) in [
        ("/model/design/width", serde_json::json!(0)),
        ("/model/design/width", serde_json::json!(8)),
        ("/model/member", serde_json::json!("none")),
        (
            "/sight/preparation/numbers",
            serde_json::json!([[0.0, 1.0]]),
        ),
        ("/sight/preparation/numbers/0/1", serde_json::json!(0.0)),
        ("/sight/learned", serde_json::json!([[1]])),
    ] {
        let mut description = saved.description.clone();
        *description.pointer_mut(part).unwrap() = value;
        assert!(
            learner.load(&description, &saved.numbers).is_err(),
            "{part}"
        );
    }
    assert!(
        learner
            .load(&saved.description, &saved.numbers[..9])
            .is_err()
    );
    let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
    let (other, _, _) = blocks(false);
    assert!(loaded.predict(&other.units(), &[0]).is_err());
}
