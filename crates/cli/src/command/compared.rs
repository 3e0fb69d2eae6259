use std::path::Path;

use candor::design::curves_svg;
use candor::{Comparison, FitSettings, Reached, SearchOf, compare, name_of};
use serde::Serialize;

use crate::Ending;
use crate::args::SearchArgs;
use crate::command::fit;
use crate::failure::Failure;
use crate::{output, progress};

/// Searches of each sampler when nobody says how many.
const SEEDS: usize = 3;

/// The JSON of `candor search SOURCE --samplers ...`.
#[derive(Serialize)]
struct Compared<'a> {
    run: String,
    metric: &'static str,
    reached: &'a [Reached],
    searches: &'a [SearchOf],
}

/// Compares samplers on data.
pub(super) fn run(
    args: &SearchArgs,
    settings: &FitSettings,
    json: bool,
    quiet: bool,
) -> Result<Ending, Failure> {
    let out = args.fit.out.clone();
    let out = out.unwrap_or_else(|| fit::free(&name_of(&settings.source)));
    let interrupt = fit::on_ctrl_c()?;
    let events = progress::events(quiet, settings.time);
    let seeds = args.seeds.unwrap_or(SEEDS);
    let comparison = compare(settings, &args.samplers, seeds, &out, &interrupt, &events)?;
    let reached = comparison.reached();
    if let Some(path) = &args.svg {
        let (title, metric) = (settings.source.as_str(), comparison.metric.name());
        let svg = curves_svg(&comparison.by_designs(), title, "designs", metric);
        output::file(path, svg.as_bytes())?;
        let by_time = path.with_extension("seconds.svg");
        let svg = curves_svg(&comparison.by_seconds(), title, "seconds of work", metric);
        output::file(&by_time, svg.as_bytes())?;
    }
    if json {
        output::json(&Compared {
            run: out.display().to_string(),
            metric: comparison.metric.name(),
            reached: &reached,
            searches: &comparison.searches,
        })?;
    } else {
        output::result(&text(&comparison, &reached, &out));
    }
    Ok(Ending::Done)
}

fn text(comparison: &Comparison, reached: &[Reached], out: &Path) -> String {
    let rows = reached.iter().map(|reached| {
        vec![
            reached.sampler.name().to_owned(),
            output::figure(Some(reached.mean)),
            output::figure(Some(reached.worst)),
            output::figure(Some(reached.best)),
            format!("{:.1}", reached.designs),
            format!("{:.1}", reached.seconds),
            reached.searches.to_string(),
        ]
    });
    let header = [
        "sampler", "mean", "worst", "best", "designs", "seconds", "seeds",
    ];
    format!(
        "best {} of a search on validation data, over its seeds\n\n{}\n\nall searches: {}",
        comparison.metric.name(),
        output::columns(&header, &rows.collect::<Vec<_>>()),
        out.display()
    )
}
