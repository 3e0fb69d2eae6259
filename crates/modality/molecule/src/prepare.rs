use burn::tensor::Device;
use candor_core::{Distribution, Targets};
use candor_train::{Batches, TargetScale};
use serde::{Deserialize, Serialize};

use crate::descriptors::DESCRIPTORS;
use crate::{AtomFeatures, ClassBalance, MoleculeGraph, MoleculeUnits};

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// What atoms are described by.
    pub features: AtomFeatures,
    /// Mean and standard deviation of each descriptor.
    pub descriptors: Vec<(f32, f32)>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
    /// What classes count; alike until it is set.
    #[serde(default)]
    pub class_balance: ClassBalance,
}

/// Standard deviations at which a network sees a descriptor no further. Distances are measured on what is not cut.
const MOST_SEEN: f32 = 5.0;

impl Preparation {
    /// Fits on the molecules `train`; a descriptor that never changes has a standard deviation of 1.
    pub fn fit(molecules: &MoleculeUnits, targets: &Targets, train: &[usize]) -> Preparation {
        let count = train.len().max(1) as f64;
        let mut sums = [(0.0f64, 0.0f64); DESCRIPTORS];
        for &unit in train {
            for ((sum, squares), value) in sums.iter_mut().zip(molecules.descriptors(unit)) {
                let value = f64::from(value);
                *sum += value;
                *squares += value * value;
            }
        }
        let moments = |(sum, squares): (f64, f64)| {
            let mean = sum / count;
            let variance = squares / count - mean * mean;
            // What rounding leaves of a constant is not a variance.
            let sd = if variance > 1e-9 * (1.0 + mean * mean) {
                variance.sqrt()
            } else {
                1.0
            };
            (mean as f32, sd as f32)
        };
        Preparation {
            features: molecules.features(),
            descriptors: sums.into_iter().map(moments).collect(),
            target_scale: TargetScale::fit(targets, train),
            class_balance: ClassBalance::default(),
        }
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.descriptors.len() != DESCRIPTORS || self.descriptors.iter().any(damaged) {
            return Err("scaling of the descriptors is damaged".into());
        }
        self.class_balance.check()?;
        self.target_scale.check()
    }

    /// What a network says, in the units of the target and with the odds of the data.
    pub fn restored(&self, said: Distribution) -> Distribution {
        self.class_balance.undo(self.target_scale.unscale(said))
    }

    /// Standardised descriptors, `[indices, DESCRIPTORS]`: what distances between molecules are measured on.
    pub fn standardised(&self, molecules: &MoleculeUnits, indices: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(indices.len() * DESCRIPTORS);
        for &unit in indices {
            let own = molecules
                .descriptors(unit)
                .into_iter()
                .zip(&self.descriptors);
            values.extend(own.map(|(value, (mean, sd))| (value - mean) / sd));
        }
        values
    }
}

/// Molecules from which a network's batches are made.
#[derive(Debug)]
pub struct PreparedMolecules<'a> {
    molecules: &'a MoleculeUnits,
    preparation: &'a Preparation,
}

impl<'a> PreparedMolecules<'a> {
    /// Molecules as the preparation has them.
    pub fn new(
        molecules: &'a MoleculeUnits,
        preparation: &'a Preparation,
    ) -> PreparedMolecules<'a> {
        PreparedMolecules {
            molecules,
            preparation,
        }
    }
}

impl Batches for PreparedMolecules<'_> {
    type Batch = MoleculeGraph;

    fn batch(&self, indices: &[usize], device: &Device) -> MoleculeGraph {
        let structures = self.molecules.structures(indices);
        let mut descriptors = self.preparation.standardised(self.molecules, indices);
        for value in &mut descriptors {
            *value = value.clamp(-MOST_SEEN, MOST_SEEN);
        }
        let features = self.preparation.features;
        MoleculeGraph::new(&structures, features, descriptors, device)
    }

    fn class_weights(&self) -> Option<&[f32]> {
        self.preparation.class_balance.weights()
    }

    fn units_at_once(&self) -> usize {
        // About 5 MB of messages of drug-like molecules.
        64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DESCRIPTOR_NAMES, Limits};

    #[test]
    fn scaling_is_that_of_the_training_part() {
        let strings = [Some("CC"), Some("CCCC"), Some("CCCCCCCCCCCCCCCCCCCCCCCC")];
        let (units, unusable) =
            MoleculeUnits::read(&strings, AtomFeatures::Version2, Limits::default());
        assert!(unusable.is_empty());
        let molecules = units.get::<MoleculeUnits>().unwrap();
        let targets = Targets::Classes(vec![0, 1, 0]);
        let fitted = Preparation::fit(molecules, &targets, &[0, 1]);
        assert_eq!(fitted.check(), Ok(()));
        let carbon = DESCRIPTOR_NAMES
            .iter()
            .position(|n| *n == "carbon")
            .unwrap();
        assert_eq!(fitted.descriptors[carbon], (3.0, 1.0));
        // No nitrogen anywhere.
        assert_eq!(fitted.descriptors[carbon + 1], (0.0, 1.0));
        let far = fitted.standardised(molecules, &[2]);
        assert_eq!(far[carbon], 21.0);
        let batch = PreparedMolecules::new(molecules, &fitted).batch(&[2, 0], &Device::flex());
        assert_eq!(batch.len(), 2);
        let seen: Vec<f32> = batch.descriptors().into_data().iter().collect();
        assert_eq!((seen[carbon], seen[DESCRIPTORS + carbon]), (5.0, -1.0));
    }

    #[test]
    fn a_damaged_preparation_is_refused() {
        let (units, _) =
            MoleculeUnits::read(&[Some("C")], AtomFeatures::Version2, Limits::default());
        let molecules = units.get::<MoleculeUnits>().unwrap();
        let fitted = Preparation::fit(molecules, &Targets::Classes(vec![0]), &[0]);
        let mut cases = vec![fitted; 3];
        cases[0].descriptors[1].1 = 0.0;
        cases[1].descriptors.pop();
        cases[2].descriptors[2].0 = f32::NAN;
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
