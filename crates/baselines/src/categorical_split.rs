use crate::grower::SplitRules;
use crate::histogram::{Bin, Scale};
use crate::tree::CategorySet;

/// Up to this many categories, each is tried against the rest; the default of LightGBM.
const ONE_AGAINST_REST: usize = 4;

/// Categories on the smaller side of a split at most; the default of LightGBM.
const MOST_CATEGORIES: usize = 32;

/// The best set of categories on one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CategoricalSplit {
    /// Sum of both children's scores; the parent's is not taken away.
    pub(crate) score: f64,
    /// Bins that go left; that of missing values may be among them.
    pub(crate) set: CategorySet,
    pub(crate) left: Bin,
}

/// Sorts categories by their smoothed gradient over hessian and scans them as if they were numbers, from
/// both ends: the best partition of a convex loss is among these (Fisher 1958, section 2).
///
/// Missing values are one more category. Categories without rows here go right with the rest.
pub(crate) fn best_categories(
    bins: &[Bin],
    total: Bin,
    scale: &Scale,
    rules: &SplitRules,
) -> Option<CategoricalSplit> {
    let present = || bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty());
    let mut search = Search {
        total,
        scale,
        rules,
        best: None,
    };
    if present().count() <= ONE_AGAINST_REST {
        for (bin, &held) in present() {
            let mut set = CategorySet::default();
            set.insert(bin as u8);
            search.consider(set, held, 0.0);
        }
        return search.best;
    }
    let ratio = |bin: Bin| {
        let sums = scale.sums(bin);
        sums.gradient / (sums.hessian + rules.category_smoothing)
    };
    let mut order: Vec<(f64, usize)> = present()
        .filter(|(_, bin)| scale.sums(**bin).rows as f64 >= rules.category_smoothing)
        .map(|(bin, &held)| (ratio(held), bin))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    search.scan(bins, order.iter().map(|&(_, bin)| bin), order.len());
    search.scan(bins, order.iter().rev().map(|&(_, bin)| bin), order.len());
    search.best
}

struct Search<'a> {
    total: Bin,
    scale: &'a Scale,
    rules: &'a SplitRules,
    best: Option<CategoricalSplit>,
}

impl Search<'_> {
    fn scan(&mut self, bins: &[Bin], order: impl Iterator<Item = usize>, count: usize) {
        let (mut set, mut left) = (CategorySet::default(), Bin::default());
        let mut group = 0;
        for bin in order.take(MOST_CATEGORIES.min(count.div_ceil(2))) {
            set.insert(bin as u8);
            left = left.plus(bins[bin]);
            // Rare categories are joined before a cut is considered: each alone is noise.
            group += self.scale.sums(bins[bin]).rows;
            if group >= self.rules.min_category_rows {
                self.consider(set, left, self.rules.category_l2);
                group = 0;
            }
        }
    }

    fn consider(&mut self, set: CategorySet, left: Bin, extra_l2: f64) {
        let (low, high) = (
            self.scale.sums(left),
            self.scale.sums(self.total.minus(left)),
        );
        if !self.rules.allows(&low) || !self.rules.allows(&high) {
            return;
        }
        let score = self.rules.score(&low, extra_l2) + self.rules.score(&high, extra_l2);
        if self.best.is_none_or(|best| score > best.score) {
            self.best = Some(CategoricalSplit { score, set, left });
        }
    }
}
