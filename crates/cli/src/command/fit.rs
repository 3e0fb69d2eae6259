use std::path::PathBuf;

use candor::core::Interrupt;
use candor::name_of;

use crate::Ending;
use crate::args::FitArgs;
use crate::command::{settings, summary};
use crate::failure::Failure;
use crate::progress;

/// Runs all steps.
pub(crate) fn run(args: &FitArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let settings = settings::of_fit(args)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| free(&name_of(&settings.source)));
    let interrupt = on_ctrl_c()?;
    let events = progress::events(quiet, settings.time);
    let done = candor::fit(&settings, &out, &interrupt, &events)?;
    summary::show(&done, json)
}

/// A flag that the first Ctrl-C raises; the second ends the process at once, which loses no finished work either.
pub(crate) fn on_ctrl_c() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::default();
    let raised = interrupt.clone();
    let set = ctrlc::set_handler(move || {
        if raised.is_raised() {
            #[allow(clippy::exit)] // The person asked twice.
            std::process::exit(130);
        }
        crate::output::note("stopping at the next checkpoint; once more to stop at once");
        raised.raise();
    });
    set.map_err(|e| Failure::new(format!("Ctrl-C cannot be watched: {e}"), "try again"))?;
    Ok(interrupt)
}

/// `runs/NAME`, or with a number when that is taken.
pub(super) fn free(name: &str) -> PathBuf {
    let base = PathBuf::from("runs");
    let named = |n: usize| match n {
        1 => base.join(name),
        n => base.join(format!("{name}-{n}")),
    };
    let mut n = 1;
    while named(n).exists() {
        n += 1;
    }
    named(n)
}
