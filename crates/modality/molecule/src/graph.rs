use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::Csr;
use candor_nn::SparseRows;

use crate::descriptors::DESCRIPTORS;
use crate::features::{AtomFeatures, BOND_WIDTH};
use crate::fingerprint::FINGERPRINT_BITS;
use crate::structure::{Sparse, Structure};

/// Several molecules as one graph without edges between them, for networks.
///
/// Directed bonds are ordered by the atom to which they point, as in [`crate::MoleculeBatch`]. The matrices by which messages pass are
/// made when a body asks for them.
#[derive(Debug, Clone)]
pub struct MoleculeGraph {
    /// The atoms of molecule `m` are `molecules[m]..molecules[m + 1]`.
    molecules: Vec<usize>,
    /// The directed bonds that point to atom `a` are `incoming[a]..incoming[a + 1]`.
    incoming: Vec<usize>,
    source: Vec<u32>,
    reverse: Vec<u32>,
    atoms: Rows,
    bonds: Rows,
    fingerprints: Rows,
    /// `[molecules, DESCRIPTORS]`, standardised.
    descriptors: Tensor<2>,
    features: AtomFeatures,
}

/// Sparse rows under construction.
#[derive(Debug, Clone)]
struct Rows {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Rows {
    fn new() -> Rows {
        Rows {
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds entries of a row that is not ended yet, their columns moved by `by`.
    fn extend(&mut self, from: &Sparse, row: usize, by: u32) {
        let entries = from.starts[row] as usize..from.starts[row + 1] as usize;
        let columns = &from.columns[entries.clone()];
        self.columns
            .extend(columns.iter().map(|&c| u32::from(c) + by));
        self.values.extend_from_slice(&from.values[entries]);
    }

    /// The same of rows of a batch.
    fn extend_rows(&mut self, from: &Rows, row: usize, by: u32) {
        let entries = from.starts[row]..from.starts[row + 1];
        let columns = &from.columns[entries.clone()];
        self.columns.extend(columns.iter().map(|c| c + by));
        self.values.extend_from_slice(&from.values[entries]);
    }

    fn end_row(&mut self) {
        self.starts.push(self.columns.len());
    }

    fn push(&mut self, column: u32, value: f32) {
        self.columns.push(column);
        self.values.push(value);
    }

    fn finish(self, width: usize) -> SparseRows {
        SparseRows {
            places: csr(width, self.starts, self.columns),
            values: Some(Arc::from(self.values)),
        }
    }
}

fn csr(columns: usize, starts: Vec<usize>, indices: Vec<u32>) -> Csr {
    Csr::new(columns, starts, indices)
        .unwrap_or_else(|e| unreachable!("rows were added one after another: {e}"))
}

impl MoleculeGraph {
    /// The molecules side by side; `descriptors` are theirs, standardised, row by row.
    pub(crate) fn new(
        structures: &[&Structure],
        features: AtomFeatures,
        descriptors: Vec<f32>,
        device: &Device,
    ) -> MoleculeGraph {
        let shape = [structures.len(), DESCRIPTORS];
        let mut graph = MoleculeGraph {
            molecules: vec![0],
            incoming: vec![0],
            source: Vec::new(),
            reverse: Vec::new(),
            atoms: Rows::new(),
            bonds: Rows::new(),
            fingerprints: Rows::new(),
            descriptors: Tensor::from_data(TensorData::new(descriptors, shape), device),
            features,
        };
        for structure in structures {
            graph.push(structure);
        }
        graph
    }

    fn push(&mut self, structure: &Structure) {
        let (first_atom, first_bond) = (self.atom_count(), self.bond_count());
        let shift = |values: &[u32], by: usize| {
            let by = by as u32;
            values.iter().map(|value| value + by).collect::<Vec<u32>>()
        };
        self.source.extend(shift(&structure.source, first_atom));
        self.reverse.extend(shift(&structure.reverse, first_bond));
        let ends = structure.incoming.iter().skip(1);
        self.incoming
            .extend(ends.map(|&end| first_bond + end as usize));
        for row in 0..structure.incoming.len().saturating_sub(1) {
            self.atoms.extend(&structure.atoms, row, 0);
            self.atoms.end_row();
        }
        for row in 0..structure.source.len() {
            self.bonds.extend(&structure.bonds, row, 0);
            self.bonds.end_row();
        }
        self.molecules.push(self.atom_count());
        for &(place, count) in &structure.fingerprint {
            // One hit is 1, two are 1.6: further ones say less and less.
            self.fingerprints
                .push(u32::from(place), f32::from(count).ln_1p() / 2f32.ln());
        }
        self.fingerprints.end_row();
    }

    /// The number of molecules.
    pub fn len(&self) -> usize {
        self.molecules.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of atoms.
    pub fn atom_count(&self) -> usize {
        self.incoming.len() - 1
    }

    /// The number of directed bonds: two a bond.
    pub fn bond_count(&self) -> usize {
        self.source.len()
    }

    /// Standardised descriptors, `[molecules, DESCRIPTORS]`.
    pub fn descriptors(&self) -> Tensor<2> {
        self.descriptors.clone()
    }

    /// A row for each molecule, with an entry for each of its atoms in order.
    pub fn atoms_of_molecules(&self) -> Csr {
        let atoms = self.atom_count();
        csr(atoms, self.molecules.clone(), (0..atoms as u32).collect())
    }

    /// Features of atoms, `[atoms, AtomFeatures::width]`.
    pub fn atoms(&self) -> SparseRows {
        self.atoms.clone().finish(self.features.width())
    }

    /// Features of each directed bond behind those of the atom that it comes from, `[bonds, AtomFeatures::width + BOND_WIDTH]`.
    pub fn sources_and_bonds(&self) -> SparseRows {
        let width = self.features.width();
        let mut rows = Rows::new();
        for (bond, &source) in self.source.iter().enumerate() {
            rows.extend_rows(&self.atoms, source as usize, 0);
            rows.extend_rows(&self.bonds, bond, width as u32);
            rows.end_row();
        }
        rows.finish(width + BOND_WIDTH)
    }

    /// The sum of the features of the bonds of each atom, `[atoms, BOND_WIDTH]`.
    pub fn sums_of_bonds(&self) -> SparseRows {
        let mut rows = Rows::new();
        for ends in self.incoming.windows(2) {
            for bond in ends[0]..ends[1] {
                rows.extend_rows(&self.bonds, bond, 0);
            }
            rows.end_row();
        }
        rows.finish(BOND_WIDTH)
    }

    /// For each atom the directed bonds that point to it.
    pub fn arriving(&self) -> Csr {
        let bonds = self.bond_count();
        csr(bonds, self.incoming.clone(), (0..bonds as u32).collect())
    }

    /// For each directed bond those that point to the atom that it comes from, but for its own reverse.
    pub fn continued(&self) -> Csr {
        let (mut starts, mut indices) = (vec![0], Vec::new());
        for (&source, &reverse) in self.source.iter().zip(&self.reverse) {
            let arriving = self.incoming[source as usize]..self.incoming[source as usize + 1];
            indices.extend(arriving.map(|bond| bond as u32).filter(|&b| b != reverse));
            starts.push(indices.len());
        }
        csr(self.bond_count(), starts, indices)
    }

    /// The neighbours of each atom, and the atom itself if `itself`.
    pub fn neighbours(&self, itself: bool) -> Csr {
        let (mut starts, mut indices) = (vec![0], Vec::new());
        for (atom, ends) in self.incoming.windows(2).enumerate() {
            indices.extend(itself.then_some(atom as u32));
            indices.extend_from_slice(&self.source[ends[0]..ends[1]]);
            starts.push(indices.len());
        }
        csr(self.atom_count(), starts, indices)
    }

    /// How often each place of the fingerprint is hit, on a logarithmic scale, `[molecules, FINGERPRINT_BITS]`.
    pub fn fingerprints(&self) -> SparseRows {
        self.fingerprints.clone().finish(FINGERPRINT_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Molecule;
    use crate::structure::StructureMaker;

    fn graph(strings: &[&str]) -> MoleculeGraph {
        let features = AtomFeatures::Version2;
        let mut maker = StructureMaker::new(features);
        let made: Vec<Structure> = strings
            .iter()
            .map(|text| maker.make(&Molecule::from_smiles(text).unwrap()))
            .collect();
        let zeros = vec![0.0; strings.len() * DESCRIPTORS];
        let made: Vec<&Structure> = made.iter().collect();
        MoleculeGraph::new(&made, features, zeros, &Device::flex())
    }

    fn rows(matrix: &Csr) -> Vec<Vec<u32>> {
        let row = |row: usize| matrix.indices()[matrix.row(row)].to_vec();
        (0..matrix.rows()).map(row).collect()
    }

    #[test]
    fn matrices_of_methane_and_propane_by_hand() {
        let graph = graph(&["C", "CCC"]);
        assert_eq!(
            (graph.len(), graph.atom_count(), graph.bond_count()),
            (2, 4, 4)
        );
        assert_eq!(rows(&graph.atoms_of_molecules()), [vec![0], vec![1, 2, 3]]);
        // Bonds: 2 to 1; 1 to 2, 3 to 2; 2 to 3.
        assert_eq!(
            rows(&graph.arriving()),
            [vec![], vec![0], vec![1, 2], vec![3]]
        );
        // What comes from the middle continues what came to it from the other end.
        assert_eq!(rows(&graph.continued()), [vec![2], vec![], vec![], vec![1]]);
        let neighbours = [vec![], vec![2], vec![1, 3], vec![2]];
        assert_eq!(rows(&graph.neighbours(false)), neighbours);
        assert_eq!(rows(&graph.neighbours(true))[2], [2, 1, 3]);
    }

    #[test]
    fn features_stand_where_chemprop_has_them() {
        let graph = graph(&["CO"]);
        let both = graph.sources_and_bonds();
        let width = AtomFeatures::Version2.width();
        // The bond to the carbon comes from the oxygen, element 8; it is single, without configuration.
        let first = &both.places.indices()[both.places.row(0)];
        assert_eq!(first[0], 7);
        let of_bond = |c: &&u32| **c as usize >= width;
        let bond: Vec<u32> = first.iter().filter(of_bond).copied().collect();
        assert_eq!(bond, [width as u32 + 1, width as u32 + 7]);
        let sums = graph.sums_of_bonds();
        assert_eq!(rows(&sums.places), [vec![1, 7], vec![1, 7]]);
        assert_eq!(graph.atoms().places.rows(), 2);
    }
}
