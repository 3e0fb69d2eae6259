use std::path::PathBuf;

use candor_core::Hints;
use candor_data::DataError;
use thiserror::Error;

/// Why a text is not a molecule. Atoms and characters are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoleculeError {
    /// There is nothing.
    #[error("the structure is empty")]
    Empty,
    /// More than is read.
    #[error("the structure has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// A character where none of its kind may stand.
    #[error("character {at} ({found}): {expected}")]
    Syntax {
        /// The character's number.
        at: usize,
        /// The character, or `the end`.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A ring bond that is never closed.
    #[error("ring number {label} is opened at atom {atom} and never closed")]
    OpenRing {
        /// The number as written.
        label: u32,
        /// The atom.
        atom: usize,
    },
    /// A ring bond that joins what may not be joined.
    #[error("ring number {label} at character {at} {why}")]
    RingBond {
        /// The number as written.
        label: u32,
        /// Where it is closed.
        at: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// More bonds than the element can have.
    #[error(
        "atom {atom} ({symbol}) has valence {valence}: more than an atom of this element and charge can have"
    )]
    Valence {
        /// The atom.
        atom: usize,
        /// Its element.
        symbol: &'static str,
        /// The sum of its bond orders and hydrogens.
        valence: i32,
    },
    /// Lower-case (aromatic) atoms to which no alternating double bonds can be given.
    #[error(
        "the aromatic atoms around atom {atom} ({symbol}) cannot be given alternating double bonds"
    )]
    Kekule {
        /// The first atom that is left over.
        atom: usize,
        /// Its element.
        symbol: &'static str,
    },
    /// An aromatic atom that is in no ring.
    #[error("atom {atom} ({symbol}) is written as aromatic and is in no ring")]
    AromaticOutsideRing {
        /// The atom.
        atom: usize,
        /// Its element.
        symbol: &'static str,
    },
    /// A record of an SDF file that does not follow the format.
    #[error("line {line}: {why}")]
    Record {
        /// The line in the file.
        line: usize,
        /// What should stand there.
        why: &'static str,
    },
}

impl Hints for MoleculeError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            MoleculeError::Empty => "leave the row out, or give its structure",
            MoleculeError::TooLarge { .. } => {
                "leave the row out: models of small molecules say nothing about it"
            }
            MoleculeError::Syntax { .. }
            | MoleculeError::OpenRing { .. }
            | MoleculeError::RingBond { .. } => {
                "write the structure again with a drawing program, and check that the cell was not cut"
            }
            MoleculeError::Valence { .. } => {
                "check bonds and charges; a quaternary nitrogen, for instance, is written `[N+]`"
            }
            MoleculeError::Kekule { .. } => {
                "an aromatic nitrogen that carries hydrogen is written `[nH]`"
            }
            MoleculeError::AromaticOutsideRing { .. } => "write atoms outside rings in upper case",
            MoleculeError::Record { .. } => {
                "export the file again as SDF, version V2000, and check that it was copied whole"
            }
        };
        vec![hint.to_owned()]
    }
}

/// Why a source gives no molecules.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The table could not be read, or lacks the column.
    #[error(transparent)]
    Table(#[from] DataError),
    /// No column holds structures.
    #[error("no column of `{source_name}` holds structures ({tried})")]
    NoStructures {
        /// The source.
        source_name: String,
        /// The column that comes nearest, and how near.
        tried: String,
    },
    /// The column that was named holds no structures.
    #[error("column `{column}` holds no structures: {why}")]
    NotStructures {
        /// The column.
        column: String,
        /// What it holds.
        why: String,
    },
    /// More records are damaged than can be left out.
    #[error("{damaged} of {records} records of `{}` are damaged; the first: {first}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How many.
        damaged: usize,
        /// Records there are.
        records: usize,
        /// What is wrong with the first.
        first: MoleculeError,
    },
}

impl Hints for SourceError {
    fn hints(&self) -> Vec<String> {
        match self {
            SourceError::Table(error) => error.hints(),
            SourceError::NoStructures { .. } => vec![
                "structures are SMILES strings, as in `CC(=O)Oc1ccccc1C(=O)O` for aspirin"
                    .to_owned(),
            ],
            SourceError::NotStructures { .. } => {
                vec!["name the column of SMILES strings, or none, to have it found".to_owned()]
            }
            SourceError::Damaged { first, .. } => first.hints(),
        }
    }
}
