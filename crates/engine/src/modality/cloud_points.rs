//! Points of shapes and scenes, each of which is told what it is part of.

use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{ReadOptions, Role, Schema, Split, Table};
use candor_deploy::{Answer, Prediction};
use candor_point_cloud::{
    CloudChange, PointLearner, PointOptions, PointRules, PointSource, PointUnits, ReadPoints,
    draw_parts, octant_names, octant_of_points_shuffled, points_changed, points_exchanged,
    read_asked, read_points,
};
use candor_train::{Learner, Units};
use serde_json::Value;

use super::point_cloud::octant_named;
use super::table::joined;
use super::{
    Input, Inputs, Material, OF_NAMES, Opened, ReaderError, Readers, disturbance_named, malformed,
    to_json,
};
use crate::{AnswersOf, EngineError, FitSettings, Subject};

/// The column that says what a point lies in.
const SHAPE: &str = "shape";
/// The column of labels.
const LABEL: &str = "label";

/// The labelled points of a source, if it holds some.
pub(super) fn detect(settings: &FitSettings) -> Option<PointSource> {
    let asked = settings.target == [LABEL];
    PointSource::detect(Path::new(&settings.source), asked)
}

/// Reads points, and behind them those of the second source.
pub(super) fn open(source: &PointSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    let mut tables = settings.read.clone();
    tables.memory_bytes = settings.memory.or(tables.memory_bytes);
    let options = PointOptions {
        tables,
        rules: None,
    };
    let ReadPoints {
        mut table,
        mut points,
        rules,
        facts,
        mut test_rows,
        mut findings,
    } = read_points(source, &options)?;
    let mut test = None;
    if let Some(path) = &settings.test {
        let options = PointOptions {
            rules: Some(rules.clone()),
            ..options
        };
        let second = read_points(&points_of(path)?, &options)?;
        test_rows += second.table.rows();
        table = joined(table, &second.table)?;
        points = points.with(&second.points);
        findings.extend(second.findings);
        test = Some(second.facts);
    }
    Ok(Opened {
        table,
        facts,
        test,
        test_rows,
        findings,
        material: Box::new(Points { points, rules }),
    })
}

/// A source that must hold points.
fn points_of(path: &str) -> Result<PointSource, EngineError> {
    PointSource::certainly(Path::new(path)).ok_or_else(|| EngineError::WrongModality {
        what: format!("`{path}`"),
        expected: Modality::CloudPoints,
    })
}

/// A unit is a point.
struct Points {
    points: PointUnits,
    rules: PointRules,
}

impl Material for Points {
    fn modality(&self) -> Modality {
        Modality::CloudPoints
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table says in which shape a point lies, and nothing of the point.
        [&OF_NAMES[..], &["sensitive", "target-leakage"]].concat()
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        // Points of one shape are never in two parts.
        schema.set_role(SHAPE, Role::Group);
        Vec::new()
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        _targets: &Targets,
        _split: Option<&Split>,
    ) -> Vec<Finding> {
        Vec::new()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        vec!["unreadable-shapes"]
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&self.rules)
    }

    fn most_folds(&self) -> Option<usize> {
        // A network takes a minute or so; two tell about as well as eight which design is better.
        Some(2)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        CELLS
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        _table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        Ok(Box::new(PointSubject {
            rules: rules(input).map_err(malformed)?,
            learner: PointLearner::new(target.task, self.points.starts())?,
            units: self.points.units(),
        }))
    }
}

/// What a point costs, in cells of a table.
const CELLS: usize = 12;

fn rules(input: &Value) -> Result<PointRules, String> {
    let rules: PointRules =
        serde_json::from_value(input.clone()).map_err(|e| format!("how points are read: {e}"))?;
    rules.check()?;
    Ok(rules)
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let rules = rules(input).map_err(ReaderError::Damaged)?;
    let learner = PointLearner::new(task, &[]).map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(PointInput { rules }), Box::new(learner)))
}

/// How a deployed model reads points.
struct PointInput {
    rules: PointRules,
}

impl Input for PointInput {
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }

    /// All points of all files are answered for.
    fn read(&self, source: &str, _options: &ReadOptions) -> Result<Inputs, EngineError> {
        let asked = read_asked(&points_of(source)?, &self.rules)?;
        Ok(Inputs {
            units: asked.points.units(),
            names: Some(asked.names),
            unreadable: asked.unreadable,
        })
    }

    fn gather(&self, inputs: &Inputs, units: &mut [usize]) {
        if let Ok(points) = PointUnits::of(&inputs.units) {
            units.sort_by_cached_key(|&unit| points.place(unit));
        }
    }

    fn rows(&self, _table: &Table) -> Result<Inputs, EngineError> {
        Err(EngineError::WrongModality {
            what: "a table".to_owned(),
            expected: Modality::CloudPoints,
        })
    }
}

/// The class that an answer names.
fn class_of(answer: &Answer) -> String {
    match &answer.prediction {
        Prediction::Class { class, .. } => class.clone(),
        _ => String::new(),
    }
}

/// Points as the pipeline sees them.
struct PointSubject {
    rules: PointRules,
    learner: PointLearner,
    units: Units,
}

impl PointSubject {
    fn points(&self) -> Result<&PointUnits, EngineError> {
        Ok(PointUnits::of(&self.units)?)
    }
}

impl Subject for PointSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&self.rules)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        Ok(points_exchanged(self.points()?, units, seed))
    }

    fn parts(&self) -> Vec<String> {
        octant_names()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let octant = octant_named(part)?;
        Ok(octant_of_points_shuffled(
            self.points()?,
            units,
            octant,
            seed,
        ))
    }

    fn disturbances(&self) -> Vec<&'static str> {
        CloudChange::ALL.map(CloudChange::name).to_vec()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let change = disturbance_named(CloudChange::ALL, CloudChange::name, disturbance)?;
        Ok(points_changed(
            self.points()?,
            units,
            change,
            severity,
            seed,
        ))
    }

    /// The scan of the point: what its points are said to be, from three sides, and below how unsure that is.
    fn picture(&self, unit: usize, answers: AnswersOf) -> Option<String> {
        let points = self.points().ok()?;
        let (scan, place) = points.place(unit)?;
        let start = points.starts()[scan];
        let scan = &points.scans()[scan];
        let units: Vec<usize> = (start..start + scan.len()).collect();
        let said = answers(&units);
        let classes: Vec<String> = said.iter().map(class_of).collect();
        let unsure: Vec<f32> = said.iter().map(|a| a.uncertainty as f32).collect();
        let answered = classes.len() == scan.len();
        answered.then(|| draw_parts(scan.points(), &classes, Some(&unsure), Some(place)))
    }

    fn shapes(&self, units: &[usize]) -> Option<Vec<(usize, &str)>> {
        let points = self.points().ok()?;
        let shape = |&unit: &usize| {
            let (scan, _) = points.place(unit)?;
            Some((scan, points.category(scan)?))
        };
        units.iter().map(shape).collect()
    }

    fn finalists(&self) -> usize {
        2
    }

    fn detection(&self) -> (usize, usize) {
        // Scans are asked about by the million points.
        (2_000, 1)
    }

    fn judging_share(&self) -> f64 {
        // Whole scans are computed for whatever is asked of their points.
        0.2
    }
}
