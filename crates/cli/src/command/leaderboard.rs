use candor::core::Step;
use candor::{DesignedResult, RunFolder};

use crate::Ending;
use crate::args::LeaderboardArgs;
use crate::failure::Failure;
use crate::output;

/// Shows the models of a run, best first.
pub(crate) fn run(args: &LeaderboardArgs, json: bool) -> Result<Ending, Failure> {
    let (folder, _) = RunFolder::open(&args.run)?;
    let designed: Option<DesignedResult> = folder.result(Step::Designed);
    let Some(designed) = designed else {
        return Err(Failure::new(
            format!("the search of run {} is not finished", args.run.display()),
            format!("finish it with `candor resume {}`", args.run.display()),
        ));
    };
    let shown: Vec<_> = designed.leaderboard.iter().take(args.top).collect();
    if json {
        output::json(&shown)?;
        return Ok(Ending::Done);
    }
    let rows = shown.iter().enumerate().map(|(place, standing)| {
        vec![
            (place + 1).to_string(),
            standing.trial.to_string(),
            output::figure(standing.score),
            standing
                .parameters
                .map_or_else(|| "-".into(), |p| p.to_string()),
            format!("{:.1}", standing.seconds),
            if standing.complete { "full" } else { "part" }.to_owned(),
            standing.origin.clone(),
            standing
                .failure
                .clone()
                .unwrap_or_else(|| standing.name.clone()),
        ]
    });
    let header = [
        "place",
        "trial",
        "score",
        "parameters",
        "seconds",
        "data",
        "origin",
        "design",
    ];
    output::result(&output::columns(&header, &rows.collect::<Vec<_>>()));
    Ok(Ending::Done)
}
