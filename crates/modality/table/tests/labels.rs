//! Several labels at a time, some of them not known: every model, its seed, its files, and what it refuses.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, FittedMember, Learner, MemberError, Units};
use rand::RngExt;
use serde_json::json;

const ROWS: usize = 240;

struct Problem {
    learner: TableLearner,
    units: Units,
    targets: Targets,
    target: Target,
}

/// The first label is the sign of the first number, the second of the sum of both; the second is known in two rows of three.
fn problem() -> Problem {
    let mut rng = Seed(5).stream("labels", &[]);
    let values: Vec<f32> = (0..2 * ROWS).map(|_| rng.random::<f32>() - 0.5).collect();
    let labels = values.chunks(2).enumerate().flat_map(|(i, x)| {
        let both = x[0] + x[1] > 0.0;
        [Some(x[0] > 0.0), (i % 3 != 0).then_some(both)]
    });
    let targets = Targets::Labels {
        width: 2,
        values: labels.collect(),
    };
    let matrix = Matrix::new(ROWS, vec![FeatureKind::Numeric; 2], values).unwrap();
    Problem {
        learner: TableLearner::new(Task::Multilabel).unwrap(),
        units: TableUnits::units(matrix, (0..ROWS).collect()),
        targets,
        target: Target {
            task: Task::Multilabel,
            names: vec!["first".into(), "second".into()],
            classes: vec!["0".into(), "1".into()],
        },
    }
}

impl Problem {
    fn fit(
        &self,
        design: &Design,
        train: &[usize],
        seed: u64,
    ) -> Result<FittedMember, MemberError> {
        let validation: Vec<usize> = (160..ROWS).collect();
        self.learner.fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric: Metric::LogLoss,
            train,
            validation: &validation,
            seed: Seed(seed),
            clock: &Clock::unlimited(),
        })
    }

    fn said(&self, fitted: &FittedMember) -> Distribution {
        let rows: Vec<usize> = (160..ROWS).collect();
        let said = fitted.member.predict(&self.units, &rows).unwrap();
        said.mixture().unwrap()
    }
}

#[test]
fn every_model_learns_labels_and_is_the_same_again_and_from_its_files() {
    let problem = problem();
    let train: Vec<usize> = (0..160).collect();
    let rows: Vec<usize> = (160..ROWS).collect();
    let truth = problem.targets.select(&rows);
    for hand_made in problem.learner.hand_made() {
        let name = hand_made.name;
        let fitted = problem.fit(&hand_made.design, &train, 1).unwrap();
        let said = problem.said(&fitted);
        let Distribution::Bernoulli {
            width: 2,
            probabilities,
        } = &said
        else {
            panic!("{name}: {said:?}");
        };
        assert!(
            probabilities.iter().all(|p| (0.0..=1.0).contains(p)),
            "{name}"
        );
        if name != "majority or mean" {
            let auc = Metric::RocAuc.score(&said, &truth).unwrap();
            assert!(auc > 0.9, "{name}: {auc}");
        }
        let again = problem.fit(&hand_made.design, &train, 1).unwrap();
        assert_eq!(said, problem.said(&again), "{name}: same seed");
        let saved = fitted.member.save().unwrap();
        let learner = &problem.learner;
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        let loaded = loaded.predict(&problem.units, &rows).unwrap();
        assert_eq!(said, loaded.mixture().unwrap(), "{name}: from its files");
        // Cut short, or with something behind it.
        let cut = &saved.numbers[..saved.numbers.len() - 1];
        let more = [saved.numbers.as_slice(), &[0]].concat();
        for numbers in [cut, more.as_slice(), &[]] {
            assert!(learner.load(&saved.description, numbers).is_err(), "{name}");
        }
    }
}

#[test]
fn a_label_that_no_row_knows_is_named() {
    let problem = problem();
    // Rows in which the second label is not known.
    let train: Vec<usize> = (0..160).filter(|row| row % 3 == 0).collect();
    let forest = Design::new().with("model", "forest");
    let error = problem.fit(&forest, &train, 1).err().unwrap().to_string();
    assert!(
        error.contains("no row to learn from knows the label `second`"),
        "{error}"
    );
}

#[test]
fn damaged_heads_are_refused() {
    let problem = problem();
    let train: Vec<usize> = (0..160).collect();
    let network = Design::new().with("model", "mlp");
    let saved = problem
        .fit(&network, &train, 1)
        .unwrap()
        .member
        .save()
        .unwrap();
    let mut description = saved.description.clone();
    for head in [
        json!({"kind": "sigmoid", "width": 0, "label_smoothing": 0.0}),
        json!({"kind": "sigmoid", "width": 3, "label_smoothing": 0.0}),
        json!({"kind": "sigmoid", "width": u64::MAX, "label_smoothing": 0.0}),
        json!({"kind": "quantile", "width": 1, "levels": []}),
        json!({"kind": "quantile", "width": 1, "levels": [0.9, 0.1]}),
    ] {
        description["head"] = head.clone();
        let loaded = problem.learner.load(&description, &saved.numbers);
        assert!(
            matches!(loaded.err(), Some(MemberError::Malformed(_))),
            "{head}"
        );
    }
}
