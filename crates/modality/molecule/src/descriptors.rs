use crate::fingerprint::fingerprint_counts;
use crate::molecule::{Chirality, Molecule, Order, Stereo};

/// Numbers of a molecule that need no chemistry beyond its formula and its bonds.
pub const DESCRIPTORS: usize = 26;

/// What each of them is.
pub const DESCRIPTOR_NAMES: [&str; DESCRIPTORS] = [
    "heavy atoms",
    "mass in 100 u",
    "hydrogens",
    "carbon",
    "nitrogen",
    "oxygen",
    "fluorine",
    "phosphorus",
    "sulphur",
    "chlorine",
    "bromine",
    "iodine",
    "other elements",
    "charge",
    "charged atoms",
    "donors of hydrogen bonds",
    "share of sp3 among carbons",
    "aromatic atoms",
    "rings",
    "largest ring",
    "rotatable bonds",
    "double bonds",
    "triple bonds",
    "branches",
    "stereocentres and configurations",
    "molecules in the structure",
];

/// Places of [`DESCRIPTOR_NAMES`] that count an element.
const ELEMENTS: [(u8, usize); 9] = [
    (6, 3),
    (7, 4),
    (8, 5),
    (9, 6),
    (15, 7),
    (16, 8),
    (17, 9),
    (35, 10),
    (53, 11),
];

/// The numbers that [`DESCRIPTOR_NAMES`] tells.
pub fn descriptors(molecule: &Molecule) -> [f32; DESCRIPTORS] {
    let mut found = [0.0f32; DESCRIPTORS];
    let mut tetrahedral_carbons = 0.0;
    for (index, atom) in molecule.atoms.iter().enumerate() {
        let hydrogens = atom.hydrogens() as f32;
        found[2] += hydrogens;
        if atom.number == 1 {
            found[2] += 1.0;
            continue;
        }
        found[0] += 1.0;
        let element = ELEMENTS.iter().find(|(number, _)| *number == atom.number);
        found[element.map_or(12, |&(_, place)| place)] += 1.0;
        found[13] += f32::from(atom.charge);
        found[14] += flag(atom.charge != 0);
        found[15] += flag(matches!(atom.number, 7 | 8) && hydrogens > 0.0);
        tetrahedral_carbons +=
            flag(atom.number == 6 && atom.hybridization == crate::Hybridization::Sp3);
        found[17] += flag(atom.aromatic);
        found[23] += flag(heavy_degree(molecule, index) > 2);
        found[24] += flag(atom.chirality != Chirality::None);
    }
    found[1] = molecule.mass() as f32 / 100.0;
    found[16] = tetrahedral_carbons / found[3].max(1.0);
    for (ring, _) in molecule.rings() {
        found[18] += 1.0;
        found[19] = found[19].max(ring.len() as f32);
    }
    for bond in &molecule.bonds {
        let inside = [bond.begin, bond.end]
            .iter()
            .all(|&end| heavy_degree(molecule, end as usize) > 1);
        found[20] += flag(bond.order == Order::Single && bond.rings == 0 && inside);
        found[21] += flag(bond.order == Order::Double);
        found[22] += flag(bond.order == Order::Triple);
        found[24] += flag(bond.stereo != Stereo::None);
    }
    found[25] = molecule.parts().1 as f32;
    found
}

/// The same, but for what one atom is by itself: its element, mass, charge, hydrogens and the like. Its bonds and rings count.
pub(crate) fn descriptors_without(molecule: &Molecule, atom: usize) -> [f32; DESCRIPTORS] {
    let mut rest = molecule.clone();
    let heavy = rest.atoms[atom].number != 1;
    rest.atoms[atom] = crate::Atom {
        rings: rest.atoms[atom].rings,
        ..crate::Atom::new(if heavy { 0 } else { 1 })
    };
    let mut found = descriptors(&rest);
    if heavy {
        // It still stands there as an atom without a name.
        found[0] -= 1.0;
        found[12] -= 1.0;
    } else {
        found[1] -= rest.atoms[atom].mass() as f32 / 100.0;
        found[2] -= 1.0;
    }
    found
}

fn flag(yes: bool) -> f32 {
    f32::from(u8::from(yes))
}

/// Neighbours that are not hydrogen.
fn heavy_degree(molecule: &Molecule, index: usize) -> usize {
    let heavy = |next: &&crate::Neighbour| molecule.atoms[next.atom as usize].number != 1;
    molecule.neighbours(index).iter().filter(heavy).count()
}

/// The places of the fingerprint that are hit, ascending, with how often.
pub(crate) fn sparse_fingerprint(molecule: &Molecule) -> Vec<(u16, u16)> {
    let counts = fingerprint_counts(molecule);
    let hit = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    hit.map(|(place, &count)| (place as u16, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> [f32; DESCRIPTORS] {
        descriptors(&Molecule::from_smiles(text).unwrap())
    }

    fn named(found: &[f32; DESCRIPTORS], name: &str) -> f32 {
        let place = DESCRIPTOR_NAMES.iter().position(|n| *n == name);
        found[place.unwrap()]
    }

    #[test]
    fn what_one_atom_is_can_be_left_out() {
        let molecule = Molecule::from_smiles("C[NH3+]").unwrap();
        let found = descriptors_without(&molecule, 1);
        for (name, value) in [
            ("heavy atoms", 1.0),
            ("hydrogens", 3.0),
            ("nitrogen", 0.0),
            ("other elements", 0.0),
            ("carbon", 1.0),
            ("charge", 0.0),
            ("charged atoms", 0.0),
        ] {
            assert_eq!(named(&found, name), value, "{name}");
        }
        assert!((found[1] - 0.15).abs() < 0.01, "{}", found[1]);
    }

    #[test]
    fn aspirin_by_hand() {
        let aspirin = of("CC(=O)Oc1ccccc1C(=O)O");
        for (name, value) in [
            ("heavy atoms", 13.0),
            ("hydrogens", 8.0),
            ("carbon", 9.0),
            ("oxygen", 4.0),
            ("nitrogen", 0.0),
            ("donors of hydrogen bonds", 1.0),
            ("aromatic atoms", 6.0),
            ("rings", 1.0),
            ("largest ring", 6.0),
            // Ring to acid, ring to ester oxygen, ester oxygen to acetyl.
            ("rotatable bonds", 3.0),
            ("double bonds", 2.0),
            // Two carbonyl carbons and two atoms of the ring.
            ("branches", 4.0),
            ("molecules in the structure", 1.0),
        ] {
            assert_eq!(named(&aspirin, name), value, "{name}");
        }
        assert!((named(&aspirin, "mass in 100 u") - 1.8016).abs() < 1e-3);
        assert!((named(&aspirin, "share of sp3 among carbons") - 1.0 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn salts_charges_and_marks() {
        let salt = of("[Na+].C[C@H](N)C(=O)[O-]");
        assert_eq!(named(&salt, "charge"), 0.0);
        assert_eq!(named(&salt, "charged atoms"), 2.0);
        assert_eq!(named(&salt, "other elements"), 1.0);
        assert_eq!(named(&salt, "stereocentres and configurations"), 1.0);
        assert_eq!(named(&salt, "molecules in the structure"), 2.0);
        assert_eq!(
            named(&of("F/C=C/F"), "stereocentres and configurations"),
            1.0
        );
    }

    #[test]
    fn every_way_to_write_a_molecule_gives_the_same() {
        assert_eq!(of("OC(=O)c1ccccc1OC(C)=O"), of("CC(=O)Oc1ccccc1C(=O)O"));
        assert_eq!(of("[H]OC"), of("CO"));
    }
}
