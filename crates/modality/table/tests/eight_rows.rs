//! A network that cannot learn eight rows by heart has a fault.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, Learner, Units};
use rand::RngExt;

const ROWS: usize = 8;

fn units() -> Units {
    let mut rng = Seed(3).stream("rows", &[]);
    let values: Vec<f32> = (0..ROWS)
        .flat_map(|_| {
            let number = rng.random::<f32>() * 100.0;
            [number, rng.random::<f32>(), rng.random_range(0..3) as f32]
        })
        .collect();
    let kinds = vec![
        FeatureKind::Numeric,
        FeatureKind::Numeric,
        FeatureKind::Categorical { cardinality: 3 },
    ];
    let matrix = Matrix::new(ROWS, kinds, values).unwrap();
    TableUnits::units(matrix, (0..ROWS).collect())
}

#[test]
fn every_network_learns_eight_rows_by_heart() {
    let units = units();
    let rows: Vec<usize> = (0..ROWS).collect();
    let cases = [
        (
            Task::Binary,
            vec!["no".to_owned(), "yes".to_owned()],
            Targets::Classes(vec![0, 1, 1, 0, 1, 0, 0, 1]),
            Metric::Accuracy,
            0.999,
        ),
        (
            Task::Multilabel,
            vec!["no".to_owned(), "yes".to_owned()],
            // Two labels; the last row does not know the second.
            Targets::Labels {
                width: 2,
                values: "nyynynynyynnynn?"
                    .chars()
                    .map(|c| (c != '?').then_some(c == 'y'))
                    .collect(),
            },
            Metric::Accuracy,
            0.999,
        ),
        (
            Task::Regression,
            Vec::new(),
            Targets::Values {
                width: 1,
                values: vec![3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0],
            },
            Metric::R2,
            0.9,
        ),
    ];
    for (task, classes, targets, metric, least) in &cases {
        let target = Target {
            task: *task,
            names: match task {
                Task::Multilabel => vec!["a".into(), "b".into()],
                _ => vec!["y".into()],
            },
            classes: classes.clone(),
        };
        let learner = TableLearner::new(*task).unwrap();
        for hand_made in learner.hand_made().into_iter().filter(|h| !h.baseline) {
            let assignment = Assignment {
                design: &hand_made.design,
                units: &units,
                targets,
                target: &target,
                metric: *metric,
                train: &rows,
                validation: &[],
                seed: Seed(0),
                clock: &Clock::unlimited(),
            };
            let fitted = learner.fit(&assignment).unwrap();
            let said = fitted.member.predict(&units, &rows).unwrap();
            let said = said.mixture().unwrap();
            let score = metric.score(&said, targets).unwrap();
            assert!(score >= *least, "{} ({task}): {score}", hand_made.name);

            let saved = fitted.member.save().unwrap();
            let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
            let again = loaded.predict(&units, &rows).unwrap().mixture().unwrap();
            assert_eq!(
                said, again,
                "{}: loaded is not what was saved",
                hand_made.name
            );
        }
    }
}
