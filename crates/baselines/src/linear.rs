use candor_core::{Clock, Stop};
use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, Writer};
use crate::encoder::Encoder;
use crate::lbfgs::{End, minimise};
use crate::one_hot::{Inputs, OneHot};
use crate::outcome::{Outcome, Trained, Training, moments};
use crate::probability::{log_loss, sigmoid, softmax};
use crate::setting::{at_least, within};
use crate::tree::bounded;
use crate::{BaselineError, Matrix};

/// The gradient of the mean loss at which the weights are good enough.
const TOLERANCE: f64 = 1e-5;

/// Logistic regression (multinomial for more than two classes) or ridge regression on standardised numbers
/// and one-hot categories, fitted by L-BFGS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// Strengths `l2` of the penalty `l2 / 2 |w|^2` beside the mean loss, from strong to weak
    /// (1, 0.1, 0.01, 0.001, 0.0001). The one with the lowest validation loss is kept; without validation
    /// rows the one nearest to one over the number of training rows is (a penalty of 1 beside the summed loss).
    pub l2: Vec<f64>,
    /// Iterations of L-BFGS for each strength at most (200).
    pub iterations: usize,
}

impl Default for LinearConfig {
    fn default() -> LinearConfig {
        LinearConfig {
            l2: vec![1.0, 0.1, 0.01, 1e-3, 1e-4],
            iterations: 200,
        }
    }
}

impl LinearConfig {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting outside its range.
    pub fn check(&self) -> Result<(), BaselineError> {
        at_least("l2", self.l2.len(), 1, "a list of at least 1 strength")?;
        at_least("iterations", self.iterations, 1, "at least 1")?;
        let positive = |&l2| within("l2", l2, f64::MIN_POSITIVE, f64::MAX, "positive and finite");
        self.l2.iter().try_for_each(positive)
    }
}

/// A fitted linear model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    one_hot: OneHot,
    /// `[scores, inputs + 1]`; the intercept is last. In units of the target.
    weights: Vec<f32>,
    scores: usize,
}

/// The truth of some rows: classes, or standardised targets `[rows, targets]`.
enum Truth {
    Classes(Vec<u32>),
    Values(Vec<f64>),
}

impl Linear {
    pub(crate) fn fit(
        config: &LinearConfig,
        training: &Training<'_>,
        clock: &Clock,
    ) -> Result<Trained<Linear>, BaselineError> {
        config.check()?;
        if let Some(stop) = clock.stop() {
            return Err(stop.into());
        }
        let encoder = Encoder::new(training.binned.bins());
        let one_hot = OneHot::fit(encoder, training.matrix, training.train);
        let scores = training.outcome.scores();
        let spread: Vec<(f64, f64)> = match training.outcome {
            Outcome::Classes(_) => vec![(0.0, 1.0); scores],
            Outcome::Values(targets) => (0..targets)
                .map(|t| moments(&training.values(training.train, t)))
                .collect(),
        };
        let problem = |rows: &[usize]| Problem {
            inputs: one_hot.inputs(training.matrix, rows.iter().copied()),
            truth: truth(training, rows, &spread),
            scores,
        };
        let path = Path::follow(
            config,
            &problem(training.train),
            &problem(training.validation),
            one_hot.width() + 1,
            clock,
        )?;
        let mut weights = path.weights;
        for (row, (mean, deviation)) in weights.chunks_exact_mut(one_hot.width() + 1).zip(spread) {
            row.iter_mut().for_each(|weight| *weight *= deviation);
            if let Some(intercept) = row.last_mut() {
                *intercept += mean;
            }
        }
        let weights = weights.into_iter().map(bounded).collect();
        let model = Linear {
            one_hot,
            weights,
            scores,
        };
        Ok(Trained {
            model,
            stopped_early: path.stopped_early,
            history: path.history,
        })
    }

    /// Logits or means, `[rows, scores]`.
    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        self.one_hot.check(matrix)?;
        let inputs = self.one_hot.inputs(matrix, 0..matrix.rows());
        let weights: Vec<f64> = self.weights.iter().map(|&w| f64::from(w)).collect();
        let mut scores = Vec::with_capacity(matrix.rows() * self.scores);
        for row in 0..matrix.rows() {
            let per_score = weights.chunks_exact(self.one_hot.width() + 1);
            scores.extend(per_score.map(|weights| inputs.dot(row, weights)));
        }
        Ok(scores)
    }

    pub(crate) fn parameters(&self) -> usize {
        self.weights.len()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.one_hot.write(to);
        to.f32s(&self.weights);
    }

    pub(crate) fn read(from: &mut Reader<'_>, outcome: Outcome) -> Result<Linear, BaselineError> {
        let one_hot = OneHot::read(from)?;
        let (weights, scores) = (from.f32s()?, outcome.scores());
        if (one_hot.width() + 1).checked_mul(scores) != Some(weights.len()) {
            return Err(from.corrupt("another number of weights"));
        }
        Ok(Linear {
            one_hot,
            weights,
            scores,
        })
    }
}

fn truth(training: &Training<'_>, rows: &[usize], spread: &[(f64, f64)]) -> Truth {
    if let Outcome::Classes(_) = training.outcome {
        return Truth::Classes(training.classes(rows));
    }
    let mut values = vec![0.0; rows.len() * spread.len()];
    for (target, (mean, deviation)) in spread.iter().enumerate() {
        for (i, value) in training.values(rows, target).into_iter().enumerate() {
            values[i * spread.len() + target] = (value - mean) / deviation;
        }
    }
    Truth::Values(values)
}

/// Rows with their truth.
struct Problem {
    inputs: Inputs,
    truth: Truth,
    scores: usize,
}

impl Problem {
    /// Mean loss of the weights, without a penalty.
    fn loss(&self, weights: &[f64]) -> f64 {
        let width = weights.len() / self.scores;
        let mut scores = vec![0.0; self.scores];
        let mut loss = 0.0;
        for row in 0..self.inputs.rows {
            for (score, weights) in scores.iter_mut().zip(weights.chunks_exact(width)) {
                *score = self.inputs.dot(row, weights);
            }
            loss += match &self.truth {
                Truth::Classes(classes) => log_loss(&scores, classes[row]),
                Truth::Values(values) => {
                    let values = &values[row * self.scores..(row + 1) * self.scores];
                    scores
                        .iter()
                        .zip(values)
                        .map(|(s, y)| (s - y).powi(2))
                        .sum::<f64>()
                        / self.scores as f64
                }
            };
        }
        loss / self.inputs.rows.max(1) as f64
    }

    /// The penalised loss and its gradient: log loss, or half the squared error summed over targets.
    fn evaluate(&self, weights: &[f64], l2: f64, gradient: &mut [f64]) -> f64 {
        let width = weights.len() / self.scores;
        let per_row = 1.0 / self.inputs.rows.max(1) as f64;
        gradient.fill(0.0);
        let mut value = 0.0;
        let mut scores = vec![0.0; self.scores];
        for row in 0..self.inputs.rows {
            for (score, weights) in scores.iter_mut().zip(weights.chunks_exact(width)) {
                *score = self.inputs.dot(row, weights);
            }
            value += self.residuals(row, &mut scores);
            for (residual, gradient) in scores.iter().zip(gradient.chunks_exact_mut(width)) {
                self.inputs.add(row, residual * per_row, gradient);
            }
        }
        value *= per_row;
        for (weights, gradient) in weights
            .chunks_exact(width)
            .zip(gradient.chunks_exact_mut(width))
        {
            // The last is the intercept: not penalised.
            for (w, g) in weights.iter().zip(gradient).take(width - 1) {
                value += 0.5 * l2 * w * w;
                *g += l2 * w;
            }
        }
        value
    }

    /// Turns scores into the loss's derivatives by them; returns the loss of the row.
    fn residuals(&self, row: usize, scores: &mut [f64]) -> f64 {
        match &self.truth {
            Truth::Classes(classes) => {
                let (class, loss) = (classes[row], log_loss(scores, classes[row]));
                if let [score] = scores {
                    *score = sigmoid(*score) - f64::from(class == 1);
                } else {
                    softmax(scores);
                    scores[class as usize] -= 1.0;
                }
                loss
            }
            Truth::Values(values) => {
                let values = &values[row * scores.len()..(row + 1) * scores.len()];
                scores
                    .iter_mut()
                    .zip(values)
                    .for_each(|(score, y)| *score -= y);
                scores.iter().map(|r| 0.5 * r * r).sum()
            }
        }
    }
}

/// The weights along the strengths, each started from the one before.
struct Path {
    weights: Vec<f64>,
    stopped_early: bool,
    history: Vec<f64>,
}

impl Path {
    fn follow(
        config: &LinearConfig,
        train: &Problem,
        validation: &Problem,
        width: usize,
        clock: &Clock,
    ) -> Result<Path, BaselineError> {
        let validate = validation.inputs.rows > 0;
        let usual = [nearest(&config.l2, 1.0 / train.inputs.rows.max(1) as f64)];
        let strengths = if validate {
            config.l2.as_slice()
        } else {
            &usual
        };
        let mut weights = vec![0.0; train.scores * width];
        let mut path = Path {
            weights: weights.clone(),
            stopped_early: false,
            history: Vec::new(),
        };
        let mut best = f64::INFINITY;
        for &l2 in strengths {
            let evaluate = |w: &[f64], g: &mut [f64]| train.evaluate(w, l2, g);
            let end = minimise(&mut weights, evaluate, config.iterations, TOLERANCE, clock);
            match end {
                End::Stopped(Stop::OutOfTime, iterations) => {
                    if path.history.is_empty() && iterations == 0 {
                        return Err(BaselineError::OutOfTime);
                    }
                    path.stopped_early = true;
                }
                End::Stopped(Stop::Interrupted, _) => return Err(BaselineError::Interrupted),
                End::Converged | End::Iterations => {}
            }
            let loss = if validate {
                validation.loss(&weights)
            } else {
                0.0
            };
            if validate {
                path.history.push(loss);
            }
            if loss < best {
                best = loss;
                path.weights.clone_from(&weights);
            }
            if path.stopped_early {
                break;
            }
        }
        Ok(path)
    }
}

/// The strength whose ratio to `wanted` is nearest to one.
fn nearest(strengths: &[f64], wanted: f64) -> f64 {
    let off = |strength: &f64| (strength / wanted).ln().abs();
    strengths
        .iter()
        .copied()
        .min_by(|a, b| off(a).total_cmp(&off(b)))
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candor_core::Targets;

    use super::*;
    use crate::{BinnedMatrix, Bins, Dataset, FeatureKind};

    fn fitted(
        columns: Vec<FeatureKind>,
        values: &[f32],
        targets: &Targets,
        outputs: usize,
        l2: f64,
    ) -> Vec<f64> {
        let matrix = Matrix::new(targets.len(), columns, values.to_vec()).unwrap();
        let rows: Vec<usize> = (0..matrix.rows()).collect();
        let bins = Arc::new(Bins::fit(&matrix, &rows, 255).unwrap());
        let binned = BinnedMatrix::new(&matrix, bins).unwrap();
        let dataset = Dataset {
            matrix: &matrix,
            binned: &binned,
            targets,
            outputs,
        };
        let training = Training::new(&dataset, &rows, &[]).unwrap();
        let config = LinearConfig {
            l2: vec![l2],
            iterations: 500,
        };
        let trained = Linear::fit(&config, &training, &Clock::unlimited()).unwrap();
        trained.model.scores(&matrix).unwrap()
    }

    fn close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-3, "{got:?} against {expected:?}");
        }
    }

    #[test]
    fn ridge_is_its_closed_form() {
        // Standardised x is -1, 1 and y is -1, 1 around 2: w = mean(x y) / (mean(x^2) + l2) = 1 / 1.25.
        let targets = Targets::Values {
            width: 1,
            values: vec![1.0, 3.0],
        };
        close(
            &fitted(vec![FeatureKind::Numeric], &[10.0, 30.0], &targets, 1, 0.25),
            &[1.2, 2.8],
        );
        // Two targets at once, the second constant; a missing number is the mean.
        let targets = Targets::Values {
            width: 2,
            values: vec![1.0, 5.0, 3.0, 5.0, 2.0, 5.0],
        };
        let got = fitted(
            vec![FeatureKind::Numeric],
            &[10.0, 30.0, f32::NAN],
            &targets,
            2,
            1e-6,
        );
        close(&got, &[1.0, 5.0, 3.0, 5.0, 2.0, 5.0]);
    }

    #[test]
    fn logistic_regression_meets_its_optimality_condition() {
        // For x = -1, 1 (twice each) with one label of four flipped, sigmoid(w) - 3/4 + l2 w = 0 on either side.
        let targets = Targets::Classes(vec![0, 0, 1, 1, 0, 0, 1, 0]);
        let x = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        let scores = fitted(vec![FeatureKind::Numeric], &x, &targets, 2, 0.01);
        let (low, high) = (scores[0], scores[2]);
        let (w, b) = ((high - low) / 2.0, (high + low) / 2.0);
        let (p_low, p_high) = (sigmoid(low), sigmoid(high));
        // By the intercept, then by the weight.
        assert!((4.0 * p_low + 4.0 * p_high - 3.0).abs() < 1e-3, "{b}");
        assert!(
            (0.5 * (p_high - p_low) - 3.0 / 8.0 + 0.01 * w).abs() < 1e-3,
            "{w}"
        );
    }

    #[test]
    fn categories_get_their_own_scores() {
        let kind = FeatureKind::Categorical { cardinality: 3 };
        let targets = Targets::Values {
            width: 1,
            values: vec![1.0, 5.0, 3.0, 1.0, 5.0, 3.0],
        };
        let got = fitted(
            vec![kind],
            &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0],
            &targets,
            1,
            1e-6,
        );
        close(&got, &[1.0, 5.0, 3.0, 1.0, 5.0, 3.0]);
    }

    #[test]
    fn classes_are_separated_by_their_logits() {
        let targets = Targets::Classes(vec![0, 1, 2]);
        let scores = fitted(
            vec![FeatureKind::Numeric; 2],
            &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            &targets,
            3,
            1e-3,
        );
        for (row, scores) in scores.chunks_exact(3).enumerate() {
            assert!(
                (0..3).all(|other| other == row || scores[row] > scores[other] + 1.0),
                "{scores:?}"
            );
        }
    }

    #[test]
    fn the_nearest_strength_is_by_ratio() {
        assert_eq!(nearest(&[1.0, 0.1, 0.01], 0.02), 0.01);
        assert_eq!(nearest(&[1.0, 0.1, 0.01], 1e-9), 0.01);
    }
}
