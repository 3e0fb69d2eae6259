use std::fmt;

use candor::EngineError;
use candor::core::Hints;

/// Could not be done.
const COULD_NOT: u8 = 2;
/// What shells report for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Why a command could not be done, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: String,
    hints: Vec<String>,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    /// A failure that the command line itself notices.
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            problem: problem.into(),
            hints: vec![hint.into()],
            status: COULD_NOT,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.status == INTERRUPTED {
            "stopped"
        } else {
            "error"
        };
        write!(f, "{word}: {}", self.problem)?;
        self.hints
            .iter()
            .try_for_each(|hint| write!(f, "\n  {hint}"))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let mut problem = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !problem.contains(&text) {
                problem = format!("{problem}: {text}");
            }
            cause = inner.source();
        }
        Failure {
            problem,
            hints: error.hints(),
            status: if error.is_interrupt() {
                INTERRUPTED
            } else {
                COULD_NOT
            },
        }
    }
}
