use serde::{Deserialize, Serialize};

use crate::Series;

/// Periods that a profile rests on at least, where it is one of a long period beside a shorter one.
const PERIODS: usize = 3;
/// Places on each side that share in a place's mean, as a part of the period.
const NEIGHBOURS: f64 = 1.0 / 144.0;

/// What each series usually is at each place of a period: the mean over the training part, smoothed with the places beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Steps.
    pub period: usize,
    /// `[period, series]`.
    values: Vec<f32>,
}

impl Profile {
    /// Of the moments before `limit`, over the longest period that is seen often enough; `None` where there is none.
    pub fn fit(series: &Series, limit: usize) -> Option<Profile> {
        let periods = &series.calendar.periods;
        let often = |(place, period): &(usize, &usize)| {
            let least = if *place > 0 { PERIODS } else { 2 };
            **period * least <= limit
        };
        let (_, &period) = periods.iter().enumerate().rev().find(often)?;
        let nodes = series.nodes.len();
        let (mut sums, mut counts) = (vec![0.0f64; period * nodes], vec![0.0f64; period * nodes]);
        let (mut whole, mut all) = (vec![0.0f64; nodes], vec![0.0f64; nodes]);
        for moment in 0..limit.min(series.steps()) {
            let slot = series.calendar.slot(moment as i64, period);
            for node in 0..nodes {
                let value = series.values[moment * nodes + node];
                if value.is_finite() {
                    sums[slot * nodes + node] += f64::from(value);
                    counts[slot * nodes + node] += 1.0;
                    whole[node] += f64::from(value);
                    all[node] += 1.0;
                }
            }
        }
        let reach = (period as f64 * NEIGHBOURS).round() as i64;
        let mut values = vec![0.0f32; period * nodes];
        for slot in 0..period {
            for node in 0..nodes {
                let (mut sum, mut count) = (0.0, 0.0);
                for beside in -reach..=reach {
                    let weight = (reach + 1 - beside.abs()) as f64;
                    let place =
                        (slot as i64 + beside).rem_euclid(period as i64) as usize * nodes + node;
                    sum += weight * sums[place];
                    count += weight * counts[place];
                }
                let mean = if count > 0.0 {
                    sum / count
                } else {
                    whole[node] / all[node].max(1.0)
                };
                values[slot * nodes + node] = mean as f32;
            }
        }
        Some(Profile { period, values })
    }

    /// What series `node` usually is at a moment of `series`.
    pub fn at(&self, series: &Series, moment: i64, node: usize) -> f32 {
        let slot = series.calendar.slot(moment, self.period);
        self.values[slot * series.nodes.len() + node]
    }

    /// Numbers that were learned.
    pub fn parameters(&self) -> u64 {
        self.values.len() as u64
    }

    /// Why this cannot be used for so many series, if so.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self, nodes: usize) -> Result<(), String> {
        let sound = self.values.iter().all(|v| v.is_finite());
        match self.period > 0 && self.period.checked_mul(nodes) == Some(self.values.len()) && sound
        {
            true => Ok(()),
            false => Err("its profile is damaged".into()),
        }
    }
}
