//! SMILES, the line notation: text to atoms and bonds as they are written. What they mean is found in `perceive`.
//!
//! Weininger, "SMILES, a chemical language and information system", J. Chem. Inf. Comput. Sci. 28, 31 (1988), in the
//! dialect that RDKit reads.

use crate::element;
use crate::molecule::{Atom, Bond, Chirality, Direction, Molecule, Order};
use crate::{Limits, MoleculeError};

/// A ring bond that was opened, and perhaps closed.
#[derive(Debug, Clone, Copy)]
struct Closure {
    label: u32,
    opened_by: u32,
    closed_by: u32,
    order: Option<Order>,
    direction: Direction,
    /// Numbers that count up over all ring numbers in the text.
    opened_at: u32,
    closed_at: u32,
}

/// The bond symbol that was last read.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    order: Option<Order>,
    direction: Direction,
    /// A dative bond that points back.
    reversed: bool,
    at: usize,
}

/// What is kept between strings, so that reading allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct SmilesReader {
    branches: Vec<u32>,
    closures: Vec<Closure>,
    /// Indices of closures that are open.
    open: Vec<u32>,
    /// Indices of closures in the order of their bonds.
    order: Vec<u32>,
    /// Ring numbers read so far.
    numbers: u32,
}

/// A position in the text.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// A number of at most `digits` digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let start = self.at;
        let mut value = 0;
        while self.at - start < digits
            && let Some(digit) = self.peek().filter(u8::is_ascii_digit)
        {
            value = value * 10 + u32::from(digit - b'0');
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    fn wrong(&self, expected: &'static str) -> MoleculeError {
        let found = match self.text.get(self.at..).map(String::from_utf8_lossy) {
            Some(rest) => rest
                .chars()
                .next()
                .map_or("the end".to_owned(), |c| format!("`{}`", c.escape_debug())),
            None => "the end".to_owned(),
        };
        let at = String::from_utf8_lossy(&self.text[..self.at.min(self.text.len())])
            .chars()
            .count();
        MoleculeError::Syntax {
            at: at + 1,
            found,
            expected,
        }
    }
}

impl SmilesReader {
    /// Reads the first word of `text`.
    pub(crate) fn read(
        &mut self,
        text: &str,
        limits: &Limits,
        molecule: &mut Molecule,
    ) -> Result<(), MoleculeError> {
        molecule.clear();
        self.branches.clear();
        self.closures.clear();
        self.open.clear();
        self.numbers = 0;
        let Some(word) = text.split_ascii_whitespace().next() else {
            return Err(MoleculeError::Empty);
        };
        let mut cursor = Cursor {
            text: word.as_bytes(),
            at: 0,
        };
        self.chain(&mut cursor, limits, molecule)?;
        if let Some(&first) = self.open.first() {
            let closure = self.closures[first as usize];
            return Err(MoleculeError::OpenRing {
                label: closure.label,
                atom: closure.opened_by as usize + 1,
            });
        }
        self.add_ring_bonds(molecule)?;
        molecule.connect();
        self.orient(molecule);
        Ok(())
    }

    fn chain(
        &mut self,
        cursor: &mut Cursor,
        limits: &Limits,
        molecule: &mut Molecule,
    ) -> Result<(), MoleculeError> {
        // The atom to which the next is bonded; none at the start and after a dot.
        let mut last: Option<u32> = None;
        let mut symbol: Option<Symbol> = None;
        let mut just_opened = false;
        while let Some(byte) = cursor.peek() {
            match byte {
                b'(' => {
                    let (Some(atom), None, false) = (last, symbol, just_opened) else {
                        return Err(cursor.wrong("a branch may not begin here"));
                    };
                    self.branches.push(atom);
                    just_opened = true;
                    cursor.at += 1;
                }
                b')' => {
                    if symbol.is_some() || just_opened || last.is_none() {
                        return Err(cursor.wrong("a branch may not end here"));
                    }
                    let Some(atom) = self.branches.pop() else {
                        return Err(cursor.wrong("no branch is open"));
                    };
                    last = Some(atom);
                    cursor.at += 1;
                }
                b'.' => {
                    if symbol.is_some() || just_opened || last.is_none() {
                        return Err(cursor.wrong("a dot stands between two molecules"));
                    }
                    last = None;
                    cursor.at += 1;
                }
                b'0'..=b'9' | b'%' => {
                    let (Some(atom), false) = (last, just_opened) else {
                        return Err(cursor.wrong("a ring number follows an atom"));
                    };
                    self.ring_number(cursor, atom, symbol.take(), limits)?;
                }
                b'-' | b'=' | b'#' | b'$' | b':' | b'/' | b'\\' | b'<' => {
                    if symbol.is_some() || last.is_none() {
                        return Err(cursor.wrong("a bond stands between two atoms"));
                    }
                    symbol = Some(bond_symbol(cursor)?);
                }
                _ => {
                    let atom = atom(cursor)?;
                    let index = molecule.atoms.len() as u32;
                    if molecule.atoms.len() >= limits.atoms {
                        return Err(MoleculeError::TooLarge {
                            what: "atoms",
                            limit: limits.atoms,
                        });
                    }
                    if let Some(last) = last {
                        let both = atom.aromatic && molecule.atoms[last as usize].aromatic;
                        molecule
                            .bonds
                            .push(chain_bond(last, index, both, symbol.take()));
                    }
                    molecule.atoms.push(atom);
                    last = Some(index);
                    just_opened = false;
                }
            }
        }
        match symbol {
            Some(symbol) => {
                cursor.at = symbol.at;
                Err(cursor.wrong("a bond stands between two atoms"))
            }
            None if !self.branches.is_empty() => Err(cursor.wrong("a branch is never closed")),
            // Text that ends in a dot promises another molecule.
            None if last.is_none() => Err(cursor.wrong("a molecule is missing after the dot")),
            None => Ok(()),
        }
    }

    fn ring_number(
        &mut self,
        cursor: &mut Cursor,
        atom: u32,
        symbol: Option<Symbol>,
        limits: &Limits,
    ) -> Result<(), MoleculeError> {
        let at = cursor.at;
        let label = ring_label(cursor)?;
        self.numbers += 1;
        let (order, direction) = match symbol {
            Some(symbol) if symbol.order == Some(Order::Dative) => {
                cursor.at = symbol.at;
                return Err(cursor.wrong("a dative bond may not close a ring"));
            }
            Some(symbol) => (symbol.order, symbol.direction),
            None => (None, Direction::None),
        };
        let found = self
            .open
            .iter()
            .position(|&index| self.closures[index as usize].label == label);
        let Some(position) = found else {
            if self.closures.len() >= limits.atoms {
                return Err(MoleculeError::TooLarge {
                    what: "ring bonds",
                    limit: limits.atoms,
                });
            }
            self.open.push(self.closures.len() as u32);
            self.closures.push(Closure {
                label,
                opened_by: atom,
                closed_by: atom,
                order,
                direction,
                opened_at: self.numbers,
                closed_at: 0,
            });
            return Ok(());
        };
        let index = self.open.remove(position) as usize;
        let closure = &mut self.closures[index];
        let wrong = |why| MoleculeError::RingBond {
            label,
            at: at + 1,
            why,
        };
        if closure.opened_by == atom {
            return Err(wrong("joins an atom with itself"));
        }
        closure.order = match (closure.order, order) {
            (Some(first), Some(second)) if first != second => {
                return Err(wrong("is opened and closed by bonds of different order"));
            }
            (first, second) => first.or(second),
        };
        if closure.direction == Direction::None {
            closure.direction = direction.flipped();
        }
        closure.closed_by = atom;
        closure.closed_at = self.numbers;
        Ok(())
    }

    /// Adds the ring bonds after those of the chain, by ring number and then as they were opened: RDKit's order, on which
    /// its marks of chirality depend.
    fn add_ring_bonds(&mut self, molecule: &mut Molecule) -> Result<(), MoleculeError> {
        self.order.clear();
        self.order.extend(0..self.closures.len() as u32);
        let closures = &self.closures;
        self.order
            .sort_by_key(|&index| (closures[index as usize].label, index));
        let chain = molecule.bonds.len();
        for (place, &index) in self.order.iter().enumerate() {
            let closure = self.closures[index as usize];
            let (a, b) = (closure.opened_by, closure.closed_by);
            // Chain bonds are in the order of their later atoms, of which each has one.
            let later = a.max(b);
            let joined = molecule.bonds[..chain]
                .binary_search_by_key(&later, |bond| bond.begin.max(bond.end))
                .is_ok_and(|at| {
                    let bond = molecule.bonds[at];
                    bond.begin.min(bond.end) == a.min(b)
                });
            let twice = joined
                || self.order[..place].iter().any(|&before| {
                    let other = self.closures[before as usize];
                    (other.opened_by, other.closed_by) == (a, b)
                        || (other.opened_by, other.closed_by) == (b, a)
                });
            if twice {
                return Err(MoleculeError::RingBond {
                    label: closure.label,
                    at: 1,
                    why: "joins two atoms that are bonded already",
                });
            }
            let both = molecule.atoms[a as usize].aromatic && molecule.atoms[b as usize].aromatic;
            let order = closure
                .order
                .unwrap_or(if both { Order::Aromatic } else { Order::Single });
            let mut bond = Bond::new(a, b, order);
            if matches!(order, Order::Single | Order::Aromatic) {
                bond.direction = closure.direction;
            }
            molecule.bonds.push(bond);
        }
        Ok(())
    }

    /// Turns marks of chirality from the order of the text to the order of the bonds.
    fn orient(&self, molecule: &mut Molecule) {
        for atom in 0..molecule.atoms.len() {
            if !molecule.atoms[atom].chirality.is_tetrahedral() {
                continue;
            }
            let chain = molecule.bonds.len() - self.closures.len();
            let mut written: [u32; 8] = [0; 8];
            let degree = molecule.degree(atom);
            if degree > written.len() {
                continue;
            }
            let neighbours = molecule.neighbours(atom);
            let mut count = 0;
            let from = neighbours
                .iter()
                .find(|next| (next.bond as usize) < chain && (next.atom as usize) < atom);
            if let Some(from) = from {
                written[count] = from.bond;
                count += 1;
            }
            let rings = count;
            for next in neighbours.iter().filter(|next| next.bond as usize >= chain) {
                written[count] = next.bond;
                count += 1;
            }
            let closed = count - rings;
            let when = |bond: u32| {
                let closure = self.closures[self.order[bond as usize - chain] as usize];
                if closure.opened_by as usize == atom {
                    closure.opened_at
                } else {
                    closure.closed_at
                }
            };
            written[rings..count].sort_by_key(|&bond| when(bond));
            for next in neighbours
                .iter()
                .filter(|next| (next.bond as usize) < chain && (next.atom as usize) > atom)
            {
                written[count] = next.bond;
                count += 1;
            }
            let mut swaps = inversions(&written[..count]);
            let hydrogens = molecule.atoms[atom].written_hydrogens;
            let unsaturated = neighbours
                .iter()
                .any(|next| molecule.bonds[next.bond as usize].order.twice() > 2);
            // Where the hydrogen stands in the text, and a lone pair beside a ring number.
            if degree == 3
                && ((from.is_none() && hydrogens == 1)
                    || (hydrogens != 1 && closed == 1 && !unsaturated))
            {
                swaps += 1;
            }
            if swaps % 2 == 1 {
                let chirality = &mut molecule.atoms[atom].chirality;
                *chirality = chirality.inverted();
            }
        }
    }
}

/// Pairs in the wrong order.
pub(crate) fn inversions(values: &[u32]) -> usize {
    let after = |i: usize| values[i + 1..].iter().filter(|&&v| v < values[i]).count();
    (0..values.len()).map(after).sum()
}

fn chain_bond(last: u32, index: u32, both_aromatic: bool, symbol: Option<Symbol>) -> Bond {
    let implied = if both_aromatic {
        Order::Aromatic
    } else {
        Order::Single
    };
    let Some(symbol) = symbol else {
        return Bond::new(last, index, implied);
    };
    let order = symbol.order.unwrap_or(implied);
    let (begin, end) = if symbol.reversed {
        (index, last)
    } else {
        (last, index)
    };
    let mut bond = Bond::new(begin, end, order);
    bond.direction = symbol.direction;
    bond
}

fn bond_symbol(cursor: &mut Cursor) -> Result<Symbol, MoleculeError> {
    let at = cursor.at;
    let mut symbol = Symbol {
        order: None,
        direction: Direction::None,
        reversed: false,
        at,
    };
    let byte = cursor.peek().unwrap_or_default();
    cursor.at += 1;
    match byte {
        b'-' if cursor.take(b'>') => symbol.order = Some(Order::Dative),
        b'-' => symbol.order = Some(Order::Single),
        b'=' => symbol.order = Some(Order::Double),
        b'#' => symbol.order = Some(Order::Triple),
        b'$' => symbol.order = Some(Order::Quadruple),
        b':' => symbol.order = Some(Order::Aromatic),
        b'/' => symbol.direction = Direction::Up,
        b'\\' => {
            // Some programs write the backslash twice.
            cursor.take(b'\\');
            symbol.direction = Direction::Down;
        }
        _ => {
            if !cursor.take(b'-') {
                return Err(cursor.wrong("`<` begins the dative bond `<-`"));
            }
            symbol.order = Some(Order::Dative);
            symbol.reversed = true;
        }
    }
    Ok(symbol)
}

fn ring_label(cursor: &mut Cursor) -> Result<u32, MoleculeError> {
    if !cursor.take(b'%') {
        return cursor
            .number(1)
            .ok_or_else(|| cursor.wrong("a ring number"));
    }
    if cursor.take(b'(') {
        let label = cursor.number(5);
        return match label {
            Some(label) if cursor.take(b')') => Ok(label),
            _ => Err(cursor.wrong("`%(` is followed by at most five digits and `)`")),
        };
    }
    let start = cursor.at;
    match cursor.number(2) {
        Some(label) if cursor.at == start + 2 => Ok(label),
        _ => Err(cursor.wrong("`%` is followed by two digits")),
    }
}

fn atom(cursor: &mut Cursor) -> Result<Atom, MoleculeError> {
    let byte = cursor.peek().unwrap_or_default();
    if byte == b'[' {
        cursor.at += 1;
        return bracket_atom(cursor);
    }
    let next = cursor.text.get(cursor.at + 1).copied();
    let (number, aromatic, length) = match (byte, next) {
        (b'C', Some(b'l')) => (17, false, 2),
        (b'B', Some(b'r')) => (35, false, 2),
        (b'C', _) => (6, false, 1),
        (b'N', _) => (7, false, 1),
        (b'O', _) => (8, false, 1),
        (b'F', _) => (9, false, 1),
        (b'S', _) => (16, false, 1),
        (b'P', _) => (15, false, 1),
        (b'I', _) => (53, false, 1),
        (b'B', _) => (5, false, 1),
        (b'c', _) => (6, true, 1),
        (b'n', _) => (7, true, 1),
        (b'o', _) => (8, true, 1),
        (b's', _) => (16, true, 1),
        (b'p', _) => (15, true, 1),
        (b'b', _) => (5, true, 1),
        (b'*', _) => (0, false, 1),
        _ => {
            return Err(cursor.wrong(
                "an atom, a bond or a ring number stands here; elements other than B, C, N, O, P, S, F, Cl, Br, I are written in brackets",
            ));
        }
    };
    cursor.at += length;
    let mut atom = Atom::new(number);
    atom.aromatic = aromatic;
    atom.closed = number == 0;
    Ok(atom)
}

fn bracket_atom(cursor: &mut Cursor) -> Result<Atom, MoleculeError> {
    let isotope = match cursor.number(3) {
        Some(isotope) => isotope as u16,
        None => 0,
    };
    let mut atom = bracket_symbol(cursor)?;
    if isotope != 0 {
        atom.isotope = isotope;
    }
    atom.closed = true;
    if cursor.take(b'@') {
        atom.chirality = chirality(cursor)?;
    }
    if cursor.take(b'H') {
        atom.written_hydrogens = cursor.number(1).unwrap_or(1) as u8;
    }
    for (sign, step) in [(b'+', 1i8), (b'-', -1)] {
        if cursor.take(sign) {
            let mut charge = step;
            match cursor.number(2) {
                Some(number) => charge = step * number.min(99) as i8,
                None => {
                    while charge.abs() < 15 && cursor.take(sign) {
                        charge += step;
                    }
                }
            }
            atom.charge = charge;
        }
    }
    if cursor.take(b':') {
        atom.map = cursor
            .number(6)
            .ok_or_else(|| cursor.wrong("a number follows the colon"))?;
    }
    if !cursor.take(b']') {
        return Err(cursor.wrong("the bracket is closed here"));
    }
    Ok(atom)
}

fn bracket_symbol(cursor: &mut Cursor) -> Result<Atom, MoleculeError> {
    let rest = &cursor.text[cursor.at..];
    let first = rest.first().copied().unwrap_or_default();
    let second = rest.get(1).copied().filter(u8::is_ascii_lowercase);
    let aromatic = |number: u8, length: usize| {
        let mut atom = Atom::new(number);
        atom.aromatic = true;
        (atom, length)
    };
    let (atom, length) = match (first, second) {
        (b'*', _) => (Atom::new(0), 1),
        (b's', Some(b'e')) => aromatic(34, 2),
        (b's', Some(b'i')) => aromatic(14, 2),
        (b'a', Some(b's')) => aromatic(33, 2),
        (b't', Some(b'e')) => aromatic(52, 2),
        (b'c', _) => aromatic(6, 1),
        (b'n', _) => aromatic(7, 1),
        (b'o', _) => aromatic(8, 1),
        (b's', _) => aromatic(16, 1),
        (b'p', _) => aromatic(15, 1),
        (b'b', _) => aromatic(5, 1),
        (b'A'..=b'Z', second) => {
            let two = second.and_then(|second| {
                let symbol = [first, second];
                let number = element::number_of(std::str::from_utf8(&symbol).ok()?)?;
                Some((Atom::new(number), 2))
            });
            let symbol = [first];
            let one = || match first {
                b'D' | b'T' => {
                    let mut atom = Atom::new(1);
                    atom.isotope = if first == b'D' { 2 } else { 3 };
                    Some((atom, 1))
                }
                _ => {
                    let number = element::number_of(std::str::from_utf8(&symbol).ok()?)?;
                    Some((Atom::new(number), 1))
                }
            };
            two.or_else(one)
                .ok_or_else(|| cursor.wrong("an element stands in brackets"))?
        }
        _ => return Err(cursor.wrong("an element stands in brackets")),
    };
    cursor.at += length;
    Ok(atom)
}

/// What follows the first `@`.
fn chirality(cursor: &mut Cursor) -> Result<Chirality, MoleculeError> {
    if cursor.take(b'@') {
        return Ok(Chirality::Clockwise);
    }
    let class = match cursor.text.get(cursor.at..cursor.at + 2) {
        Some(b"TH") => Chirality::Counterclockwise,
        Some(b"AL") => Chirality::None,
        Some(b"SP") => Chirality::SquarePlanar,
        Some(b"TB") => Chirality::TrigonalBipyramidal,
        Some(b"OH") => Chirality::Octahedral,
        _ => return Ok(Chirality::Counterclockwise),
    };
    cursor.at += 2;
    let number = cursor
        .number(2)
        .ok_or_else(|| cursor.wrong("a number follows the class of chirality"))?;
    match (class, number) {
        (Chirality::Counterclockwise, 1) => Ok(class),
        (Chirality::Counterclockwise, 2) => Ok(Chirality::Clockwise),
        (Chirality::Counterclockwise, _) => Err(cursor.wrong("`@TH` is followed by 1 or 2")),
        _ => Ok(class),
    }
}
