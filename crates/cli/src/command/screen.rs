use std::path::{Path, PathBuf};

use candor::core::{Seed, wording};
use candor::data::{Column, Table, Values, csv_bytes};
use candor::{Candidate, EngineError, NOVEL, ScreenSettings, Screened, screen};

use crate::Ending;
use crate::args::ScreenArgs;
use crate::failure::Failure;
use crate::{output, progress};

/// Candidates that are shown where they are not written to a file.
const SHOWN: usize = 20;

/// Ranks a library of molecules.
pub(crate) fn run(args: &ScreenArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let settings = ScreenSettings {
        column: args.column.clone(),
        known: args.known.clone(),
        by: args.by.clone(),
        lowest: args.lowest,
        top: args.top,
        picks: args.picks,
        find: args.find.clone(),
        explain: args.draw.is_some(),
        seed: Seed(args.seed),
    };
    let events = progress::events(quiet, None);
    let screened = screen(&args.bundle, &args.library, &settings, &events)?;
    if let Some(path) = &args.out {
        write(path, &screened.candidates)?;
    }
    if let Some(folder) = &args.draw {
        draw(folder, &screened)?;
    }
    if json {
        output::json(&screened)?;
    } else {
        output::result(&text(&screened, args.out.as_ref()));
    }
    Ok(Ending::Done)
}

/// One drawing a molecule, called by its row in the library.
fn draw(folder: &Path, screened: &Screened) -> Result<(), Failure> {
    for (row, explanation) in &screened.explanations {
        let path = folder.join(format!("row-{row}.svg"));
        candor::deploy::write_file(&path, explanation.svg.as_bytes()).map_err(EngineError::from)?;
    }
    Ok(())
}

fn write(path: &Path, candidates: &[Candidate]) -> Result<(), Failure> {
    let unwritable = |e: &dyn std::fmt::Display| {
        Failure::new(
            format!("the candidates cannot be written: {e}"),
            "try another `--out`",
        )
    };
    let bytes = csv_bytes(&table(candidates)).map_err(|e| unwritable(&e))?;
    candor::deploy::write_file(path, &bytes).map_err(EngineError::from)?;
    Ok(())
}

fn text(screened: &Screened, out: Option<&PathBuf>) -> String {
    let rows = screened.candidates.iter().take(SHOWN).map(|c| {
        vec![
            c.rank.to_string(),
            c.row.to_string(),
            output::figure(Some(c.value)),
            output::figure(c.sd.or(Some(c.epistemic))),
            output::figure(c.strangeness_p),
            output::figure(c.nearest.as_ref().map(|(similarity, _)| *similarity)),
            if c.novel { "yes" } else { "" }.to_owned(),
            c.pick.map_or(String::new(), |pick| pick.to_string()),
            c.name.clone().unwrap_or_default(),
            c.structure.clone(),
        ]
    });
    let head = [
        "rank",
        "row",
        "value",
        "doubt",
        "usual p",
        "nearest",
        "novel",
        "pick",
        "name",
        "structure",
    ];
    let mut text = format!(
        "{} molecules ranked by {}; {} rows could not be read\n",
        screened.ranked, screened.by, screened.unreadable
    );
    if let Some(known) = &screened.known {
        text += &format!(
            "nearest: Tanimoto similarity to the molecules of {known}; novel: below {NOVEL}\n"
        );
    }
    for found in &screened.found {
        if found.places.is_empty() {
            text += &format!("{}: not in the library\n", found.asked);
        }
        for place in &found.places {
            text += &told(&found.asked, place, screened);
        }
    }
    text += "\n";
    text += &output::columns(&head, &rows.collect::<Vec<_>>());
    if let Some(out) = out {
        text += &format!(
            "\n\nall {} candidates: {}",
            screened.candidates.len(),
            out.display()
        );
    }
    text
}

/// A structure that was looked for, in a line.
fn told(asked: &str, place: &Candidate, screened: &Screened) -> String {
    let share = place.rank as f64 / screened.ranked.max(1) as f64;
    let nearest = place.nearest.as_ref();
    let known = match (&screened.known, place.known, place.novel) {
        (None, ..) => "",
        (Some(_), true, _) => ", known",
        (Some(_), false, true) => ", not known, novel",
        (Some(_), false, false) => ", not known",
    };
    format!(
        "{asked}: rank {} of {} (first {}), row {}, value {}, usual p {}, nearest {}{known}\n",
        place.rank,
        screened.ranked,
        wording::percent(share),
        place.row,
        output::figure(Some(place.value)),
        output::figure(place.strangeness_p),
        output::figure(nearest.map(|(similarity, _)| *similarity)),
    )
}

/// One row a candidate.
fn table(candidates: &[Candidate]) -> Table {
    let numbers = |name: &str, of: &dyn Fn(&Candidate) -> f64| Column {
        name: name.to_owned(),
        values: Values::Numeric(candidates.iter().map(of).collect()),
    };
    let texts = |name: &str, of: &dyn Fn(&Candidate) -> Option<String>| {
        let mut dictionary = Vec::new();
        let codes = candidates.iter().map(of).map(|text| match text {
            Some(text) => {
                dictionary.push(text);
                dictionary.len() as u32 - 1
            }
            None => Values::MISSING,
        });
        let codes = codes.collect();
        Column {
            name: name.to_owned(),
            values: Values::Text { codes, dictionary },
        }
    };
    let similarity = |c: &Candidate| c.nearest.as_ref().map_or(f64::NAN, |(s, _)| *s);
    Table {
        columns: vec![
            numbers("rank", &|c| c.rank as f64),
            numbers("row", &|c| c.row as f64),
            texts("name", &|c| c.name.clone()),
            texts("structure", &|c| Some(c.structure.clone())),
            numbers("value", &|c| c.value),
            numbers("sd", &|c| c.sd.unwrap_or(f64::NAN)),
            numbers("epistemic", &|c| c.epistemic),
            numbers("strangeness_p", &|c| c.strangeness_p.unwrap_or(f64::NAN)),
            texts("reason", &|c| c.reason.clone()),
            numbers("similarity", &similarity),
            texts("nearest", &|c| {
                c.nearest.as_ref().map(|(_, text)| text.clone())
            }),
            texts("known", &|c| Some(c.known.to_string())),
            texts("novel", &|c| Some(c.novel.to_string())),
            numbers("pick", &|c| c.pick.map_or(f64::NAN, |pick| pick as f64)),
        ],
    }
}
