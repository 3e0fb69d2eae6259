//! What RDKit perceives of 200 molecules, atom by atom and bond by bond.

mod describe;

use candor_molecule::{Molecule, Space, canonical_key, murcko_scaffold};
use describe::describe;

const GOLDEN: &str = include_str!("golden/rdkit.tsv");

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect())
}

#[test]
fn atoms_bonds_and_fingerprints_are_rdkits() {
    let mut compared = 0;
    for row in rows() {
        let molecule = Molecule::from_smiles(row[0]).unwrap();
        let ours = describe(&molecule);
        let ours: Vec<&str> = ours.split('\t').collect();
        for (name, mine, theirs) in [
            ("atoms", ours[1], row[3]),
            ("bonds", ours[2], row[4]),
            ("counts", ours[4], row[5]),
        ] {
            assert_eq!(mine, theirs, "{name} of {}", row[0]);
        }
        compared += 1;
    }
    assert_eq!(compared, 200);
}

#[test]
fn scaffolds_are_rdkits() {
    for row in rows() {
        let scaffold = murcko_scaffold(&Molecule::from_smiles(row[0]).unwrap()).unwrap();
        if row[6].is_empty() {
            assert_eq!(scaffold.atoms().len(), 0, "{}", row[0]);
            continue;
        }
        let theirs = Molecule::from_smiles(row[6]).unwrap();
        assert_eq!(
            canonical_key(&scaffold, Space::Ignored),
            canonical_key(&theirs, Space::Ignored),
            "{}",
            row[0]
        );
    }
}

#[test]
fn every_way_to_write_a_molecule_gives_one_key() {
    for row in rows() {
        let key = |text| canonical_key(&Molecule::from_smiles(text).unwrap(), Space::Counts);
        assert_eq!(key(row[0]), key(row[1]), "{} and {}", row[0], row[1]);
        assert_eq!(key(row[0]), key(row[2]), "{} and {}", row[0], row[2]);
    }
}

#[test]
fn different_molecules_have_different_keys() {
    let mut keys: Vec<u128> = rows()
        .map(|row| canonical_key(&Molecule::from_smiles(row[0]).unwrap(), Space::Counts))
        .collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all);
}
