//! The modality `molecule`: chemical structures.

mod aromaticity;
mod cleanup;
mod element;
mod error;
mod hydrogens;
mod isotopes;
mod kekulize;
mod molecule;
mod orbitals;
mod reader;
mod rings;
mod smiles;
mod stereo;
mod valence;

pub use error::MoleculeError;
pub use molecule::{Atom, Bond, Chirality, Hybridization, Molecule, Neighbour, Order, Stereo};
pub use reader::{Limits, Reader};
