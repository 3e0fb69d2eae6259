use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::error::open_unit;
use crate::labelled::{LabelProbabilities, Labelled};

const INSTRUMENT: &str = "conformal risk control";

/// A list of labels for each unit that misses at most a share `alpha` of those that apply, on average over units and
/// calibration sets.
///
/// The loss of a unit is the share of its labels that apply and are not in the list; units on which no label is known to apply
/// have none. Labels with a probability of at least the threshold are listed; the threshold is the greatest one whose
/// loss on `n` calibration units, plus the greatest possible loss of one more unit, over `n + 1`, is at most `alpha`.
///
/// # Reference
/// Angelopoulos, Bates, Fisch, Lei & Schuster 2022, equation 4 and theorem 1, with the false negative rate of section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelRiskControl {
    /// The promised share that is missed at most, between 0 and 1.
    pub alpha: f64,
    /// Labels at least this probable are listed; above 1 none is. `None` when there were too few calibration units for the promise:
    /// every label is then listed.
    pub threshold: Option<f64>,
    /// Calibration units.
    pub calibration_units: usize,
}

/// What lists of labels miss, and how long they are, on units that they were not calibrated on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MissedLabels {
    /// Mean over units of the share of labels that apply and are not listed.
    pub missed: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Mean number of labels listed.
    pub listed: f64,
    /// Units.
    pub units: usize,
}

impl LabelRiskControl {
    /// Calibrates on units that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not of labels or do not fit the truth, there are no units, or `alpha` is not between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<LabelRiskControl, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
        let n = labelled.probabilities.len();
        // Each label that applies, with its part of its unit's loss.
        let mut applying: Vec<(f64, f64)> = Vec::new();
        for (row, known) in labelled.rows() {
            let count = known.iter().filter(|k| **k == Some(true)).count();
            let cells = row.iter().zip(known).filter(|(_, k)| **k == Some(true));
            applying.extend(cells.map(|(p, _)| (f64::from(*p), 1.0 / count as f64)));
        }
        applying.sort_by(|a, b| a.0.total_cmp(&b.0));
        // What may be missed in sum: (missed + 1) / (n + 1) <= alpha.
        let allowed = alpha * (n + 1) as f64 - 1.0 + 1e-9;
        let threshold = (allowed >= 0.0).then(|| {
            let (mut missed, mut threshold) = (0.0, 2.0);
            let mut i = 0;
            while i < applying.len() {
                let p = applying[i].0;
                threshold = p;
                while i < applying.len() && applying[i].0 == p {
                    missed += applying[i].1;
                    i += 1;
                }
                if missed > allowed {
                    return threshold;
                }
                threshold = 2.0;
            }
            threshold
        });
        Ok(LabelRiskControl {
            alpha,
            threshold,
            calibration_units: n,
        })
    }

    /// The labels that are listed for each unit, in label order.
    ///
    /// # Errors
    /// When predictions are not of labels.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<Vec<u32>>, ChallengeError> {
        let rows = LabelProbabilities::parse(INSTRUMENT, predicted)?;
        Ok(rows.rows().map(|row| self.list(row)).collect())
    }

    fn list(&self, row: &[f32]) -> Vec<u32> {
        let listed = |p: f32| self.threshold.is_none_or(|t| f64::from(p) >= t);
        (0..)
            .zip(row)
            .filter(|(_, p)| listed(**p))
            .map(|(label, _)| label)
            .collect()
    }

    /// What the lists miss on units that they were not calibrated on.
    ///
    /// # Errors
    /// When predictions do not fit the truth, or there are no units.
    pub fn judge(
        &self,
        predicted: &Distribution,
        truth: &Targets,
    ) -> Result<MissedLabels, ChallengeError> {
        let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
        let (mut losses, mut listed) = (Vec::new(), 0);
        for (row, known) in labelled.rows() {
            let list = self.list(row);
            listed += list.len();
            let applying: Vec<u32> = (0..)
                .zip(known)
                .filter(|(_, k)| **k == Some(true))
                .map(|(label, _)| label)
                .collect();
            let missed = applying
                .iter()
                .filter(|label| !list.contains(label))
                .count();
            losses.push(missed as f64 / applying.len().max(1) as f64);
        }
        let units = losses.len();
        Ok(MissedLabels {
            missed: crate::empirical::mean(&losses),
            standard_error: crate::empirical::standard_deviation(&losses) / (units as f64).sqrt(),
            listed: listed as f64 / units as f64,
            units,
        })
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    fn made(n: usize, number: u64) -> (Distribution, Targets) {
        let width = 5;
        let mut rng = Seed(4).stream("labels", &[number]);
        let mut p = Vec::new();
        let mut values = Vec::new();
        for _ in 0..n * width {
            let said: f32 = rng.random();
            p.push(said);
            // The model is too bold.
            let applies = rng.random::<f32>() < 0.2 + 0.5 * said;
            values.push((rng.random::<f32>() < 0.9).then_some(applies));
        }
        (
            Distribution::Bernoulli {
                width,
                probabilities: p,
            },
            Targets::Labels { width, values },
        )
    }

    #[test]
    fn a_threshold_worked_by_hand() {
        // Four units with one label that applies each: with alpha 0.4 of 5 the sum may be 1.
        let predicted = Distribution::Bernoulli {
            width: 1,
            probabilities: vec![0.2, 0.9, 0.4, 0.6],
        };
        let truth = Targets::Labels {
            width: 1,
            values: vec![Some(true); 4],
        };
        let at = |alpha| {
            LabelRiskControl::fit(alpha, &predicted, &truth)
                .unwrap()
                .threshold
        };
        assert!((at(0.4).unwrap() - 0.4).abs() < 1e-6);
        assert!((at(0.2).unwrap() - 0.2).abs() < 1e-6);
        assert_eq!(at(0.1), None);
        // Nothing applies: nothing need be listed.
        let none = Targets::Labels {
            width: 1,
            values: vec![Some(false), None, None, None],
        };
        let control = LabelRiskControl::fit(0.4, &predicted, &none).unwrap();
        assert!(
            control
                .predict(&predicted)
                .unwrap()
                .iter()
                .all(Vec::is_empty)
        );
    }

    #[test]
    fn the_promise_holds_on_average_over_calibration_sets() {
        let test = made(4000, 1_000_000);
        let missed: Vec<f64> = (0..100)
            .map(|i| {
                let (predicted, truth) = made(60, i);
                let control = LabelRiskControl::fit(0.15, &predicted, &truth).unwrap();
                control.judge(&test.0, &test.1).unwrap().missed
            })
            .collect();
        let mean = crate::empirical::mean(&missed);
        let error = crate::empirical::standard_deviation(&missed) / 10.0;
        assert!(mean <= 0.15 + 3.0 * error, "{mean} +- {error}");
        // And is not met by listing everything.
        assert!(
            mean > 0.15 - 1.0 / 61.0 - 3.0 * error - 0.01,
            "{mean} +- {error}"
        );
    }

    #[test]
    fn too_few_units_list_everything() {
        let (predicted, truth) = made(5, 0);
        let control = LabelRiskControl::fit(0.1, &predicted, &truth).unwrap();
        assert_eq!(control.threshold, None);
        let judged = control.judge(&predicted, &truth).unwrap();
        assert_eq!((judged.missed, judged.listed), (0.0, 5.0));
        assert!(LabelRiskControl::fit(1.0, &predicted, &truth).is_err());
    }
}
