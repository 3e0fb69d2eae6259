//! What can go wrong with molecules in the world, as changed copies of molecules.
//!
//! Strings that are no structures become molecules without atoms. Changed molecules need not be possible ones.

use candor_core::Seed;
use candor_train::Units;
use rand::RngExt;
use rand::seq::{IteratorRandom, SliceRandom};

use crate::molecule::{Atom, Chirality, Molecule, Order, Stereo};
use crate::reader::Reader;
use crate::{AtomFeatures, Limits, MoleculeUnits};

/// Whether an atom is of a kind.
type IsKind = fn(&Atom) -> bool;

/// Kinds of atoms whose importance is measured.
const KINDS: [(&str, IsKind); 8] = [
    ("aromatic carbon", |atom| atom.number == 6 && atom.aromatic),
    ("other carbon", |atom| atom.number == 6 && !atom.aromatic),
    ("nitrogen", |atom| atom.number == 7),
    ("oxygen", |atom| atom.number == 8),
    ("phosphorus and sulphur", |atom| {
        matches!(atom.number, 15 | 16)
    }),
    ("fluorine", |atom| atom.number == 9),
    ("chlorine, bromine and iodine", |atom| {
        matches!(atom.number, 17 | 35 | 53)
    }),
    ("other elements", |atom| {
        !matches!(atom.number, 6 | 7 | 8 | 9 | 15 | 16 | 17 | 35 | 53)
    }),
];

/// The names of all kinds of atoms.
pub fn atom_kinds() -> Vec<String> {
    KINDS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Molecules with their bonds, on whose atoms all atoms of all of them were shuffled: every atom occurs somewhere, none where it makes
/// sense.
pub fn atoms_shuffled(strings: &[Option<&str>], features: AtomFeatures, seed: Seed) -> Units {
    let mut molecules = read(strings);
    let mut stream = seed.stream("shuffled atoms", &[]);
    shuffle(&mut molecules, &mut stream, |_| true);
    MoleculeUnits::of(&molecules, features)
}

/// Molecules in which the atoms of one of [`atom_kinds`] changed places with as many others drawn from all of them. `None` when there is
/// no such kind.
pub fn kind_shuffled(
    strings: &[Option<&str>],
    kind: &str,
    features: AtomFeatures,
    seed: Seed,
) -> Option<Units> {
    let (_, is_kind) = KINDS.iter().find(|(name, _)| *name == kind)?;
    let mut molecules = read(strings);
    let mut stream = seed.stream("shuffled kind of atom", &[]);
    let atoms = || molecules.iter().flat_map(|molecule| &molecule.atoms);
    let of_kind = atoms().filter(|atom| is_kind(atom)).count();
    let others = atoms().count() - of_kind;
    let share = of_kind as f64 / others.max(1) as f64;
    let mut draws = seed.stream("others", &[]);
    shuffle(&mut molecules, &mut stream, |atom| {
        is_kind(atom) || draws.random::<f64>() < share
    });
    Some(MoleculeUnits::of(&molecules, features))
}

/// What happens to structures in databases without changing what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructureChange {
    /// Marks of chirality and of configurations are lost.
    LostStereochemistry,
    /// A salt is drawn beside the molecule.
    AddedSalt,
    /// One atom became another one of its group, as in a slip of the hand or a close analogue: a halogen the next halogen, oxygen
    /// sulphur, sulphur oxygen. Valences stay right; what is true of the molecule may change a little.
    ExchangedAtom,
}

impl StructureChange {
    /// All of them.
    pub const ALL: [StructureChange; 3] = [
        StructureChange::LostStereochemistry,
        StructureChange::AddedSalt,
        StructureChange::ExchangedAtom,
    ];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            StructureChange::LostStereochemistry => "lost stereochemistry",
            StructureChange::AddedSalt => "added salt",
            StructureChange::ExchangedAtom => "one atom exchanged within its group",
        }
    }
}

/// Molecules, each of them changed with a probability of a fifth of the severity (1 to 5).
pub fn structures_changed(
    strings: &[Option<&str>],
    change: StructureChange,
    severity: u8,
    features: AtomFeatures,
    seed: Seed,
) -> Units {
    let probability = f64::from(severity) / 5.0;
    let mut stream = seed.stream(change.name(), &[]);
    let mut molecules = read(strings);
    let salt = read(&[Some("[Na+].[Cl-]")]);
    for molecule in &mut molecules {
        if stream.random::<f64>() >= probability {
            continue;
        }
        match change {
            StructureChange::LostStereochemistry => {
                for atom in &mut molecule.atoms {
                    atom.chirality = Chirality::None;
                }
                for bond in &mut molecule.bonds {
                    bond.stereo = Stereo::None;
                }
            }
            StructureChange::AddedSalt => {
                for ion in salt.iter().flat_map(|salt| &salt.atoms) {
                    molecule.atoms.push(*ion);
                }
                molecule.connect();
            }
            StructureChange::ExchangedAtom => {
                let exchanges = (0..molecule.atoms.len())
                    .filter_map(|index| Some((index, exchanged(molecule, index)?)));
                if let Some((index, number)) = exchanges.choose(&mut stream) {
                    molecule.atoms[index].number = number;
                }
            }
        }
    }
    MoleculeUnits::of(&molecules, features)
}

/// The element of the same group that may stand in an atom's place, by its number.
fn exchanged(molecule: &Molecule, index: usize) -> Option<u8> {
    let atom = &molecule.atoms[index];
    if atom.charge != 0 || atom.isotope != 0 || atom.radicals != 0 {
        return None;
    }
    // Sulphur with more than two neighbours, or a second double bond, is nothing that oxygen could be.
    let divalent = molecule.total_degree(index) + usize::from(doubly_bound(molecule, index)) == 2;
    match atom.number {
        9 => Some(17),
        17 => Some(35),
        35 | 53 if molecule.total_degree(index) == 1 => Some(17),
        8 if divalent => Some(16),
        16 if divalent => Some(8),
        _ => None,
    }
}

fn doubly_bound(molecule: &Molecule, index: usize) -> bool {
    let mut bonds = molecule.neighbours(index).iter();
    bonds.any(|next| molecule.bonds[next.bond as usize].order == Order::Double)
}

fn read(strings: &[Option<&str>]) -> Vec<Molecule> {
    let mut reader = Reader::with_limits(Limits::default());
    let read = strings.iter().map(|text| {
        let mut molecule = Molecule::default();
        match text.map(|text| reader.read(text, &mut molecule)) {
            Some(Ok(())) => molecule,
            _ => Molecule::default(),
        }
    });
    read.collect()
}

/// Shuffles those atoms among themselves that are chosen.
fn shuffle(
    molecules: &mut [Molecule],
    stream: &mut impl rand::Rng,
    mut chosen: impl FnMut(&Atom) -> bool,
) {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (number, molecule) in molecules.iter().enumerate() {
        let atoms = molecule.atoms.iter().enumerate();
        let chosen = atoms.filter(|(_, atom)| chosen(atom));
        places.extend(chosen.map(|(index, _)| (number, index)));
    }
    let at = |&(number, index): &(usize, usize)| molecules[number].atoms[index];
    let mut atoms: Vec<Atom> = places.iter().map(at).collect();
    atoms.shuffle(stream);
    for ((number, index), atom) in places.into_iter().zip(atoms) {
        molecules[number].atoms[index] = atom;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_smiles;

    const STRINGS: [Option<&str>; 5] = [
        Some("CCO"),
        Some("c1ccccc1N"),
        None,
        Some("C[C@H](N)C(=O)O"),
        Some("FC(F)F"),
    ];
    const FEATURES: AtomFeatures = AtomFeatures::Version2;

    fn descriptors(units: &Units) -> Vec<Vec<f32>> {
        let molecules = units.get::<MoleculeUnits>().unwrap();
        (0..units.len())
            .map(|unit| molecules.descriptors(unit).to_vec())
            .collect()
    }

    /// The sum over all molecules of one descriptor.
    fn total(units: &Units, name: &str) -> f32 {
        let place = crate::DESCRIPTOR_NAMES.iter().position(|n| *n == name);
        let place = place.unwrap();
        descriptors(units).iter().map(|row| row[place]).sum()
    }

    #[test]
    fn shuffled_atoms_are_all_still_there() {
        let (plain, _) = MoleculeUnits::read(&STRINGS, FEATURES, Limits::default());
        let shuffled = atoms_shuffled(&STRINGS, FEATURES, Seed(1));
        assert_eq!(shuffled.len(), 5);
        for name in ["nitrogen", "oxygen", "fluorine", "heavy atoms", "hydrogens"] {
            assert_eq!(total(&plain, name), total(&shuffled, name), "{name}");
        }
        assert_ne!(descriptors(&plain), descriptors(&shuffled));
        let again = atoms_shuffled(&STRINGS, FEATURES, Seed(1));
        assert_eq!(descriptors(&again), descriptors(&shuffled));
    }

    #[test]
    fn a_kind_that_is_nowhere_changes_nothing() {
        let (plain, _) = MoleculeUnits::read(&STRINGS, FEATURES, Limits::default());
        for kind in atom_kinds() {
            let shuffled = kind_shuffled(&STRINGS, &kind, FEATURES, Seed(2)).unwrap();
            let changed = descriptors(&shuffled) != descriptors(&plain);
            let absent = [
                "phosphorus and sulphur",
                "chlorine, bromine and iodine",
                "other elements",
            ];
            assert!(!(changed && absent.contains(&kind.as_str())), "{kind}");
        }
        let nitrogen = kind_shuffled(&STRINGS, "nitrogen", FEATURES, Seed(2)).unwrap();
        assert_eq!(total(&plain, "nitrogen"), total(&nitrogen, "nitrogen"));
        assert!(kind_shuffled(&STRINGS, "gold leaf", FEATURES, Seed(2)).is_none());
    }

    #[test]
    fn atoms_are_exchanged_for_what_valence_allows() {
        let cases = [
            ("CCO", vec![(2, 16)]),
            ("CS(=O)(=O)C", vec![(2, 16), (3, 16)]),
            ("c1ccsc1C(=O)Cl", vec![(3, 8), (6, 16), (7, 35)]),
            ("C[S-]", vec![]),
            ("CC#N", vec![]),
            ("O=S=O", vec![(0, 16), (2, 16)]),
            ("Clc1ccccc1I", vec![(0, 35), (7, 17)]),
        ];
        for (text, expected) in cases {
            let molecule = Molecule::from_smiles(text).unwrap();
            let found: Vec<(usize, u8)> = (0..molecule.atoms().len())
                .filter_map(|index| Some((index, exchanged(&molecule, index)?)))
                .collect();
            assert_eq!(found, expected, "{text}");
            for (index, number) in found {
                let mut edited = molecule.clone();
                edited.atoms[index].number = number;
                let written = to_smiles(&edited);
                let again = Molecule::from_smiles(&written).unwrap();
                let hydrogens = |m: &Molecule| m.atoms.iter().map(Atom::hydrogens).sum::<usize>();
                assert_eq!(hydrogens(&again), hydrogens(&molecule), "{text}: {written}");
            }
        }
        let changed = structures_changed(
            &STRINGS,
            StructureChange::ExchangedAtom,
            5,
            FEATURES,
            Seed(4),
        );
        assert_eq!(total(&changed, "fluorine"), 2.0);
        assert_eq!(total(&changed, "chlorine"), 1.0);
        assert_eq!(total(&changed, "sulphur"), 2.0);
    }

    #[test]
    fn at_the_greatest_severity_every_molecule_is_changed() {
        let of = |change| structures_changed(&STRINGS, change, 5, FEATURES, Seed(3));
        let (plain, _) = MoleculeUnits::read(&STRINGS, FEATURES, Limits::default());
        let marks = "stereocentres and configurations";
        assert_eq!(total(&plain, marks), 1.0);
        assert_eq!(total(&of(StructureChange::LostStereochemistry), marks), 0.0);
        let salted = of(StructureChange::AddedSalt);
        let parts = "molecules in the structure";
        assert_eq!(total(&salted, parts), total(&plain, parts) + 10.0);
    }
}
