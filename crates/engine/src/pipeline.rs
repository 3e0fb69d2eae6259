use std::path::Path;
use std::time::Duration;

use candor_core::{Clock, Events, Interrupt};

use crate::context::Context;
use crate::prepared::Prepared;
use crate::sourced::Sourced;
use crate::{DesignedResult, EngineError, FitSettings, RunFolder, Summary};

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
    let context = begin(settings, out, interrupt, events)?;
    let prepared = prepared_or_nothing(&context)?;
    finished(prepared, &context)
}

/// Runs the first four steps: the designs that were tried, and no final model. [`resume`] goes on from there with the others.
///
/// # Errors
/// As [`fit`].
pub fn search(
    settings: &FitSettings,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<DesignedResult, EngineError> {
    let context = begin(settings, out, interrupt, events)?;
    Ok(prepared_or_nothing(&context)?.design(&context)?.result)
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

/// A new run folder, or one that was made with the same settings.
pub(crate) fn begin_or_go_on(
    settings: &FitSettings,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Context, EngineError> {
    match RunFolder::resume(out) {
        Ok((folder, before)) if before == *settings => {
            let spent_before = folder.spent();
            Ok(Context {
                clock: clock(settings, spent_before, interrupt),
                folder,
                settings: before,
                events: events.clone(),
                spent_before,
            })
        }
        // The error is that of a folder that cannot be used.
        _ => begin(settings, out, interrupt, events),
    }
}

/// A new run folder, with the clock started.
fn begin(
    settings: &FitSettings,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Context, EngineError> {
    settings.check()?;
    let clock = clock(settings, Duration::ZERO, interrupt);
    Ok(Context {
        folder: RunFolder::create(out, settings)?,
        settings: settings.clone(),
        clock,
        events: events.clone(),
        spent_before: Duration::ZERO,
    })
}

fn clock(settings: &FitSettings, spent: Duration, interrupt: &Interrupt) -> Clock {
    let limit = settings
        .time
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Clock::start(limit, spent, interrupt.clone()).with_steps(settings.steps)
}

/// The pipeline: each verb takes one state and gives the next, so that their order is checked when this is compiled.
fn run(context: &Context) -> Result<Summary, EngineError> {
    finished(prepared(context)?, context)
}

fn finished(prepared: Prepared, context: &Context) -> Result<Summary, EngineError> {
    let designed = prepared.design(context)?;
    let trained = designed.train(context)?;
    let challenged = trained.challenge(context)?;
    challenged.deploy(context)
}

fn prepared(context: &Context) -> Result<Prepared, EngineError> {
    Sourced::read(context)?.curate(context)?.prepare(context)
}

/// A new run that comes to nothing before anything was tried leaves no folder: it would be in the way when the same is asked
/// for with what was wrong set right.
fn prepared_or_nothing(context: &Context) -> Result<Prepared, EngineError> {
    prepared(context).inspect_err(|error| {
        if !error.is_interrupt() {
            context.folder.forget();
        }
    })
}
