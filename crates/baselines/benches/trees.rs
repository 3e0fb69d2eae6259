//! `cargo bench -p candor-baselines`: fitting and predicting with each kind of tree, on made data.

use std::sync::Arc;

use candor_baselines::{
    Baseline, BaselineConfig, BinnedMatrix, Bins, BoostingConfig, Dataset, FeatureKind,
    ForestConfig, Matrix, fit,
};
use candor_core::{Clock, Seed, Targets};
use divan::Bencher;
use rand::RngExt;

fn main() {
    divan::main();
}

const ROWS: usize = 10_000;
const COLUMNS: usize = 14;
const TREES: usize = 20;

/// Two classes, parted by a product and a sum.
struct Made {
    matrix: Matrix,
    binned: BinnedMatrix,
    targets: Targets,
    rows: Vec<usize>,
}

fn made() -> Made {
    let mut rng = Seed(0).stream("bench", &[]);
    let values: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|_| rng.random::<f32>() - 0.5)
        .collect();
    let class = |row: &[f32]| u32::from(row[0] * row[1] + 0.2 * row[2..].iter().sum::<f32>() > 0.0);
    let targets = Targets::Classes(values.chunks_exact(COLUMNS).map(class).collect());
    let matrix = Matrix::new(ROWS, vec![FeatureKind::Numeric; COLUMNS], values)
        .unwrap_or_else(|error| panic!("{error}"));
    let rows: Vec<usize> = (0..ROWS).collect();
    let binned = bin(&matrix, &rows);
    Made {
        matrix,
        binned,
        targets,
        rows,
    }
}

fn bin(matrix: &Matrix, rows: &[usize]) -> BinnedMatrix {
    let bins = Bins::fit(matrix, rows, 255).unwrap_or_else(|error| panic!("{error}"));
    BinnedMatrix::new(matrix, Arc::new(bins)).unwrap_or_else(|error| panic!("{error}"))
}

fn config(kind: &str) -> BaselineConfig {
    let forest = |config| {
        BaselineConfig::Forest(ForestConfig {
            trees: TREES,
            ..config
        })
    };
    match kind {
        "boosting" => BaselineConfig::Boosting(BoostingConfig {
            iterations: TREES,
            ..BoostingConfig::default()
        }),
        "forest" => forest(ForestConfig::default()),
        _ => forest(ForestConfig::extra_trees()),
    }
}

fn fitted(made: &Made, kind: &str) -> Baseline {
    let Made {
        matrix,
        binned,
        targets,
        rows,
    } = made;
    let dataset = Dataset {
        matrix,
        binned,
        targets,
        outputs: 2,
    };
    let fitted = fit(
        &config(kind),
        &dataset,
        rows,
        &[],
        Seed(0),
        &Clock::unlimited(),
    );
    fitted.unwrap_or_else(|error| panic!("{error}")).model
}

#[divan::bench]
fn bins_10000x14(bencher: Bencher<'_, '_>) {
    let made = made();
    bencher.bench_local(|| bin(&made.matrix, &made.rows));
}

#[divan::bench(args = ["boosting", "forest", "extra trees"])]
fn fit_20_trees_10000x14(bencher: Bencher<'_, '_>, kind: &str) {
    let made = made();
    bencher.bench_local(|| fitted(&made, kind));
}

#[divan::bench(args = ["boosting", "forest", "extra trees"])]
fn predict_20_trees_10000x14(bencher: Bencher<'_, '_>, kind: &str) {
    let made = made();
    let model = fitted(&made, kind);
    bencher.bench_local(|| model.predict(&made.matrix));
}
