//! What is perceived of a molecule, as text that other toolkits can write too.

use std::fmt::Write as _;

use candor_molecule::{
    Fingerprint, Molecule, Space, canonical_key, fingerprint_counts, murcko_scaffold, to_smiles,
};

/// Atoms (number, degree, charge, chirality, hydrogens, hybridisation, aromatic, mass), then bonds
/// (ends, order, conjugated, in ring, stereo), the bits of the Morgan fingerprint, its counts, the scaffold, the canonical key with
/// and without space, and the molecule written again without stereochemistry.
pub fn describe(molecule: &Molecule) -> String {
    let mut line = "ok\t".to_owned();
    for (index, atom) in molecule.atoms().iter().enumerate() {
        let _ = write!(
            &mut line,
            "{},{},{},{},{},{},{},{:.4};",
            atom.number,
            molecule.total_degree(index),
            atom.charge,
            atom.chirality as u8,
            atom.hydrogens(),
            hybridization(atom.hybridization),
            u8::from(atom.aromatic),
            atom.mass(),
        );
    }
    line.push('\t');
    let mut bonds: Vec<String> = molecule
        .bonds()
        .iter()
        .map(|bond| {
            format!(
                "{}-{},{},{},{},{}",
                bond.begin.min(bond.end),
                bond.begin.max(bond.end),
                bond.order as u8,
                u8::from(bond.conjugated),
                u8::from(bond.rings > 0),
                bond.stereo as u8
            )
        })
        .collect();
    bonds.sort_unstable();
    line.push_str(&bonds.join(";"));
    let numbers = |values: &[usize]| {
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        texts.join(",")
    };
    let counts = fingerprint_counts(molecule);
    let counts: Vec<String> = (0..counts.len())
        .filter(|&bit| counts[bit] > 0)
        .map(|bit| format!("{bit}:{}", counts[bit]))
        .collect();
    let scaffold = murcko_scaffold(molecule).map_or("error".to_owned(), |s| to_smiles(&s));
    let _ = write!(
        &mut line,
        "\t{}\t{}\t{scaffold}\t{:032x}\t{:032x}\t{}",
        numbers(&Fingerprint::of(molecule).bits()),
        counts.join(","),
        canonical_key(molecule, Space::Counts),
        canonical_key(molecule, Space::Ignored),
        to_smiles(molecule),
    );
    line
}

/// The number in RDKit's list.
fn hybridization(value: candor_molecule::Hybridization) -> u8 {
    use candor_molecule::Hybridization::*;
    match value {
        Unspecified => 0,
        S => 1,
        Sp => 2,
        Sp2 => 3,
        Sp3 => 4,
        Sp2d => 5,
        Sp3d => 6,
        Sp3d2 => 7,
    }
}
