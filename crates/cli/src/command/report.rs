use candor::core::Step;
use candor::{RunFolder, Summary};

use crate::Ending;
use crate::args::RunArgs;
use crate::command::summary;
use crate::failure::Failure;

/// Says where the report is, and what it says in short.
pub(crate) fn run(args: &RunArgs, json: bool) -> Result<Ending, Failure> {
    let (folder, _) = RunFolder::open(&args.run)?;
    let done: Option<Summary> = folder.result(Step::Deployed);
    let Some(mut done) = done else {
        return Err(Failure::new(
            format!(
                "run {} is not finished, so it has no report",
                args.run.display()
            ),
            format!("finish it with `candor resume {}`", args.run.display()),
        ));
    };
    // The folder may have been moved since.
    done.report = args.run.join("report.html");
    done.bundle = args.run.join(Step::Deployed.folder()).join("bundle");
    done.run.clone_from(&args.run);
    summary::show(&done, json)
}
