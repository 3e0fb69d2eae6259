use candor_baselines::{FeatureKind, Matrix};
use candor_challenge::Uncertainty;
use candor_core::{Distribution, Metric, Seed, Target, Targets, Task};
use candor_data::{ReadOptions, Source, Values, read_table};
use candor_design::Design;
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, Learner, Member, MemberPrediction, Units};
use rayon::prelude::*;

use super::Bench;
use crate::EngineError;

/// Rows of numbers and what is true of them.
pub(super) struct Rows {
    units: Units,
    targets: Targets,
    target: Target,
    learner: TableLearner,
}

/// Networks that differ in nothing but their seeds.
pub(super) struct Networks(Vec<Box<dyn Member>>);

impl Rows {
    /// `inputs` are `[rows, width]`.
    pub fn of_classes(
        inputs: Vec<f32>,
        width: usize,
        labels: Vec<u32>,
        classes: usize,
    ) -> Result<Rows, EngineError> {
        let target = Target {
            task: if classes == 2 {
                Task::Binary
            } else {
                Task::Multiclass
            },
            names: vec!["class".into()],
            classes: (0..classes).map(|c| c.to_string()).collect(),
        };
        Rows::new(inputs, width, Targets::Classes(labels), target)
    }

    /// `inputs` are `[rows, width]`, with one number a row to predict.
    pub fn of_numbers(
        inputs: Vec<f32>,
        width: usize,
        values: Vec<f32>,
    ) -> Result<Rows, EngineError> {
        Rows::of_several_numbers(inputs, width, 1, values)
    }

    /// The same with several numbers a row, `values` being `[rows, targets]`.
    pub fn of_several_numbers(
        inputs: Vec<f32>,
        width: usize,
        targets: usize,
        values: Vec<f32>,
    ) -> Result<Rows, EngineError> {
        let target = Target {
            task: Task::Regression,
            names: (0..targets).map(|i| format!("value {i}")).collect(),
            classes: Vec::new(),
        };
        let targets = Targets::Values {
            width: targets,
            values,
        };
        Rows::new(inputs, width, targets, target)
    }

    fn new(
        inputs: Vec<f32>,
        width: usize,
        targets: Targets,
        target: Target,
    ) -> Result<Rows, EngineError> {
        let rows = targets.len();
        let matrix = Matrix::new(rows, vec![FeatureKind::Numeric; width], inputs)
            .map_err(|e| EngineError::NothingTrained(e.to_string()))?;
        Ok(Rows {
            units: TableUnits::units(matrix, (0..rows).collect()),
            learner: TableLearner::new(target.task)?,
            targets,
            target,
        })
    }

    /// One model of a design.
    pub fn fit(
        &self,
        bench: &Bench,
        design: &Design,
        train: &[usize],
        validation: &[usize],
        seed: Seed,
    ) -> Result<Box<dyn Member>, EngineError> {
        let metric = match self.target.task {
            Task::Regression => Metric::Nll,
            _ => Metric::LogLoss,
        };
        let fitted = self.learner.fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric,
            train,
            validation,
            seed,
            clock: &bench.clock,
        })?;
        if let Some(stop) = bench.clock.stop() {
            return Err(candor_train::MemberError::Stopped(stop).into());
        }
        Ok(fitted.member)
    }

    /// So many networks of one design, side by side.
    pub fn networks(
        &self,
        bench: &Bench,
        design: &Design,
        train: &[usize],
        validation: &[usize],
        seed: Seed,
        count: usize,
    ) -> Result<Networks, EngineError> {
        let one = |number: usize| {
            let seed = seed.derive("network", &[number as u64]);
            self.fit(bench, design, train, validation, seed)
        };
        let networks: Result<Vec<_>, EngineError> = bench
            .pool
            .install(|| (0..count).into_par_iter().map(one).collect());
        Ok(Networks(networks?))
    }

    /// The share of the rows whose class is predicted.
    pub fn accuracy(&self, said: &Distribution, rows: &[usize]) -> Result<f64, EngineError> {
        Ok(Metric::Accuracy.score(said, &self.targets.select(rows))?)
    }
}

impl Networks {
    /// What the heads of all networks see of each row, side by side: how many numbers, and the numbers.
    pub fn seen(&self, of: &Rows, asked: &[usize]) -> Result<(usize, Vec<f32>), EngineError> {
        let said = self.predictions(of, asked)?;
        let features: Vec<_> = said.into_iter().filter_map(|said| said.features).collect();
        let width = features.iter().map(|f| f.width).sum();
        let mut all = Vec::with_capacity(width * asked.len());
        for unit in 0..asked.len() {
            for f in &features {
                all.extend_from_slice(&f.embedding[unit * f.width..(unit + 1) * f.width]);
            }
        }
        Ok((width, all))
    }

    /// What each says of the rows of `of`.
    pub fn say(&self, of: &Rows, rows: &[usize]) -> Result<Vec<Distribution>, EngineError> {
        let said = self.predictions(of, rows)?.into_iter();
        said.map(|said| Ok(said.mixture()?)).collect()
    }

    /// The same with what the heads of the networks see.
    pub fn predictions(
        &self,
        of: &Rows,
        rows: &[usize],
    ) -> Result<Vec<MemberPrediction>, EngineError> {
        let said = self
            .0
            .iter()
            .map(|network| Ok(network.predict(&of.units, rows)?));
        said.collect()
    }
}

/// What equal voices say together.
pub(super) fn together(said: &[Distribution]) -> Result<Distribution, EngineError> {
    Ok(Distribution::mixture(&voices(said))?)
}

/// What equal voices doubt, and why.
pub(super) fn doubt(said: &[Distribution]) -> Result<Uncertainty, EngineError> {
    Ok(Uncertainty::decompose(&voices(said))?)
}

fn voices(said: &[Distribution]) -> Vec<(f64, &Distribution)> {
    said.iter().map(|said| (1.0, said)).collect()
}

/// Mean and variance of each unit.
pub(super) fn moments(said: &Distribution) -> (Vec<f64>, Vec<f64>) {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    match said.by_moments() {
        Distribution::Gaussian { mean, variance, .. } => (wide(mean), wide(variance)),
        _ => (Vec::new(), Vec::new()),
    }
}

/// A plain network without anything that keeps it from fitting.
pub(super) fn plain(layers: usize, width: usize, learning_rate: f64) -> Design {
    Design::new()
        .with("model", "mlp")
        .with("layers", layers)
        .with("width", width)
        .with("dropout", 0.0)
        .with("weight_decay", 0.0)
        .with("quantile", false)
        .with("learning_rate", learning_rate)
}

/// The handwritten digits that are part of the program: `[pictures, 64]` from 0 to 1, and which digit each is.
pub(super) fn digits() -> Result<(Vec<f32>, Vec<u32>), EngineError> {
    let read = read_table(&Source::Builtin("digits".into()), &ReadOptions::default())?;
    let (table, rows) = (&read.table, read.table.rows());
    let mut inputs = vec![0f32; rows * PIXELS];
    let mut labels = vec![0u32; rows];
    let mut pixel = 0;
    for column in &table.columns {
        if column.name == "digit" {
            for (row, label) in labels.iter_mut().enumerate() {
                let text = column.values.text(row).unwrap_or_default();
                *label = text.parse().unwrap_or(0);
            }
        } else if let Values::Numeric(values) = &column.values {
            for (row, value) in values.iter().enumerate() {
                inputs[row * PIXELS + pixel] = (*value / 16.0) as f32;
            }
            pixel += 1;
        }
    }
    Ok((inputs, labels))
}

/// Pixels along a side of a digit.
pub(super) const SIDE: usize = 8;
/// Pixels of a digit.
pub(super) const PIXELS: usize = SIDE * SIDE;
