//! A fifth of the digits get another digit's label; models that have not seen a digit must find it out.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use candor_baselines::{
    BaselineConfig, BinnedMatrix, Bins, Dataset, FeatureKind, ForestConfig, Matrix, fit,
};
use candor_challenge::{ConfidentJoint, LabelReview};
use candor_core::{Clock, Distribution, Seed, Targets};
use rand::RngExt;
use rand::seq::SliceRandom;

/// What the project is held to.
const PRECISION: f64 = 0.94;
const RECALL: f64 = 0.87;
const NOISE: f64 = 0.2;
const FOLDS: usize = 5;

/// Each label is changed to another one, all others equally likely, with this probability.
fn noisy(labels: &[u32], noise: f64, seed: Seed) -> Vec<u32> {
    let mut rng = seed.stream("noise", &[]);
    let change = |&label: &u32| {
        let other = (label + 1 + rng.random_range(0..9u32)) % 10;
        if rng.random::<f64>() < noise {
            other
        } else {
            label
        }
    };
    labels.iter().map(change).collect()
}

fn out_of_fold(matrix: &Matrix, labels: &[u32], seed: Seed) -> Distribution {
    let rows: Vec<usize> = (0..labels.len()).collect();
    let binned =
        BinnedMatrix::new(matrix, Arc::new(Bins::fit(matrix, &rows, 32).unwrap())).unwrap();
    let targets = Targets::Classes(labels.to_vec());
    let dataset = Dataset {
        matrix,
        binned: &binned,
        targets: &targets,
        outputs: 10,
    };
    let config = BaselineConfig::Forest(ForestConfig {
        trees: 60,
        ..ForestConfig::extra_trees()
    });
    let mut order = rows;
    order.shuffle(&mut seed.stream("folds", &[]));
    let empty = Distribution::Categorical {
        classes: 10,
        probabilities: Vec::new(),
    };
    let mut said = empty.zeros_like(labels.len());
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<usize> {
            let of_fold = |(i, _): &(usize, &usize)| (i % FOLDS == fold) == inside;
            order
                .iter()
                .enumerate()
                .filter(of_fold)
                .map(|(_, r)| *r)
                .collect()
        };
        let (held_out, train) = (part(true), part(false));
        let clock = Clock::unlimited();
        let fitted = fit(&config, &dataset, &train, &[], seed, &clock).unwrap();
        let values = held_out
            .iter()
            .flat_map(|&r| matrix.row(r).to_vec())
            .collect();
        let some = Matrix::new(held_out.len(), vec![FeatureKind::Numeric; 64], values).unwrap();
        said.put(&held_out, &fitted.model.predict(&some).unwrap())
            .unwrap();
    }
    said
}

#[test]
fn most_wrong_labels_are_found_and_few_right_ones_are_suspected() {
    let digits = smartcore::dataset::digits::load_dataset();
    let columns = vec![FeatureKind::Numeric; 64];
    let matrix = Matrix::new(digits.num_samples, columns, digits.data).unwrap();
    let truth: Vec<u32> = digits.target.iter().map(|&t| t as u32).collect();
    let seed = Seed(0);
    let given = noisy(&truth, NOISE, seed);
    let wrong = |unit: usize| given[unit] != truth[unit];
    let planted = (0..truth.len()).filter(|&unit| wrong(unit)).count();
    let said = out_of_fold(&matrix, &given, seed);
    let targets = Targets::Classes(given.clone());
    let review = LabelReview::of(&said, None, &targets).unwrap();

    let found = review.suspects.iter().filter(|s| wrong(s.unit)).count();
    let precision = found as f64 / review.suspects.len() as f64;
    let recall = found as f64 / planted as f64;
    let text = format!(
        "precision {precision:.4}, recall {recall:.4}, {planted} planted, {} suspected, noise {:?}",
        review.suspects.len(),
        review.noise
    );
    println!("{text}");
    assert!(precision >= PRECISION && recall >= RECALL, "{text}");
    // The estimate of the noise is of the right size, and the head of the list is sure.
    let noise = ConfidentJoint::estimate(&said, &targets).unwrap().noise();
    assert!(
        (noise - planted as f64 / truth.len() as f64).abs() < 0.04,
        "{text}"
    );
    let head = review
        .suspects
        .iter()
        .take(100)
        .filter(|s| wrong(s.unit))
        .count();
    assert!(head >= 98, "{head} of the first 100; {text}");
}

#[test]
fn clean_digits_get_few_suspects() {
    let digits = smartcore::dataset::digits::load_dataset();
    let matrix = Matrix::new(
        digits.num_samples,
        vec![FeatureKind::Numeric; 64],
        digits.data,
    )
    .unwrap();
    let truth: Vec<u32> = digits.target.iter().map(|&t| t as u32).collect();
    let said = out_of_fold(&matrix, &truth, Seed(1));
    let review = LabelReview::of(&said, None, &Targets::Classes(truth)).unwrap();
    assert!(review.suspects.len() <= 36, "{}", review.suspects.len());
}
