use rand::{Rng, RngExt};

/// The response of the rows of a forest, in training order.
#[derive(Debug, Clone)]
pub(crate) enum Response {
    /// One of three or more classes.
    Classes(Vec<u32>),
    /// `[rows, outputs]`: standardised targets, or 1 for the second of two classes.
    Values(Vec<f64>),
}

/// Weights and responses of one node's rows, gathered so that every column streams through them.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeRows {
    rows: Vec<u32>,
    weights: Vec<f64>,
    labels: Vec<u32>,
    /// `[rows, outputs]`, each times the row's weight.
    weighted: Vec<f64>,
    total: Vec<f64>,
    pure: bool,
}

impl NodeRows {
    pub(crate) fn gather(
        &mut self,
        rows: &[u32],
        weights: &[f64],
        response: &Response,
        outputs: usize,
    ) {
        self.rows.clear();
        self.weights.clear();
        self.labels.clear();
        self.weighted.clear();
        self.rows.extend_from_slice(rows);
        self.weights
            .extend(rows.iter().map(|&row| weights[row as usize]));
        self.pure = match response {
            Response::Classes(labels) => {
                self.labels
                    .extend(rows.iter().map(|&row| labels[row as usize]));
                self.labels.iter().all(|label| *label == self.labels[0])
            }
            Response::Values(values) => {
                let of = |row: u32| &values[row as usize * outputs..(row as usize + 1) * outputs];
                for (&row, weight) in rows.iter().zip(&self.weights) {
                    self.weighted
                        .extend(of(row).iter().map(|value| weight * value));
                }
                rows.iter().all(|&row| of(row) == of(rows[0]))
            }
        };
        let mut total = std::mem::take(&mut self.total);
        total.clear();
        total.resize(outputs + 1, 0.0);
        for i in 0..rows.len() {
            self.add(i, &mut total);
        }
        self.total = total;
    }

    /// Total weight, then the weighted sum of each output.
    pub(crate) fn total(&self) -> &[f64] {
        &self.total
    }

    /// Whether all rows have the same response.
    pub(crate) fn is_pure(&self) -> bool {
        self.pure
    }

    /// Adds weight and weighted response of the `i`th row to a slot of `1 + outputs` sums.
    #[inline]
    fn add(&self, i: usize, slot: &mut [f64]) {
        let weight = self.weights[i];
        slot[0] += weight;
        if let [_, sum] = slot {
            *sum += self.weighted[i];
        } else if self.labels.is_empty() {
            let outputs = slot.len() - 1;
            let values = &self.weighted[i * outputs..(i + 1) * outputs];
            slot[1..]
                .iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        } else {
            slot[1 + self.labels[i] as usize] += weight;
        }
    }
}

/// What a node asks of a split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) min_leaf_rows: f64,
    pub(crate) random: bool,
}

/// The best cut of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ForestSplit {
    /// `sum of S^2 / n` over both children and all outputs; Gini impurity and variance fall as it rises.
    pub(crate) score: f64,
    /// Bins up to this one go left.
    pub(crate) bin: usize,
    pub(crate) missing_left: bool,
}

/// Where bins lie on the axis of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Axis<'a> {
    /// The middle of each bin's values.
    Numbers(&'a [f32]),
    /// This many ranks at equal distances.
    Ranks(usize),
}

impl Axis<'_> {
    fn bins(self) -> usize {
        match self {
            Axis::Numbers(centres) => centres.len(),
            Axis::Ranks(ranks) => ranks,
        }
    }

    /// A cut between two bins, uniform between their positions; the result is in `low..high`.
    fn random_cut(self, low: usize, high: usize, rng: &mut impl Rng) -> usize {
        let Axis::Numbers(centres) = self else {
            return rng.random_range(low as u32..high as u32) as usize;
        };
        let share: f64 = rng.random();
        let (from, to) = (f64::from(centres[low]), f64::from(centres[high]));
        let at = from + share * (to - from);
        let above = centres[low..=high].partition_point(|&centre| f64::from(centre) <= at);
        (low + above).saturating_sub(1).clamp(low, high - 1)
    }
}

/// Finds the cut of one column for one node.
#[derive(Debug, Clone)]
pub(crate) struct CutSearch {
    outputs: usize,
    /// Bin of each row of the node.
    codes: Vec<u8>,
    /// `[256, 1 + outputs]`: weight, then weighted sums. All zero between columns.
    sums: Vec<f64>,
    /// One bit a bin that holds rows: small nodes must not pay for 256 bins.
    occupied: [u64; 4],
}

/// All rows of the node have the same value in the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Constant;

impl CutSearch {
    pub(crate) fn new(outputs: usize) -> CutSearch {
        CutSearch {
            outputs,
            codes: Vec::new(),
            sums: vec![0.0; 256 * (outputs + 1)],
            occupied: [0; 4],
        }
    }

    /// The best cut of one column for a node, or the one random cut of extremely randomised trees; `Ok(None)`
    /// when no cut leaves enough rows on both sides, `Err(Constant)` when all rows are in one bin.
    pub(crate) fn best_cut(
        &mut self,
        column: &[u8],
        node: &NodeRows,
        axis: Axis<'_>,
        demand: Demand,
        rng: &mut impl Rng,
    ) -> Result<Option<ForestSplit>, Constant> {
        self.codes.clear();
        self.codes
            .extend(node.rows.iter().map(|&row| column[row as usize]));
        self.occupied = [0; 4];
        for &code in &self.codes {
            self.occupied[usize::from(code >> 6)] |= 1 << (code & 63);
        }
        let missing = axis.bins();
        let mut known = self.occupied;
        known[missing >> 6] &= !(1 << (missing & 63));
        let missing = (known != self.occupied).then_some(missing);
        let (Some(low), Some(high)) = (first_bit(known), last_bit(known)) else {
            return Err(Constant);
        };
        if low == high && missing.is_none() {
            return Err(Constant);
        }
        let random = demand.random && low < high;
        let cut = if random {
            axis.random_cut(low, high, rng)
        } else {
            high
        };
        // The compiler unrolls what is done to arrays of two.
        Ok(match (demand.random, &*node.total) {
            (true, &[weight, sum]) => {
                self.judge(cut, [0.0; 2], [weight, sum], missing, node, demand)
            }
            (true, total) => self.judge(
                cut,
                vec![0.0; total.len()],
                total.to_vec(),
                missing,
                node,
                demand,
            ),
            (false, &[weight, sum]) => {
                self.search([0.0; 2], [weight, sum], known, missing, node, demand)
            }
            (false, total) => self.search(
                vec![0.0; total.len()],
                total.to_vec(),
                known,
                missing,
                node,
                demand,
            ),
        })
    }

    /// Scores one cut; that needs no histogram.
    fn judge<S: Sums>(
        &self,
        cut: usize,
        none: S,
        total: S,
        missing: Option<usize>,
        node: &NodeRows,
        demand: Demand,
    ) -> Option<ForestSplit> {
        let (mut left, mut absent, mut right) = (none.clone(), none, total);
        for (i, &code) in self.codes.iter().enumerate() {
            if usize::from(code) <= cut {
                node.add(i, left.as_mut());
            } else if Some(usize::from(code)) == missing {
                node.add(i, absent.as_mut());
            }
        }
        right
            .as_mut()
            .iter_mut()
            .zip(left.as_ref())
            .for_each(|(right, left)| *right -= left);
        let split = |left: &S, right: &S, missing_left| {
            let (left, right) = (left.as_ref(), right.as_ref());
            let enough = left[0] >= demand.min_leaf_rows && right[0] >= demand.min_leaf_rows;
            let score = score(left) + score(right);
            enough.then_some(ForestSplit {
                score,
                bin: cut,
                missing_left,
            })
        };
        if missing.is_none() {
            return split(&left, &right, left.as_ref()[0] > right.as_ref()[0]);
        }
        let missing_right = split(&left, &right, false);
        shift(left.as_mut(), right.as_mut(), absent.as_ref());
        better(missing_right, split(&left, &right, true))
    }

    /// Scores all cuts on a histogram, with missing values on the right and on the left.
    fn search<S: Sums>(
        &mut self,
        none: S,
        total: S,
        known: [u64; 4],
        missing: Option<usize>,
        node: &NodeRows,
        demand: Demand,
    ) -> Option<ForestSplit> {
        let width = none.as_ref().len();
        for (i, &code) in self.codes.iter().enumerate() {
            let start = usize::from(code) * width;
            node.add(i, &mut self.sums[start..start + width]);
        }
        let right = self.scan(none.clone(), total.clone(), known, demand);
        let best = if let Some(missing) = missing {
            let (mut left, mut rest) = (none, total);
            shift(left.as_mut(), rest.as_mut(), self.slot(missing));
            let left = self.scan(left, rest, known, demand);
            better(
                right,
                left.map(|split| ForestSplit {
                    missing_left: true,
                    ..split
                }),
            )
        } else {
            // Nothing is known of missing values here: they follow the greater child.
            let mostly_left =
                |split: &ForestSplit| 2.0 * self.weight_up_to(split.bin) > total.as_ref()[0];
            right.map(|split| ForestSplit {
                missing_left: mostly_left(&split),
                ..split
            })
        };
        for bin in bits(self.occupied) {
            self.sums[bin * width..(bin + 1) * width].fill(0.0);
        }
        best
    }

    /// Moves bins to the left one after the other.
    #[inline]
    fn scan<S: Sums>(
        &self,
        mut left: S,
        mut right: S,
        known: [u64; 4],
        demand: Demand,
    ) -> Option<ForestSplit> {
        let mut best = None;
        let mut best_score = f64::NEG_INFINITY;
        for bin in bits(known) {
            shift(left.as_mut(), right.as_mut(), self.slot(bin));
            if right.as_ref()[0] < demand.min_leaf_rows {
                break;
            }
            if left.as_ref()[0] < demand.min_leaf_rows {
                continue;
            }
            let score = score(left.as_ref()) + score(right.as_ref());
            if score > best_score {
                best_score = score;
                best = Some(bin);
            }
        }
        best.map(|bin| ForestSplit {
            score: best_score,
            bin: centre_of_gap(known, bin),
            missing_left: false,
        })
    }

    #[inline]
    fn slot(&self, bin: usize) -> &[f64] {
        let width = self.outputs + 1;
        &self.sums[bin * width..(bin + 1) * width]
    }

    fn weight_up_to(&self, bin: usize) -> f64 {
        bits(self.occupied)
            .take_while(|&b| b <= bin)
            .map(|b| self.slot(b)[0])
            .sum()
    }
}

/// Weight and weighted sums of one side of a cut: an array of two, or a vector for several outputs.
trait Sums: AsRef<[f64]> + AsMut<[f64]> + Clone {}

impl<S: AsRef<[f64]> + AsMut<[f64]> + Clone> Sums for S {}

/// Moves sums from the right side to the left.
#[inline]
fn shift(left: &mut [f64], right: &mut [f64], moved: &[f64]) {
    for ((left, right), moved) in left.iter_mut().zip(right).zip(moved) {
        *left += moved;
        *right -= moved;
    }
}

/// `sum of S^2 / n` of one side.
#[inline]
fn score(side: &[f64]) -> f64 {
    side[1..].iter().map(|sum| sum * sum).sum::<f64>() / side[0]
}

fn better(first: Option<ForestSplit>, second: Option<ForestSplit>) -> Option<ForestSplit> {
    match (first, second) {
        (Some(first), Some(second)) if second.score > first.score => Some(second),
        (first, second) => first.or(second),
    }
}

/// Of the cuts that separate the same rows, the one in the middle of the empty bins.
fn centre_of_gap(known: [u64; 4], bin: usize) -> usize {
    let next = bits(known).find(|&next| next > bin);
    next.map_or(bin, |next| bin + (next - 1 - bin) / 2)
}

fn first_bit(mask: [u64; 4]) -> Option<usize> {
    let word = mask.iter().position(|&word| word != 0)?;
    Some(word * 64 + mask[word].trailing_zeros() as usize)
}

fn last_bit(mask: [u64; 4]) -> Option<usize> {
    let word = mask.iter().rposition(|&word| word != 0)?;
    Some(word * 64 + 63 - mask[word].leading_zeros() as usize)
}

/// The numbers of the set bits, ascending.
fn bits(mask: [u64; 4]) -> impl Iterator<Item = usize> {
    mask.into_iter().enumerate().flat_map(|(word, mut rest)| {
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(word * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;

    /// The best cut of four bins (missing is bin 4) for one value a row.
    fn cut(codes: &[u8], values: &[f64], demand: Demand) -> Result<Option<ForestSplit>, Constant> {
        let rows: Vec<u32> = (0..codes.len() as u32).collect();
        let mut node = NodeRows::default();
        node.gather(
            &rows,
            &vec![1.0; rows.len()],
            &Response::Values(values.to_vec()),
            1,
        );
        let mut search = CutSearch::new(1);
        let axis = Axis::Numbers(&[0.0, 1.0, 2.0, 100.0]);
        let mut rng = Seed(1).stream("test", &[]);
        let found = search.best_cut(codes, &node, axis, demand, &mut rng);
        assert!(search.sums.iter().all(|&sum| sum == 0.0));
        found
    }

    const ANY: Demand = Demand {
        min_leaf_rows: 1.0,
        random: false,
    };

    #[test]
    fn cuts_are_those_that_one_finds_by_hand() {
        // 0 0 | 3 3: 0 + 36 / 2.
        let split = |score, bin, missing_left| {
            Ok(Some(ForestSplit {
                score,
                bin,
                missing_left,
            }))
        };
        assert_eq!(
            cut(&[0, 1, 2, 3], &[0.0, 0.0, 3.0, 3.0], ANY),
            split(18.0, 1, false)
        );
        // Bins 1 and 2 are empty: the cut is in the middle of the gap.
        assert_eq!(cut(&[0, 0, 3], &[0.0, 0.0, 3.0], ANY), split(9.0, 1, true));
        // Missing rows resemble the left.
        assert_eq!(cut(&[0, 1, 4], &[3.0, 0.0, 3.0], ANY), split(18.0, 0, true));
        // Missing rows against all others.
        assert_eq!(cut(&[1, 1, 4], &[0.0, 0.0, 3.0], ANY), split(9.0, 1, false));
        // No cut leaves three of four rows on both sides.
        let demanding = Demand {
            min_leaf_rows: 3.0,
            ..ANY
        };
        assert_eq!(
            cut(&[0, 1, 2, 3], &[0.0, 0.0, 3.0, 3.0], demanding),
            Ok(None)
        );
        // Between two neighbouring bins a random cut has no choice.
        let random = Demand {
            random: true,
            ..ANY
        };
        assert_eq!(
            cut(&[1, 1, 2], &[0.0, 0.0, 3.0], random),
            split(9.0, 1, true)
        );
        assert_eq!(
            cut(&[1, 2, 4], &[3.0, 0.0, 3.0], random),
            split(18.0, 1, true)
        );
        assert_eq!(
            cut(&[1, 1, 4], &[0.0, 0.0, 3.0], random),
            split(9.0, 1, false)
        );
        assert_eq!(cut(&[2, 2], &[0.0, 3.0], ANY), Err(Constant));
        assert_eq!(cut(&[4, 4], &[0.0, 3.0], ANY), Err(Constant));
    }

    #[test]
    fn random_cuts_lie_between_the_outermost_rows_in_proportion_to_distance() {
        let axis = Axis::Numbers(&[0.0, 1.0, 2.0, 100.0]);
        let mut rng = Seed(5).stream("test", &[]);
        let mut drawn = [0; 4];
        (0..1000).for_each(|_| drawn[axis.random_cut(0, 3, &mut rng)] += 1);
        assert!(drawn[2] > 950 && drawn[3] == 0, "{drawn:?}");
        assert!((0..100).all(|_| axis.random_cut(1, 2, &mut rng) == 1));
        let ranks = Axis::Ranks(4);
        assert!((0..100).all(|_| (1..3).contains(&ranks.random_cut(1, 3, &mut rng))));
    }

    #[test]
    fn bits_are_listed_in_order() {
        assert_eq!(
            bits([1 | 1 << 63, 0, 2, 1 << 63]).collect::<Vec<_>>(),
            [0, 63, 129, 255]
        );
    }
}
