//! What is wrong with a column of structures before anything is learned from it. One check a file.

mod across;
mod cliffs;
mod duplicates;
mod mixtures;
mod unreadable;

use candor_core::{Evidence, Finding, Severity, Targets};
use rayon::prelude::*;

pub use across::structures_across;

use crate::canonical::{Space, canonical_key};
use crate::fingerprint::Fingerprint;
use crate::molecule::Molecule;
use crate::reader::Reader;
use crate::{Limits, MoleculeError};

/// Rows that a thread takes at once.
const CHUNK: usize = 256;
/// Rows shown as evidence.
const SHOWN: usize = 10;

/// What the checks know of one readable structure.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The same for the same molecule.
    pub key: u128,
    /// The same for stereoisomers too.
    pub flat_key: u128,
    /// Molecules in it: a salt has two.
    pub parts: usize,
    /// Atoms that are not hydrogen.
    pub atoms: usize,
    /// Its Morgan fingerprint.
    pub fingerprint: Fingerprint,
}

/// All structures of a column, read once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// One entry a row; `None` where the cell is missing.
    pub rows: Vec<Option<Result<Seen, MoleculeError>>>,
}

impl Survey {
    /// Reads the structures, on all threads of the pool in which it is called.
    pub fn of(strings: &[Option<&str>], limits: Limits) -> Survey {
        let rows = strings
            .par_chunks(CHUNK)
            .flat_map_iter(|chunk| {
                let mut reader = Reader::with_limits(limits);
                let mut molecule = Molecule::default();
                let see = |text: &Option<&str>| {
                    text.map(|text| {
                        reader.read(text, &mut molecule)?;
                        Ok(seen(&molecule))
                    })
                };
                chunk.iter().map(see).collect::<Vec<_>>()
            })
            .collect();
        Survey { rows }
    }

    /// Rows (from 0) without a usable structure, and why.
    pub fn unusable(&self) -> Vec<(usize, String)> {
        let why = |(row, entry): (usize, &Option<Result<Seen, MoleculeError>>)| match entry {
            None => Some((row, "no structure".to_owned())),
            Some(Err(error)) => Some((row, error.to_string())),
            Some(Ok(_)) => None,
        };
        self.rows.iter().enumerate().filter_map(why).collect()
    }

    /// Rows with a structure, ascending.
    fn seen(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(row, entry)| Some((row, entry.as_ref()?.as_ref().ok()?)))
    }

    /// Groups of two rows or more with the same key, in order of first appearance.
    fn equal(&self, key: impl Fn(&Seen) -> u128) -> Vec<Vec<usize>> {
        let mut rows: Vec<(u128, usize)> =
            self.seen().map(|(row, seen)| (key(seen), row)).collect();
        rows.sort_unstable();
        let mut groups: Vec<Vec<usize>> = rows
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|group| group.len() > 1)
            .map(|group| group.iter().map(|&(_, row)| row).collect())
            .collect();
        groups.sort_unstable();
        groups
    }
}

fn seen(molecule: &Molecule) -> Seen {
    let marked = molecule
        .atoms()
        .iter()
        .any(|atom| atom.chirality != crate::Chirality::None)
        || molecule
            .bonds()
            .iter()
            .any(|bond| bond.stereo != crate::Stereo::None);
    let flat_key = canonical_key(molecule, Space::Ignored);
    Seen {
        key: if marked {
            canonical_key(molecule, Space::Counts)
        } else {
            flat_key
        },
        flat_key,
        parts: molecule.parts().1,
        atoms: molecule
            .atoms()
            .iter()
            .filter(|atom| atom.number != 1)
            .count(),
        fingerprint: Fingerprint::of(molecule),
    }
}

/// What checks look at.
pub(crate) struct Context<'a> {
    pub survey: &'a Survey,
    pub targets: &'a Targets,
    /// Rows (from 0) without a target.
    pub without: &'a [usize],
    /// The column of structures.
    pub column: &'a str,
}

/// One thing that can be wrong with structures.
trait Check: Sync {
    /// What it finds.
    fn run(&self, context: &Context) -> Vec<Finding>;
}

/// All checks, in the order in which their findings are shown.
const CHECKS: [&dyn Check; 6] = [
    &unreadable::Unreadable,
    &unreadable::Impossible,
    &duplicates::Contradictions,
    &duplicates::Duplicates,
    &mixtures::Mixtures,
    &cliffs::Cliffs,
];

/// The names of all checks: the kinds of their findings.
pub fn structure_check_names() -> [&'static str; 9] {
    [
        "unreadable-structures",
        "missing-structures",
        "impossible-valences",
        "contradicting-structures",
        "duplicate-structures",
        "stereo-duplicates",
        "mixtures",
        "activity-cliffs",
        "structures-across",
    ]
}

/// Runs the checks. Rows without a usable structure are left out by whoever learns ([`Survey::unusable`]); nothing else is changed.
///
/// `targets` have one entry a row of the survey; what they say of the rows `without` a target is not looked at. Checks named in
/// `disabled` do not speak.
pub fn curate_structures(
    survey: &Survey,
    targets: &Targets,
    without: &[usize],
    column: &str,
    disabled: &[String],
) -> Vec<Finding> {
    let context = Context {
        survey,
        targets,
        without,
        column,
    };
    CHECKS
        .iter()
        .flat_map(|check| check.run(&context))
        .filter(|finding| !disabled.contains(&finding.kind))
        .collect()
}

/// The numbers (from 1) of the first few of some rows (from 0), and how many there are.
fn evidence(rows: &[usize], figure: impl Into<String>) -> Evidence {
    Evidence {
        rows: rows.iter().take(SHOWN).map(|row| row + 1).collect(),
        count: rows.len(),
        figure: figure.into(),
    }
}

/// A share as a person reads it.
fn percent(part: usize, whole: usize) -> String {
    candor_core::wording::percent(part as f64 / whole.max(1) as f64)
}

/// A warning above a twentieth of the rows, else a note.
fn by_share(part: usize, whole: usize) -> Severity {
    if part * 20 > whole {
        Severity::Warning
    } else {
        Severity::Note
    }
}

#[cfg(test)]
mod tests;
