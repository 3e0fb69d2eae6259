use candor_core::Targets;

use crate::bytes::{Reader, Writer};
use crate::{BaselineError, BinnedMatrix, Dataset, Matrix};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// One of at least two classes.
    Classes(usize),
    /// This many numbers.
    Values(usize),
}

impl Outcome {
    /// Numbers that a model computes for one row: one for two classes (the second's), else one a class or target.
    pub(crate) fn scores(self) -> usize {
        match self {
            Outcome::Classes(2) => 1,
            Outcome::Classes(width) | Outcome::Values(width) => width,
        }
    }

    /// Classes or targets.
    pub(crate) fn width(self) -> usize {
        match self {
            Outcome::Classes(width) | Outcome::Values(width) => width,
        }
    }

    pub(crate) fn write(self, to: &mut Writer) {
        to.u8(u8::from(matches!(self, Outcome::Values(_))));
        to.count(self.width());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Outcome, BaselineError> {
        match (from.u8()?, from.number()?) {
            (0, width @ 2..) => Ok(Outcome::Classes(width)),
            (1, width @ 1..) => Ok(Outcome::Values(width)),
            _ => Err(from.corrupt("neither classes nor numbers")),
        }
    }
}

/// A dataset whose parts were found to fit, with the rows to learn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) matrix: &'a Matrix,
    pub(crate) binned: &'a BinnedMatrix,
    pub(crate) outcome: Outcome,
    pub(crate) train: &'a [usize],
    pub(crate) validation: &'a [usize],
    targets: &'a Targets,
}

impl<'a> Training<'a> {
    pub(crate) fn new(
        dataset: &Dataset<'a>,
        train: &'a [usize],
        validation: &'a [usize],
    ) -> Result<Training<'a>, BaselineError> {
        let Dataset {
            matrix,
            binned,
            targets,
            outputs,
        } = *dataset;
        binned.bins().check(matrix)?;
        let expected = matrix.rows();
        for (what, got) in [("targets", targets.len()), ("bins", binned.rows())] {
            if got != expected {
                return Err(BaselineError::Lengths {
                    what,
                    expected,
                    got,
                });
            }
        }
        if train.is_empty() {
            return Err(BaselineError::NoRows);
        }
        matrix.check_rows(train)?;
        matrix.check_rows(validation)?;
        let outcome = check_targets(targets, outputs, train.iter().chain(validation))?;
        Ok(Training {
            matrix,
            binned,
            outcome,
            train,
            validation,
            targets,
        })
    }

    /// The classes of some rows; empty for regression.
    pub(crate) fn classes(&self, rows: &[usize]) -> Vec<u32> {
        match self.targets {
            Targets::Classes(classes) => rows.iter().map(|&row| classes[row]).collect(),
            Targets::Labels { .. } | Targets::Values { .. } => Vec::new(),
        }
    }

    /// One numeric target of some rows; of two classes, 1 for the second.
    pub(crate) fn values(&self, rows: &[usize], target: usize) -> Vec<f64> {
        match self.targets {
            Targets::Classes(classes) => rows
                .iter()
                .map(|&row| f64::from(classes[row] == 1))
                .collect(),
            Targets::Labels { .. } => Vec::new(),
            Targets::Values { width, values } => rows
                .iter()
                .map(|&row| f64::from(values[row * width + target]))
                .collect(),
        }
    }
}

fn check_targets<'r>(
    targets: &Targets,
    outputs: usize,
    mut rows: impl Iterator<Item = &'r usize>,
) -> Result<Outcome, BaselineError> {
    match targets {
        Targets::Classes(_) if outputs < 2 => Err(BaselineError::Outputs {
            what: "classes",
            expected: "at least 2".to_owned(),
            got: outputs,
        }),
        Targets::Classes(classes) => match rows.find(|&&row| classes[row] as usize >= outputs) {
            Some(&row) => Err(BaselineError::Class {
                row,
                class: classes[row],
                classes: outputs,
            }),
            None => Ok(Outcome::Classes(outputs)),
        },
        Targets::Labels { width, .. } => Err(BaselineError::Labels { labels: *width }),
        Targets::Values { width, .. } if *width != outputs || outputs == 0 => {
            Err(BaselineError::Outputs {
                what: "numeric targets",
                expected: (*width).max(1).to_string(),
                got: outputs,
            })
        }
        Targets::Values { width, values } => {
            for &row in rows {
                for target in 0..*width {
                    let value = values[row * width + target];
                    if !value.is_finite() {
                        return Err(BaselineError::Target { row, target, value });
                    }
                }
            }
            Ok(Outcome::Values(outputs))
        }
    }
}

/// A model, and how fitting it went.
#[derive(Debug, Clone)]
pub(crate) struct Trained<M> {
    pub(crate) model: M,
    pub(crate) stopped_early: bool,
    pub(crate) history: Vec<f64>,
}

/// Mean and standard deviation; a constant has deviation 1, so that one may divide by it.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let constant = variance.sqrt() <= 1e-7 * mean.abs() || variance == 0.0;
    (mean, if constant { 1.0 } else { variance.sqrt() })
}
