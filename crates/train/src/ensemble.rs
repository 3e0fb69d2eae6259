use candor_core::{Distribution, PredictionError};
use serde::{Deserialize, Serialize};

/// Which candidates the ensemble holds, and with what weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    /// `(candidate, weight)`; weights sum to 1, candidates ascend.
    pub members: Vec<(usize, f64)>,
    /// Loss of the ensemble on the units on which it was selected.
    pub loss: f64,
}

/// Selects an ensemble greedily, with replacement: in each round the candidate that lowers the loss of the
/// mixture most is added once more.
///
/// Starts from the best candidate, so that the result is never worse than it on these units. `loss` may return
/// NaN for an unusable prediction; such candidates are not taken. At most `distinct` different candidates are used.
/// Returns `None` when no candidate is usable.
///
/// # Reference
/// Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.
///
/// # Errors
/// When the candidates' predictions do not fit each other.
pub fn select_ensemble(
    candidates: &[&Distribution],
    loss: impl Fn(&Distribution) -> f64,
    rounds: usize,
    distinct: usize,
) -> Result<Option<Ensemble>, PredictionError> {
    let alone: Vec<f64> = candidates.iter().map(|c| loss(c)).collect();
    let best = (0..candidates.len())
        .filter(|&i| alone[i].is_finite())
        .min_by(|&a, &b| alone[a].total_cmp(&alone[b]));
    let Some(best) = best else { return Ok(None) };
    let mut counts = vec![0usize; candidates.len()];
    counts[best] = 1;
    let mut current = candidates[best].clone();
    let (mut best_loss, mut best_counts) = (alone[best], counts.clone());
    for round in 1..rounds {
        let full = counts.iter().filter(|c| **c > 0).count() >= distinct;
        let mut chosen: Option<(f64, usize, Distribution)> = None;
        for (i, candidate) in candidates.iter().enumerate() {
            if !alone[i].is_finite() || (full && counts[i] == 0) {
                continue;
            }
            let mixed = Distribution::mixture(&[(round as f64, &current), (1.0, candidate)])?;
            let mixed_loss = loss(&mixed);
            if mixed_loss.is_finite() && chosen.as_ref().is_none_or(|(l, _, _)| mixed_loss < *l) {
                chosen = Some((mixed_loss, i, mixed));
            }
        }
        let Some((mixed_loss, i, mixed)) = chosen else {
            break;
        };
        counts[i] += 1;
        current = mixed;
        // Later rounds may go through a worse mixture to a better one; the best one seen is kept.
        if mixed_loss < best_loss {
            (best_loss, best_counts) = (mixed_loss, counts.clone());
        }
    }
    let total: usize = best_counts.iter().sum();
    let members = best_counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(i, count)| (i, *count as f64 / total as f64))
        .collect();
    Ok(Some(Ensemble {
        members,
        loss: best_loss,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::{Metric, Targets};

    fn numbers(mean: &[f32]) -> Distribution {
        let variance = vec![1.0; mean.len()];
        Distribution::Gaussian {
            width: 1,
            mean: mean.to_vec(),
            variance,
        }
    }

    #[test]
    fn errors_that_cancel_are_found() {
        let truth = Targets::Values {
            width: 1,
            values: vec![0.0, 0.0],
        };
        let (high, low, bad) = (
            numbers(&[1.0, 1.0]),
            numbers(&[-1.0, -1.0]),
            numbers(&[9.0, 9.0]),
        );
        let loss = |d: &Distribution| Metric::Rmse.score(d, &truth).unwrap();
        let ensemble = select_ensemble(&[&high, &bad, &low], loss, 10, 10)
            .unwrap()
            .unwrap();
        assert_eq!(ensemble.members, vec![(0, 0.5), (2, 0.5)]);
        assert!(ensemble.loss < 1e-6);
    }

    #[test]
    fn never_worse_than_the_best_alone_and_never_wider_than_asked() {
        let truth = Targets::Values {
            width: 1,
            values: vec![0.0, 1.0, 2.0],
        };
        let good = numbers(&[0.1, 1.0, 2.0]);
        let others = [numbers(&[1.0, 1.0, 1.0]), numbers(&[2.0, 0.0, 1.0])];
        let loss = |d: &Distribution| Metric::Rmse.score(d, &truth).unwrap();
        let candidates = [&others[0], &good, &others[1]];
        let ensemble = select_ensemble(&candidates, loss, 20, 1).unwrap().unwrap();
        assert_eq!(ensemble.members, vec![(1, 1.0)]);
        assert_eq!(ensemble.loss, loss(&good));
    }

    #[test]
    fn unusable_candidates_are_left_out() {
        let broken = numbers(&[f32::NAN]);
        assert_eq!(select_ensemble(&[&broken], |_| f64::NAN, 5, 5), Ok(None));
        assert_eq!(select_ensemble(&[], |_| 0.0, 5, 5), Ok(None));
    }
}
