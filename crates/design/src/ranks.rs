//! Ranks, for what must depend neither on the scale of a loss nor on outliers.

/// Ranks from 1; equal values share the mean of theirs.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for same in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (same.len() as f64 + 1.0) / 2.0;
        same.iter().for_each(|&i| ranks[i] = rank);
        before += same.len();
    }
    ranks
}

/// The quantile of about the standard normal distribution at the rank of each value, so that neither scale nor outliers matter; ties in
/// their order.
///
/// Tukey's lambda distribution stands for the normal one, within 0.01 up to two standard deviations.
pub(crate) fn normal_scores(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut scores = vec![0.0; values.len()];
    for (rank, i) in order.into_iter().enumerate() {
        let level = (rank as f64 + 0.5) / values.len() as f64;
        scores[i] = 4.91 * (level.powf(0.14) - (1.0 - level).powf(0.14));
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(
            ranks(&[0.2, 0.1, 0.3, f64::INFINITY, 0.3]),
            [2.0, 1.0, 3.5, 5.0, 3.5]
        );
    }

    #[test]
    fn normal_scores_are_quantiles_of_ranks() {
        let scores = normal_scores([3.0, f64::INFINITY, -7.0, 0.1, 0.2].into_iter());
        let expected = [0.524, 1.282, -1.282, -0.524, 0.0];
        for (score, expected) in scores.iter().zip(expected) {
            assert!((score - expected).abs() < 0.01, "{scores:?}");
        }
    }
}
