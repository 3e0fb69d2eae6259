use std::path::Path;
use std::time::Duration;

use candor_core::{Clock, Events, Interrupt};

use crate::context::Context;
use crate::sourced::Sourced;
use crate::{EngineError, FitSettings, RunFolder, Summary};

/// Runs all seven steps on a source and leaves everything in the folder `out`.
///
/// # Errors
/// When the source is not usable, the folder is taken, or nothing could be trained; [`EngineError::Interrupted`] when
/// `interrupt` was raised: what was done is kept, and [`resume`] goes on.
pub fn fit(
    settings: &FitSettings,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Summary, EngineError> {
    settings.check()?;
    let clock = clock(settings, Duration::ZERO, interrupt);
    let folder = RunFolder::create(out, settings)?;
    run(&Context {
        folder,
        settings: settings.clone(),
        clock,
        events: events.clone(),
        spent_before: Duration::ZERO,
    })
}

/// Goes on with a run where it was stopped or killed. A finished run gives its summary again.
///
/// # Errors
/// As [`fit`]; when there is no run, or its source changed.
pub fn resume(path: &Path, interrupt: &Interrupt, events: &Events) -> Result<Summary, EngineError> {
    let (folder, settings) = RunFolder::resume(path)?;
    let spent_before = folder.spent();
    let clock = clock(&settings, spent_before, interrupt);
    run(&Context {
        folder,
        settings,
        clock,
        events: events.clone(),
        spent_before,
    })
}

fn clock(settings: &FitSettings, spent: Duration, interrupt: &Interrupt) -> Clock {
    let limit = settings
        .time
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Clock::start(limit, spent, interrupt.clone())
}

/// The pipeline: each verb takes one state and gives the next, so that their order is checked when this is compiled.
fn run(context: &Context) -> Result<Summary, EngineError> {
    let source = Sourced::read(context)?;
    let curated = source.curate(context)?;
    let prepared = curated.prepare(context)?;
    let designed = prepared.design(context)?;
    let trained = designed.train(context)?;
    let challenged = trained.challenge(context)?;
    challenged.deploy(context)
}
