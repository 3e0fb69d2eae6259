use candor_train::{MemberError, Units};
use rayon::prelude::*;

use crate::descriptors::DESCRIPTORS;
use crate::features::AtomFeatures;
use crate::molecule::Molecule;
use crate::reader::Reader;
use crate::structure::{Structure, StructureMaker};
use crate::{Limits, MoleculeError};

/// Molecules as the models of this modality take them.
#[derive(Debug)]
pub struct MoleculeUnits {
    features: AtomFeatures,
    structures: Vec<Structure>,
}

/// Rows that a thread takes at once.
const CHUNK: usize = 256;

/// A unit that has no structure, and why: nothing was given, or it cannot be read.
pub type Unusable = (usize, Option<MoleculeError>);

impl MoleculeUnits {
    /// Reads all strings, on all threads of the pool in which it is called. Those without a usable structure become molecules without
    /// atoms, which no one should ask a model about; they are named beside the units.
    pub fn read(
        strings: &[Option<&str>],
        features: AtomFeatures,
        limits: Limits,
    ) -> (Units, Vec<Unusable>) {
        let chunks = strings.par_chunks(CHUNK).flat_map_iter(|chunk| {
            let mut reader = Reader::with_limits(limits);
            let mut molecule = Molecule::default();
            let mut maker = StructureMaker::new(features);
            let read = |text: &Option<&str>| -> Result<Structure, Option<MoleculeError>> {
                let text = text.ok_or(None)?;
                reader.read(text, &mut molecule).map_err(Some)?;
                Ok(maker.make(&molecule))
            };
            chunk.iter().map(read).collect::<Vec<_>>()
        });
        let read: Vec<Result<Structure, Option<MoleculeError>>> = chunks.collect();
        let mut unusable = Vec::new();
        let structures = read.into_iter().enumerate().map(|(unit, read)| {
            read.unwrap_or_else(|error| {
                unusable.push((unit, error));
                Structure::default()
            })
        });
        let structures = structures.collect();
        (MoleculeUnits::wrap(features, structures), unusable)
    }

    /// Molecules that are in memory.
    pub fn of<'a>(
        molecules: impl IntoIterator<Item = &'a Molecule>,
        features: AtomFeatures,
    ) -> Units {
        let mut maker = StructureMaker::new(features);
        let made = molecules.into_iter().map(|molecule| maker.make(molecule));
        MoleculeUnits::wrap(features, made.collect())
    }

    pub(crate) fn wrap(features: AtomFeatures, structures: Vec<Structure>) -> Units {
        let units = MoleculeUnits {
            features,
            structures,
        };
        Units::new(units.structures.len(), units)
    }

    /// The molecules of units, if their atoms have the features that a model was made for.
    pub(crate) fn of_units(
        units: &Units,
        features: AtomFeatures,
    ) -> Result<&MoleculeUnits, MemberError> {
        let found = units.get::<MoleculeUnits>()?;
        if found.features == features {
            return Ok(found);
        }
        Err(MemberError::Malformed(format!(
            "the model takes {} numbers an atom, these molecules have {}",
            features.width(),
            found.features.width()
        )))
    }

    /// The number of molecules.
    pub fn len(&self) -> usize {
        self.structures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.structures.is_empty()
    }

    /// What the models of [`crate::descriptors`] see of a unit; zeros for one that is not there.
    pub(crate) fn descriptors(&self, unit: usize) -> [f32; DESCRIPTORS] {
        self.structures
            .get(unit)
            .map_or([0.0; DESCRIPTORS], |structure| structure.descriptors)
    }

    /// Places of the fingerprint that are hit, and how often.
    pub(crate) fn fingerprint(&self, unit: usize) -> &[(u16, u16)] {
        self.structures
            .get(unit)
            .map_or(&[], |structure| &structure.fingerprint)
    }

    /// Those at `indices` that exist, in that order.
    pub(crate) fn structures(&self, indices: &[usize]) -> Vec<&Structure> {
        let found = indices.iter().filter_map(|&unit| self.structures.get(unit));
        found.collect()
    }

    /// What atoms are described by.
    pub fn features(&self) -> AtomFeatures {
        self.features
    }
}
