use std::ops::Range;

use candor_core::{Clock, Stop};
use rand::{Rng, RngExt};

use crate::bins::{BinnedMatrix, ColumnBins};
use crate::categorical_split::best_categories;
use crate::histogram::{Bin, Derivative, Layout, Scale, Sums};
use crate::numeric_split::best_threshold;
use crate::tree::{CategorySet, Place, Test, Tree, TreeBuilder, bounded};

/// Histograms that are kept for subtraction take at most this much; others are computed again.
const HISTOGRAM_BYTES: usize = 256 << 20;

/// A split must gain at least this share of its parent's score: less is rounding.
const LEAST_GAIN: f64 = 1e-10;

/// What a child of a split must satisfy, and how it is scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SplitRules {
    pub(crate) min_leaf_rows: u64,
    pub(crate) min_hessian: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) category_smoothing: f64,
    pub(crate) category_l2: f64,
    pub(crate) min_category_rows: u64,
}

impl SplitRules {
    #[inline]
    pub(crate) fn allows(&self, sums: &Sums) -> bool {
        sums.rows >= self.min_leaf_rows && sums.hessian >= self.min_hessian
    }

    /// `T(G)^2 / (H + lambda)` with `T` the soft threshold of l1: twice the loss that a leaf saves
    /// (Chen and Guestrin 2016, equation 6).
    #[inline]
    pub(crate) fn score(&self, sums: &Sums, extra_l2: f64) -> f64 {
        let gradient = self.soft_threshold(sums.gradient);
        gradient * gradient / (sums.hessian + self.l2 + extra_l2 + f64::EPSILON)
    }

    /// The best value of a leaf (Chen and Guestrin 2016, equation 5).
    fn leaf_value(&self, sums: &Sums) -> f64 {
        -self.soft_threshold(sums.gradient) / (sums.hessian + self.l2 + f64::EPSILON)
    }

    #[inline]
    fn soft_threshold(&self, gradient: f64) -> f64 {
        if self.l1 == 0.0 {
            return gradient;
        }
        gradient.signum() * (gradient.abs() - self.l1).max(0.0)
    }
}

/// How large a tree may become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GrowerSettings {
    pub(crate) rules: SplitRules,
    pub(crate) max_leaves: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_gain: f64,
    /// Share of a tree's columns that each node looks at.
    pub(crate) node_column_share: f64,
    pub(crate) learning_rate: f64,
}

/// Grows trees leaf by leaf, the most profitable first (Ke et al. 2017, LightGBM), on histograms.
pub(crate) struct Grower<'a> {
    binned: &'a BinnedMatrix,
    settings: GrowerSettings,
    layout: Layout,
    max_histograms: usize,
    free: Vec<Vec<Bin>>,
    rows: Vec<u32>,
    spare: Vec<u32>,
    gathered: Vec<Derivative>,
}

/// A tree, and where the rows that it was grown on ended.
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// Rows of each leaf as a range of [`Grower::rows`], and the leaf's value.
    pub(crate) leaves: Vec<(Range<usize>, f64)>,
}

struct Leaf {
    place: Place,
    rows: Range<usize>,
    depth: usize,
    total: Bin,
    histogram: Option<Vec<Bin>>,
    split: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    column: usize,
    cut: Cut,
    left: Bin,
}

#[derive(Clone, Copy)]
enum Cut {
    UpTo { bin: usize, missing_left: bool },
    OneOf(CategorySet),
}

/// One tree's view: its derivatives and columns.
struct Growth<'a> {
    derivatives: &'a [Derivative],
    scale: &'a Scale,
    columns: &'a [u32],
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a BinnedMatrix, settings: GrowerSettings) -> Grower<'a> {
        let layout = Layout::new(binned);
        let bytes = layout.bins().max(1) * size_of::<Bin>();
        Grower {
            binned,
            settings,
            layout,
            max_histograms: (HISTOGRAM_BYTES / bytes).max(2),
            free: Vec::new(),
            rows: Vec::new(),
            spare: vec![0; binned.rows()],
            gathered: Vec::new(),
        }
    }

    /// The rows that the last tree was grown on, in the order of its leaves' ranges.
    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Grows one tree on all rows, or on a sample of them, and on some columns.
    ///
    /// # Errors
    /// When the clock says stop; it is asked before every split.
    pub(crate) fn grow(
        &mut self,
        derivatives: &[Derivative],
        scale: &Scale,
        sample: Option<&[u32]>,
        columns: &[u32],
        rng: &mut impl Rng,
        clock: &Clock,
    ) -> Result<Grown, Stop> {
        let growth = Growth {
            derivatives,
            scale,
            columns,
        };
        self.rows.clear();
        match sample {
            Some(sample) => self.rows.extend_from_slice(sample),
            None => self.rows.extend(0..self.binned.rows() as u32),
        }
        let mut builder = TreeBuilder::new(1);
        let mut leaves = vec![self.root(&growth, sample.is_none(), builder.root(), rng)];
        while leaves.len() < self.settings.max_leaves {
            let Some(chosen) = most_profitable(&leaves) else {
                break;
            };
            if let Some(stop) = clock.stop() {
                return Err(stop);
            }
            let last = leaves.len() + 1 == self.settings.max_leaves;
            let free_histograms = leaves
                .iter()
                .filter(|leaf| leaf.histogram.is_some())
                .count()
                < self.max_histograms;
            let mut leaf = leaves.swap_remove(chosen);
            let histogram = leaf.histogram.take();
            let Some(mut children) = self.divide(&growth, &leaf, &mut builder) else {
                break;
            };
            if last {
                self.free.extend(histogram);
            } else {
                self.search_children(&growth, &mut children, histogram, free_histograms, rng);
            }
            leaves.extend(children);
        }
        Ok(self.finish(leaves, builder, scale))
    }

    fn root(&mut self, growth: &Growth<'_>, all: bool, place: Place, rng: &mut impl Rng) -> Leaf {
        let rows = 0..self.rows.len();
        self.gather(growth.derivatives, rows.clone(), all);
        let gathered = if all {
            growth.derivatives
        } else {
            &self.gathered
        };
        let total = growth.scale.total(gathered);
        let mut leaf = Leaf {
            place,
            rows,
            depth: 0,
            total,
            histogram: None,
            split: None,
        };
        if self.may_split(&leaf) {
            let histogram = self.histogram(growth, leaf.rows.clone(), all);
            leaf.split = self.best_split(growth, &histogram, total, rng);
            leaf.histogram = Some(histogram);
        }
        leaf
    }

    /// Parts the rows of a leaf; `None` when it has no split.
    fn divide(
        &mut self,
        growth: &Growth<'_>,
        leaf: &Leaf,
        builder: &mut TreeBuilder,
    ) -> Option<[Leaf; 2]> {
        let split = leaf.split?;
        let goes_left = self.directions(&split);
        let middle = self.partition(&leaf.rows, split.column, &goes_left);
        let (test, missing_left) = self.test(&split, &goes_left);
        let (left, right) = builder.split(leaf.place, split.column, test, missing_left);
        debug_assert_eq!(
            growth.scale.sums(split.left).rows,
            (middle - leaf.rows.start) as u64
        );
        let child = |place, rows, total| Leaf {
            place,
            rows,
            depth: leaf.depth + 1,
            total,
            histogram: None,
            split: None,
        };
        Some([
            child(left, leaf.rows.start..middle, split.left),
            child(right, middle..leaf.rows.end, leaf.total.minus(split.left)),
        ])
    }

    /// Fills the histogram of the smaller child, gets the other by subtraction, and looks for splits.
    fn search_children(
        &mut self,
        growth: &Growth<'_>,
        children: &mut [Leaf; 2],
        parent: Option<Vec<Bin>>,
        keep: bool,
        rng: &mut impl Rng,
    ) {
        let [left, right] = children;
        let (small, large) = if left.rows.len() <= right.rows.len() {
            (left, right)
        } else {
            (right, left)
        };
        if !self.may_split(large) {
            // Nor can the smaller one, then.
            self.free.extend(parent);
            return;
        }
        let small_histogram = match parent {
            Some(mut histogram) => {
                let filled = self.histogram(growth, small.rows.clone(), false);
                self.layout
                    .subtract(growth.columns, &mut histogram, &filled);
                self.search(growth, large, Some(histogram), keep, rng);
                Some(filled)
            }
            None => {
                self.search(growth, large, None, keep, rng);
                None
            }
        };
        if self.may_split(small) {
            self.search(growth, small, small_histogram, keep, rng);
        } else {
            self.free.extend(small_histogram);
        }
    }

    fn search(
        &mut self,
        growth: &Growth<'_>,
        leaf: &mut Leaf,
        histogram: Option<Vec<Bin>>,
        keep: bool,
        rng: &mut impl Rng,
    ) {
        let histogram =
            histogram.unwrap_or_else(|| self.histogram(growth, leaf.rows.clone(), false));
        leaf.split = self.best_split(growth, &histogram, leaf.total, rng);
        if keep && leaf.split.is_some() {
            leaf.histogram = Some(histogram);
        } else {
            self.free.push(histogram);
        }
    }

    fn may_split(&self, leaf: &Leaf) -> bool {
        leaf.rows.len() as u64 >= 2 * self.settings.rules.min_leaf_rows
            && leaf.depth < self.settings.max_depth
            && self.settings.max_leaves > 1
    }

    fn gather(&mut self, derivatives: &[Derivative], rows: Range<usize>, all: bool) {
        self.gathered.clear();
        if !all {
            self.gathered
                .extend(self.rows[rows].iter().map(|&row| derivatives[row as usize]));
        }
    }

    fn histogram(&mut self, growth: &Growth<'_>, rows: Range<usize>, all: bool) -> Vec<Bin> {
        self.gather(growth.derivatives, rows.clone(), all);
        let mut histogram = self
            .free
            .pop()
            .unwrap_or_else(|| vec![Bin::default(); self.layout.bins()]);
        let (rows, derivatives) = if all {
            (None, growth.derivatives)
        } else {
            (Some(&self.rows[rows]), self.gathered.as_slice())
        };
        let (columns, scale) = (growth.columns, growth.scale);
        self.layout.fill(
            self.binned,
            columns,
            rows,
            derivatives,
            scale,
            &mut histogram,
        );
        histogram
    }

    fn best_split(
        &self,
        growth: &Growth<'_>,
        histogram: &[Bin],
        total: Bin,
        rng: &mut impl Rng,
    ) -> Option<Split> {
        let (rules, scale) = (&self.settings.rules, growth.scale);
        let parent = rules.score(&scale.sums(total), 0.0);
        let least = self.settings.min_gain + LEAST_GAIN * parent;
        let sampled;
        let columns = if self.settings.node_column_share < 1.0 {
            sampled = sample_columns(growth.columns, self.settings.node_column_share, rng);
            &sampled
        } else {
            growth.columns
        };
        let mut best: Option<Split> = None;
        for &column in columns {
            let column = column as usize;
            let bins = self.layout.column(histogram, column);
            let found = match &self.binned.bins().columns[column] {
                ColumnBins::Numeric { .. } => best_threshold(bins, total, scale, rules).map(|s| {
                    (
                        s.score,
                        Cut::UpTo {
                            bin: s.bin,
                            missing_left: s.missing_left,
                        },
                        s.left,
                    )
                }),
                ColumnBins::Categorical(_) => best_categories(bins, total, scale, rules)
                    .map(|split| (split.score, Cut::OneOf(split.set), split.left)),
            };
            if let Some((score, cut, left)) = found {
                let gain = score - parent;
                if gain > least && best.is_none_or(|best| gain > best.gain) {
                    best = Some(Split {
                        gain,
                        column,
                        cut,
                        left,
                    });
                }
            }
        }
        best
    }

    /// Which bins of the split's column go left.
    fn directions(&self, split: &Split) -> [bool; 256] {
        let mut goes_left = [false; 256];
        match split.cut {
            Cut::UpTo { bin, missing_left } => {
                goes_left[..=bin].fill(true);
                let missing = self.binned.bins().columns[split.column].values();
                goes_left[missing] = missing_left;
            }
            Cut::OneOf(set) => {
                for (bin, left) in goes_left.iter_mut().enumerate() {
                    *left = set.contains(bin as u8);
                }
            }
        }
        goes_left
    }

    /// The same split on raw values, and whether missing ones go left.
    fn test(&self, split: &Split, goes_left: &[bool; 256]) -> (Test, bool) {
        let bins = &self.binned.bins().columns[split.column];
        let missing_left = goes_left[bins.values()];
        let test = match (split.cut, bins) {
            (Cut::UpTo { bin, .. }, ColumnBins::Numeric { cuts, .. }) => {
                Test::AtMost(cuts.get(bin).copied().unwrap_or(f32::INFINITY))
            }
            (Cut::UpTo { bin, .. }, ColumnBins::Categorical(_)) => Test::AtMost(bin as f32),
            (Cut::OneOf(set), _) => Test::OneOf(set),
        };
        (test, missing_left)
    }

    /// Moves the rows that go left to the front, in order; returns where the others begin.
    fn partition(&mut self, range: &Range<usize>, column: usize, goes_left: &[bool; 256]) -> usize {
        let codes = self.binned.column(column);
        let rows = &mut self.rows[range.clone()];
        let spare = &mut self.spare[..rows.len()];
        let (mut left, mut right) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            // Written to both sides: no branch to mispredict.
            rows[left] = row;
            spare[right] = row;
            let goes = goes_left[usize::from(codes[row as usize])];
            left += usize::from(goes);
            right += usize::from(!goes);
        }
        rows[left..].copy_from_slice(&spare[..right]);
        range.start + left
    }

    fn finish(&mut self, leaves: Vec<Leaf>, mut builder: TreeBuilder, scale: &Scale) -> Grown {
        let mut ends = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let value = self.settings.rules.leaf_value(&scale.sums(leaf.total));
            let value = value * self.settings.learning_rate;
            builder.leaf(leaf.place, &[bounded(value)]);
            ends.push((leaf.rows, value));
            self.free.extend(leaf.histogram);
        }
        Grown {
            tree: builder.finish(),
            leaves: ends,
        }
    }
}

fn most_profitable(leaves: &[Leaf]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, leaf) in leaves.iter().enumerate() {
        if let Some(split) = leaf.split
            && best.is_none_or(|(_, gain)| split.gain > gain)
        {
            best = Some((i, split.gain));
        }
    }
    best.map(|(i, _)| i)
}

/// A share of the columns, at least one, in ascending order.
pub(crate) fn sample_columns(columns: &[u32], share: f64, rng: &mut impl Rng) -> Vec<u32> {
    let mut columns = columns.to_vec();
    let wanted = ((columns.len() as f64 * share).round() as usize)
        .clamp(1.min(columns.len()), columns.len());
    for i in 0..wanted {
        let other = rng.random_range(i as u32..columns.len() as u32);
        columns.swap(i, other as usize);
    }
    columns.truncate(wanted);
    columns.sort_unstable();
    columns
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candor_core::Seed;

    use super::*;
    use crate::{Bins, FeatureKind, Matrix};

    fn settings() -> GrowerSettings {
        let rules = SplitRules {
            min_leaf_rows: 1,
            min_hessian: 0.0,
            l1: 0.0,
            l2: 0.0,
            category_smoothing: 0.0,
            category_l2: 0.0,
            min_category_rows: 1,
        };
        GrowerSettings {
            rules,
            max_leaves: 31,
            max_depth: usize::MAX,
            min_gain: 0.0,
            node_column_share: 1.0,
            learning_rate: 1.0,
        }
    }

    /// Grows one tree of squared error on one column; returns the value of each row's leaf.
    fn fitted(
        kind: FeatureKind,
        x: &[f32],
        y: &[f64],
        settings: GrowerSettings,
        ask: &[f32],
    ) -> Vec<f32> {
        let matrix = Matrix::new(x.len(), vec![kind], x.to_vec()).unwrap();
        let rows: Vec<usize> = (0..x.len()).collect();
        let bins = Arc::new(Bins::fit(&matrix, &rows, 255).unwrap());
        let binned = BinnedMatrix::new(&matrix, bins).unwrap();
        let gradients: Vec<f64> = y.iter().map(|y| -y).collect();
        let mut derivatives = Vec::new();
        let scale = Scale::fill(&gradients, &vec![1.0; y.len()], &mut derivatives);
        let mut grower = Grower::new(&binned, settings);
        let (mut rng, clock) = (Seed(0).stream("test", &[]), Clock::unlimited());
        let grown = grower
            .grow(&derivatives, &scale, None, &[0], &mut rng, &clock)
            .unwrap();
        // What the leaves say of their rows is what the tree says of the raw values.
        for (range, value) in &grown.leaves {
            for &row in &grower.rows()[range.clone()] {
                assert_eq!(grown.tree.leaf(matrix.row(row as usize)), &[*value as f32]);
            }
        }
        ask.iter().map(|&x| grown.tree.leaf(&[x])[0]).collect()
    }

    fn close(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-5, "{got:?} against {expected:?}");
        }
    }

    #[test]
    fn splits_are_those_that_one_finds_by_hand() {
        const NAN: f32 = f32::NAN;
        let stump = GrowerSettings {
            max_leaves: 2,
            ..settings()
        };
        let ridge = GrowerSettings {
            rules: SplitRules {
                l2: 2.0,
                ..stump.rules
            },
            ..stump
        };
        let lasso = GrowerSettings {
            rules: SplitRules {
                l1: 1.0,
                ..stump.rules
            },
            ..stump
        };
        let coarse = GrowerSettings {
            rules: SplitRules {
                min_leaf_rows: 2,
                ..stump.rules
            },
            ..stump
        };
        let shy = GrowerSettings {
            min_gain: 1e3,
            ..settings()
        };
        let x = [1.0, 2.0, 3.0, 4.0];
        // (settings, x, y, asked, answers)
        type Case<'a> = (GrowerSettings, &'a [f32], &'a [f64], &'a [f32], &'a [f32]);
        let cases: [Case<'_>; 9] = [
            // The best cut of 0 0 0 9 is before the last, at 3.5.
            (stump, &x, &[0.0, 0.0, 0.0, 9.0], &[3.5, 3.6], &[0.0, 9.0]),
            // l2 adds to the number of rows: 9 / (1 + 2).
            (ridge, &x, &[0.0, 0.0, 0.0, 9.0], &[1.0, 4.0], &[0.0, 3.0]),
            // l1 takes one off the sum.
            (lasso, &x, &[0.0, 0.0, 0.0, 9.0], &[1.0, 4.0], &[0.0, 8.0]),
            // Two rows a leaf: the cut moves to 2.5.
            (coarse, &x, &[0.0, 0.0, 0.0, 9.0], &[2.5, 2.6], &[0.0, 4.5]),
            // Too little gain: one leaf, the mean.
            (shy, &x, &[0.0, 0.0, 0.0, 8.0], &[1.0, 4.0], &[2.0, 2.0]),
            // All leaves: every row its own value.
            (
                settings(),
                &x,
                &[1.0, 2.0, 3.0, 5.0],
                &x,
                &[1.0, 2.0, 3.0, 5.0],
            ),
            // Missing values go to the side that they resemble...
            (
                stump,
                &[1.0, 2.0, NAN, NAN],
                &[5.0, 0.0, 5.0, 5.0],
                &[1.0, 2.0, NAN],
                &[5.0, 0.0, 5.0],
            ),
            // ... or are parted from all others.
            (
                stump,
                &[1.0, 2.0, NAN, NAN],
                &[0.0, 0.0, 5.0, 5.0],
                &[1.0, 9.0, NAN],
                &[0.0, 0.0, 5.0],
            ),
            // Infinities are beyond all numbers; missing values that were never seen follow the greater child.
            (
                stump,
                &[f32::NEG_INFINITY, 0.0, 1.0, f32::INFINITY],
                &[0.0, 0.0, 0.0, 9.0],
                &[1.0, f32::INFINITY, NAN],
                &[0.0, 9.0, 0.0],
            ),
        ];
        for (settings, x, y, asked, answers) in cases {
            close(
                &fitted(FeatureKind::Numeric, x, y, settings, asked),
                answers,
            );
        }
    }

    #[test]
    fn categories_are_parted_by_their_means_whatever_their_codes() {
        let stump = GrowerSettings {
            max_leaves: 2,
            ..settings()
        };
        let kind = FeatureKind::Categorical { cardinality: 8 };
        // Six categories, means 9 for codes 0, 3, 5 and 0 for the others: no threshold does this.
        let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let y = [9.0, 0.0, 0.0, 9.0, 0.0, 9.0];
        close(
            &fitted(kind, &x, &y, stump, &x),
            &[9.0, 0.0, 0.0, 9.0, 0.0, 9.0],
        );
        // Few categories: one against the rest; one without rows goes with the rest.
        let (x, y) = ([0.0, 1.0, 2.0], [0.0, 9.0, 0.0]);
        close(
            &fitted(kind, &x, &y, stump, &[0.0, 1.0, 2.0, 7.0]),
            &[0.0, 9.0, 0.0, 0.0],
        );
        // Missing values are a category.
        let (x, y) = ([0.0, 1.0, f32::NAN], [0.0, 0.0, 9.0]);
        close(
            &fitted(kind, &x, &y, stump, &[0.0, 1.0, f32::NAN]),
            &[0.0, 0.0, 9.0],
        );
    }

    #[test]
    fn depth_and_leaves_are_bounded() {
        let x: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let y: Vec<f64> = (0..64).map(f64::from).collect();
        let distinct = |settings| {
            let mut values = fitted(FeatureKind::Numeric, &x, &y, settings, &x);
            values.dedup();
            values.len()
        };
        assert_eq!(
            distinct(GrowerSettings {
                max_leaves: 5,
                ..settings()
            }),
            5
        );
        assert_eq!(
            distinct(GrowerSettings {
                max_depth: 3,
                ..settings()
            }),
            8
        );
        assert_eq!(
            distinct(GrowerSettings {
                max_depth: 0,
                ..settings()
            }),
            1
        );
        assert_eq!(
            distinct(GrowerSettings {
                max_leaves: 100,
                ..settings()
            }),
            64
        );
    }

    #[test]
    fn sampled_columns_are_a_share_without_repetition() {
        let all: Vec<u32> = (0..10).collect();
        let mut rng = Seed(3).stream("test", &[]);
        for (share, count) in [(1.0, 10), (0.5, 5), (0.01, 1)] {
            let mut sampled = sample_columns(&all, share, &mut rng);
            sampled.dedup();
            assert_eq!(sampled.len(), count);
        }
        assert_eq!(sample_columns(&[], 0.5, &mut rng), Vec::<u32>::new());
    }
}
