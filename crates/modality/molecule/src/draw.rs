//! Molecules as pictures.

use std::fmt::Write as _;

use crate::layout::{Point, layout};
use crate::molecule::{Molecule, Order};

/// Pixels of a bond.
const BOND: f64 = 30.0;
/// Pixels around the molecule.
const MARGIN: f64 = 24.0;
/// Distance of the lines of a double bond, in bond lengths.
const APART: f64 = 0.13;
/// How far a bond ends before a letter, in bond lengths.
const CLEAR: f64 = 0.27;

/// The molecule as one SVG element, in the colour of the text around it. Stereochemistry is not drawn.
///
/// With `weights` (one an atom, of any scale) a disc lies under each atom: orange where it speaks for the prediction, blue where
/// against, the stronger the larger its share of the largest weight. Weights that are not finite are not drawn.
///
/// ```
/// use candor_molecule::{Molecule, draw};
/// let picture = draw(&Molecule::from_smiles("CCO").unwrap(), Some(&[0.0, 0.5, -1.0]));
/// assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
/// assert!(picture.contains(">OH<"));
/// ```
pub fn draw(molecule: &Molecule, weights: Option<&[f64]>) -> String {
    let places = layout(molecule);
    let canvas = Canvas::new(molecule, &places);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"13\" stroke-linecap=\"round\">",
        canvas.size[0], canvas.size[1]
    );
    if let Some(weights) = weights {
        canvas.discs(weights, &mut svg);
    }
    for index in 0..molecule.bonds().len() {
        canvas.bond(index, &mut svg);
    }
    for index in 0..molecule.atoms().len() {
        canvas.label(index, &mut svg);
    }
    svg.push_str("</svg>");
    svg
}

struct Canvas<'a> {
    molecule: &'a Molecule,
    /// In pixels.
    places: Vec<Point>,
    size: Point,
}

impl<'a> Canvas<'a> {
    fn new(molecule: &'a Molecule, places: &[Point]) -> Canvas<'a> {
        let least = |axis: usize| places.iter().map(|p| p[axis]).fold(f64::INFINITY, f64::min);
        let most = |axis: usize| {
            places
                .iter()
                .map(|p| p[axis])
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let low = [least(0), least(1)];
        let side = |axis: usize| match places.is_empty() {
            true => 2.0 * MARGIN,
            false => (most(axis) - low[axis]) * BOND + 2.0 * MARGIN,
        };
        let pixel = |p: &Point| {
            [
                (p[0] - low[0]) * BOND + MARGIN,
                (p[1] - low[1]) * BOND + MARGIN,
            ]
        };
        Canvas {
            molecule,
            places: places.iter().map(pixel).collect(),
            size: [side(0), side(1)],
        }
    }

    fn discs(&self, weights: &[f64], svg: &mut String) {
        let finite = weights.iter().filter(|w| w.is_finite());
        let largest = finite.fold(0.0, |most: f64, w| most.max(w.abs()));
        for (place, weight) in self.places.iter().zip(weights) {
            let share = weight.abs() / largest;
            if !share.is_finite() || share < 0.01 {
                continue;
            }
            let colour = if *weight > 0.0 { "#e66101" } else { "#2b7bba" };
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"{colour}\" fill-opacity=\"{:.2}\"/>",
                place[0],
                place[1],
                0.42 * BOND,
                0.15 + 0.55 * share
            );
        }
    }

    /// Whether something is written at an atom: not at most carbons.
    fn is_written(&self, index: usize) -> bool {
        let atom = &self.molecule.atoms()[index];
        let plain = atom.number == 6 && atom.charge == 0 && atom.isotope == 0 && atom.radicals == 0;
        !plain || self.molecule.degree(index) == 0
    }

    /// Writes an atom, its symbol in its place and its hydrogens on the side where there are no bonds.
    fn label(&self, index: usize, svg: &mut String) {
        if !self.is_written(index) {
            return;
        }
        let atom = &self.molecule.atoms()[index];
        let [x, y] = self.places[index];
        let right: f64 = self
            .molecule
            .neighbours(index)
            .iter()
            .map(|next| self.places[next.atom as usize][0] - x)
            .sum();
        let hydrogens = match atom.hydrogens() {
            0 => String::new(),
            1 => "H".to_owned(),
            count => format!("H{}", small(3, &count.to_string())),
        };
        let mut symbol = String::new();
        if atom.isotope != 0 {
            symbol.push_str(&small(-5, &atom.isotope.to_string()));
        }
        symbol.push_str(atom.symbol());
        let charge = match (atom.charge, atom.charge.unsigned_abs()) {
            (0, _) => String::new(),
            (1, _) => small(-5, "+"),
            (-1, _) => small(-5, "−"),
            (charge, amount) => small(
                -5,
                &format!("{amount}{}", if charge > 0 { "+" } else { "−" }),
            ),
        };
        let half = 4.7 * atom.symbol().len() as f64;
        let (text, anchor, at) = match (hydrogens.is_empty(), right > 0.3 * BOND) {
            (true, _) if charge.is_empty() => (symbol, "middle", x),
            (false, true) => (hydrogens + &symbol + &charge, "end", x + half),
            _ => (symbol + &hydrogens + &charge, "start", x - half),
        };
        let _ = write!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{text}</text>",
            y + 4.5
        );
    }

    fn bond(&self, index: usize, svg: &mut String) {
        let bond = &self.molecule.bonds()[index];
        let (begin, end) = (bond.begin as usize, bond.end as usize);
        let (mut a, mut b) = (self.places[begin], self.places[end]);
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy).max(1e-6);
        let unit = [dx / length, dy / length];
        for (place, atom, sign) in [(&mut a, begin, 1.0), (&mut b, end, -1.0)] {
            if self.is_written(atom) {
                place[0] += sign * unit[0] * CLEAR * BOND;
                place[1] += sign * unit[1] * CLEAR * BOND;
            }
        }
        let side = self.inner_side(index, unit);
        let mut line = |shift: f64, shorten: f64, style: &str| {
            let (nx, ny) = (-unit[1] * shift * BOND, unit[0] * shift * BOND);
            let cut = [unit[0] * shorten * BOND, unit[1] * shorten * BOND];
            let _ = write!(
                svg,
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"currentColor\" stroke-width=\"1.5\"{style}/>",
                a[0] + nx + cut[0],
                a[1] + ny + cut[1],
                b[0] + nx - cut[0],
                b[1] + ny - cut[1]
            );
        };
        const DASHED: &str = " stroke-dasharray=\"3 3\"";
        match bond.order {
            Order::Single => line(0.0, 0.0, ""),
            Order::Dative => line(0.0, 0.0, DASHED),
            Order::Aromatic => {
                line(0.0, 0.0, "");
                line(side * APART, 0.12, DASHED);
            }
            Order::Double if bond.rings > 0 => {
                line(0.0, 0.0, "");
                line(side * APART, 0.12, "");
            }
            Order::Double => {
                line(APART / 2.0, 0.0, "");
                line(-APART / 2.0, 0.0, "");
            }
            Order::Triple => [-APART, 0.0, APART]
                .into_iter()
                .for_each(|shift| line(shift, 0.0, "")),
            Order::Quadruple => [-1.5, -0.5, 0.5, 1.5]
                .into_iter()
                .for_each(|shift| line(shift * APART, 0.0, "")),
        }
    }

    /// On which side of a ring bond its smallest ring lies: 1 or -1.
    fn inner_side(&self, index: usize, unit: [f64; 2]) -> f64 {
        let rings = self.molecule.rings();
        let ring = rings
            .filter(|(_, bonds)| bonds.contains(&(index as u32)))
            .min_by_key(|(_, bonds)| bonds.len());
        let Some((atoms, _)) = ring else { return 1.0 };
        let count = atoms.len() as f64;
        let mean = |axis: usize| {
            let sum: f64 = atoms
                .iter()
                .map(|&atom| self.places[atom as usize][axis])
                .sum();
            sum / count
        };
        let from = self.places[self.molecule.bonds()[index].begin as usize];
        let cross = unit[0] * (mean(1) - from[1]) - unit[1] * (mean(0) - from[0]);
        if cross >= 0.0 { 1.0 } else { -1.0 }
    }
}

/// Small text, raised or lowered by some pixels; what follows stands on the line again.
fn small(shift: i32, text: &str) -> String {
    format!(
        "<tspan font-size=\"9\" dy=\"{shift}\">{text}</tspan><tspan font-size=\"1\" dy=\"{}\">&#8203;</tspan>",
        -shift
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_a_line_for_each_pair_of_electrons_and_letters_for_the_rest() {
        let of = |text: &str| draw(&Molecule::from_smiles(text).unwrap(), None);
        let lines = |text: &str| of(text).matches("<line").count();
        assert_eq!(lines("CCC"), 2);
        assert_eq!(lines("C=C"), 2);
        assert_eq!(lines("C#N"), 3);
        assert_eq!(lines("c1ccccc1"), 12);
        assert!(!of("CCC").contains("<text"));
        assert!(of("C").contains(">CH<tspan"));
        assert!(of("[NH4+]").contains(">+</tspan>"));
        assert_eq!(draw(&Molecule::default(), None).matches("<line").count(), 0);
    }

    #[test]
    fn discs_show_weights() {
        let molecule = Molecule::from_smiles("CCO").unwrap();
        let picture = draw(&molecule, Some(&[f64::NAN, 2.0, -1.0]));
        assert_eq!(picture.matches("<circle").count(), 2);
        assert_eq!(
            draw(&molecule, Some(&[0.0; 3])).matches("<circle").count(),
            0
        );
    }
}
