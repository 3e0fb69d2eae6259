//! What every model of pictures must do: learn eight pictures by heart, give the same again, and survive its files.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use candor_core::{Clock, Interrupt, Metric, Seed, Target, Targets, Task};
use candor_data::{ImageSize, Images};
use candor_design::Design;
use candor_image::{ImageLearner, ImageUnits};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError, Units};
use rand::RngExt;
use serde_json::{Value, json};

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

const SIZE: ImageSize = ImageSize {
    channels: 1,
    height: 8,
    width: 8,
};

/// Pictures of noise.
fn units(count: usize) -> Units {
    let mut rng = Seed(3).stream("pictures", &[]);
    let pixels = (0..count * SIZE.len()).map(|_| rng.random()).collect();
    ImageUnits::units(Images::new(SIZE, pixels).unwrap())
}

fn target(task: Task, classes: usize) -> Target {
    Target {
        task,
        names: match task {
            Task::Multilabel => vec!["a".into(), "b".into()],
            _ => vec!["y".into()],
        },
        classes: (0..classes).map(|c| c.to_string()).collect(),
    }
}

/// A small design of each family, with nothing that keeps a network from learning by heart.
fn designs() -> Vec<Design> {
    let design = |model: &str| {
        Design::new()
            .with("model", model)
            .with("crop", false)
            .with("label_smoothing", 0.0)
            .with("weight_decay", 0.001)
    };
    vec![
        design("fast_residual").with("width", 8),
        design("resnet").with("width", 8).with("depth", 1),
        design("mobilenet").with("width", 8).with("depth", 1),
        design("convnext").with("width", 8).with("depth", 1),
        design("layers")
            .with("layer_0_stride", 2)
            .with("layer_2_from_0", true)
            .with("layer_3_from_2", false),
        design("cells")
            .with("filters", 8)
            .with("normal_0_left_op", "max_pool_3")
            .with("normal_1_left_input", 0)
            .with("normal_2_right_op", "identity")
            .with("reduction_0_left_op", "average_pool_3")
            .with("reduction_1_right_op", "dilated_3")
            .with("reduction_2_left_op", "identity")
            .with("reduction_2_left_input", 1),
    ]
}

struct Problem {
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
    validation: Vec<usize>,
    clock: Clock,
}

impl Problem {
    fn classes(count: usize) -> Problem {
        Problem {
            units: units(count),
            targets: Targets::Classes((0..count as u32).map(|i| i * i % 7 % 3).collect()),
            target: target(Task::Multiclass, 3),
            metric: Metric::Accuracy,
            validation: Vec::new(),
            clock: Clock::unlimited(),
        }
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        let train: Vec<usize> = (0..self.units.len())
            .filter(|unit| !self.validation.contains(unit))
            .collect();
        ImageLearner::new(SIZE, self.target.task)
            .unwrap()
            .fit(&Assignment {
                design,
                units: &self.units,
                targets: &self.targets,
                target: &self.target,
                metric: self.metric,
                train: &train,
                validation: &self.validation,
                seed: Seed(5),
                clock: &self.clock,
            })
    }

    fn score(&self, member: &dyn Member) -> f64 {
        let all: Vec<usize> = (0..self.units.len()).collect();
        let predicted = member.predict(&self.units, &all).unwrap();
        let said = predicted.mixture().unwrap();
        self.metric.score(&said, &self.targets).unwrap()
    }
}

#[test]
fn every_family_learns_eight_pictures_by_heart() {
    for design in designs() {
        let problem = Problem::classes(8);
        let fitted = problem.fit(&design).unwrap();
        assert_eq!(problem.score(&*fitted.member), 1.0, "{design}");
        assert!(fitted.member.is_network() && !fitted.stopped_early);
    }
}

/// Noise with a bright bar at one of two opposite edges, which is the class.
fn bars(upright: bool) -> Problem {
    let mut rng = Seed(4).stream("bars", &[]);
    let count = 64;
    let mut pixels = Vec::new();
    for picture in 0..count {
        for (row, column) in (0..8).flat_map(|row| (0..8).map(move |column| (row, column))) {
            let place = if upright { column } else { row };
            let bright = place / 2 == 3 * (picture % 2);
            pixels.push(rng.random_range(0..100u8) + if bright { 150 } else { 0 });
        }
    }
    Problem {
        units: ImageUnits::units(Images::new(SIZE, pixels).unwrap()),
        targets: Targets::Classes((0..count as u32).map(|picture| picture % 2).collect()),
        target: target(Task::Binary, 2),
        validation: (48..count).collect(),
        ..Problem::classes(0)
    }
}

#[test]
fn long_trainings_see_mirrored_pictures_where_these_show_the_same() {
    let design = designs()[0].clone().with("flip", false);
    let learner = ImageLearner::new(SIZE, Task::Binary).unwrap();
    let longer = |problem: &Problem, targets: &Targets| {
        let member = problem.fit(&design).unwrap().member;
        let (units, held_out) = (&problem.units, &problem.validation);
        let longer = learner.for_long(&design, &*member, units, held_out, targets);
        longer.unwrap()
    };
    let (lying, upright) = (bars(false), bars(true));
    assert_eq!(
        longer(&lying, &lying.targets),
        design.clone().with("flip", true)
    );
    // The mirror makes left of right.
    assert_eq!(longer(&upright, &upright.targets), design);
    // Where a class says nothing, neither does a mirror.
    let alike = Targets::Classes(vec![0; 64]);
    assert_eq!(longer(&lying, &alike), design);
}

#[test]
fn labels_and_numbers_are_learnt_too() {
    let labels = Problem {
        targets: Targets::Labels {
            width: 2,
            // The last picture does not know its second label.
            values: "nyynynynyynnynn?"
                .chars()
                .map(|c| (c != '?').then_some(c == 'y'))
                .collect(),
        },
        target: target(Task::Multilabel, 2),
        ..Problem::classes(8)
    };
    let numbers = Problem {
        targets: Targets::Values {
            width: 1,
            values: vec![30.0, -10.0, 40.0, 10.0, -50.0, 90.0, 20.0, 60.0],
        },
        target: target(Task::Regression, 0),
        metric: Metric::R2,
        ..Problem::classes(8)
    };
    for (problem, least) in [(labels, 1.0), (numbers, 0.9)] {
        let fitted = problem.fit(&designs()[0]).unwrap();
        let score = problem.score(&*fitted.member);
        assert!(score >= least, "{score}");
    }
}

/// Some trained models: a network, and the baselines.
fn trained() -> (Problem, Vec<FittedMember>) {
    let problem = Problem {
        validation: (20..24).collect(),
        ..Problem::classes(24)
    };
    let baseline = |model: &str| Design::new().with("model", model);
    let designs = [
        designs()[0].clone().with("crop", true).with("flip", true),
        baseline("trivial"),
        baseline("linear"),
        baseline("boosting"),
    ];
    let fitted = designs.iter().map(|d| problem.fit(d).unwrap()).collect();
    (problem, fitted)
}

#[test]
fn what_is_saved_predicts_the_same_and_each_picture_for_itself() {
    let (problem, fitted) = trained();
    let learner = ImageLearner::new(SIZE, Task::Multiclass).unwrap();
    for fitted in fitted {
        let saved = fitted.member.save().unwrap();
        let text = serde_json::to_string(&saved.description).unwrap();
        let description: Value = serde_json::from_str(&text).unwrap();
        let loaded = learner.load(&description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        assert_eq!(loaded.is_network(), fitted.member.is_network());
        let indices = [3, 0, 23, 3];
        let said = fitted.member.predict(&problem.units, &indices).unwrap();
        assert_eq!(loaded.predict(&problem.units, &indices).unwrap(), said);
        let whole = said.mixture().unwrap();
        for (place, index) in indices.into_iter().enumerate() {
            let alone = loaded.predict(&problem.units, &[index]).unwrap();
            assert_eq!(alone.mixture().unwrap(), whole.select(&[place]));
        }
        if let Some(features) = said.features {
            assert_eq!(features.embedding.len(), 4 * features.width);
            assert_eq!(features.input.len(), 4 * features.input_width);
        }
        assert!(loaded.predict(&problem.units, &[]).is_ok());
    }
}

#[test]
fn damaged_files_and_foreign_pictures_give_errors() {
    let (_, fitted) = trained();
    let learner = ImageLearner::new(SIZE, Task::Multiclass).unwrap();
    let saved = fitted[0].member.save().unwrap();
    let other = ImageSize { width: 9, ..SIZE };
    let pictures = Images::new(other, vec![0; other.len()]).unwrap();
    let foreign = ImageUnits::units(pictures);
    for fitted in &fitted {
        assert!(fitted.member.predict(&foreign, &[0]).is_err());
        let tables = Units::new(1, "not pictures");
        assert!(fitted.member.predict(&tables, &[0]).is_err());
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
    // Changed places of the description, each of which must be refused.
    let damages = [
        ("/design/width", json!(1_000_000)),
        ("/design/width", json!(-3)),
        ("/design/model", json!("resent")),
        ("/preparation/size/height", json!(0)),
        ("/preparation/size/channels", json!(u64::MAX)),
        ("/preparation/channels/0/1", json!(0.0)),
        ("/preparation/channels", json!([])),
        ("/head/classes", json!(0)),
        ("/member", json!("nothing")),
    ];
    for (place, value) in damages {
        let mut description = saved.description.clone();
        *description.pointer_mut(place).unwrap() = value;
        let loaded = learner.load(&description, &saved.numbers);
        assert!(loaded.is_err(), "{place}");
    }
}

#[test]
fn the_same_seed_gives_the_same_on_any_number_of_threads() {
    let problem = Problem {
        validation: (20..24).collect(),
        ..Problem::classes(24)
    };
    let design = designs()[0].clone().with("crop", true).with("cutout", true);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let numbers = || problem.fit(&design).unwrap().member.save().unwrap().numbers;
        pool.unwrap().install(numbers)
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn what_cannot_be_trained_says_so() {
    let said = |design: Design, problem: &Problem| match problem.fit(&design) {
        Ok(_) => panic!("{design} was trained"),
        Err(error) => error.to_string(),
    };
    let fast = || designs()[0].clone();
    let problem = Problem::classes(8);
    let unknown = said(fast().with("model", "resent"), &problem);
    assert!(unknown.contains("did you mean `resnet`?"), "{unknown}");
    let even = said(designs()[4].clone().with("layer_1_height", 4), &problem);
    assert!(
        even.contains("`layer_1_height` is 4, not an odd number"),
        "{even}"
    );
    let wild = said(
        fast().with("learning_rate", 10.0).with("width", 512),
        &Problem {
            clock: Clock::start(Some(Duration::ZERO), Duration::ZERO, Interrupt::default()),
            ..Problem::classes(8)
        },
    );
    assert_eq!(wild, "stopped");
    let large = said(
        designs()[1].clone().with("width", 512).with("depth", 32),
        &problem,
    );
    assert!(large.contains("parameters"), "{large}");
}

#[test]
fn hand_made_networks_are_in_the_space_and_baselines_come_first() {
    for channels in [1, 3] {
        let size = ImageSize { channels, ..SIZE };
        let learner = ImageLearner::new(size, Task::Binary).unwrap();
        let designs = learner.hand_made();
        assert!(designs[0].baseline && designs[1].baseline);
        for made in designs.iter().filter(|made| !made.baseline) {
            assert_eq!(learner.space().check(&made.design).unwrap(), made.design);
        }
    }
}

#[test]
fn pictures_that_are_all_alike_are_learnt_without_fault() {
    let pixels = vec![9; 8 * SIZE.len()];
    let problem = Problem {
        units: ImageUnits::units(Images::new(SIZE, pixels).unwrap()),
        ..Problem::classes(8)
    };
    let fitted = problem
        .fit(&designs()[0].clone().with("cutout", true))
        .unwrap();
    assert!(problem.score(&*fitted.member).is_finite());
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_picture_and_come_back_from_files() {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(30)),
        ..Problem::classes(24)
    };
    let learner = ImageLearner::new(SIZE, Task::Multiclass).unwrap();
    let first = designs().swap_remove(0);
    let designs = [first.clone(), first.with("flip", true)];
    let fit = |design: &Design| problem.fit(design).unwrap();
    let methods = learner.uncertainty_methods();
    doubting::every_method(&learner, methods, &designs, &fit, &problem.units, 1e-3);
}
