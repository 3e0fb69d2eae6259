use std::collections::BTreeMap;

use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::binomial::beta_binomial_cdf;
use crate::empirical::equal_mass_bins;
use crate::labelled::{Classified, Labelled, Measured, check_length};
use crate::{
    ChallengeError, ConformalClassifier, ConformalLabelSets, ConformalQuantileRegressor,
    ConformalRegressor, ProportionInterval, clopper_pearson, coverage_law,
};

const INSTRUMENT: &str = "coverage report";

/// Confidence that the intervals of all slices hold together (Bonferroni).
const LEVEL: f64 = 0.95;

/// What the units of a slice have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceKind {
    /// Their true class.
    Class,
    /// A group that a person named.
    Group,
    /// How hard they are.
    Difficulty,
    /// Nothing but the target: one of several numbers or labels that are predicted.
    Target,
}

/// Some of the units, judged by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// What they have in common.
    pub kind: SliceKind,
    /// Its name for people.
    pub name: String,
    /// The units, from 0.
    pub units: Vec<usize>,
}

impl Slice {
    /// One slice for each class that occurs; `names` in label order, numbers where a name is missing.
    /// None for regression.
    pub fn by_class(truth: &Targets, names: &[String]) -> Vec<Slice> {
        let Targets::Classes(labels) = truth else {
            return Vec::new();
        };
        let name = |label: &u32| names.get(*label as usize).cloned();
        let named = labels
            .iter()
            .map(|label| name(label).unwrap_or_else(|| label.to_string()));
        Slice::by_name(SliceKind::Class, named)
    }

    /// One slice for each named group; one name a unit.
    pub fn by_group(names: &[String]) -> Vec<Slice> {
        Slice::by_name(SliceKind::Group, names.iter().cloned())
    }

    /// About `bins` slices of equal size from easy to hard, by a number that grows with difficulty (the
    /// predicted standard deviation, or one minus the confidence). Equal values are never parted.
    pub fn by_difficulty(difficulty: &[f64], bins: usize) -> Vec<Slice> {
        let mut order: Vec<usize> = (0..difficulty.len()).collect();
        order.sort_by(|&a, &b| difficulty[a].total_cmp(&difficulty[b]));
        let sorted: Vec<f64> = order.iter().map(|&i| difficulty[i]).collect();
        let cuts = equal_mass_bins(&sorted, bins);
        let count = cuts.len();
        cuts.into_iter()
            .enumerate()
            .map(|(i, (start, end))| Slice {
                kind: SliceKind::Difficulty,
                name: format!("difficulty {} of {count}", i + 1),
                units: order[start..end].to_vec(),
            })
            .collect()
    }

    fn by_name(kind: SliceKind, names: impl Iterator<Item = String>) -> Vec<Slice> {
        let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (unit, name) in names.enumerate() {
            members.entry(name).or_default().push(unit);
        }
        let slice = |(name, units)| Slice { kind, name, units };
        members.into_iter().map(slice).collect()
    }
}

/// Coverage of one slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceCoverage {
    /// What its units have in common.
    pub kind: SliceKind,
    /// Its name.
    pub name: String,
    /// Units.
    pub units: usize,
    /// The share whose set or interval holds the truth.
    pub coverage: f64,
    /// Exact interval; those of all slices hold together with 95 % confidence.
    pub interval: ProportionInterval,
}

/// Whether sets or intervals hold the truth as often as promised, overall and where it matters.
///
/// The promise of split conformal prediction is about all units together; single classes and hard
/// units can get much less, which is why they are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageReport {
    /// The promised coverage, `1 - alpha`.
    pub promised: f64,
    /// The share of predictions (units, times targets) that hold the truth.
    pub marginal: f64,
    /// Probability of so little coverage or less if the promise is true: the exact law over calibration
    /// and test sets (beta-binomial). With several targets, of the worst of them, times their number.
    pub p_low: f64,
    /// Units judged.
    pub units: usize,
    /// Calibration rows behind the promise.
    pub calibration_units: usize,
    /// Mean number of classes in a set, or mean width of the finite intervals in the target's units;
    /// `None` when no interval is finite.
    pub mean_size: Option<f64>,
    /// Share of empty sets: the classifier keeps silent. 0 for intervals.
    pub empty: f64,
    /// Share of sets with one class: the classifier is sure. 0 for intervals.
    pub singletons: f64,
    /// Each slice by itself; with several targets, each target too.
    pub slices: Vec<SliceCoverage>,
}

impl CoverageReport {
    /// Judges a conformal classifier on units that it was not calibrated on.
    ///
    /// # Errors
    /// When predictions do not fit the truth or the classifier, or a slice names a unit that is not there.
    pub fn of_classifier(
        classifier: &ConformalClassifier,
        predicted: &Distribution,
        truth: &Targets,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let labels = Classified::parse(INSTRUMENT, predicted, truth)?.labels;
        let sets = classifier.predict(predicted)?;
        let held = held(&sets, labels);
        let n = classifier.calibration_units;
        let p_low = p_low(&held, n, classifier.alpha);
        CoverageReport::of_sets(&sets, &held, (classifier.alpha, n), p_low, slices)
    }

    /// Sets of classes that are known to hold the truth or not; `promise`: the share that may be missed, and the calibration rows.
    pub(crate) fn of_sets(
        sets: &[Vec<u32>],
        held: &[bool],
        (alpha, calibration_units): (f64, usize),
        p_low: f64,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let share = |size: usize| {
            let count = sets.iter().filter(|set| set.len() == size).count();
            count as f64 / sets.len() as f64
        };
        let sizes: usize = sets.iter().map(Vec::len).sum();
        Ok(CoverageReport {
            promised: 1.0 - alpha,
            marginal: share_of(held),
            p_low,
            units: held.len(),
            calibration_units,
            mean_size: Some(sizes as f64 / sets.len() as f64),
            empty: share(0),
            singletons: share(1),
            slices: judge(slices, held.len(), |unit| vec![held[unit]])?,
        })
    }

    /// Judges sets of labels on units that they were not calibrated on. Only known labels count: `marginal` and `mean_size` are over
    /// these, and so are the slices, of which there is one a label.
    ///
    /// # Errors
    /// When predictions do not fit the truth or the sets, no label of any unit is known, or a slice names a unit that is not there.
    pub fn of_label_sets(
        conformal: &ConformalLabelSets,
        predicted: &Distribution,
        truth: &Targets,
        names: &[String],
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
        let (width, units) = (labelled.probabilities.width, labelled.probabilities.len());
        let sets = conformal.predict(predicted)?;
        let known = labelled.rows().flat_map(|(_, known)| known);
        let held: Vec<Option<bool>> = sets
            .iter()
            .zip(known)
            .map(|(set, applies)| applies.map(|applies| set.contains(&u32::from(applies))))
            .collect();
        let of_label = |label: usize| -> Vec<bool> {
            held.iter()
                .skip(label)
                .step_by(width)
                .flatten()
                .copied()
                .collect()
        };
        let labels: Vec<Vec<bool>> = (0..width).map(of_label).collect();
        let all: Vec<bool> = held.iter().flatten().copied().collect();
        if all.is_empty() {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "known labels",
                needed: 1,
                got: 0,
            });
        }
        let judged = labels.iter().zip(&conformal.labels);
        let judged = judged.filter(|(held, _)| !held.is_empty());
        let worst = judged
            .map(|(held, l)| p_low(held, l.calibration_units, l.alpha))
            .fold(1.0, f64::min);
        let known = |unit: usize| {
            let cells = held[unit * width..(unit + 1) * width].iter();
            cells.flatten().copied().collect()
        };
        let mut report = judge(slices, units, known)?;
        for (i, held) in labels.iter().enumerate() {
            let name = names.get(i).cloned();
            let name = name.unwrap_or_else(|| format!("label {}", i + 1));
            report.extend(slice_of(SliceKind::Target, &name, held, held.len(), width));
        }
        let share = |size: usize| {
            let count = sets.iter().filter(|set| set.len() == size).count();
            count as f64 / sets.len() as f64
        };
        let sizes: usize = sets.iter().map(Vec::len).sum();
        Ok(CoverageReport {
            promised: 1.0 - conformal.alpha,
            marginal: share_of(&all),
            p_low: (worst * width as f64).min(1.0),
            units,
            calibration_units: conformal
                .labels
                .iter()
                .map(|l| l.calibration_units)
                .min()
                .unwrap_or(0),
            mean_size: Some(sizes as f64 / sets.len() as f64),
            empty: share(0),
            singletons: share(1),
            slices: report,
        })
    }

    /// Judges a conformal regressor on units that it was not calibrated on.
    ///
    /// # Errors
    /// When predictions do not fit the truth or the regressor, or a slice names a unit that is not there.
    pub fn of_regressor(
        regressor: &ConformalRegressor,
        predicted: &Distribution,
        truth: &Targets,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let intervals = regressor.predict(predicted)?;
        let promise = (regressor.alpha, regressor.calibration_units);
        CoverageReport::of_intervals(&measured, &intervals, promise, slices)
    }

    /// Judges a conformal quantile regressor on units that it was not calibrated on.
    ///
    /// # Errors
    /// As [`CoverageReport::of_regressor`].
    pub fn of_quantile_regressor(
        regressor: &ConformalQuantileRegressor,
        predicted: &Distribution,
        truth: &Targets,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let intervals = regressor.predict(predicted)?;
        let promise = (regressor.alpha, regressor.calibration_units);
        CoverageReport::of_intervals(&measured, &intervals, promise, slices)
    }

    /// Judges intervals `[units, targets]` as they were at the time of each prediction: `alpha` is the share that may be missed in the long
    /// run, `calibration_units` what they began with.
    ///
    /// # Errors
    /// When predictions do not fit the truth, there is not one interval for each, or a slice names a unit that is not there.
    pub fn of_followed(
        intervals: &[(f64, f64)],
        (alpha, calibration_units): (f64, usize),
        predicted: &Distribution,
        truth: &Targets,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let cells = measured.len() * measured.width();
        check_length(INSTRUMENT, "intervals", cells, intervals.len())?;
        CoverageReport::of_intervals(&measured, intervals, (alpha, calibration_units), slices)
    }

    /// `promise`: the share that may be missed, and the calibration rows.
    fn of_intervals(
        measured: &Measured,
        intervals: &[(f64, f64)],
        (alpha, n): (f64, usize),
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let cells = intervals.iter().zip(measured.truth());
        let held: Vec<bool> = cells
            .map(|((low, high), y)| *low <= y && y <= *high)
            .collect();
        let widths = intervals.iter().map(|(low, high)| high - low);
        let finite: Vec<f64> = widths.filter(|w| w.is_finite()).collect();
        let width = measured.width();
        let of_target = |target| held.iter().skip(target).step_by(width).copied().collect();
        let targets: Vec<Vec<bool>> = (0..width).map(of_target).collect();
        let worst = targets
            .iter()
            .map(|held| p_low(held, n, alpha))
            .fold(1.0, f64::min);
        let mut judged = judge(slices, held.len() / width, |unit| {
            held[unit * width..(unit + 1) * width].to_vec()
        })?;
        if width > 1 {
            judged.extend(targets.iter().enumerate().map(|(i, held)| SliceCoverage {
                kind: SliceKind::Target,
                name: format!("target {}", i + 1),
                units: held.len(),
                coverage: share_of(held),
                interval: simultaneous(share_of(held), held.len(), width),
            }));
        }
        Ok(CoverageReport {
            promised: 1.0 - alpha,
            marginal: share_of(&held),
            p_low: (worst * width as f64).min(1.0),
            units: measured.len(),
            calibration_units: n,
            mean_size: (!finite.is_empty()).then(|| crate::empirical::mean(&finite)),
            empty: 0.0,
            singletons: 0.0,
            slices: judged,
        })
    }

    /// The slice of this kind that the data show to be worst: the lowest upper end of its interval, so
    /// that two unlucky units do not outrank a hundred.
    pub fn worst(&self, kind: SliceKind) -> Option<&SliceCoverage> {
        self.slices
            .iter()
            .filter(|slice| slice.kind == kind)
            .min_by(|a, b| a.interval.upper.total_cmp(&b.interval.upper))
    }
}

/// The coverage of some predictions about `units` units; `None` without any.
fn slice_of(
    kind: SliceKind,
    name: &str,
    held: &[bool],
    units: usize,
    slices: usize,
) -> Option<SliceCoverage> {
    let coverage = share_of(held);
    (!held.is_empty()).then(|| SliceCoverage {
        kind,
        name: name.to_owned(),
        units,
        coverage,
        interval: simultaneous(coverage, units, slices),
    })
}

/// Whether each set holds the true class.
pub(crate) fn held(sets: &[Vec<u32>], labels: &[u32]) -> Vec<bool> {
    let pairs = sets.iter().zip(labels);
    pairs.map(|(set, label)| set.contains(label)).collect()
}

fn share_of(held: &[bool]) -> f64 {
    held.iter().filter(|h| **h).count() as f64 / held.len() as f64
}

/// Probability of so little coverage or less if the promise is true.
pub(crate) fn p_low(held: &[bool], calibration_units: usize, alpha: f64) -> f64 {
    let (a, b) = coverage_law(calibration_units, alpha);
    let count = held.iter().filter(|h| **h).count();
    beta_binomial_cdf(held.len(), a, b)[count]
}

/// The interval of a coverage on `units` units, one of `slices` that hold together. With several
/// targets a unit counts once, as if its targets were missed together, which can only widen it.
fn simultaneous(coverage: f64, units: usize, slices: usize) -> ProportionInterval {
    let level = 1.0 - (1.0 - LEVEL) / slices.max(1) as f64;
    let held = coverage * units as f64;
    // Whole numbers come back from the division with an error in the last digit.
    let (low, high) = ((held + 1e-9).floor(), (held - 1e-9).ceil());
    ProportionInterval {
        lower: clopper_pearson(low as usize, units, level).lower,
        upper: clopper_pearson(high as usize, units, level).upper,
    }
}

/// The coverage of each slice, of which a unit has the predictions `cells`; those about nothing are left out.
fn judge(
    slices: &[Slice],
    units: usize,
    cells: impl Fn(usize) -> Vec<bool>,
) -> Result<Vec<SliceCoverage>, ChallengeError> {
    let mut report = Vec::new();
    for slice in slices {
        if let Some(&unit) = slice.units.iter().find(|&&unit| unit >= units) {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "units, to hold a slice",
                needed: unit + 1,
                got: units,
            });
        }
        let held: Vec<bool> = slice.units.iter().flat_map(|&unit| cells(unit)).collect();
        let (of, all) = (slice.units.len(), slices.len());
        report.extend(slice_of(slice.kind, &slice.name, &held, of, all));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;

    #[test]
    fn sets_of_labels_are_judged_where_labels_are_known() {
        let open = |threshold| ConformalClassifier {
            threshold,
            ..classifier(0.4)
        };
        let sets = ConformalLabelSets {
            alpha: 0.1,
            labels: vec![open(Some(0.4)), open(None)],
        };
        let predicted = Distribution::Bernoulli {
            width: 2,
            probabilities: vec![0.9, 0.5, 0.9, 0.5, 0.5, 0.5, 0.1, 0.5],
        };
        let truth = Targets::Labels {
            width: 2,
            values: vec![
                Some(true),
                Some(true),
                Some(false),
                None,
                None,
                None,
                Some(false),
                Some(false),
            ],
        };
        let slices = Slice::by_group(&["a", "a", "b", "b"].map(String::from));
        let names = ["x", "y"].map(String::from);
        let report =
            CoverageReport::of_label_sets(&sets, &predicted, &truth, &names, &slices).unwrap();
        // Five labels are known; the set of the second unit's first misses.
        assert!((report.marginal - 0.8).abs() < 1e-12);
        // Of eight sets three are {0} or {1}, one is empty, four hold both.
        assert_eq!((report.empty, report.singletons), (0.125, 0.375));
        let found: Vec<(&str, usize, f64)> = report
            .slices
            .iter()
            .map(|s| (s.name.as_str(), s.units, s.coverage))
            .collect();
        let expected = [
            ("a", 2, 2.0 / 3.0),
            ("b", 2, 1.0),
            ("x", 3, 2.0 / 3.0),
            ("y", 2, 1.0),
        ];
        assert_eq!(found, expected);
    }
    use crate::ConformalMethod;

    fn classifier(threshold: f64) -> ConformalClassifier {
        ConformalClassifier {
            method: ConformalMethod::Lac,
            alpha: 0.1,
            threshold: Some(threshold),
            classes: 2,
            calibration_units: 99,
            seed: Seed(0),
        }
    }

    fn binary(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    #[test]
    fn a_report_worked_by_hand() {
        // Sets of classes with probability of at least 0.6: {1} {1} {} {0}; three hold no truth but 1, 4.
        let predicted = binary(&[0.9, 0.8, 0.5, 0.1]);
        let truth = Targets::Classes(vec![1, 0, 1, 0]);
        let names = ["no".to_owned(), "yes".to_owned()];
        let slices = Slice::by_class(&truth, &names);
        let report =
            CoverageReport::of_classifier(&classifier(0.4), &predicted, &truth, &slices).unwrap();
        assert_eq!(
            (report.marginal, report.empty, report.singletons),
            (0.5, 0.25, 0.75)
        );
        assert_eq!(report.mean_size, Some(0.75));
        assert!((report.promised - 0.9).abs() < 1e-12);
        let found: Vec<_> = report
            .slices
            .iter()
            .map(|s| (s.name.as_str(), s.coverage))
            .collect();
        assert_eq!(found, [("no", 0.5), ("yes", 0.5)]);
    }

    #[test]
    fn the_worst_slice_is_the_one_with_evidence() {
        let n = 101;
        // Class 1: a single unit, missed. Class 0: 60 of 100 held.
        let p: Vec<f32> = (0..n)
            .map(|i| if i < 60 || i == 100 { 0.1 } else { 0.9 })
            .collect();
        let truth = Targets::Classes((0..n).map(|i| u32::from(i == 100)).collect());
        let slices = Slice::by_class(&truth, &[]);
        let report = CoverageReport::of_classifier(&classifier(0.4), &binary(&p), &truth, &slices);
        let report = report.unwrap();
        let worst = report.worst(SliceKind::Class).unwrap();
        assert_eq!((worst.name.as_str(), worst.coverage), ("0", 0.6));
        assert!(report.worst(SliceKind::Group).is_none());
        assert!(report.p_low < 1e-6);
    }

    #[test]
    fn intervals_are_judged_by_target_and_difficulty() {
        let predicted = Distribution::Gaussian {
            width: 2,
            mean: vec![0.0; 8],
            variance: vec![1.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 4.0],
        };
        // Half-widths 1, 1, 2, 2: the second target is missed in the last two units.
        let truth = Targets::Values {
            width: 2,
            values: vec![0.5, 0.5, 0.0, 1.0, 1.5, 3.0, -2.0, 9.0],
        };
        let regressor = ConformalRegressor {
            alpha: 0.2,
            thresholds: vec![Some(1.0), Some(1.0)],
            calibration_units: 50,
        };
        let slices = Slice::by_difficulty(&[1.0, 1.0, 2.0, 2.0], 2);
        let report = CoverageReport::of_regressor(&regressor, &predicted, &truth, &slices).unwrap();
        assert_eq!((report.marginal, report.mean_size), (0.75, Some(3.0)));
        let of = |kind| report.worst(kind).map(|s| (s.name.as_str(), s.coverage));
        assert_eq!(of(SliceKind::Difficulty), Some(("difficulty 2 of 2", 0.5)));
        assert_eq!(of(SliceKind::Target), Some(("target 2", 0.5)));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            serde_json::from_str::<CoverageReport>(&json).unwrap(),
            report
        );
    }

    #[test]
    fn whole_lines_hold_everything_and_have_no_size() {
        let predicted = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        let truth = Targets::Values {
            width: 1,
            values: vec![1e6],
        };
        let regressor = ConformalRegressor::fit(0.1, &predicted, &truth).unwrap();
        let report = CoverageReport::of_regressor(&regressor, &predicted, &truth, &[]).unwrap();
        assert_eq!(
            (report.marginal, report.mean_size, report.p_low),
            (1.0, None, 1.0)
        );
    }

    #[test]
    fn slices_of_units_that_are_not_there_are_refused() {
        let slices = Slice::by_group(&["a".to_owned(), "b".to_owned()]);
        let (predicted, truth) = (binary(&[0.9]), Targets::Classes(vec![1]));
        let report = CoverageReport::of_classifier(&classifier(0.4), &predicted, &truth, &slices);
        assert!(matches!(
            report,
            Err(ChallengeError::TooFew { needed: 2, .. })
        ));
    }
}
