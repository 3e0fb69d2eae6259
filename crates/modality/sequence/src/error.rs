use std::path::PathBuf;

use candor_core::Hints;
use candor_data::DataError;
use thiserror::Error;

/// Why a source gives no series or texts.
#[derive(Debug, Error)]
pub enum SequenceError {
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] DataError),
    /// The file cannot be opened or read to its end.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not as the format says.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What to do.
        repair: &'static str,
    },
    /// The file as a whole is not what it must be.
    #[error("`{}`: {problem}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        repair: &'static str,
    },
    /// More numbers or letters than memory may be used for.
    #[error("`{}` holds more than {limit_mib} MiB, which is all that it may take", path.display())]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// The limit in MiB.
        limit_mib: u64,
    },
}

impl Hints for SequenceError {
    fn hints(&self) -> Vec<String> {
        match self {
            SequenceError::Table(error) => error.hints(),
            SequenceError::Unreadable { .. } => {
                vec!["check the path, its permissions, and that it was copied whole".to_owned()]
            }
            SequenceError::Line { repair, .. } | SequenceError::Content { repair, .. } => {
                vec![(*repair).to_owned()]
            }
            SequenceError::TooLarge { .. } => {
                vec!["give more with `--memory`, or a file with fewer or shorter series".to_owned()]
            }
        }
    }
}
