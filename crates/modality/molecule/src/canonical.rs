//! An order of the atoms that does not depend on how a molecule was written.
//!
//! Colours of atoms are refined by their neighbours' colours; where atoms stay alike, each is singled out in turn and the
//! order with the least code is taken. A branch is left as soon as it shows a code seen beside it, which proves a symmetry
//! (McKay, "Practical graph isomorphism", Congr. Numer. 30, 45 (1981)).

use crate::molecule::{Chirality, Molecule, Order, Stereo};
use crate::smiles::inversions;

/// Atoms that are looked at, over all refinements, before the least order so far is taken. Only large molecules of many equal
/// pieces come near, and for most of those every order is as good.
const MOST_WORK: usize = 4_000_000;

/// Whether the lie of atoms in space makes molecules different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Stereoisomers are different.
    Counts,
    /// Stereoisomers are the same.
    Ignored,
}

/// The place of each atom in the canonical order.
pub fn canonical_order(molecule: &Molecule, space: Space) -> Vec<u32> {
    let mut place = vec![0; molecule.atoms.len()];
    let mut first = 0;
    for part in ordered_parts(molecule, space) {
        for &(atom, within) in &part.places {
            place[atom as usize] = first + within;
        }
        first += part.places.len() as u32;
    }
    place
}

/// A number that two molecules share if they are the same, and else (but for one chance in 2^64 or so) do not.
///
/// ```
/// use candor_molecule::{Molecule, Space, canonical_key};
/// let key = |text, space| canonical_key(&Molecule::from_smiles(text).unwrap(), space);
/// assert_eq!(key("OCC", Space::Counts), key("C(C)O", Space::Counts));
/// assert_ne!(key("C[C@H](N)O", Space::Counts), key("C[C@@H](N)O", Space::Counts));
/// assert_eq!(key("C[C@H](N)O", Space::Ignored), key("C[C@@H](N)O", Space::Ignored));
/// ```
pub fn canonical_key(molecule: &Molecule, space: Space) -> u128 {
    let parts = ordered_parts(molecule, space);
    let halves = [0x9e37_79b9_7f4a_7c15u64, 0xc2b2_ae3d_27d4_eb4f].map(|start| {
        let values = parts.iter().flat_map(|part| {
            std::iter::once(part.places.len() as u64).chain(part.code.iter().copied())
        });
        values.fold(start ^ parts.len() as u64, mix)
    });
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}

/// A connected part in its canonical order.
struct Part {
    /// Atoms, bonds and configurations in terms of places.
    code: Vec<u64>,
    /// Each atom and its place in the part.
    places: Vec<(u32, u32)>,
}

/// The connected parts by their codes: equal parts, as the ions of a salt, need no search among them.
fn ordered_parts(molecule: &Molecule, space: Space) -> Vec<Part> {
    let (number, parts) = molecule.parts();
    let mut atoms: Vec<Vec<u32>> = vec![Vec::new(); parts];
    for (atom, &part) in number.iter().enumerate() {
        atoms[part as usize].push(atom as u32);
    }
    let mut ordered: Vec<Part> = atoms
        .iter()
        .map(|atoms| Search::run(molecule, space, atoms))
        .collect();
    ordered.sort_by(|a, b| a.code.cmp(&b.code));
    ordered
}

/// The finaliser of SplitMix64 over what was and what comes.
fn mix(hash: u64, value: u64) -> u64 {
    let mut hash = (hash.rotate_left(23) ^ value).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// What an atom is without its neighbours.
fn own_colour(molecule: &Molecule, index: usize) -> u64 {
    let atom = &molecule.atoms[index];
    u64::from(atom.number)
        | u64::from(atom.isotope) << 8
        | u64::from(atom.charge as u8) << 24
        | (atom.hydrogens() as u64 & 0xff) << 32
        | (molecule.degree(index) as u64 & 0xff) << 40
        | u64::from(atom.aromatic) << 48
        | u64::from(atom.radicals) << 49
}

struct Search<'a> {
    molecule: &'a Molecule,
    space: Space,
    /// The atoms of the part.
    atoms: &'a [u32],
    best: Option<(Vec<u64>, Vec<u32>)>,
    /// Hashes of the codes seen, in the order of the search.
    seen: Vec<u64>,
    work: usize,
}

/// Colours of atoms: an atom's colour is the number of atoms of the part with a lesser one.
#[derive(Clone)]
struct Colours {
    /// By atom of the molecule.
    of: Vec<u32>,
    /// The atoms of the part by colour.
    sorted: Vec<u32>,
}

impl<'a> Search<'a> {
    fn run(molecule: &'a Molecule, space: Space, atoms: &'a [u32]) -> Part {
        let mut search = Search {
            molecule,
            space,
            atoms,
            best: None,
            seen: Vec::new(),
            work: 0,
        };
        let mut colours = search.first_colours();
        search.refine(&mut colours);
        search.explore(colours);
        let (code, place) = search.best.unwrap_or_default();
        let mut own = vec![0; atoms.len()];
        let mut places = Vec::with_capacity(atoms.len());
        for &atom in atoms {
            own[place[atom as usize] as usize] = own_colour(molecule, atom as usize);
            places.push((atom, place[atom as usize]));
        }
        own.extend(code);
        Part { code: own, places }
    }

    fn first_colours(&self) -> Colours {
        let own = |atom: u32| {
            let index = atom as usize;
            let marked = self.space == Space::Counts
                && self.molecule.atoms[index].chirality != Chirality::None;
            own_colour(self.molecule, index) | u64::from(marked) << 60
        };
        let mut sorted: Vec<(u64, u32)> =
            self.atoms.iter().map(|&atom| (own(atom), atom)).collect();
        sorted.sort_unstable();
        let mut of = vec![0; self.molecule.atoms.len()];
        let mut start = 0;
        for at in 0..sorted.len() {
            if at > 0 && sorted[at].0 != sorted[at - 1].0 {
                start = at;
            }
            of[sorted[at].1 as usize] = start as u32;
        }
        let sorted = sorted.into_iter().map(|(_, atom)| atom).collect();
        Colours { of, sorted }
    }

    /// Splits colours by the colours around until nothing changes.
    fn refine(&mut self, colours: &mut Colours) {
        let atoms = colours.sorted.len();
        let mut keys: Vec<u64> = Vec::new();
        let mut starts = vec![(0u32, 0u32); self.molecule.atoms.len()];
        loop {
            self.work += atoms;
            keys.clear();
            let mut tied = false;
            for at in 0..atoms {
                let atom = colours.sorted[at] as usize;
                let alone = colours.of[atom] as usize == at
                    && (at + 1 == atoms
                        || colours.of[colours.sorted[at + 1] as usize] as usize == at + 1);
                if alone {
                    continue;
                }
                tied = true;
                let start = keys.len();
                keys.extend(self.molecule.neighbours(atom).iter().map(|next| {
                    u64::from(colours.of[next.atom as usize]) << 8
                        | self.bond_colour(next.bond, atom)
                }));
                keys[start..].sort_unstable();
                starts[atom] = (start as u32, keys.len() as u32);
            }
            if !tied {
                return;
            }
            let key = |atom: u32| {
                let (start, end) = starts[atom as usize];
                &keys[start as usize..end as usize]
            };
            let mut changed = false;
            let mut start = 0;
            let mut fresh: Vec<(u32, u32)> = Vec::new();
            while start < atoms {
                let colour = colours.of[colours.sorted[start] as usize];
                let mut end = start + 1;
                while end < atoms && colours.of[colours.sorted[end] as usize] == colour {
                    end += 1;
                }
                if end - start > 1 {
                    let cell = &mut colours.sorted[start..end];
                    cell.sort_by(|&a, &b| key(a).cmp(key(b)));
                    let mut first = start;
                    for at in start + 1..end {
                        let pair = (colours.sorted[at - 1], colours.sorted[at]);
                        if key(pair.0) != key(pair.1) {
                            first = at;
                        }
                        if first > start {
                            fresh.push((pair.1, first as u32));
                            changed = true;
                        }
                    }
                }
                start = end;
            }
            for (atom, colour) in fresh {
                colours.of[atom as usize] = colour;
            }
            if !changed {
                return;
            }
        }
    }

    fn bond_colour(&self, bond: u32, from: usize) -> u64 {
        let bond = &self.molecule.bonds[bond as usize];
        let order = match bond.order {
            Order::Dative if bond.begin as usize == from => 18,
            order => order as u64,
        };
        let marked = self.space == Space::Counts && bond.stereo != Stereo::None;
        order | u64::from(marked) << 5
    }

    /// Tries the orders that agree with the colours.
    fn explore(&mut self, mut colours: Colours) {
        loop {
            let Some((start, end)) = first_tie(&colours) else {
                self.judge(&colours);
                return;
            };
            if self.are_twins(&colours.sorted[start..end]) {
                for at in start..end {
                    colours.of[colours.sorted[at] as usize] = at as u32;
                }
                self.refine(&mut colours);
                continue;
            }
            let entry = self.seen.len();
            let members = colours.sorted[start..end].to_vec();
            for (place, &member) in members.iter().enumerate() {
                if place > 0 && self.work > MOST_WORK {
                    return;
                }
                let chosen = self.singled_out(&colours, start, end, member);
                if place > 0 {
                    let code = self.leftmost(chosen.clone());
                    if self.seen[entry..].contains(&code) {
                        continue;
                    }
                }
                self.explore(chosen);
            }
            return;
        }
    }

    /// Single neighbours of one atom can be exchanged without anything else.
    fn are_twins(&self, members: &[u32]) -> bool {
        let bound = |atom: u32| match self.molecule.neighbours(atom as usize) {
            [next] => Some(next.atom),
            _ => None,
        };
        let first = members.first().and_then(|&atom| bound(atom));
        first.is_some() && members.iter().all(|&atom| bound(atom) == first)
    }

    fn singled_out(&mut self, colours: &Colours, start: usize, end: usize, member: u32) -> Colours {
        let mut chosen = colours.clone();
        if let Some(at) = (start..end).find(|&at| chosen.sorted[at] == member) {
            chosen.sorted.swap(start, at);
        }
        for at in start + 1..end {
            chosen.of[chosen.sorted[at] as usize] = start as u32 + 1;
        }
        self.refine(&mut chosen);
        chosen
    }

    /// The code of the first order below.
    fn leftmost(&mut self, mut colours: Colours) -> u64 {
        while let Some((start, end)) = first_tie(&colours) {
            let member = colours.sorted[start];
            colours = self.singled_out(&colours, start, end, member);
        }
        hash(&self.code(&colours.of))
    }

    fn judge(&mut self, colours: &Colours) {
        let code = self.code(&colours.of);
        self.seen.push(hash(&code));
        if self.best.as_ref().is_none_or(|(best, _)| code < *best) {
            self.best = Some((code, colours.of.clone()));
        }
    }

    /// All bonds, centres and configurations in terms of places.
    fn code(&self, place: &[u32]) -> Vec<u64> {
        let molecule = self.molecule;
        let at = |atom: u32| u64::from(place[atom as usize]);
        let bonds = self.atoms.iter().flat_map(|&atom| {
            let around = molecule.neighbours(atom as usize).iter();
            around
                .map(|next| next.bond)
                .filter(move |&bond| molecule.bonds[bond as usize].begin == atom)
        });
        let mut code: Vec<u64> = bonds
            .clone()
            .map(|index| {
                let bond = &molecule.bonds[index as usize];
                let (a, b) = (at(bond.begin), at(bond.end));
                let first = if a < b { bond.begin } else { bond.end };
                a.min(b) << 40 | a.max(b) << 16 | self.bond_colour(index, first as usize)
            })
            .collect();
        code.sort_unstable();
        if self.space == Space::Ignored {
            return code;
        }
        let start = code.len();
        for &index in self.atoms {
            let atom = &molecule.atoms[index as usize];
            if atom.chirality == Chirality::None {
                continue;
            }
            let around: Vec<u32> = molecule
                .neighbours(index as usize)
                .iter()
                .map(|next| place[next.atom as usize])
                .collect();
            let turned = inversions(&around) % 2 == 1;
            let chirality = if turned {
                atom.chirality.inverted()
            } else {
                atom.chirality
            };
            code.push(1 << 60 | at(index) << 8 | chirality as u64);
        }
        for bond in bonds.map(|index| &molecule.bonds[index as usize]) {
            if bond.stereo == Stereo::None {
                continue;
            }
            // Whether the first neighbours by place lie on one side.
            let mut same = bond.stereo == Stereo::Z;
            let sides = [(bond.begin, bond.end), (bond.end, bond.begin)];
            for ((atom, other), reference) in sides.into_iter().zip(bond.stereo_atoms) {
                let first = molecule
                    .neighbours(atom as usize)
                    .iter()
                    .map(|next| next.atom)
                    .filter(|&next| next != other)
                    .min_by_key(|&next| place[next as usize]);
                same ^= first != Some(reference);
            }
            let (a, b) = (at(bond.begin), at(bond.end));
            code.push(1 << 61 | a.min(b) << 36 | a.max(b) << 12 | u64::from(same));
        }
        code[start..].sort_unstable();
        code
    }
}

fn hash(code: &[u64]) -> u64 {
    code.iter().copied().fold(code.len() as u64, mix)
}

/// The first colour that several atoms share, as a range of the sorted atoms.
fn first_tie(colours: &Colours) -> Option<(usize, usize)> {
    let of = |at: usize| colours.of[colours.sorted[at] as usize];
    let atoms = colours.sorted.len();
    let start = (0..atoms.saturating_sub(1)).find(|&at| of(at) == of(at + 1))?;
    let end = (start..atoms)
        .find(|&at| of(at) != of(start))
        .unwrap_or(atoms);
    Some((start, end))
}
