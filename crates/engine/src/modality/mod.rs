//! What each modality gives to the pipeline: one file a modality, behind the traits of this one.

mod cloud_points;
mod collection;
mod edge_changes;
mod graph;
mod graph_explanation;
mod graph_series;
mod image;
mod molecule;
mod neighbours;
mod pairs;
mod point_cloud;
mod sequence;
mod table;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use candor_core::{Evidence, Finding, Modality, Severity, Target, Targets, Task};
use candor_data::{
    EncodedTargets, ReadOptions, Role, Schema, SourceFacts, Split, Table, TargetDecision, Values,
};
use candor_deploy::{DeployError, LoadedMember};
use candor_graph::{GivenParts, Unit};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::relabelled::relabel;
use crate::{EngineError, FitSettings, Origins, Subject};

/// A source that was read: one row of its table is one unit.
pub(crate) struct Opened {
    /// What is known of each unit: its target, its group, its time; for tables the unit itself.
    pub table: Table,
    pub facts: SourceFacts,
    /// Of the second source, if one was given.
    pub test: Option<SourceFacts>,
    /// So many of the last rows were given as the test part.
    pub test_rows: usize,
    /// What was noticed while reading.
    pub findings: Vec<Finding>,
    pub material: Box<dyn Material>,
}

/// What units are made of.
pub(crate) trait Material: Send + Sync {
    fn modality(&self) -> Modality;

    /// Checks of tables that say nothing about these units, because the table does not hold all of them.
    fn unfit_checks(&self) -> Vec<&'static str>;

    /// What is wrong with the units beyond what their table shows; with a split, what is wrong across its parts.
    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding>;

    /// The kinds of [`Material::findings`] that can be turned off, beside those of tables.
    fn own_checks(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Columns of other tables than that of the units, which a person may name all the same.
    fn own_columns(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Changes the roles of columns to what these units know of them, once the target is decided; what is to be said about it.
    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        let _ = schema;
        Vec::new()
    }

    /// What is predicted, where the units say it themselves and not a column of their table; with the true values.
    fn own_target(&self) -> Option<TargetDecision> {
        None
    }

    /// The true values of what [`Material::own_target`] says.
    fn own_targets(&self) -> Option<EncodedTargets> {
        None
    }

    /// The parts of the units, where only the units know how they can be parted. The rows `excluded` are in none.
    ///
    /// # Errors
    /// When there are too few units.
    fn own_split(
        &self,
        excluded: &BTreeSet<usize>,
        test_share: f64,
    ) -> Result<Option<Split>, EngineError> {
        let _ = (excluded, test_share);
        Ok(None)
    }

    /// Rows that are no units, and why. They are in no part.
    fn unusable(&self) -> Vec<(usize, String)> {
        Vec::new()
    }

    /// For each unit the number of its scaffold; `None` where units have none.
    fn scaffolds(&self, table: &Table) -> Option<Vec<u32>> {
        let _ = table;
        None
    }

    /// How raw data become units, fixed on the rows that may be learned from: what a bundle needs to read other data.
    ///
    /// # Errors
    /// When there is nothing to learn from.
    fn input(
        &self,
        table: &Table,
        schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError>;

    /// The parts of the units, where the source says what they are.
    fn given_parts(&self) -> Option<&GivenParts> {
        None
    }

    /// Numbers in one unit: what a second of training buys depends on them.
    fn cells(&self, schema: &Schema) -> usize;

    /// Folds at most, however much time there is; `None` where models are cheap.
    fn most_folds(&self) -> Option<usize> {
        None
    }

    /// The units, and who learns from them. `input` is what [`Material::input`] gave, maybe in another process; `seconds` is about how long
    /// one thread can train one network at most, `None` without a limit.
    ///
    /// # Errors
    /// When `input` does not fit.
    fn subject(
        self: Box<Self>,
        input: &Value,
        table: &Table,
        learnable: Vec<usize>,
        target: &Target,
        seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError>;
}

/// Reads the source, and the second one if there is one; labels that a person corrected are changed.
pub(crate) fn open(settings: &FitSettings) -> Result<Opened, EngineError> {
    let mut opened = open_as_it_is(settings)?;
    relabel(&mut opened, settings)?;
    Ok(opened)
}

fn open_as_it_is(settings: &FitSettings) -> Result<Opened, EngineError> {
    if let Some(neighbours) = settings.neighbours {
        let source = &settings.source;
        if collection::detect(source).is_some()
            || graph::detect(source).is_some()
            || image::detect(source)?.is_some()
            || molecule::is_file(source)
            || sequence::is_file(source)
            || sequence::detect_recordings(source).is_some()
            || point_cloud::detect(source).is_some()
            || text::detect(source).is_some()
        {
            return Err(neighbours::no_table(settings));
        }
        return neighbours::open(settings, neighbours);
    }
    if let Some(source) = collection::detect(&settings.source) {
        return collection::open(&source, settings);
    }
    // A folder of series may hold edges, too.
    if let Some(source) = graph_series::detect(settings) {
        return graph_series::open(&source, settings);
    }
    if !settings.horizon.is_empty() {
        return Err(EngineError::Setting {
            setting: "horizon",
            problem: format!(
                "`{}` is neither a folder with `values.csv` nor a table, so there are no series to forecast",
                settings.source
            ),
        });
    }
    if !settings.known_ahead.is_empty() {
        return Err(EngineError::Setting {
            setting: "known_ahead",
            problem:
                "only series that are forecast know something ahead: say how far with `--horizon`"
                    .into(),
        });
    }
    if settings.series.is_some() || settings.series_in_rows {
        return sequence::open_table(settings);
    }
    // A folder may hold a picture beside its graph.
    if let Some(source) = graph::detect(&settings.source) {
        return graph::open(&source, settings);
    }
    if let Some(source) = cloud_points::detect(settings) {
        return cloud_points::open(&source, settings);
    }
    // Shapes may lie beside pictures of them.
    if let Some(source) = point_cloud::detect(&settings.source) {
        return point_cloud::open(&source, settings);
    }
    // Beside recordings may lie what describes them.
    if let Some(source) = sequence::detect_recordings(&settings.source) {
        return sequence::open_recordings(&source, settings);
    }
    // Any archive may hold pictures; one of texts says so by the names of its files.
    if let Some(source) = text::detect(&settings.source) {
        return text::open(&source, settings);
    }
    if let Some(source) = image::detect(&settings.source)? {
        return image::open(&source, settings);
    }
    if molecule::is_file(&settings.source) {
        return molecule::open(settings);
    }
    if sequence::is_file(&settings.source) {
        return sequence::open(settings);
    }
    let read = molecule::claim(table::open(settings)?, settings);
    match read.material.modality() {
        Modality::Table => Ok(text::claim(read, settings)),
        _ => Ok(read),
    }
}

/// For each of so many units its part: 0 is learned from, 1 is tested on, 2 calibrates; `None` for those that are in none.
fn parts_of(units: usize, split: &Split) -> Vec<Option<u8>> {
    let development = split.development();
    let mut parts = vec![None; units];
    for (part, units) in (0..).zip([&development, &split.test, &split.calibration]) {
        units.iter().for_each(|&unit| parts[unit] = Some(part));
    }
    parts
}

/// The rows that a rule picks out by the values of the target columns.
fn rows_by_targets(
    table: &Table,
    schema: &Schema,
    picked: impl Fn(usize, &[&Values]) -> bool,
) -> Vec<usize> {
    let columns: Vec<&Values> = schema
        .with_role(Role::Target)
        .filter_map(|column| Some(&table.column(&column.name)?.values))
        .collect();
    let rows = 0..table.rows();
    rows.filter(|&row| picked(row, &columns)).collect()
}

/// The disturbance of a name.
fn disturbance_named<D: Copy>(
    all: impl IntoIterator<Item = D>,
    name: impl Fn(D) -> &'static str,
    asked: &str,
) -> Result<D, EngineError> {
    let mut all = all.into_iter();
    all.find(|&one| name(one) == asked)
        .ok_or_else(|| malformed(format!("there is no disturbance `{asked}`")))
}

/// Leaves all columns but one out of the features, and says so: `what` are the columns, in words, `remedy` is what a person can do.
fn leave_out_others(
    schema: &mut Schema,
    kept: &str,
    kind: &str,
    what: &str,
    remedy: String,
) -> Vec<Finding> {
    let others: Vec<String> = schema
        .with_role(Role::Feature)
        .map(|column| column.name.clone())
        .filter(|name| name != kept)
        .collect();
    others
        .iter()
        .for_each(|name| schema.set_role(name, Role::Ignored));
    if others.is_empty() {
        return Vec::new();
    }
    let shown: Vec<String> = others.iter().take(5).map(|n| format!("`{n}`")).collect();
    let more = if others.len() > 5 { ", ..." } else { "" };
    vec![Finding {
        kind: kind.to_owned(),
        severity: Severity::Note,
        message: format!(
            "{} columns {what} are not looked at: {}{more}",
            others.len(),
            shown.join(", ")
        ),
        columns: others,
        evidence: Evidence::default(),
        remedy,
        action: Some("left out of the features".to_owned()),
    }]
}

/// Units to predict.
pub struct Inputs {
    pub(crate) units: Units,
    /// What each unit is called in its source, where it has a name beside its number.
    pub(crate) names: Option<Vec<String>>,
    /// Units (from 0) that could not be read, and why, in a sentence. They get no answer.
    pub(crate) unreadable: BTreeMap<usize, String>,
}

impl Inputs {
    /// The number of units.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The unit of that name, or else, where units have no names or `rows` says so, of that row of the source, from 1.
    pub fn find(&self, unit: &str, rows: bool) -> Option<usize> {
        let names = self.names();
        let named = names.and_then(|names| names.iter().position(|name| name == unit));
        let row = || {
            let row: usize = unit.parse().ok().filter(|_| rows || names.is_none())?;
            (1..=self.len()).contains(&row).then(|| row - 1)
        };
        named.or_else(row)
    }

    /// Why a unit could not be read, in a sentence, if so.
    pub fn unreadable(&self, unit: usize) -> Option<&str> {
        self.unreadable.get(&unit).map(String::as_str)
    }

    /// What each unit is called in its source: a picture has the name of its file. `None` for rows, which have numbers only.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }
}

/// Forecasts of which it is known what came true.
pub(crate) struct Past {
    pub units: Units,
    /// NaN where it is not known.
    pub truth: Targets,
    pub origins: Origins,
    /// The last moment that is known.
    pub now: i64,
}

/// Series whose forecasts from earlier moments can be made again.
pub(crate) struct Replayable {
    /// The series of each moment, in the order of their units.
    pub names: Vec<String>,
    /// Moments from which the nearest forecast is of one that was read.
    pub origins: Range<usize>,
    /// When moment 0 was, in seconds since 1970, and the seconds between two, where known.
    pub times: Option<(f64, f64)>,
    /// The last moment that the model was made from, where it is among these.
    pub learned: Option<i64>,
}

/// How a deployed model reads data.
pub(crate) trait Input: Send + Sync {
    /// The columns that a table must have; empty where units are not rows.
    fn columns(&self) -> Vec<&str>;

    /// Units from a source.
    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError>;

    /// Units from rows.
    fn rows(&self, table: &Table) -> Result<Inputs, EngineError>;

    /// Puts units that share work together; the order of the answers is another matter.
    fn gather(&self, inputs: &Inputs, units: &mut [usize]) {
        let _ = (inputs, units);
    }

    /// What a prediction of one unit rests on, drawn: `text` is the unit as its source has it, `value` what is predicted of changed units.
    /// `None` where the modality has no such drawing.
    ///
    /// # Errors
    /// When the unit cannot be read or predicted.
    fn explained(&self, text: &str, value: ValueOf) -> Result<Option<Explanation>, EngineError> {
        let _ = (text, value);
        Ok(None)
    }

    /// Forecasts that could have been made since the model was trained, and that the units show what came of; `None` where there are none.
    ///
    /// # Errors
    /// When the units are of another modality.
    fn past(&self, units: &Units) -> Result<Option<Past>, EngineError> {
        let _ = units;
        Ok(None)
    }

    /// Of series that are forecast, from which of their moments that can be done; `None` of other units.
    ///
    /// # Errors
    /// When the units are of another modality.
    fn replayable(&self, units: &Units) -> Result<Option<Replayable>, EngineError> {
        let _ = units;
        Ok(None)
    }

    /// Forecasts from some of the moments that [`Input::replayable`] tells, and what came of them; NaN where that is not known.
    ///
    /// # Errors
    /// When the units are of another modality.
    fn replayed(&self, units: &Units, origins: Range<usize>) -> Result<Past, EngineError> {
        let _ = (units, origins);
        Err(malformed("these units are not forecast".into()))
    }

    /// Of series the seconds between two moments, where known, and the steps ahead that are predicted.
    fn ahead(&self) -> Option<(Option<f64>, &[usize])> {
        None
    }

    /// The units, if other things went between them, and why what is told of those is extrapolation, if it is.
    ///
    /// # Errors
    /// Where nothing goes between units, or a change makes no sense.
    fn changed(
        &self,
        units: &Units,
        changes: &[String],
    ) -> Result<(Units, Option<String>), EngineError> {
        let _ = (units, changes);
        Err(EngineError::Setting {
            setting: "change",
            problem: "the model forecasts no series that something joins".to_owned(),
        })
    }

    /// Whether it can be told what predictions rest on.
    fn explains(&self) -> bool {
        false
    }

    /// What the prediction of a unit that was read rests on. `None` where the modality, or the ensemble, has no such explanation.
    ///
    /// # Errors
    /// When changed units cannot be predicted.
    fn explained_unit(&self, asked: &Asked) -> Result<Option<Explanation>, EngineError> {
        match asked.inputs.names().and_then(|names| names.get(asked.unit)) {
            Some(text) => self.explained(text, asked.value),
            None => Ok(None),
        }
    }
}

/// Checks of a table that make no sense where it only names units, and says nothing of what is in them.
const OF_NAMES: [&str; 11] = [
    "constant",
    "contradictions",
    "drift",
    "duplicate-columns",
    "duplicates",
    "high-cardinality",
    "id",
    "missing",
    "near-duplicates",
    "outliers",
    "rare-categories",
];

/// A unit whose prediction is to be explained.
pub(crate) struct Asked<'a> {
    pub inputs: &'a Inputs,
    /// Which of them.
    pub unit: usize,
    /// The class, label or number that is explained.
    pub place: usize,
    /// What is predicted of it, of changed units too.
    pub value: ValueOf<'a>,
    /// Who predicts.
    pub members: &'a [LoadedMember],
}

/// One number for each unit: what is explained.
pub type ValueOf<'a> = &'a dyn Fn(&Units) -> Result<Vec<f64>, EngineError>;

/// What a prediction of one unit rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The unit.
    pub unit: String,
    /// What is explained: a number, or the logarithm of the odds of a class or label.
    pub value: f64,
    /// For each part of the unit (each atom of a molecule, in order), what the value loses without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
    /// The edges of a graph, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeWorth>,
    /// What the nodes of a graph are described by, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<FeatureWorth>,
    /// Share of the ensemble's weight whose masks `edges` and `features` are the mean of; the rest is no network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_share: Option<f64>,
    /// The unit with its weights, as SVG: orange speaks for the value, blue against.
    pub svg: String,
}

/// What an edge is worth to a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeWorth {
    /// The nodes at its ends.
    pub between: [String; 2],
    /// From 0 to 1: how much of it the networks need to say nearly the same.
    pub worth: f64,
    /// What the value of the whole ensemble loses without it; of the first few alone, and not in a very large graph.
    pub effect: Option<f64>,
}

/// What a feature is worth to a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureWorth {
    /// The feature.
    pub name: String,
    /// From 0 to 1, see [`EdgeWorth::worth`].
    pub worth: f64,
    /// What the value of the whole ensemble loses where it is not known, see [`EdgeWorth::effect`].
    pub effect: Option<f64>,
}

/// What reads the data of a bundle, and what reads its members.
pub(crate) type Readers = (Box<dyn Input>, Box<dyn Learner>);

/// How a bundle reads data and its members; `input` is what [`Material::input`] gave.
pub(crate) fn reader(
    modality: Modality,
    input: &Value,
    task: Task,
) -> Result<Readers, ReaderError> {
    match modality {
        Modality::Table => table::reader(input, task),
        Modality::Graph => graph::reader(input, task, Unit::Node),
        Modality::GraphSet => graph::reader(input, task, Unit::Graph),
        Modality::GraphPairs => pairs::reader(input, task),
        Modality::GraphSeries => graph_series::reader(input),
        Modality::Image => image::reader(input, task),
        Modality::Molecule => molecule::reader(input, task),
        Modality::PointCloud => point_cloud::reader(input, task),
        Modality::CloudPoints => cloud_points::reader(input, task),
        Modality::Sequence => sequence::reader(input, task),
        Modality::Text => text::reader(input, task),
    }
}

/// Why a bundle's input is of no use.
pub(crate) enum ReaderError {
    /// `bundle.json` says something that cannot be.
    Damaged(String),
    Engine(EngineError),
}

impl ReaderError {
    pub fn of(self, bundle: &std::path::Path) -> EngineError {
        match self {
            ReaderError::Engine(error) => error,
            ReaderError::Damaged(problem) => EngineError::Deploy(DeployError::Damaged {
                bundle: bundle.to_owned(),
                file: "bundle.json".into(),
                problem,
            }),
        }
    }
}

pub(crate) fn to_json(input: &impl Serialize) -> Result<Value, EngineError> {
    serde_json::to_value(input).map_err(|e| malformed(e.to_string()))
}

pub(crate) fn malformed(problem: String) -> EngineError {
    EngineError::Member(candor_train::MemberError::Malformed(problem))
}
