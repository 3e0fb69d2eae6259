//! Molecules back to text.

use crate::canonical::{Space, canonical_order};
use crate::molecule::{Molecule, Order};
use crate::valence;

/// The molecule as a SMILES string without stereochemistry, the same for however it was written.
///
/// It is canonical among strings of this function, not among those of other programs.
///
/// ```
/// use candor_molecule::{Molecule, to_smiles};
/// let text = |text| to_smiles(&Molecule::from_smiles(text).unwrap());
/// assert_eq!(text("OC(=O)c1ccccc1"), text("c1cccc(C(O)=O)c1"));
/// ```
pub fn to_smiles(molecule: &Molecule) -> String {
    to_smiles_in_order(molecule, &canonical_order(molecule, Space::Ignored))
}

/// The molecule as a SMILES string without stereochemistry, written from atoms of lower `rank` to those of higher.
///
/// # Panics
/// When there are fewer ranks than atoms.
pub fn to_smiles_in_order(molecule: &Molecule, rank: &[u32]) -> String {
    Writer::new(molecule, rank).write()
}

struct Writer<'a> {
    molecule: &'a Molecule,
    rank: &'a [u32],
    /// The atoms in the order in which they are written.
    order: Vec<u32>,
    /// The atom before each, and the bond to it.
    parent: Vec<Option<(u32, u32)>>,
    /// Bonds that close rings: those opened and those closed at each atom.
    closures: Vec<Vec<u32>>,
    children: Vec<Vec<u32>>,
    seen: Vec<bool>,
}

impl<'a> Writer<'a> {
    fn new(molecule: &'a Molecule, rank: &'a [u32]) -> Writer<'a> {
        let atoms = molecule.atoms.len();
        Writer {
            molecule,
            rank,
            order: Vec::with_capacity(atoms),
            parent: vec![None; atoms],
            closures: vec![Vec::new(); atoms],
            children: vec![Vec::new(); atoms],
            seen: vec![false; atoms],
        }
    }

    fn write(mut self) -> String {
        let mut starts: Vec<usize> = (0..self.molecule.atoms.len()).collect();
        starts.sort_by_key(|&atom| self.rank[atom]);
        let mut text = String::new();
        for start in starts {
            if !self.seen[start] {
                if !text.is_empty() {
                    text.push('.');
                }
                self.walk(start);
                self.write_part(start, &mut text);
            }
        }
        text
    }

    /// Depth first from the lowest ranks, so that a bond to an atom seen before leads back along the path and closes a ring.
    fn walk(&mut self, start: usize) {
        let mut used = std::collections::HashSet::new();
        let mut path = vec![(start, self.sorted_neighbours(start), 0usize)];
        self.seen[start] = true;
        self.order.push(start as u32);
        while let Some((at, neighbours, place)) = path.last_mut() {
            let at = *at;
            let Some(&(to, bond)) = neighbours.get(*place) else {
                path.pop();
                continue;
            };
            *place += 1;
            if !used.insert(bond) {
                continue;
            }
            if self.seen[to as usize] {
                self.closures[to as usize].push(bond);
                self.closures[at].push(bond);
            } else {
                self.seen[to as usize] = true;
                self.order.push(to);
                self.parent[to as usize] = Some((at as u32, bond));
                self.children[at].push(to);
                let next = self.sorted_neighbours(to as usize);
                path.push((to as usize, next, 0));
            }
        }
    }

    fn sorted_neighbours(&self, atom: usize) -> Vec<(u32, u32)> {
        let mut neighbours: Vec<(u32, u32)> = self
            .molecule
            .neighbours(atom)
            .iter()
            .map(|next| (next.atom, next.bond))
            .collect();
        neighbours.sort_by_key(|&(to, _)| self.rank[to as usize]);
        neighbours
    }

    fn write_part(&self, start: usize, text: &mut String) {
        enum Step {
            Atom(u32),
            Text(char),
        }
        // Ring numbers in use, by bond.
        let mut numbers: Vec<Option<u32>> = Vec::new();
        let mut steps = vec![Step::Atom(start as u32)];
        while let Some(step) = steps.pop() {
            let atom = match step {
                Step::Text(character) => {
                    text.push(character);
                    continue;
                }
                Step::Atom(atom) => atom as usize,
            };
            if let Some((before, bond)) = self.parent[atom] {
                self.write_bond(bond, before as usize, text);
            }
            self.write_atom(atom, text);
            for &bond in &self.closures[atom] {
                let open = numbers.iter().position(|&used| used == Some(bond));
                let number = match open {
                    Some(number) => {
                        numbers[number] = None;
                        number
                    }
                    None => {
                        self.write_bond(bond, atom, text);
                        let free = numbers.iter().position(Option::is_none);
                        let number = free.unwrap_or(numbers.len());
                        if number == numbers.len() {
                            numbers.push(None);
                        }
                        numbers[number] = Some(bond);
                        number
                    }
                };
                match number + 1 {
                    label @ 1..=9 => text.push_str(&label.to_string()),
                    label @ 10..=99 => text.push_str(&format!("%{label}")),
                    label => text.push_str(&format!("%({label})")),
                }
            }
            let children = &self.children[atom];
            if let Some((&last, branches)) = children.split_last() {
                steps.push(Step::Atom(last));
                for &branch in branches.iter().rev() {
                    steps.push(Step::Text(')'));
                    steps.push(Step::Atom(branch));
                    steps.push(Step::Text('('));
                }
            }
        }
    }

    fn write_bond(&self, bond: u32, from: usize, text: &mut String) {
        let bond = &self.molecule.bonds[bond as usize];
        let aromatic = self.molecule.atoms[bond.begin as usize].aromatic
            && self.molecule.atoms[bond.end as usize].aromatic;
        match bond.order {
            Order::Single if aromatic => text.push('-'),
            Order::Single => {}
            Order::Double => text.push('='),
            Order::Triple => text.push('#'),
            Order::Quadruple => text.push('$'),
            Order::Aromatic if aromatic => {}
            Order::Aromatic => text.push(':'),
            Order::Dative if bond.begin as usize == from => text.push_str("->"),
            Order::Dative => text.push_str("<-"),
        }
    }

    fn write_atom(&self, index: usize, text: &mut String) {
        let atom = &self.molecule.atoms[index];
        let symbol = if atom.aromatic {
            atom.symbol().to_lowercase()
        } else {
            atom.symbol().to_owned()
        };
        if valence::implied(self.molecule, index) == Some(atom.hydrogens()) {
            text.push_str(&symbol);
            return;
        }
        text.push('[');
        if atom.isotope != 0 {
            text.push_str(&atom.isotope.to_string());
        }
        text.push_str(&symbol);
        match atom.hydrogens() {
            0 => {}
            1 => text.push('H'),
            count => text.push_str(&format!("H{count}")),
        }
        match atom.charge {
            0 => {}
            1 => text.push('+'),
            -1 => text.push('-'),
            charge => text.push_str(&format!("{charge:+}")),
        }
        if atom.map != 0 {
            text.push_str(&format!(":{}", atom.map));
        }
        text.push(']');
    }
}
