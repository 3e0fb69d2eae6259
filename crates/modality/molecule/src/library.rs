//! Libraries of molecules, read a part at a time: they may be larger than the memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use candor_core::did_you_mean;
use candor_data::{Column, DataError, Table, Values};
use flate2::read::MultiGzDecoder;

use crate::SourceError;
use crate::source::find_structures;

/// Rows that are looked at to find the column of structures.
const LOOKED_AT: usize = 1_000;

/// A molecule of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryEntry {
    /// Its row, from 1; a header is not counted.
    pub row: usize,
    /// What it is called, if the library says so.
    pub name: Option<String>,
    /// Its SMILES string; `None` where the cell is empty.
    pub structure: Option<String>,
}

/// A library of molecules: CSV or TSV with a header, or a `.smi` file; plain or gzip.
pub struct Library {
    path: PathBuf,
    lines: Lines,
    row: usize,
}

enum Lines {
    Smiles(Box<dyn BufRead + Send>),
    Cells {
        reader: csv::Reader<Box<dyn Read + Send>>,
        /// Rows that were read to find the column.
        ahead: VecDeque<csv::StringRecord>,
        structure: usize,
        name: Option<usize>,
    },
}

impl Library {
    /// Opens a library. The column of structures is `column`, or found by itself in the first thousand rows.
    ///
    /// # Errors
    /// When the file cannot be read, or no column holds structures.
    pub fn open(path: &Path, column: Option<&str>) -> Result<Library, SourceError> {
        let lines = match is_smiles(path) {
            true => Lines::Smiles(Box::new(BufReader::new(opened(path)?))),
            false => cells(path, column)?,
        };
        Ok(Library {
            path: path.to_owned(),
            lines,
            row: 0,
        })
    }

    /// The next molecules, `count` at most; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    pub fn next(&mut self, count: usize) -> Result<Vec<LibraryEntry>, SourceError> {
        let mut entries = Vec::new();
        while entries.len() < count {
            let Some((structure, name)) = self.lines.next(&self.path)? else {
                break;
            };
            self.row += 1;
            let given = |text: String| (!text.is_empty()).then_some(text);
            entries.push(LibraryEntry {
                row: self.row,
                name: name.and_then(given),
                structure: given(structure),
            });
        }
        Ok(entries)
    }
}

impl Lines {
    /// Structure and name of the next row.
    fn next(&mut self, path: &Path) -> Result<Option<(String, Option<String>)>, DataError> {
        match self {
            Lines::Smiles(reader) => loop {
                let mut bytes = Vec::new();
                let read = reader.read_until(b'\n', &mut bytes);
                if read.map_err(|source| unreadable(path, source))? == 0 {
                    return Ok(None);
                }
                let line = String::from_utf8_lossy(&bytes);
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let mut words = line.splitn(2, |c: char| c.is_ascii_whitespace());
                let structure = words.next().unwrap_or_default();
                if structure.to_lowercase().contains("smiles") {
                    continue;
                }
                let name = words.next().map(|name| name.trim().to_owned());
                return Ok(Some((structure.to_owned(), name)));
            },
            Lines::Cells {
                reader,
                ahead,
                structure,
                name,
            } => {
                let mut record = csv::StringRecord::new();
                let record = match ahead.pop_front() {
                    Some(record) => record,
                    None => match read_record(reader, &mut record, path)? {
                        true => record,
                        false => return Ok(None),
                    },
                };
                let cell = |place: usize| record.get(place).unwrap_or_default().trim().to_owned();
                Ok(Some((cell(*structure), name.map(cell))))
            }
        }
    }
}

/// The next record; bytes that are no UTF-8 are replaced, as no structure has them.
fn read_record(
    reader: &mut csv::Reader<Box<dyn Read + Send>>,
    record: &mut csv::StringRecord,
    path: &Path,
) -> Result<bool, DataError> {
    let mut bytes = csv::ByteRecord::new();
    let more = reader.read_byte_record(&mut bytes);
    let more = more.map_err(|error| unreadable(path, error.into()))?;
    *record = csv::StringRecord::from_byte_record_lossy(bytes);
    Ok(more)
}

fn cells(path: &Path, column: Option<&str>) -> Result<Lines, SourceError> {
    let mut begin = BufReader::new(opened(path)?);
    let first = begin
        .fill_buf()
        .map_err(|source| unreadable(path, source))?;
    if first.is_empty() {
        let path = path.to_owned();
        return Err(SourceError::Table(DataError::Empty { path }));
    }
    let header = first.split(|&b| b == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| header.iter().filter(|&&b| b == delimiter).count();
    let delimiter = *b",\t;"
        .iter()
        .max_by_key(|&&d| (count(d), d == b','))
        .unwrap_or(&b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(Box::new(begin) as Box<dyn Read + Send>);
    let header = reader.byte_headers();
    let header = header
        .map_err(|error| unreadable(path, error.into()))?
        .clone();
    let header = csv::StringRecord::from_byte_record_lossy(header);
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let mut ahead = VecDeque::new();
    let mut record = csv::StringRecord::new();
    while ahead.len() < LOOKED_AT && read_record(&mut reader, &mut record, path)? {
        ahead.push_back(record.clone());
    }
    let wanted = match column {
        Some(column) => column.to_owned(),
        None => {
            let found = find_structures(&sample(&names, &ahead));
            let found = found.map_err(|tried| SourceError::NoStructures {
                source_name: path.display().to_string(),
                tried,
            });
            found?.name
        }
    };
    let Some(structure) = names.iter().position(|name| *name == wanted) else {
        return Err(SourceError::Table(DataError::UnknownColumn {
            suggestion: did_you_mean(&wanted, &names),
            column: wanted,
            wanted_by: "the column of structures",
            known: names,
        }));
    };
    let name = (0..names.len()).find(|&place| place != structure && names_units(&names[place]));
    Ok(Lines::Cells {
        reader,
        ahead,
        structure,
        name,
    })
}

/// Whether a column says what molecules are called, by its own name.
fn names_units(column: &str) -> bool {
    let column = column.to_lowercase();
    ["name", "id", "compound", "title", "identifier"]
        .iter()
        .any(|word| {
            column == *word
                || column.ends_with(&format!("_{word}"))
                || column.ends_with(&format!(" {word}"))
        })
}

fn sample(names: &[String], rows: &VecDeque<csv::StringRecord>) -> Table {
    let column = |(place, name): (usize, &String)| {
        let mut dictionary: Vec<String> = Vec::new();
        let codes = rows.iter().map(|row| {
            let cell = row.get(place).unwrap_or_default().trim();
            if cell.is_empty() {
                return Values::MISSING;
            }
            dictionary.push(cell.to_owned());
            dictionary.len() as u32 - 1
        });
        let codes = codes.collect();
        Column {
            name: name.clone(),
            values: Values::Text { codes, dictionary },
        }
    };
    Table {
        columns: names.iter().enumerate().map(column).collect(),
    }
}

fn is_smiles(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    let name = name.trim_end_matches(".gz");
    [".smi", ".smiles", ".ism"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn opened(path: &Path) -> Result<Box<dyn Read + Send>, DataError> {
    let failed = |source| unreadable(path, source);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    let gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    Ok(match gzip {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> DataError {
    DataError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, text: &str, at_once: usize) -> Vec<LibraryEntry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut library = Library::open(&path, None).unwrap();
        let mut entries = Vec::new();
        loop {
            let more = library.next(at_once).unwrap();
            assert!(more.len() <= at_once);
            if more.is_empty() {
                return entries;
            }
            entries.extend(more);
        }
    }

    #[test]
    fn tables_and_files_of_structures_are_read_a_part_at_a_time() {
        let table = "mol_id;smiles;price\nA;CCCCO;1\nB;;2\nC;c1ccccc1N;3\n";
        let smi = "smiles name\nCCCCO A\n\n# nothing\nC1CC( B b\nc1ccccc1N\n";
        for at_once in [1, 2, 10] {
            let read = all("library.csv", table, at_once);
            assert_eq!(read.len(), 3);
            assert_eq!(read[0].structure.as_deref(), Some("CCCCO"));
            assert_eq!((read[1].structure.as_deref(), read[1].row), (None, 2));
            assert_eq!(read[2].name.as_deref(), Some("C"));
            let read = all("library.smi", smi, at_once);
            assert_eq!(read.len(), 3);
            assert_eq!(read[1].name.as_deref(), Some("B b"));
            assert_eq!(read[2].name, None);
        }
    }

    #[test]
    fn what_is_no_library_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, part) in [
            ("empty.csv", "", "is empty"),
            ("words.csv", "a,b\nhello there,1\n", "no column"),
            ("nothing.csv", "smiles,b\n", "no column"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = Library::open(&path, None).err().unwrap().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
        let path = folder.path().join("words.csv");
        assert!(Library::open(&path, Some("c")).is_err());
        assert!(Library::open(&folder.path().join("none.csv"), None).is_err());
    }
}
