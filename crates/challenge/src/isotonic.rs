use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::runs;
use crate::labelled::{Classified, LabelProbabilities, Labelled, Probabilities, check_length};

const INSTRUMENT: &str = "isotonic calibration";

/// Probabilities bent by a rising curve a class, fitted to what happened: more pliable than a temperature, and hungrier.
///
/// A curve passes through the blocks of the isotonic regression, each at its mean, in straight lines; it keeps the order of
/// units inside a block, and no probability is 0 or 1: `n` units never say more than `n + 1` to 1. Two classes have one curve, of the second;
/// more have one each, and the results are divided by their sum, which can change the most probable class. Labels share one curve.
///
/// # Reference
/// Zadrozny & Elkan 2002, section 4 (pool adjacent violators, one class against the rest, renormalised); Oron & Flournoy 2017
/// for the lines between the means of blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// One a class; one alone for two classes and for labels.
    pub curves: Vec<RisingCurve>,
    /// Calibration units (of labels: known labels).
    pub units: usize,
}

/// A curve through points that rise in both coordinates, flat outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RisingCurve {
    /// Stated probabilities.
    pub stated: Vec<f64>,
    /// What happened.
    pub happened: Vec<f64>,
}

impl Isotonic {
    /// Calibration units that it needs: 5,000. With fewer a temperature is better on almost all data.
    pub const LEAST_UNITS: usize = 5000;

    /// Fits the curves on units that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not probabilities or do not fit the truth, or there are fewer than 5,000 units (known labels).
    pub fn fit(predicted: &Distribution, truth: &Targets) -> Result<Isotonic, ChallengeError> {
        if matches!(predicted, Distribution::Bernoulli { .. }) {
            let (predicted, truth) = Labelled::parse(INSTRUMENT, predicted, truth)?.pooled();
            return Isotonic::fit(&predicted, &truth);
        }
        let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
        let units = classified.len();
        if units < Isotonic::LEAST_UNITS {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "calibration units",
                needed: Isotonic::LEAST_UNITS,
                got: units,
            });
        }
        let classes = classified.probabilities.classes;
        let first = if classes == 2 { 1 } else { 0 };
        let curve = |class: usize| {
            let pairs = classified
                .rows()
                .map(|(row, label)| (f64::from(row[class]), f64::from(u8::from(label == class))));
            RisingCurve::fit(pairs.collect())
        };
        Ok(Isotonic {
            curves: (first..classes).map(curve).collect(),
            units,
        })
    }

    /// The same units, calibrated.
    ///
    /// # Errors
    /// When predictions are not probabilities of as many classes, or not of labels where it was fitted on labels.
    pub fn apply(&self, predicted: &Distribution) -> Result<Distribution, ChallengeError> {
        let one = self.curves.first().filter(|_| self.curves.len() == 1);
        if matches!(predicted, Distribution::Bernoulli { .. }) {
            let labels = LabelProbabilities::parse(INSTRUMENT, predicted)?;
            check_length(INSTRUMENT, "curves", 1, self.curves.len())?;
            let bent = labels
                .rows()
                .flatten()
                .map(|&p| one.map_or(p, |curve| curve.at(f64::from(p)) as f32));
            return Ok(Distribution::Bernoulli {
                width: labels.width,
                probabilities: bent.collect(),
            });
        }
        let rows = Probabilities::parse(INSTRUMENT, predicted)?;
        let expected = if one.is_some() { 2 } else { self.curves.len() };
        check_length(INSTRUMENT, "classes", expected, rows.classes)?;
        let mut probabilities = Vec::with_capacity(rows.len() * rows.classes);
        for row in rows.rows() {
            match one {
                Some(curve) => {
                    let p = curve.at(f64::from(row[1])) as f32;
                    probabilities.extend([1.0 - p, p]);
                }
                None => {
                    let bent = row.iter().zip(&self.curves);
                    let bent: Vec<f64> = bent.map(|(p, c)| c.at(f64::from(*p))).collect();
                    let sum: f64 = bent.iter().sum();
                    probabilities.extend(bent.iter().map(|p| (p / sum) as f32));
                }
            }
        }
        Ok(Distribution::Categorical {
            classes: rows.classes,
            probabilities,
        })
    }
}

impl RisingCurve {
    /// The isotonic regression of what happened (0 or 1) on what was stated.
    fn fit(mut pairs: Vec<(f64, f64)>) -> RisingCurve {
        let least = 1.0 / (pairs.len() + 2) as f64;
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let stated: Vec<f64> = pairs.iter().map(|p| p.0).collect();
        // Blocks of (units, sum stated, sum happened); neighbours that do not rise are pooled.
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        for (start, end) in runs(&stated) {
            let some = &pairs[start..end];
            let mut block = (
                some.len() as f64,
                some.iter().map(|p| p.0).sum::<f64>(),
                some.iter().map(|p| p.1).sum::<f64>(),
            );
            while let Some(&(n, x, y)) = blocks.last() {
                if y / n < block.2 / block.0 {
                    break;
                }
                blocks.pop();
                block = (n + block.0, x + block.1, y + block.2);
            }
            blocks.push(block);
        }
        RisingCurve {
            stated: blocks.iter().map(|(n, x, _)| x / n).collect(),
            happened: blocks
                .iter()
                .map(|(n, _, y)| (y / n).clamp(least, 1.0 - least))
                .collect(),
        }
    }

    /// The height at a stated probability.
    pub fn at(&self, stated: f64) -> f64 {
        let above = self.stated.partition_point(|x| *x < stated);
        let of = |i: usize| Some((*self.stated.get(i)?, *self.happened.get(i)?));
        match (above.checked_sub(1).and_then(of), of(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (stated - x0) / (x1 - x0),
            (Some((_, y)), None) | (None, Some((_, y))) => y,
            (None, None) => stated,
        }
    }
}

#[cfg(test)]
mod tests {
    use candor_core::{Metric, Seed};
    use rand::RngExt;

    use super::*;

    #[test]
    fn pooled_blocks_by_hand() {
        // 1, 0 violate the order and become 1/2 at 0.3.
        let curve = RisingCurve::fit(vec![(0.1, 0.0), (0.2, 1.0), (0.4, 0.0), (0.9, 1.0)]);
        assert_eq!(curve.stated.len(), 3);
        assert!((curve.stated[1] - 0.3).abs() < 1e-12 && curve.happened[1] == 0.5);
        // Never sure: 4 units say at most 5 to 1.
        assert!(
            (curve.at(0.0) - 1.0 / 6.0).abs() < 1e-12 && (curve.at(1.0) - 5.0 / 6.0).abs() < 1e-12
        );
        assert!((curve.at(0.2) - (1.0 / 6.0 + 0.5) / 2.0).abs() < 1e-12);
    }

    /// Probabilities that say p where p^2 is true, for `classes` classes.
    fn made(n: usize, classes: usize, number: u64) -> (Distribution, Targets) {
        let mut rng = Seed(8).stream("isotonic", &[number]);
        let (mut p, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let first: f32 = rng.random();
            let rest = (1.0 - first) / (classes - 1) as f32;
            p.push(first);
            p.extend(vec![rest; classes - 1]);
            let is_first = rng.random::<f32>() < first * first;
            labels.push(match is_first {
                true => 0,
                false => rng.random_range(1..classes as u32),
            });
        }
        (
            Distribution::Categorical {
                classes,
                probabilities: p,
            },
            Targets::Classes(labels),
        )
    }

    #[test]
    fn what_a_temperature_cannot_repair_is_repaired() {
        for classes in [2, 4] {
            let (calibration, test) = (made(6000, classes, 0), made(6000, classes, 1));
            let isotonic = Isotonic::fit(&calibration.0, &calibration.1).unwrap();
            let temperature = crate::Temperature::fit(&calibration.0, &calibration.1).unwrap();
            let error = |d: &Distribution| {
                crate::CalibrationError::measure(d, &test.1, Seed(0))
                    .unwrap()
                    .class_wise
            };
            let bent = isotonic.apply(&test.0).unwrap();
            let scaled = temperature.apply(&test.0).unwrap();
            assert!(
                error(&bent) < 0.5 * error(&scaled),
                "{classes}: {} {}",
                error(&bent),
                error(&scaled)
            );
            let loss = |d: &Distribution| Metric::LogLoss.score(d, &test.1).unwrap();
            assert!(loss(&bent) < loss(&scaled));
        }
    }

    #[test]
    fn few_units_one_class_and_constant_predictions() {
        let (predicted, truth) = made(4999, 2, 0);
        assert!(matches!(
            Isotonic::fit(&predicted, &truth),
            Err(ChallengeError::TooFew { needed: 5000, .. })
        ));
        // One class in calibration, and one stated probability.
        let constant = Distribution::Categorical {
            classes: 2,
            probabilities: [0.3, 0.7].repeat(5000),
        };
        let fitted = Isotonic::fit(&constant, &Targets::Classes(vec![1; 5000])).unwrap();
        let Distribution::Categorical { probabilities, .. } = fitted.apply(&constant).unwrap()
        else {
            unreachable!("classes stay classes")
        };
        assert!(probabilities[1] > 0.999 && probabilities[1] < 1.0);
        let (three, _) = made(5, 3, 0);
        assert!(fitted.apply(&three).is_err());
        let labels = Distribution::Bernoulli {
            width: 2,
            probabilities: vec![0.1, 0.9],
        };
        assert!(fitted.apply(&labels).is_ok());
        let json = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Isotonic>(&json).unwrap(), fitted);
    }
}
