//! Records of an SDF file (MDL molfile, version V2000) as molecules.
//!
//! "CTFile formats", Dassault Systèmes BIOVIA (2020). Marks of stereochemistry (wedges, coordinates) are not read.

use crate::element;
use crate::hydrogens;
use crate::molecule::{Atom, Bond, Molecule, Order};
use crate::{Limits, MoleculeError, Reader};

/// One record: what stands between two lines of `$$$$`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record<'a> {
    /// The number of its first line, from 1.
    pub line: usize,
    lines: Vec<&'a str>,
}

/// The records of a file. Blank lines after the last are no record.
pub(crate) fn records(text: &str) -> Vec<Record<'_>> {
    let mut found = Vec::new();
    let mut lines = Vec::new();
    let mut first = 1;
    for (index, line) in text.lines().enumerate() {
        if line.trim_end() == "$$$$" {
            found.push(Record {
                line: first,
                lines: std::mem::take(&mut lines),
            });
            first = index + 2;
        } else {
            lines.push(line);
        }
    }
    if lines.iter().any(|line| !line.trim().is_empty()) {
        found.push(Record { line: first, lines });
    }
    found
}

impl<'a> Record<'a> {
    /// The first line, where names stand.
    pub(crate) fn name(&self) -> &'a str {
        self.lines.first().map_or("", |line| line.trim())
    }

    /// Names and values of the data items after the structure.
    pub(crate) fn items(&self) -> Vec<(&'a str, String)> {
        let end = self
            .lines
            .iter()
            .position(|line| line.starts_with("M  END"));
        let mut items: Vec<(&str, String)> = Vec::new();
        let mut open = false;
        for line in self.lines.iter().skip(end.map_or(0, |end| end + 1)) {
            if let Some(header) = line.strip_prefix('>') {
                let name = header
                    .split_once('<')
                    .and_then(|(_, rest)| rest.rsplit_once('>'));
                open = name.is_some();
                if let Some((name, _)) = name {
                    items.push((name.trim(), String::new()));
                }
            } else if line.trim().is_empty() {
                open = false;
            } else if open && let Some((_, value)) = items.last_mut() {
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(line.trim());
            }
        }
        items
    }

    /// The structure.
    pub(crate) fn molecule(
        &self,
        reader: &mut Reader,
        limits: &Limits,
        molecule: &mut Molecule,
    ) -> Result<(), MoleculeError> {
        molecule.clear();
        let counts = self.line(3)?;
        if counts.contains("V3000") {
            return Err(self.wrong(3, "version V3000 is not read; save the file as V2000"));
        }
        let number = |from: usize, what| {
            let field = counts.get(from..(from + 3).min(counts.len()));
            let value = field.and_then(|field| field.trim().parse::<usize>().ok());
            value.ok_or_else(|| self.wrong(3, what))
        };
        let atoms = number(0, "the number of atoms stands in columns 1 to 3")?;
        let bonds = number(3, "the number of bonds stands in columns 4 to 6")?;
        if atoms > limits.atoms {
            return Err(MoleculeError::TooLarge {
                what: "atoms",
                limit: limits.atoms,
            });
        }
        let mut valences = Vec::with_capacity(atoms);
        for index in 0..atoms {
            valences.push(self.atom(4 + index, molecule)?);
        }
        for index in 0..bonds {
            self.bond(4 + atoms + index, molecule)?;
        }
        self.properties(4 + atoms + bonds, molecule)?;
        molecule.connect();
        for (index, valence) in valences.into_iter().enumerate() {
            close(molecule, index, valence);
        }
        if atoms == 0 {
            return Err(MoleculeError::Empty);
        }
        hydrogens::suppress(molecule)?;
        reader.perceive(molecule)
    }

    fn line(&self, index: usize) -> Result<&'a str, MoleculeError> {
        let missing = || self.wrong(index, "the record ends before its structure does");
        self.lines.get(index).copied().ok_or_else(missing)
    }

    fn wrong(&self, index: usize, why: &'static str) -> MoleculeError {
        MoleculeError::Record {
            line: self.line + index.min(self.lines.len()),
            why,
        }
    }

    /// Reads one atom; returns the field that fixes its valence (0 when it does not).
    fn atom(&self, index: usize, molecule: &mut Molecule) -> Result<u8, MoleculeError> {
        let line = self.line(index)?;
        let wrong = || self.wrong(index, "three coordinates and an element describe an atom");
        let coordinates = line.get(..30).ok_or_else(wrong)?;
        let numbers = [0, 10, 20].map(|from| coordinates.get(from..from + 10));
        let all = numbers
            .iter()
            .all(|n| n.is_some_and(|n| n.trim().parse::<f64>().is_ok_and(f64::is_finite)));
        let rest = line.get(30..).ok_or_else(wrong)?;
        let mut fields = rest.split_ascii_whitespace();
        let symbol = fields.next().filter(|_| all).ok_or_else(wrong)?;
        let mut atom = match symbol {
            "*" | "A" | "Q" | "L" | "LP" | "R" | "R#" => Atom::new(0),
            "D" | "T" => {
                let mut atom = Atom::new(1);
                atom.isotope = if symbol == "D" { 2 } else { 3 };
                atom
            }
            symbol => Atom::new(
                element::number_of(symbol)
                    .filter(|&number| number > 0)
                    .ok_or_else(|| self.wrong(index, "this element is not known"))?,
            ),
        };
        atom.closed = atom.number == 0;
        let field = |from: usize| {
            let text = line.get(from..(from + 3).min(line.len())).unwrap_or("");
            text.trim().parse::<i16>().unwrap_or(0)
        };
        let difference = line.get(34..36).and_then(|t| t.trim().parse::<i16>().ok());
        if let Some(difference) = difference.filter(|&d| d != 0) {
            let common = element::element(atom.number).commonest as i16;
            atom.isotope = (common + difference).max(0) as u16;
        }
        atom.charge = match field(36) {
            code @ 1..=3 => 4 - code as i8,
            code @ 5..=7 => 4 - code as i8,
            _ => 0,
        };
        atom.radicals = u8::from(field(36) == 4);
        molecule.atoms.push(atom);
        Ok(field(48).clamp(0, 15) as u8)
    }

    fn bond(&self, index: usize, molecule: &mut Molecule) -> Result<(), MoleculeError> {
        let line = self.line(index)?;
        let field = |from: usize| {
            let text = line.get(from..(from + 3).min(line.len()))?;
            text.trim().parse::<usize>().ok()
        };
        let (Some(a), Some(b), Some(kind)) = (field(0), field(3), field(6)) else {
            return Err(self.wrong(index, "two atoms and an order describe a bond"));
        };
        let atoms = molecule.atoms.len();
        if a == 0 || b == 0 || a > atoms || b > atoms || a == b {
            return Err(self.wrong(index, "the bond joins atoms that there are not"));
        }
        let order = match kind {
            1 => Order::Single,
            2 => Order::Double,
            3 => Order::Triple,
            4 => Order::Aromatic,
            9 => Order::Dative,
            _ => return Err(self.wrong(index, "an order of 1 to 4 or 9 is read")),
        };
        let (a, b) = (a as u32 - 1, b as u32 - 1);
        let twice =
            |bond: &Bond| (bond.begin, bond.end) == (a, b) || (bond.begin, bond.end) == (b, a);
        if molecule.bonds.iter().any(twice) {
            return Err(self.wrong(index, "the two atoms are bonded already"));
        }
        if order == Order::Aromatic {
            molecule.atoms[a as usize].aromatic = true;
            molecule.atoms[b as usize].aromatic = true;
        }
        molecule.bonds.push(Bond::new(a, b, order));
        Ok(())
    }

    /// Charges, isotopes and radicals in lines of their own, up to the end of the structure.
    fn properties(&self, start: usize, molecule: &mut Molecule) -> Result<(), MoleculeError> {
        let mut reset = false;
        for index in start.. {
            let line = self.line(index)?;
            if line.starts_with("M  END") {
                return Ok(());
            }
            let kind = match line.get(..6) {
                Some(kind @ ("M  CHG" | "M  ISO" | "M  RAD")) => kind,
                _ => continue,
            };
            if kind != "M  ISO" && !reset {
                // These lines replace the charges and radicals of the atoms' own lines.
                for atom in &mut molecule.atoms {
                    atom.charge = 0;
                    atom.radicals = 0;
                }
                reset = true;
            }
            let wrong = || self.wrong(index, "pairs of an atom and a value follow");
            let mut numbers = line[6..].split_ascii_whitespace().map(str::parse::<i64>);
            let count = numbers.next().and_then(Result::ok).ok_or_else(wrong)?;
            for _ in 0..count.clamp(0, 8) {
                let (Some(Ok(atom)), Some(Ok(value))) = (numbers.next(), numbers.next()) else {
                    return Err(wrong());
                };
                let place = usize::try_from(atom - 1).ok();
                let atom = place
                    .and_then(|place| molecule.atoms.get_mut(place))
                    .ok_or_else(wrong)?;
                match kind {
                    "M  CHG" => atom.charge = value.clamp(-15, 15) as i8,
                    "M  ISO" => atom.isotope = value.clamp(0, 999) as u16,
                    _ => atom.radicals = [0, 2, 1, 2][value.clamp(0, 3) as usize],
                }
            }
        }
        Ok(())
    }
}

/// Fixes the hydrogens of an atom whose valence is given: 15 stands for none, 0 for the usual.
fn close(molecule: &mut Molecule, index: usize, valence: u8) {
    if valence == 0 {
        return;
    }
    let twice: i32 = molecule
        .neighbours(index)
        .iter()
        .map(|next| molecule.bonds[next.bond as usize].twice_at(index))
        .sum();
    let wanted = if valence == 15 { 0 } else { i32::from(valence) };
    let atom = &mut molecule.atoms[index];
    atom.closed = true;
    atom.written_hydrogens = (wanted - twice / 2).clamp(0, 15) as u8;
}
