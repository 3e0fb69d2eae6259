use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::quantile;
use crate::ChallengeError;
use crate::error::open_unit;

const INSTRUMENT: &str = "adaptive conformal inference";

/// Thresholds for a stream whose units are not exchangeable, such as forecasts of a world that changes: after each unit whose truth has become
/// known, the level at which scores are cut moves against the error that was made.
///
/// The promise is one of the long run, not of a single step: over `T` units the share that was not covered differs from `alpha` by at most
/// `(max(alpha, 1 - alpha) + rate) / (rate * T)`, whatever comes (proposition 4.1).
///
/// # Reference
/// Gibbs & Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021, equation 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveConformal {
    /// The promised share of units that are not covered.
    pub alpha: f64,
    /// How far the level moves after a unit.
    pub rate: f64,
    /// Latest scores that thresholds are quantiles of.
    pub kept: usize,
    /// The level now; it may leave the range from 0 to 1 for a while.
    level: f64,
    scores: VecDeque<f64>,
}

impl AdaptiveConformal {
    /// The rate of the paper's experiments.
    pub const RATE: f64 = 0.005;

    /// Begins with scores of units whose truth is known, the latest last; of them, and of all that come, the latest `kept` count.
    ///
    /// # Errors
    /// When `alpha` or `rate` is not between 0 and 1, or nothing is kept.
    pub fn new(
        alpha: f64,
        rate: f64,
        kept: usize,
        scores: &[f64],
    ) -> Result<AdaptiveConformal, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        open_unit(INSTRUMENT, "rate", rate)?;
        if kept == 0 {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "kept scores",
                needed: 1,
                got: 0,
            });
        }
        let latest = scores.iter().skip(scores.len().saturating_sub(kept));
        Ok(AdaptiveConformal {
            alpha,
            rate,
            kept,
            level: alpha,
            scores: latest.copied().collect(),
        })
    }

    /// A unit is covered if its score is at most this. Infinite where everything must be accepted, negatively infinite where nothing.
    pub fn threshold(&self) -> f64 {
        if self.level <= 0.0 {
            return f64::INFINITY;
        }
        let scores: Vec<f64> = self.scores.iter().copied().collect();
        quantile(&scores, self.level)
    }

    /// Takes the score of the next unit, once its truth is known, and says whether it was covered.
    pub fn observe(&mut self, score: f64) -> bool {
        let covered = score <= self.threshold();
        self.level += self.rate * (self.alpha - f64::from(u8::from(!covered)));
        self.scores.push_back(score);
        if self.scores.len() > self.kept {
            self.scores.pop_front();
        }
        covered
    }

    /// Takes the scores of units whose truth became known at one time, and moves the level once, by the share of those that had been
    /// predicted that was not covered: what a unit counts does not depend on how many come together. At most `most` of the scores, spread
    /// evenly over their order, join those that thresholds are quantiles of.
    pub(super) fn observe_together(&mut self, scores: &[f64], missed: f64, most: usize) {
        self.level += self.rate * (self.alpha - missed);
        self.scores.extend(thinned(scores, most));
        let over = self.scores.len().saturating_sub(self.kept);
        self.scores.drain(..over);
    }

    /// The level now.
    pub fn level(&self) -> f64 {
        self.level
    }
}

/// At most `most` of some scores, spread evenly over their order.
pub(super) fn thinned(scores: &[f64], most: usize) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    if sorted.len() <= most {
        return sorted;
    }
    sorted.sort_by(f64::total_cmp);
    let place = |i: usize| (2 * i + 1) * sorted.len() / (2 * most);
    (0..most).map(|i| sorted[place(i)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    const ALPHA: f64 = 0.1;
    const STEPS: usize = 5_000;

    /// Absolute errors whose spread is `spread(t)` at step `t`, 500 to begin with at a spread of 1.
    fn errors(seed: u64, spread: &dyn Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>) {
        let stream = &mut Seed(seed).stream("errors", &[]);
        let mut normal = || {
            (0..12)
                .map(|_| stream.random_range(-0.5..0.5))
                .sum::<f64>()
                .abs()
        };
        let first = (0..500).map(|_| normal()).collect();
        (first, (0..STEPS).map(|t| spread(t) * normal()).collect())
    }

    fn covered(first: &[f64], stream: &[f64], kept: usize) -> f64 {
        let mut adaptive =
            AdaptiveConformal::new(ALPHA, AdaptiveConformal::RATE, kept, first).unwrap();
        let covered = stream
            .iter()
            .filter(|score| adaptive.observe(**score))
            .count();
        covered as f64 / stream.len() as f64
    }

    #[test]
    fn coverage_holds_under_drift_where_a_fixed_threshold_loses_it() {
        type Drift<'a> = (&'a str, &'a dyn Fn(usize) -> f64);
        let drifts: [Drift; 3] = [
            ("grows", &|t| 1.0 + 1.5 * t as f64 / STEPS as f64),
            ("jumps", &|t| if t < STEPS / 2 { 1.0 } else { 2.5 }),
            ("waves", &|t| 1.5 + 0.7 * (t as f64 / 800.0).sin()),
        ];
        for (name, drift) in drifts {
            for seed in 0..3 {
                let (first, stream) = errors(seed, drift);
                let fixed = quantile(&first, ALPHA);
                let lost = stream.iter().filter(|s| **s <= fixed).count() as f64 / STEPS as f64;
                assert!(lost < 0.85, "{name}: a fixed threshold still covers {lost}");
                for kept in [500, 100_000] {
                    let adapted = covered(&first, &stream, kept);
                    assert!(
                        (adapted - 0.9).abs() <= 0.015,
                        "{name}, {kept} kept: {adapted}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_bound_of_the_long_run_holds_whatever_comes() {
        // An adversary: each score is just above the threshold, or none is.
        for rate in [0.005, 0.05, 0.5] {
            let mut adaptive = AdaptiveConformal::new(ALPHA, rate, 50, &[1.0; 50]).unwrap();
            let mut missed = 0usize;
            for t in 0..STEPS {
                let score = match adaptive.threshold() {
                    threshold if threshold.is_finite() && t % 3 > 0 => threshold + 1.0,
                    threshold if threshold.is_finite() => threshold,
                    _ => 1.0,
                };
                missed += usize::from(!adaptive.observe(score));
            }
            let off = (missed as f64 / STEPS as f64 - ALPHA).abs();
            let bound = (0.9 + rate) / (rate * STEPS as f64);
            assert!(off <= bound, "rate {rate}: off by {off}, bound {bound}");
        }
    }

    #[test]
    fn without_scores_everything_is_accepted_and_settings_are_checked() {
        let empty = AdaptiveConformal::new(ALPHA, 0.01, 10, &[]).unwrap();
        assert_eq!(empty.threshold(), f64::INFINITY);
        assert!(AdaptiveConformal::new(0.0, 0.01, 10, &[]).is_err());
        assert!(AdaptiveConformal::new(ALPHA, 0.0, 10, &[]).is_err());
        assert!(AdaptiveConformal::new(ALPHA, 0.01, 0, &[]).is_err());
        let kept = AdaptiveConformal::new(ALPHA, 0.01, 2, &[9.0, 1.0, 2.0]).unwrap();
        assert_eq!(kept.scores, [1.0, 2.0]);
    }
}
