//! How many bonds an atom has and how many hydrogens fill it up: RDKit's valence model.

use crate::MoleculeError;
use crate::element::{Element, element};
use crate::molecule::{Atom, Molecule};

/// The element whose valences an atom has: a charge makes it like its neighbour in the periodic table.
fn like(number: u8, charge: i8) -> u8 {
    let own = element(number);
    if own.valences.len() == 1 && own.valences[0] == -1 {
        return number;
    }
    (i32::from(number) - i32::from(charge)).clamp(0, 118) as u8
}

/// Phosphorus, sulphur, arsenic and selenium keep their higher valences when negatively charged.
fn is_hypervalent(number: u8, like: u8) -> bool {
    (like > 16 && matches!(number, 15 | 16)) || (like > 34 && matches!(number, 33 | 34))
}

/// The sum of bond orders and written hydrogens of an atom, aromatic bonds counted as they will be in a Kekulé structure.
pub(crate) fn explicit(
    molecule: &Molecule,
    index: usize,
    strict: bool,
) -> Result<i32, MoleculeError> {
    explicit_as(molecule, index, &molecule.atoms[index], strict)
}

/// The same, were the atom another.
fn explicit_as(
    molecule: &Molecule,
    index: usize,
    atom: &Atom,
    strict: bool,
) -> Result<i32, MoleculeError> {
    let bonds: i32 = molecule
        .neighbours(index)
        .iter()
        .map(|next| molecule.bonds[next.bond as usize].twice_at(index))
        .sum();
    let mut twice = bonds + 2 * i32::from(atom.written_hydrogens);
    let own = element(atom.number);
    let like = like(atom.number, atom.charge);
    let as_if = element(like);
    let default = as_if.default_valence();
    if default >= 0 && twice > 2 * default && molecule.is_aromatic(index) {
        let reached = as_if
            .valences
            .iter()
            .map(|&valence| i32::from(valence))
            .take_while(|&valence| valence != -1 && 2 * valence <= twice)
            .last()
            .unwrap_or(default);
        if twice - 2 * reached <= 3 {
            twice = 2 * reached;
        }
    }
    let valence = (twice + 1) / 2;
    if strict {
        let hyper = is_hypervalent(atom.number, like);
        let (most, offset) = match (hyper, atom.number, atom.charge) {
            (true, _, charge) => (own.most(), -i32::from(charge)),
            (false, 1, -1) => (2, 0),
            _ => (as_if.most(), 0),
        };
        if most >= 0 && own.most() >= 0 && valence + offset > most {
            return Err(too_many(molecule, index, valence));
        }
    }
    Ok(valence)
}

/// The hydrogens that fill an atom up, given its [`explicit`] valence.
pub(crate) fn implicit(
    molecule: &Molecule,
    index: usize,
    strict: bool,
) -> Result<i32, MoleculeError> {
    implicit_as(molecule, index, &molecule.atoms[index], strict)
}

/// The hydrogens that a reader would add to an atom written without brackets; `None` where brackets are needed for another
/// reason.
pub(crate) fn implied(molecule: &Molecule, index: usize) -> Option<usize> {
    let mut atom = molecule.atoms[index];
    let organic = matches!(atom.number, 5..=9 | 15..=17 | 35 | 53);
    if !organic || atom.charge != 0 || atom.isotope != 0 || atom.map != 0 {
        return None;
    }
    atom.closed = false;
    atom.written_hydrogens = 0;
    atom.radicals = 0;
    atom.explicit_valence = explicit_as(molecule, index, &atom, false).ok()? as i16;
    let hydrogens = implicit_as(molecule, index, &atom, false).ok()?;
    usize::try_from(hydrogens).ok()
}

fn implicit_as(
    molecule: &Molecule,
    index: usize,
    atom: &Atom,
    strict: bool,
) -> Result<i32, MoleculeError> {
    if atom.closed || atom.number == 0 {
        return Ok(0);
    }
    let own = element(atom.number);
    let mut like = like(atom.number, atom.charge);
    let default = element(like).default_valence();
    if like == 0 || default == -1 {
        return Ok(0);
    }
    let mut used = i32::from(atom.explicit_valence) + i32::from(atom.radicals);
    if is_hypervalent(atom.number, like) {
        like = atom.number;
        used -= i32::from(atom.charge);
    }
    let as_if = element(like);
    if molecule.is_aromatic(index) {
        if used <= default {
            return Ok(default - used);
        }
        let allowed = as_if.valences.iter().any(|&v| used == i32::from(v));
        return match allowed || !strict {
            true => Ok(0),
            false => Err(too_many(molecule, index, used)),
        };
    }
    match filled(as_if, used) {
        Some(total) => Ok(total - used),
        None if strict && as_if.most() != -1 && own.most() > 0 => {
            Err(too_many(molecule, index, used))
        }
        None => Ok(0),
    }
}

/// The least allowed valence that is not below `used`.
fn filled(element: &Element, used: i32) -> Option<i32> {
    element
        .valences
        .iter()
        .map(|&valence| i32::from(valence))
        .take_while(|&valence| valence >= 0)
        .find(|&valence| used <= valence)
}

fn too_many(molecule: &Molecule, index: usize, valence: i32) -> MoleculeError {
    MoleculeError::Valence {
        atom: index + 1,
        symbol: molecule.atoms[index].symbol(),
        valence,
    }
}

/// Sets valence and hydrogens of one atom.
pub(crate) fn update(
    molecule: &mut Molecule,
    index: usize,
    strict: bool,
) -> Result<(), MoleculeError> {
    let valence = explicit(molecule, index, strict)?;
    molecule.atoms[index].explicit_valence = valence as i16;
    let hydrogens = implicit(molecule, index, strict)?;
    molecule.atoms[index].implicit_hydrogens = hydrogens.clamp(0, 255) as u8;
    Ok(())
}

/// Sets valence and hydrogens of all atoms.
pub(crate) fn update_all(molecule: &mut Molecule, strict: bool) -> Result<(), MoleculeError> {
    (0..molecule.atoms.len()).try_for_each(|index| update(molecule, index, strict))
}
