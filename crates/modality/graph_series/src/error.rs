use std::path::PathBuf;

use candor_core::Hints;
use candor_data::DataError;
use thiserror::Error;

/// What stops series from being read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] DataError),
    /// A column of the series holds no numbers.
    #[error("`{}`: column `{column}` holds no numbers", path.display())]
    NotNumbers {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// No column is a series.
    #[error("`{}` has no column of numbers beside the time", path.display())]
    NoSeries {
        /// The file.
        path: PathBuf,
    },
    /// A cell of the time column is no time.
    #[error("`{}`, row {row}: `{text}` in column `{column}` is no time", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The column.
        column: String,
        /// The cell.
        text: String,
    },
    /// Rows do not ascend in time.
    #[error("`{}`, row {row}: `{text}` is earlier than the row before it", path.display())]
    Unordered {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The time.
        text: String,
    },
    /// Two rows of one time.
    #[error("`{}`, row {row}: `{text}` is the time of the row before it, too", path.display())]
    DuplicateTime {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The time.
        text: String,
    },
    /// Two rows of one series and time.
    #[error("`{}`, row {row}: the series `{series}` has a reading at `{text}` already", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The series.
        series: String,
        /// The time.
        text: String,
    },
    /// A row that does not say which series it is of.
    #[error("`{}`, row {row}: column `{column}` does not say which series it is of", path.display())]
    Nameless {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The column that tells the series.
        column: String,
    },
    /// Rows whose distances in time are no multiples of one step.
    #[error("`{}`, row {row}: {found} after the row before it, where the usual step is {step}", path.display())]
    Irregular {
        /// The file.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
        /// The distance, in words.
        found: String,
        /// The usual distance, in words.
        step: String,
    },
    /// The table of edges, weights or places does not fit the series.
    #[error("`{}`: {problem}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A recorded data set is not what it must be.
    #[error("`{}`: {problem}", path.display())]
    Recorded {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One of several sources cannot be joined with the others.
    #[error("`{}` cannot be joined with the sources beside it: {problem}", path.display())]
    Several {
        /// The source.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Too few moments for what is asked.
    #[error(
        "`{}` has {steps} moments; a history of {history} and a horizon of {horizon} need at least {needed}", path.display()
    )]
    TooShort {
        /// The source.
        path: PathBuf,
        /// Moments there are.
        steps: usize,
        /// Moments needed.
        needed: usize,
        /// Steps that a model looks back.
        history: usize,
        /// Steps that it looks ahead.
        horizon: usize,
    },
    /// A setting makes no sense for these series.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Series that a model is asked about are not those that it was made from.
    #[error("{problem}")]
    Foreign {
        /// What is missing.
        problem: String,
    },
}

/// What is told of an hour that came twice.
const CLOCK: &str =
    "if a clock was put back there, write the zone behind each time, as in 2024-10-27T02:00+01:00";

/// What is told where times come again.
const SEVERAL: &str =
    "if each row is of one of several series, name the column that says which with `--series`";

impl Hints for SeriesError {
    fn hints(&self) -> Vec<String> {
        match self {
            SeriesError::Table(error) => error.hints(),
            SeriesError::NotNumbers { column, .. } => vec![format!(
                "each column but the time is one series of numbers; leave this one out with `--ignore {column}`"
            )],
            SeriesError::NoSeries { .. } => {
                vec!["give a row a moment and a column a series; the time, if any, comes first".into()]
            }
            SeriesError::Time { .. } => {
                vec!["write times as 2024-03-01 12:30:00, or as numbers that ascend by equal steps".into()]
            }
            SeriesError::Unordered { .. } => {
                vec!["sort the rows by time".into(), SEVERAL.into(), CLOCK.into()]
            }
            SeriesError::DuplicateTime { .. } => vec![
                "keep one row a moment: take the mean of those that share one".into(),
                SEVERAL.into(),
                CLOCK.into(),
            ],
            SeriesError::Twice { .. } => vec![
                "keep one row for each series and moment: take the mean of those that share one".into(),
                CLOCK.into(),
            ],
            SeriesError::Nameless { .. } => vec!["fill in its name, or leave the row out".into()],
            SeriesError::Irregular { .. } => vec![
                "bring the rows to equal steps; moments that are merely missing are filled in by themselves".into(),
            ],
            SeriesError::Graph { .. } => vec![
                "`adjacency.csv` holds a square matrix with a row and a column a series, `edges.csv` columns from, to and weight, \
                 `distances.csv` columns from, to and distance, `coordinates.csv` the name and two coordinates of each series, `mobility.csv` columns with the time, from, to and how much"
                    .into(),
            ],
            SeriesError::Recorded { .. } => vec![
                "a data set of PyTorch Geometric Temporal has `edges`, pairs of numbers of series, and the series under `FX`, `X` or `block`, a list \
                 of readings a moment"
                    .into(),
            ],
            SeriesError::Several { .. } => vec![
                "one model is made for all folders of series in a folder, with a column of times in each and one step between moments; name one of \
                 them to make a model of it alone"
                    .into(),
            ],
            SeriesError::TooShort { .. } => {
                vec!["ask for a shorter `--horizon` or `--history`, or give more moments".into()]
            }
            SeriesError::Setting { .. } => {
                vec!["see `candor fit --help` for what it may be".into()]
            }
            SeriesError::Foreign { .. } => vec![
                "give the last moments of the same series under the same names, a row a moment".into(),
            ],
        }
    }
}
