use std::path::{Path, PathBuf};

use candor_challenge::ChallengeError;
use candor_core::{Hints, MetricError, Modality, PredictionError, Stop};
use candor_data::DataError;
use candor_deploy::DeployError;
use candor_design::DesignError;
use candor_graph::GraphError;
use candor_graph_series::SeriesError;
use candor_molecule::SourceError;
use candor_point_cloud::CloudError;
use candor_sequence::SequenceError;
use candor_table::RowError;
use candor_train::MemberError;
use thiserror::Error;

/// Why a run could not be done.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The source cannot be read, or its data do not make a task.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A graph cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Series cannot be read.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// Rows do not fit the model.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// A source of molecules cannot be read.
    #[error(transparent)]
    Molecules(#[from] SourceError),
    /// Shapes cannot be read.
    #[error(transparent)]
    Clouds(#[from] CloudError),
    /// Series or texts cannot be read.
    #[error(transparent)]
    Sequences(#[from] SequenceError),
    /// The search cannot go on.
    #[error(transparent)]
    Design(#[from] DesignError),
    /// A bundle cannot be written, read or used.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// An instrument cannot judge.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// A score is undefined.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Predictions do not fit each other.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// A member cannot be trained or used.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Data of one kind where those of another are needed.
    #[error("{what} holds no {}", .expected.words().rows)]
    WrongModality {
        /// The data.
        what: String,
        /// What is needed.
        expected: Modality,
    },
    /// A setting makes no sense.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder of a run is not as it must be.
    #[error("run folder {path}: {problem}")]
    RunFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The report could not be written.
    #[error("the report: {0}")]
    Report(String),
    /// No model could be trained.
    #[error("no model could be trained: {0}")]
    NothingTrained(String),
    /// A scan was interrupted and can go on.
    #[error("interrupted; the tiles that were told are kept in {folder}")]
    ScanInterrupted {
        /// The folder of tiles.
        folder: PathBuf,
    },
    /// The run was interrupted and can go on.
    #[error("interrupted; everything that was finished is kept in {run}")]
    Interrupted {
        /// The run folder.
        run: PathBuf,
    },
}

impl EngineError {
    pub(crate) fn file(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> EngineError {
        let path = path.to_owned();
        move |source| EngineError::File {
            action,
            path,
            source,
        }
    }

    pub(crate) fn run_folder(path: &Path, problem: impl Into<String>, hint: &str) -> EngineError {
        EngineError::RunFolder {
            path: path.to_owned(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// Whether work was stopped by a person and can be resumed.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            EngineError::Interrupted { .. }
                | EngineError::ScanInterrupted { .. }
                | EngineError::Member(MemberError::Stopped(Stop::Interrupted))
        )
    }
}

impl Hints for EngineError {
    fn hints(&self) -> Vec<String> {
        match self {
            EngineError::Data(error) => error.hints(),
            EngineError::Graph(error) => error.hints(),
            EngineError::Series(error) => error.hints(),
            EngineError::Rows(error) => error.hints(),
            EngineError::Molecules(error) => error.hints(),
            EngineError::Clouds(error) => error.hints(),
            EngineError::Sequences(error) => error.hints(),
            EngineError::Design(error) => error.hints(),
            EngineError::Deploy(error) => error.hints(),
            EngineError::Challenge(error) => error.hints(),
            EngineError::RunFolder { hint, .. } => vec![hint.clone()],
            EngineError::File { .. } => {
                vec!["check the path, its permissions and the free space".into()]
            }
            EngineError::WrongModality { expected, .. } => {
                let rows = expected.words().rows;
                vec![format!(
                    "give {rows} of the kind that the model was made from"
                )]
            }
            EngineError::Setting { .. } => {
                vec!["see `candor fit --help` for what it may be".into()]
            }
            EngineError::Report(_) => {
                vec!["the bundle is complete and can be used; please report this".into()]
            }
            EngineError::NothingTrained(_) => {
                vec![
                    "give more time with `--time`, or look at what `candor check` says of the data"
                        .into(),
                ]
            }
            EngineError::ScanInterrupted { .. } => {
                vec!["give the same command again to go on".into()]
            }
            EngineError::Interrupted { run } => {
                vec![format!("go on with `candor resume {}`", run.display())]
            }
            EngineError::Metric(_) | EngineError::Prediction(_) | EngineError::Member(_) => {
                vec!["look at what `candor check` says of the data".into()]
            }
        }
    }
}
