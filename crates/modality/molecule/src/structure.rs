use crate::canonical::{Space, canonical_order};
use crate::descriptors::{DESCRIPTORS, descriptors, descriptors_without, sparse_fingerprint};
use crate::features::{AtomFeatures, BOND_WIDTH, MoleculeBatch};
use crate::fingerprint::fingerprints_without_atoms;
use crate::molecule::Molecule;
use crate::smiles::inversions;

/// One molecule as models take it. Features are kept sparse: an atom has 8 numbers that are not zero, of 72.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Structure {
    /// The directed bonds that point to atom `a` are `incoming[a]..incoming[a + 1]`; empty when there are no atoms.
    pub incoming: Vec<u32>,
    /// The atom from which each directed bond comes.
    pub source: Vec<u32>,
    /// The same bond in the other direction.
    pub reverse: Vec<u32>,
    /// Features of the atoms.
    pub atoms: Sparse,
    /// Features of the directed bonds.
    pub bonds: Sparse,
    /// Places of the fingerprint that are hit, and how often.
    pub fingerprint: Vec<(u16, u16)>,
    pub descriptors: [f32; DESCRIPTORS],
}

/// Rows of which most numbers are zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sparse {
    /// Row `i` has the entries `starts[i]..starts[i + 1]`; empty when there are no rows.
    pub starts: Vec<u32>,
    pub columns: Vec<u16>,
    pub values: Vec<f32>,
}

impl Sparse {
    fn of(rows: &[f32], width: usize) -> Sparse {
        let mut sparse = Sparse {
            starts: vec![0],
            ..Sparse::default()
        };
        for row in rows.chunks_exact(width) {
            for (column, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                sparse.columns.push(column as u16);
                sparse.values.push(value);
            }
            sparse.starts.push(sparse.columns.len() as u32);
        }
        sparse
    }

    /// The same with nothing in one row.
    fn without(&self, row: usize) -> Sparse {
        let (start, end) = (self.starts[row], self.starts[row + 1]);
        let mut sparse = self.clone();
        sparse.columns.drain(start as usize..end as usize);
        sparse.values.drain(start as usize..end as usize);
        let moved = sparse.starts.iter_mut().skip(row + 1);
        moved.for_each(|place| *place -= end - start);
        sparse
    }
}

/// Makes structures of molecules; what it needs besides is allocated once.
#[derive(Debug, Default)]
pub(crate) struct StructureMaker {
    features: AtomFeatures,
    batch: MoleculeBatch,
}

impl StructureMaker {
    pub fn new(features: AtomFeatures) -> StructureMaker {
        StructureMaker {
            features,
            ..StructureMaker::default()
        }
    }

    /// The molecule, and behind it for each of its atoms the molecule of which that atom shows nothing: its features are zero, what is
    /// counted of molecules leaves it out, and so do fingerprints with the environments that it is part of. Its bonds stay.
    pub fn make_masked(&mut self, molecule: &Molecule) -> Vec<Structure> {
        let whole = self.make(molecule);
        let fingerprints = fingerprints_without_atoms(molecule).into_iter();
        let masked = fingerprints
            .enumerate()
            .map(|(atom, fingerprint)| Structure {
                atoms: whole.atoms.without(atom),
                fingerprint,
                descriptors: descriptors_without(molecule, atom),
                ..whole.clone()
            });
        let masked: Vec<Structure> = masked.collect();
        std::iter::once(whole).chain(masked).collect()
    }

    /// The molecule as models take it.
    pub fn make(&mut self, molecule: &Molecule) -> Structure {
        self.batch.clear();
        match turned(molecule) {
            Some(turned) => self.batch.push(&turned, self.features),
            None => self.batch.push(molecule, self.features),
        }
        Structure {
            incoming: self.batch.incoming.clone(),
            source: self.batch.source.clone(),
            reverse: self.batch.reverse.clone(),
            atoms: Sparse::of(&self.batch.atom_features, self.features.width()),
            bonds: Sparse::of(&self.batch.bond_features, BOND_WIDTH),
            fingerprint: sparse_fingerprint(molecule),
            descriptors: descriptors(molecule),
        }
    }
}

/// The molecule with its marks of chirality as they would be if its atoms were written in canonical order; `None` where it has none.
///
/// A mark says how neighbours lie in the order in which they happen to be written. As a feature (of Chemprop, which takes it as it
/// is) it would make two strings of one molecule different.
fn turned(molecule: &Molecule) -> Option<Molecule> {
    let marked = |atom: &crate::Atom| atom.chirality.is_tetrahedral();
    if !molecule.atoms.iter().any(marked) {
        return None;
    }
    let place = canonical_order(molecule, Space::Counts);
    let mut turned = molecule.clone();
    for (index, atom) in turned.atoms.iter_mut().enumerate() {
        let around = molecule.neighbours(index).iter();
        let around: Vec<u32> = around.map(|next| place[next.atom as usize]).collect();
        if inversions(&around) % 2 == 1 {
            atom.chirality = atom.chirality.inverted();
        }
    }
    Some(turned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical_key;

    fn rows(text: &str) -> Vec<Vec<(u16, u32)>> {
        let molecule = Molecule::from_smiles(text).unwrap();
        let made = StructureMaker::new(AtomFeatures::Version2).make(&molecule);
        let row = |ends: &[u32]| {
            let entries = ends[0] as usize..ends[1] as usize;
            let value = |entry: usize| {
                (
                    made.atoms.columns[entry],
                    made.atoms.values[entry].to_bits(),
                )
            };
            entries.map(value).collect()
        };
        let mut rows: Vec<Vec<(u16, u32)>> = made.atoms.starts.windows(2).map(row).collect();
        rows.sort();
        rows
    }

    #[test]
    fn a_molecule_has_the_same_features_however_it_is_written() {
        for (first, second) in [
            ("C[C@H](N)C(=O)O", "OC(=O)[C@@H](N)C"),
            ("C[C@H](N)C(=O)O", "N[C@@H](C)C(O)=O"),
            ("C[C@@H]1CC[C@H](O)CC1", "O[C@@H]1CC[C@H](C)CC1"),
            ("c1ccccc1O", "Oc1ccccc1"),
        ] {
            let key = |text| canonical_key(&Molecule::from_smiles(text).unwrap(), Space::Counts);
            assert_eq!(key(first), key(second), "{first} {second}");
            assert_eq!(rows(first), rows(second), "{first} {second}");
        }
        assert_ne!(rows("C[C@H](N)C(=O)O"), rows("C[C@@H](N)C(=O)O"));
    }

    #[test]
    fn few_numbers_are_kept() {
        let oxygen = &rows("CCO")[2];
        assert_eq!(oxygen.len(), 7, "{oxygen:?}");
    }
}
