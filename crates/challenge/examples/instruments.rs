//! The instruments on numbers from elsewhere: JSON from standard input, JSON to standard output.
//!
//!     cargo run --profile release -p candor-challenge --example instruments < in.json
//!
//! `benches/peers/instruments.py` holds the results against those of other tools. Every part of the input is optional; what is not
//! given is not computed.
#![allow(clippy::print_stdout, reason = "the result of an example")]

use std::error::Error;
use std::io::Read;

use candor_challenge::{
    CalibrationError, ConformalClassifier, ConformalMethod, ConformalRegressor, Detection,
    LabelReview, Mahalanobis, energy,
};
use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Input {
    /// `[units, classes]`, beside the class of each.
    probabilities: Vec<Vec<f32>>,
    labels: Vec<u32>,
    /// The same of calibration units.
    calibration_probabilities: Vec<Vec<f32>>,
    calibration_labels: Vec<u32>,
    /// Numbers of calibration units, and what was predicted of them.
    calibration_values: Vec<f32>,
    calibration_means: Vec<f32>,
    alpha: f64,
    /// `[units, classes]`.
    logits: Vec<Vec<f32>>,
    /// Scores of strangeness of usual and of strange units.
    inside: Vec<f64>,
    outside: Vec<f64>,
    /// `[units, width]`, with classes; and what is to be scored.
    known: Vec<Vec<f32>>,
    known_labels: Vec<u32>,
    queries: Vec<Vec<f32>>,
}

#[derive(Default, Serialize)]
struct Output {
    expected_calibration_error: Option<f64>,
    suspects: Option<Vec<usize>>,
    noise: Option<f64>,
    sets: Option<Vec<Vec<u32>>>,
    half_width: Option<f64>,
    energy: Option<Vec<f64>>,
    detection: Option<Detection>,
    mahalanobis: Option<Vec<f64>>,
}

fn distribution(rows: &[Vec<f32>]) -> Distribution {
    Distribution::Categorical {
        classes: rows.first().map_or(0, Vec::len),
        probabilities: rows.concat(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let input: Input = serde_json::from_str(&text)?;
    let mut output = Output::default();
    let predicted = distribution(&input.probabilities);
    if !input.labels.is_empty() {
        let truth = Targets::Classes(input.labels.clone());
        let error = CalibrationError::measure(&predicted, &truth, Seed(0))?;
        output.expected_calibration_error = Some(error.expected);
        let review = LabelReview::of(&predicted, None, &truth)?;
        output.noise = review.noise;
        output.suspects = Some(review.suspects.iter().map(|s| s.unit).collect());
    }
    if !input.calibration_labels.is_empty() {
        let truth = Targets::Classes(input.calibration_labels.clone());
        let calibration = distribution(&input.calibration_probabilities);
        let (method, alpha) = (ConformalMethod::Lac, input.alpha);
        let fitted = ConformalClassifier::fit(method, alpha, &calibration, &truth, Seed(0))?;
        output.sets = Some(fitted.predict(&predicted)?);
    }
    if !input.calibration_values.is_empty() {
        let of = |mean: Vec<f32>| Distribution::Gaussian {
            width: 1,
            variance: vec![1.0; mean.len()],
            mean,
        };
        let truth = Targets::Values {
            width: 1,
            values: input.calibration_values.clone(),
        };
        let said = of(input.calibration_means.clone());
        let fitted = ConformalRegressor::fit(input.alpha, &said, &truth)?;
        output.half_width = fitted.predict(&of(vec![0.0]))?.first().map(|ends| ends.1);
    }
    if let Some(first) = input.logits.first() {
        output.energy = Some(energy(&input.logits.concat(), first.len(), 1.0)?);
    }
    if !input.inside.is_empty() {
        output.detection = Some(Detection::of(&input.inside, &input.outside)?);
    }
    if let Some(first) = input.known.first() {
        let labels = Some(input.known_labels.as_slice());
        let fitted = Mahalanobis::fit(&input.known.concat(), first.len(), labels)?;
        output.mahalanobis = Some(fitted.score(&input.queries.concat())?);
    }
    println!("{}", serde_json::to_string(&output)?);
    Ok(())
}
