//! What is said of doubt is true of molecules.
#![allow(clippy::unwrap_used)]

use candor_core::{Seed, Targets, Task};
use candor_design::Design;
use candor_molecule::{AtomFeatures, Limits, MoleculeLearner, MoleculeUnits};
use rand::RngExt;
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

/// Chains of carbon, nitrogen and oxygen; how much nitrogen there is is known, with noise.
fn problem(molecules: usize, noise: f32, task: Task) -> Problem {
    let mut rng = Seed(1).stream("chains", &[]);
    let (mut strings, mut values) = (Vec::new(), Vec::new());
    for _ in 0..molecules {
        let chain: String = (0..rng.random_range(6..14))
            .map(|_| ['C', 'C', 'C', 'N', 'O'][rng.random_range(0..5usize)])
            .collect();
        let nitrogen = chain.matches('N').count();
        values.push(nitrogen as f32 + noise * normal(&mut rng));
        strings.push(chain);
    }
    let texts: Vec<Option<&str>> = strings.iter().map(|text| Some(text.as_str())).collect();
    let features = AtomFeatures::default();
    let (units, unusable) = MoleculeUnits::read(&texts, features, Limits::default());
    assert!(unusable.is_empty(), "{unusable:?}");
    Problem {
        learner: Box::new(MoleculeLearner::new(features, task).unwrap()),
        units,
        targets: Targets::Values { width: 1, values },
        each: 1,
        design: Design::new()
            .with("model", "bond_messages")
            .with("width", 32)
            .with("readout", "sum"),
    }
}

#[test]
fn the_doubt_of_molecules_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 30,
        watched: 0,
        held: 200,
        steps: 3_000,
        left: 0.7f64.sqrt(),
        apart: 0.2,
    };
    let of = |noise: f32| problem(16 * 30 + 200, noise, Task::Regression);
    split::the_split_is_real(&of, 0.5, sizes);
}

#[test]
fn classes_of_molecules_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut problem = problem(500, 0.0, Task::Binary);
    problem.design = problem
        .design
        .with("width", 64)
        .with("label_smoothing", 0.0);
    split::coins_are_learned_by_heart(problem, 40, 600);
}
