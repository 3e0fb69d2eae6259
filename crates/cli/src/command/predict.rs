use std::io::Write;
use std::path::Path;

use candor::data::{ReadOptions, csv_bytes, parquet_bytes};
use candor::{EngineError, Model};

use crate::Ending;
use crate::args::{Format, PredictArgs};
use crate::failure::Failure;

/// Writes the answers of a bundle to rows.
pub(crate) fn run(args: &PredictArgs, json: bool) -> Result<Ending, Failure> {
    let format = if json {
        Format::Json
    } else {
        args.format
            .or_else(|| args.out.as_deref().and_then(by_name))
            .unwrap_or(Format::Csv)
    };
    let model = Model::load(&args.bundle)?;
    let options = ReadOptions {
        delimiter: args.delimiter,
        ..ReadOptions::default()
    };
    let inputs = model.read(&args.source, &options)?;
    let answers = model.predict(&inputs)?;
    let table = || model.table_of(&inputs, &answers);
    let bytes = match format {
        Format::Json => {
            let mut text = serde_json::to_vec_pretty(&answers).map_err(|e| unwritable(&e))?;
            text.push(b'\n');
            text
        }
        Format::Csv => csv_bytes(&table()).map_err(|e| unwritable(&e))?,
        Format::Parquet => parquet_bytes(&table()).map_err(|e| unwritable(&e))?,
    };
    match &args.out {
        Some(path) => candor::deploy::write_file(path, &bytes).map_err(EngineError::from)?,
        // A reader that went away is not an error.
        None => drop(std::io::stdout().lock().write_all(&bytes)),
    }
    Ok(Ending::Done)
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
