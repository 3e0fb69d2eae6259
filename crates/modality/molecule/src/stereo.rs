//! Which marks of stereochemistry mean something: RDKit's legacy perception.
//!
//! Atoms are ranked by an approximation of the rules of Cahn, Ingold and Prelog. A mark of chirality stays on an atom whose
//! neighbours all rank differently, and on pairs of ring atoms that are related through the ring (cis and trans); all
//! others are dropped. Marks beside a double bond become [`Stereo::E`] or [`Stereo::Z`].

use crate::element::element;
use crate::molecule::{Chirality, Direction, Hybridization, Molecule, Order, Stereo};
use crate::orbitals::has_conjugated_bond;
use crate::smiles::inversions;
use crate::valence;

/// Rings below this size have no two configurations of their double bonds.
const SMALLEST_RING_WITH_E: u16 = 8;

/// The configuration of a centre, by the ranks of its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Unknown,
    R,
    S,
}

/// Assigns what can be assigned and drops the rest.
pub(crate) fn perceive(molecule: &mut Molecule) {
    let tagged = molecule
        .atoms
        .iter()
        .any(|atom| atom.chirality != Chirality::None);
    let directed = molecule
        .bonds
        .iter()
        .any(|bond| bond.direction != Direction::None);
    let marked = directed
        && molecule
            .bonds
            .iter()
            .any(|bond| bond.order == Order::Double);
    if !tagged && !marked {
        return;
    }
    let mut ranks = Ranks::new(molecule);
    let mut codes = vec![Code::Unknown; molecule.atoms.len()];
    let mut done = vec![false; molecule.bonds.len()];
    loop {
        let (open_atoms, changed_atoms) = assign_atoms(molecule, &ranks.ranks, &mut codes);
        let (open_bonds, changed_bonds) = assign_bonds(molecule, &ranks.ranks, &mut done);
        if !(open_atoms || open_bonds) || !(changed_atoms || changed_bonds) {
            break;
        }
        ranks.refine(molecule, &codes);
    }
    if tagged {
        let related = related_through_rings(molecule, &ranks.ranks, &codes);
        for index in 0..molecule.atoms.len() {
            if codes[index] == Code::Unknown
                && molecule.atoms[index].chirality.is_tetrahedral()
                && !related[index]
            {
                forget(molecule, index);
            }
        }
    }
}

/// Drops a mark of chirality, and with it the bracket that was only needed for the mark.
fn forget(molecule: &mut Molecule, index: usize) {
    let atom = &mut molecule.atoms[index];
    atom.chirality = Chirality::None;
    if atom.written_hydrogens == 1 && atom.charge == 0 && !atom.aromatic {
        atom.written_hydrogens = 0;
        atom.closed = false;
        // Not strict, so it cannot fail.
        if valence::update(molecule, index, false).is_err() {
            molecule.atoms[index].implicit_hydrogens = 1;
        }
    }
}

/// Ranks of atoms, refined by their neighbours' ranks until nothing changes.
struct Ranks {
    ranks: Vec<u32>,
    sorted: Vec<u32>,
    /// The neighbours' ranks of each atom that is tied, descending, and where they start.
    keys: Vec<u32>,
    starts: Vec<(u32, u32)>,
}

impl Ranks {
    fn new(molecule: &Molecule) -> Ranks {
        let invariant = |atom: &crate::molecule::Atom| {
            let mut mass = 0;
            if atom.isotope != 0 {
                mass = i64::from(atom.isotope) - i64::from(element(atom.number).commonest);
                mass += i64::from(mass >= 0);
            }
            let mass = (mass + 512).max(0) % 1024;
            let map = i64::from(atom.map) % 1024;
            (i64::from(atom.number % 128) << 20) | (mass << 10) | map
        };
        let mut ranks = Ranks {
            ranks: vec![0; molecule.atoms.len()],
            sorted: (0..molecule.atoms.len() as u32).collect(),
            keys: Vec::new(),
            starts: vec![(0, 0); molecule.atoms.len()],
        };
        let invariants: Vec<i64> = molecule.atoms.iter().map(invariant).collect();
        ranks.iterate(molecule, &invariants);
        ranks
    }

    /// Ranks anew, with what is known of centres and double bonds by now.
    fn refine(&mut self, molecule: &Molecule, codes: &[Code]) {
        let mut factor = 100;
        while factor < molecule.atoms.len() as i64 {
            factor *= 10;
        }
        let mut invariants: Vec<i64> = self
            .ranks
            .iter()
            .zip(codes)
            .map(|(&rank, code)| {
                let code = match code {
                    Code::Unknown => 0,
                    Code::S => 10,
                    Code::R => 20,
                };
                i64::from(rank) * factor + code
            })
            .collect();
        for bond in &molecule.bonds {
            let more = match bond.stereo {
                Stereo::None => continue,
                Stereo::E => 1,
                Stereo::Z => 2,
            };
            invariants[bond.begin as usize] += more;
            invariants[bond.end as usize] += more;
        }
        self.iterate(molecule, &invariants);
    }

    fn iterate(&mut self, molecule: &Molecule, invariants: &[i64]) {
        let atoms = invariants.len();
        for (at, slot) in self.sorted.iter_mut().enumerate() {
            *slot = at as u32;
        }
        self.sorted.sort_by_key(|&atom| invariants[atom as usize]);
        let mut same: Vec<bool> = self
            .sorted
            .windows(2)
            .map(|pair| invariants[pair[0] as usize] == invariants[pair[1] as usize])
            .collect();
        let mut count = self.number(&same);
        for _ in 0..atoms / 2 + 1 {
            if count == atoms {
                return;
            }
            self.list_neighbours(molecule, &same);
            let (keys, starts) = (&self.keys, &self.starts);
            let key = |atom: u32| {
                let (start, end) = starts[atom as usize];
                &keys[start as usize..end as usize]
            };
            let mut start = 0;
            while start < atoms {
                let mut end = start + 1;
                while end < atoms && same[end - 1] {
                    end += 1;
                }
                if end - start > 1 {
                    self.sorted[start..end].sort_by(|&a, &b| key(a).cmp(key(b)));
                    let pairs = self.sorted[start..end].windows(2);
                    for (same, pair) in same[start..].iter_mut().zip(pairs) {
                        *same = key(pair[0]) == key(pair[1]);
                    }
                }
                start = end;
            }
            let before = count;
            count = self.number(&same);
            if count == before {
                return;
            }
        }
    }

    /// Numbers the atoms in sorted order, equal ones alike; returns how many numbers there are.
    fn number(&mut self, same: &[bool]) -> usize {
        let mut rank = 0;
        for (at, &atom) in self.sorted.iter().enumerate() {
            if at > 0 && !same[at - 1] {
                rank += 1;
            }
            self.ranks[atom as usize] = rank;
        }
        rank as usize + 1
    }

    fn list_neighbours(&mut self, molecule: &Molecule, same: &[bool]) {
        self.keys.clear();
        for (at, &atom) in self.sorted.iter().enumerate() {
            let tied = (at > 0 && same[at - 1]) || (at < same.len() && same[at]);
            if !tied {
                continue;
            }
            let index = atom as usize;
            let start = self.keys.len();
            for next in molecule.neighbours(index) {
                let bond = &molecule.bonds[next.bond as usize];
                let other = next.atom as usize;
                let single_by_convention = bond.order == Order::Double
                    && molecule.atoms[other].number == 15
                    && matches!(molecule.degree(other), 3 | 4);
                let times = if single_by_convention {
                    1
                } else {
                    bond.order.twice()
                };
                let rank = self.ranks[other] + 1;
                self.keys.extend((0..times).map(|_| rank));
            }
            self.keys[start..].sort_unstable_by(|a, b| b.cmp(a));
            let hydrogens = molecule.atoms[index].hydrogens();
            self.keys.resize(self.keys.len() + hydrogens, 0);
            self.starts[index] = (start as u32, self.keys.len() as u32);
        }
    }
}

/// Whether a bond counts among those around a centre: not one whose electrons the atom gives away.
fn counts(molecule: &Molecule, bond: u32, atom: usize) -> bool {
    let bond = &molecule.bonds[bond as usize];
    !(bond.order == Order::Dative && bond.begin as usize == atom)
}

fn has_hydrogen_neighbour(molecule: &Molecule, atom: usize) -> bool {
    molecule.neighbours(atom).iter().any(|next| {
        let other = &molecule.atoms[next.atom as usize];
        other.number == 1 && other.isotope == 0
    })
}

/// Whether four different neighbours (a lone pair may stand for one) would make the atom a centre.
fn may_be_centre(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    let bonds = molecule
        .neighbours(index)
        .iter()
        .filter(|next| counts(molecule, next.bond, index))
        .count();
    let total = bonds + atom.hydrogens();
    if !(3..=4).contains(&total) || (bonds < 3 && !matches!(atom.number, 15 | 33)) {
        return false;
    }
    if bonds != 3 {
        return true;
    }
    if atom.hydrogens() == 1 {
        return !has_hydrogen_neighbour(molecule, index);
    }
    match atom.number {
        7 => {
            atom.hybridization == Hybridization::Sp3
                && !has_conjugated_bond(molecule, index)
                && (in_three_ring(molecule, index) || is_bridgehead(molecule, index))
        }
        15 | 33 => true,
        16 | 34 => atom.explicit_valence == 4 || (atom.explicit_valence == 3 && atom.charge == 1),
        _ => false,
    }
}

fn in_three_ring(molecule: &Molecule, index: usize) -> bool {
    molecule
        .rings()
        .any(|(atoms, _)| atoms.len() == 3 && atoms.contains(&(index as u32)))
}

/// Whether three ring bonds meet at the atom, and each ring there shares two bonds or more with another.
fn is_bridgehead(molecule: &Molecule, index: usize) -> bool {
    let own: Vec<u32> = molecule
        .neighbours(index)
        .iter()
        .filter(|next| molecule.bonds[next.bond as usize].rings > 0)
        .map(|next| next.bond)
        .collect();
    if own.len() < 3 {
        return false;
    }
    let through: Vec<&[u32]> = molecule
        .rings()
        .map(|(_, bonds)| bonds)
        .filter(|bonds| bonds.iter().any(|bond| own.contains(bond)))
        .collect();
    let overlaps = |a: &[u32], b: &[u32]| a.iter().filter(|bond| b.contains(bond)).count() >= 2;
    (0..through.len())
        .all(|i| (0..through.len()).any(|j| i != j && overlaps(through[i], through[j])))
}

/// Gives codes to marked centres whose neighbours rank differently; returns whether some are left, and whether any was given.
fn assign_atoms(molecule: &Molecule, ranks: &[u32], codes: &mut [Code]) -> (bool, bool) {
    let (mut open, mut changed) = (false, false);
    for (index, code) in codes.iter_mut().enumerate() {
        let atom = &molecule.atoms[index];
        if atom.chirality == Chirality::None
            || *code != Code::Unknown
            || !may_be_centre(molecule, index)
        {
            continue;
        }
        let neighbours = molecule.neighbours(index);
        let mut around: Vec<(u32, u32)> = neighbours
            .iter()
            .map(|next| (ranks[next.atom as usize], next.bond))
            .collect();
        let mut seen: Vec<u32> = neighbours
            .iter()
            .filter(|next| counts(molecule, next.bond, index))
            .map(|next| ranks[next.atom as usize])
            .collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            open = true;
            continue;
        }
        changed = true;
        around.sort_by_key(|&(rank, _)| rank);
        let order: Vec<u32> = around.iter().map(|&(_, bond)| bond).collect();
        let swaps = inversions(&order) + usize::from(order.len() == 3 && atom.hydrogens() == 1);
        let turn = if swaps % 2 == 1 {
            atom.chirality.inverted()
        } else {
            atom.chirality
        };
        *code = if turn == Chirality::Counterclockwise {
            Code::S
        } else {
            Code::R
        };
    }
    (open, changed)
}

/// Reads the marks beside double bonds; returns whether some are left, and whether any was read.
fn assign_bonds(molecule: &mut Molecule, ranks: &[u32], done: &mut [bool]) -> (bool, bool) {
    let (mut open, mut changed) = (false, false);
    let mut cleared = Vec::new();
    for (index, done) in done.iter_mut().enumerate() {
        let bond = &molecule.bonds[index];
        if bond.order != Order::Double
            || bond.stereo != Stereo::None
            || (bond.rings > 0 && bond.smallest_ring < SMALLEST_RING_WITH_E)
        {
            continue;
        }
        let (begin, end) = (bond.begin as usize, bond.end as usize);
        if !(2..=3).contains(&molecule.degree(begin)) || !(2..=3).contains(&molecule.degree(end)) {
            continue;
        }
        let sides = [
            side(molecule, begin, index, ranks),
            side(molecule, end, index, ranks),
        ];
        let [Side::Points(first), Side::Points(second)] = &sides else {
            // A contradiction on one side is settled only once the other side is known.
            open |= sides.iter().any(|side| !matches!(side, Side::Unmarked));
            if sides
                .iter()
                .all(|side| !matches!(side, Side::Unmarked | Side::Tied))
                && !*done
            {
                *done = true;
                changed = true;
                for side in &sides {
                    if let Side::Contradiction(bonds) = side {
                        cleared.extend(*bonds);
                    }
                }
            }
            continue;
        };
        let same = first.1 == second.1;
        let atoms = [first.0, second.0];
        let bond = &mut molecule.bonds[index];
        bond.stereo = if same { Stereo::Z } else { Stereo::E };
        bond.stereo_atoms = atoms;
        changed = true;
    }
    for bond in cleared {
        molecule.bonds[bond as usize].direction = Direction::None;
    }
    (open, changed)
}

/// What the marks on one side of a double bond say.
enum Side {
    /// There are none.
    Unmarked,
    /// The two neighbours rank alike.
    Tied,
    /// Both neighbours are said to lie on one side: their bonds.
    Contradiction([u32; 2]),
    /// The neighbour of higher rank and where it points.
    Points((u32, Direction)),
}

fn side(molecule: &Molecule, atom: usize, double: usize, ranks: &[u32]) -> Side {
    let mut around = [(0u32, 0u32, Direction::None); 2];
    let mut count = 0;
    for next in molecule.neighbours(atom) {
        if next.bond as usize != double && count < 2 {
            let bond = &molecule.bonds[next.bond as usize];
            let direction = if bond.begin as usize == atom {
                bond.direction
            } else {
                bond.direction.flipped()
            };
            around[count] = (next.atom, next.bond, direction);
            count += 1;
        }
    }
    let [mut first, mut second] = around;
    if first.2 == Direction::None && second.2 == Direction::None {
        return Side::Unmarked;
    }
    if count == 1 {
        return Side::Points((first.0, first.2));
    }
    let (a, b) = (ranks[first.0 as usize], ranks[second.0 as usize]);
    if a == b {
        return Side::Tied;
    }
    if first.2 == Direction::None {
        first.2 = second.2.flipped();
    } else if second.2 == Direction::None {
        second.2 = first.2.flipped();
    }
    if first.2 == second.2 {
        return Side::Contradiction([first.1, second.1]);
    }
    let higher = if a > b { first } else { second };
    Side::Points((higher.0, higher.2))
}

/// Marked ring atoms without a code of their own that make a difference together, as in 1,4-dimethylcyclohexane.
fn related_through_rings(molecule: &Molecule, ranks: &[u32], codes: &[Code]) -> Vec<bool> {
    let atoms = molecule.atoms.len();
    let (mut possible, mut linked) = (vec![false; atoms], vec![false; atoms]);
    let (mut seen, mut queued) = (vec![false; atoms], vec![false; atoms]);
    let mut walked = vec![false; molecule.bonds.len()];
    let is_candidate = |index: usize| {
        molecule.atoms[index].chirality != Chirality::None
            && codes[index] == Code::Unknown
            && has_tied_ring_neighbours(molecule, ranks, index)
    };
    let mut queue = Vec::new();
    for root in 0..atoms {
        if seen[root] || !is_candidate(root) {
            continue;
        }
        queue.clear();
        let mut step = |at: usize, queue: &mut Vec<usize>, from_root: bool, seen: &[bool]| {
            for next in molecule.neighbours(at) {
                let to = next.atom as usize;
                if walked[next.bond as usize] {
                    continue;
                }
                walked[next.bond as usize] = true;
                let ring = molecule.bonds[next.bond as usize].rings > 0;
                if ring && !seen[to] && (from_root || !queued[to]) {
                    queue.push(to);
                    queued[to] = true;
                }
            }
        };
        step(root, &mut queue, true, &seen);
        let mut found = !queue.is_empty() && linked[root];
        let mut head = 0;
        while head < queue.len() {
            let at = queue[head];
            head += 1;
            seen[at] = true;
            if is_candidate(at) {
                found = true;
                linked[at] = true;
                possible[at] = true;
                possible[root] = true;
            }
            step(at, &mut queue, false, &seen);
        }
        if found {
            linked[root] = true;
        } else {
            possible[root] = false;
        }
        seen[root] = true;
    }
    possible
        .iter()
        .zip(&linked)
        .map(|(&p, &l)| p && l)
        .collect()
}

/// Whether the atom's neighbours in the ring rank alike, and those outside it differently.
fn has_tied_ring_neighbours(molecule: &Molecule, ranks: &[u32], index: usize) -> bool {
    let atom = &molecule.atoms[index];
    if atom.rings == 0 {
        return false;
    }
    if atom.number == 7
        && molecule.total_degree(index) == 3
        && !in_three_ring(molecule, index)
        && !is_bridgehead(molecule, index)
    {
        return false;
    }
    let mut outside = Vec::new();
    let mut inside = Vec::new();
    for next in molecule.neighbours(index) {
        let rank = ranks[next.atom as usize];
        if molecule.bonds[next.bond as usize].rings == 0 {
            outside.push(rank);
        } else {
            inside.push(rank);
        }
    }
    let total = inside.len();
    inside.sort_unstable();
    inside.dedup();
    match outside[..] {
        [a, b] => a != b && inside.len() != total,
        [_] => total > inside.len(),
        [] => matches!((total, inside.len()), (4, 3) | (3, 2)),
        _ => false,
    }
}
