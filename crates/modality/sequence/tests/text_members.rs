//! What every model of texts must do: learn what is there to learn, give the same again, and survive its files.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_sequence::text::{TextLearner, TextUnits};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError, Units};
use rand::RngExt;
use serde_json::{Value, json};

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

/// Sentences of common words, among which one tells the class.
fn texts(count: usize) -> Vec<String> {
    let mut rng = Seed(3).stream("texts", &[]);
    let common = [
        "the", "film", "was", "and", "it", "a", "story", "of", "two", "people", "who",
    ];
    let text = |class: usize| {
        let mut words: Vec<&str> = (0..14)
            .map(|_| common[rng.random_range(0..common.len())])
            .collect();
        let telling = [["dull", "boring"], ["moving", "lovely"]][class];
        words[rng.random_range(0..14usize)] = telling[rng.random_range(0..2usize)];
        words.join(" ")
    };
    (0..count).map(|i| i % 2).map(text).collect()
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
    fn of_words() -> Problem {
        Problem {
            units: TextUnits::units(&texts(160)),
            targets: Targets::Classes((0..160).map(|i| i % 2).collect()),
            target: Target {
                task: Task::Binary,
                names: vec!["y".into()],
                classes: vec!["bad".into(), "good".into()],
            },
            metric: Metric::Accuracy,
            train: (0..120).collect(),
            validation: (120..160).collect(),
            clock: Clock::unlimited(),
        }
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        let learner = TextLearner::new(self.target.task).unwrap();
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

fn designs() -> Vec<Design> {
    let design = |model: &str| Design::new().with("model", model);
    vec![
        design("embeddings")
            .with("width", 8)
            .with("dropout", 0.0)
            .with("learning_rate", 2e-2),
        design("filters")
            .with("width", 8)
            .with("filters", 8)
            .with("dropout", 0.1),
        design("bag_of_words").with("weighting", "rarity"),
        design("bag_of_words").with("weighting", "naive_bayes"),
    ]
}

#[test]
fn every_model_learns_which_words_tell() {
    let problem = Problem::of_words();
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let score = problem.score(&*fitted.member, &problem.validation);
        assert!(score >= 0.9, "{design}: {score}");
        let network = design.get("model").is_some_and(|m| m != "bag_of_words");
        assert_eq!(fitted.member.is_network(), network);
    }
}

#[test]
fn linear_models_hold_texts_out_themselves_where_nobody_does_and_learn_numbers() {
    let problem = Problem {
        validation: Vec::new(),
        ..Problem::of_words()
    };
    for design in &designs()[2..] {
        let fitted = problem.fit(design).unwrap();
        let held_out: Vec<usize> = (120..160).collect();
        assert!(problem.score(&*fitted.member, &held_out) >= 0.9, "{design}");
    }
    let numbers = Problem {
        targets: Targets::Values {
            width: 1,
            values: (0..160).map(|i| 100.0 + 50.0 * (i % 2) as f32).collect(),
        },
        target: Target {
            task: Task::Regression,
            names: vec!["y".into()],
            classes: Vec::new(),
        },
        metric: Metric::R2,
        ..Problem::of_words()
    };
    for design in &designs()[..3] {
        let fitted = numbers.fit(design).unwrap();
        let score = numbers.score(&*fitted.member, &numbers.validation);
        assert!(score > 0.5, "{design}: {score}");
    }
    assert!(numbers.fit(&designs()[3]).is_err());
}

/// Some trained models.
fn trained() -> (Problem, Vec<FittedMember>) {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(8)),
        ..Problem::of_words()
    };
    let trivial = Design::new().with("model", "trivial");
    let designs = designs().into_iter().chain([trivial]);
    let fitted = designs
        .map(|design| problem.fit(&design).unwrap())
        .collect();
    (problem, fitted)
}

#[test]
fn what_is_saved_predicts_the_same_and_damage_gives_errors() {
    let (problem, fitted) = trained();
    let learner = TextLearner::new(Task::Binary).unwrap();
    let strange = TextUnits::units(&["", "\u{0}\u{1}", &"x ".repeat(5000), "\u{1f600}"]);
    for fitted in &fitted {
        let saved = fitted.member.save().unwrap();
        let text = serde_json::to_string(&saved.description).unwrap();
        let description: Value = serde_json::from_str(&text).unwrap();
        let loaded = learner.load(&description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        let indices = [3, 0, 70, 3];
        let said = fitted.member.predict(&problem.units, &indices).unwrap();
        assert_eq!(loaded.predict(&problem.units, &indices).unwrap(), said);
        let whole = said.mixture().unwrap();
        for (place, index) in indices.into_iter().enumerate() {
            let alone = loaded.predict(&problem.units, &[index]).unwrap();
            assert_eq!(alone.mixture().unwrap(), whole.select(&[place]));
        }
        if let Some(features) = said.features {
            assert_eq!(features.input.len(), 4 * features.input_width);
        }
        let said = fitted.member.predict(&strange, &[0, 1, 2, 3]).unwrap();
        assert_eq!(said.mixture().unwrap().len(), 4);
        assert!(loaded.predict(&problem.units, &[]).is_ok());
        assert!(
            fitted
                .member
                .predict(&Units::new(1, "no texts"), &[0])
                .is_err()
        );
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
    for (member, place, value) in [
        (0, "/design/width", json!(0)),
        (0, "/preparation/length", json!(1u64 << 40)),
        (0, "/preparation/known/0", json!(u32::MAX)),
        (0, "/head/classes", json!(0)),
        (2, "/known", json!(usize::MAX / 2)),
        (2, "/answer/classes/scale", json!(0.0)),
        (2, "/member", json!("nothing")),
    ] {
        let saved = fitted[member].member.save().unwrap();
        let mut description = saved.description.clone();
        *description
            .pointer_mut(place)
            .unwrap_or_else(|| panic!("{place}")) = value;
        assert!(
            learner.load(&description, &saved.numbers).is_err(),
            "{place}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_on_any_number_of_threads() {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(12)),
        ..Problem::of_words()
    };
    for design in designs() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let numbers = || problem.fit(&design).unwrap().member.save().unwrap().numbers;
            pool.unwrap().install(numbers)
        };
        assert_eq!(on(1), on(2), "{design}");
    }
}

#[test]
fn hand_made_designs_are_in_the_space() {
    for task in [Task::Binary, Task::Regression] {
        let learner = TextLearner::new(task).unwrap();
        for made in learner
            .hand_made()
            .iter()
            .filter(|made| made.design.get("model").is_some_and(|m| m != "trivial"))
        {
            assert_eq!(learner.space().check(&made.design).unwrap(), made.design);
        }
    }
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_text_and_come_back_from_files() {
    let problem = Problem {
        clock: Clock::unlimited().with_steps(Some(30)),
        ..Problem::of_words()
    };
    let learner = TextLearner::new(Task::Binary).unwrap();
    let fit = |design: &Design| problem.fit(design).unwrap();
    let methods = learner.uncertainty_methods();
    doubting::every_method(
        &learner,
        methods,
        &designs()[..2],
        &fit,
        &problem.units,
        1e-3,
    );
}
