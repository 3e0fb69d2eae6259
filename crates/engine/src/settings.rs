use candor_challenge::Gates;
use candor_core::{Metric, Seed, Task, UncertaintyMethod};
use candor_data::{ReadOptions, SplitRule};
use candor_design::SamplerKind;
use serde::{Deserialize, Serialize};

use crate::EngineError;

/// Everything that a run depends on beside the source itself; kept in `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitSettings {
    /// A path, or `@name` of a built-in set.
    pub source: String,
    /// A second file whose rows are the test part.
    pub test: Option<String>,
    /// A table of labels that a person corrected: the `labels.csv` of an earlier run, with its column `label` filled in.
    pub labels: Option<String>,
    /// How to read files.
    pub read: ReadOptions,
    /// Pixels along the longer side to which pictures of several sizes, or large ones, are brought; 64 when not given.
    pub image_size: Option<usize>,
    /// Whether the edges of a graph lead one way only; both ways when not given.
    pub directed: Option<bool>,
    /// Which of several sets of masks of a graph is used, from 0; the first when not given.
    pub mask: Option<usize>,
    /// Joins each row of a table to so many of the nearest rows that may be learned from: the table is then a graph.
    pub neighbours: Option<usize>,
    /// Of series: the steps ahead that are predicted, in the series' own steps; one number means all steps until it. Decided from the data when
    /// empty; a table is one of series only if this is given.
    pub horizon: Vec<usize>,
    /// Of series: how many steps models look back; decided from the data when not given.
    pub history: Option<usize>,
    /// The column that tells which series a row is of, in a table with a row for each series and moment.
    pub series: Option<String>,
    /// Of series that are forecast: columns that are known ahead of time.
    pub known_ahead: Vec<String>,
    /// Each row of a table is a series: its columns of numbers are the readings, in order.
    pub series_in_rows: bool,
    /// Columns to predict; empty: decided from the data.
    pub target: Vec<String>,
    /// Decided from the data when not given.
    pub task: Option<Task>,
    /// What to optimise; a proper score when not given.
    pub metric: Option<Metric>,
    /// Seconds for the whole run, reading and judging included.
    pub time: Option<f64>,
    /// Bytes of memory that the data may take.
    pub memory: Option<u64>,
    /// Number of trials (designs that are tried). With it and without `time` a run is repeatable to the bit.
    pub trials: Option<usize>,
    /// Multiply-adds that a network of the search may take for one picture.
    pub multiply_adds: Option<u64>,
    /// Steps of one network's training at most; what its recipe says when not given.
    pub steps: Option<usize>,
    /// All randomness.
    pub seed: Seed,
    /// Trials side by side, one thread each.
    pub jobs: usize,
    /// Rows with the same value stay in the same part.
    pub group: Option<String>,
    /// Later rows are predicted from earlier ones.
    pub time_column: Option<String>,
    /// Columns about people that must be looked at with care; some are recognised by name.
    pub sensitive: Vec<String>,
    /// Columns that the model must not see.
    pub ignore: Vec<String>,
    /// Columns that curation must not leave out.
    pub keep: Vec<String>,
    /// Checks of the data that are turned off.
    pub without: Vec<String>,
    /// How rows are parted; decided from the data when not given.
    pub split: Option<SplitRule>,
    /// Share of the rows that is kept for the last judgement, at most 50,000 rows.
    pub test_share: f64,
    /// Folds that each design is trained on, whose networks are all deployed; decided from the rows and the time when not given.
    pub folds: Option<usize>,
    /// Kinds of models that are tried, by the value of a design's `model`; all when empty.
    pub models: Vec<String>,
    /// Proposes designs.
    pub sampler: SamplerKind,
    /// What repairs stated probabilities of classes and labels.
    pub calibrator: Calibrator,
    /// Promised coverage of prediction sets and intervals.
    pub coverage: f64,
    /// For whom sets of classes hold their promise.
    pub sets: SetsFor,
    /// Promised share of wrong answers among those that are given.
    pub risk: f64,
    /// For numbers: how far an answer may be from the truth and still be right, in the target's units. Without it no answer
    /// is refused for being unsure.
    pub tolerance: Option<f64>,
    /// Whether a network is also trained on targets of which more and more are shuffled: five short trainings more.
    pub randomisation: bool,
    /// How networks say what they do not know. With another than the default the final model is one design, a network.
    pub uncertainty: UncertaintyMethod,
    /// Different designs in the final ensemble at most.
    pub ensemble: usize,
    /// Thresholds of the challenges.
    pub gates: Gates,
}

/// What repairs stated probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibrator {
    /// One temperature; never changes the most probable class.
    #[default]
    Temperature,
    /// A rising curve a class, where there are 5,000 calibration units; a temperature where there are fewer.
    Isotonic,
}

/// For whom sets of classes hold their promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetsFor {
    /// For all units together: the smallest sets.
    #[default]
    All,
    /// For the units of each true class: larger sets, and a class with few calibration rows is in every set.
    Class,
}

/// Sides that pictures may be brought to.
const IMAGE_SIDES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Folds that may be asked for.
const FOLDS: std::ops::RangeInclusive<usize> = 1..=20;

/// Rows that a row may be joined to.
const MOST_NEIGHBOURS: usize = 200;

impl Default for FitSettings {
    fn default() -> FitSettings {
        FitSettings {
            source: String::new(),
            test: None,
            labels: None,
            read: ReadOptions::default(),
            image_size: None,
            directed: None,
            mask: None,
            neighbours: None,
            horizon: Vec::new(),
            history: None,
            series: None,
            known_ahead: Vec::new(),
            series_in_rows: false,
            target: Vec::new(),
            task: None,
            metric: None,
            time: None,
            memory: None,
            trials: None,
            multiply_adds: None,
            steps: None,
            seed: Seed(0),
            jobs: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            group: None,
            time_column: None,
            sensitive: Vec::new(),
            ignore: Vec::new(),
            keep: Vec::new(),
            without: Vec::new(),
            split: None,
            test_share: 0.2,
            folds: None,
            models: Vec::new(),
            sampler: SamplerKind::default(),
            calibrator: Calibrator::default(),
            coverage: 0.9,
            sets: SetsFor::default(),
            risk: 0.05,
            tolerance: None,
            randomisation: false,
            uncertainty: UncertaintyMethod::default(),
            ensemble: 6,
            gates: Gates::default(),
        }
    }
}

impl FitSettings {
    /// Refuses settings that make no sense, before any work.
    ///
    /// # Errors
    /// Names the setting and its range.
    pub fn check(&self) -> Result<(), EngineError> {
        let refuse = |setting, problem: String| Err(EngineError::Setting { setting, problem });
        if self.time.is_some_and(|t| !t.is_finite() || t <= 0.0) {
            return refuse("time", "must be more than zero seconds".into());
        }
        let mut names = std::collections::BTreeSet::new();
        if let Some(twice) = self.target.iter().find(|name| !names.insert(*name)) {
            return refuse("target", format!("`{twice}` is named twice"));
        }
        if self
            .image_size
            .is_some_and(|side| !IMAGE_SIDES.contains(&side))
        {
            return refuse("image_size", "must be from 8 to 1024 pixels".into());
        }
        if self
            .neighbours
            .is_some_and(|k| !(1..=MOST_NEIGHBOURS).contains(&k))
        {
            return refuse("neighbours", format!("must be from 1 to {MOST_NEIGHBOURS}"));
        }
        if self.folds.is_some_and(|folds| !FOLDS.contains(&folds)) {
            return refuse("folds", "must be from 1 to 20".into());
        }
        if self.trials == Some(0) {
            return refuse("trials", "must be at least 1".into());
        }
        let horizon = self.horizon.as_slice();
        if horizon.contains(&0) || horizon.windows(2).any(|pair| pair[0] >= pair[1]) {
            return refuse("horizon", "must be steps from 1 that ascend".into());
        }
        if self.history == Some(0) {
            return refuse("history", "must be at least 1".into());
        }
        if self.series_in_rows && (self.series.is_some() || !horizon.is_empty()) {
            return refuse(
                "series_in_rows",
                "a row is a whole series, or one reading of a series: not both".into(),
            );
        }
        if self.steps == Some(0) {
            return refuse("steps", "must be at least 1".into());
        }
        if self.jobs == 0 {
            return refuse("jobs", "must be at least 1".into());
        }
        if self.ensemble == 0 {
            return refuse("ensemble", "must be at least 1".into());
        }
        if self.tolerance.is_some_and(|t| !t.is_finite() || t <= 0.0) {
            return refuse("tolerance", "must be more than zero".into());
        }
        let shares = [
            ("coverage", self.coverage, 0.0, 1.0),
            ("risk", self.risk, 0.0, 1.0),
            ("test_share", self.test_share, -f64::MIN_POSITIVE, 0.9),
        ];
        for (setting, value, low, high) in shares {
            if !(value > low && value < high) {
                return refuse(
                    setting,
                    format!(
                        "is {value}, but must be between {} and {high}",
                        low.max(0.0)
                    ),
                );
            }
        }
        if let (Some(metric), Some(task)) = (self.metric, self.task)
            && !metric.fits(task)
        {
            return refuse(
                "metric",
                format!("{} does not judge a {task} task", metric.name()),
            );
        }
        Ok(())
    }
}
