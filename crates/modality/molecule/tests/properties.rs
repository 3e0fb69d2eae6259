//! What holds for every molecule, and for every text.

use candor_molecule::{
    AtomFeatures, BOND_WIDTH, Fingerprint, Limits, Molecule, MoleculeBatch, MoleculeError, Reader,
    Space, canonical_key, fingerprint_counts, to_smiles, to_smiles_in_order,
};
use proptest::prelude::*;

const GOLDEN: &str = include_str!("golden/rdkit.tsv");

fn strings() -> Vec<&'static str> {
    let lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('\t').next()).collect()
}

/// The rows of a matrix in an order that does not depend on theirs, without the places of chirality, which the writer leaves out.
fn sorted_rows(values: &[f32], width: usize) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = values
        .chunks_exact(width)
        .map(|row| row.iter().map(|v| v.to_bits()).collect())
        .collect();
    rows.sort();
    rows
}

fn features(molecule: &Molecule) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let mut batch = MoleculeBatch::default();
    batch.push(molecule, AtomFeatures::Version2);
    (
        sorted_rows(&batch.atom_features, AtomFeatures::Version2.width()),
        sorted_rows(&batch.bond_features, BOND_WIDTH),
    )
}

proptest! {
    /// A molecule written from its atoms in any order is the same molecule, with the same features.
    #[test]
    fn the_order_of_atoms_changes_nothing(which in 0..200usize, seed in any::<u64>()) {
        // Written once, so that stereochemistry is gone.
        let flat = to_smiles(&Molecule::from_smiles(strings()[which]).unwrap());
        let molecule = Molecule::from_smiles(&flat).unwrap();
        let rank: Vec<u32> = (0..molecule.atoms().len() as u64)
            .map(|atom| ((atom + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32)
            .collect();
        let text = to_smiles_in_order(&molecule, &rank);
        let other = Molecule::from_smiles(&text).unwrap();
        prop_assert_eq!(features(&molecule), features(&other), "{} and {}", flat, text);
        prop_assert_eq!(
            canonical_key(&molecule, Space::Counts),
            canonical_key(&other, Space::Counts),
            "{} and {}", flat, text
        );
        prop_assert_eq!(Fingerprint::of(&molecule), Fingerprint::of(&other));
        prop_assert_eq!(fingerprint_counts(&molecule), fingerprint_counts(&other));
        prop_assert_eq!(to_smiles(&molecule), to_smiles(&other));
    }

    /// Whatever the text, there is a molecule or an error.
    #[test]
    fn no_text_panics(text in "[-=#$:/\\\\.()%0-9CNOSPFIBclnosp\\[\\]+@H*>< ]{0,60}") {
        read(&text);
    }

    /// Whatever the characters.
    #[test]
    fn no_characters_panic(text in "\\PC{0,40}") {
        read(&text);
    }

    /// Cut and spliced strings of real molecules reach deeper than random ones.
    #[test]
    fn no_damage_panics(a in 0..200usize, b in 0..200usize, cut in any::<prop::sample::Index>(), splice in any::<prop::sample::Index>()) {
        let (a, b) = (strings()[a], strings()[b]);
        let text = format!("{}{}", &a[..cut.index(a.len())], &b[splice.index(b.len())..]);
        read(&text);
    }
}

fn read(text: &str) {
    if let Ok(molecule) = Molecule::from_smiles(text) {
        let mut batch = MoleculeBatch::default();
        batch.push(&molecule, AtomFeatures::Version1);
        assert_eq!(batch.atoms(), molecule.atoms().len());
        let _ = canonical_key(&molecule, Space::Counts);
        let _ = Fingerprint::of(&molecule);
        let _ = to_smiles(&candor_molecule::murcko_scaffold(&molecule).unwrap_or_default());
    }
}

#[test]
fn what_is_refused_says_why() {
    let cases = [
        ("", "empty"),
        ("CC.", "after the dot"),
        (".CC", "between two molecules"),
        ("C..C", "between two molecules"),
        ("C(C", "never closed"),
        ("CC)", "no branch is open"),
        ("C()C", "may not end here"),
        ("C1CC", "ring number 1 is opened at atom 1"),
        ("C11", "joins an atom with itself"),
        ("C12CC12", "bonded already"),
        ("C=1CC#1", "different order"),
        ("C=", "between two atoms"),
        ("Xy", "an atom, a bond or a ring number"),
        ("[Xy]", "an element stands in brackets"),
        ("[CH4", "the bracket is closed"),
        ("C%1C", "two digits"),
        ("C(C)(C)(C)(C)C", "valence 5"),
        ("c1cccc1", "alternating double bonds"),
        ("cC", "is in no ring"),
        ("CCÖ", "`Ö`"),
    ];
    for (text, part) in cases {
        let message = Molecule::from_smiles(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text:?}: {message}");
    }
}

#[test]
fn texts_made_to_be_slow_or_deep_end_soon() {
    let limit = Limits::default().atoms;
    let too_long = "C".repeat(5_000);
    assert!(matches!(
        Molecule::from_smiles(&too_long),
        Err(MoleculeError::TooLarge { what: "atoms", .. })
    ));
    // Nesting as deep as atoms allow, and deeper.
    let nested = |depth: usize| format!("C{}{}", "(C".repeat(depth), ")".repeat(depth));
    assert!(Molecule::from_smiles(&nested(limit - 1)).is_ok());
    assert!(Molecule::from_smiles(&nested(100_000)).is_err());
    assert!(Molecule::from_smiles(&"(".repeat(100_000)).is_err());
    assert!(Molecule::from_smiles(&"[".repeat(100_000)).is_err());
    // Rings upon rings.
    let ladder: String = (0..900).map(|_| "C1C2").collect::<String>() + "C1C2";
    let _ = Molecule::from_smiles(&ladder);
    let bomb: String = (10..99)
        .map(|label| format!("C%{label}"))
        .collect::<String>()
        + &(10..99)
            .rev()
            .map(|label| format!("C%{label}"))
            .collect::<String>();
    let _ = Molecule::from_smiles(&bomb);
    let aromatic_bomb = bomb.replace('C', "c");
    let _ = Molecule::from_smiles(&aromatic_bomb);
    let star = format!("[U]{}", "%99".repeat(3_000));
    assert!(Molecule::from_smiles(&star).is_err());
    // A long chain and a large symmetric cage still have keys.
    let chain = Molecule::from_smiles(&"C".repeat(limit)).unwrap();
    assert_eq!(chain.atoms().len(), limit);
    let fullerene = "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41";
    let fullerene = Molecule::from_smiles(fullerene).unwrap();
    let rank: Vec<u32> = (0..60u32).map(|atom| atom * 37 % 61).collect();
    let other = Molecule::from_smiles(&to_smiles_in_order(&fullerene, &rank)).unwrap();
    assert_eq!(
        canonical_key(&fullerene, Space::Counts),
        canonical_key(&other, Space::Counts)
    );
    assert_eq!(fullerene.rings().count(), 32);
    // Many equal pieces, apart and together.
    let salts = ["C."; 999].concat() + "C";
    let ethanes = ["CC."; 499].concat() + "CC";
    let ring = format!("C1{}C1", "C".repeat(500));
    let polymer = "C(c1ccccc1)".repeat(200);
    for text in [salts, ethanes, ring, polymer] {
        let molecule = Molecule::from_smiles(&text).unwrap();
        let _ = canonical_key(&molecule, Space::Counts);
    }
}

#[test]
fn a_reader_can_be_used_after_errors() {
    let mut reader = Reader::default();
    let mut molecule = Molecule::default();
    assert!(reader.read("C1CC", &mut molecule).is_err());
    reader.read("c1ccccc1", &mut molecule).unwrap();
    assert_eq!(molecule, Molecule::from_smiles("c1ccccc1").unwrap());
}
