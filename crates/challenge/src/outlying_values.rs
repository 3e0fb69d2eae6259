use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::binomial::beta_regularised;
use crate::empirical::quantile_linear;
use crate::labelled::{check_finite, check_length};

const INSTRUMENT: &str = "outlying values";

/// Units below which no usual spread is known.
const LEAST_UNITS: usize = 20;

/// Values that lie farther from what was predicted than the scatter of the others allows.
///
/// The deviation of a unit is its residual divided by the spread that was predicted for it, which is that of the data: what the model does not
/// know must not excuse a value. The law of usual deviations is a Student law whose centre is their median and whose scale and
/// tail match the quantiles 50 % and 90 % of their sizes, so that up to a tenth of wrong values hardly moves it,
/// and data with heavy tails do not fill the list. A value is outlying when its p-value passes the procedure of Benjamini & Hochberg (1995).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlyingValues {
    /// Median of the deviations.
    pub centre: f64,
    /// Scale of the Student law, in predicted spreads.
    pub scale: f64,
    /// Its degrees of freedom; `None` for the normal law.
    pub freedom: Option<f64>,
    /// Outlying units, from 0, the most outlying first, with the adjusted p-value: the share of false ones to be expected in
    /// the list up to here.
    pub units: Vec<(usize, f64)>,
}

impl OutlyingValues {
    /// Share of false ones in the list that is allowed: 5 %.
    pub const FALSE_SHARE: f64 = 0.05;

    /// Looks at residuals (true value less prediction), each with the spread predicted for it (standard deviations, positive).
    ///
    /// Fewer than 20 units, or residuals of which most are equal, have no outlying ones.
    ///
    /// # Errors
    /// When lengths differ, a number is not finite, or a spread is not positive.
    pub fn of(residuals: &[f64], spread: &[f64]) -> Result<OutlyingValues, ChallengeError> {
        check_length(INSTRUMENT, "spreads", residuals.len(), spread.len())?;
        check_finite(INSTRUMENT, "residual", 1, residuals)?;
        check_finite(INSTRUMENT, "spread", 1, spread)?;
        if let Some(&value) = spread.iter().find(|s| **s <= 0.0) {
            return Err(ChallengeError::Setting {
                instrument: INSTRUMENT,
                name: "a predicted spread",
                value,
                range: "more than zero",
            });
        }
        let none = OutlyingValues {
            centre: 0.0,
            scale: 0.0,
            freedom: None,
            units: Vec::new(),
        };
        if residuals.len() < LEAST_UNITS {
            return Ok(none);
        }
        let mut deviations: Vec<f64> = residuals.iter().zip(spread).map(|(r, s)| r / s).collect();
        let centre = quantile_linear(&sorted(&deviations), 0.5);
        deviations.iter_mut().for_each(|d| *d = (*d - centre).abs());
        let sizes = sorted(&deviations);
        let (half, most) = (quantile_linear(&sizes, 0.5), quantile_linear(&sizes, 0.9));
        // Where most are equal, there is no scatter to compare with.
        if !(half > 0.0 && half.is_finite() && most.is_finite()) {
            return Ok(OutlyingValues { centre, ..none });
        }
        let freedom = freedom_of(most / half);
        let scale = half / size_at(0.5, freedom);
        let p: Vec<f64> = deviations
            .iter()
            .map(|d| tail(d / scale, freedom))
            .collect();
        Ok(OutlyingValues {
            centre,
            scale,
            freedom,
            units: false_discovery(&p, OutlyingValues::FALSE_SHARE),
        })
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// `P(|T| > t)` of a Student law, or of the normal law.
fn tail(t: f64, freedom: Option<f64>) -> f64 {
    match freedom {
        Some(v) => beta_regularised(v / 2.0, 0.5, v / (v + t * t)),
        None => statrs::function::erf::erfc(t / std::f64::consts::SQRT_2),
    }
}

/// The size that `|T|` stays below with this probability.
fn size_at(probability: f64, freedom: Option<f64>) -> f64 {
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if 1.0 - tail(middle, freedom) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The degrees of freedom, from 1 to 100, at which the quantile 90 % of sizes is so many times the quantile 50 %; the
/// normal law beyond.
fn freedom_of(ratio: f64) -> Option<f64> {
    const MOST: f64 = 100.0;
    let at = |freedom| size_at(0.9, Some(freedom)) / size_at(0.5, Some(freedom));
    if ratio <= at(MOST) {
        return None;
    }
    // The ratio falls with the freedom.
    let (mut low, mut high) = (1.0f64, MOST);
    for _ in 0..40 {
        let middle = (low * high).sqrt();
        if at(middle) > ratio {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some((low * high).sqrt())
}

/// The units whose adjusted p-value is at most `level`, by rising p-value (Benjamini & Hochberg 1995).
pub(crate) fn false_discovery(p: &[f64], level: f64) -> Vec<(usize, f64)> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut adjusted = vec![1.0f64; order.len()];
    let mut least = 1.0f64;
    for (rank, &unit) in order.iter().enumerate().rev() {
        least = least.min(p[unit] * p.len() as f64 / (rank + 1) as f64);
        adjusted[rank] = least;
    }
    let ranked = order.into_iter().zip(adjusted);
    ranked.take_while(|(_, q)| *q <= level).collect()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    fn normals(n: u64) -> Vec<f64> {
        let mut rng = Seed(3).stream("normals", &[n]);
        (0..n)
            .map(|_| candor_core::normal_quantile(rng.random::<f64>().clamp(1e-12, 1.0 - 1e-12)))
            .collect()
    }

    #[test]
    fn planted_errors_are_found_and_others_are_not() {
        // The spread differs between units by a factor of ten, and the stated one is half of the true one.
        let spread: Vec<f64> = (0..1000)
            .map(|i| if i % 2 == 0 { 1.0 } else { 10.0 })
            .collect();
        let mut residuals: Vec<f64> = normals(1000)
            .iter()
            .zip(&spread)
            .map(|(z, s)| 2.0 * z * s)
            .collect();
        for i in (0..1000).step_by(20) {
            residuals[i] = 14.0 * spread[i];
        }
        let found = OutlyingValues::of(&residuals, &spread).unwrap();
        let right = found
            .units
            .iter()
            .filter(|(unit, _)| unit % 20 == 0)
            .count();
        assert_eq!(right, 50);
        assert!(found.units.len() <= 53, "{}", found.units.len());
        assert!((found.scale - 2.0).abs() < 0.3, "{found:?}");
    }

    #[test]
    fn clean_and_heavy_tailed_values_are_left_alone() {
        let clean = normals(2000);
        let found = OutlyingValues::of(&clean, &[1.0; 2000]).unwrap();
        assert!(found.units.len() <= 1, "{:?}", found.units);
        // Cauchy: the ratio of two normal numbers.
        let (a, b) = (normals(2001), normals(2002));
        let cauchy: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a / b).take(2000).collect();
        let found = OutlyingValues::of(&cauchy, &[1.0; 2000]).unwrap();
        assert!(found.freedom.is_some_and(|v| v < 1.3), "{found:?}");
        assert!(found.units.len() <= 2, "{:?}", found.units);
    }

    #[test]
    fn the_law_at_known_points() {
        assert!((tail(1.959_964, None) - 0.05).abs() < 1e-6);
        // Student with 5 degrees of freedom: 2.5706 leaves 5 %; with 1: P(|T| > 1) = 1/2.
        assert!((tail(2.570_58, Some(5.0)) - 0.05).abs() < 1e-5);
        assert!((tail(1.0, Some(1.0)) - 0.5).abs() < 1e-9);
        assert!((size_at(0.9, Some(3.0)) - 2.353_36).abs() < 1e-4);
    }

    #[test]
    fn adjusted_p_values_by_hand() {
        // 0.01 * 4 / 1, 0.02 * 4 / 2 = 0.04, 0.5 * 4 / 3, 0.9.
        let found = false_discovery(&[0.5, 0.01, 0.9, 0.02], 0.05);
        let units: Vec<usize> = found.iter().map(|f| f.0).collect();
        assert_eq!(units, [1, 3]);
        assert!((found[0].1 - 0.04).abs() < 1e-12);
    }

    #[test]
    fn degenerate_residuals_have_defined_results() {
        assert!(
            OutlyingValues::of(&[0.0; 50], &[1.0; 50])
                .unwrap()
                .units
                .is_empty()
        );
        assert!(
            OutlyingValues::of(&[9.0; 5], &[1.0; 5])
                .unwrap()
                .units
                .is_empty()
        );
        assert!(OutlyingValues::of(&[], &[]).unwrap().units.is_empty());
        assert!(OutlyingValues::of(&[1.0], &[0.0]).is_err());
        assert!(OutlyingValues::of(&[f64::NAN], &[1.0]).is_err());
    }
}
