use crate::MoleculeError;
use crate::element::{self, element};

/// The order of a bond. The numbers are RDKit's, which the Morgan fingerprint hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// One pair of electrons.
    Single = 1,
    /// Two pairs.
    Double = 2,
    /// Three pairs.
    Triple = 3,
    /// Four pairs.
    Quadruple = 4,
    /// Part of an aromatic ring.
    Aromatic = 12,
    /// Both electrons come from the first atom.
    Dative = 17,
}

impl Order {
    /// Twice the number of pairs.
    pub(crate) fn twice(self) -> i32 {
        match self {
            Order::Single | Order::Dative => 2,
            Order::Double => 4,
            Order::Triple => 6,
            Order::Quadruple => 8,
            Order::Aromatic => 3,
        }
    }
}

/// How the neighbours of an atom lie around it, seen in the order of its bonds. The numbers are RDKit's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chirality {
    /// Not said, or no centre.
    None = 0,
    /// Clockwise (`@@`), looking from the first bond.
    Clockwise = 1,
    /// Counterclockwise (`@`).
    Counterclockwise = 2,
    /// Square planar.
    SquarePlanar = 6,
    /// Trigonal bipyramidal.
    TrigonalBipyramidal = 7,
    /// Octahedral.
    Octahedral = 8,
}

impl Chirality {
    /// Whether it is one of the two tetrahedral ones.
    pub fn is_tetrahedral(self) -> bool {
        matches!(self, Chirality::Clockwise | Chirality::Counterclockwise)
    }

    /// The mirror image, for the tetrahedral ones.
    pub(crate) fn inverted(self) -> Chirality {
        match self {
            Chirality::Clockwise => Chirality::Counterclockwise,
            Chirality::Counterclockwise => Chirality::Clockwise,
            other => other,
        }
    }
}

/// The mix of orbitals of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hybridization {
    /// Not known (dummy atoms, more than six neighbours).
    Unspecified,
    /// s
    S,
    /// sp
    Sp,
    /// sp²
    Sp2,
    /// sp³
    Sp3,
    /// sp²d
    Sp2d,
    /// sp³d
    Sp3d,
    /// sp³d²
    Sp3d2,
}

/// Where the neighbours of a double bond lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stereo {
    /// Not said, or no two sides.
    None = 0,
    /// The neighbours of higher priority lie on the same side.
    Z = 2,
    /// They lie on opposite sides.
    E = 3,
}

/// One atom. Hydrogens are counted, not listed, except where only an atom of its own can say what was meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atom {
    /// Atomic number; 0 for a dummy (`*`).
    pub number: u8,
    /// Formal charge.
    pub charge: i8,
    /// Mass number; 0 when not given.
    pub isotope: u16,
    /// The number after the colon in brackets; 0 when there is none.
    pub map: u32,
    /// Whether it is in an aromatic ring.
    pub aromatic: bool,
    /// The lie of its neighbours, kept only where it makes a difference.
    pub chirality: Chirality,
    /// Its orbitals.
    pub hybridization: Hybridization,
    /// Unpaired electrons.
    pub radicals: u8,
    /// In how many of the smallest rings it is.
    pub rings: u8,
    /// Hydrogens that were written.
    pub(crate) written_hydrogens: u8,
    /// Hydrogens that fill it up.
    pub(crate) implicit_hydrogens: u8,
    /// Whether only written hydrogens count (atoms in brackets).
    pub(crate) closed: bool,
    /// Sum of bond orders and written hydrogens.
    pub(crate) explicit_valence: i16,
}

impl Atom {
    pub(crate) fn new(number: u8) -> Atom {
        Atom {
            number,
            charge: 0,
            isotope: 0,
            map: 0,
            aromatic: false,
            chirality: Chirality::None,
            hybridization: Hybridization::Unspecified,
            radicals: 0,
            rings: 0,
            written_hydrogens: 0,
            implicit_hydrogens: 0,
            closed: false,
            explicit_valence: 0,
        }
    }

    /// Hydrogens on it that are not atoms of their own.
    pub fn hydrogens(&self) -> usize {
        usize::from(self.written_hydrogens) + usize::from(self.implicit_hydrogens)
    }

    /// Its element's symbol.
    pub fn symbol(&self) -> &'static str {
        element(self.number).symbol
    }

    /// Its mass in unified atomic mass units, of the isotope where one is given.
    pub fn mass(&self) -> f64 {
        element::mass(self.number, self.isotope)
    }

    pub(crate) fn total_valence(&self) -> i32 {
        i32::from(self.explicit_valence) + i32::from(self.implicit_hydrogens)
    }
}

/// The side to which a bond next to a double bond points, from its first atom to its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    None,
    Up,
    Down,
}

impl Direction {
    pub(crate) fn flipped(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
            Direction::None => Direction::None,
        }
    }
}

/// One bond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bond {
    /// The atom at which it begins.
    pub begin: u32,
    /// The atom at which it ends.
    pub end: u32,
    /// Its order.
    pub order: Order,
    /// Whether it is part of a conjugated system.
    pub conjugated: bool,
    /// The lie of its neighbours.
    pub stereo: Stereo,
    /// In how many of the smallest rings it is.
    pub rings: u8,
    /// The size of the smallest ring that it is in; 0 when in none.
    pub smallest_ring: u16,
    /// For a bond with [`Bond::stereo`], the neighbours of its begin and its end that it speaks of.
    pub(crate) stereo_atoms: [u32; 2],
    pub(crate) aromatic: bool,
    pub(crate) direction: Direction,
}

impl Bond {
    pub(crate) fn new(begin: u32, end: u32, order: Order) -> Bond {
        Bond {
            begin,
            end,
            order,
            conjugated: false,
            stereo: Stereo::None,
            rings: 0,
            smallest_ring: 0,
            stereo_atoms: [0; 2],
            aromatic: order == Order::Aromatic,
            direction: Direction::None,
        }
    }

    /// The atom at the other side.
    pub fn other(&self, atom: usize) -> usize {
        if self.begin as usize == atom {
            self.end as usize
        } else {
            self.begin as usize
        }
    }

    /// Twice what it adds to the valence of one of its atoms.
    pub(crate) fn twice_at(&self, atom: usize) -> i32 {
        if self.order == Order::Dative && self.end as usize != atom {
            return 0;
        }
        self.order.twice()
    }
}

/// A neighbour of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The neighbour.
    pub atom: u32,
    /// The bond to it.
    pub bond: u32,
}

/// A molecule (or several, as in a salt) as a graph of its heavy atoms, with everything that RDKit perceives when it reads
/// a SMILES string: hydrogens, rings, aromaticity, conjugation, orbitals, and the stereo marks that mean something.
///
/// Atoms are in the order in which they were written; bonds as in RDKit, those of the chain first, then ring bonds.
///
/// ```
/// use candor_molecule::Molecule;
/// let phenol = Molecule::from_smiles("Oc1ccccc1").unwrap();
/// assert_eq!(phenol.atoms().len(), 7);
/// assert_eq!(phenol.atoms()[0].hydrogens(), 1);
/// assert!(phenol.atoms()[1].aromatic);
/// assert_eq!(phenol.rings().count(), 1);
/// assert!(Molecule::from_smiles("CC.").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Molecule {
    pub(crate) atoms: Vec<Atom>,
    pub(crate) bonds: Vec<Bond>,
    /// Where the neighbours of each atom start in `neighbours`; one more entry than atoms.
    pub(crate) starts: Vec<u32>,
    pub(crate) neighbours: Vec<Neighbour>,
    /// Where each ring starts in `ring_atoms` and `ring_bonds`; one more entry than rings.
    pub(crate) ring_starts: Vec<u32>,
    pub(crate) ring_atoms: Vec<u32>,
    pub(crate) ring_bonds: Vec<u32>,
}

impl Molecule {
    /// Reads a SMILES string. To read many, keep a [`crate::Reader`].
    ///
    /// # Errors
    /// The text is no SMILES string, or no molecule that RDKit would accept.
    pub fn from_smiles(text: &str) -> Result<Molecule, MoleculeError> {
        let mut molecule = Molecule::default();
        crate::Reader::default().read(text, &mut molecule)?;
        Ok(molecule)
    }

    /// The atoms.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The bonds.
    pub fn bonds(&self) -> &[Bond] {
        &self.bonds
    }

    /// The neighbours of an atom, in the order of the bonds to them.
    pub fn neighbours(&self, atom: usize) -> &[Neighbour] {
        &self.neighbours[self.starts[atom] as usize..self.starts[atom + 1] as usize]
    }

    /// The number of neighbours that are atoms of their own.
    pub fn degree(&self, atom: usize) -> usize {
        (self.starts[atom + 1] - self.starts[atom]) as usize
    }

    /// The number of neighbours, hydrogens included.
    pub fn total_degree(&self, atom: usize) -> usize {
        self.degree(atom) + self.atoms[atom].hydrogens()
    }

    /// The smallest rings (where several of one size could be chosen, all of them), as atoms and bonds.
    pub fn rings(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.ring_starts.windows(2).map(|pair| {
            let range = pair[0] as usize..pair[1] as usize;
            (&self.ring_atoms[range.clone()], &self.ring_bonds[range])
        })
    }

    /// Mass in unified atomic mass units, hydrogens included.
    pub fn mass(&self) -> f64 {
        let hydrogen = element::mass(1, 0);
        let of = |atom: &Atom| atom.mass() + hydrogen * atom.hydrogens() as f64;
        self.atoms.iter().map(of).sum()
    }

    /// The atoms of each connected part, as numbers of parts from 0; and how many parts there are.
    pub fn parts(&self) -> (Vec<u32>, usize) {
        const UNSEEN: u32 = u32::MAX;
        let mut part = vec![UNSEEN; self.atoms.len()];
        let mut parts = 0;
        let mut open = Vec::new();
        for start in 0..self.atoms.len() {
            if part[start] != UNSEEN {
                continue;
            }
            part[start] = parts;
            open.push(start);
            while let Some(atom) = open.pop() {
                for next in self.neighbours(atom) {
                    if part[next.atom as usize] == UNSEEN {
                        part[next.atom as usize] = parts;
                        open.push(next.atom as usize);
                    }
                }
            }
            parts += 1;
        }
        (part, parts as usize)
    }

    pub(crate) fn clear(&mut self) {
        self.atoms.clear();
        self.bonds.clear();
        self.starts.clear();
        self.neighbours.clear();
        self.ring_starts.clear();
        self.ring_atoms.clear();
        self.ring_bonds.clear();
    }

    /// Lists the neighbours of each atom anew, in the order of the bonds.
    pub(crate) fn connect(&mut self) {
        let atoms = self.atoms.len();
        self.starts.clear();
        self.starts.resize(atoms + 1, 0);
        for bond in &self.bonds {
            self.starts[bond.begin as usize] += 1;
            self.starts[bond.end as usize] += 1;
        }
        let mut total = 0;
        for start in &mut self.starts {
            let count = *start;
            *start = total;
            total += count;
        }
        self.neighbours.clear();
        self.neighbours
            .resize(total as usize, Neighbour { atom: 0, bond: 0 });
        // The starts serve as the next free places, and are moved back after.
        for (index, bond) in self.bonds.iter().enumerate() {
            for (at, atom) in [(bond.begin, bond.end), (bond.end, bond.begin)] {
                let place = &mut self.starts[at as usize];
                self.neighbours[*place as usize] = Neighbour {
                    atom,
                    bond: index as u32,
                };
                *place += 1;
            }
        }
        for at in (1..=atoms).rev() {
            self.starts[at] = self.starts[at - 1];
        }
        self.starts[0] = 0;
    }

    /// Whether an atom takes part in an aromatic system, by itself or through one of its bonds.
    pub(crate) fn is_aromatic(&self, atom: usize) -> bool {
        self.atoms[atom].aromatic
            || self.neighbours(atom).iter().any(|next| {
                let bond = &self.bonds[next.bond as usize];
                bond.aromatic || bond.order == Order::Aromatic
            })
    }
}
