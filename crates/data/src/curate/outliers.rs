use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, notice};
use crate::{ColumnKind, Values};

/// Robust standard deviations from the median beyond which a number is far out.
const FAR: f64 = 10.0;

/// Numbers very far from the rest of their column.
pub(super) struct Outliers;

impl Check for Outliers {
    fn name(&self) -> &'static str {
        "outliers"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let found = context
            .features()
            .filter(|(info, _)| info.kind == ColumnKind::Numeric)
            .filter_map(|(info, column)| {
                let Values::Numeric(values) = &column.values else {
                    return None;
                };
                let rows = far_out(values, &context.rows);
                let few = !rows.is_empty() && rows.len() * 100 <= context.rows.len();
                few.then(|| {
                    let first = values[rows[0]];
                    notice(
                        self.name(),
                        Severity::Note,
                        vec![info.name.clone()],
                        format!(
                            "`{}` holds {} numbers very far from the rest, such as {first}",
                            info.name,
                            rows.len()
                        ),
                        evidence(
                            &rows,
                            format!("more than {FAR} robust standard deviations from the median"),
                        ),
                        "check them: a slipped decimal point or another unit is the usual cause",
                    )
                })
            });
        found.collect()
    }
}

/// Rows whose value is far from the median, in units of the median absolute deviation (times 1.4826: the standard
/// deviation of a normal distribution). None when half of the values are equal.
fn far_out(values: &[f64], rows: &[usize]) -> Vec<usize> {
    let mut present: Vec<f64> = rows
        .iter()
        .map(|&row| values[row])
        .filter(|v| v.is_finite())
        .collect();
    if present.len() < 20 {
        return Vec::new();
    }
    present.sort_by(f64::total_cmp);
    let median = present[present.len() / 2];
    let mut distances: Vec<f64> = present.iter().map(|v| (v - median).abs()).collect();
    distances.sort_by(f64::total_cmp);
    let spread = 1.4826 * distances[distances.len() / 2];
    if spread == 0.0 {
        return Vec::new();
    }
    let far =
        |row: &usize| values[*row].is_finite() && (values[*row] - median).abs() > FAR * spread;
    rows.iter().copied().filter(|row| far(row)).collect()
}
