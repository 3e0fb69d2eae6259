//! The project's own commands, run as `cargo xtask COMMAND`.
//!
//! Depends on nothing of the engine, so that it starts within seconds on a fresh clone.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people; it has no data output that messages could disturb"
)]

mod failure;
mod licences;
mod readme;
mod size;
mod spdx;
mod temporary;
mod tidy;
mod timings;
mod validate;
mod workspace;

use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  validate [STEP ...]   all checks, cheapest first, or only the named ones
  size                  size of the release binary and the time of its --help
  deps [TIMINGS.html]   the ten dearest dependencies of a clean release build
                        (of an earlier build, when its --timings page is given)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let workspace = Workspace::here()?;
    match arguments {
        [command, steps @ ..] if command == "validate" => validate::validate(&workspace, steps),
        [command] if command == "size" => size::size(&workspace),
        [command] if command == "deps" => timings::of_a_clean_build(&workspace),
        [command, page] if command == "deps" => timings::of_page(page.as_ref()),
        [help] if matches!(help.as_str(), "help" | "-h" | "--help") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(
            format!("cannot read `{}`", arguments.join(" ")),
            USAGE,
        )),
    }
}
