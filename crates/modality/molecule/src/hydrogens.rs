//! Hydrogens that are written as atoms become counts on their neighbours, where nothing is lost by that.

use crate::MoleculeError;
use crate::molecule::{Chirality, Direction, Molecule, Order};
use crate::smiles::inversions;
use crate::valence;

/// Takes the hydrogens out.
pub(crate) fn suppress(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    if !molecule.atoms.iter().any(|atom| atom.number == 1) {
        return Ok(());
    }
    valence::update_all(molecule, false)?;
    let gone: Vec<bool> = (0..molecule.atoms.len())
        .map(|index| is_removable(molecule, index))
        .collect();
    if !gone.contains(&true) {
        return Ok(());
    }
    for index in (0..molecule.atoms.len()).rev() {
        if gone[index] {
            fold(molecule, index, &gone);
        }
    }
    retain(molecule, &gone);
    Ok(())
}

/// Neither an isotope, nor a hydride, nor bridging, nor in hydrogen gas, nor what a mark beside a double bond rests on.
fn is_removable(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    let &[next] = molecule.neighbours(index) else {
        return false;
    };
    if atom.number != 1 || atom.isotope != 0 || atom.charge == -1 {
        return false;
    }
    let heavy = next.atom as usize;
    let other = &molecule.atoms[heavy];
    let untouchable = other.chirality != Chirality::None && !other.chirality.is_tetrahedral();
    if other.number <= 1 || untouchable {
        return false;
    }
    let marked = molecule.bonds[next.bond as usize].direction != Direction::None;
    let double = molecule
        .neighbours(heavy)
        .iter()
        .any(|next| molecule.bonds[next.bond as usize].order == Order::Double);
    !(marked && double && molecule.degree(heavy) == 2)
}

/// Counts one hydrogen on its neighbour, and hands over what its bond said about space.
fn fold(molecule: &mut Molecule, index: usize, gone: &[bool]) {
    let next = molecule.neighbours(index)[0];
    let (heavy, bond) = (next.atom as usize, next.bond as usize);
    molecule.atoms[heavy].written_hydrogens =
        molecule.atoms[heavy].written_hydrogens.saturating_add(1);
    if molecule.atoms[heavy].chirality.is_tetrahedral() {
        // The hydrogen moves to the end of the order. Those with higher numbers are gone already.
        let order: Vec<u32> = molecule
            .neighbours(heavy)
            .iter()
            .filter(|n| (n.atom as usize) <= index || !gone[n.atom as usize])
            .map(|n| {
                if n.bond as usize == bond {
                    u32::MAX
                } else {
                    n.bond
                }
            })
            .collect();
        if inversions(&order) % 2 == 1 {
            let chirality = &mut molecule.atoms[heavy].chirality;
            *chirality = chirality.inverted();
        }
    }
    let direction = molecule.bonds[bond].direction;
    if direction == Direction::None {
        return;
    }
    let mut other = None;
    for n in molecule.neighbours(heavy) {
        let beside = &molecule.bonds[n.bond as usize];
        let is_gone = gone[n.atom as usize] && n.atom as usize > index;
        if n.bond as usize == bond || is_gone || beside.order != Order::Single {
            continue;
        }
        if beside.direction != Direction::None {
            return;
        }
        other = Some(n.bond as usize);
    }
    if let Some(other) = other {
        let flip = molecule.bonds[other].begin as usize == heavy
            && molecule.bonds[bond].begin as usize == heavy;
        molecule.bonds[other].direction = if flip { direction.flipped() } else { direction };
    }
}

/// Drops the marked atoms and their bonds and numbers the rest anew, in the same order.
pub(crate) fn retain(molecule: &mut Molecule, gone: &[bool]) -> Vec<u32> {
    let mut number = Vec::with_capacity(gone.len());
    let mut kept = 0;
    for &is_gone in gone {
        number.push(kept);
        kept += u32::from(!is_gone);
    }
    let mut index = 0;
    molecule.atoms.retain(|_| {
        index += 1;
        !gone[index - 1]
    });
    molecule
        .bonds
        .retain(|bond| !gone[bond.begin as usize] && !gone[bond.end as usize]);
    for bond in &mut molecule.bonds {
        bond.begin = number[bond.begin as usize];
        bond.end = number[bond.end as usize];
        for atom in &mut bond.stereo_atoms {
            *atom = number[*atom as usize];
        }
    }
    molecule.connect();
    number
}
