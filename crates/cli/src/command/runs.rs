use candor::core::Step;
use candor::{RunFolder, Summary};
use serde::Serialize;

use crate::Ending;
use crate::args::RunsArgs;
use crate::failure::Failure;
use crate::output;

#[derive(Serialize)]
struct Run {
    run: String,
    source: String,
    finished: bool,
    metric: Option<&'static str>,
    score: Option<f64>,
    seconds: f64,
}

/// Lists the runs in a folder.
pub(crate) fn run(args: &RunsArgs, json: bool) -> Result<Ending, Failure> {
    let entries = std::fs::read_dir(&args.folder).map_err(|e| {
        Failure::new(
            format!("cannot read {}: {e}", args.folder.display()),
            "name the folder that holds the runs: `candor runs FOLDER`",
        )
    })?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut runs = Vec::new();
    for path in paths {
        // Whatever else lies in the folder is none of our business.
        let Ok((folder, settings)) = RunFolder::open(&path) else {
            continue;
        };
        let done: Option<Summary> = folder.result(Step::Deployed);
        runs.push(Run {
            run: path.display().to_string(),
            source: settings.source,
            finished: done.is_some(),
            metric: done.as_ref().map(|d| d.metric.name()),
            score: done.as_ref().and_then(|d| d.score).map(|s| s[0]),
            seconds: folder.spent().as_secs_f64(),
        });
    }
    if json {
        output::json(&runs)?;
        return Ok(Ending::Done);
    }
    let rows = runs.iter().map(|run| {
        vec![
            run.run.clone(),
            run.source.clone(),
            if run.finished {
                "finished"
            } else {
                "can be resumed"
            }
            .to_owned(),
            run.metric.unwrap_or("-").to_owned(),
            output::figure(run.score),
        ]
    });
    let header = ["run", "source", "state", "metric", "test score"];
    output::result(&output::columns(&header, &rows.collect::<Vec<_>>()));
    Ok(Ending::Done)
}
