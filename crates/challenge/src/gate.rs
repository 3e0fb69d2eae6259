use serde::{Deserialize, Serialize};

use crate::binomial::binomial_cdf;
use crate::error::open_unit;
use crate::labelled::{check_finite, check_length};
use crate::{ChallengeError, ProportionInterval, clopper_pearson, clopper_pearson_upper};

const INSTRUMENT: &str = "confidence gate";

/// Confidences in ten-thousandths at which the tests start; each gets an equal part of `delta`.
const STARTS: [u32; 6] = [9990, 9900, 9500, 8000, 5000, 0];

/// A confidence below which the model keeps silent, with a promise about the answers above it.
///
/// `P(risk of the accepted <= target_risk) >= 1 - delta` over calibration sets, where the risk is the
/// probability that an accepted answer is wrong (a loss of 0 or 1, see [`crate::Correctness`]). It holds for
/// units like the calibration units, whatever the model and however poor its confidence.
///
/// # Method
/// Learn then test (Angelopoulos et al. 2021, sections 2 and 3.1, with the exact binomial p-value; the
/// selective risk as in Geifman & El-Yaniv 2017). Thresholds are a grid that is fixed
/// beforehand, so that given how many units a threshold accepts, the number of errors is
/// binomial. Testing starts at six places with `delta / 6` each and goes on to lower thresholds until one
/// fails; what passed before is certified.
///
/// Fit it on the units that the rest of the rule lets pass: a gate behind a strange-input test is
/// calibrated on the calibration units which that test accepts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Answers with at least this confidence are accepted, 0 to 1.
    pub min_confidence: f64,
    /// The risk that is promised at most.
    pub target_risk: f64,
    /// The probability that the promise is broken.
    pub delta: f64,
    /// Whether the promise is made. Without it the threshold is the lowest one whose measured risk is
    /// at most the target (1 where there is none).
    pub guaranteed: bool,
    /// Share of the calibration units that are accepted.
    pub coverage_on_calibration: f64,
    /// Share of the accepted calibration units that are wrong; 0 when none is accepted.
    pub risk_on_calibration: f64,
    /// Calibration units.
    pub calibration_units: usize,
}

/// What a gate lets pass on units that it was not fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AcceptedRisk {
    /// Units judged.
    pub units: usize,
    /// Units accepted.
    pub accepted: usize,
    /// Accepted units that are wrong.
    pub wrong: usize,
    /// Exact 95 % interval of the risk of the accepted.
    pub interval: ProportionInterval,
}

impl AcceptedRisk {
    /// Share of units that are accepted.
    pub fn coverage(&self) -> f64 {
        self.accepted as f64 / self.units.max(1) as f64
    }

    /// Share of the accepted that is wrong; `None` when none is accepted.
    pub fn risk(&self) -> Option<f64> {
        (self.accepted > 0).then(|| self.wrong as f64 / self.accepted as f64)
    }
}

impl Gate {
    /// A gate that accepts everything and promises nothing.
    pub fn open(target_risk: f64, delta: f64) -> Gate {
        Gate {
            min_confidence: 0.0,
            target_risk,
            delta,
            guaranteed: false,
            coverage_on_calibration: 1.0,
            risk_on_calibration: 1.0,
            calibration_units: 0,
        }
    }

    /// Whether it is a gate of [`Gate::open`].
    pub fn is_open(&self) -> bool {
        self.calibration_units == 0
    }

    /// Finds the lowest certified threshold.
    ///
    /// # Errors
    /// When there are no units, lengths differ, a confidence is not finite, or a setting is not
    /// between 0 and 1.
    pub fn fit(
        confidence: &[f64],
        wrong: &[bool],
        target_risk: f64,
        delta: f64,
    ) -> Result<Gate, ChallengeError> {
        open_unit(INSTRUMENT, "the target risk", target_risk)?;
        open_unit(INSTRUMENT, "delta", delta)?;
        check_finite(INSTRUMENT, "confidence", 1, confidence)?;
        check_length(INSTRUMENT, "judged answers", confidence.len(), wrong.len())?;
        if wrong.is_empty() {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "calibration units",
                needed: 1,
                got: 0,
            });
        }
        let steps: Vec<Step> = grid()
            .into_iter()
            .map(|place| Step::at(place, confidence, wrong))
            .collect();
        let certified = certified(&steps, target_risk, delta);
        let measured = || {
            steps
                .iter()
                .rev()
                .find(|s| s.accepted > 0 && s.risk() <= target_risk)
        };
        let chosen = certified.or_else(measured).copied();
        let step = chosen.unwrap_or_else(|| Step::at(10_000, confidence, wrong));
        Ok(Gate {
            min_confidence: step.threshold,
            target_risk,
            delta,
            guaranteed: certified.is_some(),
            coverage_on_calibration: step.accepted as f64 / wrong.len() as f64,
            risk_on_calibration: step.risk(),
            calibration_units: wrong.len(),
        })
    }

    /// The least number of accepted units, none of them wrong, that can certify a promise.
    pub fn least_units(target_risk: f64, delta: f64) -> usize {
        let units = (delta / STARTS.len() as f64).ln() / (-target_risk).ln_1p();
        units.max(0.0).ceil() as usize
    }

    /// Whether an answer of this confidence is given. NaN is not.
    pub fn accepts(&self, confidence: f64) -> bool {
        confidence >= self.min_confidence
    }

    /// What the gate lets pass of these units.
    ///
    /// # Errors
    /// When lengths differ.
    pub fn judge(
        &self,
        confidence: &[f64],
        wrong: &[bool],
    ) -> Result<AcceptedRisk, ChallengeError> {
        check_length(INSTRUMENT, "judged answers", confidence.len(), wrong.len())?;
        let answers = confidence.iter().zip(wrong);
        let accepted: Vec<bool> = answers
            .filter(|(confidence, _)| self.accepts(**confidence))
            .map(|(_, wrong)| *wrong)
            .collect();
        let errors = accepted.iter().filter(|wrong| **wrong).count();
        Ok(AcceptedRisk {
            units: wrong.len(),
            accepted: accepted.len(),
            wrong: errors,
            interval: clopper_pearson(errors, accepted.len(), 0.95),
        })
    }

    /// The upper bound of the risk that these counts certify at this `delta`, alone.
    pub fn risk_bound(accepted: usize, wrong: usize, delta: f64) -> f64 {
        clopper_pearson_upper(wrong, accepted, delta)
    }
}

/// Thresholds in ten-thousandths, falling: finer where confident models crowd.
fn grid() -> Vec<u32> {
    let finest = [9999, 9995, 9990, 9980, 9960, 9940, 9920];
    let fine = (9000..=9900).rev().step_by(50);
    let coarse = (0..=8800).rev().step_by(200);
    finest.into_iter().chain(fine).chain(coarse).collect()
}

/// One threshold on the calibration units.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: u32,
    threshold: f64,
    accepted: usize,
    wrong: usize,
}

impl Step {
    fn at(place: u32, confidence: &[f64], wrong: &[bool]) -> Step {
        let threshold = f64::from(place) / 10_000.0;
        let answers = confidence.iter().zip(wrong);
        let accepted = answers.filter(|(confidence, _)| **confidence >= threshold);
        let (mut count, mut errors) = (0, 0);
        for (_, &wrong) in accepted {
            count += 1;
            errors += usize::from(wrong);
        }
        Step {
            place,
            threshold,
            accepted: count,
            wrong: errors,
        }
    }

    fn risk(&self) -> f64 {
        self.wrong as f64 / self.accepted.max(1) as f64
    }

    /// Whether "the risk exceeds the target" is refused at this level.
    fn passes(&self, target_risk: f64, level: f64) -> bool {
        self.accepted > 0 && binomial_cdf(self.wrong, self.accepted, target_risk) <= level
    }
}

/// The lowest threshold that any of the sequences reaches.
fn certified(steps: &[Step], target_risk: f64, delta: f64) -> Option<&Step> {
    let level = delta / STARTS.len() as f64;
    STARTS
        .iter()
        .filter_map(|start| {
            steps
                .iter()
                .skip_while(|step| step.place != *start)
                .take_while(|step| step.passes(target_risk, level))
                .last()
        })
        .min_by_key(|step| step.place)
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    #[test]
    fn every_start_is_on_the_grid() {
        let grid = grid();
        assert!(STARTS.iter().all(|start| grid.contains(start)));
        assert!(grid.is_sorted_by(|a, b| a > b));
        assert_eq!(grid.last(), Some(&0));
    }

    #[test]
    fn the_least_number_of_units_is_where_the_promise_begins() {
        // 0.95^n <= 0.05 / 6 from n = 94.
        assert_eq!(Gate::least_units(0.05, 0.05), 94);
        for (n, guaranteed) in [(93, false), (94, true)] {
            let gate = Gate::fit(&vec![0.9; n], &vec![false; n], 0.05, 0.05).unwrap();
            assert_eq!(gate.guaranteed, guaranteed, "{n}");
            // Without errors everything is accepted, promised or not.
            assert_eq!(
                (gate.min_confidence, gate.coverage_on_calibration),
                (0.0, 1.0)
            );
        }
    }

    #[test]
    fn the_unsure_half_is_refused() {
        // Half are 0.97 sure and right, half 0.6 sure and wrong four times in ten.
        let n = 1000;
        let confidence: Vec<f64> = (0..n)
            .map(|i| if i % 2 == 0 { 0.97 } else { 0.6 })
            .collect();
        let wrong: Vec<bool> = (0..n).map(|i| i % 2 == 1 && i % 10 < 4).collect();
        let gate = Gate::fit(&confidence, &wrong, 0.05, 0.05).unwrap();
        assert!(gate.guaranteed);
        assert!(gate.min_confidence > 0.6 && gate.min_confidence <= 0.97);
        assert_eq!(
            (gate.coverage_on_calibration, gate.risk_on_calibration),
            (0.5, 0.0)
        );
        let judged = gate.judge(&[0.97, 0.97, 0.1, f64::NAN], &[true, false, false, false]);
        let judged = judged.unwrap();
        assert_eq!(
            (judged.accepted, judged.risk(), judged.coverage()),
            (2, Some(0.5), 0.5)
        );
    }

    #[test]
    fn a_model_that_is_always_wrong_is_silenced() {
        let gate = Gate::fit(&[0.8; 300], &[true; 300], 0.05, 0.05).unwrap();
        assert!(!gate.guaranteed);
        assert_eq!(
            (gate.min_confidence, gate.coverage_on_calibration),
            (1.0, 0.0)
        );
        assert_eq!(gate.judge(&[0.8], &[true]).unwrap().risk(), None);
    }

    #[test]
    fn the_promise_holds_over_many_calibration_sets() {
        // Confidence is uniform on [0, 1], the error probability falls as (1 - c)^2 / 2: the true risk above
        // a threshold t is (1 - t)^2 / 6.
        let (target, delta) = (0.05, 0.1);
        let mut broken = 0;
        let mut guaranteed = 0;
        for resplit in 0..200 {
            let mut rng = Seed(4).stream("gate", &[resplit]);
            let confidence: Vec<f64> = (0..800).map(|_| rng.random()).collect();
            let wrong: Vec<bool> = confidence
                .iter()
                .map(|c| rng.random::<f64>() < (1.0 - c).powi(2) / 2.0)
                .collect();
            let gate = Gate::fit(&confidence, &wrong, target, delta).unwrap();
            let risk = (1.0 - gate.min_confidence).powi(2) / 6.0;
            guaranteed += u32::from(gate.guaranteed);
            broken += u32::from(gate.guaranteed && risk > target);
        }
        // A tenth of 200, and three standard deviations of that count.
        assert!(broken <= 20 + 13, "broken {broken} times");
        // 800 rows are enough for a promise most of the time.
        assert!(guaranteed > 150, "only {guaranteed} promises");
    }

    #[test]
    fn the_promise_holds_where_confidence_is_worthless() {
        // Every answer is wrong with a probability just above the target: any certificate is a lie.
        let (target, delta) = (0.1, 0.1);
        let lies = (0..200)
            .filter(|&resplit| {
                let mut rng = Seed(5).stream("gate", &[resplit]);
                let confidence: Vec<f64> = (0..500).map(|_| rng.random()).collect();
                let wrong: Vec<bool> = (0..500).map(|_| rng.random::<f64>() < 0.101).collect();
                Gate::fit(&confidence, &wrong, target, delta)
                    .unwrap()
                    .guaranteed
            })
            .count();
        assert!(lies <= 20 + 13, "{lies} lies");
    }

    #[test]
    fn wrong_settings_are_refused() {
        assert!(Gate::fit(&[], &[], 0.05, 0.05).is_err());
        assert!(Gate::fit(&[0.5], &[], 0.05, 0.05).is_err());
        assert!(Gate::fit(&[f64::NAN], &[true], 0.05, 0.05).is_err());
        assert!(Gate::fit(&[0.5], &[true], 0.0, 0.05).is_err());
        assert!(Gate::fit(&[0.5], &[true], 0.05, 1.0).is_err());
    }
}
