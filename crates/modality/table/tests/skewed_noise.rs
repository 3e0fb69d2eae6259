//! Where the noise is skewed, quantiles say more of it than a normal distribution can.
#![allow(clippy::unwrap_used)]

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_nn::QUANTILE_LEVELS;
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, Learner};
use rand::RngExt;

const TRAIN: usize = 1200;
const VALIDATION: usize = 400;
const ROWS: usize = 4000;

/// `y = x + (1/2 + x) E` with `E` exponential: the lower end is sharp, the upper tail is long.
fn skewed() -> (Matrix, Vec<f32>) {
    let mut rng = Seed(11).stream("skewed", &[]);
    let x: Vec<f32> = (0..ROWS).map(|_| rng.random::<f32>()).collect();
    let y = x
        .iter()
        .map(|x| x - (0.5 + x) * (1.0 - rng.random::<f32>()).ln())
        .collect();
    let matrix = Matrix::new(ROWS, vec![FeatureKind::Numeric], x).unwrap();
    (matrix, y)
}

/// Over all levels: the mean pinball loss, and how far the share of true values below a quantile is from its level, on average.
fn judge(said: &Distribution, truth: &[f32]) -> (f64, f64) {
    let said = said.at_levels(&QUANTILE_LEVELS).unwrap();
    let Distribution::Quantiles { levels, values, .. } = &said else {
        panic!("quantiles");
    };
    let (count, units) = (levels.len() as f64, truth.len() as f64);
    let (mut loss, mut off) = (0.0, 0.0);
    for (k, &level) in levels.iter().enumerate() {
        let level = f64::from(level);
        let quantiles = values.iter().skip(k).step_by(levels.len());
        let errors: Vec<f64> = truth
            .iter()
            .zip(quantiles)
            .map(|(y, q)| f64::from(y - q))
            .collect();
        let pinball = errors.iter().map(|e| (level * e).max((level - 1.0) * e));
        loss += pinball.sum::<f64>() / units / count;
        let below = errors.iter().filter(|e| **e <= 0.0).count() as f64 / units;
        off += (below - level).abs() / count;
    }
    (loss, off)
}

#[test]
fn quantiles_beat_a_normal_distribution_on_held_out_rows() {
    let (matrix, y) = skewed();
    let learner = TableLearner::new(Task::Regression).unwrap();
    let units = TableUnits::units(matrix, (0..TRAIN).collect());
    let targets = Targets::Values {
        width: 1,
        values: y.clone(),
    };
    let target = Target {
        task: Task::Regression,
        names: vec!["y".into()],
        classes: Vec::new(),
    };
    let (train, rest): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|row| *row < TRAIN);
    let (validation, test) = rest.split_at(VALIDATION);
    let truth: Vec<f32> = test.iter().map(|&row| y[row]).collect();
    let fit = |name: &str| {
        let designs = learner.hand_made();
        let found = designs.iter().find(|h| h.name == name).unwrap();
        let assignment = Assignment {
            design: &found.design,
            units: &units,
            targets: &targets,
            target: &target,
            metric: Metric::Crps,
            train: &train,
            validation,
            seed: Seed(0),
            clock: &Clock::unlimited(),
        };
        let fitted = learner.fit(&assignment).unwrap();
        let said = fitted.member.predict(&units, test).unwrap();
        judge(&said.mixture().unwrap(), &truth)
    };
    let (normal, quantiles) = (fit("MLP"), fit("MLP with quantiles"));
    assert!(quantiles.0 < 0.97 * normal.0, "{normal:?} {quantiles:?}");
    assert!(
        quantiles.1 < 0.04 && quantiles.1 < 0.7 * normal.1,
        "{normal:?} {quantiles:?}"
    );
}
