use crate::{Calendar, Series};

/// Moments of a level's mean where there is no short period.
const WEEK: usize = 7;
/// Longest period whose places get factors of their own.
const LONGEST: usize = 14;
/// Weight of the newest reading in a smoothed level.
const SMOOTHING: f64 = 0.35;
/// Last moments whose growth is measured.
const MEASURED: usize = 10;
/// What is left of the measured growth from one step to the next. 0: growth is at once what it tends to.
const DAMPING: [f64; 3] = [0.0, 0.8, 0.9];
/// What growth tends to: nothing, or a decline by so much a step, as under measures against an epidemic.
const TENDS_TO: [f64; 3] = [0.0, -0.02, -0.04];
/// Moments below which nothing is said of places in the period.
const PLACES_FROM: usize = 15;

/// Forecasts of counts by curves of growth: a level of each series, how a place in the week usually differs, and how the total grows, which fades
/// towards a slow decline. All parts but the level are estimated from all series together, since single ones are few counts.
///
/// `[furthest, series]` for each curve: two levels (the mean of a period, exponential smoothing), times three speeds at which growth fades,
/// times three of what it tends to.
///
/// # Reference
/// Gardner & McKenzie, "Forecasting Trends in Time Series", Management Science 1985 (damped trends).
pub fn growth_curves(past: &Series, furthest: usize) -> Vec<Vec<f32>> {
    let (nodes, steps) = (past.nodes.len(), past.steps());
    let period = period_of(&past.calendar);
    let values = filled(past);
    let usual = Places::fit(&values, nodes, &past.calendar, period);
    let plain: Vec<f64> = values
        .chunks_exact(nodes)
        .enumerate()
        .flat_map(|(moment, row)| {
            let usual = usual.at(moment);
            row.iter().map(move |v| v / usual)
        })
        .collect();
    let length = period.unwrap_or(WEEK).min(steps.max(1));
    let levels = [
        mean(&plain, nodes, steps.saturating_sub(length)..steps),
        smoothed(&plain, nodes, length),
    ];
    let growth = growth(&plain, nodes);
    let mut curves = Vec::with_capacity(levels.len() * DAMPING.len() * TENDS_TO.len());
    for level in &levels {
        for damping in DAMPING {
            for tends_to in TENDS_TO {
                let (mut grown, mut left) = (0.0, 1.0);
                let mut curve = Vec::with_capacity(furthest * nodes);
                for ahead in 1..=furthest {
                    left *= damping;
                    grown += tends_to + (growth - tends_to) * left;
                    let factor = usual.at(steps + ahead - 1) * f64::exp(grown);
                    curve.extend(level.iter().map(|level| (level * factor) as f32));
                }
                curves.push(curve);
            }
        }
    }
    curves
}

/// The median of [`growth_curves`], `[furthest, series]`.
pub fn growth_median(past: &Series, furthest: usize) -> Vec<f32> {
    let curves = growth_curves(past, furthest);
    let mut said = vec![0.0f32; curves.len()];
    (0..furthest * past.nodes.len())
        .map(|place| {
            for (said, curve) in said.iter_mut().zip(&curves) {
                *said = curve[place];
            }
            said.sort_by(f32::total_cmp);
            (said[(said.len() - 1) / 2] + said[said.len() / 2]) / 2.0
        })
        .collect()
}

/// Whether the shortest of the periods is one whose places get factors.
pub(crate) fn has_places(periods: &[usize]) -> bool {
    periods.first().is_some_and(|period| *period <= LONGEST)
}

/// The shortest period, where its places get factors.
fn period_of(calendar: &Calendar) -> Option<usize> {
    calendar.periods.first().copied().filter(|p| *p <= LONGEST)
}

/// All readings; what is missing is as the reading before it, at the beginning zero.
pub(crate) fn filled(past: &Series) -> Vec<f64> {
    let nodes = past.nodes.len();
    let mut last = vec![0.0f64; nodes];
    let rows = past.values.chunks_exact(nodes.max(1));
    rows.flat_map(|row| {
        for (last, value) in last.iter_mut().zip(row) {
            if value.is_finite() {
                *last = f64::from(*value);
            }
        }
        last.clone()
    })
    .collect()
}

/// What a place in the period usually is, as a factor of the level.
pub(crate) struct Places<'a> {
    calendar: &'a Calendar,
    period: usize,
    /// Empty where nothing is known.
    factors: Vec<f64>,
}

impl<'a> Places<'a> {
    /// Of the logarithm of the total, against its mean over the period around it. Drawn towards 1, by the weight of one period.
    pub(crate) fn fit(
        values: &[f64],
        nodes: usize,
        calendar: &'a Calendar,
        period: Option<usize>,
    ) -> Places<'a> {
        let totals = log_totals(values, nodes);
        let mut found = Places {
            calendar,
            period: period.unwrap_or(1),
            factors: Vec::new(),
        };
        let Some(period) = period.filter(|_| totals.len() >= PLACES_FROM) else {
            return found;
        };
        let half = period / 2;
        let (mut sums, mut counts) = (vec![0.0f64; period], vec![1.0f64; period]);
        for moment in half..totals.len() - half {
            let around = &totals[moment - half..=moment + half];
            let slot = calendar.slot(moment as i64, period);
            sums[slot] += totals[moment] - around.iter().sum::<f64>() / around.len() as f64;
            counts[slot] += 1.0;
        }
        let means: Vec<f64> = sums.iter().zip(&counts).map(|(s, c)| s / c).collect();
        let whole = means.iter().sum::<f64>() / period as f64;
        found.factors = means.into_iter().map(|m| (m - whole).exp()).collect();
        found
    }

    pub(crate) fn at(&self, moment: usize) -> f64 {
        let slot = self.calendar.slot(moment as i64, self.period);
        self.factors.get(slot).copied().unwrap_or(1.0)
    }
}

fn log_totals(values: &[f64], nodes: usize) -> Vec<f64> {
    let rows = values.chunks_exact(nodes.max(1));
    rows.map(|row| (row.iter().sum::<f64>().max(0.0) + 1.0).ln())
        .collect()
}

pub(crate) fn mean(values: &[f64], nodes: usize, moments: std::ops::Range<usize>) -> Vec<f64> {
    let count = moments.len().max(1) as f64;
    let of = |node: usize| {
        moments
            .clone()
            .map(|t| values[t * nodes + node])
            .sum::<f64>()
            / count
    };
    (0..nodes).map(of).collect()
}

fn smoothed(values: &[f64], nodes: usize, begin: usize) -> Vec<f64> {
    let mut level = mean(values, nodes, 0..begin);
    for row in values.chunks_exact(nodes.max(1)).skip(begin) {
        for (level, value) in level.iter_mut().zip(row) {
            *level += SMOOTHING * (value - *level);
        }
    }
    level
}

/// The slope of the logarithm of the total over the last moments.
fn growth(values: &[f64], nodes: usize) -> f64 {
    let totals = log_totals(values, nodes);
    let last = &totals[totals.len().saturating_sub(MEASURED)..];
    let count = last.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let (mut of, mut squares) = (0.0, 0.0);
    for (place, total) in last.iter().enumerate() {
        let place = place as f64 - middle;
        of += place * total;
        squares += place * place;
    }
    if squares > 0.0 { of / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two series that grow by `growth` a day, the second twice the first, with less on each seventh day.
    fn grown(days: usize, growth: f64) -> Series {
        let values = (0..days).flat_map(|day| {
            let usual = if day % 7 == 3 { 0.5 } else { 1.0 };
            let first = 1000.0 * (growth * day as f64).exp() * usual;
            [first as f32, 2.0 * first as f32]
        });
        Series {
            nodes: vec!["a".into(), "b".into()],
            values: values.collect(),
            calendar: Calendar::from_times(0.0, 86_400.0, days),
            graph: None,
            flows: None,
            known: None,
            places: None,
        }
    }

    #[test]
    fn a_weekday_that_is_low_stays_low_and_growth_fades() {
        let known = grown(45, 0.05);
        let said = growth_median(&known, 7);
        let truth = grown(52, 0.05);
        let of = |ahead: usize| said[(ahead - 1) * 2];
        // Day 45 is the fourth of its week, a low one.
        assert!(of(1) < 0.65 * of(2), "{said:?}");
        assert!((said[1] / said[0] - 2.0).abs() < 1e-3);
        // Between a level that stays and growth that goes on.
        assert!(
            of(7) > 0.75 * truth.at(44, 0) && of(7) < truth.at(51, 0),
            "{said:?}"
        );
    }

    #[test]
    fn missing_readings_and_few_moments_are_no_trouble() {
        let mut short = grown(3, 0.0);
        short.values[5] = f32::NAN;
        assert!(
            growth_median(&short, 14)
                .iter()
                .all(|v| v.is_finite() && *v >= 0.0)
        );
        let zeros = Series {
            values: vec![0.0; 60],
            ..grown(30, 0.0)
        };
        assert!(growth_median(&zeros, 14).iter().all(|v| *v == 0.0));
    }
}
