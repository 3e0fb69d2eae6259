use crate::grower::SplitRules;
use crate::histogram::{Bin, Scale};

/// The best threshold on one numeric column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NumericSplit {
    /// Sum of both children's scores; the parent's is not taken away.
    pub(crate) score: f64,
    /// Bins up to this one go left.
    pub(crate) bin: usize,
    pub(crate) missing_left: bool,
    pub(crate) left: Bin,
}

/// Scans the bins of one column (missing values last) from low to high, with missing values on the right
/// and, where there are any, once more with them on the left.
pub(crate) fn best_threshold(
    bins: &[Bin],
    total: Bin,
    scale: &Scale,
    rules: &SplitRules,
) -> Option<NumericSplit> {
    let (&missing, values) = bins.split_last()?;
    let right = scan(values, Bin::default(), total, scale, rules);
    if missing.is_empty() {
        // Nothing is known of missing values here: they follow the greater child.
        return right.map(|split| NumericSplit {
            missing_left: 2 * scale.sums(split.left).rows > scale.sums(total).rows,
            ..split
        });
    }
    let left = scan(values, missing, total, scale, rules).map(|split| NumericSplit {
        missing_left: true,
        ..split
    });
    match (left, right) {
        (Some(left), Some(right)) if left.score > right.score => Some(left),
        (left, right) => right.or(left),
    }
}

fn scan(
    values: &[Bin],
    start: Bin,
    total: Bin,
    scale: &Scale,
    rules: &SplitRules,
) -> Option<NumericSplit> {
    let mut best: Option<NumericSplit> = None;
    let mut best_score = f64::NEG_INFINITY;
    let mut left = start;
    for (bin, &held) in values.iter().enumerate() {
        if held.is_empty() {
            continue;
        }
        left = left.plus(held);
        let low = scale.sums(left);
        if !rules.allows(&low) {
            continue;
        }
        let high = scale.sums(total.minus(left));
        if !rules.allows(&high) {
            // Rows only become fewer on this side.
            break;
        }
        let score = rules.score(&low, 0.0) + rules.score(&high, 0.0);
        if score > best_score {
            best_score = score;
            best = Some(NumericSplit {
                score,
                bin,
                missing_left: false,
                left,
            });
        }
    }
    best.map(|split| NumericSplit {
        bin: centre_of_gap(values, split.bin),
        ..split
    })
}

/// Of the cuts that separate the same rows, the one in the middle of the empty bins.
fn centre_of_gap(values: &[Bin], bin: usize) -> usize {
    let empty = values[bin + 1..].iter().position(|next| !next.is_empty());
    empty.map_or(bin, |empty| bin + empty / 2)
}
