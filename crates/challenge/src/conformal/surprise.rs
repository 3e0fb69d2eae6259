use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use super::adaptive::thinned;
use crate::ChallengeError;
use crate::labelled::{Measured, Numbers, check_length};
use crate::outlying_values::false_discovery;

const INSTRUMENT: &str = "surprise";

/// Errors of a side that are kept as they are, the greatest; and numbers that stand for the others.
const GREATEST: usize = 1_000;
const BODY: usize = 500;
/// Share of the errors that the law of the tail is fitted to, at most.
const TAIL: f64 = 0.1;
/// Errors that a law of the tail needs; and so many of the greatest are left to it, since ranks among fewer are chance.
const FEWEST: usize = 20;
/// The heaviest tail that is believed: its variance is still finite.
const HEAVIEST: f64 = 0.45;

/// How surprising what came is, given what was predicted: the probability of an error at least as great, on either side.
///
/// Errors are distances from the mean in standard deviations, of one target. On each side the p-value is the share of those that were seen on calibration units
/// and are as great, `(1 + #{e_i >= e}) / (n + 1)`, as in conformal prediction; twice the smaller one counts. Beyond all but the twenty greatest the tail
/// is a generalised Pareto distribution, never lighter than an exponential one.
///
/// # Reference
/// Conformal p-values: Vovk, Gammerman & Shafer 2005, section 2.2. Tails over a threshold: Siffer et al., "Anomaly Detection in Streams with Extreme Value
/// Theory", KDD 2017; fitted by probability-weighted moments (Hosking & Wallis 1987, section 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surprise {
    above: Side,
    below: Side,
}

/// Errors of which the greater ones surprise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Side {
    /// All that were seen.
    count: usize,
    /// Some that stand for those that are not among the greatest, ascending.
    body: Vec<f32>,
    /// Ascending.
    greatest: Vec<f32>,
    tail: Option<Tail>,
}

/// Excesses over a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Tail {
    threshold: f64,
    scale: f64,
    shape: f64,
    /// Probability of an excess.
    share: f64,
}

impl Surprise {
    /// From calibration units, of one of their targets.
    ///
    /// # Errors
    /// When predictions are not numbers or do not fit the truth, there are no units, or there is no such target.
    pub fn fit(
        predicted: &Distribution,
        truth: &Targets,
        target: usize,
    ) -> Result<Surprise, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        check_length(INSTRUMENT, "targets", (target + 1).max(width), width)?;
        let errors = measured.standardised().skip(target).step_by(width);
        let errors: Vec<f64> = errors.collect();
        Ok(Surprise {
            above: Side::of(errors.iter().copied()),
            below: Side::of(errors.iter().map(|error| -error)),
        })
    }

    /// The p-value of each unit in one of its targets, of which `came` is what was observed; NaN where that is no number.
    ///
    /// # Errors
    /// When predictions are not numbers, there is no such target, or there are more or fewer of them than of what came.
    pub fn p_values(
        &self,
        predicted: &Distribution,
        target: usize,
        came: &[f64],
    ) -> Result<Vec<f64>, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "observed numbers", numbers.len(), came.len())?;
        let width = numbers.width;
        check_length(INSTRUMENT, "targets", (target + 1).max(width), width)?;
        let cells = numbers.cells().skip(target).step_by(width).zip(came);
        Ok(cells
            .map(|((mean, sd), y)| self.p_value((y - mean) / sd))
            .collect())
    }

    fn p_value(&self, error: f64) -> f64 {
        if error.is_nan() {
            return f64::NAN;
        }
        let one = self.above.p_value(error).min(self.below.p_value(-error));
        (2.0 * one).min(1.0)
    }

    /// For each p-value the share of usual ones that is expected among all that are at most as great; none may be NaN.
    ///
    /// # Reference
    /// Adjusted p-values of Benjamini & Hochberg 1995, for errors that are independent or rise together (Benjamini & Yekutieli 2001).
    pub fn q_values(p_values: &[f64]) -> Vec<f64> {
        let mut adjusted = vec![1.0; p_values.len()];
        for (place, q) in false_discovery(p_values, 1.0) {
            adjusted[place] = q;
        }
        adjusted
    }
}

impl Side {
    fn of(errors: impl Iterator<Item = f64>) -> Side {
        let mut errors: Vec<f64> = errors.filter(|e| e.is_finite()).collect();
        errors.sort_by(f64::total_cmp);
        let (rest, greatest) = errors.split_at(errors.len().saturating_sub(GREATEST));
        let short = |errors: &[f64]| errors.iter().map(|e| *e as f32).collect();
        Side {
            count: errors.len(),
            body: short(&thinned(rest, BODY)),
            tail: Tail::fit(greatest, errors.len()),
            greatest: short(greatest),
        }
    }

    /// The probability of an error of at least this.
    fn p_value(&self, error: f64) -> f64 {
        let at_least =
            |errors: &[f32]| errors.len() - errors.partition_point(|e| f64::from(*e) < error);
        let greatest = at_least(&self.greatest);
        let mut as_great = greatest as f64;
        if greatest == self.greatest.len() && !self.body.is_empty() {
            let rest = (self.count - greatest) as f64;
            as_great += rest * at_least(&self.body) as f64 / self.body.len() as f64;
        }
        let ranked = (1.0 + as_great) / (1.0 + self.count as f64);
        match &self.tail {
            Some(tail) if greatest < FEWEST => {
                tail.beyond(error).min(ranked_at(FEWEST, self.count))
            }
            _ => ranked,
        }
    }
}

fn ranked_at(rank: usize, count: usize) -> f64 {
    (1.0 + rank as f64) / (1.0 + count as f64)
}

impl Tail {
    /// Of the greatest of `all` errors, ascending.
    fn fit(greatest: &[f64], all: usize) -> Option<Tail> {
        let count = ((all as f64 * TAIL) as usize).min(greatest.len().saturating_sub(1));
        if count < FEWEST {
            return None;
        }
        let (below, above) = greatest.split_at(greatest.len() - count);
        let threshold = *below.last()?;
        let n = count as f64;
        let excess = |i: usize| above[i] - threshold;
        let mean = (0..count).map(excess).sum::<f64>() / n;
        // The mean of an excess times the share of excesses that are greater.
        let weighted = (0..count)
            .map(|i| (1.0 - (i as f64 + 0.65) / n) * excess(i))
            .sum::<f64>()
            / n;
        if mean <= 0.0 {
            return None;
        }
        // With k = mean / (mean - 2 weighted) - 2, the shape is -k and the scale mean (1 + k).
        let shape = (2.0 - mean / (mean - 2.0 * weighted)).clamp(0.0, HEAVIEST);
        Some(Tail {
            threshold,
            // The scale that goes with the mean at this shape.
            scale: mean * (1.0 - shape),
            shape,
            share: ranked_at(count, all),
        })
    }

    /// The probability of an error of at least this, which is beyond the threshold.
    fn beyond(&self, error: f64) -> f64 {
        let excess = (error - self.threshold) / self.scale;
        let rest = match self.shape > 1e-9 {
            true => (1.0 + self.shape * excess).powf(-1.0 / self.shape),
            false => (-excess).exp(),
        };
        self.share * rest
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    /// Draws by the inverse of a distribution function.
    fn draws(count: usize, seed: u64, inverse: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut rng = Seed(seed).stream("scores", &[]);
        (0..count)
            .map(|_| inverse(rng.random_range(1e-12..1.0)))
            .collect()
    }

    fn exponential(u: f64) -> f64 {
        -u.ln()
    }

    /// Of the shape of the sizes of Student's law with three degrees of freedom.
    fn heavy(u: f64) -> f64 {
        (u.powf(-0.33) - 1.0) / 0.33
    }

    /// The inverses are of the share above a draw, so that they give the score that is exceeded with a probability.
    #[test]
    fn p_values_are_as_small_as_they_say_far_beyond_the_scores_that_were_seen() {
        for inverse in [exponential as fn(f64) -> f64, heavy] {
            let sides: Vec<Side> = (0..40)
                .map(|seed| Side::of(draws(2_000, seed, inverse).into_iter()))
                .collect();
            for level in [0.5, 0.1, 0.01, 1e-3, 1e-4] {
                let logs = sides
                    .iter()
                    .map(|s| (s.p_value(inverse(level)) / level).ln());
                let factor = (logs.sum::<f64>() / sides.len() as f64).exp();
                // An estimated shape makes p-values a little too great at first, since it is no less than 0.
                assert!((0.6..2.0).contains(&factor), "{level}: {factor}");
            }
        }
    }

    #[test]
    fn few_scores_have_no_tail_and_no_small_p_value() {
        let side = Side::of((1..=99).map(f64::from));
        assert_eq!(side.tail, None);
        let near = |score: f64, p: f64| assert!((side.p_value(score) - p).abs() < 1e-12);
        near(1e9, 0.01);
        near(99.0, 0.02);
        near(0.0, 1.0);
    }

    #[test]
    fn errors_on_either_side_are_told_by_those_of_that_side() {
        // Far below the mean is usual, far above it is not.
        let errors = (0..10_000).map(|i| {
            if i % 10 == 0 {
                -9.0
            } else {
                f64::from(i) / 10_000.0
            }
        });
        let predicted = |count: usize| Distribution::Gaussian {
            width: 2,
            mean: [5.0, f32::MAX].repeat(count),
            variance: [4.0, 1.0].repeat(count),
        };
        let truth: Vec<f32> = errors
            .flat_map(|error| [(5.0 + 2.0 * error) as f32, 0.0])
            .collect();
        let truth = Targets::Values {
            width: 2,
            values: truth,
        };
        let surprise = Surprise::fit(&predicted(10_000), &truth, 0).unwrap();
        let p = surprise
            .p_values(&predicted(4), 0, &[5.0 - 18.0, 5.0 + 18.0, 5.5, f64::NAN])
            .unwrap();
        assert!((p[0] - 0.2).abs() < 0.01, "{p:?}");
        assert!(p[1] < 1e-6 && p[2] > 0.6 && p[3].is_nan(), "{p:?}");
        assert!(Surprise::fit(&predicted(10_000), &truth, 2).is_err());
        let json = serde_json::to_string(&surprise).unwrap();
        let read: Surprise = serde_json::from_str(&json).unwrap();
        assert_eq!(
            read.p_values(&predicted(1), 0, &[5.0]),
            surprise.p_values(&predicted(1), 0, &[5.0])
        );
    }

    #[test]
    fn scores_that_do_not_vary_are_no_tail() {
        let side = Side::of(std::iter::repeat_n(1.0, 1_000));
        assert_eq!(side.tail, None);
        assert!(side.p_value(1.0) > 0.99 && side.p_value(2.0) < 0.001);
    }

    #[test]
    fn few_of_those_that_stand_out_are_false() {
        let side = Side::of(draws(2_000, 3, exponential).into_iter());
        let (mut right, mut wrong) = (0, 0);
        for seed in 0..20 {
            let mut new = draws(10_000, 100 + seed, exponential);
            new.iter_mut().take(100).for_each(|score| *score += 20.0);
            let p_values: Vec<f64> = new.iter().map(|s| side.p_value(*s)).collect();
            let q_values = Surprise::q_values(&p_values);
            right += q_values[..100].iter().filter(|q| **q <= 0.1).count();
            wrong += q_values[100..].iter().filter(|q| **q <= 0.1).count();
        }
        assert_eq!(right, 2_000);
        let share = wrong as f64 / (right + wrong) as f64;
        assert!((0.02..0.2).contains(&share), "{share}");
    }
}
