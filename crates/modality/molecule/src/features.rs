//! Atoms and bonds as numbers: exactly Chemprop's features, in flat arrays made for message passing.
//!
//! Yang et al., "Analyzing learned molecular representations for property prediction", J. Chem. Inf. Model. 59, 3370 (2019);
//! Heid et al., "Chemprop: a machine learning package for chemical property prediction", J. Chem. Inf. Model. 64, 9 (2024).

use serde::{Deserialize, Serialize};

use crate::molecule::{Atom, Bond, Hybridization, Molecule, Order};

/// Numbers that describe one bond: one for no bond (always 0), four for its order, conjugated, in a ring, seven for its stereo
/// configuration.
pub const BOND_WIDTH: usize = 14;

/// Which features atoms have.
///
/// Each block but the last two is a one-hot vector with a place more for what is not listed: atomic number, neighbours with
/// hydrogens (0 to 5), charge (-1, -2, 1, 2, 0), chirality (none, clockwise, counterclockwise, other), hydrogens (0 to 4),
/// hybridisation; then aromatic (0 or 1) and a hundredth of the mass in unified atomic mass units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtomFeatures {
    /// Of Chemprop 1: elements 1 to 100; 133 numbers.
    Version1,
    /// Of Chemprop 2: elements 1 to 36 and iodine; 72 numbers.
    #[default]
    Version2,
}

/// Places for neighbours, charge, chirality and hydrogens.
const MIDDLE: usize = 7 + 6 + 5 + 6;

impl AtomFeatures {
    /// Numbers that describe one atom.
    pub const fn width(self) -> usize {
        self.elements() + MIDDLE + self.hybridizations() + 2
    }

    const fn elements(self) -> usize {
        match self {
            AtomFeatures::Version1 => 101,
            AtomFeatures::Version2 => 38,
        }
    }

    const fn hybridizations(self) -> usize {
        match self {
            AtomFeatures::Version1 => 6,
            AtomFeatures::Version2 => 8,
        }
    }

    fn element(self, number: u8) -> usize {
        let number = usize::from(number);
        match self {
            AtomFeatures::Version1 if (1..=100).contains(&number) => number - 1,
            AtomFeatures::Version1 => 100,
            AtomFeatures::Version2 if (1..=36).contains(&number) => number - 1,
            AtomFeatures::Version2 if number == 53 => 36,
            AtomFeatures::Version2 => 37,
        }
    }

    fn hybridization(self, value: Hybridization) -> usize {
        use Hybridization as H;
        match self {
            AtomFeatures::Version1 => match value {
                H::Sp => 0,
                H::Sp2 => 1,
                H::Sp3 => 2,
                H::Sp3d => 3,
                H::Sp3d2 => 4,
                H::Unspecified | H::S | H::Sp2d => 5,
            },
            AtomFeatures::Version2 => match value {
                H::S => 0,
                H::Sp => 1,
                H::Sp2 => 2,
                H::Sp2d => 3,
                H::Sp3 => 4,
                H::Sp3d => 5,
                H::Sp3d2 => 6,
                H::Unspecified => 7,
            },
        }
    }

    /// Writes the features of one atom into `into`, which holds [`AtomFeatures::width`] zeros.
    fn write(self, atom: &Atom, total_degree: usize, into: &mut [f32]) {
        let mut start = 0;
        let mut block = |place: usize, places: usize| {
            into[start + place] = 1.0;
            start += places;
        };
        block(self.element(atom.number), self.elements());
        block(total_degree.min(6), 7);
        let charge = match atom.charge {
            -1 => 0,
            -2 => 1,
            1 => 2,
            2 => 3,
            0 => 4,
            _ => 5,
        };
        block(charge, 6);
        block((atom.chirality as usize).min(4), 5);
        block(atom.hydrogens().min(5), 6);
        block(
            self.hybridization(atom.hybridization),
            self.hybridizations(),
        );
        into[start] = f32::from(u8::from(atom.aromatic));
        into[start + 1] = (0.01 * atom.mass()) as f32;
    }
}

/// Writes the features of one bond into [`BOND_WIDTH`] zeros.
fn write_bond(bond: &Bond, into: &mut [f32]) {
    match bond.order {
        Order::Single => into[1] = 1.0,
        Order::Double => into[2] = 1.0,
        Order::Triple => into[3] = 1.0,
        Order::Aromatic => into[4] = 1.0,
        Order::Quadruple | Order::Dative => {}
    }
    into[5] = f32::from(u8::from(bond.conjugated));
    into[6] = f32::from(u8::from(bond.rings > 0));
    into[7 + bond.stereo as usize] = 1.0;
}

/// Several molecules as one graph without edges between them.
///
/// Every bond appears twice, once in each direction. Directed bonds are ordered by the atom to which they point, so that what
/// arrives at an atom is a range of rows and a sum over neighbours needs no index. A batch of several batches is their
/// concatenation with shifted numbers ([`MoleculeBatch::append`]).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MoleculeBatch {
    /// `[atoms, width]`.
    pub atom_features: Vec<f32>,
    /// `[directed bonds, BOND_WIDTH]`.
    pub bond_features: Vec<f32>,
    /// The atoms of molecule `m` are `molecules[m]..molecules[m + 1]`; empty when there are no molecules.
    pub molecules: Vec<u32>,
    /// The directed bonds that point to atom `a` are `incoming[a]..incoming[a + 1]`; empty when there are no molecules.
    pub incoming: Vec<u32>,
    /// The atom from which each directed bond comes.
    pub source: Vec<u32>,
    /// The atom to which each directed bond points.
    pub target: Vec<u32>,
    /// The same bond in the other direction.
    pub reverse: Vec<u32>,
}

impl MoleculeBatch {
    /// Adds a molecule.
    pub fn push(&mut self, molecule: &Molecule, features: AtomFeatures) {
        const UNSEEN: u32 = u32::MAX;
        if self.molecules.is_empty() {
            self.molecules.push(0);
            self.incoming.push(0);
        }
        let first = self.atoms() as u32;
        let bonds = self.source.len();
        let directed = bonds + 2 * molecule.bonds.len();
        let width = features.width();
        self.reverse.resize(directed, UNSEEN);
        self.bond_features.resize(directed * BOND_WIDTH, 0.0);
        let start = self.atom_features.len();
        self.atom_features
            .resize(start + molecule.atoms.len() * width, 0.0);
        let rows = self.atom_features[start..].chunks_exact_mut(width);
        // Where each bond was met first, until it is met again from its other end.
        let mut met = vec![UNSEEN; molecule.bonds.len()];
        for ((index, atom), row) in molecule.atoms.iter().enumerate().zip(rows) {
            features.write(atom, molecule.total_degree(index), row);
            for next in molecule.neighbours(index) {
                let at = self.source.len();
                self.source.push(first + next.atom);
                self.target.push(first + index as u32);
                let bond = next.bond as usize;
                let row = &mut self.bond_features[at * BOND_WIDTH..(at + 1) * BOND_WIDTH];
                write_bond(&molecule.bonds[bond], row);
                if met[bond] == UNSEEN {
                    met[bond] = at as u32;
                } else {
                    self.reverse[at] = met[bond];
                    self.reverse[met[bond] as usize] = at as u32;
                }
            }
            self.incoming.push(self.source.len() as u32);
        }
        self.molecules.push(first + molecule.atoms.len() as u32);
    }

    /// Adds all molecules of another batch.
    pub fn append(&mut self, other: &MoleculeBatch) {
        if self.molecules.is_empty() {
            self.clone_from(other);
            return;
        }
        let (atoms, bonds) = (self.atoms() as u32, self.source.len() as u32);
        self.atom_features.extend_from_slice(&other.atom_features);
        self.bond_features.extend_from_slice(&other.bond_features);
        let shifted =
            |values: &[u32], by: u32| values.iter().map(move |v| v + by).collect::<Vec<_>>();
        self.molecules
            .extend(shifted(other.molecules.get(1..).unwrap_or_default(), atoms));
        self.incoming
            .extend(shifted(other.incoming.get(1..).unwrap_or_default(), bonds));
        self.source.extend(shifted(&other.source, atoms));
        self.target.extend(shifted(&other.target, atoms));
        self.reverse.extend(shifted(&other.reverse, bonds));
    }

    /// The number of molecules.
    pub fn len(&self) -> usize {
        self.molecules.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of atoms.
    pub fn atoms(&self) -> usize {
        self.incoming.len().saturating_sub(1)
    }

    /// Takes everything out and keeps the memory.
    pub fn clear(&mut self) {
        self.atom_features.clear();
        self.bond_features.clear();
        self.molecules.clear();
        self.incoming.clear();
        self.source.clear();
        self.target.clear();
        self.reverse.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(strings: &[&str], features: AtomFeatures) -> MoleculeBatch {
        let mut batch = MoleculeBatch::default();
        for string in strings {
            batch.push(&Molecule::from_smiles(string).unwrap(), features);
        }
        batch
    }

    fn ones(row: &[f32]) -> Vec<usize> {
        (0..row.len()).filter(|&i| row[i] == 1.0).collect()
    }

    #[test]
    fn widths_are_chemprops() {
        assert_eq!(AtomFeatures::Version1.width(), 133);
        assert_eq!(AtomFeatures::Version2.width(), 72);
    }

    #[test]
    fn ethanols_oxygen_by_hand() {
        let made = batch(&["CCO"], AtomFeatures::Version2);
        let oxygen = &made.atom_features[2 * 72..];
        // Element 8; two neighbours; charge 0; no chirality; one hydrogen; sp3.
        let wanted = vec![7, 38 + 2, 45 + 4, 51, 56 + 1, 62 + 4];
        assert_eq!(ones(oxygen), wanted);
        assert_eq!(oxygen[71], 0.159_99);
        // A single bond, not conjugated, in no ring, without configuration.
        assert_eq!(ones(&made.bond_features[..BOND_WIDTH]), vec![1, 7]);
    }

    #[test]
    fn bonds_point_to_their_atoms_and_know_their_way_back() {
        let strings = ["C1CC1CO", "[Na+].[Cl-]", "c1ccccc1"];
        let made = batch(&strings, AtomFeatures::Version1);
        assert_eq!(made.molecules, [0, 5, 7, 13]);
        for atom in 0..made.atoms() {
            for bond in made.incoming[atom] as usize..made.incoming[atom + 1] as usize {
                assert_eq!(made.target[bond] as usize, atom);
                let back = made.reverse[bond] as usize;
                assert_ne!(back, bond);
                assert_eq!(made.reverse[back] as usize, bond);
                assert_eq!(made.source[back], made.target[bond]);
                assert_eq!(made.target[back], made.source[bond]);
                let row = |bond: usize| &made.bond_features[bond * BOND_WIDTH..][..BOND_WIDTH];
                assert_eq!(row(bond), row(back));
            }
        }
    }

    #[test]
    fn batches_are_concatenations() {
        let strings = ["C1CC1CO", "[Na+].[Cl-]", "c1ccccc1"];
        let whole = batch(&strings, AtomFeatures::Version2);
        let mut joined = MoleculeBatch::default();
        joined.append(&batch(&strings[..1], AtomFeatures::Version2));
        joined.append(&MoleculeBatch::default());
        joined.append(&batch(&strings[1..], AtomFeatures::Version2));
        assert_eq!(joined, whole);
    }
}
