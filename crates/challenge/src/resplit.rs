use candor_core::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::binomial::beta_binomial_cdf;
use crate::empirical::{mean, standard_deviation};
use crate::error::open_unit;
use crate::labelled::check_finite;
use crate::{ChallengeError, KsTest, coverage_law, quantile};

const INSTRUMENT: &str = "resplit test";

/// Coverage over many random divisions of the same scores into calibration and test.
///
/// Only ranks matter: with ties broken at random, the number of covered test units is exactly
/// beta-binomial over random divisions, whatever the scores are. The test therefore checks the
/// machinery (quantile index, comparison, seeds), and no good or bad model can bend it.
///
/// # Reference
/// Angelopoulos & Bates 2023, appendix C, with the finite test set's law instead of its Beta limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResplitReport {
    /// Divisions drawn.
    pub resplits: usize,
    /// Mean coverage over the divisions.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The least mean that is promised, `1 - alpha`.
    pub lower: f64,
    /// The greatest that is promised without ties, `1 - alpha + 1 / (n + 1)`.
    pub upper: f64,
    /// The parameters of the Beta law of one division's coverage on infinitely many units.
    pub law: (f64, f64),
    /// The covered counts against their exact law. Counts are whole numbers, so each is placed at random
    /// within its step of the distribution function, which makes the transformed values uniform.
    pub test: KsTest,
}

impl ResplitReport {
    /// Divides scores `resplits` times into `calibration` and the rest.
    ///
    /// # Errors
    /// When a score is not finite, there are not at least one calibration and one test score, there are
    /// no divisions, or `alpha` is not between 0 and 1.
    pub fn of(
        scores: &[f64],
        calibration: usize,
        alpha: f64,
        resplits: usize,
        seed: Seed,
    ) -> Result<ResplitReport, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        check_finite(INSTRUMENT, "score", 1, scores)?;
        let needed = calibration.max(1) + 1;
        for (what, needed, got) in [
            ("scores", needed, scores.len()),
            ("calibration scores", 1, calibration),
            ("divisions", 1, resplits),
        ] {
            if got < needed {
                let instrument = INSTRUMENT;
                return Err(ChallengeError::TooFew {
                    instrument,
                    what,
                    needed,
                    got,
                });
            }
        }
        let ranks = distinct_ranks(scores, seed);
        let tests = scores.len() - calibration;
        let law = coverage_law(calibration, alpha);
        let cdf = beta_binomial_cdf(tests, law.0, law.1);
        let (coverage, placed): (Vec<f64>, Vec<f64>) = (0..resplits as u64)
            .into_par_iter()
            .map(|i| {
                let mut rng = seed.stream("resplit", &[i]);
                let mut ranks = ranks.clone();
                ranks.shuffle(&mut rng);
                let threshold = quantile(&ranks[..calibration], alpha);
                let covered = ranks[calibration..]
                    .iter()
                    .filter(|r| **r <= threshold)
                    .count();
                let below = covered.checked_sub(1).map_or(0.0, |k| cdf[k]);
                let place = below + rng.random::<f64>() * (cdf[covered] - below);
                (covered as f64 / tests as f64, place)
            })
            .unzip();
        Ok(ResplitReport {
            resplits,
            mean: mean(&coverage),
            standard_error: standard_deviation(&coverage) / (resplits as f64).sqrt(),
            lower: 1.0 - alpha,
            upper: 1.0 - alpha + 1.0 / (calibration + 1) as f64,
            law,
            test: KsTest::of(&placed, |u| u)?,
        })
    }

    /// Whether the mean lies between its promised ends, give or take three standard errors.
    pub fn mean_holds(&self) -> bool {
        let slack = 3.0 * self.standard_error;
        (self.lower - slack..=self.upper + slack).contains(&self.mean)
    }
}

/// The rank of each score, ties broken at random.
fn distinct_ranks(scores: &[f64], seed: Seed) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.shuffle(&mut seed.stream("resplit-ties", &[]));
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    for (rank, unit) in order.into_iter().enumerate() {
        ranks[unit] = rank as f64;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use candor_core::{Distribution, Targets};

    use super::*;
    use crate::binomial::beta_regularised;
    use crate::{ConformalClassifier, ConformalMethod};

    /// Scores of the true class under an honest classifier whose labels follow its probabilities.
    fn honest_scores(n: usize, method: ConformalMethod) -> Vec<f64> {
        let mut rng = Seed(11).stream("honest", &[]);
        let p: Vec<f32> = (0..n).map(|_| rng.random()).collect();
        let labels: Vec<u32> = p
            .iter()
            .map(|&p| u32::from(rng.random::<f32>() < p))
            .collect();
        let predicted = Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        };
        let truth = Targets::Classes(labels.clone());
        let fitted = ConformalClassifier::fit(method, 0.1, &predicted, &truth, Seed(0)).unwrap();
        let scores = fitted.scores(&predicted).unwrap();
        let of_truth = |(i, &label): (usize, &u32)| scores[2 * i + label as usize];
        labels.iter().enumerate().map(of_truth).collect()
    }

    #[test]
    fn a_thousand_resplits_follow_the_exact_law() {
        for method in [
            ConformalMethod::Lac,
            ConformalMethod::Aps,
            ConformalMethod::RAPS,
        ] {
            for (calibration, alpha) in [(100, 0.1), (333, 0.05)] {
                let scores = honest_scores(1000, method);
                let report = ResplitReport::of(&scores, calibration, alpha, 1000, Seed(5)).unwrap();
                assert!(report.mean_holds(), "{method:?}: {report:?}");
                assert!(report.test.p_value > 0.01, "{method:?}: {report:?}");
            }
        }
    }

    #[test]
    fn coverage_on_infinitely_many_units_follows_the_beta_law() {
        // A uniform score's coverage is its threshold, exactly.
        let thresholds: Vec<f64> = (0..1000)
            .map(|i| {
                let mut rng = Seed(8).stream("beta", &[i]);
                let scores: Vec<f64> = (0..100).map(|_| rng.random()).collect();
                quantile(&scores, 0.1)
            })
            .collect();
        let (a, b) = coverage_law(100, 0.1);
        let test = KsTest::of(&thresholds, |x| beta_regularised(a, b, x)).unwrap();
        assert!(test.p_value > 0.01, "{test:?}");
        // The spread that makes a fixed tolerance wrong: 3 points at a hundred rows.
        assert!((standard_deviation(&thresholds) - 0.030).abs() < 0.002);
    }

    #[test]
    fn a_wrong_quantile_index_is_found_out() {
        // Scores that break the symmetry: an index of one less is the law of one row less covered.
        let scores = honest_scores(1000, ConformalMethod::Lac);
        let report = ResplitReport::of(&scores, 100, 0.1, 1000, Seed(5)).unwrap();
        let (a, b) = report.law;
        let wrong = beta_binomial_cdf(900, a - 1.0, b + 1.0);
        let right = beta_binomial_cdf(900, a, b);
        let greatest = wrong
            .iter()
            .zip(&right)
            .map(|(w, r)| w - r)
            .fold(0.0, f64::max);
        // So far apart that the test above, with a thousand draws, would refuse it: 1.63 / sqrt(1000).
        assert!(greatest > 2.0 * 0.0515);
    }

    #[test]
    fn ties_do_not_bend_the_law() {
        let scores: Vec<f64> = (0..500).map(|i| f64::from(i % 3)).collect();
        let report = ResplitReport::of(&scores, 100, 0.1, 500, Seed(1)).unwrap();
        assert!(
            report.mean_holds() && report.test.p_value > 0.01,
            "{report:?}"
        );
    }

    #[test]
    fn too_few_scores_are_refused() {
        let of = |scores: &[f64], n, alpha| ResplitReport::of(scores, n, alpha, 10, Seed(0));
        assert!(of(&[1.0], 1, 0.1).is_err());
        assert!(of(&[1.0, 2.0], 0, 0.1).is_err());
        assert!(of(&[1.0, f64::NAN], 1, 0.1).is_err());
        assert!(of(&[1.0, 2.0], 1, 2.0).is_err());
        // Two rows cannot promise 90 %: everything is covered, and the law says so.
        let report = of(&[1.0, 2.0], 1, 0.1).unwrap();
        assert_eq!((report.mean, report.law), (1.0, (2.0, 0.0)));
    }
}
