//! Morgan fingerprints: which circular environments of atoms a molecule holds.
//!
//! Rogers and Hahn, "Extended-connectivity fingerprints", J. Chem. Inf. Model. 50, 742 (2010). The numbers are those of RDKit's
//! `GetMorganGenerator` with its defaults, so that bits mean the same in both.

use std::collections::BTreeMap;

use crate::element::element;
use crate::molecule::{Molecule, Order};

/// Bits of a fingerprint.
pub const FINGERPRINT_BITS: usize = 2_048;
/// Words that hold them.
pub const FINGERPRINT_WORDS: usize = FINGERPRINT_BITS / 64;

/// The usual radius, in bonds; the fingerprint is then also called ECFP4.
pub const RADIUS: usize = 2;

/// A set of bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    words: [u64; FINGERPRINT_WORDS],
    /// Bits that are set.
    ones: u32,
}

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint {
            words: [0; FINGERPRINT_WORDS],
            ones: 0,
        }
    }
}

impl Fingerprint {
    /// The Morgan fingerprint of radius [`RADIUS`].
    ///
    /// ```
    /// use candor_molecule::{Fingerprint, Molecule};
    /// let of = |text| Fingerprint::of(&Molecule::from_smiles(text).unwrap());
    /// assert_eq!(of("OCC"), of("CCO"));
    /// assert_eq!(of("CCO").tanimoto(&of("CCO")), 1.0);
    /// assert!(of("CCO").tanimoto(&of("c1ccccc1")) < 0.1);
    /// ```
    pub fn of(molecule: &Molecule) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for environment in environments(molecule, RADIUS) {
            let bit = environment.place();
            fingerprint.words[bit / 64] |= 1 << (bit % 64);
        }
        fingerprint.ones = fingerprint.words.iter().map(|word| word.count_ones()).sum();
        fingerprint
    }

    /// The bits, 64 to a word, the lowest first.
    pub fn words(&self) -> &[u64; FINGERPRINT_WORDS] {
        &self.words
    }

    /// How many bits are set.
    pub fn ones(&self) -> u32 {
        self.ones
    }

    /// The numbers of the bits that are set, ascending.
    pub fn bits(&self) -> Vec<usize> {
        let is_set = |&bit: &usize| self.words[bit / 64] >> (bit % 64) & 1 == 1;
        (0..FINGERPRINT_BITS).filter(is_set).collect()
    }

    /// Bits set in both over bits set in either; 1 for two empty fingerprints.
    pub fn tanimoto(&self, other: &Fingerprint) -> f64 {
        let both: u32 = self
            .words
            .iter()
            .zip(&other.words)
            .map(|(a, b)| (a & b).count_ones())
            .sum();
        match self.ones + other.ones - both {
            0 => 1.0,
            either => f64::from(both) / f64::from(either),
        }
    }
}

/// How often each of the [`FINGERPRINT_BITS`] places is hit by an environment of radius [`RADIUS`]: what trees and linear models
/// learn from.
pub fn fingerprint_counts(molecule: &Molecule) -> Vec<u16> {
    let mut counts = vec![0u16; FINGERPRINT_BITS];
    for environment in environments(molecule, RADIUS) {
        let count = &mut counts[environment.place()];
        *count = count.saturating_add(1);
    }
    counts
}

/// For each atom the places of the fingerprint that are hit by environments of which it is no part, ascending, with how often.
pub(crate) fn fingerprints_without_atoms(molecule: &Molecule) -> Vec<Vec<(u16, u16)>> {
    let environments = environments(molecule, RADIUS);
    let without = |atom: usize| {
        let far = distances(molecule, atom);
        let mut counts = BTreeMap::new();
        let others = environments.iter().filter(|e| far[e.center] > e.radius);
        for environment in others {
            let count = counts.entry(environment.place() as u16).or_insert(0u16);
            *count = count.saturating_add(1);
        }
        counts.into_iter().collect()
    };
    (0..molecule.atoms.len()).map(without).collect()
}

/// Bonds from an atom to each other one, as far as [`RADIUS`]; greater numbers beyond.
fn distances(molecule: &Molecule, from: usize) -> Vec<usize> {
    let mut distances = vec![usize::MAX; molecule.atoms.len()];
    distances[from] = 0;
    let mut ring = vec![from];
    for distance in 1..=RADIUS {
        let mut next_ring = Vec::new();
        for next in ring.iter().flat_map(|&atom| molecule.neighbours(atom)) {
            let seen = &mut distances[next.atom as usize];
            if *seen == usize::MAX {
                *seen = distance;
                next_ring.push(next.atom as usize);
            }
        }
        ring = next_ring;
    }
    distances
}

/// What lies within some bonds around an atom.
struct Environment {
    hash: u32,
    center: usize,
    /// In bonds.
    radius: usize,
}

impl Environment {
    /// Its place in a fingerprint.
    fn place(&self) -> usize {
        self.hash as usize % FINGERPRINT_BITS
    }
}

/// Boost's way to mix a value into a hash, as RDKit uses it.
fn combine(seed: u32, value: u32) -> u32 {
    seed ^ value
        .wrapping_add(0x9e37_79b9)
        .wrapping_add(seed << 6)
        .wrapping_add(seed >> 2)
}

/// What an atom is by itself: element, neighbours, hydrogens, charge, difference of mass, in a ring or not.
fn invariant(molecule: &Molecule, index: usize) -> u32 {
    let atom = &molecule.atoms[index];
    let lighter = atom.mass() - element(atom.number).mass;
    let mut hash = 0;
    for value in [
        i32::from(atom.number),
        molecule.total_degree(index) as i32,
        hydrogens(molecule, index),
        i32::from(atom.charge),
        lighter as i32,
    ] {
        hash = combine(hash, value as u32);
    }
    if atom.rings > 0 {
        hash = combine(hash, 1);
    }
    hash
}

/// All hydrogens, those that are atoms of their own included.
fn hydrogens(molecule: &Molecule, index: usize) -> i32 {
    let own = molecule
        .neighbours(index)
        .iter()
        .filter(|next| molecule.atoms[next.atom as usize].number == 1);
    (molecule.atoms[index].hydrogens() + own.count()) as i32
}

/// Each different environment of each atom, up to `radius` bonds around it. Of environments made of the same bonds only the first
/// found counts.
fn environments(molecule: &Molecule, radius: usize) -> Vec<Environment> {
    let atoms = molecule.atoms.len();
    let words = molecule.bonds.len().div_ceil(64);
    let mut current: Vec<u32> = (0..atoms).map(|index| invariant(molecule, index)).collect();
    let environment = |hash: u32, center: usize, radius: usize| Environment {
        hash,
        center,
        radius,
    };
    let own = current.iter().enumerate();
    let mut found: Vec<Environment> = own.map(|(i, &hash)| environment(hash, i, 0)).collect();
    let mut next_values = vec![0u32; atoms];
    let mut dead = vec![false; atoms];
    // The bonds of each atom's environment, and of all environments that were found.
    let mut bonds = vec![0u64; atoms * words];
    let mut next_bonds = bonds.clone();
    let mut seen: Vec<u64> = Vec::new();
    let mut order: Vec<usize> = Vec::with_capacity(atoms);
    let mut around: Vec<(u32, u32)> = Vec::new();
    for layer in 0..radius {
        order.clear();
        for index in 0..atoms {
            next_values[index] = 0;
            let own = index * words..(index + 1) * words;
            if dead[index] || molecule.degree(index) == 0 {
                dead[index] = true;
                next_bonds[own.clone()].copy_from_slice(&bonds[own]);
                continue;
            }
            next_bonds[own].fill(0);
            around.clear();
            for next in molecule.neighbours(index) {
                let (other, bond) = (next.atom as usize, next.bond as usize);
                next_bonds[index * words + bond / 64] |= 1 << (bond % 64);
                for word in 0..words {
                    next_bonds[index * words + word] |= bonds[other * words + word];
                }
                around.push((bond_type(molecule.bonds[bond].order), current[other]));
            }
            around.sort_unstable();
            let mut hash = combine(layer as u32, current[index]);
            for &(bond, value) in &around {
                hash = combine(hash, combine(combine(0, bond), value));
            }
            next_values[index] = hash;
            order.push(index);
        }
        // Environments with the same bonds next to each other, the one that counts first.
        let key = |index: usize| &next_bonds[index * words..(index + 1) * words];
        order.sort_unstable_by(|&a, &b| {
            key(a)
                .cmp(key(b))
                .then(next_values[a].cmp(&next_values[b]))
                .then(a.cmp(&b))
        });
        let before = seen.len();
        let mut last: Option<usize> = None;
        for &index in &order {
            let repeated = last.is_some_and(|last| key(last) == key(index))
                || (words > 0
                    && seen[..before]
                        .chunks_exact(words)
                        .any(|old| old == key(index)));
            if repeated {
                dead[index] = true;
            } else {
                found.push(environment(next_values[index], index, layer + 1));
                seen.extend_from_slice(key(index));
            }
            last = Some(index);
        }
        std::mem::swap(&mut current, &mut next_values);
        std::mem::swap(&mut bonds, &mut next_bonds);
    }
    found
}

fn bond_type(order: Order) -> u32 {
    order as u32
}
