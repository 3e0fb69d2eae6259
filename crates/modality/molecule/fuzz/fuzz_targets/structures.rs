//! Whatever the text: a molecule or an error, and what is made of a molecule can be read again.
#![no_main]

use candor_molecule::{
    AtomFeatures, Fingerprint, Molecule, MoleculeBatch, Space, canonical_key, descriptors, draw,
    murcko_scaffold, to_smiles,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(molecule) = Molecule::from_smiles(text) else {
        return;
    };
    let mut batch = MoleculeBatch::default();
    batch.push(&molecule, AtomFeatures::default());
    assert_eq!(batch.atoms(), molecule.atoms().len());
    let _ = (Fingerprint::of(&molecule), descriptors(&molecule));
    let _ = canonical_key(&molecule, Space::Counts);
    let _ = to_smiles(&molecule);
    let _ = draw(&murcko_scaffold(&molecule).unwrap_or_default(), None);
});
