//! Places for atoms on paper.
//!
//! Systems of rings are laid first, ring by ring as regular polygons; then chains in zigzag outwards from what is laid, and
//! whole ring systems where a chain meets one. Last, sides of single bonds are mirrored where that takes atoms out of each other's way.

use std::f64::consts::{PI, TAU};

use crate::molecule::Molecule;

/// A place; bonds are one unit long.
pub(crate) type Point = [f64; 2];

const NONE: u32 = u32::MAX;
/// Distance of two molecules side by side.
const GAP: f64 = 1.5;
/// Rounds of mirroring.
const ROUNDS: usize = 4;
/// Atoms beyond which nothing is mirrored.
const MOST_MIRRORED: usize = 200;

/// A place for each atom, in bond lengths; `x` to the right, `y` downwards.
pub(crate) fn layout(molecule: &Molecule) -> Vec<Point> {
    let mut plan = Plan::new(molecule);
    let (part, parts) = molecule.parts();
    let mut left = 0.0;
    for wanted in 0..parts as u32 {
        let atoms: Vec<usize> = (0..part.len()).filter(|&a| part[a] == wanted).collect();
        plan.lay_part(&atoms);
        plan.untangle(&atoms);
        let (low, high) = bounds(&plan.places, &atoms);
        for &atom in &atoms {
            plan.places[atom][0] += left - low[0];
            plan.places[atom][1] -= (low[1] + high[1]) / 2.0;
        }
        left += high[0] - low[0] + GAP;
    }
    plan.places
}

fn bounds(places: &[Point], atoms: &[usize]) -> (Point, Point) {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for &atom in atoms {
        for axis in 0..2 {
            low[axis] = low[axis].min(places[atom][axis]);
            high[axis] = high[axis].max(places[atom][axis]);
        }
    }
    (low, high)
}

struct Plan<'a> {
    molecule: &'a Molecule,
    rings: Vec<&'a [u32]>,
    /// The ring system of each atom.
    system: Vec<u32>,
    places: Vec<Point>,
    laid: Vec<bool>,
}

impl<'a> Plan<'a> {
    fn new(molecule: &'a Molecule) -> Plan<'a> {
        let atoms = molecule.atoms().len();
        let rings: Vec<&[u32]> = molecule.rings().map(|(atoms, _)| atoms).collect();
        let mut system = vec![NONE; atoms];
        let mut systems = 0;
        for start in 0..rings.len() {
            if system[rings[start][0] as usize] != NONE {
                continue;
            }
            let mut open = vec![start];
            let mut seen = vec![false; rings.len()];
            seen[start] = true;
            while let Some(ring) = open.pop() {
                for &atom in rings[ring] {
                    system[atom as usize] = systems;
                }
                for next in 0..rings.len() {
                    if !seen[next] && rings[next].iter().any(|atom| rings[ring].contains(atom)) {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
            systems += 1;
        }
        Plan {
            molecule,
            rings,
            system,
            places: vec![[0.0; 2]; atoms],
            laid: vec![false; atoms],
        }
    }

    fn lay_part(&mut self, atoms: &[usize]) {
        let size = |system: u32| atoms.iter().filter(|&&a| self.system[a] == system).count();
        let start = atoms
            .iter()
            .copied()
            .filter(|&atom| self.system[atom] != NONE)
            .max_by_key(|&atom| (size(self.system[atom]), std::cmp::Reverse(atom)));
        let mut queue = match start {
            Some(atom) => {
                let system = self.lay_system(self.system[atom]);
                for &(atom, place) in &system {
                    self.put(atom, place);
                }
                system.into_iter().map(|(atom, _)| atom).collect()
            }
            None => {
                // An end of the chain, so that it runs in one direction.
                let end = atoms
                    .iter()
                    .copied()
                    .min_by_key(|&a| (self.molecule.degree(a), a));
                let Some(end) = end else { return };
                self.put(end, [0.0; 2]);
                vec![end]
            }
        };
        let mut head = 0;
        while head < queue.len() {
            let at = queue[head];
            head += 1;
            self.lay_neighbours(at, &mut queue);
        }
    }

    fn put(&mut self, atom: usize, place: Point) {
        self.places[atom] = place;
        self.laid[atom] = true;
    }

    /// Lays what hangs on `at` into the widest gaps between what is laid there.
    fn lay_neighbours(&mut self, at: usize, queue: &mut Vec<usize>) {
        let neighbours = self.molecule.neighbours(at);
        let open: Vec<usize> = neighbours
            .iter()
            .map(|next| next.atom as usize)
            .filter(|&next| !self.laid[next])
            .collect();
        let angles: Vec<f64> = neighbours
            .iter()
            .filter(|next| self.laid[next.atom as usize])
            .map(|next| angle(self.places[at], self.places[next.atom as usize]))
            .collect();
        let straight = neighbours.len() == 2
            && neighbours
                .iter()
                .map(|next| self.molecule.bonds()[next.bond as usize].order.twice())
                .sum::<i32>()
                >= 8;
        let directions = directions(&angles, open.len(), straight, self.turn(at));
        for (next, direction) in open.into_iter().zip(directions) {
            if self.laid[next] {
                continue;
            }
            let place = step(self.places[at], direction, 1.0);
            if self.system[next] == NONE {
                self.put(next, place);
                queue.push(next);
                continue;
            }
            // Turn the ring system so that its free side at `next` faces back.
            let local = self.lay_system(self.system[next]);
            let find = |atom: usize| local.iter().find(|(a, _)| *a == atom).map(|(_, p)| *p);
            let origin = find(next).unwrap_or_default();
            let ring_angles: Vec<f64> = self
                .molecule
                .neighbours(next)
                .iter()
                .filter_map(|n| find(n.atom as usize))
                .map(|p| angle(origin, p))
                .collect();
            let free = self::directions(&ring_angles, 1, false, 1.0)[0];
            let turn = direction + PI - free;
            for (atom, p) in local {
                let (x, y) = (p[0] - origin[0], p[1] - origin[1]);
                let rotated = [
                    place[0] + x * turn.cos() - y * turn.sin(),
                    place[1] + x * turn.sin() + y * turn.cos(),
                ];
                self.put(atom, rotated);
                queue.push(atom);
            }
        }
    }

    /// To which side a chain turns at an atom: away from where it turned before, so that it zigzags.
    fn turn(&self, at: usize) -> f64 {
        let before = |atom: usize, not: usize| {
            let laid = self
                .molecule
                .neighbours(atom)
                .iter()
                .map(|n| n.atom as usize);
            laid.filter(|&n| self.laid[n] && n != not).min()
        };
        let Some(one) = before(at, usize::MAX) else {
            return 1.0;
        };
        let Some(two) = before(one, at) else {
            return 1.0;
        };
        let (a, b, c) = (self.places[two], self.places[one], self.places[at]);
        let cross = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]);
        if cross > 0.0 { -1.0 } else { 1.0 }
    }

    /// The atoms of a ring system around an origin of their own.
    fn lay_system(&self, system: u32) -> Vec<(usize, Point)> {
        let mut own: Vec<usize> = (0..self.rings.len())
            .filter(|&ring| self.system[self.rings[ring][0] as usize] == system)
            .collect();
        let mut places: Vec<Option<Point>> = vec![None; self.places.len()];
        let mut order = Vec::new();
        while !own.is_empty() {
            // The ring of which most is laid; of those, the smallest.
            let laid = |ring: usize| {
                self.rings[ring]
                    .iter()
                    .filter(|&&atom| places[atom as usize].is_some())
                    .count()
            };
            let best = own.iter().enumerate().max_by_key(|&(at, &ring)| {
                let size = self.rings[ring].len();
                (
                    laid(ring).min(2),
                    laid(ring),
                    std::cmp::Reverse(size),
                    std::cmp::Reverse(at),
                )
            });
            let Some((at, &ring)) = best else { break };
            own.remove(at);
            lay_ring(self.rings[ring], &mut places, &mut order);
        }
        order
            .into_iter()
            .filter_map(|atom| Some((atom, places[atom]?)))
            .collect()
    }

    /// Mirrors sides of bonds outside rings while that spreads atoms.
    fn untangle(&mut self, atoms: &[usize]) {
        if atoms.len() > MOST_MIRRORED {
            return;
        }
        let bonds: Vec<(usize, usize)> = self
            .molecule
            .bonds()
            .iter()
            .filter(|bond| bond.rings == 0)
            .map(|bond| (bond.begin as usize, bond.end as usize))
            .filter(|&(a, b)| self.molecule.degree(a) > 1 && self.molecule.degree(b) > 1)
            .filter(|(a, _)| atoms.contains(a))
            .collect();
        let mut crowding = self.crowding(atoms);
        for _ in 0..ROUNDS {
            let before = crowding;
            for &(a, b) in &bonds {
                if crowding < 1e-9 {
                    return;
                }
                let side = self.side(a, b);
                let saved: Vec<Point> = side.iter().map(|&atom| self.places[atom]).collect();
                let (from, to) = (self.places[a], self.places[b]);
                for &atom in &side {
                    self.places[atom] = mirrored(self.places[atom], from, to);
                }
                let now = self.crowding(atoms);
                if now < crowding - 1e-9 {
                    crowding = now;
                } else {
                    for (&atom, place) in side.iter().zip(saved) {
                        self.places[atom] = place;
                    }
                }
            }
            if crowding >= before {
                return;
            }
        }
    }

    /// How much atoms that are not bonded lie in each other's way.
    fn crowding(&self, atoms: &[usize]) -> f64 {
        const NEAR: f64 = 0.8;
        let mut sum = 0.0;
        for (i, &a) in atoms.iter().enumerate() {
            for &b in &atoms[i + 1..] {
                let d = distance(self.places[a], self.places[b]);
                if d < NEAR {
                    sum += (NEAR - d).powi(2);
                }
            }
        }
        sum
    }

    /// The atoms beyond `b`, seen from `a`.
    fn side(&self, a: usize, b: usize) -> Vec<usize> {
        let mut found = vec![b];
        let mut seen = vec![false; self.places.len()];
        seen[a] = true;
        seen[b] = true;
        let mut head = 0;
        while head < found.len() {
            for next in self.molecule.neighbours(found[head]) {
                let next = next.atom as usize;
                if !seen[next] {
                    seen[next] = true;
                    found.push(next);
                }
            }
            head += 1;
        }
        found
    }
}

/// Lays the atoms of a ring that are not laid yet.
fn lay_ring(ring: &[u32], places: &mut [Option<Point>], order: &mut Vec<usize>) {
    let size = ring.len();
    let known = |places: &[Option<Point>], at: usize| places[ring[at % size] as usize];
    let laid = (0..size).filter(|&at| known(places, at).is_some()).count();
    let mut put = |places: &mut [Option<Point>], at: usize, place: Point| {
        let atom = ring[at % size] as usize;
        places[atom] = Some(place);
        order.push(atom);
    };
    let radius = 0.5 / (PI / size as f64).sin();
    if laid < 2 {
        // A whole polygon: around the origin, or beyond the one atom that it shares.
        let start = (0..size)
            .find(|&at| known(places, at).is_some())
            .unwrap_or(0);
        let (centre, first) = match known(places, start) {
            None => ([0.0; 2], -PI / 2.0),
            Some(place) => {
                let others: Vec<Point> = places.iter().flatten().copied().collect();
                let middle = mean(&others);
                let out = if distance(middle, place) < 1e-6 {
                    0.0
                } else {
                    angle(middle, place)
                };
                (step(place, out, radius), out + PI)
            }
        };
        for at in 0..size {
            let place = step(centre, first + TAU * at as f64 / size as f64, radius);
            if known(places, start + at).is_none() {
                put(places, start + at, place);
            }
        }
        return;
    }
    // Each run of open atoms bridges two laid ones by an arc on the side away from what is there.
    let Some(start) = (0..size).find(|&at| known(places, at).is_some()) else {
        return;
    };
    let mut at = start;
    while at < start + size {
        let mut end = at + 1;
        while known(places, end).is_none() {
            end += 1;
        }
        let open = end - at - 1;
        if open > 0
            && let (Some(from), Some(to)) = (known(places, at), known(places, end))
        {
            // Over a bridge this goes outwards too, so that the bridge comes to lie inside.
            let every: Vec<Point> = places.iter().flatten().copied().collect();
            let away = mean(&every);
            for (step, place) in arc(from, to, open, away).into_iter().enumerate() {
                put(places, at + 1 + step, place);
            }
        }
        at = end;
    }
}

/// `count` points at equal steps from `from` to `to` on a circle whose bulk lies away from a point.
fn arc(from: Point, to: Point, count: usize, away: Point) -> Vec<Point> {
    let chord = distance(from, to).max(1e-6);
    let steps = (count + 1) as f64;
    // The angle of the whole arc: with steps of length one where the chord allows.
    let (mut low, mut high) = (1e-3, TAU - 1e-3);
    for _ in 0..60 {
        let middle: f64 = (low + high) / 2.0;
        let made = (middle / 2.0).sin() / (middle / steps / 2.0).sin();
        if made > chord {
            low = middle
        } else {
            high = middle
        }
    }
    let sweep = (low + high) / 2.0;
    let radius = chord / 2.0 / (sweep / 2.0).sin().max(1e-6);
    let middle = [(from[0] + to[0]) / 2.0, (from[1] + to[1]) / 2.0];
    let along = angle(from, to);
    let side = |turn: f64| step(middle, along + turn, 1.0);
    let turn = if distance(side(PI / 2.0), away) > distance(side(-PI / 2.0), away) {
        PI / 2.0
    } else {
        -PI / 2.0
    };
    let height = -radius * (sweep / 2.0).cos();
    let centre = step(middle, along + turn, height);
    let start = angle(centre, from);
    let sign = if turn > 0.0 { -1.0 } else { 1.0 };
    (1..=count)
        .map(|at| step(centre, start + sign * sweep * at as f64 / steps, radius))
        .collect()
}

/// Directions for `count` new bonds at an atom with bonds in the directions `laid`.
fn directions(laid: &[f64], count: usize, straight: bool, turn: f64) -> Vec<f64> {
    match (laid, count) {
        ([], 1) => vec![-PI / 6.0],
        ([], _) => (0..count)
            .map(|at| -PI / 6.0 + TAU * at as f64 / count as f64)
            .collect(),
        ([one], 1) if straight => vec![one + PI],
        ([one], 1) => vec![one + turn * TAU / 3.0],
        ([one], 2) => vec![one + turn * TAU / 3.0, one - turn * TAU / 3.0],
        _ => {
            let mut sorted: Vec<f64> = laid.iter().map(|a| a.rem_euclid(TAU)).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let gap = |at: usize| match at + 1 < sorted.len() {
                true => sorted[at + 1] - sorted[at],
                false => sorted[0] + TAU - sorted[at],
            };
            let widest = (0..sorted.len())
                .max_by(|&a, &b| gap(a).total_cmp(&gap(b)))
                .unwrap_or(0);
            let each = gap(widest) / (count + 1) as f64;
            (1..=count)
                .map(|at| sorted[widest] + each * at as f64)
                .collect()
        }
    }
}

fn angle(from: Point, to: Point) -> f64 {
    (to[1] - from[1]).atan2(to[0] - from[0])
}

fn step(from: Point, direction: f64, length: f64) -> Point {
    [
        from[0] + length * direction.cos(),
        from[1] + length * direction.sin(),
    ]
}

fn distance(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(points: &[Point]) -> Point {
    let count = points.len().max(1) as f64;
    let sum = |axis: usize| points.iter().map(|p| p[axis]).sum::<f64>() / count;
    [sum(0), sum(1)]
}

fn mirrored(point: Point, from: Point, to: Point) -> Point {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = (dx * dx + dy * dy).max(1e-12);
    let along = ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / length;
    let foot = [from[0] + along * dx, from[1] + along * dy];
    [2.0 * foot[0] - point[0], 2.0 * foot[1] - point[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Molecule, Vec<Point>) {
        let molecule = Molecule::from_smiles(text).unwrap();
        let places = layout(&molecule);
        (molecule, places)
    }

    #[test]
    fn bonds_of_chains_and_plain_rings_are_of_one_length_and_atoms_keep_apart() {
        for text in [
            "CCO",
            "CC(=O)Oc1ccccc1C(=O)O",
            "C1CCC2(CC1)CCCC2",
            "c1ccc2cc3ccccc3cc2c1",
            "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
            "CC(C)(C)c1ccc(O)cc1",
            "C#CCC#N",
            "[Na+].[Cl-]",
            "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
        ] {
            let (molecule, places) = of(text);
            for bond in molecule.bonds() {
                let length = distance(places[bond.begin as usize], places[bond.end as usize]);
                assert!((length - 1.0).abs() < 1e-6, "{text}: {length}");
            }
            for a in 0..places.len() {
                for b in a + 1..places.len() {
                    assert!(distance(places[a], places[b]) > 0.6, "{text}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn the_bridge_of_norbornane_lies_inside() {
        let (_, places) = of("C1CC2CCC1C2");
        for a in 0..places.len() {
            for b in a + 1..places.len() {
                assert!(distance(places[a], places[b]) > 0.5, "{a} {b}");
            }
        }
    }

    #[test]
    fn cages_stay_finite() {
        for text in [
            "C1CC2CCC1C2",
            "C1C2CC3CC1CC(C2)C3",
            "C12C3C4C1C5C2C3C45",
            "C",
            "",
        ] {
            let molecule = Molecule::from_smiles(text).unwrap_or_default();
            assert!(
                layout(&molecule).iter().flatten().all(|v| v.is_finite()),
                "{text}"
            );
        }
    }
}
