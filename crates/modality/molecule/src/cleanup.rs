//! Groups that are often written with impossible valences, rewritten with charges or dative bonds as RDKit does.

use crate::MoleculeError;
use crate::element::{element, is_metal};
use crate::molecule::{Molecule, Order};
use crate::valence;

/// Rewrites nitro-like nitrogens, phosphorus beside two double bonds, oxides of halogens, and bonds from atoms that have too
/// many to metals.
pub(crate) fn clean(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    nitrogens(molecule)?;
    let mut metals = false;
    for index in 0..molecule.atoms.len() {
        match molecule.atoms[index].number {
            15 => phosphorus(molecule, index)?,
            17 | 35 | 53 => halogen(molecule, index)?,
            number => metals |= is_metal(number),
        }
    }
    if metals {
        organometallics(molecule)?;
    }
    Ok(())
}

/// Neutral nitrogens of valence five: `N(=O)=O` becomes `[N+](=O)[O-]`, `N=N#N` becomes `N=[N+]=[N-]`.
fn nitrogens(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    let mut found = Vec::new();
    for index in 0..molecule.atoms.len() {
        let atom = &molecule.atoms[index];
        let few = molecule.degree(index) + usize::from(atom.written_hydrogens) < 2;
        if atom.number != 7 || atom.charge != 0 || few {
            continue;
        }
        if valence::explicit(molecule, index, false)? == 5 {
            found.push(index);
            separate(molecule, index, 8, Order::Double, Order::Single);
        }
    }
    for index in found {
        separate(molecule, index, 7, Order::Triple, Order::Double);
    }
    Ok(())
}

/// Takes one order off the first bond of the named kind to a neutral neighbour, and gives both atoms charges.
fn separate(molecule: &mut Molecule, index: usize, number: u8, from: Order, to: Order) {
    let found = molecule.neighbours(index).iter().copied().find(|next| {
        let other = &molecule.atoms[next.atom as usize];
        other.number == number
            && other.charge == 0
            && molecule.bonds[next.bond as usize].order == from
    });
    if let Some(next) = found {
        molecule.bonds[next.bond as usize].order = to;
        molecule.atoms[index].charge = 1;
        molecule.atoms[next.atom as usize].charge = -1;
    }
}

/// `C=P(=O)X` becomes `C=[P+]([O-])X`.
fn phosphorus(molecule: &mut Molecule, index: usize) -> Result<(), MoleculeError> {
    if molecule.atoms[index].charge != 0
        || molecule.degree(index) != 3
        || valence::explicit(molecule, index, false)? != 5
    {
        return Ok(());
    }
    let double = |next: &&crate::molecule::Neighbour| {
        molecule.bonds[next.bond as usize].order == Order::Double
    };
    let to = |next: &crate::molecule::Neighbour| molecule.atoms[next.atom as usize];
    let neighbours = molecule.neighbours(index).iter();
    let carbon = neighbours
        .clone()
        .filter(double)
        .any(|next| matches!(to(next).number, 6 | 7) && molecule.degree(next.atom as usize) >= 2);
    let oxygen = neighbours
        .filter(double)
        .rfind(|next| to(next).number == 8 && to(next).charge == 0)
        .copied();
    if let (true, Some(oxygen)) = (carbon, oxygen) {
        molecule.atoms[oxygen.atom as usize].charge = -1;
        molecule.bonds[oxygen.bond as usize].order = Order::Single;
        molecule.atoms[index].charge = 1;
    }
    Ok(())
}

/// `Cl(=O)(=O)(=O)O` becomes `[Cl+3]([O-])([O-])([O-])O`.
fn halogen(molecule: &mut Molecule, index: usize) -> Result<(), MoleculeError> {
    let only_oxygen = molecule
        .neighbours(index)
        .iter()
        .all(|next| molecule.atoms[next.atom as usize].number == 8);
    if molecule.atoms[index].charge != 0 || !only_oxygen {
        return Ok(());
    }
    if !matches!(valence::explicit(molecule, index, false)?, 3 | 5 | 7) {
        return Ok(());
    }
    let mut charge = 0;
    for at in molecule.starts[index]..molecule.starts[index + 1] {
        let next = molecule.neighbours[at as usize];
        let bond = &mut molecule.bonds[next.bond as usize];
        if bond.order == Order::Double {
            bond.order = Order::Single;
            charge += 1;
            molecule.atoms[next.atom as usize].charge = -1;
        }
    }
    molecule.atoms[index].charge = charge;
    Ok(())
}

/// A single bond from an atom with too many bonds to a metal is dative.
fn organometallics(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    valence::update_all(molecule, false)?;
    for index in 0..molecule.atoms.len() {
        if matches!(molecule.atoms[index].number, 1 | 2 | 9 | 10) || !has_too_many(molecule, index)
        {
            continue;
        }
        let dative = |atom: u32| {
            let bonds = molecule.neighbours(atom as usize).iter();
            bonds
                .filter(|next| molecule.bonds[next.bond as usize].order == Order::Dative)
                .count()
        };
        let chosen = molecule
            .neighbours(index)
            .iter()
            .copied()
            .filter(|next| {
                molecule.bonds[next.bond as usize].order == Order::Single
                    && is_metal(molecule.atoms[next.atom as usize].number)
            })
            .min_by_key(|next| dative(next.atom));
        if let Some(next) = chosen {
            let bond = &mut molecule.bonds[next.bond as usize];
            bond.order = Order::Dative;
            bond.begin = index as u32;
            bond.end = next.atom;
            for at in [index, next.atom as usize] {
                valence::update(molecule, at, false)?;
            }
        }
    }
    Ok(())
}

fn has_too_many(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    let like = i32::from(atom.number) - i32::from(atom.charge);
    if is_metal(atom.number) || like <= 0 {
        return false;
    }
    let most = element(like.min(118) as u8).most();
    let valence = i32::from(atom.explicit_valence);
    most > 0
        && (valence > most
            || (valence == most && atom.aromatic && molecule.total_degree(index) == 4))
}
