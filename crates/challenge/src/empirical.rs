//! Statistics of a sample.

/// The quantile of a sorted sample by linear interpolation (type 7 of Hyndman & Fan 1996); NaN of
/// an empty one.
pub(crate) fn quantile_linear(sorted: &[f64], probability: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = probability.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (position - low as f64) * (sorted[high] - sorted[low])
}

/// The mean; NaN of an empty sample.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation with n - 1; 0 of fewer than two values.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The ends `[start, end)` of runs of equal neighbours of a sorted sequence.
pub(crate) fn runs<T: PartialEq>(sorted: &[T]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut start = 0;
    for end in 1..=sorted.len() {
        if end == sorted.len() || sorted[end] != sorted[start] {
            runs.push((start, end));
            start = end;
        }
    }
    runs
}

/// Cuts a sorted sample into at most `bins` ranges of about equal size; equal values are never parted.
pub(crate) fn equal_mass_bins(sorted: &[f64], bins: usize) -> Vec<(usize, usize)> {
    let mut cut = Vec::new();
    let mut start = 0;
    for (_, end) in runs(sorted) {
        let goal = sorted.len() * (cut.len() + 1) / bins.max(1);
        if end >= goal || end == sorted.len() {
            cut.push((start, end));
            start = end;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 4.0];
        for (p, expected) in [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0)] {
            assert_eq!(quantile_linear(&sorted, p), expected);
        }
        assert!(quantile_linear(&[], 0.5).is_nan());
    }

    #[test]
    fn equal_values_share_a_bin() {
        assert_eq!(equal_mass_bins(&[1.0, 2.0, 3.0, 4.0], 2), [(0, 2), (2, 4)]);
        // The tie of 2 carries the first cut from place 2 to place 3.
        assert_eq!(equal_mass_bins(&[1.0, 2.0, 2.0, 4.0], 2), [(0, 3), (3, 4)]);
        assert_eq!(equal_mass_bins(&[5.0; 4], 3), [(0, 4)]);
        assert_eq!(equal_mass_bins(&[], 3), []);
    }

    #[test]
    fn spread_of_a_sample() {
        assert_eq!(standard_deviation(&[1.0, 3.0]), 2f64.sqrt());
        assert_eq!(standard_deviation(&[1.0]), 0.0);
    }
}
