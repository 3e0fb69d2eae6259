//! What is said of doubt is true of series and of texts.
#![allow(clippy::unwrap_used)]

use candor_core::{Seed, Targets, Task};
use candor_design::Design;
use candor_sequence::text::{TextLearner, TextUnits};
use candor_sequence::{SequenceLearner, SequenceUnits, SeriesSet};
use rand::RngExt;
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

/// Waves of some height on noise; how high they are is known, with noise.
fn waves(count: usize, noise: f32, task: Task) -> Problem {
    let mut rng = Seed(1).stream("waves", &[]);
    let mut series = SeriesSet::new(1);
    let mut values = Vec::new();
    for _ in 0..count {
        let (height, phase) = (rng.random_range(0.3..1.5f32), rng.random_range(0.0..6.0f32));
        let at = |t: usize| height * (0.5 * t as f32 + phase).sin();
        let readings: Vec<f32> = (0..24).map(|t| at(t) + 0.1 * normal(&mut rng)).collect();
        series.push(&[readings]);
        values.push(2.0 * height + noise * normal(&mut rng));
    }
    Problem {
        learner: Box::new(SequenceLearner::new(1, task).unwrap()),
        units: SequenceUnits::units(series),
        targets: Targets::Values { width: 1, values },
        each: 1,
        design: Design::new()
            .with("model", "inception")
            .with("width", 8)
            .with("depth", 3)
            .with("kernel", 9)
            .with("dropout", 0.0)
            .with("jitter", false)
            .with("learning_rate", 3e-3),
    }
}

/// Sentences; how often one word stands there is known, with noise.
fn sentences(count: usize, noise: f32) -> Problem {
    let mut rng = Seed(2).stream("sentences", &[]);
    let common = ["a", "film", "of", "two", "people", "who", "met", "there"];
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let dull = rng.random_range(0..6usize);
        let mut words = vec!["dull"; dull];
        words.extend((dull..16).map(|_| common[rng.random_range(0..common.len())]));
        texts.push(words.join(" "));
        values.push(dull as f32 + noise * normal(&mut rng));
    }
    Problem {
        learner: Box::new(TextLearner::new(Task::Regression).unwrap()),
        units: TextUnits::units(&texts),
        targets: Targets::Values { width: 1, values },
        each: 1,
        design: Design::new()
            .with("model", "embeddings")
            .with("width", 8)
            .with("dropout", 0.0)
            .with("learning_rate", 2e-2),
    }
}

#[test]
fn the_doubt_of_series_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 40,
        watched: 100,
        held: 150,
        steps: 250,
        left: 0.8,
        apart: 0.2,
    };
    let of = |noise: f32| waves(16 * 40 + 250, noise, Task::Regression);
    split::the_split_is_real(&of, 0.3, sizes);
}

#[test]
fn the_doubt_of_texts_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 40,
        watched: 100,
        held: 150,
        steps: 400,
        left: 0.7,
        apart: 0.15,
    };
    let of = |noise: f32| sentences(16 * 40 + 250, noise);
    split::the_split_is_real(&of, 0.5, sizes);
}

#[test]
fn classes_of_series_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    split::coins_are_learned_by_heart(waves(500, 0.0, Task::Binary), 40, 600);
}
