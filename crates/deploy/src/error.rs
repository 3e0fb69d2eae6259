use std::path::{Path, PathBuf};

use candor_challenge::ChallengeError;
use candor_core::{Hints, PredictionError};
use candor_train::MemberError;
use thiserror::Error;

/// Why a bundle could not be written, read or used.
#[derive(Debug, Error)]
pub enum DeployError {
    /// There is no bundle.
    #[error("no bundle at {path}: {problem}")]
    NoBundle {
        /// Where it was looked for.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// A later version wrote it.
    #[error("the bundle {path} has format {found}; this version reads up to {supported}")]
    NewerFormat {
        /// The bundle.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// A file is not what it was when the bundle was written.
    #[error("the bundle {bundle} is damaged: {file}: {problem}")]
    Damaged {
        /// The bundle.
        bundle: PathBuf,
        /// The file in it.
        file: String,
        /// What is wrong with it.
        problem: String,
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
    /// A member could not be read or used.
    #[error("member `{name}`: {source}")]
    Member {
        /// The member.
        name: String,
        /// Why.
        source: MemberError,
    },
    /// Predictions do not fit each other.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// A saved instrument does not fit the predictions.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
}

impl DeployError {
    pub(crate) fn file(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> DeployError {
        let path = path.to_owned();
        move |source| DeployError::File {
            action,
            path,
            source,
        }
    }
}

impl Hints for DeployError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            DeployError::NoBundle { .. } => {
                "name a run folder of `candor fit`, or the folder `7-deployed/bundle` in it"
            }
            DeployError::NewerFormat { .. } => "update candor, or fit again with this version",
            DeployError::Damaged { .. } => {
                "copy the bundle again from where it was made; a bundle is not meant to be edited"
            }
            DeployError::File { .. } => "check the path, its permissions and the free space",
            DeployError::Member { .. } | DeployError::Prediction(_) | DeployError::Challenge(_) => {
                "copy the bundle again from where it was made; if that does not help, fit again"
            }
        };
        vec![hint.to_owned()]
    }
}
