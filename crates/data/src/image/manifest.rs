use std::io;
use std::path::{Path, PathBuf};

use super::collection::{Carrier, Collection, Entry};
use super::listing::is_picture_name;
use super::store::Store;
use super::unpacked::first_bytes;
use super::{ImageOptions, arrange};
use crate::{Column, DataError, ReadOptions, Source, Table, Values, read_table};

/// Columns that name the class, most telling first.
const TARGETS: [&str; 6] = ["class", "label", "target", "category", "labels", "y"];
/// Columns that name the part of a data set that its makers split.
const PARTS: [&str; 4] = ["split", "part", "subset", "set"];
/// Distinct cells of a column that are looked at.
const LOOKED_AT: usize = 200;

/// The column of a CSV whose cells are paths of picture files that exist; `None` when the file is no such table.
pub(super) fn picture_column(path: &Path) -> Option<String> {
    if !names_pictures(path).ok()? {
        return None;
    }
    let read = read_table(&Source::File(path.to_owned()), &ReadOptions::default()).ok()?;
    let names = |column: &&Column| holds_paths(path, column);
    read.table
        .columns
        .iter()
        .find(names)
        .map(|c| c.name.clone())
}

/// Whether the beginning of a text holds the ending of a picture's name: cheap, so that large tables are not read twice.
fn names_pictures(path: &Path) -> io::Result<bool> {
    const PEEKED: u64 = 1 << 16;
    let mut first = first_bytes(path, PEEKED)?;
    // UTF-16 has a zero byte beside each letter of these names.
    first.retain(|byte| *byte != 0);
    let text = String::from_utf8_lossy(&first);
    let words = text.split(|c: char| c.is_whitespace() || ",;|\"'".contains(c));
    Ok(words.into_iter().any(is_picture_name))
}

/// Whether nine in ten cells are named like pictures, and one at least exists.
fn holds_paths(manifest: &Path, column: &Column) -> bool {
    let Values::Text { dictionary, .. } = &column.values else {
        return false;
    };
    let looked_at: Vec<&String> = dictionary.iter().take(LOOKED_AT).collect();
    let named = looked_at
        .iter()
        .filter(|cell| is_picture_name(cell))
        .count();
    named > 0
        && named * 10 >= looked_at.len() * 9
        && looked_at
            .iter()
            .any(|cell| beside(manifest, cell).is_file())
}

/// The file that a cell names, relative to the manifest. Backslashes are what Windows writes for `/`.
fn beside(manifest: &Path, cell: &str) -> PathBuf {
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let path = folder.join(cell);
    if cell.contains('\\') && !path.exists() {
        return folder.join(cell.replace('\\', "/"));
    }
    path
}

/// The pictures that a manifest names, in the order of its rows; rows of a test part last.
pub(super) fn open(
    path: &Path,
    column: &str,
    options: &ImageOptions,
) -> Result<Collection, DataError> {
    let reading = ReadOptions {
        memory_bytes: options.memory_bytes,
        ..ReadOptions::default()
    };
    let read = read_table(&Source::File(path.to_owned()), &reading)?;
    let names: Vec<String> = read.table.columns.iter().map(|c| c.name.clone()).collect();
    crate::table::known_column(column, "the manifest", &names)?;
    let mut notes = vec![format!("column `{column}` holds the paths of the pictures")];
    notes.extend(read.facts.notes);
    let mut columns = read.table.columns;
    let at = names.iter().position(|name| name == column).unwrap_or(0);
    let paths = columns.remove(at).values;
    let test = take_parts(&mut columns, &mut notes);
    let target = target_among(&columns);
    let rows = paths.len();
    let is_test = |row: usize| test.as_ref().is_some_and(|test| test[row]);
    let (development, tests): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| !is_test(row));
    let order: Vec<usize> = development.into_iter().chain(tests).collect();
    let class_of = |row: usize| target.and_then(|at| columns.get(at)?.values.text(row));
    let entries: Vec<Entry> = order
        .iter()
        .map(|&row| Entry {
            name: paths
                .text(row)
                .unwrap_or_else(|| format!("row {}", row + 1)),
            class: class_of(row),
            test: is_test(row),
            row,
        })
        .collect();
    let files = order.iter().map(|&row| {
        let cell = paths.text(row)?;
        Some(beside(path, &cell))
    });
    Ok(Collection {
        store: Store::Files(files.collect()),
        looks: None,
        carriers: vec![Carrier::of(path)?],
        default_target: target
            .and_then(|at| columns.get(at))
            .map(|c| c.name.clone()),
        columns: Table { columns },
        entries,
        format: "manifest",
        notes,
        classes_by_folder: false,
    })
}

/// Takes out the column that says which part a row belongs to; which rows are of the test part.
fn take_parts(columns: &mut Vec<Column>, notes: &mut Vec<String>) -> Option<Vec<bool>> {
    let is_parts = |column: &Column| {
        let Values::Text { dictionary, .. } = &column.values else {
            return false;
        };
        PARTS.contains(&column.name.to_lowercase().as_str())
            && dictionary.iter().all(|part| arrange::is_part(part))
            && dictionary.iter().any(|part| arrange::is_test(part))
            && !dictionary.iter().all(|part| arrange::is_test(part))
    };
    let at = columns.iter().position(is_parts)?;
    let column = columns.remove(at);
    notes.push(format!(
        "column `{}` says which rows are the test part",
        column.name
    ));
    let is_test = |row| {
        let part = column.values.text(row);
        part.is_some_and(|part| arrange::is_test(&part))
    };
    Some((0..column.values.len()).map(is_test).collect())
}

fn target_among(columns: &[Column]) -> Option<usize> {
    TARGETS.iter().find_map(|name| {
        columns
            .iter()
            .position(|column| column.name.to_lowercase() == *name)
    })
}
