use std::fs;
use std::path::{Path, PathBuf};

use candor_core::Distribution;
use candor_deploy::write_file;
use candor_train::{Evaluation, FittedMember, SavedMember};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::EngineError;

/// Where the members of trials are kept until the ensemble is chosen: one file a (trial, place).
///
/// A file is written whole before its job is recorded in the study store, so a finished job has its members, and a
/// job that was killed finds those of its members that were finished.
#[derive(Debug, Clone)]
pub struct TrialFolder(PathBuf);

/// One fitted member and what it said of its validation units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptMember {
    /// Design, fitted preparation and the like.
    pub description: Value,
    /// Extension of the learned numbers when they are a file.
    pub extension: String,
    /// The learned numbers.
    #[serde(with = "serde_bytes_field")]
    pub numbers: Vec<u8>,
    /// Whether it is a network.
    pub network: bool,
    /// Numbers that were learned.
    pub parameters: u64,
    /// Prediction of the fold's validation units, in their order.
    pub validation: Distribution,
    /// The learning curve.
    pub history: Vec<Evaluation>,
    /// What went otherwise than planned.
    pub warnings: Vec<String>,
    /// Whether the clock cut training short.
    pub stopped_early: bool,
}

impl KeptMember {
    /// Packs a fitted member with its validation prediction.
    ///
    /// # Errors
    /// When the member cannot be written.
    pub fn new(fitted: &FittedMember, validation: Distribution) -> Result<KeptMember, EngineError> {
        let SavedMember {
            description,
            extension,
            numbers,
        } = fitted.member.save()?;
        Ok(KeptMember {
            description,
            extension: extension.to_owned(),
            numbers,
            network: fitted.member.is_network(),
            parameters: fitted.member.parameters(),
            validation,
            history: fitted.history.clone(),
            warnings: fitted.warnings.clone(),
            stopped_early: fitted.stopped_early,
        })
    }
}

impl TrialFolder {
    /// The folder inside that of the step.
    pub fn new(step: &Path) -> TrialFolder {
        TrialFolder(step.join("trials"))
    }

    fn file(&self, trial: usize, place: &str) -> PathBuf {
        self.0.join(format!("{trial:05}-{place}.member"))
    }

    /// Keeps a member.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, trial: usize, place: &str, member: &KeptMember) -> Result<(), EngineError> {
        let path = self.file(trial, place);
        let bytes = rmp_serde::to_vec_named(member)
            .map_err(|e| EngineError::file("write", &path)(std::io::Error::other(e)))?;
        write_file(&path, &bytes)?;
        Ok(())
    }

    /// A member that was kept; `None` when it was not, or its file cannot be read.
    pub fn kept(&self, trial: usize, place: &str) -> Option<KeptMember> {
        rmp_serde::from_slice(&fs::read(self.file(trial, place)).ok()?).ok()
    }

    /// Removes all members.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove(&self) -> Result<(), EngineError> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::file("remove", &self.0)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes as bytes, not as a list of numbers.
mod serde_bytes_field {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
