use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

use super::classifier::{check_penalty, class_scores, descending};
use super::{ConformalMethod, finite, quantile};
use crate::ChallengeError;
use crate::coverage::{self, CoverageReport, Slice};
use crate::error::open_unit;
use crate::labelled::{Classified, Probabilities, check_length};

const INSTRUMENT: &str = "Mondrian classifier";

/// Which units share a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxonomy<'a> {
    /// The group of each unit, each below `groups`; `None` when all are one group.
    pub of_unit: Option<&'a [u32]>,
    /// Groups.
    pub groups: usize,
    /// Whether each class of each group has a threshold of its own.
    pub by_class: bool,
}

impl<'a> Taxonomy<'a> {
    /// One threshold a class: the promise then holds for the units of each class.
    pub const CLASSES: Taxonomy<'static> = Taxonomy {
        of_unit: None,
        groups: 1,
        by_class: true,
    };

    /// One threshold a group: the promise then holds for each group.
    pub fn groups(of_unit: &'a [u32], groups: usize) -> Taxonomy<'a> {
        Taxonomy {
            of_unit: Some(of_unit),
            groups,
            by_class: false,
        }
    }
}

/// Prediction sets that hold the true class with probability at least `1 - alpha` in each group, for each class, or both, where
/// those of a [`crate::ConformalClassifier`] hold it over all units together.
///
/// A cell with too few calibration units for the promise, and a group that calibration never saw, get sets with every class in question. The
/// price is larger sets: each cell rests on its own units alone.
///
/// # Reference
/// Vovk, Gammerman & Shafer 2005, section 4.5 (Mondrian); Vovk 2012 (conditional validity).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MondrianClassifier {
    /// The score.
    pub method: ConformalMethod,
    /// The promised probability of missing the truth in each cell.
    pub alpha: f64,
    /// Classes of the model.
    pub classes: usize,
    /// Groups.
    pub groups: usize,
    /// Whether each class has a threshold.
    pub by_class: bool,
    /// Row-major `[groups, classes]`, or `[groups]`; `None` where there were too few units.
    pub thresholds: Vec<Option<f64>>,
    /// Calibration units of each cell.
    pub units: Vec<usize>,
    /// Seed of the random part of APS and RAPS.
    pub seed: Seed,
}

impl MondrianClassifier {
    /// Calibrates on rows that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not probabilities or do not fit the truth, there are no rows, a group is not below the number of groups, or
    /// `alpha` is not between 0 and 1.
    pub fn fit(
        method: ConformalMethod,
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
        taxonomy: Taxonomy,
        seed: Seed,
    ) -> Result<MondrianClassifier, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        check_penalty(method)?;
        let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
        let mut this = MondrianClassifier {
            method,
            alpha,
            classes: classified.probabilities.classes,
            groups: taxonomy.groups,
            by_class: taxonomy.by_class,
            thresholds: Vec::new(),
            units: Vec::new(),
            seed,
        };
        let groups = checked_groups(taxonomy.of_unit, classified.len())?;
        let mut scores = vec![Vec::new(); this.cells()];
        for (unit, (row, label)) in classified.rows().enumerate() {
            let cell = this.cell(groups(unit), label);
            let score = class_scores(method, seed, row)[label];
            match cell {
                Some(cell) => scores[cell].push(score),
                None => {
                    return Err(ChallengeError::Setting {
                        instrument: INSTRUMENT,
                        name: "the group of a unit",
                        value: groups(unit) as f64,
                        range: "below the number of groups",
                    });
                }
            }
        }
        this.thresholds = scores.iter().map(|s| finite(quantile(s, alpha))).collect();
        this.units = scores.iter().map(Vec::len).collect();
        Ok(this)
    }

    /// The set of each row, most probable class first; `of_unit` as in calibration.
    ///
    /// # Errors
    /// When predictions are not probabilities of as many classes, or groups of as many units.
    pub fn predict(
        &self,
        predicted: &Distribution,
        of_unit: Option<&[u32]>,
    ) -> Result<Vec<Vec<u32>>, ChallengeError> {
        let rows = Probabilities::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "classes", self.classes, rows.classes)?;
        let groups = checked_groups(of_unit, rows.len())?;
        let keeps_top = !matches!(self.method, ConformalMethod::Lac);
        let set = |(unit, row): (usize, &[f32])| -> Vec<u32> {
            let scores = class_scores(self.method, self.seed, row);
            let holds = |class: usize| {
                let cell = self.cell(groups(unit), class);
                let threshold = cell.and_then(|cell| self.thresholds[cell]);
                threshold.is_none_or(|t| scores[class] <= t)
            };
            descending(row)
                .into_iter()
                .enumerate()
                .filter(|&(rank, class)| holds(class) || (keeps_top && rank == 0))
                .map(|(_, class)| class as u32)
                .collect()
        };
        Ok(rows.rows().enumerate().map(set).collect())
    }

    /// Judges the sets on units that they were not calibrated on. `p_low` is that of the worst cell, times the number of cells that have
    /// test units; a cell without a threshold keeps its promise by holding everything.
    ///
    /// # Errors
    /// When predictions do not fit the truth or the sets, or a slice names a unit that is not there.
    pub fn judge(
        &self,
        predicted: &Distribution,
        truth: &Targets,
        of_unit: Option<&[u32]>,
        slices: &[Slice],
    ) -> Result<CoverageReport, ChallengeError> {
        let labels = Classified::parse(INSTRUMENT, predicted, truth)?.labels;
        let sets = self.predict(predicted, of_unit)?;
        let groups = checked_groups(of_unit, labels.len())?;
        let held = coverage::held(&sets, labels);
        let mut of_cell = vec![Vec::new(); self.cells()];
        for (unit, (&label, &held)) in labels.iter().zip(&held).enumerate() {
            if let Some(cell) = self.cell(groups(unit), label as usize) {
                of_cell[cell].push(held);
            }
        }
        let judged = of_cell.iter().zip(&self.units);
        let judged = judged.filter(|(held, _)| !held.is_empty());
        let each: Vec<f64> = judged
            .map(|(held, &units)| coverage::p_low(held, units, self.alpha))
            .collect();
        let least = each.iter().copied().fold(1.0, f64::min) * each.len() as f64;
        let promise = (self.alpha, self.units.iter().sum());
        CoverageReport::of_sets(&sets, &held, promise, least.min(1.0), slices)
    }

    fn cells(&self) -> usize {
        self.groups * if self.by_class { self.classes } else { 1 }
    }

    /// `None` for a group that is not known.
    fn cell(&self, group: usize, class: usize) -> Option<usize> {
        let cell = match self.by_class {
            true => group * self.classes + class,
            false => group,
        };
        (group < self.groups).then_some(cell)
    }
}

/// The group of each unit; 0 for all when there are none.
fn checked_groups(
    of_unit: Option<&[u32]>,
    units: usize,
) -> Result<impl Fn(usize) -> usize, ChallengeError> {
    if let Some(groups) = of_unit {
        check_length(INSTRUMENT, "groups of units", units, groups.len())?;
    }
    Ok(move |unit: usize| of_unit.map_or(0, |groups| groups[unit] as usize))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::{ConformalClassifier, clopper_pearson};

    /// Two classes; class 1 is rare and hard: its probability is often low.
    fn made(n: usize, number: u64) -> (Distribution, Targets, Vec<u32>) {
        let mut rng = Seed(9).stream("mondrian", &[number]);
        let (mut p, mut labels, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let hard = rng.random::<f64>() < 0.15;
            let one: f32 = match hard {
                true => rng.random::<f32>(),
                false => 0.1 * rng.random::<f32>(),
            };
            labels.push(u32::from(hard));
            groups.push(u32::from(rng.random::<f64>() < 0.3 || hard));
            p.extend([1.0 - one, one]);
        }
        let predicted = Distribution::Categorical {
            classes: 2,
            probabilities: p,
        };
        (predicted, Targets::Classes(labels), groups)
    }

    fn coverage(
        sets: &[Vec<u32>],
        truth: &Targets,
        wanted: impl Fn(usize) -> bool,
    ) -> (usize, usize) {
        let Targets::Classes(labels) = truth else {
            unreachable!("made of classes")
        };
        let cells = (0..labels.len()).filter(|&unit| wanted(unit));
        let held: Vec<bool> = cells
            .map(|unit| sets[unit].contains(&labels[unit]))
            .collect();
        (held.iter().filter(|h| **h).count(), held.len())
    }

    #[test]
    fn each_class_and_each_group_gets_what_was_promised() {
        let (calibration, test) = (made(4000, 0), made(4000, 1));
        let alpha = 0.1;
        let all = ConformalClassifier::fit(
            ConformalMethod::Lac,
            alpha,
            &calibration.0,
            &calibration.1,
            Seed(0),
        )
        .unwrap();
        let Targets::Classes(labels) = &test.1 else {
            unreachable!("made of classes")
        };
        let rare = |unit: usize| labels[unit] == 1;
        let (held, of) = coverage(&all.predict(&test.0).unwrap(), &test.1, rare);
        // The promise over all units leaves the rare class with far less.
        assert!((held as f64) < 0.6 * of as f64, "{held} of {of}");
        let fit = |taxonomy| {
            MondrianClassifier::fit(
                ConformalMethod::Lac,
                alpha,
                &calibration.0,
                &calibration.1,
                taxonomy,
                Seed(0),
            )
            .unwrap()
        };
        let by_class = fit(Taxonomy::CLASSES);
        let (held, of) = coverage(&by_class.predict(&test.0, None).unwrap(), &test.1, rare);
        assert!(
            clopper_pearson(held, of, 0.999).upper > 0.9 && held as f64 / of as f64 > 0.86,
            "{held} of {of}"
        );
        let by_group = fit(Taxonomy::groups(&calibration.2, 2));
        for group in 0..2 {
            let sets = by_group.predict(&test.0, Some(&test.2)).unwrap();
            let (held, of) = coverage(&sets, &test.1, |unit| test.2[unit] == group);
            assert!(
                held as f64 / of as f64 > 0.87,
                "group {group}: {held} of {of}"
            );
        }
    }

    #[test]
    fn a_report_holds_each_class_to_the_promise() {
        let (calibration, test) = (made(4000, 0), made(4000, 1));
        let slices = Slice::by_class(&test.1, &[]);
        let (lac, alpha) = (ConformalMethod::Lac, 0.1);
        let by_class = MondrianClassifier::fit(
            lac,
            alpha,
            &calibration.0,
            &calibration.1,
            Taxonomy::CLASSES,
            Seed(0),
        )
        .unwrap();
        let report = by_class.judge(&test.0, &test.1, None, &slices).unwrap();
        assert!(
            report.p_low > 0.001 && report.slices.iter().all(|s| s.coverage > 0.86),
            "{report:?}"
        );
        assert_eq!((report.promised, report.calibration_units), (0.9, 4000));
        // The thresholds of one class on the other: far too low for it, whatever the coverage over all units is.
        let mut swapped = by_class.clone();
        swapped.thresholds.swap(0, 1);
        let report = swapped.judge(&test.0, &test.1, None, &slices).unwrap();
        assert!(report.p_low < 1e-6, "{report:?}");
    }

    #[test]
    fn unknown_groups_and_empty_cells_hold_everything() {
        let (predicted, truth, _) = made(50, 2);
        let groups = vec![0; 50];
        let fitted = MondrianClassifier::fit(
            ConformalMethod::Aps,
            0.1,
            &predicted,
            &truth,
            Taxonomy::groups(&groups, 2),
            Seed(1),
        )
        .unwrap();
        assert_eq!(
            (fitted.units.as_slice(), fitted.thresholds[1]),
            (&[50, 0][..], None)
        );
        let sets = fitted.predict(&predicted, Some(&[7; 50])).unwrap();
        assert!(sets.iter().all(|set| set.len() == 2));
        let of = |groups: &[u32]| {
            MondrianClassifier::fit(
                ConformalMethod::Lac,
                0.1,
                &predicted,
                &truth,
                Taxonomy::groups(groups, 1),
                Seed(1),
            )
        };
        assert!(of(&[1; 50]).is_err() && of(&[0; 3]).is_err());
        let json = serde_json::to_string(&fitted).unwrap();
        assert_eq!(
            serde_json::from_str::<MondrianClassifier>(&json).unwrap(),
            fitted
        );
    }
}
