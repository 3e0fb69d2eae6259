use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{ReadOptions, Schema, Split, Table};
use candor_point_cloud::{
    ACROSS, Cloud, CloudChange, CloudLearner, CloudOptions, CloudSource, CloudUnits, KEPT,
    ReadClouds, Regions, cloud_check_names, clouds_changed, curate_clouds, draw, octant_names,
    octant_shuffled, octants_exchanged, read_clouds, regions_hidden,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::joined;
use super::{
    Explanation, Input, Inputs, Material, OF_NAMES, Opened, ReaderError, Readers, ValueOf,
    disturbance_named, leave_out_others, malformed, to_json,
};
use crate::{AnswersOf, EngineError, FitSettings, Subject};

/// The column that names shapes.
const SHAPE: &str = "shape";
/// The kind of finding about columns that are not looked at.
const BESIDE: &str = "columns-beside-shapes";

/// The shapes of a source, if it holds some.
pub(super) fn detect(source: &str) -> Option<CloudSource> {
    CloudSource::detect(Path::new(source))
}

/// Reads shapes, and behind them those of the second source.
pub(super) fn open(source: &CloudSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    let mut tables = settings.read.clone();
    tables.memory_bytes = settings.memory.or(tables.memory_bytes);
    let options = CloudOptions {
        tables,
        labelled: true,
        ..CloudOptions::default()
    };
    let ReadClouds {
        mut table,
        mut clouds,
        facts,
        mut test_rows,
        mut findings,
        kept,
        ..
    } = read_clouds(source, &options)?;
    let mut test = None;
    if let Some(path) = &settings.test {
        let options = CloudOptions {
            kept: Some(kept),
            ..options
        };
        let second = read_clouds(&shapes(path)?, &options)?;
        test_rows += second.table.rows();
        table = joined(table, &second.table)?;
        clouds.extend(second.clouds);
        findings.extend(second.findings);
        test = Some(second.facts);
    }
    Ok(Opened {
        table,
        facts,
        test,
        test_rows,
        findings,
        material: Box::new(Shapes {
            units: CloudUnits::units(clouds),
            kept,
        }),
    })
}

/// A source that must hold shapes.
fn shapes(path: &str) -> Result<CloudSource, EngineError> {
    CloudSource::certainly(Path::new(path)).ok_or_else(|| EngineError::WrongModality {
        what: format!("`{path}`"),
        expected: Modality::PointCloud,
    })
}

/// A unit is a shape.
struct Shapes {
    units: Units,
    /// Points that are kept of each.
    kept: usize,
}

impl Material for Shapes {
    fn modality(&self) -> Modality {
        Modality::PointCloud
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table names files, in the order of folders.
        OF_NAMES.to_vec()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        let mut names = cloud_check_names().to_vec();
        names.push(BESIDE);
        names
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        let remedy = "models of shapes see points alone".to_owned();
        leave_out_others(schema, SHAPE, BESIDE, "beside the shapes", remedy)
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        let Ok(clouds) = CloudUnits::of(&self.units) else {
            return Vec::new();
        };
        let classes = match targets {
            Targets::Classes(classes) => Some(classes.as_slice()),
            Targets::Labels { .. } | Targets::Values { .. } => None,
        };
        let parts = split.map_or(Vec::new(), |split| {
            let mut parts = vec![0; self.units.len()];
            split.test.iter().for_each(|&shape| parts[shape] = 1);
            split.calibration.iter().for_each(|&shape| parts[shape] = 2);
            parts
        });
        let mut findings = curate_clouds(clouds, classes, &parts);
        // What lies across parts is all that is new once there are parts.
        findings.retain(|finding| split.is_none() || finding.kind == ACROSS);
        findings
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&Described { kept: self.kept })
    }

    fn most_folds(&self) -> Option<usize> {
        // A network takes a minute or so; three tell about as well as eight which design is better.
        Some(3)
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
        Ok(Box::new(CloudSubject {
            described: described(input).map_err(malformed)?,
            learner: CloudLearner::new(target.task)?,
            units: self.units,
        }))
    }
}

/// What a shape costs, in cells of a table.
const CELLS: usize = 3000;

/// What a bundle knows of its shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    /// Points that are kept of a shape.
    kept: usize,
}

fn described(input: &Value) -> Result<Described, String> {
    let described: Described =
        serde_json::from_value(input.clone()).map_err(|e| format!("how shapes are read: {e}"))?;
    if (2..=KEPT).contains(&described.kept) {
        return Ok(described);
    }
    Err(format!("no shape is kept by {} points", described.kept))
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let learner = CloudLearner::new(task).map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(described), Box::new(learner)))
}

impl Input for Described {
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        let options = CloudOptions {
            tables: options.clone(),
            kept: Some(self.kept),
            ..CloudOptions::default()
        };
        let read = read_clouds(&shapes(source)?, &options)?;
        let names = read.table.column(SHAPE).map(|column| &column.values);
        let name = |row: usize| names.and_then(|names| names.text(row)).unwrap_or_default();
        Ok(Inputs {
            names: Some((0..read.clouds.len()).map(name).collect()),
            units: CloudUnits::units(read.clouds),
            unreadable: read.unreadable,
        })
    }

    fn rows(&self, _table: &Table) -> Result<Inputs, EngineError> {
        Err(EngineError::WrongModality {
            what: "a table".to_owned(),
            expected: Modality::PointCloud,
        })
    }
}

/// The octant of that name.
pub(super) fn octant_named(part: &str) -> Result<usize, EngineError> {
    let place = octant_names().iter().position(|name| name == part);
    place.ok_or_else(|| malformed(format!("there is no part `{part}`")))
}

/// Shapes as the pipeline sees them.
struct CloudSubject {
    described: Described,
    learner: CloudLearner,
    units: Units,
}

impl CloudSubject {
    fn clouds(&self) -> Result<&CloudUnits, EngineError> {
        Ok(CloudUnits::of(&self.units)?)
    }
}

impl Subject for CloudSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&self.described)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        Ok(octants_exchanged(self.clouds()?, units, seed))
    }

    fn parts(&self) -> Vec<String> {
        octant_names()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let octant = octant_named(part)?;
        Ok(octant_shuffled(self.clouds()?, units, octant, seed))
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
        Ok(clouds_changed(
            self.clouds()?,
            units,
            change,
            severity,
            seed,
        ))
    }

    fn explained(&self, unit: usize, value: ValueOf) -> Result<Option<Explanation>, EngineError> {
        let found = self.clouds()?.get(unit);
        let Some(cloud) = found.filter(|cloud: &&Cloud| !cloud.is_empty()) else {
            return Ok(None);
        };
        let regions = Regions::of(cloud);
        let values = value(&regions_hidden(cloud, &regions))?;
        let Some((&whole, without)) = values.split_first() else {
            return Ok(None);
        };
        let weights: Vec<f64> = without.iter().map(|value| whole - value).collect();
        let of_point = |&region: &usize| weights.get(region).copied().unwrap_or(0.0) as f32;
        let points: Vec<f32> = regions.of.iter().map(of_point).collect();
        Ok(Some(Explanation {
            unit: format!("shape in row {}", unit + 1),
            value: whole,
            svg: draw(cloud, Some(&points)),
            weights,
            edges: Vec::new(),
            features: Vec::new(),
            masked_share: None,
        }))
    }

    fn picture(&self, unit: usize, _answers: AnswersOf) -> Option<String> {
        let cloud = self.clouds().ok()?.get(unit)?;
        (!cloud.is_empty()).then(|| draw(cloud, None))
    }

    fn finalists(&self) -> usize {
        2
    }

    fn judging_share(&self) -> f64 {
        0.12
    }
}
