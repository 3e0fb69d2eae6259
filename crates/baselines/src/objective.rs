use crate::probability::{log_loss, sigmoid, softmax};

/// What boosting makes small, and the truth of some rows.
#[derive(Debug, Clone)]
pub(crate) enum Objective {
    /// Log loss of two classes; one score a row, the log-odds of class 1.
    Logistic(Vec<u32>),
    /// Log loss of more classes; one score a class.
    Softmax { classes: usize, labels: Vec<u32> },
    /// Half the squared error of a standardised target.
    SquaredError(Vec<f64>),
}

impl Objective {
    /// Scores a row has.
    pub(crate) fn scores(&self) -> usize {
        match self {
            Objective::Softmax { classes, .. } => *classes,
            _ => 1,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Objective::Logistic(labels) | Objective::Softmax { labels, .. } => labels.len(),
            Objective::SquaredError(values) => values.len(),
        }
    }

    /// The best constant scores, classes without rows as if they had half a row.
    pub(crate) fn base(&self) -> Vec<f64> {
        match self {
            Objective::Logistic(labels) => {
                let shares = class_counts(labels, 2);
                vec![(shares[1] / shares[0]).ln()]
            }
            Objective::Softmax { classes, labels } => {
                let shares = class_counts(labels, *classes);
                let total: f64 = shares.iter().sum();
                shares.iter().map(|share| (share / total).ln()).collect()
            }
            Objective::SquaredError(values) => {
                vec![values.iter().sum::<f64>() / values.len().max(1) as f64]
            }
        }
    }

    /// Mean loss of scores `[rows, scores]`.
    pub(crate) fn loss(&self, scores: &[f64]) -> f64 {
        let n = self.rows().max(1) as f64;
        match self {
            Objective::Logistic(labels) | Objective::Softmax { labels, .. } => {
                let rows = scores.chunks_exact(self.scores()).zip(labels);
                rows.map(|(row, &class)| log_loss(row, class)).sum::<f64>() / n
            }
            Objective::SquaredError(values) => {
                scores
                    .iter()
                    .zip(values)
                    .map(|(s, y)| (s - y).powi(2))
                    .sum::<f64>()
                    / n
            }
        }
    }

    /// Probabilities that [`Objective::derivatives`] of all classes share; nothing for the others.
    pub(crate) fn prepare(&self, scores: &[f64], probabilities: &mut Vec<f64>) {
        if let Objective::Softmax { classes, .. } = self {
            probabilities.clear();
            probabilities.extend_from_slice(scores);
            probabilities.chunks_exact_mut(*classes).for_each(softmax);
        }
    }

    /// First and second derivative of the loss by the scores of one output.
    ///
    /// The diagonal of the softmax hessian is enlarged by `K / (K - 1)` as in Friedman (2001), equation 32.
    pub(crate) fn derivatives(
        &self,
        output: usize,
        scores: &[f64],
        probabilities: &[f64],
        gradients: &mut Vec<f64>,
        hessians: &mut Vec<f64>,
    ) {
        gradients.clear();
        hessians.clear();
        match self {
            Objective::Logistic(labels) => {
                for (&score, &label) in scores.iter().zip(labels) {
                    let p = sigmoid(score);
                    gradients.push(p - f64::from(label));
                    hessians.push(p * (1.0 - p));
                }
            }
            Objective::Softmax { classes, labels } => {
                let factor = *classes as f64 / (*classes as f64 - 1.0);
                for (row, &label) in probabilities.chunks_exact(*classes).zip(labels) {
                    let p = row[output];
                    gradients.push(p - f64::from(label as usize == output));
                    hessians.push(factor * p * (1.0 - p));
                }
            }
            Objective::SquaredError(values) => {
                gradients.extend(
                    scores
                        .iter()
                        .zip(values)
                        .map(|(score, value)| score - value),
                );
                hessians.resize(values.len(), 1.0);
            }
        }
    }
}

/// Rows of each class; half a row where there is none.
pub(crate) fn class_counts(labels: &[u32], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    labels
        .iter()
        .for_each(|&label| counts[label as usize] += 1.0);
    counts.iter().map(|&count: &f64| count.max(0.5)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let objectives = [
            (Objective::Logistic(vec![0, 1]), vec![0.3, -0.7], 2.0),
            (
                Objective::Softmax {
                    classes: 3,
                    labels: vec![2, 0],
                },
                vec![0.1, -0.4, 0.7, 1.0, 0.0, -1.0],
                2.0,
            ),
            // The loss is the whole square, the derivatives are of its half.
            (
                Objective::SquaredError(vec![1.0, -2.0]),
                vec![0.5, 0.25],
                1.0,
            ),
        ];
        for (objective, scores, factor) in objectives {
            let (mut p, mut g, mut h) = (Vec::new(), Vec::new(), Vec::new());
            objective.prepare(&scores, &mut p);
            for output in 0..objective.scores() {
                objective.derivatives(output, &scores, &p, &mut g, &mut h);
                for (row, &gradient) in g.iter().enumerate() {
                    let at = row * objective.scores() + output;
                    let shifted = |by: f64| {
                        let mut moved = scores.clone();
                        moved[at] += by;
                        objective.loss(&moved) * factor
                    };
                    let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                    assert!((slope - gradient).abs() < 1e-8, "{slope} {gradient}");
                    assert!(h[row] > 0.0);
                }
            }
        }
    }

    #[test]
    fn base_scores_are_the_best_constants() {
        assert_eq!(
            Objective::Logistic(vec![0, 1, 1, 1]).base(),
            vec![3f64.ln()]
        );
        assert_eq!(Objective::SquaredError(vec![1.0, 2.0]).base(), vec![1.5]);
        // A class without rows is unlikely, not impossible.
        assert_eq!(Objective::Logistic(vec![0; 4]).base(), vec![0.125f64.ln()]);
        let base = Objective::Softmax {
            classes: 3,
            labels: vec![0, 0, 1],
        }
        .base();
        assert!((base[0] - (2.0f64 / 3.5).ln()).abs() < 1e-12);
    }
}
