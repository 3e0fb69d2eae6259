//! Parts of the rows, made before anything is learned from them.

mod by_group;
mod by_stratum;
mod by_time;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use candor_core::{Seed, Targets, did_you_mean};
use serde::{Deserialize, Serialize};

use crate::DataError;

/// By what rule rows are parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitRule {
    /// By lot.
    Random,
    /// By lot inside each class, or each fifth of a numeric target, so that all parts are alike.
    Stratified,
    /// By lot over groups; no group is in two parts.
    Group,
    /// As groups, which are the scaffolds of molecules: what is tested has rings that were never learned from.
    Scaffold,
    /// The latest rows are the test part; each fold learns from earlier rows than it is judged on.
    Time,
    /// The test part was given; the rest follows one of the other rules.
    Given,
}

impl SplitRule {
    /// Every rule.
    pub const ALL: [SplitRule; 6] = [
        SplitRule::Random,
        SplitRule::Stratified,
        SplitRule::Group,
        SplitRule::Scaffold,
        SplitRule::Time,
        SplitRule::Given,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            SplitRule::Random => "random",
            SplitRule::Stratified => "stratified",
            SplitRule::Group => "group",
            SplitRule::Scaffold => "scaffold",
            SplitRule::Time => "time",
            SplitRule::Given => "given",
        }
    }
}

impl fmt::Display for SplitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SplitRule {
    type Err = String;

    fn from_str(text: &str) -> Result<SplitRule, String> {
        let names = SplitRule::ALL.map(SplitRule::name);
        let known = SplitRule::ALL.into_iter().find(|rule| rule.name() == text);
        known.ok_or_else(|| {
            format!(
                "unknown split `{text}`; one of {}{}",
                names.join(", "),
                did_you_mean(text, &names)
            )
        })
    }
}

/// How rows are to be parted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitOptions {
    /// Decided from what is given (groups, time, test rows) when not named.
    pub rule: Option<SplitRule>,
    /// Share of the rows in the test part; 0 to below 0.9.
    pub test_fraction: f64,
    /// Share of the rows in a calibration part; by default a tenth (1,000 to 20,000 rows) from 10,000 rows on, else none.
    pub calibration_fraction: Option<f64>,
    /// Folds; by default 8 below 2,000 rows, 5 below 50,000, else one.
    pub folds: Option<usize>,
    /// Of the folds, how many are used at most; the others' validation rows are only learned from. For when time is short.
    pub most_folds: Option<usize>,
    /// The rows of the test part.
    pub test_rows: Option<Vec<usize>>,
    /// Rows that are in no part.
    pub excluded: Vec<usize>,
}

impl Default for SplitOptions {
    fn default() -> SplitOptions {
        SplitOptions {
            rule: None,
            test_fraction: 0.2,
            calibration_fraction: None,
            folds: None,
            most_folds: None,
            test_rows: None,
            excluded: Vec::new(),
        }
    }
}

/// One way to part the rows that are developed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Rows to learn from, ascending.
    pub train: Vec<usize>,
    /// Rows to stop and choose on, ascending.
    pub validation: Vec<usize>,
}

/// All parts. Every row that is not excluded is in the test part, in the calibration part, or in at least one fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The rule.
    pub rule: SplitRule,
    /// Why this rule, and how many rows each part has.
    pub reason: String,
    /// Training and validation rows. With several folds each development row is validated on at most
    /// once.
    pub folds: Vec<Fold>,
    /// Rows for recalibration and promises, ascending. Empty when data are few: then out-of-fold predictions serve.
    pub calibration: Vec<usize>,
    /// Rows that are looked at once, at the end, ascending.
    pub test: Vec<usize>,
}

impl Split {
    /// All rows that may be learned from, ascending.
    pub fn development(&self) -> Vec<usize> {
        let rows = self
            .folds
            .iter()
            .flat_map(|f| f.train.iter().chain(&f.validation));
        rows.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Fewest rows that can be parted.
const FEWEST_ROWS: usize = 10;
/// Rows from which one validation part serves.
const ONE_FOLD_FROM: usize = 50_000;
/// Rows from which calibration has its own part.
const CALIBRATION_FROM: usize = 10_000;
/// Rows of a single validation part that are enough: a share of them has a standard error of at most 0.8 points.
const ENOUGH_VALIDATION: usize = 4_000;
/// Most rows of a single validation part.
const MOST_VALIDATION: usize = 20_000;

/// What the rules share once counts are decided.
pub(crate) struct Plan<'a> {
    pub rows: Vec<usize>,
    pub targets: &'a Targets,
    pub groups: Option<&'a [u32]>,
    pub time: Option<&'a [f64]>,
    pub test: usize,
    pub calibration: usize,
    /// Folds; 1 means one validation part of `validation` rows.
    pub folds: usize,
    pub validation: usize,
    pub seed: Seed,
}

/// The parts as a rule makes them, in any order.
pub(crate) struct Parts {
    pub test: Vec<usize>,
    pub calibration: Vec<usize>,
    pub folds: Vec<Fold>,
}

/// Parts the rows `0..n`.
///
/// # Errors
/// When there are too few rows, groups or moments, an option is out of range, or the rule needs what was not given.
pub fn split(
    n: usize,
    targets: &Targets,
    groups: Option<&[u32]>,
    time: Option<&[f64]>,
    options: &SplitOptions,
    seed: Seed,
) -> Result<Split, DataError> {
    check_options(options)?;
    let excluded: BTreeSet<usize> = options.excluded.iter().copied().collect();
    let given: Option<BTreeSet<usize>> = options.test_rows.as_ref().map(|rows| {
        rows.iter()
            .copied()
            .filter(|row| !excluded.contains(row))
            .collect()
    });
    let is_given = |row: &usize| given.as_ref().is_some_and(|given| given.contains(row));
    let rows: Vec<usize> = (0..n)
        .filter(|row| !excluded.contains(row) && !is_given(row))
        .collect();
    if rows.len() < FEWEST_ROWS {
        return Err(DataError::TooFewRows {
            rows: rows.len(),
            needed: FEWEST_ROWS,
        });
    }
    let (rule, why) = decide_rule(
        options.rule,
        groups.is_some(),
        time.is_some(),
        given.is_some(),
    )?;
    let test = match given {
        Some(_) => 0,
        None => (rows.len() as f64 * options.test_fraction).round() as usize,
    };
    let rest = rows.len() - test;
    let calibration = calibration_rows(rest, options.calibration_fraction);
    let development = rest - calibration;
    let folds = options
        .folds
        .unwrap_or(default_folds(development))
        .min((development / 4).max(1));
    let folds = if options.most_folds == Some(1) {
        1
    } else {
        folds
    };
    let validation = single_validation_rows(development);
    let inner = inner_rule(rule, options.rule, groups.is_some(), time.is_some());
    let plan = Plan {
        rows,
        targets,
        groups,
        time,
        test,
        calibration,
        folds,
        validation,
        seed,
    };
    let mut parts = match inner {
        SplitRule::Time => by_time::parts(&plan)?,
        SplitRule::Group | SplitRule::Scaffold => by_group::parts(&plan)?,
        SplitRule::Random | SplitRule::Given => by_stratum::parts(&plan, false),
        SplitRule::Stratified => by_stratum::parts(&plan, true),
    };
    if let Some(given) = given {
        parts.test = given.into_iter().collect();
    }
    if let Some(most) = options.most_folds {
        // By time, the last folds learn from the most rows; else any fold learns from all rows but its own.
        match inner {
            SplitRule::Time => drop(parts.folds.drain(..parts.folds.len().saturating_sub(most))),
            _ => parts.folds.truncate(most),
        }
    }
    let split = finish(rule, &why, parts);
    if split.folds.is_empty() {
        // The only row of a class is learned from, and here each is the only one.
        return Err(DataError::NothingToValidate { rows: development });
    }
    Ok(split)
}

fn check_options(options: &SplitOptions) -> Result<(), DataError> {
    let refuse = |option, value: String, allowed| {
        Err(DataError::OutOfRange {
            option,
            value,
            allowed,
        })
    };
    if !(0.0..0.9).contains(&options.test_fraction) {
        return refuse(
            "test share",
            options.test_fraction.to_string(),
            "at least 0 and below 0.9",
        );
    }
    if let Some(share) = options.calibration_fraction
        && !(0.0..0.9).contains(&share)
    {
        return refuse(
            "calibration share",
            share.to_string(),
            "at least 0 and below 0.9",
        );
    }
    if options.folds == Some(0) || options.most_folds == Some(0) {
        return refuse("folds", "0".into(), "at least 1");
    }
    Ok(())
}

fn decide_rule(
    asked: Option<SplitRule>,
    groups: bool,
    time: bool,
    given: bool,
) -> Result<(SplitRule, String), DataError> {
    if given {
        return Ok((SplitRule::Given, "the test rows were given".into()));
    }
    let need = |rule: SplitRule, needs| {
        Err(DataError::SplitNeeds {
            rule: rule.name(),
            needs,
        })
    };
    match asked {
        Some(SplitRule::Group) if !groups => need(SplitRule::Group, "a group column (`--group`)"),
        Some(SplitRule::Scaffold) if !groups => need(SplitRule::Scaffold, "a column of molecules"),
        Some(SplitRule::Time) if !time => need(SplitRule::Time, "a time column (`--time-column`)"),
        Some(SplitRule::Given) => need(SplitRule::Given, "a file of test rows (`--test`)"),
        Some(rule) => Ok((rule, "as asked".into())),
        None if time => Ok((
            SplitRule::Time,
            "a time column is given: the future is predicted from the past".into(),
        )),
        None if groups => Ok((
            SplitRule::Group,
            "a group column is given: no group is cut".into(),
        )),
        None => Ok((
            SplitRule::Stratified,
            "rows are taken as independent; parts have the same mix of targets".into(),
        )),
    }
}

/// The rule by which everything but a given test part is made.
fn inner_rule(rule: SplitRule, asked: Option<SplitRule>, groups: bool, time: bool) -> SplitRule {
    match (rule, asked) {
        (SplitRule::Given, Some(SplitRule::Time)) if time => SplitRule::Time,
        (SplitRule::Given, Some(SplitRule::Group)) if groups => SplitRule::Group,
        (SplitRule::Given, Some(SplitRule::Scaffold)) if groups => SplitRule::Scaffold,
        (SplitRule::Given, Some(SplitRule::Random)) => SplitRule::Random,
        (SplitRule::Given, None) if time => SplitRule::Time,
        (SplitRule::Given, None) if groups => SplitRule::Group,
        (SplitRule::Given, _) => SplitRule::Stratified,
        (rule, _) => rule,
    }
}

fn calibration_rows(rows: usize, share: Option<f64>) -> usize {
    match share {
        Some(share) => (rows as f64 * share).round() as usize,
        None if rows >= CALIBRATION_FROM => (rows / 10).clamp(1_000, 20_000),
        None => 0,
    }
}

/// A fifth of few rows, a tenth of many: what is not needed to choose is better learned from.
fn single_validation_rows(rows: usize) -> usize {
    (rows / 10)
        .max(ENOUGH_VALIDATION)
        .min(rows / 5)
        .clamp(1, MOST_VALIDATION)
}

fn default_folds(rows: usize) -> usize {
    match rows {
        0..2_000 => 8,
        2_000..ONE_FOLD_FROM => 5,
        _ => 1,
    }
}

fn finish(rule: SplitRule, why: &str, mut parts: Parts) -> Split {
    parts.test.sort_unstable();
    parts.calibration.sort_unstable();
    for fold in &mut parts.folds {
        fold.train.sort_unstable();
        fold.validation.sort_unstable();
    }
    parts
        .folds
        .retain(|fold| !fold.train.is_empty() && !fold.validation.is_empty());
    let development = parts
        .folds
        .first()
        .map_or(0, |f| f.train.len() + f.validation.len());
    let calibration = match parts.calibration.len() {
        0 => "out-of-fold predictions serve for calibration".to_owned(),
        rows => format!("{rows} for calibration"),
    };
    let reason = format!(
        "{why}; {} rows for the test, {calibration}, {development} in {} fold(s)",
        parts.test.len(),
        parts.folds.len()
    );
    Split {
        rule,
        reason,
        folds: parts.folds,
        calibration: parts.calibration,
        test: parts.test,
    }
}

#[cfg(test)]
mod tests;
