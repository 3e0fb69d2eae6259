use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::ChallengeError;
use crate::labelled::check_finite;

const INSTRUMENT: &str = "comparison of forecasts";

/// Whether one model forecasts better than another, from the difference of their losses at each of some origins in the order of time. Errors of forecasts that
/// overlap are alike, and so count for less than as many independent ones.
///
/// # Reference
/// Diebold & Mariano 1995, equation 5, with the correction for few forecasts and the Student distribution of Harvey, Leybourne & Newbold 1997, equation 9.
/// Autocovariances are weighted down with their lag (Newey & West 1987), so that the variance is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DieboldMariano {
    /// Mean of the differences: negative where the first model is better.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Probability of so low a mean or a lower one if both models forecast as well.
    pub p_first_better: f64,
    /// Origins.
    pub origins: usize,
}

impl DieboldMariano {
    /// `differences`: losses of the first model less those of the second; forecasts reach `ahead` origins far.
    ///
    /// # Errors
    /// When there are fewer than three stretches as long as forecasts reach, from which nothing can be concluded; or a difference is no finite
    /// number.
    pub fn of(differences: &[f64], ahead: usize) -> Result<DieboldMariano, ChallengeError> {
        let count = differences.len();
        let needed = 3 * ahead.max(1);
        if count < needed {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "origins",
                needed,
                got: count,
            });
        }
        check_finite(INSTRUMENT, "difference", 1, differences)?;
        let n = count as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let covariance = |lag: usize| {
            let pairs = differences.iter().zip(&differences[lag..]);
            pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n
        };
        let lags = ahead.saturating_sub(1);
        let weight = |lag: usize| 1.0 - lag as f64 / (lags + 1) as f64;
        let tail = (1..=lags).map(|lag| 2.0 * weight(lag) * covariance(lag));
        let variance = (covariance(0) + tail.sum::<f64>()).max(0.0) / n;
        let h = (lags + 1) as f64;
        let correction = ((n + 1.0 - 2.0 * h + h * (h - 1.0) / n) / n).max(1.0 / n);
        let error = (variance / correction).sqrt();
        let p_first_better = match error > 0.0 {
            true => {
                let law = StudentsT::new(0.0, 1.0, n - 1.0);
                law.map_or(1.0, |law| law.cdf(mean / error))
            }
            // Equal at every origin by as much.
            false if mean < 0.0 => 0.0,
            false => 1.0,
        };
        Ok(DieboldMariano {
            mean,
            error,
            p_first_better,
            origins: count,
        })
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    #[test]
    fn a_test_worked_by_hand() {
        // Mean 2, variance 2/3 of 3, of which the mean has 2/9; the correction is (3 - 1) / 3.
        let test = DieboldMariano::of(&[1.0, 2.0, 3.0], 1).unwrap();
        assert_eq!(test.mean, 2.0);
        assert!((test.error - (1.0f64 / 3.0).sqrt()).abs() < 1e-12);
        // t = 2 sqrt(3) with 2 degrees of freedom: the upper tail is (1 - t / sqrt(t² + 2)) / 2.
        let t = 2.0 * 3f64.sqrt();
        let tail = 0.5 * (1.0 - t / (t * t + 2.0).sqrt());
        assert!((test.p_first_better - (1.0 - tail)).abs() < 1e-9);
    }

    #[test]
    fn overlapping_forecasts_do_not_prove_what_independent_ones_would() {
        // Moving sums of 7 draws about zero: how often a test at 5 % finds a difference that is not there.
        let mut rng = Seed(1).stream("differences", &[]);
        let mut found = [0usize; 2];
        for _ in 0..400 {
            let draws: Vec<f64> = (0..66).map(|_| rng.random_range(-0.5..0.5)).collect();
            let overlapping: Vec<f64> = draws.windows(7).map(|w| w.iter().sum()).collect();
            for (found, ahead) in found.iter_mut().zip([1, 7]) {
                let test = DieboldMariano::of(&overlapping, ahead).unwrap();
                *found += usize::from(test.p_first_better < 0.05);
            }
        }
        assert!(found[0] > 80, "{found:?}");
        assert!(found[1] < 60, "{found:?}");
    }

    #[test]
    fn odd_differences_have_defined_results() {
        assert!(DieboldMariano::of(&[1.0, 2.0], 1).is_err());
        assert!(DieboldMariano::of(&[1.0, f64::NAN, 0.0], 1).is_err());
        assert!(DieboldMariano::of(&[1.0; 41], 14).is_err());
        let of = |value: f64| DieboldMariano::of(&[value; 42], 14).unwrap().p_first_better;
        assert_eq!((of(0.0), of(-1.0), of(1.0)), (1.0, 0.0, 1.0));
    }
}
