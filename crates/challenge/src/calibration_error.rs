use candor_core::{Distribution, Seed, Targets};
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::{equal_mass_bins, mean, quantile_linear};
use crate::labelled::{Classified, Labelled};

const INSTRUMENT: &str = "calibration error";

/// Bins of the usual expected calibration error (Guo et al. 2017).
pub const DEFAULT_BINS: usize = 15;

/// One bar of a reliability diagram. Bins are half-open `[lower, upper)`, the last is closed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end of the confidence.
    pub lower: f64,
    /// Upper end of the confidence.
    pub upper: f64,
    /// Units in the bin.
    pub count: usize,
    /// Their mean confidence; 0 of an empty bin.
    pub confidence: f64,
    /// The share of them that is right; 0 of an empty bin.
    pub accuracy: f64,
}

/// The values that a measure takes for a perfectly calibrated model, by simulation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NullDistribution {
    /// Their mean: what small samples alone produce.
    pub mean: f64,
    /// Their 95 % quantile.
    pub q95: f64,
    /// Share of them at or above the measured value, (1 + count) / (1 + draws).
    pub p_value: f64,
    /// Simulated samples.
    pub draws: usize,
}

impl NullDistribution {
    /// Draws of the null distribution; on more than 50,000 units fewer, down to 200.
    pub const DRAWS: usize = 1000;

    /// Simulates the measure of a perfectly calibrated model, one stream of random numbers a draw.
    pub(crate) fn simulate(
        measured: f64,
        units: usize,
        seed: Seed,
        purpose: &str,
        draw: impl Fn(&mut dyn FnMut() -> f64) -> f64 + Sync,
    ) -> NullDistribution {
        let draws =
            (50_000 * NullDistribution::DRAWS / units.max(1)).clamp(200, NullDistribution::DRAWS);
        let mut values: Vec<f64> = (0..draws as u64)
            .into_par_iter()
            .map(|i| {
                let mut rng = seed.stream(purpose, &[i]);
                draw(&mut || rng.random::<f64>())
            })
            .collect();
        values.sort_by(f64::total_cmp);
        let at_least = values.iter().filter(|v| **v >= measured).count();
        NullDistribution {
            mean: mean(&values),
            q95: quantile_linear(&values, 0.95),
            p_value: (1 + at_least) as f64 / (1 + values.len()) as f64,
            draws: values.len(),
        }
    }

    /// Whether a perfectly calibrated model would often show `measured` or more.
    pub fn contains(&self, measured: f64) -> bool {
        measured <= self.q95
    }
}

/// How far stated confidences are from the share that is right. Everything but `debiased_squared`
/// lies between 0 and 1.
///
/// Never a judgement alone: a model that always states the base rate has no calibration error. Shown
/// beside the log loss and the Brier score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// Expected calibration error of the top class, 15 bins of equal width (Guo et al. 2017, equation 3).
    pub expected: f64,
    /// The same with bins of equal numbers of units; equal confidences share a bin (Nixon et al. 2019).
    pub adaptive: f64,
    /// The squared error with bins of equal numbers of units, less the bias of finite bins; may be
    /// slightly negative (Kumar et al. 2019, definition 5.1). Bins of one unit are left out.
    pub debiased_squared: f64,
    /// The error of each class's probability against that class, mean over classes (Kull et al. 2019,
    /// equation 6).
    pub class_wise: f64,
    /// The expected calibration error that a perfectly calibrated model with these confidences shows.
    pub null: NullDistribution,
    /// The bars of the reliability diagram, equal width.
    pub bins: Vec<ReliabilityBin>,
    /// Units judged.
    pub units: usize,
}

impl CalibrationError {
    /// Measures predictions against the truth. Only the null distribution depends on the seed.
    ///
    /// Labels are pooled: each known label of each unit counts as one unit of two classes. The null distribution then takes the labels
    /// of a unit as independent, and is narrower than the truth where they are not.
    ///
    /// # Errors
    /// When predictions are not probabilities, do not fit the truth, or there are no units.
    pub fn measure(
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<CalibrationError, ChallengeError> {
        if matches!(predicted, Distribution::Bernoulli { .. }) {
            let (predicted, truth) = Labelled::parse(INSTRUMENT, predicted, truth)?.pooled();
            return CalibrationError::measure(&predicted, &truth, seed);
        }
        let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
        let mut pairs = classified.confidence();
        let bins = equal_width_bins(&pairs, DEFAULT_BINS);
        let expected = gap(&bins, pairs.len());
        let null = null_distribution(expected, &pairs, seed);
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let equal_mass = equal_mass(&pairs, DEFAULT_BINS);
        Ok(CalibrationError {
            expected,
            adaptive: gap(&equal_mass, pairs.len()),
            debiased_squared: debiased_squared(&equal_mass, pairs.len()),
            class_wise: class_wise(&classified),
            null,
            bins,
            units: pairs.len(),
        })
    }

    /// Whether the error is no greater than a perfectly calibrated model's often is.
    pub fn within_null(&self) -> bool {
        self.null.contains(self.expected)
    }
}

/// The bars of a reliability diagram: `bins` of equal width over the top confidence.
///
/// # Errors
/// When predictions are not probabilities, do not fit the truth, there are no units, or no bins.
pub fn reliability(
    predicted: &Distribution,
    truth: &Targets,
    bins: usize,
) -> Result<Vec<ReliabilityBin>, ChallengeError> {
    if bins == 0 {
        return Err(ChallengeError::Setting {
            instrument: INSTRUMENT,
            name: "the number of bins",
            value: 0.0,
            range: "1 or more",
        });
    }
    let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
    Ok(equal_width_bins(&classified.confidence(), bins))
}

fn bin_of(confidence: f64, bins: usize) -> usize {
    ((confidence * bins as f64) as usize).min(bins - 1)
}

fn equal_width_bins(pairs: &[(f64, bool)], bins: usize) -> Vec<ReliabilityBin> {
    let mut members = vec![Vec::new(); bins];
    for pair in pairs {
        members[bin_of(pair.0, bins)].push(*pair);
    }
    let width = 1.0 / bins as f64;
    let bar = |(i, members): (usize, Vec<_>)| {
        summarise(i as f64 * width, (i + 1) as f64 * width, &members)
    };
    members.into_iter().enumerate().map(bar).collect()
}

/// Bins of about equal numbers of units; `sorted` by confidence.
fn equal_mass(sorted: &[(f64, bool)], bins: usize) -> Vec<ReliabilityBin> {
    let confidences: Vec<f64> = sorted.iter().map(|pair| pair.0).collect();
    equal_mass_bins(&confidences, bins)
        .into_iter()
        .map(|(start, end)| {
            summarise(
                confidences[start],
                confidences[end - 1],
                &sorted[start..end],
            )
        })
        .collect()
}

fn summarise(lower: f64, upper: f64, members: &[(f64, bool)]) -> ReliabilityBin {
    let count = members.len();
    let divisor = count.max(1) as f64;
    ReliabilityBin {
        lower,
        upper,
        count,
        confidence: members.iter().map(|m| m.0).sum::<f64>() / divisor,
        accuracy: members.iter().filter(|m| m.1).count() as f64 / divisor,
    }
}

/// Mean over units of the gap between confidence and accuracy of their bin.
fn gap(bins: &[ReliabilityBin], units: usize) -> f64 {
    bins.iter()
        .map(|bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs())
        .sum::<f64>()
        / units as f64
}

fn debiased_squared(bins: &[ReliabilityBin], units: usize) -> f64 {
    bins.iter()
        .filter(|bin| bin.count > 1)
        .map(|bin| {
            let variance = bin.accuracy * (1.0 - bin.accuracy) / (bin.count - 1) as f64;
            let squared = (bin.confidence - bin.accuracy).powi(2) - variance;
            bin.count as f64 / units as f64 * squared
        })
        .sum()
}

fn class_wise(classified: &Classified<'_>) -> f64 {
    let classes = classified.probabilities.classes;
    let error = |class: usize| {
        let pairs: Vec<(f64, bool)> = classified
            .rows()
            .map(|(row, label)| (f64::from(row[class]), label == class))
            .collect();
        gap(&equal_width_bins(&pairs, DEFAULT_BINS), pairs.len())
    };
    (0..classes).map(error).sum::<f64>() / classes as f64
}

/// The confidences stay; whether each unit is right is drawn with exactly the stated probability.
fn null_distribution(measured: f64, pairs: &[(f64, bool)], seed: Seed) -> NullDistribution {
    let binned: Vec<(usize, f64)> = pairs
        .iter()
        .map(|&(confidence, _)| (bin_of(confidence, DEFAULT_BINS), confidence))
        .collect();
    NullDistribution::simulate(measured, pairs.len(), seed, "calibration-null", |uniform| {
        // Per bin, the sum of (confidence - right): the gap times the count.
        let mut excess = [0.0; DEFAULT_BINS];
        for &(bin, confidence) in &binned {
            excess[bin] += confidence - f64::from(uniform() < confidence);
        }
        excess.iter().map(|e| e.abs()).sum::<f64>() / binned.len() as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    #[test]
    fn errors_worked_by_hand() {
        // Confidences .9 .9 .9 .9 (right 3 of 4) and .6 .6 (right 1 of 2).
        let predicted = binary(&[0.9, 0.9, 0.9, 0.1, 0.6, 0.4]);
        let truth = Targets::Classes(vec![1, 1, 1, 1, 1, 1]);
        let error = CalibrationError::measure(&predicted, &truth, Seed(0)).unwrap();
        let expected = (4.0 * 0.15 + 2.0 * 0.1) / 6.0;
        assert!((error.expected - expected).abs() < 1e-7);
        assert!((error.adaptive - expected).abs() < 1e-7);
        let squared = 4.0 / 6.0 * (0.0225 - 0.75 * 0.25 / 3.0) + 2.0 / 6.0 * (0.01 - 0.25);
        assert!((error.debiased_squared - squared).abs() < 1e-7);
        let full: Vec<_> = error.bins.iter().filter(|bin| bin.count > 0).collect();
        assert_eq!(full.len(), 2);
        assert_eq!((full[0].count, full[1].count), (2, 4));
        assert!((full[1].accuracy - 0.75).abs() < 1e-12);
    }

    #[test]
    fn equal_to_an_independent_computation() {
        // 1,500 predictions; the expected value was computed with numpy, bins by `digitize`.
        let mut state = 1u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1u32 << 24)
        };
        let said: Vec<f32> = (0..1500).map(|_| uniform() as f32).collect();
        let labels = said
            .iter()
            .map(|&p| u32::from(uniform() < f64::from(p).powf(1.5)));
        let truth = Targets::Classes(labels.collect());
        let error = CalibrationError::measure(&binary(&said), &truth, Seed(0)).unwrap();
        assert!(
            (error.expected - 0.015_375_489_632_288_616).abs() < 1e-6,
            "{}",
            error.expected
        );
    }

    #[test]
    fn class_wise_error_by_hand() {
        // Class 1 is given .8 and happens once in two; class 0 is given .2 likewise: .3 each.
        let predicted = binary(&[0.8, 0.8]);
        let truth = Targets::Classes(vec![1, 0]);
        let error = CalibrationError::measure(&predicted, &truth, Seed(0)).unwrap();
        assert!((error.class_wise - 0.3).abs() < 1e-7);
    }

    #[test]
    fn the_last_bin_is_closed_and_others_half_open() {
        let predicted = binary(&[1.0, 0.5, 0.8]);
        let bins = reliability(&predicted, &Targets::Classes(vec![1, 0, 1]), 2).unwrap();
        // A confidence of exactly one half belongs to the upper bin.
        assert_eq!((bins[0].count, bins[1].count), (0, 3));
        assert!(reliability(&predicted, &Targets::Classes(vec![1, 0, 1]), 0).is_err());
    }

    #[test]
    fn a_calibrated_model_is_inside_its_null_and_an_overconfident_one_is_not() {
        let mut rng = Seed(3).stream("test", &[]);
        let p: Vec<f32> = (0..1000).map(|_| rng.random_range(0.5..1.0)).collect();
        let draw = |rng: &mut dyn FnMut() -> f32, power: f32| -> Vec<u32> {
            p.iter().map(|p| u32::from(rng() < p.powf(power))).collect()
        };
        let honest = draw(&mut || rng.random(), 1.0);
        let error = CalibrationError::measure(&binary(&p), &Targets::Classes(honest), Seed(1));
        let error = error.unwrap();
        assert!(error.within_null(), "{} {:?}", error.expected, error.null);
        // The known bias of 15 bins at a thousand units: one to four per cent.
        assert!(error.null.mean > 0.01 && error.null.mean < 0.05);
        let overconfident = draw(&mut || rng.random(), 2.0);
        let error =
            CalibrationError::measure(&binary(&p), &Targets::Classes(overconfident), Seed(1));
        assert!(!error.unwrap().within_null());
    }

    #[test]
    fn one_unit_and_one_class_have_defined_errors() {
        let one = Distribution::Categorical {
            classes: 1,
            probabilities: vec![1.0],
        };
        let error = CalibrationError::measure(&one, &Targets::Classes(vec![0]), Seed(0)).unwrap();
        assert_eq!((error.expected, error.debiased_squared), (0.0, 0.0));
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(
            serde_json::from_str::<CalibrationError>(&json).unwrap(),
            error
        );
    }

    #[test]
    fn the_null_depends_on_the_seed_alone() {
        let predicted = binary(&[0.7, 0.8, 0.6]);
        let truth = Targets::Classes(vec![1, 0, 1]);
        let measure = |seed| CalibrationError::measure(&predicted, &truth, Seed(seed)).unwrap();
        assert_eq!(measure(5), measure(5));
    }
}
