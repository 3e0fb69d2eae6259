use std::fmt;
use std::path::Path;

/// Why a command of the project stopped, and what repairs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, and where. May have several lines.
    pub what: String,
    /// The command or the change that repairs it.
    pub repair: String,
}

impl Failure {
    /// A failure with its repair.
    pub fn new(what: impl Into<String>, repair: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            repair: repair.into(),
        }
    }

    /// A file that cannot be read or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Failure {
        Failure::new(
            format!("cannot use `{}`: {error}", path.display()),
            "check that it exists and that you may read and write there",
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nrepair: {}", self.what, self.repair)
    }
}
