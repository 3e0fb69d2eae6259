use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is to be predicted of each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of three or more classes.
    Multiclass,
    /// Several labels at a time, each of which applies or does not.
    Multilabel,
    /// One or more numbers.
    Regression,
}

impl Task {
    /// Every task, in the order in which messages list them.
    pub const ALL: [Task; 4] = [
        Task::Binary,
        Task::Multiclass,
        Task::Multilabel,
        Task::Regression,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Task::Binary => "binary",
            Task::Multiclass => "multiclass",
            Task::Multilabel => "multilabel",
            Task::Regression => "regression",
        }
    }

    /// Whether classes are predicted, one or several at a time.
    pub fn is_classification(self) -> bool {
        !matches!(self, Task::Regression)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Task::ALL.map(Task::name);
        Task::ALL
            .into_iter()
            .find(|task| task.name() == text)
            .ok_or_else(|| {
                format!(
                    "unknown task `{text}`; one of {}{}",
                    names.join(", "),
                    crate::did_you_mean(text, &names)
                )
            })
    }
}

/// The task together with the names of what is predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What is predicted.
    pub task: Task,
    /// The target columns (one for binary and multiclass).
    pub names: Vec<String>,
    /// The classes in label order; empty for regression. With several labels the two values that all of them take, the one
    /// that means "applies" last.
    pub classes: Vec<String>,
}

impl Target {
    /// Width of the predictive distribution: the number of classes, of labels, or of numeric targets.
    pub fn width(&self) -> usize {
        match self.task {
            Task::Binary | Task::Multiclass => self.classes.len(),
            Task::Multilabel | Task::Regression => self.names.len(),
        }
    }
}
