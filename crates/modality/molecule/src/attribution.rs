//! Which atoms a prediction rests on.
//!
//! Each atom in turn is masked, and what the prediction loses is its weight. That asks the deployed model itself, whatever it is made of,
//! networks and trees on fingerprints alike, and needs one prediction for each atom. Weights need not add up to the prediction: what two
//! atoms say only together counts for both, and what either would say alone for none.
//!
//! Sheridan, "Interpretation of QSAR models by coloring atoms according to changes in predicted activity: how robust is it?", J. Chem.
//! Inf. Model. 59, 1324 (2019); for fingerprints Riniker & Landrum, "Similarity maps", J. Cheminform. 5, 43 (2013).

use candor_train::Units;

use crate::structure::StructureMaker;
use crate::{AtomFeatures, Molecule, MoleculeUnits};

/// The molecule (unit 0), and for each of its atoms in order the molecule of which that atom shows nothing (units 1 and on): features of
/// the atom are zero, counts leave it out, and fingerprints the environments that it is part of. Its bonds stay.
pub fn atoms_masked(molecule: &Molecule, features: AtomFeatures) -> Units {
    let made = StructureMaker::new(features).make_masked(molecule);
    MoleculeUnits::wrap(features, made)
}

/// The weight of each atom by what is predicted of the units of [`atoms_masked`]: positive where the prediction falls without the atom.
pub fn atom_weights(predicted: &[f64]) -> Vec<f64> {
    let Some((whole, masked)) = predicted.split_first() else {
        return Vec::new();
    };
    masked.iter().map(|without| whole - without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FINGERPRINT_BITS, fingerprint_counts};

    #[test]
    fn an_atom_that_is_masked_shows_nothing_and_the_others_all() {
        for text in [
            "CCO",
            "c1ccccc1C(=O)N",
            "[Na+].[Cl-]",
            "C[C@H](N)C(=O)O",
            "[2H]C",
        ] {
            let molecule = Molecule::from_smiles(text).unwrap();
            let units = atoms_masked(&molecule, AtomFeatures::Version2);
            let atoms = molecule.atoms().len();
            assert_eq!(units.len(), 1 + atoms);
            let molecules = units.get::<MoleculeUnits>().unwrap();
            let all: Vec<usize> = (0..units.len()).collect();
            let structures = molecules.structures(&all);
            let row = |unit: usize, atom: usize| {
                let starts = &structures[unit].atoms.starts;
                let entries = starts[atom] as usize..starts[atom + 1] as usize;
                structures[unit].atoms.columns[entries].to_vec()
            };
            for masked in 0..atoms {
                for atom in 0..atoms {
                    let seen = row(1 + masked, atom);
                    match atom == masked {
                        true => assert!(seen.is_empty()),
                        false => assert_eq!(seen, row(0, atom)),
                    }
                }
            }
        }
    }

    #[test]
    fn fingerprints_lose_the_environments_around_an_atom_alone() {
        // The ends are six bonds apart: what is seen of one does not change when the other is masked.
        let molecule = Molecule::from_smiles("OCCCCCN").unwrap();
        let units = atoms_masked(&molecule, AtomFeatures::Version2);
        let molecules = units.get::<MoleculeUnits>().unwrap();
        let hits = |unit: usize| -> usize {
            let hits = molecules.fingerprint(unit).iter();
            hits.map(|(_, count)| usize::from(*count)).sum()
        };
        let whole = fingerprint_counts(&molecule);
        assert_eq!(whole.len(), FINGERPRINT_BITS);
        assert_eq!(
            hits(0),
            whole.iter().map(|c| usize::from(*c)).sum::<usize>()
        );
        // The oxygen is part of itself, of its bond, and of the first two, three and four bonds.
        assert_eq!(hits(0) - hits(1), 5);
        assert!(hits(0) - hits(4) > 5);
        let nitrogen = molecules.fingerprint(7);
        assert!(
            nitrogen
                .iter()
                .all(|hit| molecules.fingerprint(0).iter().any(|h| h.0 == hit.0))
        );
    }

    #[test]
    fn what_is_lost_without_an_atom_is_its_weight() {
        assert_eq!(atom_weights(&[1.0, 0.25, 1.5]), [0.75, -0.5]);
        assert!(atom_weights(&[]).is_empty());
    }
}
