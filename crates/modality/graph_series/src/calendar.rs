use serde::{Deserialize, Serialize};

/// Seconds of a day and of a week.
const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
/// Periods that must be seen for one to count.
const PERIODS_SEEN: usize = 2;
/// A peak of this share of the highest is about as high.
const ABOUT: f64 = 0.9;
/// Steps of a period that is found in the values, at least.
const SHORTEST: usize = 4;
/// Correlation of the values with themselves a period later, at least.
const CORRELATED: f64 = 0.3;
/// Moments on which periods are looked for, at most: the work grows with their square.
const LOOKED_AT: usize = 4096;

/// When moments are, and in what periods they repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calendar {
    /// Seconds since 1970 of moment 0; `None` where the source has no times.
    pub start: Option<f64>,
    /// Seconds between two moments, where known.
    pub step: Option<f64>,
    /// Steps of each period, ascending.
    pub periods: Vec<usize>,
    /// What moment 0 counts as within the periods.
    pub phase: i64,
}

impl Calendar {
    /// From times, as far as they go: a day and a week of short steps, a week of days, a year of weeks and of months. `steps` is the number
    /// of moments.
    pub fn from_times(start: f64, step: f64, steps: usize) -> Calendar {
        let whole = |period: f64| {
            let count = period / step;
            let rounded = count.round();
            ((count - rounded).abs() < 1e-6 * rounded && rounded >= 2.0).then_some(rounded as usize)
        };
        let found = match step {
            s if s < DAY => [whole(DAY), whole(WEEK)],
            s if s < WEEK => [whole(WEEK), None],
            s if s < 27.0 * DAY => [(s == WEEK).then_some(52), None],
            s if s < 32.0 * DAY => [Some(12), None],
            _ => [None, None],
        };
        let seen = |period: &usize| period.saturating_mul(PERIODS_SEEN) <= steps;
        Calendar {
            start: Some(start),
            step: Some(step),
            periods: found.into_iter().flatten().filter(seen).collect(),
            phase: (start / step).floor() as i64,
        }
    }

    /// From the values alone: the period after which the mean over the series is most like itself, looked for in the first half of the
    /// moments. `mean` has a number a moment.
    pub fn from_values(mean: &[f64]) -> Calendar {
        let half = &mean[..(mean.len() / 2).min(LOOKED_AT)];
        Calendar {
            start: None,
            step: None,
            periods: period_of(half).into_iter().collect(),
            phase: 0,
        }
    }

    /// The place of a moment within a period.
    pub fn slot(&self, moment: i64, period: usize) -> usize {
        (moment + self.phase).rem_euclid(period.max(1) as i64) as usize
    }

    /// Why this cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let sound = |n: Option<f64>| n.is_none_or(f64::is_finite);
        let periods =
            self.periods.iter().all(|p| (2..=1 << 20).contains(p)) && self.periods.len() <= 2;
        match sound(self.start) && sound(self.step) && periods && self.phase.abs() < 1 << 50 {
            true => Ok(()),
            false => Err("its calendar is damaged".into()),
        }
    }
}

/// The lag of the first peak of the autocorrelation behind its first fall below zero that is about as high as the highest: what repeats after a
/// day repeats after two.
fn period_of(values: &[f64]) -> Option<usize> {
    let count = values.len();
    // Two whole periods must fit.
    let longest = count / PERIODS_SEEN;
    if longest < 2 * SHORTEST {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let power = centred.iter().map(|v| v * v).sum::<f64>() / count as f64;
    if power.is_nan() || power <= 0.0 {
        return None;
    }
    let at = |lag: usize| {
        let pairs = centred[lag..].iter().zip(&centred);
        pairs.map(|(a, b)| a * b).sum::<f64>() / (count - lag) as f64 / power
    };
    let correlation: Vec<f64> = (0..=longest).map(at).collect();
    let first = correlation.iter().position(|c| *c < 0.0)?;
    let mut peaks = (first.max(SHORTEST).max(1)..longest).filter(|&lag| {
        correlation[lag] >= correlation[lag - 1] && correlation[lag] >= correlation[lag + 1]
    });
    let highest = peaks
        .clone()
        .map(|lag| correlation[lag])
        .fold(CORRELATED, f64::max);
    let first =
        peaks.find(|&lag| correlation[lag] > CORRELATED && correlation[lag] >= ABOUT * highest)?;
    // The top of a noisy hill has many peaks.
    let hill = first..(first + first / 4 + 1).min(longest);
    hill.max_by(|&a, &b| correlation[a].total_cmp(&correlation[b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_from_the_step() {
        let of = |step: f64, steps: usize| Calendar::from_times(0.0, step, steps).periods;
        assert_eq!(of(300.0, 2016), [288]);
        assert_eq!(of(300.0, 4032), [288, 2016]);
        assert_eq!(of(3600.0, 17_420), [24, 168]);
        assert_eq!(of(DAY, 61), [7]);
        assert_eq!(of(WEEK, 521), [52]);
        assert_eq!(of(7.0, 10_000), [0usize; 0]);
    }

    #[test]
    fn a_day_of_a_clock_begins_at_midnight() {
        // 02:00 on the first of January 1970, in hours.
        let calendar = Calendar::from_times(7200.0, 3600.0, 100);
        assert_eq!(calendar.slot(0, 24), 2);
        assert_eq!(calendar.slot(23, 24), 1);
        assert_eq!(calendar.slot(-3, 24), 23);
    }

    #[test]
    fn a_period_is_found_where_there_is_one() {
        let wave = |t: usize| {
            // Noise that repeats by itself, but after another time and weakly.
            (t as f64 / 48.0 * std::f64::consts::TAU).sin() + 0.02 * ((t * 7919) % 13) as f64
        };
        let values: Vec<f64> = (0..480).map(wave).collect();
        assert_eq!(Calendar::from_values(&values).periods, [48]);
        let ramp: Vec<f64> = (0..480).map(|t| t as f64).collect();
        assert_eq!(Calendar::from_values(&ramp).periods, [0usize; 0]);
        assert_eq!(Calendar::from_values(&[1.0; 200]).periods, [0usize; 0]);
        assert_eq!(Calendar::from_values(&[]).periods, [0usize; 0]);
    }
}
