use candor_baselines::{BaselineError, FeatureKind, Matrix};
use serde::{Deserialize, Serialize};

use crate::MoleculeUnits;
use crate::descriptors::DESCRIPTORS;
use crate::fingerprint::FINGERPRINT_BITS;

/// What classical models see of a molecule: its descriptors, and how often it hits those places of the Morgan fingerprint that the
/// training part hits often enough to learn from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Columns {
    /// Places of the fingerprint, ascending.
    places: Vec<u16>,
}

/// Training molecules that must hit a place.
const FEWEST: usize = 3;
/// Places at most.
const MOST: usize = 1024;

impl Columns {
    /// The places that most of the molecules `train` hit.
    pub fn fit(molecules: &MoleculeUnits, train: &[usize]) -> Columns {
        let mut hits = vec![0usize; FINGERPRINT_BITS];
        for &unit in train {
            for &(place, _) in molecules.fingerprint(unit) {
                hits[usize::from(place)] += 1;
            }
        }
        let mut places: Vec<u16> = (0..FINGERPRINT_BITS as u16)
            .filter(|&place| hits[usize::from(place)] >= FEWEST)
            .collect();
        places.sort_by_key(|&place| std::cmp::Reverse(hits[usize::from(place)]));
        places.truncate(MOST);
        places.sort_unstable();
        Columns { places }
    }

    /// Why these columns cannot be used, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let outside = |place: &u16| usize::from(*place) >= FINGERPRINT_BITS;
        let ascend = self.places.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || self.places.iter().any(outside) {
            return Err("the places of its fingerprint are damaged".into());
        }
        Ok(())
    }

    /// One row a molecule.
    ///
    /// # Errors
    /// Never for molecules that exist.
    pub fn matrix(
        &self,
        molecules: &MoleculeUnits,
        indices: &[usize],
    ) -> Result<Matrix, BaselineError> {
        let width = DESCRIPTORS + self.places.len();
        let mut values = vec![0.0; indices.len() * width];
        for (row, &unit) in values.chunks_exact_mut(width).zip(indices) {
            row[..DESCRIPTORS].copy_from_slice(&molecules.descriptors(unit));
            for &(place, count) in molecules.fingerprint(unit) {
                if let Ok(column) = self.places.binary_search(&place) {
                    row[DESCRIPTORS + column] = f32::from(count);
                }
            }
        }
        Matrix::new(indices.len(), vec![FeatureKind::Numeric; width], values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AtomFeatures, Limits};

    #[test]
    fn places_that_the_training_part_hits_often_are_seen() {
        let strings = [Some("CCO"), Some("CCO"), Some("CCO"), Some("c1ccccc1")];
        let (units, _) = MoleculeUnits::read(&strings, AtomFeatures::Version2, Limits::default());
        let molecules = units.get::<MoleculeUnits>().unwrap();
        let columns = Columns::fit(molecules, &[0, 1, 2]);
        // Three atoms and their environments; the chain as a whole is found once.
        assert_eq!(columns.places.len(), 6);
        assert_eq!(columns.check(), Ok(()));
        let matrix = columns.matrix(molecules, &[3, 0]).unwrap();
        assert_eq!(
            (matrix.rows(), matrix.columns().len()),
            (2, DESCRIPTORS + 6)
        );
        assert_eq!(Columns::fit(molecules, &[3, 0]).places, [] as [u16; 0]);
        for damaged in [vec![5, 5], vec![7, 3], vec![FINGERPRINT_BITS as u16]] {
            assert!(Columns { places: damaged }.check().is_err());
        }
    }
}
