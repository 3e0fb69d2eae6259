//! Radicals, conjugation and hybridisation, by RDKit's rules.

use crate::aromaticity::pi_electrons;
use crate::element::element;
use crate::molecule::{Chirality, Hybridization, Molecule, Order};

/// Counts the unpaired electrons of atoms whose hydrogens were written.
pub(crate) fn radicals(molecule: &mut Molecule) {
    for index in 0..molecule.atoms.len() {
        let atom = &molecule.atoms[index];
        if !atom.closed || atom.number == 0 {
            continue;
        }
        let facts = element(atom.number);
        let (outer, charge) = (i32::from(facts.outer), i32::from(atom.charge));
        let any_valence = facts.valences.len() == 1 && facts.valences[0] == -1;
        let unpaired = if any_valence && molecule.degree(index) > 0 {
            0
        } else if any_valence {
            (outer - charge).max(0) % 2
        } else {
            let twice: i32 = molecule
                .neighbours(index)
                .iter()
                .map(|next| molecule.bonds[next.bond as usize].twice_at(index))
                .sum();
            let valence = twice / 2 + i32::from(atom.written_hydrogens);
            let shell = if atom.number <= 2 { 2 } else { 8 };
            let mut unpaired = shell - outer - valence + charge;
            if unpaired < 0 {
                let higher = facts
                    .valences
                    .iter()
                    .map(|&v| i32::from(v) - valence + charge);
                unpaired = match facts.valences.len() {
                    1 => 0,
                    _ => higher.into_iter().find(|&rest| rest >= 0).unwrap_or(0),
                };
            }
            let left = outer - valence - charge;
            if left >= 0 {
                unpaired.min(left)
            } else {
                unpaired
            }
        };
        molecule.atoms[index].radicals = unpaired.max(0) as u8;
    }
}

/// Marks bonds of conjugated systems.
pub(crate) fn conjugation(molecule: &mut Molecule) {
    let mut multiple = false;
    for bond in &mut molecule.bonds {
        bond.conjugated = bond.aromatic;
        multiple |= bond.order.twice() > 2;
    }
    if !multiple {
        return;
    }
    // The number of neighbours where an atom can take part, else too many.
    const NO: u8 = 9;
    let state: Vec<u8> = (0..molecule.atoms.len())
        .map(|index| {
            if can_conjugate(molecule, index) {
                molecule.total_degree(index).min(8) as u8
            } else {
                NO
            }
        })
        .collect();
    for index in 0..molecule.atoms.len() {
        if !(2..=3).contains(&state[index]) {
            continue;
        }
        let range = molecule.starts[index] as usize..molecule.starts[index + 1] as usize;
        for i in range.clone() {
            let first = molecule.neighbours[i];
            let starts = molecule.bonds[first.bond as usize].twice_at(index) >= 3;
            if !starts || state[first.atom as usize] == NO {
                continue;
            }
            for j in range.clone() {
                let second = molecule.neighbours[j];
                if i != j && state[second.atom as usize] <= 3 {
                    molecule.bonds[first.bond as usize].conjugated = true;
                    molecule.bonds[second.bond as usize].conjugated = true;
                }
            }
        }
    }
}

fn can_conjugate(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    let facts = element(atom.number);
    let valence = facts.default_valence();
    if atom.charge == 0 && valence >= 0 && atom.total_valence() > valence {
        return false;
    }
    let shape = atom.number <= 10
        || !matches!(facts.outer, 5 | 6)
        || (facts.outer == 6 && molecule.total_degree(index) < 2);
    shape && pi_electrons(molecule, index) > 0
}

/// Sets the hybridisation of all atoms, and drops marks of chirality from atoms that are not tetrahedral.
pub(crate) fn hybridization(molecule: &mut Molecule) {
    for index in 0..molecule.atoms.len() {
        let found = of(molecule, index);
        let atom = &mut molecule.atoms[index];
        atom.hybridization = found;
        if atom.chirality.is_tetrahedral() && found != Hybridization::Sp3 {
            atom.chirality = Chirality::None;
        }
    }
}

fn of(molecule: &Molecule, index: usize) -> Hybridization {
    let atom = &molecule.atoms[index];
    if atom.number == 0 {
        return Hybridization::Unspecified;
    }
    let degree = molecule.total_degree(index);
    match atom.chirality {
        Chirality::Clockwise | Chirality::Counterclockwise if degree == 4 => {
            return Hybridization::Sp3;
        }
        Chirality::SquarePlanar if (2..=4).contains(&degree) => return Hybridization::Sp2d,
        Chirality::TrigonalBipyramidal if (2..=5).contains(&degree) => {
            return Hybridization::Sp3d;
        }
        Chirality::Octahedral if (2..=6).contains(&degree) => return Hybridization::Sp3d2,
        _ => {}
    }
    let orbitals = if atom.number < 89 {
        bonds_and_lone_pairs(molecule, index)
    } else {
        degree as i32
    };
    match orbitals {
        0 | 1 => Hybridization::S,
        2 => Hybridization::Sp,
        3 => Hybridization::Sp2,
        4 if degree > 3 || !has_conjugated_bond(molecule, index) => Hybridization::Sp3,
        4 => Hybridization::Sp2,
        5 => Hybridization::Sp3d,
        6 => Hybridization::Sp3d2,
        _ => Hybridization::Unspecified,
    }
}

pub(crate) fn has_conjugated_bond(molecule: &Molecule, index: usize) -> bool {
    let neighbours = molecule.neighbours(index).iter();
    neighbours
        .clone()
        .any(|next| molecule.bonds[next.bond as usize].conjugated)
}

fn bonds_and_lone_pairs(molecule: &Molecule, index: usize) -> i32 {
    let atom = &molecule.atoms[index];
    let given = molecule.neighbours(index).iter().filter(|next| {
        let bond = &molecule.bonds[next.bond as usize];
        bond.order == Order::Dative && bond.end as usize != index
    });
    let degree = molecule.total_degree(index) as i32 - given.count() as i32;
    if atom.number <= 1 {
        return degree;
    }
    let outer = i32::from(element(atom.number).outer);
    let (valence, charge) = (atom.total_valence(), i32::from(atom.charge));
    let free = outer - (valence + charge);
    if valence + outer - charge < 8 {
        let unpaired = i32::from(atom.radicals);
        degree + (free - unpaired) / 2 + unpaired
    } else {
        degree + free / 2
    }
}
