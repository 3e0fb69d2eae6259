use candor_core::Seed;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::labelled::{check_finite, check_length};
use crate::{ChallengeError, Gate, ProportionInterval, clopper_pearson};

const INSTRUMENT: &str = "test of the gate's promise";

/// Whether gates keep their promise, over many random divisions of the same units: a gate is fitted on one half, and the risk of
/// what it accepts is measured on the other.
///
/// The promise is about the true risk, and one half only measures it; so a promise counts as broken where the measured risk is above the
/// target, and as proven broken where the exact 99 % interval of the measured risk is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PromiseReport {
    /// Divisions drawn.
    pub resplits: usize,
    /// Divisions whose gate made the promise.
    pub promised: usize,
    /// Of them, how many measured a risk above the target.
    pub above: usize,
    /// Of them, how many surely had one.
    pub proven: usize,
    /// The 95 % interval of the share `above` of `promised`, as if divisions were independent.
    pub share: ProportionInterval,
    /// Mean share of the units that is accepted where the promise was made.
    pub coverage: f64,
    /// The share of broken promises that is allowed.
    pub delta: f64,
}

impl PromiseReport {
    /// Divides units `resplits` times into halves.
    ///
    /// # Errors
    /// When there are fewer than two units, or as [`Gate::fit`].
    pub fn of(
        confidence: &[f64],
        wrong: &[bool],
        target_risk: f64,
        delta: f64,
        resplits: usize,
        seed: Seed,
    ) -> Result<PromiseReport, ChallengeError> {
        check_length(INSTRUMENT, "judged answers", confidence.len(), wrong.len())?;
        check_finite(INSTRUMENT, "confidence", 1, confidence)?;
        if confidence.len() < 2 {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "units",
                needed: 2,
                got: confidence.len(),
            });
        }
        let half = confidence.len() / 2;
        let judged: Vec<Option<(bool, bool, f64)>> = (0..resplits as u64)
            .into_par_iter()
            .map(|i| {
                let mut order: Vec<usize> = (0..confidence.len()).collect();
                order.shuffle(&mut seed.stream("promise", &[i]));
                let part = |places: &[usize]| -> (Vec<f64>, Vec<bool>) {
                    places.iter().map(|&p| (confidence[p], wrong[p])).unzip()
                };
                let (fitted, held_out) = (part(&order[..half]), part(&order[half..]));
                let gate = Gate::fit(&fitted.0, &fitted.1, target_risk, delta)?;
                let accepted = gate.judge(&held_out.0, &held_out.1)?;
                let sure = clopper_pearson(accepted.wrong, accepted.accepted, 0.99);
                let above = accepted.risk().is_some_and(|risk| risk > target_risk);
                let proven = sure.lower > target_risk;
                Ok(gate
                    .guaranteed
                    .then_some((above, proven, accepted.coverage())))
            })
            .collect::<Result<_, ChallengeError>>()?;
        let made: Vec<(bool, bool, f64)> = judged.into_iter().flatten().collect();
        let above = made.iter().filter(|m| m.0).count();
        let coverage = made.iter().map(|m| m.2).sum::<f64>() / made.len().max(1) as f64;
        Ok(PromiseReport {
            resplits,
            promised: made.len(),
            above,
            proven: made.iter().filter(|m| m.1).count(),
            share: clopper_pearson(above, made.len(), 0.95),
            coverage,
            delta,
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn made(n: usize) -> (Vec<f64>, Vec<bool>) {
        let mut rng = Seed(6).stream("answers", &[]);
        (0..n)
            .map(|_| {
                let confidence: f64 = rng.random();
                // Over-confident: at full confidence one answer in fifty is wrong still.
                let wrong = rng.random::<f64>() < 0.02 + 0.5 * (1.0 - confidence);
                (confidence, wrong)
            })
            .unzip()
    }

    #[test]
    fn the_promise_is_kept_over_200_divisions() {
        let (confidence, wrong) = made(4000);
        let report = PromiseReport::of(&confidence, &wrong, 0.1, 0.05, 200, Seed(0)).unwrap();
        assert!(report.promised >= 100, "{report:?}");
        // The measured risk is above the target in about the allowed share of divisions, and surely so in none.
        assert!(
            report.share.lower <= 0.05 && report.share.upper < 0.15,
            "{report:?}"
        );
        assert_eq!(report.proven, 0, "{report:?}");
        assert!(report.coverage > 0.15, "{report:?}");
    }

    #[test]
    fn thresholds_that_are_only_measured_are_found_out() {
        // What the learn-then-test choice buys: the lowest threshold whose measured risk is fine breaks the promise half of the time.
        let (confidence, wrong) = made(4000);
        let mut broken = 0;
        for i in 0..200u64 {
            let mut order: Vec<usize> = (0..4000).collect();
            order.shuffle(&mut Seed(0).stream("promise", &[i]));
            let risk = |places: &[usize], t: f64| {
                let accepted: Vec<bool> = places
                    .iter()
                    .filter(|&&p| confidence[p] >= t)
                    .map(|&p| wrong[p])
                    .collect();
                accepted.iter().filter(|w| **w).count() as f64 / accepted.len().max(1) as f64
            };
            let (a, b) = order.split_at(2000);
            let t = (0..100)
                .map(|t| f64::from(t) / 100.0)
                .find(|&t| risk(a, t) <= 0.1)
                .unwrap();
            broken += usize::from(risk(b, t) > 0.1);
        }
        assert!(broken > 60, "{broken}");
    }

    #[test]
    fn too_few_units_are_refused_and_poor_models_promise_nothing() {
        let of =
            |n: usize| PromiseReport::of(&vec![0.9; n], &vec![true; n], 0.1, 0.05, 20, Seed(0));
        assert!(of(1).is_err());
        let report = of(100).unwrap();
        assert_eq!(
            (report.promised, report.above, report.coverage),
            (0, 0, 0.0)
        );
    }
}
