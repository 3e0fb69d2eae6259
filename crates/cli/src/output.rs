use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

/// A result, to standard output. A reader that went away (`candor ... | head`) is not an error.
pub(crate) fn result(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// Anything that is not a result, to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A file that was asked for.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|e| {
        Failure::new(
            format!("cannot write {}: {e}", path.display()),
            "check the folder and its permissions",
        )
    })
}

/// A result as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| {
        Failure::new(
            format!("the result cannot be written as JSON: {e}"),
            "leave out `--json`",
        )
    })?;
    result(&text);
    Ok(())
}

/// Rows under a header, in aligned columns.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    let width = |place: usize| {
        let cells = std::iter::once(&header).chain(rows);
        let widths = cells
            .filter_map(|row| row.get(place))
            .map(|cell| cell.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let lines = std::iter::once(&header).chain(rows).map(line);
    lines.collect::<Vec<_>>().join("\n")
}

/// A figure with four significant digits; `-` when there is none.
pub(crate) fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".into(),
        Some(v) if !v.is_finite() => "-".into(),
        Some(0.0) => "0".into(),
        Some(v) => {
            let digits = (3 - v.abs().log10().floor() as i32).clamp(0, 9) as usize;
            format!("{v:.digits$}")
        }
    }
}
