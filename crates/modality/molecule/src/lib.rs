//! The modality `molecule`: one prediction is about one chemical structure.
//!
//! `smiles` to `stereo` read structures as RDKit does; `source` finds them in tables and files, and `curate` says what is wrong with
//! them. `data` holds them as models take them, `graph` is a batch of them for networks; `prepare` fits what a network needs on the
//! training part; `design` names the networks and the space of a search, `body` how each sees a molecule; `challenge` is what can go
//! wrong in the world.

mod aromaticity;
mod attribution;
mod bank;
pub mod body;
mod canonical;
mod challenge;
mod class_balance;
mod cleanup;
mod columns;
mod curate;
mod data;
mod descriptors;
mod design;
mod draw;
mod element;
mod error;
mod features;
mod fingerprint;
mod graph;
mod hydrogens;
mod isotopes;
mod kekulize;
mod layout;
mod learner;
mod library;
mod molecule;
mod molfile;
mod network;
mod orbitals;
mod prepare;
mod reader;
mod rings;
mod scaffold;
mod smiles;
mod source;
mod split;
mod stereo;
mod structure;
mod valence;
mod write;

pub use attribution::{atom_weights, atoms_masked};
pub use bank::{FingerprintBank, Nearest, diverse};
pub use canonical::{Space, canonical_key, canonical_order};
pub use challenge::{
    StructureChange, atom_kinds, atoms_shuffled, kind_shuffled, structures_changed,
};
pub use class_balance::ClassBalance;
pub use columns::Columns;
pub use curate::{Seen, Survey, curate_structures, structure_check_names, structures_across};
pub use data::{MoleculeUnits, Unusable};
pub use descriptors::{DESCRIPTOR_NAMES, DESCRIPTORS, descriptors};
pub use design::{BodyKind, MoleculeDesign, Readout, space};
pub use draw::draw;
pub use error::{MoleculeError, SourceError};
pub use features::{AtomFeatures, BOND_WIDTH, MoleculeBatch};
pub use fingerprint::{
    FINGERPRINT_BITS, FINGERPRINT_WORDS, Fingerprint, RADIUS, fingerprint_counts,
};
pub use graph::MoleculeGraph;
pub use learner::MoleculeLearner;
pub use library::{Library, LibraryEntry};
pub use molecule::{Atom, Bond, Chirality, Hybridization, Molecule, Neighbour, Order, Stereo};
pub use network::MoleculeNetwork;
pub use prepare::{Preparation, PreparedMolecules};
pub use reader::{Limits, Reader};
pub use scaffold::murcko_scaffold;
pub use source::{
    MoleculeSource, StructureColumn, find_structures, is_molecule_file, read_molecules, structures,
};
pub use split::{ScaffoldParts, ScaffoldRule, scaffold_groups, scaffold_parts};
pub use write::{to_smiles, to_smiles_in_order};
