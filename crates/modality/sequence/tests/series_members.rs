//! What every model of series must do: learn what is there to learn, give the same again, and survive its files.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use burn::tensor::Device;
use candor_core::{Clock, Interrupt, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_nn::Pass;
use candor_sequence::body::CausalConvolutions;
use candor_sequence::{
    BodyKind, Preparation, PreparedSequences, Scaling, SequenceDesign, SequenceLearner,
    SequenceUnits, SeriesSet,
};
use candor_train::{Assignment, Batches, FittedMember, Learner, Member, MemberError, Units};
use rand::RngExt;
use serde_json::{Value, json};

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

/// Series of two channels, of several lengths; a bump in the first is early or late, which is the class.
fn bumps(count: usize) -> SeriesSet {
    let mut rng = Seed(3).stream("series", &[]);
    let mut series = SeriesSet::new(2);
    for unit in 0..count {
        let length = 24 + unit % 5;
        let mut noise = || -> Vec<f32> { (0..length).map(|_| rng.random::<f32>() * 0.4).collect() };
        let (mut first, second) = (noise(), noise());
        let start = if unit % 2 == 0 { 3 } else { 15 };
        for value in &mut first[start..start + 5] {
            *value += 1.0;
        }
        series.push(&[first, second]);
    }
    series
}

fn target(task: Task, classes: usize) -> Target {
    Target {
        task,
        names: vec!["y".into()],
        classes: (0..classes).map(|c| c.to_string()).collect(),
    }
}

struct Problem {
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
    train: Vec<usize>,
    validation: Vec<usize>,
    clock: Clock,
}

impl Problem {
    /// What the bump says.
    fn of_bumps() -> Problem {
        Problem {
            units: SequenceUnits::units(bumps(48)),
            targets: Targets::Classes((0..48).map(|i| i % 2).collect()),
            target: target(Task::Binary, 2),
            metric: Metric::Accuracy,
            train: (0..32).collect(),
            validation: (32..48).collect(),
            clock: Clock::unlimited().with_steps(Some(250)),
        }
    }

    /// Eight series with classes that say nothing of them.
    fn by_heart() -> Problem {
        Problem {
            units: SequenceUnits::units(bumps(8)),
            targets: Targets::Classes(vec![0, 1, 2, 0, 1, 2, 0, 1]),
            target: target(Task::Multiclass, 3),
            train: (0..8).collect(),
            validation: Vec::new(),
            ..Problem::of_bumps()
        }
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        let learner = SequenceLearner::new(2, self.target.task).unwrap();
        learner.fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric: self.metric,
            train: &self.train,
            validation: &self.validation,
            seed: Seed(5),
            clock: &self.clock,
        })
    }

    fn score(&self, member: &dyn Member, part: &[usize]) -> f64 {
        let said = member.predict(&self.units, part).unwrap().mixture();
        let truth = self.targets.select(part);
        self.metric.score(&said.unwrap(), &truth).unwrap()
    }
}

/// A small design of each body.
fn networks() -> Vec<Design> {
    let design = |model: &str| {
        Design::new()
            .with("model", model)
            .with("width", 8)
            .with("depth", 2)
            .with("learning_rate", 5e-3)
            .with("weight_decay", 1e-4)
    };
    vec![
        design("inception").with("kernel", 9).with("depth", 3),
        design("causal_convolutions").with("kernel", 5),
        design("gru").with("width", 16).with("depth", 1),
        design("lstm").with("width", 16).with("depth", 1),
        design("patches").with("width", 16),
    ]
}

fn kernels() -> Vec<Design> {
    let design = |kernels: &str| {
        Design::new()
            .with("model", "random_kernels")
            .with("kernels", kernels)
            .with("features", 700)
    };
    vec![
        design("minirocket"),
        design("multirocket"),
        design("rocket"),
    ]
}

fn baselines() -> Vec<Design> {
    let baseline = |model: &str| Design::new().with("model", model);
    ["trivial", "linear", "boosting", "forest"]
        .map(baseline)
        .to_vec()
}

#[test]
fn every_model_learns_what_a_bump_says() {
    let problem = Problem::of_bumps();
    for design in networks().into_iter().chain(kernels()) {
        let fitted = problem.fit(&design).unwrap();
        let score = problem.score(&*fitted.member, &problem.validation);
        // One of sixteen may be wrong, and of stretches, which see the bump in one or two pieces, another.
        assert!(score >= 0.85, "{design}: {score}");
        assert!(!fitted.stopped_early);
    }
}

#[test]
fn every_network_learns_eight_series_by_heart() {
    let problem = Problem::by_heart();
    for design in networks() {
        let fitted = problem.fit(&design).unwrap();
        assert!(fitted.member.is_network());
        assert_eq!(
            problem.score(&*fitted.member, &problem.train),
            1.0,
            "{design}"
        );
    }
}

#[test]
fn numbers_are_learnt_too() {
    let problem = Problem {
        targets: Targets::Values {
            width: 1,
            values: (0..48)
                .map(|unit| 100.0 + 30.0 * (unit % 2) as f32)
                .collect(),
        },
        target: target(Task::Regression, 0),
        metric: Metric::R2,
        ..Problem::of_bumps()
    };
    for design in [
        &networks()[0],
        &networks()[2],
        &kernels()[0],
        &baselines()[1],
    ] {
        let fitted = problem.fit(design).unwrap();
        let score = problem.score(&*fitted.member, &problem.validation);
        assert!(score > 0.5, "{design}: {score}");
    }
}

/// Some trained models of each sort.
fn trained() -> (Problem, Vec<FittedMember>) {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(8)),
        ..Problem::of_bumps()
    };
    let designs = networks().into_iter().chain(kernels()).chain(baselines());
    let fitted = designs
        .map(|design| problem.fit(&design).unwrap())
        .collect();
    (problem, fitted)
}

#[test]
fn what_is_saved_predicts_the_same_and_each_series_for_itself() {
    let (problem, fitted) = trained();
    let learner = SequenceLearner::new(2, Task::Binary).unwrap();
    for fitted in &fitted {
        let saved = fitted.member.save().unwrap();
        let text = serde_json::to_string(&saved.description).unwrap();
        let description: Value = serde_json::from_str(&text).unwrap();
        let loaded = learner.load(&description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        assert_eq!(loaded.is_network(), fitted.member.is_network());
        let indices = [3, 0, 44, 3];
        let said = fitted.member.predict(&problem.units, &indices).unwrap();
        assert_eq!(
            loaded.predict(&problem.units, &indices).unwrap(),
            said,
            "{text}"
        );
        let whole = said.mixture().unwrap();
        for (place, index) in indices.into_iter().enumerate() {
            let alone = loaded.predict(&problem.units, &[index]).unwrap();
            assert_eq!(alone.mixture().unwrap(), whole.select(&[place]), "{text}");
        }
        if let Some(features) = said.features {
            assert_eq!(features.embedding.len(), 4 * features.width);
            assert_eq!(features.input.len(), 4 * features.input_width);
        }
        assert!(loaded.predict(&problem.units, &[]).is_ok());
    }
}

#[test]
fn damaged_files_and_foreign_series_give_errors() {
    let (_, fitted) = trained();
    let learner = SequenceLearner::new(2, Task::Binary).unwrap();
    let foreign = SequenceUnits::units(SeriesSet::of_one_channel(&[vec![1.0; 30]]));
    // Series that no training showed: none of them may end a program.
    let mut strange = SeriesSet::new(2);
    strange.push::<Vec<f32>>(&[]);
    strange.push(&[vec![f32::NAN; 9], vec![f32::NAN; 9]]);
    strange.push(&[vec![f32::MAX; 3], vec![-f32::MAX; 3]]);
    strange.push(&[vec![1.0; 3000], vec![0.0; 3000]]);
    let strange = SequenceUnits::units(strange);
    for fitted in &fitted {
        assert!(fitted.member.predict(&foreign, &[0]).is_err());
        let tables = Units::new(1, "no series");
        assert!(fitted.member.predict(&tables, &[0]).is_err());
        let said = fitted.member.predict(&strange, &[0, 1, 2, 3]).unwrap();
        assert_eq!(said.mixture().unwrap().len(), 4);
        let saved = fitted.member.save().unwrap();
        for cut in [
            0,
            7,
            saved.numbers.len() / 2,
            saved.numbers.len().saturating_sub(1),
        ] {
            let cut = &saved.numbers[..cut.min(saved.numbers.len())];
            let _ = learner.load(&saved.description, cut);
        }
    }
    let damage = |member: usize, place: &str, value: Value| {
        let saved = fitted[member].member.save().unwrap();
        let mut description = saved.description.clone();
        *description
            .pointer_mut(place)
            .unwrap_or_else(|| panic!("{place}")) = value;
        assert!(
            learner.load(&description, &saved.numbers).is_err(),
            "{place}"
        );
    };
    for (place, value) in [
        ("/design/width", json!(1_000_000)),
        ("/design/width", json!(-3)),
        ("/design/model", json!("inceptoin")),
        ("/preparation/length", json!(0)),
        ("/preparation/scaler/channels/0/1", json!(0.0)),
        ("/preparation/descriptors", json!([])),
        ("/head/classes", json!(0)),
        ("/member", json!("nothing")),
    ] {
        damage(0, place, value);
    }
    for (place, value) in [
        ("/kernels/minirocket/0/channels", json!(0)),
        ("/kernels/minirocket/0/channels", json!(7)),
        ("/kernels/minirocket/0/per_kernel", json!(1 << 30)),
        ("/scaler/channels", json!([])),
        ("/answer/classes/classes", json!(3)),
        ("/answer/classes/scale", json!(-1.0)),
    ] {
        damage(5, place, value);
    }
    damage(7, "/kernels/rocket/kernels", json!(u64::MAX));
}

#[test]
fn the_same_seed_gives_the_same_on_any_number_of_threads() {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(12)),
        ..Problem::of_bumps()
    };
    let networks = networks()
        .into_iter()
        .map(|design| design.with("jitter", true).with("dropout", 0.1));
    for design in networks.chain(kernels()) {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let numbers = || problem.fit(&design).unwrap().member.save().unwrap().numbers;
            pool.unwrap().install(numbers)
        };
        assert_eq!(on(1), on(2), "{design}");
    }
}

#[test]
fn causal_convolutions_do_not_look_ahead() {
    let design = SequenceDesign {
        body: BodyKind::CausalConvolutions,
        width: 8,
        depth: 3,
        kernel: 5,
        ..SequenceDesign::default()
    };
    let wave: Vec<f32> = (0..40).map(|t| (t as f32 * 0.7).sin()).collect();
    let seen = |changed: usize| -> Vec<f32> {
        let mut other = wave.clone();
        other[changed] += 3.0;
        let series = SeriesSet::of_one_channel(&[wave.clone(), other]);
        let targets = Targets::Classes(vec![0, 1]);
        let preparation = Preparation::fit(&series, &targets, &[0], Scaling::Training);
        let prepared = PreparedSequences::new(&series, &preparation, false);
        let device = Device::flex();
        let mut stream = Seed(1).stream("weights", &[]);
        let body = CausalConvolutions::new(&design, 1, &mut stream, &device);
        let both = body.forward(&prepared.batch(&[0, 1], &device), &mut Pass::evaluation());
        let [_, width, moments] = both.dims();
        let numbers: Vec<f32> = both.into_data().iter().collect();
        let (first, second) = numbers.split_at(width * moments);
        // How much differs at each moment.
        (0..moments)
            .map(|t| {
                (0..width)
                    .map(|w| (first[w * moments + t] - second[w * moments + t]).abs())
                    .sum()
            })
            .collect()
    };
    for changed in [0, 17, 39] {
        let differs = seen(changed);
        assert!(
            differs[..changed].iter().all(|&d| d == 0.0),
            "{changed}: {differs:?}"
        );
        assert!(differs[changed] > 0.0, "{changed}: {differs:?}");
    }
}

#[test]
fn what_cannot_be_trained_says_so() {
    let said = |design: Design, problem: &Problem| match problem.fit(&design) {
        Ok(_) => panic!("{design} was trained"),
        Err(error) => error.to_string(),
    };
    let problem = Problem::by_heart();
    let unknown = said(Design::new().with("model", "inceptoin"), &problem);
    assert!(unknown.contains("inceptoin"), "{unknown}");
    let wide = said(networks()[0].clone().with("width", 6), &problem);
    assert!(wide.contains("`width` is 6"), "{wide}");
    let few = said(kernels()[0].clone().with("features", 3), &problem);
    assert!(few.contains("`features` is 3"), "{few}");
    let late = Problem {
        clock: Clock::start(Some(Duration::ZERO), Duration::ZERO, Interrupt::default()),
        ..Problem::by_heart()
    };
    for design in [&networks()[0], &kernels()[0], &kernels()[2]] {
        assert_eq!(said(design.clone(), &late), "stopped");
    }
}

#[test]
fn hand_made_networks_are_in_the_space_and_names_differ() {
    for task in [Task::Binary, Task::Regression] {
        let learner = SequenceLearner::new(1, task).unwrap();
        let designs = learner.hand_made();
        assert!(designs[0].baseline);
        let random = |made: &&candor_train::HandMade| {
            made.design
                .get("model")
                .is_some_and(|m| m == "random_kernels")
        };
        for made in designs.iter().filter(|made| !made.baseline || random(made)) {
            assert_eq!(learner.space().check(&made.design).unwrap(), made.design);
        }
        let mut names: Vec<&str> = designs.iter().map(|made| made.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), designs.len());
    }
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_series_and_come_back_from_files() {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(30)),
        ..Problem::of_bumps()
    };
    let learner = SequenceLearner::new(2, Task::Binary).unwrap();
    let designs: Vec<Design> = networks()
        .into_iter()
        .map(|d| d.with("dropout", 0.2))
        .collect();
    let fit = |design: &Design| problem.fit(design).unwrap();
    let methods = learner.uncertainty_methods();
    doubting::every_method(&learner, methods, &designs, &fit, &problem.units, 1e-3);
}
