use std::collections::BTreeMap;
use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{
    ImageOptions, ImageSize, ImageSource, Images, ReadImages, ReadOptions, Schema, Split, Table,
    Values, curate_images, read_images,
};
use candor_design::Design;
use candor_image::{
    Corruption, ImageLearner, ImageUnits, corrupted, drawing_svg, patches_shuffled,
    region_shuffled, regions, rotated,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::joined;
use super::{
    Input, Inputs, Material, OF_NAMES, Opened, ReaderError, Readers, disturbance_named, malformed,
    to_json,
};
use crate::{EngineError, FitSettings, Subject};

/// The column of classes that folders and IDX files tell.
const CLASS: &str = "class";
/// Turned about the centre, beside the corruptions.
const ROTATION: &str = "rotation";
/// Degrees of a rotation for each step of severity.
const ROTATION_STEP: f32 = 9.0;
/// The kind of finding about pictures that are in two parts.
const ACROSS: &str = "pictures-across-parts";

/// The pictures of a source, if it holds some.
pub(super) fn detect(source: &str) -> Result<Option<ImageSource>, EngineError> {
    Ok(ImageSource::detect(Path::new(source))?)
}

/// Reads the pictures, and behind them those of the second source, brought to the same size.
pub(super) fn open(source: &ImageSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    let options = ImageOptions {
        longest_side: settings.image_size,
        memory_bytes: settings.memory,
        labelled: true,
        ..ImageOptions::default()
    };
    let first = read_images(source, &options)?;
    let second = match &settings.test {
        None => None,
        Some(path) => {
            let options = ImageOptions {
                size: Some(first.images.size()),
                ..options
            };
            Some(read_images(&pictures(path)?, &options)?)
        }
    };
    let ReadImages {
        mut table,
        mut images,
        facts,
        mut test_rows,
        mut findings,
    } = first;
    let mut test = None;
    if let Some(second) = second {
        test_rows += second.table.rows();
        // What files say of themselves is told only where it varies.
        table
            .columns
            .retain(|column| column.name == CLASS || second.table.column(&column.name).is_some());
        table = joined(table, &second.table)?;
        let pixels = [images.pixels(), second.images.pixels()].concat();
        images = Images::new(images.size(), pixels)
            .ok_or_else(|| malformed("the pictures of the two sources differ in size".into()))?;
        findings.extend(second.findings);
        test = Some(second.facts);
    }
    Ok(Opened {
        table,
        facts,
        test,
        test_rows,
        findings,
        material: Box::new(Pictures {
            images,
            most_multiply_adds: settings.multiply_adds,
        }),
    })
}

/// A source that must hold pictures.
fn pictures(path: &str) -> Result<ImageSource, EngineError> {
    detect(path)?.ok_or_else(|| EngineError::WrongModality {
        what: format!("`{path}`"),
        expected: Modality::Image,
    })
}

/// A unit is a picture.
struct Pictures {
    images: Images,
    /// What a network of the search may take for one of them.
    most_multiply_adds: Option<u64>,
}

impl Material for Pictures {
    fn modality(&self) -> Modality {
        Modality::Image
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table holds what files say of themselves, in the order of folders.
        OF_NAMES.to_vec()
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        let classes = match targets {
            Targets::Classes(classes) => Some(classes.as_slice()),
            Targets::Labels { .. } | Targets::Values { .. } => None,
        };
        let mut findings = curate_images(&self.images, classes, &parts(self.images.len(), split));
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
        to_json(&Described {
            size: self.images.size(),
        })
    }

    fn most_folds(&self) -> Option<usize> {
        // A network takes minutes; three tell about as well as eight which design is better.
        Some(3)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        self.images.size().len()
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        _table: &Table,
        learnable: Vec<usize>,
        target: &Target,
        seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = described(input).map_err(malformed)?;
        let learner = ImageLearner::new(described.size, target.task)?;
        let affordable = seconds.map(|seconds| affordable(seconds, learnable.len()));
        let most = affordable.into_iter().chain(self.most_multiply_adds).min();
        let learner = match most {
            Some(most) => learner.within(most),
            None => learner,
        };
        Ok(Box::new(ImageSubject {
            learner,
            units: ImageUnits::units(self.images),
            described,
        }))
    }
}

/// Multiply-adds of training that one thread does in a second, on a processor of 2020 or later.
const MULTIPLY_ADDS_PER_SECOND: f64 = 3e10;
/// Passes over the pictures below which a network is not worth its training.
const LEAST_EPOCHS: f64 = 8.0;

/// Multiply-adds a picture with which a network can be trained in the time: forwards once, backwards twice as much.
fn affordable(seconds: f64, pictures: usize) -> u64 {
    let passes = 3.0 * LEAST_EPOCHS * pictures.max(1) as f64;
    (seconds * MULTIPLY_ADDS_PER_SECOND / passes).max(1e5) as u64
}

/// The part of each picture: 0 is learned from, 1 is tested on, 2 calibrates; nothing before there are parts.
fn parts(pictures: usize, split: Option<&Split>) -> Vec<u8> {
    let Some(split) = split else {
        return Vec::new();
    };
    let mut parts = vec![0; pictures];
    split.test.iter().for_each(|&picture| parts[picture] = 1);
    let calibration = split.calibration.iter();
    calibration.for_each(|&picture| parts[picture] = 2);
    parts
}

/// What a bundle knows of its pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    /// The shape to which every picture is brought.
    size: ImageSize,
}

fn described(input: &Value) -> Result<Described, String> {
    let described: Described =
        serde_json::from_value(input.clone()).map_err(|e| format!("the shape of pictures: {e}"))?;
    let ImageSize {
        channels,
        height,
        width,
    } = described.size;
    let sides = 1..=4096;
    if matches!(channels, 1 | 3) && sides.contains(&height) && sides.contains(&width) {
        return Ok(described);
    }
    Err(format!("no picture has the shape {}", described.size))
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let learner = ImageLearner::new(described.size, task);
    let learner = learner.map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(described), Box::new(learner)))
}

impl Input for Described {
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        let options = ImageOptions {
            size: Some(self.size),
            memory_bytes: options.memory_bytes,
            ..ImageOptions::default()
        };
        let read = read_images(&pictures(source)?, &options)?;
        let names = read.table.column("image").map(|column| &column.values);
        let name = |row: usize| names.and_then(|names: &Values| names.text(row));
        let names = (0..read.images.len())
            .map(|row| name(row).unwrap_or_default())
            .collect();
        Ok(Inputs {
            units: ImageUnits::units(read.images),
            names: Some(names),
            unreadable: BTreeMap::new(),
        })
    }

    fn rows(&self, _table: &Table) -> Result<Inputs, EngineError> {
        Err(EngineError::WrongModality {
            what: "a table".to_owned(),
            expected: Modality::Image,
        })
    }
}

/// Pictures as the pipeline sees them.
struct ImageSubject {
    described: Described,
    learner: ImageLearner,
    units: Units,
}

impl ImageSubject {
    fn images(&self) -> Result<&Images, EngineError> {
        Ok(self.units.get::<ImageUnits>()?.images())
    }
}

impl Subject for ImageSubject {
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
        let images = patches_shuffled(self.images()?, units, seed);
        Ok(ImageUnits::units(images))
    }

    fn parts(&self) -> Vec<String> {
        regions(self.described.size)
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let parts = self.parts();
        let Some(region) = parts.iter().position(|name| name == part) else {
            return Err(malformed(format!("there is no region `{part}`")));
        };
        let images = region_shuffled(self.images()?, units, region, seed);
        Ok(ImageUnits::units(images))
    }

    fn disturbances(&self) -> Vec<&'static str> {
        let corruptions = Corruption::ALL.into_iter().map(Corruption::name);
        corruptions.chain([ROTATION]).collect()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let images = self.images()?;
        if disturbance == ROTATION {
            let degrees = ROTATION_STEP * f32::from(severity);
            return Ok(ImageUnits::units(rotated(images, units, degrees)));
        }
        let corruption = disturbance_named(Corruption::ALL, Corruption::name, disturbance)?;
        let images = corrupted(images, units, corruption, severity, seed);
        Ok(ImageUnits::units(images))
    }

    fn finalists(&self) -> usize {
        2
    }

    fn judging_share(&self) -> f64 {
        0.12
    }

    fn drawing(&self, design: &Design) -> Option<String> {
        drawing_svg(design, self.described.size).ok()
    }
}
