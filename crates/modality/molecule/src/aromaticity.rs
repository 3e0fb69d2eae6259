//! Which rings are aromatic: Hückel's rule over single rings and fused systems, as in RDKit's model.

use crate::element::{element, more_electronegative};
use crate::molecule::{Bond, Molecule, Order};

/// Rings above this size are not fused with others.
const LARGEST_FUSED: usize = 24;
/// Most rings that are taken together.
const MOST_TOGETHER: usize = 6;
/// Most rings of a molecule among which fused ones are sought.
const MOST_FUSED: usize = 1_000;
/// Most sets of rings that are tried in one fused system; reached only by strings made to be slow.
const MOST_SETS: usize = 50_000;

/// What an atom gives to the electrons of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Donor {
    Unseen,
    /// An empty orbital.
    Vacant,
    One,
    Two,
    /// One or two (a dummy).
    Any,
    /// It cannot be part of an aromatic ring.
    No,
}

/// Marks aromatic atoms and bonds. Double bonds must have been set (`kekulize`).
pub(crate) fn perceive(molecule: &mut Molecule) {
    let rings = molecule.ring_starts.len() - 1;
    if rings == 0 {
        return;
    }
    let mut donors = vec![Donor::Unseen; molecule.atoms.len()];
    let mut candidates: Vec<u32> = Vec::with_capacity(rings);
    for ring in 0..rings {
        let atoms = ring_atoms(molecule, ring);
        let mut all = true;
        let mut dummies = true;
        for &atom in atoms {
            let atom = atom as usize;
            dummies &= molecule.atoms[atom].number == 0;
            if donors[atom] == Donor::Unseen {
                let donor = donor(molecule, atom);
                donors[atom] = if may_be_aromatic(molecule, atom, donor) {
                    donor
                } else {
                    Donor::No
                };
            }
            all &= donors[atom] != Donor::No;
        }
        if all && !dummies {
            candidates.push(ring as u32);
        }
    }
    if candidates.is_empty() {
        return;
    }
    Systems::new(molecule, &candidates, &donors).mark(molecule);
}

fn ring_atoms(molecule: &Molecule, ring: usize) -> &[u32] {
    let range = molecule.ring_starts[ring] as usize..molecule.ring_starts[ring + 1] as usize;
    &molecule.ring_atoms[range]
}

fn ring_bonds(molecule: &Molecule, ring: usize) -> &[u32] {
    let range = molecule.ring_starts[ring] as usize..molecule.ring_starts[ring + 1] as usize;
    &molecule.ring_bonds[range]
}

/// The candidate rings and how they are fused.
struct Systems<'a> {
    rings: &'a [u32],
    donors: &'a [Donor],
    /// For each ring, those that share exactly one bond with it.
    fused: Vec<Vec<u32>>,
    /// In how many rings of the set at hand each atom is.
    atom_counts: Vec<u8>,
    bond_counts: Vec<u8>,
    tried: usize,
}

impl<'a> Systems<'a> {
    fn new(molecule: &Molecule, rings: &'a [u32], donors: &'a [Donor]) -> Systems<'a> {
        let mut fused = vec![Vec::new(); rings.len()];
        let size = |ring: u32| ring_bonds(molecule, ring as usize).len();
        for (i, &first) in rings.iter().enumerate() {
            if size(first) > LARGEST_FUSED || rings.len() > MOST_FUSED {
                continue;
            }
            for (j, &second) in rings.iter().enumerate().skip(i + 1) {
                let shared = ring_bonds(molecule, first as usize)
                    .iter()
                    .filter(|bond| ring_bonds(molecule, second as usize).contains(bond))
                    .count();
                if shared == 1 && size(second) <= LARGEST_FUSED {
                    fused[i].push(j as u32);
                    fused[j].push(i as u32);
                }
            }
        }
        Systems {
            rings,
            donors,
            fused,
            atom_counts: vec![0; molecule.atoms.len()],
            bond_counts: vec![0; molecule.bonds.len()],
            tried: 0,
        }
    }

    fn mark(&mut self, molecule: &mut Molecule) {
        let mut seen = vec![false; self.rings.len()];
        for start in 0..self.rings.len() {
            if seen[start] {
                continue;
            }
            let mut system = vec![start as u32];
            seen[start] = true;
            let mut head = 0;
            while head < system.len() {
                for &next in &self.fused[system[head] as usize] {
                    if !seen[next as usize] {
                        seen[next as usize] = true;
                        system.push(next);
                    }
                }
                head += 1;
            }
            self.mark_system(molecule, &system);
        }
    }

    /// Tries sets of fused rings, small ones first, until all bonds are aromatic.
    fn mark_system(&mut self, molecule: &mut Molecule, system: &[u32]) {
        let mut set = Vec::with_capacity(MOST_TOGETHER);
        self.tried = 0;
        for size in 1..=system.len().min(MOST_TOGETHER) {
            let open = system.iter().any(|&ring| {
                let ring = self.rings[ring as usize] as usize;
                let bonds = ring_bonds(molecule, ring).iter();
                bonds
                    .clone()
                    .any(|&bond| !molecule.bonds[bond as usize].aromatic)
            });
            if !open || self.tried >= MOST_SETS {
                return;
            }
            for (place, &first) in system.iter().enumerate() {
                set.clear();
                set.push(first);
                let barred: Vec<u32> = system[..place].to_vec();
                self.extend(molecule, &mut set, size, barred);
            }
        }
    }

    /// Every connected set of `size` rings that contains `set` and none of the barred, once.
    fn extend(
        &mut self,
        molecule: &mut Molecule,
        set: &mut Vec<u32>,
        size: usize,
        mut barred: Vec<u32>,
    ) {
        if set.len() == size {
            self.tried += 1;
            self.judge(molecule, set);
            return;
        }
        let mut next: Vec<u32> = set
            .iter()
            .flat_map(|&ring| self.fused[ring as usize].iter().copied())
            .filter(|ring| !set.contains(ring) && !barred.contains(ring))
            .collect();
        next.sort_unstable();
        next.dedup();
        for ring in next {
            if self.tried >= MOST_SETS {
                return;
            }
            set.push(ring);
            self.extend(molecule, set, size, barred.clone());
            set.pop();
            barred.push(ring);
        }
    }

    /// Marks the outer bonds of a set of rings if their electrons obey Hückel's rule.
    fn judge(&mut self, molecule: &mut Molecule, set: &[u32]) {
        let rings = || set.iter().map(|&ring| self.rings[ring as usize] as usize);
        for ring in rings() {
            for &atom in ring_atoms(molecule, ring) {
                self.atom_counts[atom as usize] += 1;
            }
            for &bond in ring_bonds(molecule, ring) {
                self.bond_counts[bond as usize] += 1;
            }
        }
        let (mut least, mut most, mut any) = (0, 0, 0);
        for ring in rings() {
            for &atom in ring_atoms(molecule, ring) {
                let count = &mut self.atom_counts[atom as usize];
                // An atom inside (in three rings or more) does not count; one on the rim counts once.
                if *count == 1 || *count == 2 {
                    let (low, high) = electrons(self.donors[atom as usize]);
                    least += low;
                    most += high;
                    any += i32::from(self.donors[atom as usize] == Donor::Any);
                }
                *count = 0;
            }
        }
        let huckel = if most >= 6 {
            (least..=most).any(|count| (count - 2) % 4 == 0)
        } else {
            most == 2
        };
        let aromatic = any <= 1 && huckel;
        for &ring in set {
            let ring = self.rings[ring as usize] as usize;
            let range =
                molecule.ring_starts[ring] as usize..molecule.ring_starts[ring + 1] as usize;
            for at in range {
                let bond = molecule.ring_bonds[at] as usize;
                let count = std::mem::take(&mut self.bond_counts[bond]);
                if !aromatic || count != 1 {
                    continue;
                }
                let bond = &mut molecule.bonds[bond];
                bond.aromatic = true;
                if matches!(bond.order, Order::Single | Order::Double) {
                    bond.order = Order::Aromatic;
                    molecule.atoms[bond.begin as usize].aromatic = true;
                    molecule.atoms[bond.end as usize].aromatic = true;
                }
            }
        }
    }
}

fn electrons(donor: Donor) -> (i32, i32) {
    match donor {
        Donor::Any => (1, 2),
        Donor::One => (1, 1),
        Donor::Two => (2, 2),
        Donor::Vacant | Donor::No | Donor::Unseen => (0, 0),
    }
}

/// Electrons that an atom could give to a π system; -1 where it has no orbital for one.
pub(crate) fn pi_electrons(molecule: &Molecule, index: usize) -> i32 {
    let atom = &molecule.atoms[index];
    let facts = element(atom.number);
    let valence = facts.default_valence();
    if valence <= 1 {
        return -1;
    }
    let bonds = molecule.neighbours(index);
    let none = bonds
        .iter()
        .filter(|next| molecule.bonds[next.bond as usize].twice_at(index) == 0)
        .count();
    let degree = (molecule.total_degree(index) - none) as i32;
    if degree > 3 {
        return -1;
    }
    let lone = (i32::from(facts.outer) - valence - i32::from(atom.charge)).max(0);
    let electrons = valence - degree + lone - i32::from(atom.radicals);
    let unsaturated = i32::from(atom.explicit_valence) - bonds.len() as i32;
    if electrons > 1 && unsaturated > 1 {
        return 1;
    }
    electrons
}

fn donor(molecule: &Molecule, index: usize) -> Donor {
    let atom = &molecule.atoms[index];
    let multiple = |bond: &Bond| bond.twice_at(index) >= 4;
    let (mut inside, mut outside) = (false, None);
    for next in molecule.neighbours(index) {
        let bond = &molecule.bonds[next.bond as usize];
        if multiple(bond) {
            if bond.rings > 0 {
                inside = true;
            } else if outside.is_none() {
                outside = Some(next.atom as usize);
            }
        }
    }
    if atom.number == 0 {
        return if inside { Donor::One } else { Donor::Any };
    }
    let drawn = outside
        .is_some_and(|other| more_electronegative(molecule.atoms[other].number, atom.number));
    match pi_electrons(molecule, index) {
        ..0 => Donor::No,
        0 if outside.is_some() => Donor::Vacant,
        0 if inside => Donor::One,
        0 => Donor::No,
        1 if outside.is_some() => {
            if drawn {
                Donor::Vacant
            } else {
                Donor::One
            }
        }
        1 if has_multiple_bond(molecule, index) => Donor::One,
        1 if atom.charge == 1 => Donor::Vacant,
        1 => Donor::No,
        electrons if (electrons - i32::from(drawn)) % 2 == 1 => Donor::One,
        _ => Donor::Two,
    }
}

fn has_multiple_bond(molecule: &Molecule, index: usize) -> bool {
    let atom = &molecule.atoms[index];
    let bonds = molecule
        .neighbours(index)
        .iter()
        .filter(|next| molecule.bonds[next.bond as usize].twice_at(index) != 0)
        .count();
    i32::from(atom.explicit_valence) != (bonds + usize::from(atom.written_hydrogens)) as i32
}

fn may_be_aromatic(molecule: &Molecule, index: usize, donor: Donor) -> bool {
    let atom = &molecule.atoms[index];
    if donor == Donor::No || (atom.number > 18 && !matches!(atom.number, 34 | 52)) {
        return false;
    }
    let like = (i32::from(atom.number) - i32::from(atom.charge)).max(0) as u8;
    if element(atom.number).default_valence() > 0
        && atom.total_valence() > element(like).default_valence()
    {
        return false;
    }
    if atom.radicals != 0 && (atom.number != 6 || atom.charge != 0) {
        return false;
    }
    let unsaturated = i32::from(atom.explicit_valence) - molecule.degree(index) as i32;
    if unsaturated <= 1 {
        return true;
    }
    let multiple = molecule.neighbours(index).iter().filter(|next| {
        matches!(
            molecule.bonds[next.bond as usize].order,
            Order::Double | Order::Triple
        )
    });
    multiple.count() <= 1
}
