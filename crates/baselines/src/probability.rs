use candor_core::Distribution;

use crate::outcome::Outcome;
use crate::tree::bounded;

/// What the numbers are that a model computes for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Log-odds (two classes) or unnormalised log-probabilities.
    Logits,
    /// Shares of the classes.
    Shares,
}

impl Link {
    /// Mass that is spread evenly over the classes, so that no probability is 0 or 1: a share of zero in a
    /// few hundred leaves is weaker evidence than a logit.
    fn floor(self) -> f64 {
        match self {
            Link::Logits => 1e-6,
            Link::Shares => 1e-4,
        }
    }
}

/// `1 / (1 + exp(-x))`.
#[inline]
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Turns logits into probabilities, in place.
pub(crate) fn softmax(logits: &mut [f64]) {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|x| *x /= sum);
}

/// `-ln p(class)` for one row of logits.
pub(crate) fn log_loss(logits: &[f64], class: u32) -> f64 {
    if let [logit] = *logits {
        let wrong_way = if class == 1 { -logit } else { logit };
        // ln(1 + exp(x)) without overflow.
        return wrong_way.max(0.0) + (-wrong_way.abs()).exp().ln_1p();
    }
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - most).exp()).sum();
    sum.ln() + most - logits[class as usize]
}

/// Probabilities of one row, all within (0, 1), with sum 1.
pub(crate) fn probabilities(link: Link, numbers: &[f64], to: &mut [f64]) {
    match (link, numbers) {
        (Link::Logits, [logit]) => to.copy_from_slice(&[sigmoid(-logit), sigmoid(*logit)]),
        (Link::Shares, [share]) => to.copy_from_slice(&[1.0 - share, *share]),
        (Link::Logits, logits) => {
            to.copy_from_slice(logits);
            softmax(to);
        }
        (Link::Shares, shares) => to.copy_from_slice(shares),
    }
    let sum: f64 = to.iter().map(|p| p.max(0.0)).sum();
    let (floor, even) = (link.floor(), 1.0 / to.len() as f64);
    for p in to.iter_mut() {
        let share = if sum > 0.0 { p.max(0.0) / sum } else { even };
        *p = (1.0 - floor) * share + floor * even;
    }
}

/// The predictive distribution of rows whose numbers are `[rows, outcome.scores()]`.
pub(crate) fn distribution(
    outcome: Outcome,
    link: Link,
    numbers: &[f64],
    variance: &[f32],
) -> Distribution {
    match outcome {
        Outcome::Classes(classes) => {
            let mut all = Vec::with_capacity(numbers.len() / outcome.scores() * classes);
            let mut row = vec![0.0; classes];
            for numbers in numbers.chunks_exact(outcome.scores()) {
                probabilities(link, numbers, &mut row);
                all.extend(row.iter().map(|&p| p as f32));
            }
            Distribution::Categorical {
                classes,
                probabilities: all,
            }
        }
        Outcome::Values(width) => Distribution::Gaussian {
            width,
            mean: numbers.iter().map(|&mean| bounded(mean)).collect(),
            variance: variance
                .iter()
                .copied()
                .cycle()
                .take(numbers.len())
                .collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_agree_with_probabilities_and_do_not_overflow() {
        let cases: [(&[f64], u32, f64); 5] = [
            (&[0.0], 1, 2f64.ln()),
            (&[1000.0], 0, 1000.0),
            (&[1000.0], 1, 0.0),
            (&[0.0, 0.0, 0.0], 2, 3f64.ln()),
            (&[1000.0, 0.0, 0.0], 1, 1000.0),
        ];
        for (logits, class, loss) in cases {
            assert!((log_loss(logits, class) - loss).abs() < 1e-12, "{logits:?}");
        }
    }

    #[test]
    fn probabilities_are_never_certain() {
        let cases: [(Link, &[f64], usize); 6] = [
            (Link::Logits, &[1e9], 2),
            (Link::Logits, &[-1e9], 2),
            (Link::Shares, &[1.0], 2),
            (Link::Shares, &[0.0, 1.0, 0.0], 3),
            (Link::Shares, &[0.0, 0.0, 0.0], 3),
            (Link::Logits, &[-1e9, 0.0, 1e9], 3),
        ];
        for (link, numbers, classes) in cases {
            let mut row = vec![0.0; classes];
            probabilities(link, numbers, &mut row);
            assert!(
                row.iter().all(|&p| p as f32 > 0.0 && (p as f32) < 1.0),
                "{row:?}"
            );
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{row:?}");
        }
    }
}
