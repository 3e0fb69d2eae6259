use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Finding, Verdict};

/// The seven steps of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Read the source.
    Source,
    /// Notice what is wrong with it.
    Curated,
    /// Split it and fit its preparation.
    Prepared,
    /// Search for designs.
    Designed,
    /// Train the ensemble.
    Trained,
    /// Challenge it.
    Challenged,
    /// Write the bundle.
    Deployed,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Step; 7] = [
        Step::Source,
        Step::Curated,
        Step::Prepared,
        Step::Designed,
        Step::Trained,
        Step::Challenged,
        Step::Deployed,
    ];

    /// The folder of a run that holds this step's result.
    pub fn folder(self) -> &'static str {
        match self {
            Step::Source => "1-source",
            Step::Curated => "2-curated",
            Step::Prepared => "3-prepared",
            Step::Designed => "4-designed",
            Step::Trained => "5-trained",
            Step::Challenged => "6-challenged",
            Step::Deployed => "7-deployed",
        }
    }
}

/// Something that long work says while it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step began.
    StepStarted {
        /// Which.
        step: Step,
    },
    /// A step's folder is complete.
    StepFinished {
        /// Which.
        step: Step,
        /// Wall-clock seconds that it took.
        seconds: f64,
    },
    /// What was understood or decided, and why, in one sentence.
    Understood {
        /// The sentence.
        message: String,
    },
    /// Something noticed about the data.
    Found {
        /// What.
        finding: Finding,
    },
    /// A trial ended with a score on validation.
    TrialFinished {
        /// Number in the study, from 0.
        trial: usize,
        /// Its design in a few words.
        design: String,
        /// Score on validation in the metric's own direction; `None` when the trial failed.
        score: Option<f64>,
        /// Seconds it took.
        seconds: f64,
        /// Why it failed.
        failure: Option<String>,
    },
    /// Progress of the step: `done` of `total` (`None` when only time limits it).
    Progress {
        /// Pieces done.
        done: usize,
        /// Pieces in all.
        total: Option<usize>,
        /// Share of the time budget used, 0 to 1; `None` without one.
        time_used: Option<f64>,
    },
    /// A challenge ended.
    Judged {
        /// Its verdict.
        verdict: Verdict,
    },
    /// Something went otherwise than planned, and was handled.
    Warned {
        /// What.
        message: String,
    },
}

/// Receives events; called from several threads.
pub trait Listener: Send + Sync {
    /// Takes one event. Must not block for long.
    fn hear(&self, event: &Event);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {
    fn hear(&self, _: &Event) {}
}

/// The listeners of a run.
#[derive(Clone, Default)]
pub struct Events(Vec<Arc<dyn Listener>>);

impl Events {
    /// No listeners.
    pub fn none() -> Events {
        Events::default()
    }

    /// Adds a listener.
    pub fn with(mut self, listener: Arc<dyn Listener>) -> Events {
        self.0.push(listener);
        self
    }

    /// Tells all listeners.
    pub fn emit(&self, event: Event) {
        self.0.iter().for_each(|listener| listener.hear(&event));
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Events({} listeners)", self.0.len())
    }
}
