//! Alternating double bonds for atoms that are written as aromatic.

use crate::MoleculeError;
use crate::element::{element, is_early};
use crate::molecule::{Molecule, Order};
use crate::valence;

const NONE: u32 = u32::MAX;

/// Replaces aromatic bonds by single and double ones.
///
/// Which atoms take part in a double bond follows from their valences; a maximum matching of them is found by going from
/// neighbour to neighbour in the order of the text, as RDKit does, and mended by augmenting paths where that leaves atoms over.
pub(crate) fn kekulize(molecule: &mut Molecule) -> Result<(), MoleculeError> {
    let aromatic = molecule.atoms.iter().any(|atom| atom.aromatic)
        || molecule.bonds.iter().any(|bond| bond.aromatic);
    if !aromatic {
        return Ok(());
    }
    let mut matching = Matching::new(molecule);
    matching.greedy(molecule);
    matching.mend(molecule);
    if let Some(left) = matching.left_over(molecule) {
        return Err(MoleculeError::Kekule {
            atom: left + 1,
            symbol: molecule.atoms[left].symbol(),
        });
    }
    for index in 0..molecule.bonds.len() {
        let bond = &mut molecule.bonds[index];
        let (begin, end) = (bond.begin as usize, bond.end as usize);
        if bond.aromatic {
            bond.aromatic = false;
            bond.order = Order::Single;
            if matching.mate[begin] as usize == end {
                bond.order = Order::Double;
                bond.direction = crate::molecule::Direction::None;
            }
        }
    }
    for index in 0..molecule.atoms.len() {
        let atom = &mut molecule.atoms[index];
        if !atom.aromatic {
            continue;
        }
        if atom.rings == 0 {
            return Err(MoleculeError::AromaticOutsideRing {
                atom: index + 1,
                symbol: atom.symbol(),
            });
        }
        atom.aromatic = false;
        // The hydrogen of `[nH]` was written only to say that there is one.
        if matches!(atom.number, 7 | 15) && atom.charge == 0 && atom.written_hydrogens == 1 {
            let before = atom.total_valence();
            atom.closed = false;
            atom.written_hydrogens = 0;
            valence::update(molecule, index, false)?;
            let atom = &molecule.atoms[index];
            if atom.total_valence() != before {
                return Err(MoleculeError::Kekule {
                    atom: index + 1,
                    symbol: atom.symbol(),
                });
            }
        }
    }
    Ok(())
}

/// Which atoms are joined by double bonds.
struct Matching {
    /// Atoms that need a double bond.
    wanting: Vec<bool>,
    /// The other atom of the double bond.
    mate: Vec<u32>,
}

impl Matching {
    fn new(molecule: &Molecule) -> Matching {
        let wanting = (0..molecule.atoms.len())
            .map(|index| wants_double_bond(molecule, index))
            .collect();
        Matching {
            wanting,
            mate: vec![NONE; molecule.atoms.len()],
        }
    }

    /// Whether a bond may become double.
    fn allows(&self, molecule: &Molecule, bond: u32) -> bool {
        let bond = &molecule.bonds[bond as usize];
        bond.aromatic
            && bond.rings > 0
            && self.wanting[bond.begin as usize]
            && self.wanting[bond.end as usize]
    }

    fn join(&mut self, a: usize, b: usize) {
        self.mate[a] = b as u32;
        self.mate[b] = a as u32;
    }

    fn greedy(&mut self, molecule: &Molecule) {
        let mut seen = vec![false; molecule.atoms.len()];
        let mut queue = Vec::new();
        for start in 0..molecule.atoms.len() {
            if seen[start] || molecule.atoms[start].rings == 0 {
                continue;
            }
            queue.clear();
            queue.push(start);
            seen[start] = true;
            let mut head = 0;
            while head < queue.len() {
                let at = queue[head];
                head += 1;
                let mut best = NONE;
                let mut around: [u32; 8] = [NONE; 8];
                let mut count = 0;
                for next in molecule.neighbours(at) {
                    let to = next.atom as usize;
                    if molecule.bonds[next.bond as usize].rings == 0 {
                        continue;
                    }
                    if !seen[to] && count < around.len() {
                        seen[to] = true;
                        around[count] = next.atom;
                        count += 1;
                    }
                    if self.mate[at] == NONE
                        && self.mate[to] == NONE
                        && self.allows(molecule, next.bond)
                    {
                        best = best.min(next.atom);
                    }
                }
                around[..count].sort_unstable();
                queue.extend(around[..count].iter().map(|&atom| atom as usize));
                if best != NONE {
                    self.join(at, best as usize);
                }
            }
        }
    }

    /// An atom that needs a double bond and has none. Dummies may do without.
    fn left_over(&self, molecule: &Molecule) -> Option<usize> {
        (0..self.mate.len()).find(|&index| {
            self.wanting[index] && self.mate[index] == NONE && molecule.atoms[index].number != 0
        })
    }

    /// Augmenting paths from atoms that are left over (Edmonds, "Paths, trees, and flowers", 1965).
    fn mend(&mut self, molecule: &Molecule) {
        for root in 0..self.mate.len() {
            if self.wanting[root] && self.mate[root] == NONE && molecule.atoms[root].number != 0 {
                self.augment(molecule, root);
            }
        }
    }

    fn augment(&mut self, molecule: &Molecule, root: usize) {
        let atoms = self.mate.len();
        let mut parent = vec![NONE; atoms];
        let mut base: Vec<u32> = (0..atoms as u32).collect();
        let mut outer = vec![false; atoms];
        outer[root] = true;
        let mut queue = vec![root];
        let mut head = 0;
        while head < queue.len() {
            let at = queue[head];
            head += 1;
            for next in molecule.neighbours(at) {
                let to = next.atom as usize;
                if !self.allows(molecule, next.bond)
                    || base[at] == base[to]
                    || self.mate[at] as usize == to
                {
                    continue;
                }
                let mate = self.mate[to];
                if to == root || (mate != NONE && parent[mate as usize] != NONE) {
                    let top = self.common(&base, &parent, at, to);
                    let mut inside = vec![false; atoms];
                    self.mark(&base, &mut parent, &mut inside, at, top, to);
                    self.mark(&base, &mut parent, &mut inside, to, top, at);
                    for index in 0..atoms {
                        if inside[base[index] as usize] {
                            base[index] = top as u32;
                            if !outer[index] {
                                outer[index] = true;
                                queue.push(index);
                            }
                        }
                    }
                } else if parent[to] == NONE {
                    parent[to] = at as u32;
                    if mate == NONE {
                        self.flip(&parent, to);
                        return;
                    }
                    outer[mate as usize] = true;
                    queue.push(mate as usize);
                }
            }
        }
    }

    /// Joins along the path that ends at `end`.
    fn flip(&mut self, parent: &[u32], end: usize) {
        let mut at = end as u32;
        while at != NONE {
            let before = parent[at as usize];
            let next = self.mate[before as usize];
            self.join(at as usize, before as usize);
            at = next;
        }
    }

    /// The base at which the paths of two outer atoms meet.
    fn common(&self, base: &[u32], parent: &[u32], a: usize, b: usize) -> usize {
        let mut seen = vec![false; base.len()];
        let mut at = a;
        loop {
            at = base[at] as usize;
            seen[at] = true;
            if self.mate[at] == NONE {
                break;
            }
            at = parent[self.mate[at] as usize] as usize;
        }
        at = b;
        loop {
            at = base[at] as usize;
            if seen[at] {
                return at;
            }
            at = parent[self.mate[at] as usize] as usize;
        }
    }

    fn mark(
        &self,
        base: &[u32],
        parent: &mut [u32],
        inside: &mut [bool],
        from: usize,
        top: usize,
        child: usize,
    ) {
        let (mut at, mut child) = (from, child);
        while base[at] as usize != top {
            let mate = self.mate[at] as usize;
            inside[base[at] as usize] = true;
            inside[base[mate] as usize] = true;
            parent[at] = child as u32;
            child = mate;
            at = parent[mate] as usize;
        }
    }
}

/// Whether an aromatic atom must take part in a double bond.
fn wants_double_bond(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    if atom.rings == 0 || !molecule.is_aromatic(index) {
        return false;
    }
    let mut orders = atom.hydrogens() as i32;
    let mut ignored = 0;
    for next in molecule.neighbours(index) {
        let bond = &molecule.bonds[next.bond as usize];
        if bond.aromatic {
            orders += 1;
        } else {
            let order = bond.twice_at(index) / 2;
            orders += order;
            ignored += i32::from(order == 0);
        }
    }
    if atom.number == 0 {
        return true;
    }
    let valences = element(atom.number).valences;
    let mut charge = i32::from(atom.charge);
    if is_early(atom.number) || (atom.number == 6 && charge > 0) {
        charge = -charge;
    }
    let total = atom.total_valence();
    let mut valence = i32::from(valences[0]) + charge;
    for &higher in valences[1..].iter().take_while(|&&higher| higher > 0) {
        if total <= valence {
            break;
        }
        valence = i32::from(higher) + charge;
    }
    let degree = molecule.degree(index) as i32 + i32::from(atom.implicit_hydrogens) - ignored;
    let unpaired = i32::from(atom.radicals);
    // N-oxides written without charges.
    if total == 5
        && orders == 4
        && valence == 3
        && degree == 3
        && unpaired == 0
        && charge == 0
        && atom.hydrogens() == 0
        && matches!(atom.number, 7 | 15 | 33)
    {
        valence = 5;
    }
    if degree + unpaired >= valence {
        return false;
    }
    valence == orders + 1 + unpaired || (unpaired == 0 && atom.closed && valence == orders + 2)
}
