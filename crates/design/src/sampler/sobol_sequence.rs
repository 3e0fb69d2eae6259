use candor_core::Seed;
use rand::{Rng, RngExt};

/// Bits of a coordinate.
const BITS: usize = 32;
/// Sets of direction numbers that are drawn for an axis, of which one is kept.
const DRAWS: usize = 24;
/// Points by which they are judged, and the cells along a side of the grid that those should fill.
const JUDGED: u32 = 64;
const CELLS: usize = 8;

/// A Sobol sequence with Owen's scrambling.
///
/// Direction numbers are made here and not taken from a table: each axis has a primitive polynomial of its own, and of several drawn sets of first
/// numbers the one is kept whose points fill the most cells of a grid together with each earlier axis.
pub(super) struct SobolSequence {
    axes: Vec<[u32; BITS]>,
    seed: Seed,
}

impl SobolSequence {
    /// A sequence of points with `axes` coordinates; `seed` scrambles it.
    pub(super) fn new(axes: usize, seed: Seed) -> SobolSequence {
        let mut rng = Seed(0).stream("direction numbers", &[]);
        let mut polynomials = (2u32..).filter(|&p| is_primitive(p));
        let mut made: Vec<[u32; BITS]> = Vec::with_capacity(axes);
        for axis in 0..axes {
            if axis == 0 {
                made.push(std::array::from_fn(|bit| 1 << (BITS - 1 - bit)));
                continue;
            }
            let polynomial = polynomials.next().unwrap_or(3);
            let drawn = (0..DRAWS).map(|_| directions(polynomial, &mut rng));
            let best = drawn.max_by_key(|numbers| filled(numbers, &made));
            made.extend(best);
        }
        SobolSequence { axes: made, seed }
    }

    /// One coordinate of point `at`, in `[0, 1)`.
    pub(super) fn coordinate(&self, at: u32, axis: usize) -> f64 {
        let seed = self
            .seed
            .0
            .wrapping_add((axis as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let digits = scrambled(plain(&self.axes[axis], at), seed);
        f64::from(digits) / 2f64.powi(BITS as i32)
    }
}

/// The digits of a coordinate before scrambling.
fn plain(numbers: &[u32; BITS], at: u32) -> u32 {
    (0..BITS)
        .filter(|bit| at >> bit & 1 == 1)
        .fold(0, |digits, bit| digits ^ numbers[bit])
}

/// Flips each digit or not, as a hash of the digits before it says: a random nested permutation.
fn scrambled(digits: u32, seed: u64) -> u32 {
    (0..BITS).fold(digits, |scrambled, bit| {
        let before = if bit == 0 { 0 } else { digits >> (BITS - bit) };
        let mut hash =
            seed ^ (u64::from(before) << 6 | bit as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 29;
        scrambled ^ (((hash & 1) as u32) << (BITS - 1 - bit))
    })
}

/// Direction numbers of a primitive polynomial: the first ones drawn, the others by its recurrence.
fn directions<R: Rng>(polynomial: u32, rng: &mut R) -> [u32; BITS] {
    let degree = degree(polynomial);
    let mut numbers = [0u32; BITS];
    for bit in 0..BITS {
        if bit < degree {
            let odd = 2 * rng.random_range(0..1u32 << bit) + 1;
            numbers[bit] = odd << (BITS - 1 - bit);
            continue;
        }
        let mut number = numbers[bit - degree] ^ (numbers[bit - degree] >> degree);
        for back in 1..degree {
            if polynomial >> (degree - back) & 1 == 1 {
                number ^= numbers[bit - back];
            }
        }
        numbers[bit] = number;
    }
    numbers
}

/// Cells of the grids with each earlier axis that the first points fill, together.
fn filled(numbers: &[u32; BITS], earlier: &[[u32; BITS]]) -> usize {
    let cell = |numbers: &[u32; BITS], at: u32| (plain(numbers, at) >> (BITS - 3)) as usize;
    let here: Vec<usize> = (0..JUDGED).map(|at| cell(numbers, at)).collect();
    let fill = |other: &[u32; BITS]| {
        let mut cells = [false; CELLS * CELLS];
        for at in 0..JUDGED {
            cells[here[at as usize] * CELLS + cell(other, at)] = true;
        }
        cells.iter().filter(|filled| **filled).count()
    };
    earlier.iter().map(fill).sum()
}

fn degree(polynomial: u32) -> usize {
    (31 - polynomial.leading_zeros()) as usize
}

/// Whether a polynomial over two elements (bit `i` is the coefficient of `x^i`) is primitive: whether the powers of `x` modulo it
/// run through everything but 0.
fn is_primitive(polynomial: u32) -> bool {
    let degree = degree(polynomial);
    if polynomial & 1 == 0 || degree == 0 {
        return false;
    }
    let period = (1u32 << degree) - 1;
    let mut power = 1;
    for step in 1..=period {
        power <<= 1;
        if power >> degree & 1 == 1 {
            power ^= polynomial;
        }
        if power == 1 {
            return step == period;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitive_polynomials_are_counted_as_they_are_known_to_be() {
        // Euler's function of 2^n - 1, divided by n.
        for (degree, expected) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 6), (6, 6), (7, 18)] {
            let found = (1u32 << degree..2 << degree).filter(|&p| is_primitive(p));
            assert_eq!(found.count(), expected, "degree {degree}");
        }
    }

    #[test]
    fn every_axis_is_stratified_and_early_pairs_fill_their_grids() {
        let sequence = SobolSequence::new(12, Seed(7));
        let cell = |at, axis, cells: usize| (sequence.coordinate(at, axis) * cells as f64) as usize;
        for axis in 0..12 {
            for cells in [2usize, 8, 64] {
                for block in 0..3u32 {
                    let mut seen: Vec<usize> = (0..cells as u32)
                        .map(|at| cell(block * cells as u32 + at, axis, cells))
                        .collect();
                    seen.sort_unstable();
                    assert!(seen.into_iter().eq(0..cells), "axis {axis}, {cells} cells");
                }
            }
        }
        let mut filled = 0;
        for (a, b) in (0..12).flat_map(|b| (0..b).map(move |a| (a, b))) {
            let cells = (0..64).map(|at| (cell(at, a, 8), cell(at, b, 8)));
            filled += cells.collect::<std::collections::BTreeSet<_>>().len();
        }
        // Independent draws fill 63 % of the cells.
        let share = filled as f64 / (66.0 * 64.0);
        assert!(share > 0.78, "{share}");
    }

    #[test]
    fn another_seed_scrambles_otherwise() {
        let (a, b) = (
            SobolSequence::new(3, Seed(1)),
            SobolSequence::new(3, Seed(2)),
        );
        assert!((0..20).any(|at| a.coordinate(at, 2) != b.coordinate(at, 2)));
    }
}
