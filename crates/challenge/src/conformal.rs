//! Split conformal prediction (Vovk et al. 2005; Papadopoulos et al. 2002): sets and intervals that
//! hold the truth with a stated probability, whatever the model, as long as calibration rows and
//! future rows are exchangeable.

mod adaptive;
mod adaptive_intervals;
mod classifier;
mod label_sets;
mod mondrian;
mod quantile_regressor;
mod regressor;
mod risk_control;
mod surprise;

pub use adaptive::AdaptiveConformal;
pub use adaptive_intervals::{AdaptiveIntervals, Followed};
pub use classifier::{ConformalClassifier, ConformalMethod};
pub use label_sets::ConformalLabelSets;
pub use mondrian::{MondrianClassifier, Taxonomy};
pub use quantile_regressor::ConformalQuantileRegressor;
pub use regressor::ConformalRegressor;
pub use risk_control::{LabelRiskControl, MissedLabels};
pub use surprise::Surprise;

/// The rank `ceil((n + 1) (1 - alpha))`, counted from 1; `n + 1` and more means infinity.
fn rank(n: usize, alpha: f64) -> usize {
    // By the complement, with a little slack: (n + 1) alpha is often a whole number that binary
    // fractions miss by the last digit.
    let above = ((n + 1) as f64 * alpha + 1e-9).floor();
    (n + 1).saturating_sub(above.max(0.0) as usize)
}

/// The threshold at or below which a new score falls with probability at least `1 - alpha`.
///
/// The `ceil((n + 1)(1 - alpha))`-th smallest score; infinite when that exceeds `n`: there are then
/// too few calibration scores for the promise, and everything must be accepted. NaN counts as
/// infinite. For `alpha` of 1 or more it is negative infinity.
///
/// ```
/// use candor_challenge::quantile;
/// let scores = [3.0, 1.0, 4.0, 2.0];
/// assert_eq!(quantile(&scores, 0.4), 3.0); // rank ceil(5 * 0.6) = 3
/// assert_eq!(quantile(&scores, 0.2), 4.0); // rank 4
/// assert_eq!(quantile(&scores, 0.1), f64::INFINITY); // rank 5 of 4
/// ```
pub fn quantile(scores: &[f64], alpha: f64) -> f64 {
    let rank = rank(scores.len(), alpha);
    if rank == 0 {
        return f64::NEG_INFINITY;
    }
    if rank > scores.len() {
        return f64::INFINITY;
    }
    let mut scores: Vec<f64> = scores
        .iter()
        .map(|&s| if s.is_nan() { f64::INFINITY } else { s })
        .collect();
    *scores.select_nth_unstable_by(rank - 1, f64::total_cmp).1
}

/// The parameters `(a, b)` of the exact Beta law of coverage over calibration sets of size `n`.
///
/// With continuous scores, the coverage that one calibration set gives on all future units is
/// Beta(a, b) distributed: `a = ceil((n + 1)(1 - alpha))`, `b = n + 1 - a` (Vovk 2012, proposition 2a;
/// Angelopoulos & Bates 2023, section 3.2). Its mean `a / (n + 1)` lies in `[1 - alpha, 1 - alpha + 1/(n + 1))`.
/// `b = 0` when `n` is too small for any finite threshold: coverage is then 1.
///
/// ```
/// assert_eq!(candor_challenge::coverage_law(99, 0.1), (90.0, 10.0));
/// ```
pub fn coverage_law(n: usize, alpha: f64) -> (f64, f64) {
    let rank = rank(n, alpha).min(n + 1);
    (rank as f64, (n + 1 - rank) as f64)
}

/// The threshold as it is stored: `None` when infinite, since JSON has no infinity.
fn finite(threshold: f64) -> Option<f64> {
    threshold.is_finite().then_some(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_exact_where_binary_fractions_are_not() {
        for n in 1..3000usize {
            // alpha = 1/20: rank = n + 1 - floor((n + 1) / 20), in whole numbers.
            assert_eq!(rank(n, 0.05), n + 1 - (n + 1) / 20, "n = {n}");
            assert_eq!(rank(n, 0.1), n + 1 - (n + 1) / 10, "n = {n}");
        }
    }

    #[test]
    fn odd_scores_have_defined_thresholds() {
        assert_eq!(quantile(&[], 0.1), f64::INFINITY);
        assert_eq!(quantile(&[1.0; 9], 0.1), 1.0);
        // NaN is as strange as can be, and so is the greatest.
        assert_eq!(quantile(&[f64::NAN, 1.0], 0.4), f64::INFINITY);
        assert_eq!(quantile(&[f64::NAN, 1.0], 0.7), 1.0);
        assert_eq!(quantile(&[1.0], 1.0), f64::NEG_INFINITY);
    }

    #[test]
    fn the_law_has_the_promised_mean() {
        for n in [10, 99, 100, 1234] {
            let (a, b) = coverage_law(n, 0.1);
            let mean = a / (a + b);
            let excess = mean - 0.9;
            assert!((-1e-12..1.0 / (n + 1) as f64).contains(&excess), "n = {n}");
        }
        assert_eq!(coverage_law(5, 0.1), (6.0, 0.0));
    }
}
