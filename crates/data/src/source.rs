use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use candor_core::did_you_mean;
use serde::{Deserialize, Serialize};

use crate::read::{self, FileFormat, builtin};
use crate::{DataError, Table};

/// Where a table comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A built-in data set, named without `@`.
    Builtin(String),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Reads `@name` as a built-in data set and anything else as a path.
    ///
    /// # Errors
    /// The built-in set is unknown or holds pictures, the path does not exist, or it is a folder.
    pub fn parse(text: &str) -> Result<Source, DataError> {
        if let Some(name) = text.strip_prefix('@') {
            let known = [&builtin::NAMES[..], &crate::image::BUILTIN_NAMES[..]].concat();
            return if builtin::NAMES.contains(&name) {
                Ok(Source::Builtin(name.to_owned()))
            } else if crate::image::BUILTIN_NAMES.contains(&name) {
                Err(DataError::BuiltinPictures {
                    name: name.to_owned(),
                })
            } else {
                Err(DataError::UnknownBuiltin {
                    name: name.to_owned(),
                    suggestion: did_you_mean(name, &known),
                })
            };
        }
        let path = PathBuf::from(text);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Err(DataError::IsDirectory { path }),
            Ok(_) => Ok(Source::File(path)),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                let suggestion = missing_file_suggestion(&path);
                Err(DataError::NotFound { path, suggestion })
            }
            Err(source) => Err(DataError::Unreadable { path, source }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Builtin(name) => write!(f, "@{name}"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A near miss among the built-in sets or among the files of the same folder.
fn missing_file_suggestion(path: &Path) -> String {
    let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else {
        return String::new();
    };
    if builtin::NAMES.contains(&name.as_str()) && path.components().count() == 1 {
        return format!("; did you mean `@{name}`?");
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new(".")));
    let mut beside: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    beside.sort();
    did_you_mean(&name, &beside)
}

/// Texts that mean a missing value unless quoted otherwise; letters match in any case.
pub const DEFAULT_MISSING: [&str; 9] = ["", "NA", "N/A", "NaN", "null", "None", "?", "-", "."];

/// How a source is read. The default detects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// The character between cells of delimited text; detected when `None`.
    pub delimiter: Option<char>,
    /// Whether the first row holds the column names; detected when `None`.
    pub header: Option<bool>,
    /// Texts that mean a missing value, beside [`DEFAULT_MISSING`].
    pub missing: Vec<String>,
    /// Memory of the whole process, in bytes. The table takes at most a quarter of it, because
    /// later steps hold copies; when it needs more, evenly spaced rows are read and a note says so.
    pub memory_bytes: Option<u64>,
    /// Read only these columns, kept in the order of the source.
    pub columns: Option<Vec<String>>,
}

impl ReadOptions {
    /// The bytes that a table may take.
    pub(crate) fn table_bytes(&self) -> Option<u64> {
        self.memory_bytes.map(|bytes| (bytes / 4).max(1))
    }
}

/// Texts that mean a missing value, compared after trimming and without case.
#[derive(Debug, Clone)]
pub(crate) struct MissingMarkers {
    lower: BTreeSet<String>,
    longest: usize,
}

impl MissingMarkers {
    pub(crate) fn new(further: &[String]) -> MissingMarkers {
        let given = further.iter().map(String::as_str);
        let lower: BTreeSet<String> = DEFAULT_MISSING
            .into_iter()
            .chain(given)
            .map(|marker| marker.trim().to_lowercase())
            .collect();
        let longest = lower.iter().map(String::len).max().unwrap_or(0);
        MissingMarkers { lower, longest }
    }

    /// Whether a trimmed text means a missing value.
    pub(crate) fn contains(&self, text: &str) -> bool {
        if text.is_empty() {
            return true;
        }
        // No marker in another case can be longer than twice its lower-case form.
        if text.len() > 2 * self.longest {
            return false;
        }
        if text
            .bytes()
            .all(|b| !b.is_ascii_uppercase() && b.is_ascii())
        {
            return self.lower.contains(text);
        }
        self.lower.contains(&text.to_lowercase())
    }
}

/// Whether column names were found, and why that was concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFact {
    /// Whether the first row holds names; if not, the columns are called `c1`, `c2`, ...
    pub found: bool,
    /// Why, in one clause.
    pub reason: String,
}

/// What was found out about a source while it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceFacts {
    /// The source as a person writes it.
    pub source: String,
    /// `csv`, `parquet`, `arrow` or `built-in`; gzip is added as `csv (gzip)`.
    pub format: String,
    /// Encoding of the text; `None` for binary formats.
    pub encoding: Option<String>,
    /// Character between cells; `None` for binary formats and where runs of blanks separate them.
    pub delimiter: Option<char>,
    /// Column names found or made; `None` for formats that always carry them.
    pub header: Option<HeaderFact>,
    /// Rows in the table.
    pub rows: usize,
    /// Rows in the source, including those that were skipped.
    pub source_rows: usize,
    /// Columns in the table.
    pub columns: usize,
    /// Size of the source in bytes, as stored.
    pub bytes: u64,
    /// SHA-256 of the bytes as stored, in lower-case hexadecimal.
    pub sha256: String,
    /// The usual target of a built-in set.
    pub default_target: Option<String>,
    /// Everything that a person should know about the reading, one sentence each.
    pub notes: Vec<String>,
}

/// A table with the facts of its reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The cells.
    pub table: Table,
    /// How they were read.
    pub facts: SourceFacts,
}

/// Reads a source into memory. Formats are told by their first bytes, not by the file's name.
///
/// # Errors
/// The file cannot be read, is empty, binary, damaged, or more than 5 % of its rows are ragged.
pub fn read_table(source: &Source, options: &ReadOptions) -> Result<Read, DataError> {
    let mut read = match source {
        Source::Builtin(name) => builtin::read(name, options)?,
        Source::File(path) => match FileFormat::of(path)? {
            FileFormat::Delimited => read::delimited::read(path, options)?,
            FileFormat::Parquet => read::parquet::read(path, options)?,
            FileFormat::ArrowFile => read::arrow_ipc::read_file(path, options)?,
            FileFormat::ArrowStream => read::arrow_ipc::read_stream(path, options)?,
            FileFormat::Hdf5 => read::hdf5::read(path, options)?,
        },
    };
    read.facts.source = source.to_string();
    read.facts.rows = read.table.rows();
    read.facts.columns = read.table.columns.len();
    Ok(read)
}

/// The names of the built-in data sets, as written after `@`.
pub fn builtin_names() -> [&'static str; builtin::NAMES.len()] {
    builtin::NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_of_built_in_sets_and_files_are_suggested() {
        let error = Source::parse("@irsi").unwrap_err();
        assert!(
            error.to_string().ends_with("did you mean `@iris`?")
                || error.to_string().contains("`iris`")
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("patients.csv"), "a,b\n1,2\n").unwrap();
        let error =
            Source::parse(&folder.path().join("pateints.csv").to_string_lossy()).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `patients.csv`"),
            "{error}"
        );
        assert!(matches!(
            Source::parse(&folder.path().to_string_lossy()),
            Err(DataError::IsDirectory { .. })
        ));
    }

    #[test]
    fn a_built_in_name_without_its_sign_is_suggested() {
        let error = Source::parse("iris").unwrap_err();
        assert!(error.to_string().contains("`@iris`"), "{error}");
    }

    #[test]
    fn markers_match_without_case_and_only_whole_cells() {
        let markers = MissingMarkers::new(&["Not Asked".to_owned()]);
        for missing in [
            "",
            "na",
            "NaN",
            "NULL",
            "none",
            "?",
            "-",
            ".",
            "not asked",
            "n/a",
        ] {
            assert!(markers.contains(missing), "{missing:?}");
        }
        for value in ["nap", "-1", "0", "no", "not", "..", "Nonesuch"] {
            assert!(!markers.contains(value), "{value:?}");
        }
    }
}
