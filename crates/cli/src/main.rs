//! The command line of Candor: arguments in, calls of the library `candor`, text out.

mod args;
mod command;
mod failure;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Candor, Command};
use crate::failure::Failure;

/// How a command that could be done ended.
pub(crate) enum Ending {
    /// Done, and every gate passed.
    Done,
    /// Done, and the answer is no.
    No,
}

fn main() -> ExitCode {
    let candor = Candor::parse();
    let ending = run(&candor);
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::No) => ExitCode::from(1),
        Err(failure) => {
            output::note(&failure.to_string());
            ExitCode::from(failure.status)
        }
    }
}

fn run(candor: &Candor) -> Result<Ending, Failure> {
    let json = candor.json;
    let quiet = candor.quiet;
    match &candor.command {
        Command::Fit(args) => command::fit::run(args, json, quiet),
        Command::Check(args) => command::check::run(args, json),
        Command::Predict(args) => command::predict::run(args, json),
        Command::Serve(args) => command::serve::run(args),
        Command::Leaderboard(args) => command::leaderboard::run(args, json),
        Command::Report(args) => command::report::run(args, json),
        Command::Resume(args) => command::resume::run(args, json, quiet),
        Command::Runs(args) => command::runs::run(args, json),
        Command::Datasets => command::datasets::run(json),
        Command::Doctor => command::doctor::run(json),
    }
}
