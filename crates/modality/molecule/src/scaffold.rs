//! Scaffolds: the rings of a molecule and the chains that link them.
//!
//! Bemis and Murcko, "The properties of known drugs. 1. Molecular frameworks", J. Med. Chem. 39, 2887 (1996), in RDKit's form:
//! atoms bound to the rings or links by a double bond are kept.

use crate::MoleculeError;
use crate::hydrogens::retain;
use crate::molecule::{Chirality, Molecule, Order, Stereo};
use crate::valence;

/// The scaffold of a molecule, without stereochemistry; it has no atoms when the molecule has no rings.
///
/// # Errors
/// What is left has impossible valences; this is not known to happen.
pub fn murcko_scaffold(molecule: &Molecule) -> Result<Molecule, MoleculeError> {
    let mut scaffold = molecule.clone();
    let keep = rings_and_links(molecule);
    let mut gone = vec![false; keep.len()];
    for index in 0..keep.len() {
        if keep[index] {
            continue;
        }
        gone[index] = true;
        for next in molecule.neighbours(index) {
            let (to, bond) = (next.atom as usize, next.bond as usize);
            if !keep[to] {
                continue;
            }
            if molecule.bonds[bond].order == Order::Double {
                gone[index] = false;
                break;
            }
            let atom = &mut scaffold.atoms[to];
            if atom.aromatic && (atom.number != 6 || atom.charge == 1) {
                atom.written_hydrogens = 1;
            } else if atom.closed || atom.chirality != Chirality::None {
                atom.closed = false;
                atom.written_hydrogens = 0;
            }
        }
    }
    retain(&mut scaffold, &gone);
    for atom in &mut scaffold.atoms {
        atom.chirality = Chirality::None;
    }
    for bond in &mut scaffold.bonds {
        bond.stereo = Stereo::None;
    }
    valence::update_all(&mut scaffold, true)?;
    // The rings are those of the molecule, but for the numbers of their atoms and bonds.
    scaffold.ring_starts.clear();
    scaffold.ring_atoms.clear();
    scaffold.ring_bonds.clear();
    Ok(scaffold)
}

/// Atoms of rings and of the chains between them: what is left when ends that are in no ring are taken off again and again.
fn rings_and_links(molecule: &Molecule) -> Vec<bool> {
    let atoms = molecule.atoms.len();
    let mut degree: Vec<usize> = (0..atoms).map(|index| molecule.degree(index)).collect();
    let mut keep = vec![true; atoms];
    let mut ends: Vec<usize> = (0..atoms).collect();
    while let Some(index) = ends.pop() {
        if !keep[index] || degree[index] > 1 || molecule.atoms[index].rings > 0 {
            continue;
        }
        keep[index] = false;
        for next in molecule.neighbours(index) {
            let to = next.atom as usize;
            if keep[to] {
                degree[to] -= 1;
                ends.push(to);
            }
        }
    }
    keep
}
