use std::io::Write;
use std::path::Path;

use candor::challenge::{BatchShift, ShiftReference};
use candor::data::{ReadOptions, Table, csv_bytes, parquet_bytes};
use candor::deploy::Answer;
use candor::{EngineError, Model, ScanSettings, is_scan, scan};
use serde::Serialize;

use super::{anomalies, journey, what_if};
use crate::Ending;
use crate::args::{Format, PredictArgs};
use crate::command::fit::on_ctrl_c;
use crate::failure::Failure;
use crate::output::note;
use crate::{output, progress};

/// Writes the answers of a bundle to rows.
pub(crate) fn run(args: &PredictArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let format = args
        .format
        .or_else(|| args.out.as_deref().and_then(by_name))
        .unwrap_or(Format::Csv);
    let model = Model::load(&args.bundle)?;
    if let Some(out) = args
        .out
        .as_deref()
        .filter(|out| is_scan(&model, &args.source, Some(out)))
    {
        return scanned(args, out, json, quiet);
    }
    let options = ReadOptions {
        delimiter: args.delimiter,
        ..ReadOptions::default()
    };
    let inputs = model.read(&args.source, &options)?;
    if let Some(lengths) = &args.lengths {
        let (inputs, extrapolation) = match args.change.is_empty() {
            true => (inputs, None),
            false => model.changed(&inputs, &args.change)?,
        };
        if let Some(why) = extrapolation {
            note(&format!("extrapolation: {why}"));
        }
        return journey::run(args, lengths, &model, &inputs, json);
    }
    if args.anomalies {
        return anomalies::run(args, format, &model, &inputs, json);
    }
    if !args.change.is_empty() {
        return what_if::run(&args.change, &model, &inputs, json);
    }
    let answers = model.predict(&inputs)?;
    let shift = model.shift(&answers, ShiftReference::LEVEL)?;
    if let Some(shift) = shift.as_ref().filter(|shift| shift.shifted) {
        note(&format!("note: {}", model.shift_in_words(shift)));
    }
    let bytes = match format {
        _ if json => pretty(&Batch { answers, shift })?,
        Format::Json => pretty(&answers)?,
        _ => written(&model.table_of(&inputs, &answers), format)?,
    };
    match &args.out {
        Some(path) => candor::deploy::write_file(path, &bytes).map_err(EngineError::from)?,
        // A reader that went away is not an error.
        None => drop(std::io::stdout().lock().write_all(&bytes)),
    }
    Ok(Ending::Done)
}

/// Tells a scene point by point.
fn scanned(args: &PredictArgs, out: &Path, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let mut settings = ScanSettings::default();
    settings.memory = args.memory.unwrap_or(settings.memory);
    let interrupt = on_ctrl_c()?;
    let events = progress::events(quiet, None);
    let source = Path::new(&args.source);
    let scanned = scan(&args.bundle, source, out, &settings, &interrupt, &events)?;
    if json {
        output::json(&scanned)?;
        return Ok(Ending::Done);
    }
    let share = |count: u64| 100.0 * count as f64 / scanned.points.max(1) as f64;
    let classes = scanned.classes.iter().map(|(name, count)| {
        vec![
            name.clone(),
            count.to_string(),
            format!("{:.1} %", share(*count)),
        ]
    });
    let table = output::columns(&["class", "points", "share"], &classes.collect::<Vec<_>>());
    let [whole, data, model] = scanned.uncertainty;
    output::result(&format!(
        "{} points in {} tiles; no answer for {:.1} %; mean uncertainty {whole:.3} nats, {data:.3} of it in the data, {model:.3} in the model\n\n{table}\n\n\
         written: {}",
        scanned.points,
        scanned.tiles,
        share(scanned.abstained),
        out.display()
    ));
    Ok(Ending::Done)
}

/// What `--json` says: the answers, and what they say together; `--format json` is the answers alone.
#[derive(Serialize)]
struct Batch {
    answers: Vec<Answer>,
    /// The batch against the units that the model was tested on; null with fewer than 20 units.
    shift: Option<BatchShift>,
}

/// A table as CSV or Parquet.
pub(super) fn written(table: &Table, format: Format) -> Result<Vec<u8>, Failure> {
    match format {
        Format::Parquet => parquet_bytes(table).map_err(|e| unwritable(&e)),
        _ => csv_bytes(table).map_err(|e| unwritable(&e)),
    }
}

pub(super) fn pretty(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| unwritable(&e))?;
    text.push(b'\n');
    Ok(text)
}

fn unwritable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        format!("the answers cannot be written: {error}"),
        "try another `--format`",
    )
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}
