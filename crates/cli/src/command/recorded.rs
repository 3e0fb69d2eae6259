use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Instant;

use candor::EngineError;
use candor::core::Seed;
use candor::design::recorded::{Recorded, Reference, Roles, SamplerSummary, play, summarise};
use candor::design::{Curve, SamplerKind, curves_svg};
use flate2::read::MultiGzDecoder;
use serde::Serialize;

use crate::Ending;
use crate::args::{RecordedArgs, SearchArgs};
use crate::failure::Failure;
use crate::output;

/// Searches of each sampler when nobody says how many.
const SEEDS: usize = 300;

/// What the search of a recorded table found: the JSON of `candor search --table`.
#[derive(Serialize)]
struct Report<'a> {
    table: String,
    designs: usize,
    /// Designs that are not the same network.
    networks: usize,
    /// Whether suggestions stood for the nearest recorded design.
    nearest: bool,
    score: &'a str,
    report: &'a str,
    cost: Option<&'a str>,
    seed: u64,
    reference: Option<Reference>,
    samplers: Vec<Searched>,
}

#[derive(Serialize)]
struct Searched {
    #[serde(flatten)]
    summary: SamplerSummary,
    /// Of all its searches.
    seconds: f64,
}

/// Plays the searches of each sampler over a table of recorded results.
pub(super) fn run(path: &Path, args: &SearchArgs, json: bool) -> Result<Ending, Failure> {
    let given = &args.recorded;
    let Some(score) = &given.score else {
        return Err(Failure::new(
            "a recorded table needs the column that the search sees",
            "name it with `--score COLUMN`, and the columns of a design with `--choices a,b,c`",
        ));
    };
    let (header, rows) = cells(path)?;
    let roles = roles(given, score);
    let name = path.display().to_string();
    let table = Recorded::new(&name, &header, &rows, &roles).map_err(EngineError::from)?;
    let seed = args.fit.data.seed.unwrap_or(1);
    let seeds = args.seeds.unwrap_or(SEEDS);
    let reference = reference(&table, given);
    let samplers: &[SamplerKind] = match args.samplers.as_slice() {
        [] => &SamplerKind::ALL,
        chosen => chosen,
    };
    let mut searched = Vec::with_capacity(samplers.len());
    for sampler in samplers {
        let begun = Instant::now();
        let build = |seed| sampler.build(seed);
        let threads = args.fit.jobs.unwrap_or(0);
        let playbacks = play(
            &table,
            &build,
            given.evaluations,
            seeds,
            Seed(seed),
            threads,
        )
        .map_err(EngineError::from)?;
        searched.push(Searched {
            seconds: begun.elapsed().as_secs_f64(),
            summary: summarise(&table, sampler.name(), &playbacks, reference),
        });
    }
    let report = Report {
        table: name,
        designs: table.rows().len(),
        networks: table.networks(),
        nearest: table.is_sparse(),
        score,
        report: given.report.as_deref().unwrap_or(score),
        cost: given.cost.as_deref(),
        seed,
        reference,
        samplers: searched,
    };
    if let Some(svg) = &args.svg {
        picture(svg, &report)?;
    }
    if json {
        output::json(&report)?;
    } else {
        output::result(&text(&report, given.evaluations, seeds));
    }
    Ok(Ending::Done)
}

fn roles(given: &RecordedArgs, score: &str) -> Roles {
    Roles {
        choices: given.choices.clone(),
        unordered: given.unordered.clone(),
        score: score.to_owned(),
        report: given.report.clone(),
        cost: given.cost.clone(),
        network: given.network.clone(),
        minimise: given.minimise,
    }
}

fn reference(table: &Recorded, given: &RecordedArgs) -> Option<Reference> {
    given.cost.as_ref()?;
    let usual = Reference::of(table);
    Some(Reference {
        report: given.reference_report.unwrap_or(usual.report),
        cost: given.reference_cost.unwrap_or(usual.cost),
    })
}

fn picture(path: &Path, report: &Report) -> Result<(), Failure> {
    let curves: Vec<Curve> = report.samplers.iter().map(|s| s.summary.drawn()).collect();
    let svg = curves_svg(&curves, &report.table, "evaluated designs", report.report);
    output::file(path, svg.as_bytes())
}

fn text(report: &Report, evaluations: usize, seeds: usize) -> String {
    let mut text = format!("{}: {} designs", report.table, report.designs);
    if report.networks < report.designs {
        text += &format!(", {} networks", report.networks);
    }
    text += &format!(
        "; {} searches of {} evaluations a sampler\n{} of the design with the best {}, mean with its 95 % interval\n",
        seeds, evaluations, report.report, report.score
    );
    if report.nearest {
        text += "few designs of the space are recorded: a suggestion stands for the nearest recorded one\n";
    }
    if let Some(reference) = report.reference {
        text += &format!(
            "front: hypervolume of {} and cost up to ({}, {}), as a share of the whole table's; chosen: its front by score alone\n",
            report.report, reference.report, reference.cost
        );
    }
    let share =
        |share: Option<f64>| share.map_or_else(|| "-".into(), |share| format!("{share:.4}"));
    let rows = report.samplers.iter().map(|searched| {
        let summary = &searched.summary;
        vec![
            summary.sampler.clone(),
            format!("{:.3} ± {:.3}", summary.report, summary.report_interval),
            format!("{:.3}", summary.report_sd),
            format!("{:.3}", summary.score),
            share(summary.hypervolume),
            share(summary.hypervolume_chosen),
            format!("{:.1} %", 100.0 * summary.refused),
            format!("{:.2}", searched.seconds),
        ]
    });
    let header = [
        "sampler",
        "reported",
        "sd",
        "score",
        "front",
        "chosen",
        "duplicates",
        "seconds",
    ];
    text += "\n";
    text += &output::columns(&header, &rows.collect::<Vec<_>>());
    text
}

/// Names and cells of a file of comma-separated values.
fn cells(path: &Path) -> Result<(Vec<String>, Vec<Vec<String>>), Failure> {
    let name = path.display();
    let unreadable = |e: &dyn std::fmt::Display| {
        Failure::new(
            format!("cannot read {name}: {e}"),
            "give a file of comma-separated values whose first row holds the names; gzip is allowed",
        )
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(open(path).map_err(|e| unreadable(&e))?);
    let header = reader.headers().map_err(|e| unreadable(&e))?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| unreadable(&e))?;
        rows.push(record.iter().map(str::to_owned).collect());
    }
    Ok((header, rows))
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut first = Vec::with_capacity(2);
    File::open(path)?.take(2).read_to_end(&mut first)?;
    let file = BufReader::new(File::open(path)?);
    Ok(if first == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}
