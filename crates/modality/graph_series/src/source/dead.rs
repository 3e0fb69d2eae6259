use candor_core::{Evidence, Finding, Severity};

/// Zeros in a row from which they are a sensor that does not read.
const RUN: usize = 3;
/// What is read otherwise is farther from zero than this share of its median, nearly always.
const FAR: f32 = 0.2;
/// Share of the other readings that may be nearer.
const NEAR_SHARE: f64 = 0.002;
/// Share of zeros above which they are values: most readings are.
const MOST: f64 = 0.5;
/// A sensor that stops falls to zero, and comes back, by more than so many of its usual steps; what counts goes there by one.
const JUMP: f32 = 4.0;

/// Makes zeros of sensors that do not read into missing readings: runs of zeros in a series whose other readings are all far above zero. In place;
/// what was done is told.
pub(super) fn mask(values: &mut [f32], nodes: &[String]) -> Option<Finding> {
    let width = nodes.len();
    let steps = values.len() / width.max(1);
    let (mut count, mut columns) = (0, Vec::new());
    for (node, name) in nodes.iter().enumerate() {
        let column: Vec<f32> = (0..steps).map(|t| values[t * width + node]).collect();
        let mut runs = zero_runs(&column);
        let least = JUMP * usual_step(&column);
        let edges = |run: &std::ops::Range<usize>| {
            let before = run.start.checked_sub(1).map(|t| column[t]);
            let behind = column.get(run.end).copied();
            before
                .into_iter()
                .chain(behind)
                .all(|v| v.is_nan() || v > least)
        };
        runs.retain(edges);
        if runs.is_empty() || !is_far_from_zero(&column) {
            continue;
        }
        for moment in runs.into_iter().flatten() {
            values[moment * width + node] = f32::NAN;
            count += 1;
        }
        columns.push(name.clone());
    }
    let sensors = columns.len();
    columns.truncate(10);
    (count > 0).then(|| Finding {
        kind: "dead-readings".into(),
        severity: Severity::Warning,
        columns,
        message: format!(
            "{count} readings of {sensors} series are zeros in a row, far below everything else that these series read: sensors that do \
             not read"
        ),
        evidence: Evidence {
            count,
            ..Evidence::default()
        },
        remedy: "if they are true values, turn this off with `--without dead-readings`".into(),
        action: Some("taken as missing".into()),
    })
}

fn zero_runs(column: &[f32]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    while from < column.len() {
        let length = column[from..].iter().take_while(|v| **v == 0.0).count();
        if length >= RUN {
            runs.push(from..from + length);
        }
        from += length.max(1);
    }
    runs
}

/// The median of the changes from one reading to the next, of those that change and are not zero.
fn usual_step(column: &[f32]) -> f32 {
    let pairs = column
        .windows(2)
        .filter(|pair| pair[0] != 0.0 && pair[1] != 0.0);
    let changes = pairs.map(|pair| (pair[1] - pair[0]).abs());
    let mut changes: Vec<f32> = changes.filter(|c| c.is_finite() && *c > 0.0).collect();
    changes.sort_by(f32::total_cmp);
    changes.get(changes.len() / 2).copied().unwrap_or(0.0)
}

fn is_far_from_zero(column: &[f32]) -> bool {
    let mut others: Vec<f32> = column
        .iter()
        .copied()
        .filter(|v| v.is_finite() && *v != 0.0)
        .collect();
    if (others.len() as f64) < MOST * column.len() as f64 {
        return false;
    }
    others.sort_by(f32::total_cmp);
    let median = others[others.len() / 2];
    let near = others.partition_point(|v| *v < FAR * median);
    median > 0.0 && others[0] > 0.0 && near as f64 <= NEAR_SHARE * others.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(column: Vec<f32>) -> usize {
        let mut values = column;
        mask(&mut values, &["a".to_owned()]);
        values.iter().filter(|v| v.is_nan()).count()
    }

    #[test]
    fn zeros_in_a_row_far_below_all_else_are_missing_readings() {
        let speeds = |t: usize| 50.0 + (t % 17) as f32;
        let with_zeros = |zeros: std::ops::Range<usize>| -> Vec<f32> {
            (0..200)
                .map(|t| if zeros.contains(&t) { 0.0 } else { speeds(t) })
                .collect()
        };
        assert_eq!(masked(with_zeros(50..60)), 10);
        assert_eq!(masked(with_zeros(50..52)), 0);
        // Most are zeros: they are values.
        assert_eq!(masked(with_zeros(50..190)), 0);
        // Counts go down to zero by themselves.
        assert_eq!(masked((0..200).map(|t| ((t / 9) % 6) as f32).collect()), 0);
        assert_eq!(
            masked((0..200).map(|t| ((t / 9) % 6) as f32 - 3.0).collect()),
            0
        );
    }
}
