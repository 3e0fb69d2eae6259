//! The modality `molecule`: chemical structures.

mod aromaticity;
mod canonical;
mod cleanup;
mod element;
mod error;
mod features;
mod fingerprint;
mod hydrogens;
mod isotopes;
mod kekulize;
mod molecule;
mod orbitals;
mod reader;
mod rings;
mod scaffold;
mod smiles;
mod stereo;
mod valence;
mod write;

pub use canonical::{Space, canonical_key, canonical_order};
pub use error::MoleculeError;
pub use features::{AtomFeatures, BOND_WIDTH, MoleculeBatch};
pub use fingerprint::{FINGERPRINT_BITS, FINGERPRINT_WORDS, Fingerprint, RADIUS, fingerprint_counts};
pub use molecule::{Atom, Bond, Chirality, Hybridization, Molecule, Neighbour, Order, Stereo};
pub use reader::{Limits, Reader};
pub use scaffold::murcko_scaffold;
pub use write::{to_smiles, to_smiles_in_order};
