//! Where molecules come from: a table, and which of its columns holds the structure.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use candor_core::did_you_mean;
use candor_data::{
    Column, DEFAULT_MISSING, DataError, ReadOptions, Source, SourceFacts, Table, Values,
    fingerprint_bytes, read_table,
};

use crate::molecule::Molecule;
use crate::molfile::{self, Record};
use crate::reader::Reader;
use crate::write::to_smiles_in_order;
use crate::{Limits, MoleculeError, SourceError};

/// Different texts of a column that are tried.
const TRIED: usize = 200;
/// Share of them that must be structures.
const LEAST_SHARE: f64 = 0.9;
/// The same, where the name of the column says that they are.
const LEAST_SHARE_WHEN_NAMED: f64 = 0.5;
/// Atoms in the mean, below which texts may be words and codes that only look like structures (`CO`, `N`, `IN`).
const LEAST_ATOMS: f64 = 4.0;
/// Share of records that may be damaged.
const MOST_DAMAGED: f64 = 0.05;

/// A column that holds structures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructureColumn {
    /// Its name.
    pub name: String,
    /// Why it was taken, in one clause.
    pub reason: String,
}

/// A table of molecules.
#[derive(Debug, Clone, PartialEq)]
pub struct MoleculeSource {
    /// One row a molecule.
    pub table: Table,
    /// How it was read.
    pub facts: SourceFacts,
    /// The column of SMILES strings.
    pub structures: StructureColumn,
    /// Rows (from 0) whose structure could not be taken over as a string, and why; their cells are missing.
    pub damaged: Vec<(usize, MoleculeError)>,
}

/// Reads a table (as [`read_table`] does), a `.smi` file (a string and a name a line) or an `.sdf` file (version V2000), plain or
/// gzip. The last two become a table with a column `smiles` and one for each property.
///
/// The column of structures is `column`, or found by itself.
///
/// # Errors
/// The source cannot be read, more than 5 % of its records are damaged, or no column holds structures.
pub fn read_molecules(
    source: &Source,
    options: &ReadOptions,
    column: Option<&str>,
) -> Result<MoleculeSource, SourceError> {
    let kind = match source {
        Source::File(path) => Kind::of(path).map(|kind| (kind, path)),
        Source::Builtin(_) => None,
    };
    let (read, damaged) = match kind {
        Some((Kind::Smiles, path)) => (read_smi(path)?, Vec::new()),
        Some((Kind::Sdf, path)) => read_sdf(path)?,
        None => {
            let read = read_table(source, options)?;
            ((read.table, read.facts), Vec::new())
        }
    };
    let (table, facts) = read;
    let structures = match (column, &kind) {
        (Some(column), _) => check_structures(&table, column)?,
        (None, Some((Kind::Sdf, _))) => StructureColumn {
            name: "smiles".to_owned(),
            reason: "the structures of the records, written as SMILES strings".to_owned(),
        },
        (None, _) => find_structures(&table).map_err(|tried| SourceError::NoStructures {
            source_name: source.to_string(),
            tried,
        })?,
    };
    Ok(MoleculeSource {
        table,
        facts,
        structures,
        damaged,
    })
}

/// Finds the column of SMILES strings: that whose different texts most often are structures, by name where several are.
///
/// # Errors
/// There is none: the column that comes nearest, in words.
pub fn find_structures(table: &Table) -> Result<StructureColumn, String> {
    let mut best: Option<(bool, f64, StructureColumn)> = None;
    let mut nearest: Option<(f64, String)> = None;
    for column in &table.columns {
        let Some(trial) = Trial::of(&column.values) else {
            continue;
        };
        let named = is_named(&column.name);
        let told = format!("`{}`: {trial}", column.name);
        if nearest
            .as_ref()
            .is_none_or(|(share, _)| trial.share() > *share)
        {
            nearest = Some((trial.share(), told));
        }
        if !trial.passes(named) {
            continue;
        }
        let better = best
            .as_ref()
            .is_none_or(|(best_named, share, _)| (named, trial.share()) > (*best_named, *share));
        if better {
            let found = StructureColumn {
                name: column.name.clone(),
                reason: trial.to_string(),
            };
            best = Some((named, trial.share(), found));
        }
    }
    best.map(|(_, _, found)| found)
        .ok_or_else(|| nearest.map_or("there is no column of text".to_owned(), |(_, told)| told))
}

fn check_structures(table: &Table, column: &str) -> Result<StructureColumn, SourceError> {
    let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    let Some(found) = table.column(column) else {
        return Err(SourceError::Table(DataError::UnknownColumn {
            column: column.to_owned(),
            wanted_by: "the column of structures",
            suggestion: did_you_mean(column, &names),
            known: names,
        }));
    };
    match Trial::of(&found.values) {
        Some(trial) if trial.structures > 0 => Ok(StructureColumn {
            name: column.to_owned(),
            reason: format!("as asked; {trial}"),
        }),
        Some(trial) => Err(SourceError::NotStructures {
            column: column.to_owned(),
            why: trial.to_string(),
        }),
        None => Err(SourceError::NotStructures {
            column: column.to_owned(),
            why: "it has no text".to_owned(),
        }),
    }
}

fn is_named(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("smiles")
        || matches!(name.as_str(), "structure" | "molecule" | "mol" | "compound")
}

/// How many of a column's texts are structures.
#[derive(Debug)]
struct Trial {
    tried: usize,
    structures: usize,
    atoms: usize,
}

impl Trial {
    /// Tries evenly spaced different texts; `None` for a column without text.
    fn of(values: &Values) -> Option<Trial> {
        let Values::Text { dictionary, .. } = values else {
            return None;
        };
        let mut trial = Trial {
            tried: 0,
            structures: 0,
            atoms: 0,
        };
        let mut reader = Reader::default();
        let mut molecule = Molecule::default();
        let step = dictionary.len().div_ceil(TRIED).max(1);
        for text in dictionary.iter().step_by(step) {
            trial.tried += 1;
            if reader.read(text, &mut molecule).is_ok() {
                trial.structures += 1;
                trial.atoms += molecule.atoms().len();
            }
        }
        (trial.tried > 0).then_some(trial)
    }

    fn share(&self) -> f64 {
        self.structures as f64 / self.tried as f64
    }

    fn mean_atoms(&self) -> f64 {
        self.atoms as f64 / self.structures.max(1) as f64
    }

    fn passes(&self, named: bool) -> bool {
        match named {
            true => self.share() >= LEAST_SHARE_WHEN_NAMED,
            false => self.share() >= LEAST_SHARE && self.mean_atoms() >= LEAST_ATOMS,
        }
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} different texts are SMILES strings, of {:.1} atoms in the mean",
            self.structures,
            self.tried,
            self.mean_atoms()
        )
    }
}

/// Formats of molecules alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Smiles,
    Sdf,
}

/// Whether a file holds molecules alone, by its name: `.smi`, `.sdf` and their like.
pub fn is_molecule_file(path: &Path) -> bool {
    Kind::of(path).is_some()
}

impl Kind {
    fn of(path: &Path) -> Option<Kind> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        match name.trim_end_matches(".gz").rsplit_once('.')?.1 {
            "smi" | "smiles" | "ism" => Some(Kind::Smiles),
            "sdf" | "sd" | "mol" => Some(Kind::Sdf),
            _ => None,
        }
    }
}

/// The text of a file, plain or gzip, with size and fingerprint of the file as stored.
fn read_text(path: &Path, format: &str) -> Result<(String, SourceFacts), DataError> {
    let unreadable = |source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let stored = std::fs::read(path).map_err(unreadable)?;
    let (bytes, sha256) = fingerprint_bytes(&stored);
    let gzip = stored.starts_with(&[0x1f, 0x8b]);
    let content = if gzip {
        let mut content = Vec::new();
        flate2::read::MultiGzDecoder::new(&stored[..])
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        content
    } else {
        stored
    };
    let text = match String::from_utf8(content) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    if text.trim().is_empty() {
        return Err(DataError::Empty {
            path: path.to_owned(),
        });
    }
    let facts = SourceFacts {
        source: path.display().to_string(),
        format: if gzip {
            format!("{format} (gzip)")
        } else {
            format.to_owned()
        },
        encoding: Some("UTF-8".to_owned()),
        bytes,
        sha256,
        ..SourceFacts::default()
    };
    Ok((text, facts))
}

fn read_smi(path: &Path) -> Result<(Table, SourceFacts), DataError> {
    let (text, mut facts) = read_text(path, "smi")?;
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    let header = lines
        .peek()
        .and_then(|line| line.split_ascii_whitespace().next())
        .is_some_and(|word| word.to_lowercase().contains("smiles"));
    if header {
        lines.next();
        facts
            .notes
            .push("the first line names the columns".to_owned());
    }
    let (mut structures, mut names) = (Texts::default(), Texts::default());
    let mut named = false;
    for line in lines {
        let (structure, name) = line
            .split_once(|c: char| c.is_ascii_whitespace())
            .unwrap_or((line, ""));
        structures.push(Some(structure));
        names.push(Some(name.trim()).filter(|name| !name.is_empty()));
        named |= !name.trim().is_empty();
    }
    let mut columns = vec![structures.column("smiles")];
    if named {
        columns.push(names.column("name"));
    }
    let table = Table { columns };
    complete(&mut facts, &table);
    Ok((table, facts))
}

type Damaged = Vec<(usize, MoleculeError)>;

fn read_sdf(path: &Path) -> Result<((Table, SourceFacts), Damaged), SourceError> {
    let (text, mut facts) = read_text(path, "sdf")?;
    let records = molfile::records(&text);
    let mut reader = Reader::default();
    let mut molecule = Molecule::default();
    let (mut structures, mut names) = (Texts::default(), Texts::default());
    let mut damaged: Damaged = Vec::new();
    let mut malformed = 0;
    for (row, record) in records.iter().enumerate() {
        names.push(Some(record.name()).filter(|name| !name.is_empty()));
        match record.molecule(&mut reader, &Limits::default(), &mut molecule) {
            Ok(()) => {
                let rank: Vec<u32> = (0..molecule.atoms().len() as u32).collect();
                structures.push(Some(&to_smiles_in_order(&molecule, &rank)));
            }
            Err(error) => {
                malformed += usize::from(matches!(error, MoleculeError::Record { .. }));
                structures.push(None);
                damaged.push((row, error));
            }
        }
    }
    if let Some((_, first)) = damaged.first()
        && (malformed as f64 > MOST_DAMAGED * records.len() as f64
            || damaged.len() == records.len())
    {
        return Err(SourceError::Damaged {
            path: path.to_owned(),
            damaged: damaged.len(),
            records: records.len(),
            first: first.clone(),
        });
    }
    let mut columns = vec![structures.column("smiles")];
    if names.known() {
        columns.push(names.column("name"));
    }
    columns.extend(properties(&records, &columns));
    let table = Table { columns };
    complete(&mut facts, &table);
    facts
        .notes
        .push("marks of stereochemistry in the records are not read".to_owned());
    Ok(((table, facts), damaged))
}

fn complete(facts: &mut SourceFacts, table: &Table) {
    facts.rows = table.rows();
    facts.source_rows = facts.rows;
    facts.columns = table.columns.len();
}

/// One column for each name of a data item, in order of first appearance.
fn properties(records: &[Record], taken: &[Column]) -> Vec<Column> {
    let mut order: Vec<String> = Vec::new();
    let mut cells: HashMap<String, Vec<Option<String>>> = HashMap::new();
    for (row, record) in records.iter().enumerate() {
        for (name, value) in record.items() {
            let name = match taken.iter().any(|column| column.name == name) {
                true => format!("{name} (property)"),
                false => name.to_owned(),
            };
            let column = cells.entry(name.clone()).or_insert_with(|| {
                order.push(name);
                vec![None; records.len()]
            });
            let missing = DEFAULT_MISSING
                .iter()
                .any(|marker| marker.eq_ignore_ascii_case(&value));
            column[row] = (!missing).then_some(value);
        }
    }
    let made = order.into_iter().filter_map(|name| {
        let values = cells.remove(&name)?;
        let numbers: Option<Vec<f64>> = values
            .iter()
            .map(|value| value.as_ref().map_or(Some(f64::NAN), |v| v.parse().ok()))
            .collect();
        Some(match numbers {
            Some(numbers) if numbers.iter().any(|n| !n.is_nan()) => Column {
                name,
                values: Values::Numeric(numbers),
            },
            _ => {
                let mut texts = Texts::default();
                values.iter().for_each(|value| texts.push(value.as_deref()));
                texts.column(&name)
            }
        })
    });
    made.collect()
}

/// A column of text as it is filled.
#[derive(Debug, Default)]
struct Texts {
    codes: Vec<u32>,
    dictionary: Vec<String>,
    known: HashMap<String, u32>,
}

impl Texts {
    fn push(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            self.codes.push(Values::MISSING);
            return;
        };
        let code = match self.known.get(text) {
            Some(&code) => code,
            None => {
                let code = self.dictionary.len() as u32;
                self.dictionary.push(text.to_owned());
                self.known.insert(text.to_owned(), code);
                code
            }
        };
        self.codes.push(code);
    }

    fn known(&self) -> bool {
        !self.dictionary.is_empty()
    }

    fn column(self, name: &str) -> Column {
        Column {
            name: name.to_owned(),
            values: Values::Text {
                codes: self.codes,
                dictionary: self.dictionary,
            },
        }
    }
}

/// The structures of a column, `None` where missing.
pub fn structures(values: &Values) -> Vec<Option<&str>> {
    match values {
        Values::Numeric(numbers) => vec![None; numbers.len()],
        Values::Text { codes, dictionary } => codes
            .iter()
            .map(|&code| dictionary.get(code as usize).map(String::as_str))
            .collect(),
    }
}
