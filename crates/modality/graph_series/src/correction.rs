use std::collections::BTreeMap;

use crate::Series;
use crate::growth::{filled, growth_median, mean};

/// Moments before the first origin that is learned from.
const FIRST: usize = 8;
/// What an error of one step earlier counts.
const FORGETTING: f64 = 0.9;
/// Origins' worth of a belief that nothing needs to be corrected, a step ahead: forecasts over `h` steps overlap, so that `h` origins tell about as
/// much as one.
const BELIEF: f64 = 0.3;
/// Errors below are taken as this when they are weighed: counts are whole numbers.
const LEAST_ERROR: f64 = 0.5;
const ROUNDS: usize = 12;
/// Moments whose flows are averaged.
const OF_FLOWS: usize = 7;

/// What the forecast of the curves of growth is corrected by, learned from its own errors so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// One factor a horizon: the median of what was, beside what was told.
    Scale,
    /// And the mean of three moments and of two weeks, and of all series, each against that of the last week.
    Lags,
    /// And what comes in from others: the level of those that send, and their cases times the part of their people that comes.
    Inflow,
}

impl Correction {
    /// All of them.
    pub const ALL: [Correction; 3] = [Correction::Scale, Correction::Lags, Correction::Inflow];

    /// The name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Correction::Scale => "growth, scaled by its past errors",
            Correction::Lags => "growth and lags, by regression",
            Correction::Inflow => "growth, lags and inflow, by regression",
        }
    }

    /// Forecasts after the last moment, `[furthest, series]`: a regression for each horizon on absolute errors, over all series together, in
    /// which earlier errors count less and coefficients are held near zero. It learns of the series until that moment alone.
    ///
    /// # Reference
    /// Iteratively reweighted least squares for absolute errors: Schlossmacher, JASA 1973.
    pub fn forecast(self, past: &Series, furthest: usize) -> Vec<f32> {
        let steps = past.steps();
        let (nodes, width) = (past.nodes.len(), self.width());
        let mut inputs = BTreeMap::new();
        for origin in FIRST.min(steps)..=steps {
            inputs.insert(origin, self.inputs(&past.head(origin), furthest));
        }
        let mut said = Vec::with_capacity(furthest * nodes);
        for ahead in 0..furthest {
            let (mut rows, mut errors, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            for (&origin, inputs) in inputs.range(..steps.saturating_sub(ahead)) {
                let known = origin + ahead;
                let weight = FORGETTING.powi((steps - 1 - known) as i32);
                for node in 0..nodes {
                    let row = &inputs[(ahead * nodes + node) * width..][..width];
                    let error = f64::from(past.at(known as i64, node)) - row[0];
                    if error.is_finite() {
                        rows.extend_from_slice(row);
                        errors.push(error);
                        weights.push(weight);
                    }
                }
            }
            let found =
                absolute_regression(&mut rows, &errors, &weights, width, nodes * (ahead + 1));
            let now = &inputs[&steps][ahead * nodes * width..(ahead + 1) * nodes * width];
            said.extend(now.chunks_exact(width).map(|row| {
                let added: f64 = row.iter().zip(&found).map(|(a, b)| a * b).sum();
                (row[0] + added).max(0.0) as f32
            }));
        }
        said
    }

    fn width(self) -> usize {
        match self {
            Correction::Scale => 1,
            Correction::Lags => 4,
            Correction::Inflow => 6,
        }
    }

    /// `[furthest, series, width]`: what the curves say, and what may correct it.
    fn inputs(self, past: &Series, furthest: usize) -> Vec<f64> {
        let (nodes, steps) = (past.nodes.len(), past.steps());
        let curve = growth_median(past, furthest);
        let values = filled(past);
        let last = |length: usize| mean(&values, nodes, steps.saturating_sub(length)..steps);
        let week = last(7);
        let against =
            |other: Vec<f64>| -> Vec<f64> { other.iter().zip(&week).map(|(a, b)| a - b).collect() };
        let mut columns = Vec::new();
        if self != Correction::Scale {
            let all = week.iter().sum::<f64>() / nodes.max(1) as f64;
            columns.push(against(last(3)));
            columns.push(against(last(14)));
            columns.push(against(vec![all; nodes]));
        }
        if self == Correction::Inflow {
            let moments = steps.saturating_sub(OF_FLOWS)..steps;
            let sum = |senders: Vec<Vec<(usize, f32)>>| -> Vec<f64> {
                let of = |senders: &Vec<(usize, f32)>| {
                    let shares = senders
                        .iter()
                        .map(|&(from, share)| f64::from(share) * week[from]);
                    shares.sum()
                };
                senders.iter().map(of).collect()
            };
            let (level, inflow) = match &past.flows {
                Some(flows) => (
                    against(sum(flows.senders(moments.clone()))),
                    sum(flows.inflows(moments)),
                ),
                None => (vec![0.0; nodes], vec![0.0; nodes]),
            };
            columns.push(level);
            columns.push(inflow);
        }
        let (total, now) = (week.iter().sum::<f64>(), curve.chunks_exact(nodes));
        let mut inputs = Vec::with_capacity(curve.len() * self.width());
        for curve in now {
            // How much the total grows until then.
            let growth = match total > 0.0 {
                true => curve.iter().map(|v| f64::from(*v)).sum::<f64>() / total,
                false => 1.0,
            };
            for (node, said) in curve.iter().enumerate() {
                inputs.push(f64::from(*said));
                inputs.extend(columns.iter().map(|column| growth * column[node]));
            }
        }
        inputs
    }
}

/// Coefficients, `[width]`, of the weighted regression of `errors` on `rows` with the least sum of absolute errors, each in units of its column held
/// near zero by as much as [`BELIEF`] times `belief` rows. `rows` are scaled in place.
fn absolute_regression(
    rows: &mut [f64],
    errors: &[f64],
    weights: &[f64],
    width: usize,
    belief: usize,
) -> Vec<f64> {
    let count = errors.len();
    let mut found = vec![0.0f64; width];
    if count == 0 {
        return found;
    }
    let scale = |column: usize| {
        let squares = rows.iter().skip(column).step_by(width).map(|v| v * v);
        (squares.sum::<f64>() / count as f64).sqrt() + 1e-9
    };
    let scales: Vec<f64> = (0..width).map(scale).collect();
    for row in rows.chunks_exact_mut(width) {
        row.iter_mut().zip(&scales).for_each(|(v, s)| *v /= s);
    }
    for _ in 0..ROUNDS {
        let (mut gram, mut moments) = (vec![0.0f64; width * width], vec![0.0f64; width]);
        let mut whole = 0.0;
        for ((row, error), weight) in rows.chunks_exact(width).zip(errors).zip(weights) {
            let said: f64 = row.iter().zip(&found).map(|(a, b)| a * b).sum();
            let weight = weight / (error - said).abs().max(LEAST_ERROR);
            whole += weight;
            for i in 0..width {
                moments[i] += weight * row[i] * error;
                for j in 0..=i {
                    gram[i * width + j] += weight * row[i] * row[j];
                }
            }
        }
        let held = BELIEF * belief as f64 * whole / count as f64;
        for i in 0..width {
            gram[i * width + i] += held;
        }
        found = solved(&gram, &moments, width);
    }
    found.iter().zip(&scales).map(|(f, s)| f / s).collect()
}

/// The solution of a symmetric positive system, of which the lower triangle is given, by Cholesky's decomposition.
pub(crate) fn solved(gram: &[f64], moments: &[f64], width: usize) -> Vec<f64> {
    let mut lower = vec![0.0f64; width * width];
    for i in 0..width {
        for j in 0..=i {
            let known: f64 = (0..j)
                .map(|k| lower[i * width + k] * lower[j * width + k])
                .sum();
            let left = gram[i * width + j] - known;
            lower[i * width + j] = match i == j {
                true => left.max(1e-12).sqrt(),
                false => left / lower[j * width + j],
            };
        }
    }
    let mut found = moments.to_vec();
    for i in 0..width {
        let known: f64 = (0..i).map(|j| lower[i * width + j] * found[j]).sum();
        found[i] = (found[i] - known) / lower[i * width + i];
    }
    for i in (0..width).rev() {
        let known: f64 = (i + 1..width)
            .map(|j| lower[j * width + i] * found[j])
            .sum();
        found[i] = (found[i] - known) / lower[i * width + i];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_errors_do_not_follow_a_few_that_are_far_off() {
        let x = |i: usize| 1.0 + (i % 10) as f64;
        let mut rows: Vec<f64> = (0..200).map(x).collect();
        let errors: Vec<f64> = (0..200)
            .map(|i| 3.0 * x(i) + if i % 20 == 0 { 1000.0 } else { 0.0 })
            .collect();
        let found = absolute_regression(&mut rows, &errors, &[1.0; 200], 1, 1);
        assert!((found[0] - 3.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn nothing_is_corrected_where_nothing_is_known() {
        assert_eq!(absolute_regression(&mut [], &[], &[], 3, 5), [0.0; 3]);
    }
}
