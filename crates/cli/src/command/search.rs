use std::path::Path;

use candor::{DesignedResult, Standing, name_of};
use serde::Serialize;

use crate::Ending;
use crate::args::SearchArgs;
use crate::command::{compared, fit, recorded, settings};
use crate::failure::Failure;
use crate::{output, progress};

/// Lines of the leaderboard that are shown.
const SHOWN: usize = 20;

/// What a search found: the JSON of `candor search SOURCE`.
#[derive(Serialize)]
struct Found<'a> {
    run: String,
    #[serde(flatten)]
    designed: &'a DesignedResult,
    /// Trials on the front of loss and parameters, fewest parameters first.
    front: Vec<usize>,
}

/// Searches designs: for data, or over a table of recorded results.
pub(crate) fn run(args: &SearchArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    if let Some(table) = &args.table {
        return recorded::run(table, args, json);
    }
    if args.fit.data.source.is_empty() {
        return Err(Failure::new(
            "there is nothing to search",
            "give a source, or a table of recorded results with `--table FILE`",
        ));
    }
    let settings = settings::of_fit(&args.fit)?;
    if !args.samplers.is_empty() {
        return compared::run(args, &settings, json, quiet);
    }
    if args.seeds.is_some() || args.svg.is_some() {
        return Err(Failure::new(
            "`--seeds` and `--svg` are of comparisons",
            "name the samplers to compare with `--samplers auto,random`",
        ));
    }
    let out = args.fit.out.clone();
    let out = out.unwrap_or_else(|| fit::free(&name_of(&settings.source)));
    let interrupt = fit::on_ctrl_c()?;
    let events = progress::events(quiet, settings.time);
    let designed = candor::search(&settings, &out, &interrupt, &events)?;
    let front = front(&designed.leaderboard);
    if json {
        output::json(&Found {
            run: out.display().to_string(),
            front: front.iter().map(|standing| standing.trial).collect(),
            designed: &designed,
        })?;
    } else {
        output::result(&text(&designed, &front, &out));
    }
    Ok(Ending::Done)
}

/// The networks trained in full that no other one beats in loss and parameters at once, fewest parameters first.
fn front(leaderboard: &[Standing]) -> Vec<&Standing> {
    let complete = leaderboard.iter().filter(|s| s.network && s.complete);
    let mut front: Vec<(u64, f64, &Standing)> = complete
        .filter_map(|standing| Some((standing.parameters?, standing.loss?, standing)))
        .collect();
    front.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut least = f64::INFINITY;
    front.retain(|&(_, loss, _)| {
        let better = loss < least;
        least = least.min(loss);
        better
    });
    front.into_iter().map(|(_, _, standing)| standing).collect()
}

fn text(designed: &DesignedResult, front: &[&Standing], out: &Path) -> String {
    let trials = designed.leaderboard.len();
    let mut text = format!("{trials} designs in {} jobs", designed.jobs);
    if designed.out_of_time {
        text += "; the time was used up";
    }
    text += "\n\n";
    text += &table(designed.leaderboard.iter().take(SHOWN));
    if trials > SHOWN {
        text += &format!(
            "\n... {} more: candor leaderboard {}",
            trials - SHOWN,
            out.display()
        );
    }
    text += "\n\nnetworks on the front of loss and parameters\n";
    text += &table(front.iter().copied());
    text += &format!(
        "\n\ncandor resume {} trains and judges the final model",
        out.display()
    );
    text
}

fn table<'a>(standings: impl Iterator<Item = &'a Standing>) -> String {
    let rows = standings.map(|standing| {
        let parameters = standing.parameters.map(|p| p.to_string());
        let failure = standing.failure.clone();
        vec![
            standing.trial.to_string(),
            output::figure(standing.score),
            parameters.unwrap_or_else(|| "-".into()),
            format!("{:.1}", standing.seconds),
            if standing.complete { "full" } else { "part" }.to_owned(),
            standing.origin.clone(),
            failure.unwrap_or_else(|| standing.name.clone()),
        ]
    });
    let header = [
        "trial",
        "score",
        "parameters",
        "seconds",
        "data",
        "origin",
        "design",
    ];
    output::columns(&header, &rows.collect::<Vec<_>>())
}
