use candor_core::Hints;
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
    #[error("atom {atom} ({symbol}) has valence {valence}: more than an atom of this element and charge can have")]
    Valence {
        /// The atom.
        atom: usize,
        /// Its element.
        symbol: &'static str,
        /// The sum of its bond orders and hydrogens.
        valence: i32,
    },
    /// Lower-case (aromatic) atoms to which no alternating double bonds can be given.
    #[error("the aromatic atoms around atom {atom} ({symbol}) cannot be given alternating double bonds")]
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
            MoleculeError::AromaticOutsideRing { .. } => {
                "write atoms outside rings in upper case"
            }
        };
        vec![hint.to_owned()]
    }
}
