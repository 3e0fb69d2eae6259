use candor::RunFolder;

use crate::Ending;
use crate::args::RunArgs;
use crate::command::{fit, summary};
use crate::failure::Failure;
use crate::progress;

/// Goes on with a run that was stopped.
pub(crate) fn run(args: &RunArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let (_, settings) = RunFolder::open(&args.run)?;
    let interrupt = fit::on_ctrl_c()?;
    let events = progress::events(quiet, settings.time);
    let done = candor::resume(&args.run, &interrupt, &events)?;
    summary::show(&done, json)
}
