use candor_core::Targets;

/// How scores become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Those of classes, of which one applies.
    Softmax,
    /// Those of labels, each for itself.
    Sigmoid,
}

pub(crate) fn softmax(scores: &[f64], scale: f64) -> impl Iterator<Item = f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|s| ((s - most) * scale).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(move |power| power / sum)
}

pub(crate) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// The factor on held-out scores `[outputs][rows]` that gives the least log loss.
///
/// Truth counts a little less than wholly, as if two more rows had been wrong: else scores that are all right would ask for an infinite
/// factor (Platt 1999).
pub(crate) fn temperature(scores: &[Vec<f64>], targets: &Targets, link: Link) -> f64 {
    let rows = scores.first().map_or(0, Vec::len);
    let doubt = 2.0 / (rows as f64 + 4.0);
    let loss = |scale: f64| -> f64 {
        let of_row = |row: usize| -> f64 {
            let own: Vec<f64> = scores.iter().map(|of| of[row]).collect();
            match (link, targets) {
                (Link::Softmax, Targets::Classes(classes)) => {
                    let others = doubt / own.len().max(2) as f64;
                    let losses = softmax(&own, scale).enumerate().map(|(class, p)| {
                        let right = class == classes[row] as usize;
                        let wanted = if right { 1.0 - doubt + others } else { others };
                        -wanted * p.max(1e-300).ln()
                    });
                    losses.sum()
                }
                (_, Targets::Labels { width, values }) => {
                    let losses = own.iter().enumerate().map(|(label, score)| {
                        let Some(known) = values[row * width + label] else {
                            return 0.0;
                        };
                        let wanted = if known {
                            1.0 - doubt / 2.0
                        } else {
                            doubt / 2.0
                        };
                        let p = sigmoid(score * scale).clamp(1e-300, 1.0);
                        let q = sigmoid(-score * scale).clamp(1e-300, 1.0);
                        -wanted * p.ln() - (1.0 - wanted) * q.ln()
                    });
                    losses.sum()
                }
                _ => 0.0,
            }
        };
        (0..rows).map(of_row).sum()
    };
    // Golden section on the logarithm.
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-3.0f64, 7.0f64);
    let at = |place: f64| loss(place.exp());
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut loss_a, mut loss_b) = (at(a), at(b));
    for _ in 0..40 {
        if loss_a <= loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = high - ratio * (high - low);
            loss_a = at(a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = low + ratio * (high - low);
            loss_b = at(b);
        }
    }
    f64::midpoint(low, high).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_are_logits_are_left_as_they_are() {
        // Of a thousand rows with one score, as many are right as it says.
        let score = 1.3f64;
        let share = sigmoid(score);
        let right = (1000.0 * share) as u32;
        let scores = vec![vec![0.0; 1000], vec![score; 1000]];
        let targets = Targets::Classes((0..1000).map(|row| u32::from(row < right)).collect());
        let found = temperature(&scores, &targets, Link::Softmax);
        assert!((found - 1.0).abs() < 0.02, "{found}");
        let labels = Targets::Labels {
            width: 1,
            values: (0..1000).map(|row| Some(row < right)).collect(),
        };
        let found = temperature(&[vec![score; 1000]], &labels, Link::Sigmoid);
        assert!((found - 1.0).abs() < 0.02, "{found}");
    }

    #[test]
    fn scores_that_are_always_right_do_not_become_certainty() {
        let scores = vec![vec![-1.0; 10], vec![1.0; 10]];
        let targets = Targets::Classes(vec![1; 10]);
        let found = temperature(&scores, &targets, Link::Softmax);
        let sure = sigmoid(2.0 * found);
        assert!(sure > 0.9 && sure < 0.99, "{sure}");
    }
}
