use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::labelled::check_finite;

/// Whether a sample comes from a given continuous law (Kolmogorov 1933; Smirnov 1948).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KsTest {
    /// The greatest distance between the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// Probability of that distance or more under the law; asymptotic, with the correction of
    /// Stephens 1970 that makes it good from about ten values.
    pub p_value: f64,
}

impl KsTest {
    /// Compares a sample with the law of this distribution function.
    ///
    /// # Errors
    /// When the sample is empty or holds a number that is not finite.
    pub fn of(sample: &[f64], cdf: impl Fn(f64) -> f64) -> Result<KsTest, ChallengeError> {
        const INSTRUMENT: &str = "Kolmogorov-Smirnov test";
        check_finite(INSTRUMENT, "value", 1, sample)?;
        if sample.is_empty() {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "values",
                needed: 1,
                got: 0,
            });
        }
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let distance = |(i, &x): (usize, &f64)| {
            let expected = cdf(x);
            (expected - i as f64 / n).max((i + 1) as f64 / n - expected)
        };
        let statistic = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
        let scaled = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * statistic;
        Ok(KsTest {
            statistic,
            p_value: tail(scaled),
        })
    }
}

/// Whether two samples come from one law (Smirnov 1939), by sorted values; p-value 1 when one is empty.
///
/// The p-value is asymptotic in `n m / (n + m)`, with the correction of Stephens 1970; equal values make it too great, never too small.
pub(crate) fn two_sample(a: &[f32], b: &[f32]) -> KsTest {
    if a.is_empty() || b.is_empty() {
        return KsTest {
            statistic: 0.0,
            p_value: 1.0,
        };
    }
    let statistic = distance(a, b).abs().max(distance(b, a).abs());
    let size = a.len() as f64 * b.len() as f64 / (a.len() + b.len()) as f64;
    let scaled = (size.sqrt() + 0.12 + 0.11 / size.sqrt()) * statistic;
    KsTest {
        statistic,
        p_value: tail(scaled),
    }
}

/// `max (F_a - F_b)` of two sorted samples, 0 or more.
pub(crate) fn distance<T: PartialOrd>(a: &[T], b: &[T]) -> f64 {
    let (mut greatest, mut below) = (0.0f64, 0);
    for (i, x) in a.iter().enumerate() {
        // Equal values step together.
        if a.get(i + 1).is_some_and(|next| next <= x) {
            continue;
        }
        while b.get(below).is_some_and(|y| y <= x) {
            below += 1;
        }
        let gap = (i + 1) as f64 / a.len() as f64 - below as f64 / b.len() as f64;
        greatest = greatest.max(gap);
    }
    greatest
}

/// `2 sum (-1)^(k-1) exp(-2 k^2 x^2)`.
fn tail(x: f64) -> f64 {
    // Below this the series converges slowly, and the value is 1 to nine digits.
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (1..=40).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_worked_by_hand() {
        // One value at 0.3 of a uniform law: the step goes from 0 to 1 there.
        let test = KsTest::of(&[0.3], |x| x).unwrap();
        assert!((test.statistic - 0.7).abs() < 1e-12);
        let even: Vec<f64> = (0..100).map(|i| (i as f64 + 0.5) / 100.0).collect();
        let test = KsTest::of(&even, |x| x).unwrap();
        assert!((test.statistic - 0.005).abs() < 1e-12);
        assert_eq!(test.p_value, 1.0);
    }

    #[test]
    fn the_critical_value_of_five_per_cent() {
        // 1.3581 is the 95 % point of the Kolmogorov distribution, 1.6276 the 99 % point.
        assert!((tail(1.3581) - 0.05).abs() < 1e-4);
        assert!((tail(1.6276) - 0.01).abs() < 1e-4);
    }

    #[test]
    fn two_samples_by_hand() {
        // F_a is 1 at 2 where F_b is 1/3; the other way round nothing is ahead.
        let (a, b) = ([1.0f32, 2.0], [2.0f32, 3.0, 4.0]);
        assert!((distance(&a, &b) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(distance(&b, &a), 0.0);
        assert!((two_sample(&b, &a).statistic - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(two_sample(&a, &a).p_value, 1.0);
        assert_eq!(two_sample(&a, &[]).p_value, 1.0);
        // Equal values on both sides are one step.
        assert_eq!(distance(&[1.0, 1.0], &[1.0]), 0.0);
    }

    #[test]
    fn a_wrong_law_is_refused() {
        let squares: Vec<f64> = (0..200).map(|i| (i as f64 / 200.0).powi(2)).collect();
        assert!(KsTest::of(&squares, |x| x).unwrap().p_value < 1e-6);
        assert!(KsTest::of(&[], |x| x).is_err());
        assert!(KsTest::of(&[f64::NAN], |x| x).is_err());
    }
}
