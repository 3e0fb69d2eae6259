//! Networks that doubt themselves: every method on classes, labels and numbers.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task, UncertaintyMethod};
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, Learner, MemberPrediction, Units};
use rand::RngExt;

const ROWS: usize = 220;
const KNOWN: usize = 200;

/// Two numbers of which the first tells; the last twenty rows lie far outside.
fn source() -> (Units, Vec<f32>) {
    let mut stream = Seed(4).stream("rows", &[]);
    let mut values = Vec::new();
    for row in 0..ROWS {
        let far = if row < KNOWN { 0.0 } else { 12.0 };
        values.extend([
            stream.random_range(-1.0..1.0f32) + far,
            stream.random_range(-1.0..1.0f32) - far,
        ]);
    }
    let first = values.iter().copied().step_by(2).collect();
    let kinds = vec![FeatureKind::Numeric; 2];
    let matrix = Matrix::new(ROWS, kinds, values).unwrap();
    (TableUnits::units(matrix, (0..KNOWN).collect()), first)
}

fn problem(task: Task, first: &[f32]) -> (Targets, Target, Metric) {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let (targets, columns, classes, metric) = match task {
        Task::Regression => {
            let values = first.to_vec();
            let targets = Targets::Values { width: 1, values };
            (targets, names(&["y"]), Vec::new(), Metric::Nll)
        }
        Task::Multilabel => {
            let both = first.iter().flat_map(|v| [Some(*v > 0.2), Some(*v < -0.1)]);
            let values = both.collect();
            let targets = Targets::Labels { width: 2, values };
            let columns = names(&["a", "b"]);
            (targets, columns, names(&["no", "yes"]), Metric::LogLoss)
        }
        _ => {
            let class = |v: &f32| u32::from(*v > -0.3) + u32::from(*v > 0.3);
            let targets = Targets::Classes(first.iter().map(class).collect());
            let classes = names(&["low", "middle", "high"]);
            (targets, names(&["y"]), classes, Metric::LogLoss)
        }
    };
    let target = Target {
        task,
        names: columns,
        classes,
    };
    (targets, target, metric)
}

/// What each unit's answer holds: the whole doubt, and how much of it is in the data, over all members inside.
fn doubts(said: &MemberPrediction) -> (Vec<f64>, Vec<f64>) {
    let whole = said.mixture().unwrap();
    let mut inner = vec![0.0; of_units(&whole).len()];
    for (place, member) in said.members.iter().enumerate() {
        let own: Vec<f64> = match &said.aleatoric {
            Some(own) => own[place].iter().map(|v| f64::from(*v)).collect(),
            None => of_units(member),
        };
        let share = 1.0 / said.members.len() as f64;
        inner
            .iter_mut()
            .zip(own)
            .for_each(|(sum, own)| *sum += share * own);
    }
    (of_units(&whole), inner)
}

fn of_units(said: &Distribution) -> Vec<f64> {
    let entropy = |row: &[f32]| -> f64 {
        let positive = row.iter().map(|p| f64::from(*p)).filter(|p| *p > 0.0);
        -positive.map(|p| p * p.ln()).sum::<f64>()
    };
    match said {
        Distribution::Categorical {
            classes,
            probabilities,
        } => probabilities.chunks(*classes).map(entropy).collect(),
        Distribution::Bernoulli { probabilities, .. } => probabilities
            .iter()
            .map(|p| entropy(&[*p, 1.0 - p]))
            .collect(),
        Distribution::Gaussian { variance, .. } => variance.iter().map(|v| f64::from(*v)).collect(),
        Distribution::Quantiles { .. } => panic!("no method but the ensemble tells quantiles"),
    }
}

#[test]
fn every_method_learns_doubts_itself_and_is_the_same_when_loaded() {
    let (units, first) = source();
    let (train, all): (Vec<usize>, Vec<usize>) = ((0..KNOWN).collect(), (0..ROWS).collect());
    for task in [Task::Multiclass, Task::Multilabel, Task::Regression] {
        let (targets, target, metric) = problem(task, &first);
        let learner = TableLearner::new(task).unwrap();
        assert_eq!(learner.uncertainty_methods(), UncertaintyMethod::ALL);
        let designs = learner.hand_made();
        for method in UncertaintyMethod::ALL.into_iter().skip(1) {
            if task == Task::Multilabel && method == UncertaintyMethod::Evidential {
                continue;
            }
            let case = format!("{method}, {task}");
            // Quantiles were asked for: methods that cannot tell their doubt take a normal distribution.
            let names: &[&str] = match task {
                Task::Regression => &["MLP", "MLP with quantiles"],
                _ => &["MLP", "TabM with piecewise-linear numbers"],
            };
            for name in names {
                let found = designs.iter().find(|h| h.name == *name).unwrap();
                let design = found.design.clone().with("uncertainty", method.name());
                let fit = || {
                    let fitted = learner.fit(&Assignment {
                        design: &design.clone().with("dropout", 0.0).with("width", 32),
                        units: &units,
                        targets: &targets,
                        target: &target,
                        metric,
                        train: &train,
                        validation: &[],
                        seed: Seed(3),
                        clock: &Clock::unlimited().with_steps(Some(150)),
                    });
                    fitted.unwrap()
                };
                let fitted = fit();
                let warned = fitted.warnings.iter().any(|w| w.contains("dropout"));
                assert_eq!(warned, method == UncertaintyMethod::Dropout, "{case}");
                let said = fitted.member.predict(&units, &all).unwrap();
                let score = metric.score(
                    &said.mixture().unwrap().select(&train),
                    &targets.select(&train),
                );
                let least = if task == Task::Regression { 0.5 } else { 0.75 };
                assert!(score.unwrap() < least, "{case}, {name}");

                let (whole, inner) = doubts(&said);
                let epistemic: Vec<f64> = whole.iter().zip(&inner).map(|(w, i)| w - i).collect();
                let least = epistemic.iter().copied().fold(f64::INFINITY, f64::min);
                assert!(least > -1e-5, "{case}: {least}");
                assert!(epistemic.iter().sum::<f64>() > 0.0, "{case}");
                assert!(inner.iter().all(|i| *i >= 0.0 && i.is_finite()), "{case}");

                // The same seed, the same; one unit alone, the same; saved and loaded, the same.
                assert_eq!(said, fit().member.predict(&units, &all).unwrap(), "{case}");
                let alone = fitted.member.predict(&units, &all[205..206]).unwrap();
                let (one, inside) = doubts(&alone);
                let width = one.len();
                let at = 205 * width..206 * width;
                let pairs = one.iter().chain(&inside);
                let pairs = pairs.zip(whole[at.clone()].iter().chain(&inner[at]));
                for (alone, among) in pairs {
                    assert!(
                        (alone - among).abs() < 1e-4 * among.abs().max(0.1),
                        "{case}"
                    );
                }
                let saved = fitted.member.save().unwrap();
                let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
                assert_eq!(said, loaded.predict(&units, &all).unwrap(), "{case}");
            }
        }
    }
}
