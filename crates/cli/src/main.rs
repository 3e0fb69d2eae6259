//! The command line of Candor: arguments in, calls of the library `candor`, text out.

mod args;
mod command;
mod failure;
mod output;
mod progress;

use std::process::ExitCode;

use candor_kernels::Recycler;
use clap::Parser;

use crate::args::{Candor, Command, FitArgs};
use crate::failure::Failure;

/// Training allocates the same large arrays step after step.
#[global_allocator]
static MEMORY: Recycler = Recycler::new();

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
    MEMORY.keep_at_most(kept_memory(&candor.command));
    let json = candor.json;
    let quiet = candor.quiet;
    match &candor.command {
        Command::Fit(args) => command::fit::run(args, json, quiet),
        Command::Search(args) => command::search::run(args, json, quiet),
        Command::Check(args) => command::check::run(args, json),
        Command::Predict(args) => command::predict::run(args, json, quiet),
        Command::Explain(args) => command::explain::run(args, json),
        Command::Screen(args) => command::screen::run(args, json, quiet),
        Command::Serve(args) => command::serve::run(args),
        Command::Leaderboard(args) => command::leaderboard::run(args, json),
        Command::Report(args) => command::report::run(args, json),
        Command::Resume(args) => command::resume::run(args, json, quiet),
        Command::Runs(args) => command::runs::run(args, json),
        Command::Lab(args) => command::lab::run(args, json, quiet),
        Command::Datasets => command::datasets::run(json),
        Command::Doctor => command::doctor::run(json),
    }
}

/// Bytes of freed memory that a command may hold on to: much where it trains, but a small part of what the person allows it.
fn kept_memory(command: &Command) -> usize {
    let of_fit = |args: &FitArgs| {
        let allowed = args.data.memory.map(|bytes| (bytes / 16) as usize);
        allowed.map_or(Recycler::LIMIT, |bytes| bytes.min(Recycler::LIMIT))
    };
    match command {
        Command::Fit(args) => of_fit(args),
        Command::Search(args) => of_fit(&args.fit),
        Command::Resume(_) => Recycler::LIMIT,
        _ => 1 << 26,
    }
}
