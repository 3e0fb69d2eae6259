//! What is said of doubt is true of forecasts.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Metric, Seed, Target, Task};
use candor_graph_series::{
    Body, Calendar, SensorGraph, Series, SeriesDesign, SeriesLearner, SeriesUnits,
};
use candor_train::{Assignment, Learner};
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

const NODES: usize = 4;

/// Waves of a day of twelve steps at four nodes on a ring, with noise.
fn problem(steps: usize, noise: f32) -> Problem {
    let mut rng = Seed(1).stream("days", &[]);
    let mut values = Vec::with_capacity(NODES * steps);
    for t in 0..steps {
        for node in 0..NODES {
            let wave = (t as f32 / 12.0 * std::f32::consts::TAU + node as f32).sin();
            values.push((1.0 + node as f32) * wave + noise * normal(&mut rng));
        }
    }
    let ring: Vec<(u32, u32, f32)> = (0..NODES as u32)
        .map(|n| ((n + 1) % NODES as u32, n, 1.0))
        .collect();
    let series = Series {
        nodes: (0..NODES).map(|n| format!("n{n}")).collect(),
        values,
        calendar: Calendar {
            start: None,
            step: None,
            periods: vec![12],
            phase: 0,
        },
        graph: Some(SensorGraph::new(NODES, &ring)),
        flows: None,
        known: None,
        places: None,
    };
    let units = SeriesUnits::learnable(series, 6, vec![1], 1);
    let design = SeriesDesign {
        body: Body::Stid,
        width: 16,
        layers: 2,
        identity: 4,
        dropout: 0.0,
        learning_rate: 5e-3,
        ..SeriesDesign::default()
    };
    Problem {
        learner: Box::new(SeriesLearner::new(&units).unwrap()),
        targets: units.truth(),
        units: units.units(),
        each: NODES,
        design: design.to_design(),
    }
}

#[test]
fn the_doubt_of_forecasts_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 24,
        watched: 60,
        held: 120,
        steps: 800,
        left: 0.7,
        apart: 0.25,
    };
    let of = |noise: f32| problem(16 * 24 + 200, noise);
    split::the_split_is_real(&of, 0.3, sizes);
}

/// Numbers that follow from nothing that was read before are learned by heart, and forecasts of others are worse than their mean.
#[test]
fn numbers_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut rng = Seed(3).stream("numbers", &[]);
    let series = Series {
        nodes: vec!["n".into()],
        values: (0..400).map(|_| normal(&mut rng)).collect(),
        calendar: Calendar {
            start: None,
            step: None,
            periods: Vec::new(),
            phase: 0,
        },
        graph: None,
        flows: None,
        known: None,
        places: None,
    };
    let units = SeriesUnits::learnable(series, 12, vec![1], 1);
    let design = SeriesDesign {
        body: Body::Gru,
        width: 48,
        layers: 1,
        dropout: 0.0,
        weight_decay: 0.0,
        epochs: 600,
        learning_rate: 1e-2,
        ..SeriesDesign::default()
    };
    let truth = units.truth();
    let (train, others): (Vec<usize>, Vec<usize>) =
        ((0..40).collect(), (60..units.which.len()).collect());
    let fitted = SeriesLearner::new(&units).unwrap().fit(&Assignment {
        design: &design.to_design(),
        units: &units.clone().units(),
        targets: &truth,
        target: &Target {
            task: Task::Regression,
            names: vec!["t+1".into()],
            classes: Vec::new(),
        },
        metric: Metric::Rmse,
        train: &train,
        validation: &[],
        seed: Seed(1),
        clock: &Clock::unlimited(),
    });
    let fitted = fitted.unwrap();
    let r2 = |asked: &[usize]| {
        let said = fitted
            .member
            .predict(&units.clone().units(), asked)
            .unwrap();
        let said = said.mixture().unwrap();
        Metric::R2.score(&said, &truth.select(asked)).unwrap()
    };
    assert!(r2(&train) >= 0.99, "{}", r2(&train));
    assert!(r2(&others) < 0.05, "{}", r2(&others));
}
