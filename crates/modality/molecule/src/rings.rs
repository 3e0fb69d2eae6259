//! The smallest rings of a molecule.
//!
//! Rings are found block by block (a block is a largest part that no single atom cuts). A block with as many bonds as atoms
//! is one ring. In any other, the candidates of Vismara, "Union of all the minimum cycle bases of a graph", Electron. J.
//! Combin. 4, R9 (1997) are tried from the smallest on: one is kept if it is no sum of smaller rings. So where several rings
//! of one size could be chosen, all are taken, as in RDKit's symmetrized set of smallest rings.

use crate::molecule::{Molecule, Order};
use crate::{Limits, MoleculeError};

const NONE: u32 = u32::MAX;

/// What is kept between molecules.
#[derive(Debug, Default)]
pub(crate) struct RingFinder {
    depth: Vec<u32>,
    low: Vec<u32>,
    /// Atom, the bond by which it was reached, and its next neighbour.
    path: Vec<(u32, u32, u32)>,
    open_bonds: Vec<u32>,
    local: Vec<u32>,
}

/// The bonds of one block in numbers of its own.
struct Block {
    /// Atoms of the molecule.
    atoms: Vec<u32>,
    /// Bonds of the molecule.
    bonds: Vec<u32>,
    /// Ends of each bond.
    ends: Vec<[u16; 2]>,
    starts: Vec<u32>,
    /// Neighbour and bond.
    neighbours: Vec<(u16, u16)>,
}

impl RingFinder {
    /// Lists the rings of `molecule` and counts them at atoms and bonds. Dative bonds are in no ring.
    pub(crate) fn find(
        &mut self,
        molecule: &mut Molecule,
        limits: &Limits,
    ) -> Result<(), MoleculeError> {
        molecule.ring_starts.clear();
        molecule.ring_atoms.clear();
        molecule.ring_bonds.clear();
        molecule.ring_starts.push(0);
        let atoms = molecule.atoms.len();
        self.depth.clear();
        self.depth.resize(atoms, 0);
        self.low.clear();
        self.low.resize(atoms, 0);
        for root in 0..atoms {
            if self.depth[root] == 0 {
                self.search(molecule, root as u32, limits)?;
            }
        }
        count(molecule);
        Ok(())
    }

    /// Depth-first search from one atom (Hopcroft and Tarjan, 1973); each block is treated when it is complete.
    fn search(
        &mut self,
        molecule: &mut Molecule,
        root: u32,
        limits: &Limits,
    ) -> Result<(), MoleculeError> {
        self.depth[root as usize] = 1;
        self.low[root as usize] = 1;
        self.path.clear();
        self.open_bonds.clear();
        self.path.push((root, NONE, molecule.starts[root as usize]));
        while let Some(&(atom, by, place)) = self.path.last() {
            let at = atom as usize;
            if place < molecule.starts[at + 1] {
                if let Some(last) = self.path.last_mut() {
                    last.2 += 1;
                }
                let next = molecule.neighbours[place as usize];
                if next.bond == by || molecule.bonds[next.bond as usize].order == Order::Dative {
                    continue;
                }
                let to = next.atom as usize;
                if self.depth[to] == 0 {
                    self.depth[to] = self.depth[at] + 1;
                    self.low[to] = self.depth[to];
                    self.open_bonds.push(next.bond);
                    self.path.push((next.atom, next.bond, molecule.starts[to]));
                } else if self.depth[to] < self.depth[at] {
                    self.open_bonds.push(next.bond);
                    self.low[at] = self.low[at].min(self.depth[to]);
                }
                continue;
            }
            self.path.pop();
            let Some(&(parent, ..)) = self.path.last() else {
                continue;
            };
            let parent = parent as usize;
            self.low[parent] = self.low[parent].min(self.low[at]);
            if self.low[at] >= self.depth[parent] {
                let start = self.open_bonds.iter().rposition(|&bond| bond == by);
                let start = start.unwrap_or(0);
                if self.open_bonds.len() - start > 1 {
                    self.block(molecule, start, limits)?;
                }
                self.open_bonds.truncate(start);
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        molecule: &mut Molecule,
        start: usize,
        limits: &Limits,
    ) -> Result<(), MoleculeError> {
        let bonds = &self.open_bonds[start..];
        if bonds.len() > limits.ring_system_bonds {
            return Err(MoleculeError::TooLarge {
                what: "bonds in one system of rings",
                limit: limits.ring_system_bonds,
            });
        }
        let block = Block::new(molecule, bonds, &mut self.local);
        if block.bonds.len() == block.atoms.len() {
            let all = vec![u64::MAX; block.bonds.len().div_ceil(64)];
            block.emit(molecule, &all);
        } else {
            block.smallest(molecule);
        }
        Ok(())
    }
}

impl Block {
    fn new(molecule: &Molecule, bonds: &[u32], local: &mut Vec<u32>) -> Block {
        local.clear();
        local.resize(molecule.atoms.len(), NONE);
        let mut atoms = Vec::with_capacity(bonds.len());
        let mut ends = Vec::with_capacity(bonds.len());
        for &bond in bonds {
            let bond = &molecule.bonds[bond as usize];
            let mut number = |atom: u32| {
                let slot = &mut local[atom as usize];
                if *slot == NONE {
                    *slot = atoms.len() as u32;
                    atoms.push(atom);
                }
                *slot as u16
            };
            ends.push([number(bond.begin), number(bond.end)]);
        }
        let mut starts = vec![0u32; atoms.len() + 2];
        for &[a, b] in &ends {
            starts[usize::from(a) + 2] += 1;
            starts[usize::from(b) + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut neighbours = vec![(0u16, 0u16); 2 * ends.len()];
        for (bond, &[a, b]) in ends.iter().enumerate() {
            for (from, to) in [(a, b), (b, a)] {
                let place = &mut starts[usize::from(from) + 1];
                neighbours[*place as usize] = (to, bond as u16);
                *place += 1;
            }
        }
        starts.pop();
        Block {
            atoms,
            bonds: bonds.to_vec(),
            ends,
            starts,
            neighbours,
        }
    }

    fn around(&self, atom: usize) -> &[(u16, u16)] {
        &self.neighbours[self.starts[atom] as usize..self.starts[atom + 1] as usize]
    }

    /// Adds the ring of the bonds in `set`, in the order in which one walks around it.
    fn emit(&self, molecule: &mut Molecule, set: &[u64]) {
        let has = |bond: u16| set[usize::from(bond) / 64] >> (bond % 64) & 1 == 1;
        let Some(first) = (0..self.bonds.len() as u16).find(|&bond| has(bond)) else {
            return;
        };
        let [start, mut at] = self.ends[usize::from(first)];
        let mut by = first;
        molecule.ring_atoms.push(self.atoms[usize::from(start)]);
        molecule.ring_bonds.push(self.bonds[usize::from(first)]);
        while at != start {
            molecule.ring_atoms.push(self.atoms[usize::from(at)]);
            let next = self
                .around(usize::from(at))
                .iter()
                .find(|&&(_, bond)| bond != by && has(bond));
            let Some(&(to, bond)) = next else { break };
            molecule.ring_bonds.push(self.bonds[usize::from(bond)]);
            (at, by) = (to, bond);
        }
        molecule.ring_starts.push(molecule.ring_atoms.len() as u32);
    }

    /// Adds all smallest rings.
    fn smallest(&self, molecule: &mut Molecule) {
        let words = self.bonds.len().div_ceil(64);
        let rank = self.bonds.len() + 1 - self.atoms.len();
        let (lengths, sets) = self.candidates(words);
        let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
        order.sort_by_key(|&candidate| lengths[candidate as usize]);
        // Rows of a basis in echelon form, with the bit that each clears.
        let mut basis: Vec<u64> = Vec::with_capacity(rank * words);
        let mut pivots: Vec<usize> = Vec::with_capacity(rank);
        let mut shorter = 0;
        let mut length = 0;
        let mut row = vec![0u64; words];
        for &candidate in &order {
            let candidate = candidate as usize;
            if lengths[candidate] != length {
                if pivots.len() == rank {
                    break;
                }
                length = lengths[candidate];
                shorter = pivots.len();
            }
            let set = &sets[candidate * words..(candidate + 1) * words];
            row.copy_from_slice(set);
            reduce(&mut row, &basis, &pivots, 0..shorter);
            if row.iter().all(|&word| word == 0) {
                continue;
            }
            self.emit(molecule, set);
            reduce(&mut row, &basis, &pivots, shorter..pivots.len());
            if let Some(word) = row.iter().position(|&word| word != 0) {
                pivots.push(word * 64 + row[word].trailing_zeros() as usize);
                basis.extend_from_slice(&row);
            }
        }
    }

    /// Rings made of two shortest paths from their last atom, and a bond or an atom that joins them: lengths, and sets of bonds.
    fn candidates(&self, words: usize) -> (Vec<u16>, Vec<u64>) {
        let atoms = self.atoms.len();
        let mut lengths = Vec::new();
        let mut sets: Vec<u64> = Vec::new();
        let mut distance = vec![u16::MAX; atoms];
        // The first atom after the root on the way to each atom, and the bonds of that way.
        let mut branch = vec![0u16; atoms];
        let mut way = vec![0u64; atoms * words];
        let mut queue: Vec<u16> = Vec::with_capacity(atoms);
        for root in 2..atoms {
            distance[..=root].fill(u16::MAX);
            distance[root] = 0;
            branch[root] = root as u16;
            way[root * words..(root + 1) * words].fill(0);
            queue.clear();
            queue.push(root as u16);
            let mut head = 0;
            while head < queue.len() {
                let at = usize::from(queue[head]);
                head += 1;
                // Neighbours before `at` on the way: the pairs of them close even rings, bonds at equal distance odd ones.
                for (place, &(to, bond)) in self.around(at).iter().enumerate() {
                    let next = usize::from(to);
                    if next > root {
                        continue;
                    }
                    if distance[next] == u16::MAX {
                        distance[next] = distance[at] + 1;
                        branch[next] = if at == root { to } else { branch[at] };
                        for word in 0..words {
                            way[next * words + word] = way[at * words + word];
                        }
                        way[next * words + usize::from(bond) / 64] |= 1 << (bond % 64);
                        queue.push(to);
                    } else if distance[next] == distance[at] && next < at {
                        if branch[next] != branch[at] {
                            lengths.push(2 * distance[at] + 1);
                            push_set(&mut sets, &way, words, [at, next], &[bond]);
                        }
                    } else if distance[next] + 1 == distance[at] {
                        for &(other, second) in &self.around(at)[..place] {
                            let before = usize::from(other);
                            let pairs = before <= root
                                && distance[before] == distance[next]
                                && branch[before] != branch[next];
                            if pairs && distance[next] > 0 {
                                lengths.push(2 * distance[at]);
                                push_set(&mut sets, &way, words, [before, next], &[bond, second]);
                            }
                        }
                    }
                }
            }
        }
        (lengths, sets)
    }
}

fn push_set(sets: &mut Vec<u64>, way: &[u64], words: usize, ends: [usize; 2], bonds: &[u16]) {
    let start = sets.len();
    let [a, b] = ends;
    sets.extend((0..words).map(|word| way[a * words + word] | way[b * words + word]));
    for bond in bonds {
        sets[start + usize::from(*bond) / 64] |= 1 << (bond % 64);
    }
}

fn reduce(row: &mut [u64], basis: &[u64], pivots: &[usize], range: std::ops::Range<usize>) {
    let words = row.len();
    for index in range {
        let pivot = pivots[index];
        if row[pivot / 64] >> (pivot % 64) & 1 == 1 {
            for (word, other) in row.iter_mut().zip(&basis[index * words..]) {
                *word ^= other;
            }
        }
    }
}

fn count(molecule: &mut Molecule) {
    for atom in &mut molecule.atoms {
        atom.rings = 0;
    }
    for bond in &mut molecule.bonds {
        bond.rings = 0;
        bond.smallest_ring = 0;
    }
    for ring in 0..molecule.ring_starts.len() - 1 {
        let range = molecule.ring_starts[ring] as usize..molecule.ring_starts[ring + 1] as usize;
        let size = range.len() as u16;
        for &atom in &molecule.ring_atoms[range.clone()] {
            let rings = &mut molecule.atoms[atom as usize].rings;
            *rings = rings.saturating_add(1);
        }
        for &bond in &molecule.ring_bonds[range] {
            let bond = &mut molecule.bonds[bond as usize];
            bond.rings = bond.rings.saturating_add(1);
            if bond.smallest_ring == 0 || size < bond.smallest_ring {
                bond.smallest_ring = size;
            }
        }
    }
}
