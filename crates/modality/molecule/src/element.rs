//! What the perception of a molecule needs to know of each element.

use crate::isotopes;

/// Facts of one element, as RDKit's periodic table has them (valences are those that its valence model allows).
#[derive(Debug)]
pub(crate) struct Element {
    /// Its symbol; `*` stands for any atom.
    pub symbol: &'static str,
    /// Mean mass in unified atomic mass units.
    pub mass: f64,
    /// Mass number of the commonest isotope.
    pub commonest: u16,
    /// Electrons of the outer shell.
    pub outer: i8,
    /// Allowed valences, ascending; -1 allows any.
    pub valences: &'static [i8],
}

impl Element {
    /// The valence that an atom fills up to with hydrogen; -1 when it takes none.
    pub fn default_valence(&self) -> i32 {
        i32::from(self.valences[0])
    }

    /// The greatest allowed valence; -1 when any is allowed.
    pub fn most(&self) -> i32 {
        i32::from(self.valences[self.valences.len() - 1])
    }
}

/// The element of an atomic number; 0 is the dummy atom `*`, and what lies beyond 118 is taken as 118.
pub(crate) fn element(number: u8) -> &'static Element {
    &ELEMENTS[usize::from(number).min(ELEMENTS.len() - 1)]
}

/// The atomic number of a symbol as written in brackets (`Cl`, `Na`).
pub(crate) fn number_of(symbol: &str) -> Option<u8> {
    ELEMENTS
        .iter()
        .position(|element| element.symbol == symbol)
        .map(|number| number as u8)
}

/// Whether RDKit counts the element as a metal: neither a noble gas nor one of H, B, C, N, O, F, Si, P, S, Cl, As, Se, Br, Te, I, At.
pub(crate) fn is_metal(number: u8) -> bool {
    !matches!(number, 0..=2 | 5..=10 | 14..=18 | 33..=36 | 52..=54 | 85 | 86)
}

/// Elements left of carbon's column, whose valence falls with a positive charge.
pub(crate) fn is_early(number: u8) -> bool {
    matches!(
        number,
        3..=5 | 11..=13 | 19..=22 | 30..=32 | 37..=41 | 48..=51 | 55..=61 | 72 | 73 | 80..=83 | 87..=93 | 104..
    )
}

/// Whether the first element draws electrons from the second.
pub(crate) fn more_electronegative(first: u8, second: u8) -> bool {
    let (a, b) = (element(first).outer, element(second).outer);
    a > b || (a == b && first < second)
}

/// Mass of an atom in unified atomic mass units: of its isotope where one is given (0 for none), else the element's mean.
/// An isotope that is not known weighs its mass number.
pub(crate) fn mass(number: u8, isotope: u16) -> f64 {
    if isotope == 0 || number == 0 {
        return if number == 0 {
            f64::from(isotope)
        } else {
            element(number).mass
        };
    }
    let at = usize::from(number).min(118) - 1;
    let (first, start) = isotopes::FIRST[at];
    let end = isotopes::FIRST[at + 1].1;
    let known = isotope >= first && isotope - first < end - start;
    if !known {
        return f64::from(isotope);
    }
    f64::from(isotope)
        + f64::from(isotopes::DIFFERENCES[usize::from(start + isotope - first)]) * 1e-6
}

const fn of(
    symbol: &'static str,
    mass: f64,
    commonest: u16,
    outer: i8,
    valences: &'static [i8],
) -> Element {
    Element {
        symbol,
        mass,
        commonest,
        outer,
        valences,
    }
}

/// Symbol, mass, commonest isotope, outer electrons, valences; read through RDKit 2026.03.6's `PeriodicTable`.
const ELEMENTS: [Element; 119] = [
    of("*", 0.0, 0, 0, &[-1]),
    of("H", 1.008, 1, 1, &[1]),
    of("He", 4.003, 4, 2, &[0]),
    of("Li", 6.941, 7, 1, &[1, -1]),
    of("Be", 9.012, 9, 2, &[2]),
    of("B", 10.812, 11, 3, &[3]),
    of("C", 12.011, 12, 4, &[4]),
    of("N", 14.007, 14, 5, &[3]),
    of("O", 15.999, 16, 6, &[2]),
    of("F", 18.998, 19, 7, &[1]),
    of("Ne", 20.18, 20, 8, &[0]),
    of("Na", 22.99, 23, 1, &[1, -1]),
    of("Mg", 24.305, 24, 2, &[2, -1]),
    of("Al", 26.982, 27, 3, &[3]),
    of("Si", 28.086, 28, 4, &[4]),
    of("P", 30.974, 31, 5, &[3, 5]),
    of("S", 32.067, 32, 6, &[2, 4, 6]),
    of("Cl", 35.453, 35, 7, &[1]),
    of("Ar", 39.948, 40, 8, &[0]),
    of("K", 39.098, 39, 1, &[1, -1]),
    of("Ca", 40.078, 40, 2, &[2, -1]),
    of("Sc", 44.956, 45, 3, &[-1]),
    of("Ti", 47.867, 48, 4, &[-1]),
    of("V", 50.944, 51, 5, &[-1]),
    of("Cr", 51.996, 52, 6, &[-1]),
    of("Mn", 54.938, 55, 7, &[-1]),
    of("Fe", 55.845, 56, 8, &[-1]),
    of("Co", 58.933, 59, 9, &[-1]),
    of("Ni", 58.693, 58, 10, &[-1]),
    of("Cu", 63.546, 63, 11, &[-1]),
    of("Zn", 65.39, 64, 2, &[-1]),
    of("Ga", 69.723, 69, 3, &[3]),
    of("Ge", 72.61, 74, 4, &[4]),
    of("As", 74.922, 75, 5, &[3, 5]),
    of("Se", 78.96, 80, 6, &[2, 4, 6]),
    of("Br", 79.904, 79, 7, &[1]),
    of("Kr", 83.8, 84, 8, &[0]),
    of("Rb", 85.468, 85, 1, &[1, -1]),
    of("Sr", 87.62, 88, 2, &[2, -1]),
    of("Y", 88.906, 89, 3, &[-1]),
    of("Zr", 91.224, 90, 4, &[-1]),
    of("Nb", 92.906, 93, 5, &[-1]),
    of("Mo", 95.94, 98, 6, &[-1]),
    of("Tc", 98.0, 97, 7, &[-1]),
    of("Ru", 101.07, 102, 8, &[-1]),
    of("Rh", 102.906, 103, 9, &[-1]),
    of("Pd", 106.42, 106, 10, &[-1]),
    of("Ag", 107.868, 107, 11, &[-1]),
    of("Cd", 112.412, 114, 2, &[-1]),
    of("In", 114.818, 115, 3, &[3]),
    of("Sn", 118.711, 120, 4, &[2, 4]),
    of("Sb", 121.76, 121, 5, &[3, 5]),
    of("Te", 127.6, 130, 6, &[2, 4, 6]),
    of("I", 126.904, 127, 7, &[1, 3, 5]),
    of("Xe", 131.29, 132, 8, &[0, 2, 4, 6]),
    of("Cs", 132.905, 133, 1, &[1]),
    of("Ba", 137.328, 138, 2, &[2, -1]),
    of("La", 138.906, 139, 3, &[-1]),
    of("Ce", 140.116, 140, 4, &[-1]),
    of("Pr", 140.908, 141, 3, &[-1]),
    of("Nd", 144.24, 142, 4, &[-1]),
    of("Pm", 145.0, 145, 5, &[-1]),
    of("Sm", 150.36, 152, 6, &[-1]),
    of("Eu", 151.964, 153, 7, &[-1]),
    of("Gd", 157.25, 158, 8, &[-1]),
    of("Tb", 158.925, 159, 9, &[-1]),
    of("Dy", 162.5, 164, 10, &[-1]),
    of("Ho", 164.93, 165, 11, &[-1]),
    of("Er", 167.26, 166, 12, &[-1]),
    of("Tm", 168.934, 169, 13, &[-1]),
    of("Yb", 173.04, 174, 14, &[-1]),
    of("Lu", 174.967, 175, 15, &[-1]),
    of("Hf", 178.49, 180, 4, &[-1]),
    of("Ta", 180.948, 181, 5, &[-1]),
    of("W", 183.84, 184, 6, &[-1]),
    of("Re", 186.207, 187, 7, &[-1]),
    of("Os", 190.23, 192, 8, &[-1]),
    of("Ir", 192.217, 193, 9, &[-1]),
    of("Pt", 195.078, 195, 10, &[-1]),
    of("Au", 196.967, 197, 11, &[-1]),
    of("Hg", 200.59, 202, 2, &[-1]),
    of("Tl", 204.383, 205, 3, &[-1]),
    of("Pb", 207.2, 208, 4, &[2, 4]),
    of("Bi", 208.98, 209, 5, &[3, 5]),
    of("Po", 209.0, 209, 6, &[2, 4, 6]),
    of("At", 210.0, 210, 7, &[1, 3, 5]),
    of("Rn", 222.0, 222, 8, &[0]),
    of("Fr", 223.0, 223, 1, &[1]),
    of("Ra", 226.0, 226, 2, &[2, -1]),
    of("Ac", 227.0, 227, 3, &[-1]),
    of("Th", 232.038, 232, 4, &[-1]),
    of("Pa", 231.036, 231, 3, &[-1]),
    of("U", 238.029, 238, 4, &[-1]),
    of("Np", 237.0, 236, 5, &[-1]),
    of("Pu", 244.0, 238, 6, &[-1]),
    of("Am", 243.0, 241, 7, &[-1]),
    of("Cm", 247.0, 243, 8, &[-1]),
    of("Bk", 247.0, 247, 9, &[-1]),
    of("Cf", 251.0, 249, 10, &[-1]),
    of("Es", 252.0, 252, 11, &[-1]),
    of("Fm", 257.0, 257, 12, &[-1]),
    of("Md", 258.0, 258, 13, &[-1]),
    of("No", 259.0, 259, 14, &[-1]),
    of("Lr", 262.0, 262, 15, &[-1]),
    of("Rf", 267.0, 267, 2, &[-1]),
    of("Db", 268.0, 268, 2, &[-1]),
    of("Sg", 269.0, 271, 2, &[-1]),
    of("Bh", 270.0, 270, 2, &[-1]),
    of("Hs", 269.0, 269, 2, &[-1]),
    of("Mt", 278.0, 278, 2, &[-1]),
    of("Ds", 281.0, 281, 2, &[-1]),
    of("Rg", 281.0, 281, 2, &[-1]),
    of("Cn", 285.0, 285, 2, &[-1]),
    of("Nh", 284.0, 284, 2, &[-1]),
    of("Fl", 289.0, 289, 2, &[-1]),
    of("Mc", 288.0, 288, 2, &[-1]),
    of("Lv", 293.0, 293, 2, &[-1]),
    of("Ts", 292.0, 292, 2, &[-1]),
    of("Og", 294.0, 294, 2, &[-1]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_of_elements_and_isotopes() {
        assert_eq!(mass(6, 0), 12.011);
        assert_eq!(mass(6, 12), 12.0);
        assert!((mass(1, 2) - 2.014_102).abs() < 1e-6);
        assert!((mass(53, 131) - 130.906_125).abs() < 1e-5);
        assert_eq!(mass(6, 400), 400.0);
        assert_eq!(mass(0, 0), 0.0);
        assert_eq!(number_of("Cl"), Some(17));
        assert_eq!(number_of("Xx"), None);
    }

    #[test]
    fn the_isotope_table_is_complete() {
        assert_eq!(
            usize::from(isotopes::FIRST[118].1),
            isotopes::DIFFERENCES.len()
        );
        for number in 1..=118u8 {
            let common = element(number).commonest;
            let off = mass(number, common) - f64::from(common);
            assert!(off.abs() < 0.5, "{number} {common}");
        }
    }
}
