use serde::{Deserialize, Serialize};

use crate::molecule::Molecule;
use crate::rings::RingFinder;
use crate::smiles::SmilesReader;
use crate::{MoleculeError, aromaticity, cleanup, hydrogens, kekulize, orbitals, stereo, valence};

/// The largest structures that are read. They bound time and memory for any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most atoms, written hydrogens included.
    pub atoms: usize,
    /// Most bonds in one system of fused rings.
    pub ring_system_bonds: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            atoms: 2_000,
            ring_system_bonds: 512,
        }
    }
}

/// Reads SMILES strings one after another; what it needs besides the molecule is allocated once.
///
/// The steps are RDKit's when it reads a SMILES string: hydrogens, groups with impossible valences, valences, rings,
/// double bonds, radicals, aromaticity, conjugation, orbitals, stereochemistry.
#[derive(Debug, Default)]
pub struct Reader {
    limits: Limits,
    smiles: SmilesReader,
    rings: RingFinder,
}

impl Reader {
    /// A reader of structures up to other sizes.
    pub fn with_limits(limits: Limits) -> Reader {
        Reader {
            limits,
            ..Reader::default()
        }
    }

    /// Reads the first word of `text` into `molecule`, whose memory is used again.
    ///
    /// # Errors
    /// The text is no SMILES string, or no molecule that RDKit would accept; what `molecule` then holds means nothing.
    pub fn read(&mut self, text: &str, molecule: &mut Molecule) -> Result<(), MoleculeError> {
        self.smiles.read(text, &self.limits, molecule)?;
        hydrogens::suppress(molecule)?;
        self.perceive(molecule)
    }

    /// Finds out what atoms and bonds mean.
    pub(crate) fn perceive(&mut self, molecule: &mut Molecule) -> Result<(), MoleculeError> {
        cleanup::clean(molecule)?;
        valence::update_all(molecule, true)?;
        self.rings.find(molecule, &self.limits)?;
        kekulize::kekulize(molecule)?;
        orbitals::radicals(molecule);
        aromaticity::perceive(molecule);
        orbitals::conjugation(molecule);
        orbitals::hybridization(molecule);
        settle_hydrogens(molecule)?;
        stereo::perceive(molecule);
        Ok(())
    }
}

/// Hydrogens that an aromatic atom has and its aromatic bonds no longer show are written out (`[nH]`).
fn settle_hydrogens(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    for index in 0..molecule.atoms.len() {
        if !molecule.atoms[index].aromatic {
            continue;
        }
        let before = molecule.atoms[index].implicit_hydrogens;
        valence::update(molecule, index, false)?;
        let atom = &mut molecule.atoms[index];
        if atom.implicit_hydrogens < before {
            atom.written_hydrogens += before - atom.implicit_hydrogens;
        }
        valence::update(molecule, index, true)?;
    }
    Ok(())
}
