use candor_core::Seed;
use candor_deploy::Answer;
use candor_design::Design;
use candor_train::{Learner, Units};
use serde_json::Value;

use crate::EngineError;
use crate::modality::{Explanation, ValueOf, malformed};

/// How near units are to those that were learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearness {
    /// What is measured, in words that follow "by".
    pub what: &'static str,
    /// One a unit, greater is nearer; NaN where it cannot be told.
    pub values: Vec<f64>,
    /// Values that part far units from near ones, ascending.
    pub edges: Vec<f64>,
}

/// Where forecasts stand in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// For each unit the last moment that was known to it.
    pub moments: Vec<i64>,
    /// How many moments later each target lies.
    pub ahead: Vec<usize>,
    /// Series that are forecast from one origin.
    pub series: usize,
}

/// Groups of units on which the metric is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// What they are, in words that follow "by".
    pub what: &'static str,
    /// The name of each unit's group.
    pub names: Vec<String>,
    /// The names in the order in which they are shown, where they have one of their own; else the worst and the best are shown, the worst first.
    pub order: Option<Vec<String>>,
}

impl Groups {
    /// Groups that have no order but that of their errors.
    pub fn by_error(what: &'static str, names: Vec<String>) -> Groups {
        Groups {
            what,
            names,
            order: None,
        }
    }
}

/// Series that units are forecasts of.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesForecasts {
    /// Their names.
    pub names: Vec<String>,
    /// For each unit its series.
    pub which: Vec<usize>,
    /// Where each series is, `(x, y)` eastward and northward, if that is known.
    pub places: Option<Vec<(f64, f64)>>,
    /// What joins them, if anything does: from, to, and a positive weight.
    pub edges: Option<Vec<(u32, u32, f32)>>,
    /// Seconds between two moments, where times are known.
    pub step_seconds: Option<f64>,
}

/// What is said of some units of the source, in their order; nothing where they cannot be answered for.
pub type AnswersOf<'a> = &'a dyn Fn(&[usize]) -> Vec<Answer>;

/// What the pipeline asks of a modality once a source is read, curated and split: units, who learns from them, and
/// how to make them harder.
pub trait Subject: Send + Sync {
    /// Trains and reads models.
    fn learner(&self) -> &dyn Learner;

    /// All units of the source.
    fn units(&self) -> &Units;

    /// How raw data become units, for the bundle.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn input(&self) -> Result<Value, EngineError>;

    /// The given units, made so that they are unlike the training data though every part of them occurs there.
    ///
    /// # Errors
    /// When they cannot be made.
    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError>;

    /// How well a model that learns from the given units and from [`Subject::strange`] ones tells others of both kinds apart, as the area
    /// under the ROC curve; `None` where that is not known. Where parts of units do not depend on one another, nobody can.
    ///
    /// # Errors
    /// When the model cannot be trained.
    fn told_apart(&self, units: &[usize], seed: Seed) -> Result<Option<f64>, EngineError> {
        let _ = (units, seed);
        Ok(None)
    }

    /// Names of the parts of the input that importance is measured for.
    fn parts(&self) -> Vec<String>;

    /// The given units with one part shuffled between them.
    ///
    /// # Errors
    /// When there is no such part.
    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError>;

    /// Names of what commonly happens to such units in the world without changing what is true of them; empty where there is no
    /// such list.
    fn disturbances(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The given units, disturbed with a severity from 1 to 5.
    ///
    /// # Errors
    /// When there is no such disturbance.
    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let _ = (severity, units, seed);
        Err(malformed(format!(
            "there is no disturbance `{disturbance}`"
        )))
    }

    /// Groups of units on which the metric is worth knowing.
    fn groups(&self, units: &[usize]) -> Vec<Groups> {
        let _ = units;
        Vec::new()
    }

    /// Where units are points of shapes that have categories: the number of each unit's shape, and its category.
    fn shapes(&self, units: &[usize]) -> Option<Vec<(usize, &str)>> {
        let _ = units;
        None
    }

    /// When the units were forecast, where they are forecasts.
    fn origins(&self, units: &[usize]) -> Option<Origins> {
        let _ = units;
        None
    }

    /// The series that the units are forecasts of, where they are.
    fn forecasts(&self, units: &[usize]) -> Option<SeriesForecasts> {
        let _ = units;
        None
    }

    /// Why a network that is trained on shuffled targets says nothing, where that is so.
    fn without_control(&self) -> Option<&'static str> {
        None
    }

    /// How near units are to those that were learned from, by each measure that the modality has; empty where it has none.
    fn nearness(&self, units: &[usize], learned: &[usize]) -> Vec<Nearness> {
        let _ = (units, learned);
        Vec::new()
    }

    /// What a prediction of one unit rests on, drawn; `value` is what is predicted of changed units. `None` where the modality has no
    /// such drawing.
    ///
    /// # Errors
    /// When changed units cannot be predicted.
    fn explained(&self, unit: usize, value: ValueOf) -> Result<Option<Explanation>, EngineError> {
        let _ = (unit, value);
        Ok(None)
    }

    /// A picture of a unit as SVG, for the report, with what is said of others that belong to it; `None` where the modality has none.
    fn picture(&self, unit: usize, answers: AnswersOf) -> Option<String> {
        let _ = (unit, answers);
        None
    }

    /// How many of the best networks are trained once more when the search is over, with the greater share of the time.
    fn finalists(&self) -> usize {
        0
    }

    /// How strange units are looked for: among so many training units at most, in the embeddings of so many networks. More see more, and cost in
    /// proportion.
    fn detection(&self) -> (usize, usize) {
        (5_000, 4)
    }

    /// Share of the time that choosing and judging a model need.
    fn judging_share(&self) -> f64 {
        0.05
    }

    /// A drawing of a network as SVG; `None` where there is none.
    fn drawing(&self, design: &Design) -> Option<String> {
        let _ = design;
        None
    }
}
