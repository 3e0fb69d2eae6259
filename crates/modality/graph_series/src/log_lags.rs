use std::collections::BTreeMap;

use crate::Series;
use crate::correction::solved;
use crate::growth::filled;

/// Last moments that are looked at, of a series and of what comes in from others.
const LAGS: usize = 7;
/// Ridge penalties that are tried, in origins' worth of a belief that the last week goes on.
const PENALTIES: [f64; 4] = [0.3, 1.0, 3.0, 10.0];
/// One origin in so many, the latest, chooses the penalty.
const CHOOSING: usize = 4;

/// Forecasts after the last moment, `[furthest, series]`: a ridge regression for each horizon, over all series together, of the logarithms of counts (of one more) on
/// those of the last week, told from the week's mean; with `inflow` also on those of what comes in from others, each weighted by its part of all who
/// come. The latest origins choose the penalty; then all are learned from.
pub fn log_lag_forecast(past: &Series, furthest: usize, inflow: bool) -> Vec<f32> {
    let (nodes, steps) = (past.nodes.len(), past.steps());
    let logs: Vec<f64> = filled(past)
        .into_iter()
        .map(|v| v.max(0.0).ln_1p())
        .collect();
    let width = 1 + LAGS + if inflow { LAGS } else { 0 };
    // What each origin sees: `[series, width]`, and the mean that forecasts are told from.
    let seen = |origin: usize| -> (Vec<f64>, Vec<f64>) {
        let senders = match (&past.flows, inflow) {
            (Some(flows), true) => flows.senders(origin - LAGS..origin),
            _ => vec![Vec::new(); nodes],
        };
        let at = |back: usize, node: usize| logs[(origin - 1 - back) * nodes + node];
        let (mut rows, mut means) = (Vec::with_capacity(nodes * width), Vec::new());
        for (node, senders) in senders.iter().enumerate() {
            let mean = (0..LAGS).map(|back| at(back, node)).sum::<f64>() / LAGS as f64;
            rows.push(1.0);
            rows.extend((0..LAGS).map(|back| at(back, node) - mean));
            if inflow {
                rows.extend((0..LAGS).map(|back| match senders.is_empty() {
                    true => 0.0,
                    false => {
                        let sent = senders
                            .iter()
                            .map(|&(from, share)| f64::from(share) * at(back, from));
                        sent.sum::<f64>() - mean
                    }
                }));
            }
            means.push(mean);
        }
        (rows, means)
    };
    if steps < LAGS {
        return vec![0.0; furthest * nodes];
    }
    let origins: BTreeMap<usize, _> = (LAGS..=steps)
        .map(|origin| (origin, seen(origin)))
        .collect();
    let mut said = Vec::with_capacity(furthest * nodes);
    for ahead in 0..furthest {
        let known: Vec<usize> = (LAGS..steps.saturating_sub(ahead)).collect();
        let truths = |origin: usize| &logs[(origin + ahead) * nodes..][..nodes];
        let fitted = |known: &[usize], penalty: f64| {
            let (mut gram, mut moments) = (vec![0.0f64; width * width], vec![0.0f64; width]);
            for origin in known {
                let (rows, means) = &origins[origin];
                let errors = truths(*origin).iter().zip(means).map(|(t, m)| t - m);
                for (row, error) in rows.chunks_exact(width).zip(errors) {
                    for i in 0..width {
                        moments[i] += row[i] * error;
                        for j in 0..=i {
                            gram[i * width + j] += row[i] * row[j];
                        }
                    }
                }
            }
            for i in 0..width {
                gram[i * width + i] += penalty * nodes as f64;
            }
            solved(&gram, &moments, width)
        };
        let told = |origin: usize, weights: &[f64]| -> Vec<f64> {
            let (rows, means) = &origins[&origin];
            let rows = rows.chunks_exact(width).zip(means);
            rows.map(|(row, mean)| {
                let log = mean + row.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>();
                log.clamp(0.0, 20.0).exp_m1()
            })
            .collect()
        };
        let (learned, choose) = known.split_at(known.len() - known.len() / CHOOSING);
        let mut best = (f64::INFINITY, PENALTIES[PENALTIES.len() - 1]);
        for penalty in PENALTIES.into_iter().filter(|_| !choose.is_empty()) {
            let weights = fitted(learned, penalty);
            let error = |&origin: &usize| -> f64 {
                let said = told(origin, &weights);
                said.iter()
                    .zip(truths(origin))
                    .map(|(s, t)| (s - t.exp_m1()).abs())
                    .sum()
            };
            let whole: f64 = choose.iter().map(error).sum();
            if whole < best.0 {
                best = (whole, penalty);
            }
        }
        let weights = fitted(&known, best.1);
        said.extend(told(steps, &weights).into_iter().map(|v| v as f32));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calendar, Flows};

    #[test]
    fn what_others_had_is_learned_where_people_come_from_them() {
        // The second series is what the first was three days ago.
        let first =
            |t: i64| (20.0 + 15.0 * (t as f32 * 1.7).sin() + 4.0 * ((t * t) % 5) as f32).round();
        let steps = 50;
        let series = Series {
            nodes: vec!["a".into(), "b".into()],
            values: (0..steps).flat_map(|t| [first(t), first(t - 3)]).collect(),
            calendar: Calendar::from_values(&[]),
            graph: None,
            flows: Some(Flows::new(2, vec![vec![(0, 1, 5.0)]; steps as usize])),
            known: None,
            places: None,
        };
        let error =
            |inflow: bool| (log_lag_forecast(&series, 1, inflow)[1] - first(steps - 3)).abs();
        assert!(
            error(true) < 0.5 * error(false) + 0.5,
            "{} {}",
            error(true),
            error(false)
        );
        assert!(
            log_lag_forecast(&series.head(3), 2, true)
                .iter()
                .all(|v| v.is_finite())
        );
    }
}
