//! Scores on small real data sets, five folds, with the default settings of each model.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that shows its scores"
)]

use std::sync::Arc;

use candor_baselines::{
    BaselineConfig, BinnedMatrix, Bins, BoostingConfig, Dataset, FeatureKind, ForestConfig,
    LinearConfig, Matrix, fit,
};
use candor_core::{Clock, Metric, Seed, Targets};
use rand::RngExt;
use smartcore::dataset::{breast_cancer, diabetes, digits};

const FOLDS: usize = 5;

/// Mean score over five folds; a fifth of what is not tested on is validated on.
fn score(
    config: &BaselineConfig,
    matrix: &Matrix,
    targets: &Targets,
    outputs: usize,
    metric: Metric,
) -> f64 {
    let mut rows: Vec<usize> = (0..matrix.rows()).collect();
    let mut rng = Seed(0).stream("folds", &[]);
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.random_range(0..=i as u32) as usize);
    }
    let bins = Arc::new(Bins::fit(matrix, &rows, 255).unwrap());
    let binned = BinnedMatrix::new(matrix, bins).unwrap();
    let dataset = Dataset {
        matrix,
        binned: &binned,
        targets,
        outputs,
    };
    let fold = |fold: usize| {
        let part = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            rows.iter()
                .enumerate()
                .filter(|(i, _)| wanted(i % FOLDS))
                .map(|(_, &row)| row)
                .collect()
        };
        let next = (fold + 1) % FOLDS;
        let (test, validation) = (part(&|f| f == fold), part(&|f| f == next));
        let train = part(&|f| f != fold && f != next);
        let clock = Clock::unlimited();
        let fitted = fit(config, &dataset, &train, &validation, Seed(1), &clock).unwrap();
        let predicted = fitted.model.predict(matrix).unwrap().select(&test);
        metric.score(&predicted, &targets.select(&test)).unwrap()
    };
    let t0 = std::time::Instant::now();
    let mean = (0..FOLDS).map(fold).sum::<f64>() / FOLDS as f64;
    println!("{:18} {metric} {mean:.4} {:?}", config.name(), t0.elapsed());
    mean
}

fn numeric(columns: usize, values: Vec<f32>) -> Matrix {
    Matrix::new(
        values.len() / columns,
        vec![FeatureKind::Numeric; columns],
        values,
    )
    .unwrap()
}

fn boosting() -> BaselineConfig {
    BaselineConfig::Boosting(BoostingConfig::default())
}

fn forest() -> BaselineConfig {
    BaselineConfig::Forest(ForestConfig::default())
}

fn extra_trees() -> BaselineConfig {
    BaselineConfig::Forest(ForestConfig::extra_trees())
}

fn linear() -> BaselineConfig {
    BaselineConfig::Linear(LinearConfig::default())
}

#[test]
fn breast_cancer_is_told_apart() {
    let data = breast_cancer::load_dataset();
    let matrix = numeric(data.num_features, data.data);
    let targets = Targets::Classes(data.target);
    for config in [linear(), boosting(), forest(), extra_trees()] {
        let auc = score(&config, &matrix, &targets, 2, Metric::RocAuc);
        assert!(auc >= 0.985, "{}: AUC {auc}", config.name());
        score(&config, &matrix, &targets, 2, Metric::LogLoss);
    }
}

#[test]
fn digits_are_read() {
    let data = digits::load_dataset();
    let matrix = numeric(data.num_features, data.data);
    let targets = Targets::Classes(data.target.iter().map(|&class| class as u32).collect());
    // The linear model is held to what multinomial regression reaches on these data.
    let least = [
        (linear(), 0.94),
        (boosting(), 0.96),
        (forest(), 0.96),
        (extra_trees(), 0.96),
    ];
    for (config, least) in least {
        let accuracy = score(&config, &matrix, &targets, 10, Metric::Accuracy);
        assert!(accuracy >= least, "{}: accuracy {accuracy}", config.name());
    }
}

#[test]
fn diabetes_is_predicted() {
    let data = diabetes::load_dataset();
    let matrix = numeric(data.num_features, data.data);
    let values = data.target.iter().map(|&y| y as f32).collect();
    let targets = Targets::Values { width: 1, values };
    for config in [linear(), boosting(), forest(), extra_trees()] {
        let r2 = score(&config, &matrix, &targets, 1, Metric::R2);
        assert!(r2 >= 0.38, "{}: R2 {r2}", config.name());
    }
}
