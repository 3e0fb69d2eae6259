//! What every model of shapes must do: learn eight shapes by heart, give the same again, survive its files, and not care for the order, the
//! place and the size of points.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{Cloud, CloudLearner, CloudUnits, KEPT};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError, Units};
use rand::RngExt;
use rand::seq::SliceRandom;

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

/// Tori and boxes of noise, none like another.
fn shape(number: u64, count: usize) -> Vec<f32> {
    let mut rng = Seed(number).stream("shape", &[]);
    let size: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.4..1.5));
    let points = (0..count).flat_map(|_| {
        let [a, b] = [0, 1].map(|_| rng.random_range(0.0f32..std::f32::consts::TAU));
        let r = 1.0 + 0.4 * b.cos();
        [
            size[0] * r * a.cos(),
            size[1] * r * a.sin(),
            size[2] * 0.4 * b.sin(),
        ]
    });
    points.collect()
}

fn units(count: usize) -> Units {
    let clouds = (0..count as u64).map(|n| Cloud::from_flat(&shape(n, 96), KEPT).unwrap());
    CloudUnits::units(clouds.collect())
}

/// A small design of each family, with nothing that keeps a network from learning by heart.
fn designs() -> Vec<Design> {
    let design = |model: &str| {
        Design::new()
            .with("model", model)
            .with("width", 16)
            .with("points", 48)
            .with("neighbours", 6)
            .with("dropout", 0.0)
            .with("jitter", 0.0)
            .with("stretch", 0.0)
            .with("drop", 0.0)
            .with("votes", 2)
            .with("rotation", "fixed")
            .with("label_smoothing", 0.0)
            .with("weight_decay", 0.001)
    };
    vec![
        design("edge_convolutions").with("depth", 2),
        design("edge_convolutions")
            .with("depth", 2)
            .with("dynamic", true)
            .with("seen", "coordinates")
            .with("descriptors", false),
        design("point_net")
            .with("transform", true)
            .with("descriptors", false),
        design("set_abstraction")
            .with("seen", "coordinates")
            .with("descriptors", false),
        design("point_mlp")
            .with("depth", 2)
            .with("seen", "intrinsic")
            .with("descriptors", false),
    ]
}

struct Problem {
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
    clock: Clock,
}

impl Problem {
    fn classes(count: usize) -> Problem {
        Problem {
            units: units(count),
            targets: Targets::Classes((0..count as u32).map(|i| i * i % 7 % 3).collect()),
            target: Target {
                task: Task::Multiclass,
                names: vec!["y".into()],
                classes: (0..3).map(|c| c.to_string()).collect(),
            },
            metric: Metric::Accuracy,
            clock: Clock::unlimited(),
        }
    }

    /// For what does not depend on how well was learned.
    fn briefly(count: usize) -> Problem {
        Problem {
            clock: Clock::unlimited().with_steps(Some(20)),
            ..Problem::classes(count)
        }
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        let train: Vec<usize> = (0..self.units.len()).collect();
        CloudLearner::new(self.target.task)
            .unwrap()
            .fit(&Assignment {
                design,
                units: &self.units,
                targets: &self.targets,
                target: &self.target,
                metric: self.metric,
                train: &train,
                validation: &[],
                seed: Seed(5),
                clock: &self.clock,
            })
    }

    fn score(&self, member: &dyn Member) -> f64 {
        let said = said(member, &self.units);
        self.metric.score(&said, &self.targets).unwrap()
    }
}

fn said(member: &dyn Member, units: &Units) -> Distribution {
    let all: Vec<usize> = (0..units.len()).collect();
    member.predict(units, &all).unwrap().mixture().unwrap()
}

fn probabilities(said: &Distribution) -> Vec<f32> {
    match said {
        Distribution::Categorical { probabilities, .. } => probabilities.clone(),
        other => panic!("not classes: {other:?}"),
    }
}

#[test]
fn every_model_learns_eight_shapes_by_heart_and_comes_back_from_its_files() {
    let baselines = ["nearest", "linear"].map(|model| Design::new().with("model", model));
    for design in designs().into_iter().chain(baselines) {
        let problem = Problem::classes(8);
        let fitted = problem.fit(&design).unwrap();
        assert_eq!(problem.score(&*fitted.member), 1.0, "{design}");
        let saved = fitted.member.save().unwrap();
        let learner = CloudLearner::new(Task::Multiclass).unwrap();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(
            loaded.predict(&problem.units, &all).unwrap(),
            fitted.member.predict(&problem.units, &all).unwrap(),
            "{design}"
        );
        // Alone as among others.
        let alone = loaded
            .predict(&problem.units, &[5])
            .unwrap()
            .mixture()
            .unwrap();
        let among = probabilities(&said(&*loaded, &problem.units));
        let apart = probabilities(&alone)
            .iter()
            .zip(&among[15..18])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-5, "{design}: {apart}");
        // Files that are cut or filled with something else are refused.
        for numbers in [&saved.numbers[..saved.numbers.len() / 2], b"", b"nonsense"] {
            assert!(
                learner.load(&saved.description, numbers).is_err(),
                "{design}"
            );
        }
        assert!(loaded.predict(&Units::new(1, 0u8), &[0]).is_err());
        assert!(loaded.predict(&problem.units, &[]).is_ok());
    }
}

#[test]
fn order_place_and_size_of_points_do_not_matter() {
    let problem = Problem::briefly(8);
    let moved = |turn: usize| {
        let clouds = (0..8).map(|n| {
            let mut points: Vec<[f32; 3]> = shape(n, 96)
                .chunks_exact(3)
                .map(|p| [p[0], p[1], p[2]])
                .collect();
            points.shuffle(&mut Seed(n).stream("order", &[turn as u64]));
            if turn == 1 {
                points
                    .iter_mut()
                    .for_each(|p| *p = [p[0] * 8.0 + 32.0, p[1] * 8.0 - 4.0, p[2] * 8.0]);
            }
            Cloud::from_flat(&points.concat(), KEPT).unwrap()
        });
        CloudUnits::units(clouds.collect())
    };
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let plain = probabilities(&said(&*fitted.member, &problem.units));
        for turn in 0..2 {
            let again = probabilities(&said(&*fitted.member, &moved(turn)));
            let apart = plain
                .iter()
                .zip(&again)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(apart < 1e-5, "{design}, {turn}: {apart}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_network_whatever_the_threads() {
    let design = designs()
        .remove(0)
        .with("drop", 0.5)
        .with("rotation", "any")
        .with("jitter", 0.01);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            Problem::briefly(8)
                .fit(&design)
                .unwrap()
                .member
                .save()
                .unwrap()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
}

#[test]
fn numbers_are_learned_too() {
    let problem = Problem {
        targets: Targets::Values {
            width: 1,
            values: (0..8).map(|i| 100.0 + 10.0 * i as f32).collect(),
        },
        target: Target {
            task: Task::Regression,
            names: vec!["y".into()],
            classes: Vec::new(),
        },
        metric: Metric::Rmse,
        ..Problem::classes(8)
    };
    let fitted = problem.fit(&designs()[0]).unwrap();
    assert!(problem.score(&*fitted.member) < 10.0);
}

#[test]
fn every_hand_made_design_stands_in_the_space() {
    for task in [Task::Multiclass, Task::Regression] {
        let learner = CloudLearner::new(task).unwrap();
        for made in learner
            .hand_made()
            .into_iter()
            .filter(|made| !made.baseline)
        {
            let place = learner.space().check(&made.design);
            assert!(place.is_ok(), "{}: {place:?}", made.name);
        }
    }
}

#[test]
fn shapes_of_two_points_and_shapes_that_are_not_there_are_answered() {
    let problem = Problem::briefly(8);
    let few = vec![
        Cloud::from_flat(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0], KEPT).unwrap(),
        Cloud::from_flat(&shape(1, 3), KEPT).unwrap(),
    ];
    let few = CloudUnits::units(few);
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let said = probabilities(&said(&*fitted.member, &few));
        assert_eq!(said.len(), 6);
        assert!(said.iter().all(|p| p.is_finite()), "{said:?}");
    }
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_shape_and_come_back_from_files() {
    let problem = Problem::briefly(12);
    let learner = CloudLearner::new(Task::Multiclass).unwrap();
    let designs: Vec<Design> = designs()
        .into_iter()
        .map(|d| d.with("dropout", 0.2))
        .collect();
    let fit = |design: &Design| problem.fit(design).unwrap();
    let methods = learner.uncertainty_methods();
    doubting::every_method(&learner, methods, &designs, &fit, &problem.units, 1e-3);
}
