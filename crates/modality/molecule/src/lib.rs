//! The modality `molecule`: chemical structures.

mod aromaticity;
mod bank;
mod canonical;
mod cleanup;
mod curate;
mod draw;
mod element;
mod error;
mod features;
mod fingerprint;
mod hydrogens;
mod isotopes;
mod kekulize;
mod layout;
mod molecule;
mod molfile;
mod orbitals;
mod reader;
mod rings;
mod scaffold;
mod smiles;
mod source;
mod split;
mod stereo;
mod valence;
mod write;

pub use bank::{FingerprintBank, Nearest, diverse};
pub use canonical::{Space, canonical_key, canonical_order};
pub use curate::{Seen, Survey, curate_structures, structure_check_names, structures_across};
pub use draw::draw;
pub use error::{MoleculeError, SourceError};
pub use features::{AtomFeatures, BOND_WIDTH, MoleculeBatch};
pub use fingerprint::{
    FINGERPRINT_BITS, FINGERPRINT_WORDS, Fingerprint, RADIUS, fingerprint_counts,
};
pub use molecule::{Atom, Bond, Chirality, Hybridization, Molecule, Neighbour, Order, Stereo};
pub use reader::{Limits, Reader};
pub use scaffold::murcko_scaffold;
pub use source::{MoleculeSource, StructureColumn, find_structures, read_molecules, structures};
pub use split::{ScaffoldParts, ScaffoldRule, scaffold_groups, scaffold_parts};
pub use write::{to_smiles, to_smiles_in_order};
