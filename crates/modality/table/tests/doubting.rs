//! Networks that doubt themselves: every method on classes, labels and numbers.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Metric, Seed, Target, Targets, Task, UncertaintyMethod};
use candor_design::Design;
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, Learner, Units};
use rand::RngExt;

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

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

#[test]
fn every_method_learns_doubts_itself_and_is_the_same_when_loaded() {
    let (units, first) = source();
    let (train, all): (Vec<usize>, Vec<usize>) = ((0..KNOWN).collect(), (0..ROWS).collect());
    for task in [Task::Multiclass, Task::Multilabel, Task::Regression] {
        let (targets, target, metric) = problem(task, &first);
        let learner = TableLearner::new(task).unwrap();
        assert_eq!(learner.uncertainty_methods(), UncertaintyMethod::ALL);
        let methods: Vec<UncertaintyMethod> = UncertaintyMethod::ALL
            .into_iter()
            .filter(|m| task != Task::Multilabel || *m != UncertaintyMethod::Evidential)
            .collect();
        // Quantiles were asked for: methods that cannot tell their doubt take a normal distribution.
        let names: &[&str] = match task {
            Task::Regression => &["MLP", "MLP with quantiles"],
            _ => &["MLP", "TabM with piecewise-linear numbers"],
        };
        let hand_made = learner.hand_made().into_iter();
        let designs: Vec<Design> = hand_made
            .filter(|h| names.contains(&h.name))
            .map(|h| h.design.with("dropout", 0.0).with("width", 32))
            .collect();
        assert_eq!(designs.len(), names.len());
        let fit = |design: &Design| {
            let fit = || {
                let fitted = learner.fit(&Assignment {
                    design,
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
            let thinned = design.get("uncertainty").is_some_and(|m| m == "dropout");
            let warned = fitted.warnings.iter().any(|w| w.contains("dropout"));
            assert_eq!(warned, thinned, "{design}");
            let said = fitted.member.predict(&units, &all).unwrap();
            let score = metric.score(
                &said.mixture().unwrap().select(&train),
                &targets.select(&train),
            );
            let least = if task == Task::Regression { 0.5 } else { 0.75 };
            assert!(score.unwrap() < least, "{design}");
            let again = fit().member.predict(&units, &all).unwrap();
            assert_eq!(said, again, "{design}");
            fitted
        };
        doubting::every_method(&learner, &methods, &designs, &fit, &units, 1e-4);
    }
}
