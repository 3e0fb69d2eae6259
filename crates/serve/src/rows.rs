use std::io::Write;

use candor::core::Modality;
use candor::data::{Column, ReadOptions, Table, Values};
use candor::{Inputs, Model};
use serde_json::{Map, Value};

use crate::respond::Refusal;

const SHAPE: &str = "send {\"rows\": [{\"column\": value, ...}, ...]}, a CSV text with content-type: text/csv, or, to a model \
                     of images, one picture with content-type: image/png (or /jpeg, /tiff), to a model of point clouds one shape with \
                     content-type: application/octet-stream";

/// The rows in a body of JSON: only the columns of the model; a column that no row has is left out, so that the model
/// says that it is missing.
pub(crate) fn from_json(model: &Model, body: &[u8]) -> Result<Inputs, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::bad(format!("the body is not JSON: {e}"), SHAPE))?;
    let rows = match value {
        Value::Array(rows) => rows,
        Value::Object(mut object) => match object.remove("rows") {
            Some(Value::Array(rows)) => rows,
            _ => return Err(Refusal::bad("the body has no array `rows`", SHAPE)),
        },
        _ => return Err(Refusal::bad("the body is neither object nor array", SHAPE)),
    };
    if rows.is_empty() {
        return Err(Refusal::bad("there are no rows", SHAPE));
    }
    let rows = rows
        .into_iter()
        .enumerate()
        .map(|(i, row)| match row {
            Value::Object(row) => Ok(row),
            _ => Err(Refusal::bad(
                format!("row {} is not an object of columns", i + 1),
                SHAPE,
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // A cell of a series holds all its readings.
    let lists = model.parts().modality == Modality::Sequence;
    let columns = model
        .columns()
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.contains_key(*name)))
        .map(|name| column(name, &rows, lists))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(model.rows(&Table { columns })?)
}

fn column(name: &str, rows: &[Map<String, Value>], lists: bool) -> Result<Column, Refusal> {
    let cells: Vec<&Value> = rows
        .iter()
        .map(|row| row.get(name).unwrap_or(&Value::Null))
        .collect();
    let numeric = cells.iter().all(|c| c.is_number() || c.is_null());
    let values = if numeric {
        Values::Numeric(
            cells
                .iter()
                .map(|c| c.as_f64().unwrap_or(f64::NAN))
                .collect(),
        )
    } else {
        let text = |(i, cell): (usize, &&Value)| match cell {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim().to_owned())),
            Value::Bool(_) | Value::Number(_) => Ok(Some(cell.to_string())),
            Value::Array(_) if lists => Ok(Some(cell.to_string())),
            Value::Array(_) | Value::Object(_) => Err(Refusal::bad(
                format!(
                    "row {}, column `{name}`: neither number, text nor null",
                    i + 1
                ),
                "send one value a cell",
            )),
        };
        let texts = cells.iter().enumerate().map(text);
        Values::texts(texts.collect::<Result<Vec<_>, _>>()?)
    };
    Ok(Column {
        name: name.to_owned(),
        values,
    })
}

/// The units in a body that is read as a file of the same bytes is: a CSV text, or one picture.
pub(crate) fn from_file(model: &Model, body: &[u8]) -> Result<Inputs, Refusal> {
    let failed = |e: std::io::Error| Refusal::internal(format!("a temporary file: {e}"));
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    file.write_all(body).map_err(failed)?;
    let path = file.path().display().to_string();
    let options = ReadOptions {
        header: Some(true),
        ..ReadOptions::default()
    };
    model.read(&path, &options).map_err(|error| {
        let mut refusal = Refusal::from(error);
        refusal.error = refusal.error.replace(&path, "the body");
        refusal
    })
}
