//! Ridge regression on many features, its strength chosen by leave-one-out errors in closed form; classes are regressed on and get
//! probabilities.

mod cholesky;
mod temperature;

use candor_core::{Distribution, Targets};
use candor_train::TargetScale;
use serde::{Deserialize, Serialize};

use cholesky::{Cholesky, dot};
pub(crate) use temperature::{Link, temperature};

/// What is predicted, and how scores become it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Scores times this are the logits of classes.
    Classes {
        /// So many.
        classes: usize,
        /// The factor.
        scale: f64,
    },
    /// Scores times this are the logits of labels.
    Labels {
        /// So many.
        labels: usize,
        /// The factor.
        scale: f64,
    },
    /// Scores are numbers.
    Numbers {
        /// Their scale over the training part.
        target_scale: TargetScale,
        /// Leave-one-out variances, on that scale.
        variance: Vec<f64>,
    },
}

impl Answer {
    /// Scores of a row.
    pub fn outputs(&self) -> usize {
        match self {
            Answer::Classes { classes, .. } => *classes,
            Answer::Labels { labels, .. } => *labels,
            Answer::Numbers { variance, .. } => variance.len(),
        }
    }

    /// What is predicted of rows with these scores, `[rows][outputs]`.
    pub fn distribution(&self, scores: &[Vec<f64>]) -> Distribution {
        match self {
            Answer::Classes { classes, scale } => Distribution::Categorical {
                classes: *classes,
                probabilities: scores
                    .iter()
                    .flat_map(|row| temperature::softmax(row, *scale))
                    .map(|p| p as f32)
                    .collect(),
            },
            Answer::Labels { labels, scale } => Distribution::Bernoulli {
                width: *labels,
                probabilities: scores
                    .iter()
                    .flatten()
                    .map(|score| temperature::sigmoid(score * scale) as f32)
                    .collect(),
            },
            Answer::Numbers {
                target_scale,
                variance,
            } => target_scale.unscale(Distribution::Gaussian {
                width: variance.len(),
                mean: scores.iter().flatten().map(|&s| s as f32).collect(),
                variance: scores
                    .iter()
                    .flat_map(|_| variance.iter().map(|&v| v as f32))
                    .collect(),
            }),
        }
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let sound = match self {
            Answer::Classes { classes: n, scale } | Answer::Labels { labels: n, scale } => {
                (1..=1 << 16).contains(n) && scale.is_finite() && *scale > 0.0
            }
            Answer::Numbers {
                target_scale,
                variance,
            } => {
                let positive = |v: &f64| v.is_finite() && *v > 0.0;
                target_scale.check()?;
                !variance.is_empty()
                    && target_scale.0.len() == variance.len()
                    && variance.iter().all(positive)
            }
        };
        if sound {
            Ok(())
        } else {
            Err("what its scores mean is damaged".into())
        }
    }
}

/// A fitted ridge regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    /// What is predicted.
    pub answer: Answer,
    /// `[outputs, features + 1]`: weights of the features as they are, the constant last.
    pub weights: Vec<f32>,
    width: usize,
}

/// Strengths that are tried, as shares of the mean squared length of a training row: powers of ten in steps of a half.
const STRENGTHS: usize = 15;
const WEAKEST: f64 = -6.0;
const STEP: f64 = 0.5;
/// The strength that is tried first.
const FIRST: usize = 8;

/// Features of rows, scaled to mean 0 and variance 1 over them.
struct Scaled {
    rows: Vec<Vec<f32>>,
    moments: Vec<(f32, f32)>,
}

impl Scaled {
    fn new(mut rows: Vec<Vec<f32>>) -> Scaled {
        let width = rows.first().map_or(0, Vec::len);
        let count = rows.len().max(1) as f64;
        let mut sums = vec![(0.0f64, 0.0f64); width];
        for row in &rows {
            for ((sum, _), &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        for row in &rows {
            for ((sum, squares), &value) in sums.iter_mut().zip(row) {
                *squares += (f64::from(value) - *sum / count).powi(2);
            }
        }
        let moment = |(sum, squares): (f64, f64)| {
            let (mean, sd) = (sum / count, (squares / count).sqrt());
            let varies = sd > 1e-6 * mean.abs() && sd > 1e-12;
            (mean as f32, if varies { 1.0 / sd as f32 } else { 0.0 })
        };
        let moments: Vec<(f32, f32)> = sums.into_iter().map(moment).collect();
        for row in &mut rows {
            for (value, (mean, inverse)) in row.iter_mut().zip(&moments) {
                *value = (*value - mean) * inverse;
            }
        }
        Scaled { rows, moments }
    }
}

/// A solution for one strength.
struct Solution {
    /// Mean squared leave-one-out error.
    error: f64,
    /// `[outputs][rows]`: what is left out of each, predicted from the others; centred.
    left_out: Vec<Vec<f64>>,
    /// `[outputs][features]`.
    weights: Vec<Vec<f64>>,
}

impl Ridge {
    /// Fits on rows of features (all of one length) with their targets, `outputs` classes, labels or numbers. `None` when `stop` says so.
    ///
    /// The strength is that with the least mean squared leave-one-out error, found from row products where there are fewer rows than features,
    /// else from feature products. An unknown label counts as neither.
    ///
    /// # Reference
    /// Golub, Heath & Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter", Technometrics 21 (1979);
    /// leave-one-out errors are residuals over one minus the diagonal of the hat matrix, whose constant is not penalised.
    pub fn fit(
        rows: Vec<Vec<f32>>,
        targets: &Targets,
        outputs: usize,
        stop: &dyn Fn() -> bool,
    ) -> Option<Ridge> {
        let all: Vec<usize> = (0..rows.len()).collect();
        let target_scale = TargetScale::fit(targets, &all);
        let truth = truth(&target_scale.scale(targets), outputs);
        let means: Vec<f64> = truth
            .iter()
            .map(|of| of.iter().sum::<f64>() / of.len().max(1) as f64)
            .collect();
        let centred: Vec<Vec<f64>> = truth
            .iter()
            .zip(&means)
            .map(|(of, mean)| of.iter().map(|y| y - mean).collect())
            .collect();
        let scaled = Scaled::new(rows);
        let best = solve(&scaled.rows, scaled.moments.len(), &centred, stop)?;

        let width = scaled.moments.len();
        let mut weights = Vec::with_capacity(outputs * (width + 1));
        for (own, mean) in best.weights.iter().zip(&means) {
            let mut constant = *mean;
            for (weight, (centre, inverse)) in own.iter().zip(&scaled.moments) {
                let weight = weight * f64::from(*inverse);
                constant -= weight * f64::from(*centre);
                weights.push(weight as f32);
            }
            weights.push(constant as f32);
        }
        let held_out: Vec<Vec<f64>> = best
            .left_out
            .iter()
            .zip(&means)
            .map(|(of, mean)| of.iter().map(|y| y + mean).collect())
            .collect();
        let answer = match targets {
            Targets::Classes(_) => Answer::Classes {
                classes: outputs,
                scale: temperature(&held_out, targets, Link::Softmax),
            },
            Targets::Labels { .. } => Answer::Labels {
                labels: outputs,
                scale: temperature(&held_out, targets, Link::Sigmoid),
            },
            Targets::Values { .. } => {
                let variance = best.left_out.iter().zip(&centred).map(|(said, truth)| {
                    let squares = said.iter().zip(truth).map(|(s, t)| (s - t).powi(2));
                    (squares.sum::<f64>() / truth.len().max(1) as f64).max(1e-9)
                });
                Answer::Numbers {
                    variance: variance.collect(),
                    target_scale,
                }
            }
        };
        Some(Ridge {
            answer,
            weights,
            width,
        })
    }

    /// One that was saved.
    ///
    /// # Errors
    /// In words, when its parts do not fit.
    pub fn from_parts(answer: Answer, weights: Vec<f32>, width: usize) -> Result<Ridge, String> {
        answer.check()?;
        let wanted = (width + 1).checked_mul(answer.outputs());
        if wanted != Some(weights.len()) || weights.iter().any(|w| !w.is_finite()) {
            return Err("its weights are damaged".into());
        }
        Ok(Ridge {
            answer,
            weights,
            width,
        })
    }

    /// Scores of a row of features.
    pub fn scores(&self, row: &[f32]) -> Vec<f64> {
        let own = self.weights.chunks_exact(self.width + 1);
        own.map(|weights| {
            let (constant, weights) = weights.split_last().unwrap_or((&0.0, &[]));
            f64::from(*constant) + dot(row, weights)
        })
        .collect()
    }

    /// What is predicted of rows with these scores, `[rows][outputs]`.
    pub fn distribution(&self, scores: &[Vec<f64>]) -> Distribution {
        self.answer.distribution(scores)
    }
}

/// What is regressed on, for each output: 1 for the class or label that applies, -1 for others, 0 for what is not known; numbers as they are.
pub(crate) fn truth(targets: &Targets, outputs: usize) -> Vec<Vec<f64>> {
    let sign = |yes: bool| if yes { 1.0 } else { -1.0 };
    let of = |output: usize| -> Vec<f64> {
        match targets {
            Targets::Classes(classes) => classes
                .iter()
                .map(|&c| sign(c as usize == output))
                .collect(),
            Targets::Labels { width, values } => values
                .iter()
                .skip(output)
                .step_by((*width).max(1))
                .map(|known| known.map_or(0.0, sign))
                .collect(),
            Targets::Values { width, values } => values
                .iter()
                .skip(output)
                .step_by((*width).max(1))
                .map(|&v| f64::from(v))
                .collect(),
        }
    };
    (0..outputs).map(of).collect()
}

/// The best solution over all strengths, walking from [`FIRST`] as long as the error falls.
fn solve(
    rows: &[Vec<f32>],
    width: usize,
    truth: &[Vec<f64>],
    stop: &dyn Fn() -> bool,
) -> Option<Solution> {
    let by_rows = rows.len() <= width;
    let (vectors, products);
    if by_rows {
        vectors = rows.to_vec();
    } else {
        let column = |c: usize| rows.iter().map(|row| row[c]).collect::<Vec<f32>>();
        vectors = (0..width).map(column).collect();
    }
    products = gram(&vectors, stop)?;
    let size = vectors.len();
    let trace: f64 = (0..size).map(|i| products[i * size + i]).sum();
    let unit = (trace / rows.len().max(1) as f64).max(1e-12);
    let solution = |strength: usize| {
        let strength = unit * 10f64.powf(WEAKEST + STEP * strength as f64);
        if by_rows {
            of_rows(&vectors, &products, strength, truth)
        } else {
            of_features(rows, &vectors, &products, strength, truth)
        }
    };
    let mut best = solution(FIRST)?;
    for direction in [-1isize, 1] {
        let mut place = FIRST;
        // One that is no better may stand before one that is.
        let mut worse = 0;
        while let Some(next) = place
            .checked_add_signed(direction)
            .filter(|&p| p < STRENGTHS)
        {
            if stop() {
                return None;
            }
            place = next;
            let tried = solution(place);
            match tried {
                Some(tried) if tried.error < best.error => (best, worse) = (tried, 0),
                _ => worse += 1,
            }
            if worse == 2 {
                break;
            }
        }
    }
    Some(best)
}

/// All products of vectors, `[size, size]`.
fn gram(vectors: &[Vec<f32>], stop: &dyn Fn() -> bool) -> Option<Vec<f64>> {
    let size = vectors.len();
    let mut products = vec![0.0; size * size];
    for (i, a) in vectors.iter().enumerate() {
        if i % 16 == 0 && stop() {
            return None;
        }
        for (j, b) in vectors[..=i].iter().enumerate() {
            let product = dot(a, b);
            products[i * size + j] = product;
            products[j * size + i] = product;
        }
    }
    Some(products)
}

/// From products of rows `K`: coefficients `(K + s I)^-1 y`, whose products with the rows are the weights.
fn of_rows(
    rows: &[Vec<f32>],
    products: &[f64],
    strength: f64,
    truth: &[Vec<f64>],
) -> Option<Solution> {
    let count = rows.len();
    let factor = Cholesky::new(products, count, strength)?;
    let diagonal = factor.inverse_diagonal();
    let share = 1.0 / count as f64;
    let (mut left_out, mut weights, mut error) = (Vec::new(), Vec::new(), 0.0);
    let width = rows.first().map_or(0, Vec::len);
    for truth in truth {
        let coefficients = factor.solve(truth);
        let mut own = vec![0.0; width];
        let mut said = Vec::with_capacity(count);
        for (i, (row, &coefficient)) in rows.iter().zip(&coefficients).enumerate() {
            for (weight, &value) in own.iter_mut().zip(row) {
                *weight += coefficient * f64::from(value);
            }
            let residual = strength * coefficient;
            let left = (strength * diagonal[i] - share).max(1e-9);
            let missed = residual / left;
            error += missed * missed;
            said.push(truth[i] - missed);
        }
        left_out.push(said);
        weights.push(own);
    }
    Some(Solution {
        error: if error.is_finite() {
            error
        } else {
            return None;
        },
        left_out,
        weights,
    })
}

/// From products of features `X'X`: weights `(X'X + s I)^-1 X'y`.
fn of_features(
    rows: &[Vec<f32>],
    columns: &[Vec<f32>],
    products: &[f64],
    strength: f64,
    truth: &[Vec<f64>],
) -> Option<Solution> {
    let count = rows.len();
    let factor = Cholesky::new(products, columns.len(), strength)?;
    // How much of its own truth each row is told.
    let leverages: Vec<f64> = rows
        .iter()
        .map(|row| factor.squared_length(row) + 1.0 / count as f64)
        .collect();
    let (mut left_out, mut weights, mut error) = (Vec::new(), Vec::new(), 0.0);
    for truth in truth {
        let against = |column: &Vec<f32>| -> f64 {
            column
                .iter()
                .zip(truth)
                .map(|(&x, y)| f64::from(x) * y)
                .sum()
        };
        let own = factor.solve(&columns.iter().map(against).collect::<Vec<f64>>());
        let mut said = Vec::with_capacity(count);
        for (i, row) in rows.iter().enumerate() {
            let fitted: f64 = row.iter().zip(&own).map(|(&x, w)| f64::from(x) * w).sum();
            let missed = (truth[i] - fitted) / (1.0 - leverages[i]).max(1e-9);
            error += missed * missed;
            said.push(truth[i] - missed);
        }
        left_out.push(said);
        weights.push(own);
    }
    Some(Solution {
        error: if error.is_finite() {
            error
        } else {
            return None;
        },
        left_out,
        weights,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn never() -> bool {
        false
    }

    /// Rows of noise, and a number that two features make.
    fn problem(rows: usize, width: usize) -> (Vec<Vec<f32>>, Vec<f32>) {
        let mut rng = Seed(5).stream("rows", &[]);
        let rows: Vec<Vec<f32>> = (0..rows)
            .map(|_| (0..width).map(|_| rng.random::<f32>()).collect())
            .collect();
        let noise: Vec<f32> = rows.iter().map(|_| rng.random::<f32>() * 0.1).collect();
        let values = rows.iter().zip(noise).map(|(r, n)| 3.0 * r[0] - r[1] + n);
        let values = values.collect();
        (rows, values)
    }

    #[test]
    fn left_out_rows_are_predicted_as_a_fit_without_them_does() {
        for (count, width) in [(12, 40), (12, 3)] {
            let (rows, values) = problem(count, width);
            let scaled = Scaled::new(rows);
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count as f64;
            let truth: Vec<f64> = values.iter().map(|&v| f64::from(v) - mean).collect();
            let products = |vectors: &[Vec<f32>]| gram(vectors, &never).unwrap();
            let strength = 0.7;
            let one = std::slice::from_ref(&truth);
            let whole = of_rows(&scaled.rows, &products(&scaled.rows), strength, one).unwrap();
            let columns: Vec<Vec<f32>> = (0..width)
                .map(|c| scaled.rows.iter().map(|r| r[c]).collect())
                .collect();
            let other =
                of_features(&scaled.rows, &columns, &products(&columns), strength, one).unwrap();
            for (a, b) in whole.weights[0].iter().zip(&other.weights[0]) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
            for left in 0..count {
                // A constant that is not penalised: features and truth are centred on what is left.
                let kept: Vec<usize> = (0..count).filter(|&i| i != left).collect();
                let centre: Vec<f32> = (0..width)
                    .map(|c| {
                        kept.iter().map(|&i| scaled.rows[i][c]).sum::<f32>() / kept.len() as f32
                    })
                    .collect();
                let moved = |i: usize| -> Vec<f32> {
                    scaled.rows[i]
                        .iter()
                        .zip(&centre)
                        .map(|(x, m)| x - m)
                        .collect()
                };
                let rows: Vec<Vec<f32>> = kept.iter().map(|&i| moved(i)).collect();
                let mean = kept.iter().map(|&i| truth[i]).sum::<f64>() / kept.len() as f64;
                let own: Vec<f64> = kept.iter().map(|&i| truth[i] - mean).collect();
                let fitted = of_rows(
                    &rows,
                    &products(&rows),
                    strength,
                    std::slice::from_ref(&own),
                )
                .unwrap();
                let said: f64 = moved(left)
                    .iter()
                    .zip(&fitted.weights[0])
                    .map(|(&x, w)| f64::from(x) * w)
                    .sum();
                for solution in [&whole, &other] {
                    let wanted = solution.left_out[0][left];
                    assert!(
                        (said + mean - wanted).abs() < 1e-4,
                        "{said} {mean} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_classes_and_labels_are_learnt() {
        let (rows, values) = problem(60, 200);
        let numbers = Targets::Values {
            width: 1,
            values: values.clone(),
        };
        let classes = Targets::Classes(values.iter().map(|&v| u32::from(v > 1.0)).collect());
        let labels = Targets::Labels {
            width: 1,
            values: values
                .iter()
                .map(|&v| (v < 2.0).then_some(v > 1.0))
                .collect(),
        };
        for (targets, outputs) in [(numbers, 1), (classes, 2), (labels, 1)] {
            let ridge = Ridge::fit(rows.clone(), &targets, outputs, &never).unwrap();
            let scores: Vec<Vec<f64>> = rows.iter().map(|row| ridge.scores(row)).collect();
            let metric = match targets {
                Targets::Values { .. } => candor_core::Metric::R2,
                _ => candor_core::Metric::Accuracy,
            };
            let score = metric
                .score(&ridge.distribution(&scores), &targets)
                .unwrap();
            assert!(score > 0.85, "{targets:?}: {score}");
            let again =
                Ridge::from_parts(ridge.answer.clone(), ridge.weights.clone(), 200).unwrap();
            assert_eq!(again, ridge);
            assert!(Ridge::from_parts(ridge.answer, ridge.weights, 199).is_err());
        }
        assert!(Ridge::fit(rows, &Targets::Classes(vec![0; 60]), 1, &|| true).is_none());
    }

    #[test]
    fn rows_without_differences_give_the_shares_of_classes() {
        let rows = vec![vec![2.0; 30]; 8];
        let targets = Targets::Classes(vec![0, 1, 1, 1, 0, 1, 1, 1]);
        let ridge = Ridge::fit(rows.clone(), &targets, 2, &never).unwrap();
        let said = ridge.distribution(&[ridge.scores(&rows[0])]);
        let Distribution::Categorical { probabilities, .. } = said else {
            panic!("classes have probabilities")
        };
        assert!(
            probabilities[1] > 0.6 && probabilities[1] < 0.95,
            "{probabilities:?}"
        );
    }
}
