use std::path::PathBuf;

use candor_core::Hints;
use thiserror::Error;

/// What can go wrong with a design, a space, a study or its store.
#[derive(Debug, Error)]
pub enum DesignError {
    /// A space cannot be built from these choices.
    #[error("choice `{choice}` of the design space: {problem}")]
    BadChoice {
        /// The choice.
        choice: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No design that satisfies the space's rule was found.
    #[error("no valid design: after {tries} draws none satisfies the rule `{rule}`")]
    Infeasible {
        /// The rule in words.
        rule: String,
        /// Designs tried.
        tries: usize,
    },
    /// A design has no valid neighbour.
    #[error("design `{design}` has no valid neighbour that differs in one choice")]
    NoNeighbour {
        /// The design.
        design: String,
    },
    /// A design does not belong to the space.
    #[error("design `{design}` is not in the space: choice `{choice}` {problem}")]
    NotInSpace {
        /// The design.
        design: String,
        /// The choice.
        choice: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// A design is excluded by the space's rule.
    #[error("design `{design}` is excluded by the rule `{rule}`")]
    Excluded {
        /// The design.
        design: String,
        /// The rule in words.
        rule: String,
    },
    /// Coordinates that do not fit the space.
    #[error("coordinates of a design: {problem}")]
    BadCoordinates {
        /// What is wrong.
        problem: String,
    },
    /// A design is not a valid configuration of the type asked for.
    #[error("design `{design}` is not a valid `{wanted}`")]
    Decode {
        /// The design.
        design: String,
        /// The type.
        wanted: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A table of recorded results cannot be searched.
    #[error("table `{table}` {problem}")]
    Recorded {
        /// The table.
        table: String,
        /// What is wrong with it, or with what is asked of it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A setting of a study is out of range.
    #[error("study `{study}`: setting `{setting}` {problem}")]
    BadSetting {
        /// The study.
        study: String,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A study exists with other settings.
    #[error("study `{study}` of `{path}` was begun with other settings: {differences}", path = path.display())]
    DifferentSettings {
        /// The study.
        study: String,
        /// The store.
        path: PathBuf,
        /// Which settings differ.
        differences: String,
    },
    /// A stored job is not the one that this study decides on.
    #[error(
        "job {job} of study `{study}` is stored as `{stored}` but this program decides on `{decided}`"
    )]
    Diverged {
        /// The study.
        study: String,
        /// The job.
        job: usize,
        /// Trial, rung and design in the store.
        stored: String,
        /// Trial, rung and design decided on now.
        decided: String,
    },
    /// A job was recorded before.
    #[error("job {job} of study `{study}` is recorded already")]
    JobExists {
        /// The study.
        study: String,
        /// The job.
        job: usize,
    },
    /// A job of a study that was not begun.
    #[error("study `{study}` is not in the store")]
    UnknownStudy {
        /// The study.
        study: String,
    },
    /// The worker threads could not be started.
    #[error("could not start {threads} worker threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// The store cannot be opened or created.
    #[error("could not open the study store `{path}`", path = path.display())]
    CannotOpen {
        /// The store.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else.
    #[error("`{path}` is not a study store: {found}", path = path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// The file is damaged.
    #[error("the study store `{path}` is damaged: {problem}", path = path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The store was written by a later version of the program.
    #[error("the study store `{path}` has format {found}; this program reads up to format {supported}", path = path.display())]
    NewerFormat {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest format known here.
        supported: i64,
    },
    /// Reading or writing failed.
    #[error("could not {action} the study store `{path}`", path = path.display())]
    Storage {
        /// The store.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value cannot be written as JSON.
    #[error("{what} cannot be written as JSON")]
    Unserialisable {
        /// Which value.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The store was used on a thread that runs asynchronous code.
    #[error("the study store `{path}` was used from asynchronous code", path = path.display())]
    InsideRuntime {
        /// The store.
        path: PathBuf,
    },
}

impl Hints for DesignError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            DesignError::BadChoice { .. } => "correct the choice; conditions may only name earlier choices".to_owned(),
            DesignError::Infeasible { rule, .. } => {
                format!("widen the choices or loosen the rule `{rule}`")
            }
            DesignError::NoNeighbour { .. } => "give the space more than one valid design".to_owned(),
            DesignError::NotInSpace { .. } | DesignError::Excluded { .. } => {
                "change the design, or widen the space so that it holds it".to_owned()
            }
            DesignError::BadCoordinates { .. } => {
                "give one coordinate in [0, 1) for each choice of the space".to_owned()
            }
            DesignError::Decode { .. } => {
                "name the choices of the space after the fields of the configuration".to_owned()
            }
            DesignError::BadSetting { setting, .. } => format!("change the setting `{setting}`"),
            DesignError::DifferentSettings { .. } => {
                "give the study a new name, or resume it with the settings stored with it".to_owned()
            }
            DesignError::Diverged { .. } => {
                "the store was written by another version: finish the study with that version, or start a new one".to_owned()
            }
            DesignError::Recorded { hint, .. } => hint.clone(),
            DesignError::JobExists { .. } => {
                "another process seems to run the same study: stop one of them, then resume".to_owned()
            }
            DesignError::UnknownStudy { .. } => "begin the study before recording its jobs".to_owned(),
            DesignError::Threads { .. } => "use fewer jobs".to_owned(),
            DesignError::CannotOpen { .. } => {
                "check that the folder exists and that you may write to it".to_owned()
            }
            DesignError::NotAStore { .. } => "name another file; this one was left as it is".to_owned(),
            DesignError::Damaged { .. } => {
                "restore the file from a copy, or move it away and start the study again".to_owned()
            }
            DesignError::NewerFormat { .. } => "use the version of Candor that wrote it, or a later one".to_owned(),
            DesignError::Storage { .. } => {
                "check free space and permissions, and that no other process holds the file; finished trials are safe".to_owned()
            }
            DesignError::Unserialisable { .. } => "give only values that JSON can hold".to_owned(),
            DesignError::InsideRuntime { .. } => "use the store on a thread of its own".to_owned(),
        };
        vec![hint]
    }
}
