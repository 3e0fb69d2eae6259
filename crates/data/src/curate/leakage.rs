use std::borrow::Cow;
use std::collections::HashMap;

use candor_core::{Finding, Severity, Targets};
use rand::seq::SliceRandom;

use super::row_keys::{Fnv, row_keys};
use super::{Check, Context, evidence, notice, percent};
use crate::{Column, ColumnKind, Values};

/// Rows that are looked at.
const MOST_ROWS: usize = 20_000;
/// Rows below which one column predicts the target by chance.
const FEWEST_ROWS: usize = 50;
/// Bins of a column of numbers.
const BINS: usize = 50;
/// Share of the target that one column alone explains on held-out rows from which it is suspect.
const SUSPECT: f64 = 0.97;

/// Columns that give the target away.
///
/// Each column alone predicts held-out rows (the commonest class, or the mean, of its bin or category among the other
/// half). What it explains is 1 - errors / errors without the column. A column that says the same as the target in
/// every row is left out; one that explains nearly everything is pointed at.
pub(super) struct Leakage;

impl Check for Leakage {
    fn name(&self) -> &'static str {
        "target-leakage"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let mut rows = context.rows.clone();
        if rows.len() < FEWEST_ROWS {
            return Vec::new();
        }
        rows.shuffle(&mut context.seed.stream("leakage", &[]));
        rows.truncate(MOST_ROWS);
        let single = single_targets(context, &rows);
        let usable = |kind| {
            !matches!(
                kind,
                ColumnKind::Constant | ColumnKind::Id | ColumnKind::Text
            )
        };
        let found = context.features().filter(|(info, _)| usable(info.kind)).filter_map(|(info, column)| {
            let name = &info.name;
            if single.iter().any(|target| is_copy(target, column)) {
                let mut finding = notice(
                    self.name(),
                    Severity::Serious,
                    vec![name.clone()],
                    format!("`{name}` says the same as the target in every row"),
                    evidence(&[], format!("{} rows", context.rows.len())),
                    "it will not be known when the target is not; keep it with `--keep` if it will",
                );
                finding.action = context.dropping(name);
                return Some(finding);
            }
            let explained = single
                .iter()
                .filter_map(|target| explained(column, &target.targets, &target.sample))
                .max_by(f64::total_cmp)?;
            (explained >= SUSPECT).then(|| {
                notice(
                    self.name(),
                    Severity::Warning,
                    vec![name.clone()],
                    format!("`{name}` alone predicts the target almost perfectly"),
                    evidence(&[], format!("it explains {}", percent((explained * 1000.0) as usize, 1000))),
                    "ask whether it is known before the target is; if not, leave it out with `--ignore`",
                )
            })
        });
        found.collect()
    }
}

/// A target that is given away by itself, with the rows where it is known.
struct SingleTarget<'a> {
    targets: Cow<'a, Targets>,
    rows: Vec<usize>,
    /// Those of the rows that are looked at closely, in their order.
    sample: Vec<usize>,
}

/// Each label by itself, as two classes; any other target as it is.
fn single_targets<'a>(context: &Context<'a>, sample: &[usize]) -> Vec<SingleTarget<'a>> {
    let Targets::Labels { width, values } = context.targets else {
        return vec![SingleTarget {
            targets: Cow::Borrowed(context.targets),
            rows: context.rows.clone(),
            sample: sample.to_vec(),
        }];
    };
    let of_label = |label: usize| {
        let at = |row: usize| values[row * width + label];
        let known = |rows: &[usize]| {
            rows.iter()
                .copied()
                .filter(|&row| at(row).is_some())
                .collect()
        };
        let classes = (0..values.len() / width).map(|row| u32::from(at(row) == Some(true)));
        SingleTarget {
            targets: Cow::Owned(Targets::Classes(classes.collect())),
            rows: known(&context.rows),
            sample: known(sample),
        }
    };
    let labels = (0..*width).map(of_label);
    labels
        .filter(|label| label.sample.len() >= FEWEST_ROWS)
        .collect()
}

/// Whether the column's values and the target's stand one to one, in every row.
fn is_copy(context: &SingleTarget, column: &Column) -> bool {
    let keys = row_keys(&[column], &context.rows, None);
    let mut forth: HashMap<u64, u64, Fnv> = HashMap::with_hasher(Fnv::default());
    let mut back: HashMap<u64, u64, Fnv> = HashMap::with_hasher(Fnv::default());
    let target = |row: usize| match context.targets.as_ref() {
        Targets::Classes(classes) => u64::from(classes[row]),
        Targets::Labels { .. } => 0,
        Targets::Values { width, values } => u64::from(values[row * width].to_bits()),
    };
    if matches!(context.targets.as_ref(), Targets::Values { width, .. } if *width != 1) {
        return false;
    }
    let same = context.rows.iter().zip(&keys).all(|(&row, &key)| {
        let target = target(row);
        *forth.entry(key).or_insert(target) == target && *back.entry(target).or_insert(key) == key
    });
    // Numbers that are all different stand one to one with anything: they must also be in the same proportion.
    same && match (context.targets.as_ref(), &column.values) {
        (Targets::Classes(_), _) => true,
        (Targets::Labels { .. }, _) => false,
        (Targets::Values { values, .. }, Values::Numeric(numbers)) => context
            .rows
            .iter()
            .all(|&row| numbers[row] as f32 == values[row]),
        (Targets::Values { .. }, Values::Text { .. }) => false,
    }
}

/// The share of the target that a column alone explains on the second half of `rows`; `None` without errors to explain.
fn explained(column: &Column, targets: &Targets, rows: &[usize]) -> Option<f64> {
    let bins = bins(column, rows);
    let half = rows.len() / 2;
    match targets {
        Targets::Classes(classes) => {
            let mut counts: HashMap<u64, HashMap<u32, usize, Fnv>, Fnv> =
                HashMap::with_hasher(Fnv::default());
            let mut all: HashMap<u32, usize, Fnv> = HashMap::with_hasher(Fnv::default());
            for (&row, &bin) in rows[..half].iter().zip(&bins) {
                let of_bin = counts
                    .entry(bin)
                    .or_insert_with(|| HashMap::with_hasher(Fnv::default()));
                *of_bin.entry(classes[row]).or_default() += 1;
                *all.entry(classes[row]).or_default() += 1;
            }
            let commonest = |of: &HashMap<u32, usize, Fnv>| {
                of.iter()
                    .max_by_key(|(class, count)| (**count, std::cmp::Reverse(**class)))
                    .map(|(class, _)| *class)
            };
            let blind = commonest(&all)?;
            let (mut errors, mut blind_errors) = (0usize, 0usize);
            for (&row, bin) in rows[half..].iter().zip(&bins[half..]) {
                let said = counts.get(bin).and_then(&commonest).unwrap_or(blind);
                errors += usize::from(said != classes[row]);
                blind_errors += usize::from(blind != classes[row]);
            }
            (blind_errors > 0).then(|| 1.0 - errors as f64 / blind_errors as f64)
        }
        Targets::Labels { .. } => None,
        Targets::Values { width, values } => {
            let value = |row: usize| f64::from(values[row * width]);
            let mut sums: HashMap<u64, (f64, usize), Fnv> = HashMap::with_hasher(Fnv::default());
            for (&row, &bin) in rows[..half].iter().zip(&bins) {
                let sum = sums.entry(bin).or_default();
                *sum = (sum.0 + value(row), sum.1 + 1);
            }
            let mean = rows[..half].iter().map(|&row| value(row)).sum::<f64>() / half as f64;
            let (mut errors, mut blind_errors) = (0.0, 0.0);
            for (&row, bin) in rows[half..].iter().zip(&bins[half..]) {
                let said = sums
                    .get(bin)
                    .map_or(mean, |(sum, count)| sum / *count as f64);
                errors += (value(row) - said).powi(2);
                blind_errors += (value(row) - mean).powi(2);
            }
            (blind_errors > 0.0).then(|| 1.0 - errors / blind_errors)
        }
    }
}

/// The bin or category of each row.
fn bins(column: &Column, rows: &[usize]) -> Vec<u64> {
    let Values::Numeric(values) = &column.values else {
        return row_keys(&[column], rows, None);
    };
    let mut sorted: Vec<f64> = rows
        .iter()
        .map(|&row| values[row])
        .filter(|v| !v.is_nan())
        .collect();
    sorted.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..BINS)
        .filter_map(|i| sorted.get(sorted.len() * i / BINS).copied())
        .collect();
    edges.dedup();
    let bin = |&row: &usize| match values[row] {
        missing if missing.is_nan() => u64::MAX,
        value => edges.partition_point(|edge| *edge <= value) as u64,
    };
    rows.iter().map(bin).collect()
}
