//! What is said of doubt is true of tables.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Seed, Targets, Task};
use candor_design::Design;
use candor_table::{TableLearner, TableUnits};
use rand::RngExt;
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

/// Two numbers of which a smooth function is known, with noise.
fn problem(rows: usize, noise: f32, task: Task) -> Problem {
    let mut rng = Seed(1).stream("rows", &[]);
    let (mut cells, mut values) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let [a, b] = [0; 2].map(|_| rng.random_range(-1.0..1.0f32));
        cells.extend([a, b]);
        values.push((3.0 * a).sin() + b + noise * normal(&mut rng));
    }
    let matrix = Matrix::new(rows, vec![FeatureKind::Numeric; 2], cells).unwrap();
    Problem {
        learner: Box::new(TableLearner::new(task).unwrap()),
        units: TableUnits::units(matrix, (0..rows).collect()),
        targets: Targets::Values { width: 1, values },
        each: 1,
        design: Design::new()
            .with("model", "mlp")
            .with("numbers", "plain")
            .with("width", 64)
            .with("dropout", 0.0)
            .with("weight_decay", 0.01)
            .with("distribution", "gaussian")
            .with("learning_rate", 3e-3),
    }
}

#[test]
fn the_doubt_of_rows_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 60,
        watched: 200,
        held: 300,
        steps: 1_000,
        left: 0.8,
        apart: 0.15,
    };
    let of = |noise: f32| problem(16 * 60 + 500, noise, Task::Regression);
    split::the_split_is_real(&of, 0.3, sizes);
}

#[test]
fn classes_of_rows_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut problem = problem(1_000, 0.0, Task::Binary);
    problem.design = problem.design.with("width", 256).with("weight_decay", 0.0);
    split::coins_are_learned_by_heart(problem, 40, 3_000);
}
