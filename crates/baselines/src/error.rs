use candor_core::{Hints, Stop};
use thiserror::Error;

/// Why a classical model could not be fitted, applied or read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BaselineError {
    /// A matrix has another number of values than its shape says.
    #[error("a matrix of {rows} rows and {columns} columns has {got} values")]
    Shape {
        /// Rows announced.
        rows: usize,
        /// Columns announced.
        columns: usize,
        /// Values given.
        got: usize,
    },
    /// A categorical column has more categories than whole numbers of an `f32` can tell apart.
    #[error("column {column} has {cardinality} categories; at most {most} can be told apart")]
    Cardinality {
        /// The column, from 0.
        column: usize,
        /// Its categories.
        cardinality: u32,
        /// The limit.
        most: u32,
    },
    /// The data have another number of columns than the model.
    #[error("the model was fitted on {expected} columns, the data have {got}")]
    Columns {
        /// Columns of the model.
        expected: usize,
        /// Columns of the data.
        got: usize,
    },
    /// A column has another kind than when the model was fitted.
    #[error("column {column} was {expected} when the model was fitted and is {got} now")]
    ColumnKind {
        /// The column, from 0.
        column: usize,
        /// Its kind then.
        expected: &'static str,
        /// Its kind now.
        got: &'static str,
    },
    /// A row number is outside the data.
    #[error("row {row} was asked for, the data have {rows} rows")]
    Row {
        /// The row, from 0.
        row: usize,
        /// Rows there are.
        rows: usize,
    },
    /// There is nothing to learn from.
    #[error("there are no training rows")]
    NoRows,
    /// Two parts of a dataset have different lengths.
    #[error("{what} have {got} rows, the matrix has {expected}")]
    Lengths {
        /// The part.
        what: &'static str,
        /// Rows of the matrix.
        expected: usize,
        /// Rows of the part.
        got: usize,
    },
    /// The number of outputs does not fit the targets.
    #[error("{got} outputs for {what}; there must be {expected}")]
    Outputs {
        /// The targets.
        what: &'static str,
        /// What is needed, in words.
        expected: String,
        /// Outputs announced.
        got: usize,
    },
    /// Several labels at a time.
    #[error("a model fits one label; these targets hold {labels}")]
    Labels {
        /// Labels of the targets.
        labels: usize,
    },
    /// A class is outside the announced classes.
    #[error("row {row} has class {class}, outside the {classes} classes")]
    Class {
        /// The row, from 0.
        row: usize,
        /// Its class.
        class: u32,
        /// The number of classes.
        classes: usize,
    },
    /// A numeric target is missing or infinite.
    #[error("row {row}, target {target}: {value} is not a finite number")]
    Target {
        /// The row, from 0.
        row: usize,
        /// The target, from 0.
        target: usize,
        /// Its value.
        value: f32,
    },
    /// A setting is outside its range.
    #[error("setting `{name}` is {value}; it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// The person stopped the work.
    #[error("interrupted")]
    Interrupted,
    /// The time was used up before a first usable model existed.
    #[error("the time was used up before the first iteration was complete")]
    OutOfTime,
    /// Stored bytes are not a model.
    #[error("the stored model is damaged at byte {at}: {reason}")]
    Corrupt {
        /// Offset from the start.
        at: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Stored bytes come from a newer version.
    #[error("the stored model has format {found}; this version reads formats up to {supported}")]
    Version {
        /// Format of the bytes.
        found: u16,
        /// Newest format that can be read.
        supported: u16,
    },
}

impl From<Stop> for BaselineError {
    fn from(stop: Stop) -> BaselineError {
        match stop {
            Stop::Interrupted => BaselineError::Interrupted,
            Stop::OutOfTime => BaselineError::OutOfTime,
        }
    }
}

impl Hints for BaselineError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            BaselineError::Cardinality { .. } => "leave the column out: it names rows, not kinds",
            BaselineError::Columns { .. } | BaselineError::ColumnKind { .. } => {
                "prepare the data with the preparation that is stored with the model"
            }
            BaselineError::NoRows => "use more rows, or a split that leaves some for training",
            BaselineError::Labels { .. } => {
                "fit one model a label, on classes 0 and 1 of the rows where it is known"
            }
            BaselineError::Class { .. } => "count the classes over all rows, not over one part",
            BaselineError::Target { .. } => "leave out the rows whose target is missing",
            BaselineError::OutOfTime => "give more time, or fewer leaves, trees or rows",
            BaselineError::Corrupt { .. } => "restore the file from where it came",
            BaselineError::Version { .. } => {
                "use the version of Candor that wrote it, or a newer one"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
