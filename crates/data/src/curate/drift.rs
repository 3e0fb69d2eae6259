use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice};
use crate::{ColumnKind, Role, Values, time_values};

/// Rows in each of the compared thirds, at least.
const FEWEST_ROWS: usize = 100;
/// Distance of two distributions from which a change is worth a word.
const DISTANCE: f64 = 0.15;
/// Probability of a false finding, over all columns.
const LEVEL: f64 = 0.01;

/// Columns whose numbers change along the order of the rows, or along the time column.
///
/// The first third of the rows is compared with the last by the test of Kolmogorov and Smirnov, with Bonferroni's
/// correction for the number of columns.
pub(super) struct Drift;

impl Check for Drift {
    fn name(&self) -> &'static str {
        "drift"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let third = context.rows.len() / 3;
        if third < FEWEST_ROWS {
            return Vec::new();
        }
        let time = context
            .schema
            .with_role(Role::Time)
            .next()
            .and_then(|c| context.table.column(&c.name));
        let mut rows = context.rows.clone();
        if let Some(column) = time {
            let moments = time_values(column);
            rows.sort_by(|&a, &b| moments[a].total_cmp(&moments[b]).then(a.cmp(&b)));
        }
        let along = if time.is_some() {
            "time"
        } else {
            "the order of the rows"
        };
        let numeric: Vec<_> = context
            .features()
            .filter(|(info, _)| matches!(info.kind, ColumnKind::Numeric | ColumnKind::Boolean))
            .filter_map(|(info, column)| match &column.values {
                Values::Numeric(values) => Some((info, values)),
                Values::Text { .. } => None,
            })
            .collect();
        let level = LEVEL / numeric.len().max(1) as f64;
        let found = numeric.iter().filter_map(|(info, values)| {
            let of = |rows: &[usize]| {
                let mut cells: Vec<f64> =
                    rows.iter().map(|&row| values[row]).filter(|v| v.is_finite()).collect();
                cells.sort_by(f64::total_cmp);
                cells
            };
            let (first, last) = (of(&rows[..third]), of(&rows[rows.len() - third..]));
            if first.len() < FEWEST_ROWS || last.len() < FEWEST_ROWS {
                return None;
            }
            let distance = distance(&first, &last);
            let drifts = distance >= DISTANCE && p_value(distance, first.len(), last.len()) <= level;
            drifts.then(|| {
                notice(
                    self.name(),
                    if time.is_some() { Severity::Warning } else { Severity::Note },
                    vec![info.name.clone()],
                    format!("`{}` changes along {along}", info.name),
                    evidence(&[], format!("distance of the first and the last third: {distance:.2} of 1")),
                    "if rows are in the order of time, name the time column with `--time-column`: the model is then tested \
                     on the future",
                )
            })
        });
        found.collect()
    }
}

/// The greatest difference of two distribution functions; both samples sorted.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut greatest) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let at = a[i].min(b[j]);
        while i < a.len() && a[i] <= at {
            i += 1;
        }
        while j < b.len() && b[j] <= at {
            j += 1;
        }
        greatest = greatest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    greatest
}

/// An upper bound of the p-value: the sum's first term, 2 exp(-2 n d^2) with n the harmonic half of the sizes.
fn p_value(distance: f64, a: usize, b: usize) -> f64 {
    let n = (a * b) as f64 / (a + b) as f64;
    (2.0 * (-2.0 * n * distance * distance).exp()).min(1.0)
}
