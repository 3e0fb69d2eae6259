use std::path::{Path, PathBuf};

use candor_data::{Column, ReadOptions, Source, Table, Values, part_named, read_table};

use super::format::is_shape_name;
use crate::CloudError;

/// Columns that name the class, most telling first.
const TARGETS: [&str; 6] = ["class", "label", "target", "category", "labels", "y"];
/// Columns that name the part of a data set that its makers split.
const PARTS: [&str; 4] = ["split", "part", "subset", "set"];
/// Distinct cells of a column that are looked at.
const LOOKED_AT: usize = 200;

/// The column of a table of text whose cells are paths of shape files, of which one at least exists; `None` when the file is no such
/// table.
pub(super) fn shape_column(path: &Path) -> Option<String> {
    if !names_shapes(path) {
        return None;
    }
    let read = read_table(&Source::File(path.to_owned()), &ReadOptions::default()).ok()?;
    let names = |column: &&Column| {
        let Values::Text { dictionary, .. } = &column.values else {
            return false;
        };
        let looked_at: Vec<&String> = dictionary.iter().take(LOOKED_AT).collect();
        let named = looked_at.iter().filter(|cell| is_shape_name(cell)).count();
        named > 0
            && named * 10 >= looked_at.len() * 9
            && looked_at.iter().any(|cell| beside(path, cell).is_file())
    };
    read.table
        .columns
        .iter()
        .find(names)
        .map(|c| c.name.clone())
}

/// Whether the beginning of a text holds the ending of a shape's name: cheap, so that large tables are not read twice.
fn names_shapes(path: &Path) -> bool {
    use std::io::Read;
    const PEEKED: u64 = 1 << 16;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(PEEKED).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split(|c: char| c.is_whitespace() || ",;|\"'".contains(c));
    read.is_ok() && words.any(is_shape_name)
}

/// The file that a cell names, relative to the manifest. Backslashes are what Windows writes for `/`.
pub(super) fn beside(manifest: &Path, cell: &str) -> PathBuf {
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let path = folder.join(cell);
    if cell.contains('\\') && !path.exists() {
        return folder.join(cell.replace('\\', "/"));
    }
    path
}

/// A manifest: rows of a test part last.
pub(super) struct Manifest {
    /// What each row names.
    pub paths: Vec<Option<String>>,
    /// All else that it says.
    pub columns: Table,
    pub target: Option<String>,
    /// The last so many rows are tested on.
    pub test_rows: usize,
    pub notes: Vec<String>,
}

pub(super) fn read(
    path: &Path,
    column: &str,
    options: &ReadOptions,
) -> Result<Manifest, CloudError> {
    let read = read_table(&Source::File(path.to_owned()), options)?;
    let mut notes = vec![format!("column `{column}` holds the paths of the shapes")];
    notes.extend(read.facts.notes);
    let mut columns = read.table.columns;
    let at = columns.iter().position(|c| c.name == column).unwrap_or(0);
    let paths = columns.remove(at).values;
    let test = take_parts(&mut columns, &mut notes);
    let is_test = |row: usize| test.as_ref().is_some_and(|test| test[row]);
    let (tests, mut order): (Vec<usize>, Vec<usize>) =
        (0..paths.len()).partition(|&row| is_test(row));
    let test_rows = tests.len();
    order.extend(tests);
    let target = TARGETS.iter().find_map(|name| {
        let column = columns.iter().find(|c| c.name.to_lowercase() == *name)?;
        Some(column.name.clone())
    });
    Ok(Manifest {
        paths: order.iter().map(|&row| paths.text(row)).collect(),
        columns: Table { columns }.select(&order),
        target,
        test_rows,
        notes,
    })
}

/// Takes out the column that says which part a row belongs to; which rows are of the test part.
fn take_parts(columns: &mut Vec<Column>, notes: &mut Vec<String>) -> Option<Vec<bool>> {
    let is_parts = |column: &Column| {
        let Values::Text { dictionary, .. } = &column.values else {
            return false;
        };
        PARTS.contains(&column.name.to_lowercase().as_str())
            && dictionary.iter().all(|word| part_named(word).is_some())
            && dictionary.iter().any(|word| part_named(word) == Some(true))
            && !dictionary.iter().all(|word| part_named(word) == Some(true))
    };
    let at = columns.iter().position(is_parts)?;
    let column = columns.remove(at);
    notes.push(format!(
        "column `{}` says which rows are the test part",
        column.name
    ));
    let is_test = |row| {
        let part = column.values.text(row);
        part.and_then(|part| part_named(&part)) == Some(true)
    };
    Some((0..column.values.len()).map(is_test).collect())
}
