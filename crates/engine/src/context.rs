use std::time::Duration;

use candor_core::{Clock, Event, Events, Step, Stop};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EngineError, FitSettings, RunFolder};

/// What every step of a run shares.
pub(crate) struct Context {
    pub folder: RunFolder,
    pub settings: FitSettings,
    pub clock: Clock,
    pub events: Events,
    /// Spent in earlier processes.
    pub spent_before: Duration,
}

impl Context {
    /// The result of a step: the one that is kept, or a new one, which is kept.
    pub fn step<T: Serialize + DeserializeOwned>(
        &self,
        step: Step,
        files: &[&str],
        work: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if let Some(result) = self.folder.result(step) {
            return Ok(result);
        }
        self.go_on()?;
        self.events.emit(Event::StepStarted { step });
        let before = self.clock.elapsed();
        let result = work()?;
        self.folder.finish(step, &result, files)?;
        self.keep_spent()?;
        let seconds = (self.clock.elapsed() - before).as_secs_f64();
        self.events.emit(Event::StepFinished { step, seconds });
        Ok(result)
    }

    /// An error once a person asked to stop.
    pub fn go_on(&self) -> Result<(), EngineError> {
        if self.clock.stop() == Some(Stop::Interrupted) {
            self.keep_spent()?;
            return Err(EngineError::Interrupted {
                run: self.folder.path().to_owned(),
            });
        }
        Ok(())
    }

    pub fn keep_spent(&self) -> Result<(), EngineError> {
        self.folder
            .keep_spent(self.spent_before + self.clock.elapsed())
    }

    pub fn understood(&self, message: impl Into<String>) {
        self.events.emit(Event::Understood {
            message: message.into(),
        });
    }
}
