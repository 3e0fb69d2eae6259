//! Models of graphs, of every kind.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph::{Body, Graph, GraphLearner, GraphUnits, NodeFeatures, SparseFeatures, Unit};
use candor_train::{Assignment, FittedMember, Learner, Member};
use rand::RngExt;

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;
#[path = "../../../train/tests/support/split.rs"]
mod split;

const NODES: usize = 120;

fn blocks() -> (GraphUnits, Targets) {
    blocks_of(NODES)
}

/// Two blocks: nodes are mostly joined inside their own, and features hardly tell the blocks apart. A node has about eight neighbours.
fn blocks_of(nodes: usize) -> (GraphUnits, Targets) {
    let stream = &mut Seed(7).stream("blocks", &[]);
    let class = |node: usize| (node % 2) as u32;
    let mut pairs = Vec::new();
    for a in 0..nodes {
        for b in a + 1..nodes {
            let chance = if class(a) == class(b) { 14.4 } else { 1.2 } / nodes as f64;
            if stream.random_bool(chance) {
                pairs.push((a as u32, b as u32));
            }
        }
    }
    let mut values = Vec::new();
    let mut cells = Vec::new();
    for node in 0..nodes {
        let noise = stream.random_range(-1.0..1.0);
        values.extend([0.3 * class(node) as f32 + noise, (node % 3) as f32]);
        cells.extend((0..6).map(|_| (node as u32, stream.random_range(0..200u32), 1.0)));
    }
    let kinds = vec![
        FeatureKind::Numeric,
        FeatureKind::Categorical { cardinality: 3 },
    ];
    let features = NodeFeatures {
        table: Matrix::new(nodes, kinds, values).unwrap(),
        apart: Some(SparseFeatures::new(nodes, 200, cells)),
    };
    let (graph, _) = Graph::new(nodes, &pairs, None, false);
    let ids = (0..nodes).map(|node| format!("n{node}")).collect();
    let targets = Targets::Classes((0..nodes).map(class).collect());
    (GraphUnits::whole(graph, features, ids), targets)
}

/// A random graph where the target of a node is its own number, plus the mean of its neighbours' numbers, plus noise of a standard deviation.
fn numbers(nodes: usize, noise: f64) -> (GraphUnits, Targets) {
    let (mut units, _) = blocks_of(nodes);
    let stream = &mut Seed(8).stream("numbers", &[]);
    let own: Vec<f32> = (0..nodes).map(|_| stream.random_range(-1.0..1.0)).collect();
    let mut sums = vec![(0.0, 0.0); nodes];
    for &(a, b) in units.graph.edges() {
        for (to, from) in [(a, b), (b, a)] {
            let (sum, count) = &mut sums[to as usize];
            *sum += own[from as usize];
            *count += 1.0_f32;
        }
    }
    let of_neighbours = sums.iter().map(|(sum, count)| sum / count.max(1.0));
    // Twelve uniform numbers are nearly a normal one.
    let mut normal = || (0..12).map(|_| stream.random_range(-0.5..0.5)).sum::<f64>();
    let values = own
        .iter()
        .zip(of_neighbours)
        .map(|(own, near)| own + 2.0 * near + (noise * normal()) as f32);
    let targets = Targets::Values {
        width: 1,
        values: values.collect(),
    };
    units.features = NodeFeatures {
        table: Matrix::new(nodes, vec![FeatureKind::Numeric], own).unwrap(),
        apart: None,
    }
    .into();
    (units, targets)
}

fn target() -> Target {
    Target {
        task: Task::Binary,
        names: vec!["block".into()],
        classes: vec!["0".into(), "1".into()],
    }
}

fn fitted(design: &Design, units: &GraphUnits, targets: &Targets) -> FittedMember {
    let order: Vec<usize> = (0..NODES).collect();
    GraphLearner::new(Task::Binary, Unit::Node)
        .unwrap()
        .fit(&Assignment {
            design,
            units: &units.clone().units(),
            targets,
            target: &target(),
            metric: Metric::LogLoss,
            train: &order[..40],
            validation: &order[40..70],
            seed: Seed(1),
            clock: &Clock::unlimited(),
        })
        .unwrap()
}

fn designs() -> Vec<Design> {
    let networks = Body::NAMES.into_iter().map(|model| {
        let design = Design::new()
            .with("model", model)
            .with("epochs", 36)
            .with("width", 8);
        design.with("layers", 3).with("edge_dropout", 0.2)
    });
    let others = ["trivial", "linear", "boosting", "label_propagation"];
    let others = others
        .into_iter()
        .map(|model| Design::new().with("model", model));
    let options = Design::new()
        .with("model", "sage")
        .with("epochs", 36)
        .with("layers", 3);
    let options = [
        options
            .clone()
            .with("residual", "skip")
            .with("norm", "layer")
            .with("aggregator", "max"),
        options
            .clone()
            .with("residual", "linear")
            .with("norm", "graph")
            .with("model", "gcn"),
        options
            .clone()
            .with("jumping", true)
            .with("by_rows", false)
            .with("model", "gatv2"),
        options
            .with("sample", 16)
            .with("senders", 3)
            .with("edge_dropout", 0.2),
    ];
    networks.chain(others).chain(options).collect()
}

fn probabilities(member: &dyn Member, units: &GraphUnits, nodes: &[usize]) -> Vec<f32> {
    let said = member
        .predict(&units.clone().units(), nodes)
        .unwrap()
        .mixture()
        .unwrap();
    match said {
        Distribution::Categorical { probabilities, .. } => probabilities,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_order_of_nodes_changes_nothing_and_neither_do_other_questions() {
    let (units, targets) = blocks();
    let order: Vec<usize> = (0..NODES).map(|i| (i * 77) % NODES).collect();
    let reordered = GraphUnits {
        graph: units.graph.reordered(&order).into(),
        features: units.features.select(&order).into(),
        ..units.clone()
    };
    // Of a reordered graph label propagation would know no label: it is held against itself in its own tests.
    for design in designs()
        .iter()
        .filter(|d| d.get("model").unwrap() != "label_propagation")
    {
        let member = fitted(design, &units, &targets).member;
        let asked: Vec<usize> = (0..NODES).collect();
        let all = probabilities(&*member, &units, &asked);
        let there = probabilities(&*member, &reordered, &asked);
        for (place, &node) in order.iter().enumerate() {
            for class in 0..2 {
                let (a, b) = (all[2 * node + class], there[2 * place + class]);
                assert!((a - b).abs() < 1e-5, "{design:?}: {a} {b}");
            }
        }
        let few = probabilities(&*member, &units, &[5, 3]);
        assert!(
            few[..2]
                .iter()
                .zip(&all[10..12])
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }
}

#[test]
fn saved_and_loaded_every_member_says_the_same() {
    let (units, targets) = blocks();
    let learner = GraphLearner::new(Task::Binary, Unit::Node).unwrap();
    let all: Vec<usize> = (0..NODES).collect();
    for design in designs() {
        let member = fitted(&design, &units, &targets).member;
        let saved = member.save().unwrap();
        // In a bundle the description is a file with this ending.
        assert_ne!(saved.extension, "json", "{design:?}");
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        let said = probabilities(&*member, &units, &all);
        assert_eq!(probabilities(&*loaded, &units, &all), said, "{design:?}");
        assert!(said.iter().all(|p| p.is_finite()));
        // Cut short, or of another model.
        let cut = &saved.numbers[..saved.numbers.len() / 2];
        assert!(learner.load(&saved.description, cut).is_err(), "{design:?}");
        assert!(
            learner
                .load(&serde_json::json!({"member": "network"}), &[])
                .is_err()
        );
    }
}

#[test]
fn the_same_bits_with_one_thread_and_with_two() {
    let (units, targets) = blocks();
    let all: Vec<usize> = (0..NODES).collect();
    for design in designs() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let member = fitted(&design, &units, &targets).member;
                probabilities(&*member, &units, &all)
            })
        };
        assert_eq!(on(1), on(2), "{design:?}");
    }
}

#[test]
fn edges_help_where_they_tell_the_class() {
    let (units, targets) = blocks();
    let test: Vec<usize> = (70..NODES).collect();
    let accuracy = |model: &str| {
        let design = Design::new()
            .with("model", model)
            .with("width", 16)
            .with("layers", 2);
        let member = fitted(&design, &units, &targets).member;
        let said = member
            .predict(&units.clone().units(), &test)
            .unwrap()
            .mixture()
            .unwrap();
        Metric::Accuracy
            .score(&said, &targets.select(&test))
            .unwrap()
    };
    let without = accuracy("mlp");
    for model in [
        "gcn",
        "sage",
        "gatv2",
        "gin",
        "appnp",
        "gcnii",
        "label_propagation",
    ] {
        let with = accuracy(model);
        assert!(
            with >= 0.8 && with > without + 0.1,
            "{model}: {with}, without edges {without}"
        );
    }
}

#[test]
fn steps_on_samples_learn_what_steps_on_the_whole_graph_do() {
    let (units, targets) = blocks();
    let test: Vec<usize> = (70..NODES).collect();
    for model in ["gcn", "sage", "gatv2", "gin"] {
        let design = Design::new().with("model", model).with("width", 16);
        let design = design.with("sample", 20).with("senders", 4);
        let member = fitted(&design, &units, &targets).member;
        let said = member.predict(&units.clone().units(), &test).unwrap();
        let said = said.mixture().unwrap();
        let accuracy = Metric::Accuracy.score(&said, &targets.select(&test));
        assert!(accuracy.clone().unwrap() >= 0.8, "{model}: {accuracy:?}");
    }
}

#[test]
fn labels_of_other_nodes_than_the_training_ones_are_never_looked_at() {
    let (units, targets) = blocks();
    let Targets::Classes(classes) = &targets else {
        unreachable!()
    };
    // All labels outside training and validation are turned round.
    let turned = |node: usize, class: u32| if node < 70 { class } else { 1 - class };
    let turned = Targets::Classes(
        classes
            .iter()
            .enumerate()
            .map(|(n, &c)| turned(n, c))
            .collect(),
    );
    let all: Vec<usize> = (0..NODES).collect();
    for design in designs() {
        let said = |targets: &Targets| {
            probabilities(&*fitted(&design, &units, targets).member, &units, &all)
        };
        assert_eq!(said(&targets), said(&turned), "{design:?}");
    }
}

#[test]
fn designs_by_human_hand_are_in_the_space() {
    for task in [Task::Binary, Task::Regression] {
        let learner = GraphLearner::new(task, Unit::Node).unwrap();
        for by_hand in learner.hand_made().iter().filter(|h| !h.baseline) {
            let checked = learner.space().check(&by_hand.design);
            assert!(checked.is_ok(), "{}: {checked:?}", by_hand.name);
        }
    }
}

#[test]
fn numbers_and_labels_are_predicted_too() {
    let (units, targets) = blocks();
    let Targets::Classes(classes) = &targets else {
        unreachable!()
    };
    let numbers = Targets::Values {
        width: 1,
        values: classes.iter().map(|&c| 100.0 + 50.0 * c as f32).collect(),
    };
    let labels = Targets::Labels {
        width: 2,
        values: classes
            .iter()
            .enumerate()
            .flat_map(|(n, &c)| [Some(c == 1), (n % 5 != 0).then_some(c == 0)])
            .collect(),
    };
    let order: Vec<usize> = (0..NODES).collect();
    for (task, targets, names) in [
        (Task::Regression, numbers, vec!["number".to_owned()]),
        (
            Task::Multilabel,
            labels,
            vec!["one".to_owned(), "other".to_owned()],
        ),
    ] {
        let learner = GraphLearner::new(task, Unit::Node).unwrap();
        for model in ["gcn", "mlp", "label_propagation", "linear", "boosting"] {
            let target = Target {
                task,
                names: names.clone(),
                classes: if task == Task::Multilabel {
                    vec!["0".into(), "1".into()]
                } else {
                    vec![]
                },
            };
            let fitted = learner
                .fit(&Assignment {
                    design: &Design::new().with("model", model).with("epochs", 200),
                    units: &units.clone().units(),
                    targets: &targets,
                    target: &target,
                    metric: Metric::default_for(task),
                    train: &order[..40],
                    validation: &order[40..70],
                    seed: Seed(1),
                    clock: &Clock::unlimited(),
                })
                .unwrap();
            let said = fitted
                .member
                .predict(&units.clone().units(), &order[70..])
                .unwrap();
            let truth = targets.select(&order[70..]);
            let score = Metric::default_for(task).score(&said.mixture().unwrap(), &truth);
            assert!(score.unwrap().is_finite(), "{model}");
        }
    }
}

/// With nothing that keeps a network from learning by heart.
fn by_heart() -> Design {
    Design::new()
        .with("model", "sage")
        .with("epochs", 600)
        .with("dropout", 0.0)
        .with("weight_decay", 0.0)
}

#[test]
fn the_doubt_of_nodes_is_split_as_it_should_be() {
    let of = |noise: f32| {
        let (units, targets) = numbers(1_200, f64::from(noise));
        split::Problem {
            learner: Box::new(GraphLearner::new(Task::Regression, Unit::Node).unwrap()),
            units: units.units(),
            targets,
            each: 1,
            design: by_heart().with("width", 16),
        }
    };
    let sizes = split::Sizes {
        learned: 40,
        watched: 0,
        held: 560,
        steps: 600,
        left: 0.5f64.sqrt(),
        apart: 0.2,
    };
    split::the_split_is_real(&of, 0.5, sizes);
}

#[test]
fn classes_of_nodes_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let (units, targets) = blocks_of(600);
    let problem = split::Problem {
        learner: Box::new(GraphLearner::new(Task::Binary, Unit::Node).unwrap()),
        units: units.units(),
        targets,
        each: 1,
        design: by_heart().with("width", 32),
    };
    split::coins_are_learned_by_heart(problem, 60, 600);
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_node_and_come_back_from_files() {
    let (units, targets) = blocks();
    let learner = GraphLearner::new(Task::Binary, Unit::Node).unwrap();
    let networks = designs().into_iter().filter(|d| {
        let model = d.get("model").and_then(|m| m.as_str()).unwrap_or_default();
        Body::NAMES.contains(&model)
    });
    let designs: Vec<Design> = networks.map(|d| d.with("dropout", 0.3)).collect();
    let fit = |design: &Design| fitted(design, &units, &targets);
    let methods = learner.uncertainty_methods();
    let all = units.clone().units();
    doubting::every_method(&learner, methods, &designs, &fit, &all, 1e-3);
}
