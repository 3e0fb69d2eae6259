use std::collections::BTreeMap;

use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use super::AdaptiveConformal;
use super::adaptive::thinned;
use super::quantile_regressor::{interval_at, score};
use crate::ChallengeError;
use crate::labelled::{Measured, Number, Numbers, check_length};

const INSTRUMENT: &str = "adaptive intervals";

/// Scores that thresholds are quantiles of, for each horizon.
const KEPT: usize = 2_000;
/// Scores of one moment that join them, at most: so that a moment of many series does not drive out all earlier ones.
const OF_A_MOMENT: usize = 8;
/// The greatest rate.
const MOST_RATE: f64 = 0.05;

/// Intervals of forecasts that follow what came: for each horizon the level at which scores are cut moves, moment by moment, against the share of
/// the series that was missed, as soon as their truth is known. A forecast `h` steps ahead is checked `h` steps later, and never enters before.
///
/// The promise is that of [`AdaptiveConformal`], of the long run, for each horizon, over moments: the share that was missed, a mean over moments of
/// the mean over series, tends to `alpha` whatever comes. Scores are those of the split conformal intervals: distances from the mean in standard
/// deviations, or from quantiles in their widths.
///
/// The rate is `0.005 √series`, at most 0.05: the mean over series that err independently is as much calmer, so that the level
/// wanders as it does with one series at the published rate.
///
/// # Reference
/// Gibbs & Candès, NeurIPS 2021, for each horizon by itself with feedback that comes late (as Zaffran et al., ICML 2022, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveIntervals {
    horizons: Vec<AdaptiveConformal>,
    /// Calibration units that it began with.
    pub calibration_units: usize,
}

/// Intervals as they were at the time of each forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Lower and upper ends, `[units, horizons]`.
    pub intervals: Vec<(f64, f64)>,
    /// Each origin, ascending, with the levels in force then, one a horizon.
    pub levels: Vec<(i64, Vec<f64>)>,
}

impl AdaptiveIntervals {
    /// Begins with calibration units of so many `series`.
    ///
    /// # Errors
    /// When predictions are not numbers or do not fit the truth, there are no units, or `alpha` is not between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
        series: usize,
    ) -> Result<AdaptiveIntervals, ChallengeError> {
        let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
        let width = measured.width();
        let mut scores = vec![Vec::with_capacity(measured.len()); width];
        for (i, (number, y)) in measured.numbers().enumerate() {
            scores[i % width].push(score_of(&number, alpha, y));
        }
        let rate = (AdaptiveConformal::RATE * (series.max(1) as f64).sqrt()).min(MOST_RATE);
        let of =
            |scores: &Vec<f64>| AdaptiveConformal::new(alpha, rate, KEPT, &thinned(scores, KEPT));
        Ok(AdaptiveIntervals {
            horizons: scores.iter().map(of).collect::<Result<_, _>>()?,
            calibration_units: measured.len(),
        })
    }

    /// The share of forecasts that may be missed in the long run.
    pub fn alpha(&self) -> f64 {
        self.horizons.first().map_or(0.0, |h| h.alpha)
    }

    /// How far a level moves after a moment at which all series were missed.
    pub fn rate(&self) -> f64 {
        self.horizons.first().map_or(0.0, |h| h.rate)
    }

    /// The levels in force, one a horizon: of past scores the share that intervals are cut at. Below `alpha` after many misses.
    pub fn levels(&self) -> Vec<f64> {
        self.horizons.iter().map(AdaptiveConformal::level).collect()
    }

    /// Lower and upper end for each unit and horizon at the levels in force, `[units, horizons]`.
    ///
    /// # Errors
    /// When predictions are not numbers of as many horizons.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<(f64, f64)>, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        let width = self.horizons.len();
        check_length(INSTRUMENT, "horizons", width, numbers.width)?;
        let thresholds: Vec<f64> = self.thresholds();
        let cells = numbers.numbers().enumerate();
        let alpha = self.alpha();
        let interval = |(i, number): (usize, Number)| at(&number, alpha, thresholds[i % width]);
        Ok(cells.map(interval).collect())
    }

    fn thresholds(&self) -> Vec<f64> {
        self.horizons
            .iter()
            .map(AdaptiveConformal::threshold)
            .collect()
    }

    /// Goes through forecasts in the order of their origins: the intervals of each rest on what was known at its origin. Then all is observed
    /// that is known at the moment `now`. A unit's truths lie `ahead` moments after its origin; those that are no numbers teach nothing.
    ///
    /// # Errors
    /// When predictions, truths, origins and horizons do not fit.
    pub fn follow(
        &mut self,
        predicted: &Distribution,
        truth: &Targets,
        origins: &[i64],
        ahead: &[usize],
        now: i64,
    ) -> Result<Followed, ChallengeError> {
        let numbers = Numbers::parse(INSTRUMENT, predicted)?;
        let width = self.horizons.len();
        check_length(INSTRUMENT, "horizons", width, numbers.width)?;
        check_length(INSTRUMENT, "steps ahead", width, ahead.len())?;
        check_length(INSTRUMENT, "origins", numbers.len(), origins.len())?;
        let Targets::Values { values, .. } = truth else {
            return Err(ChallengeError::WrongKind {
                instrument: INSTRUMENT,
                expected: "true numbers",
                got: "another kind of target",
            });
        };
        let cells: Vec<Number> = numbers.numbers().collect();
        check_length(INSTRUMENT, "true values", cells.len(), values.len())?;
        let mut moments: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (unit, origin) in origins.iter().enumerate() {
            moments.entry(*origin).or_default().push(unit);
        }
        let order: Vec<(i64, Vec<usize>)> = moments.into_iter().collect();
        let alpha = self.alpha();
        let mut intervals = vec![(f64::NEG_INFINITY, f64::INFINITY); cells.len()];
        let mut levels: Vec<(i64, Vec<f64>)> = order
            .iter()
            .map(|(origin, _)| (*origin, Vec::new()))
            .collect();
        for (place, (horizon, &ahead)) in self.horizons.iter_mut().zip(ahead).enumerate() {
            // Thresholds by which forecasts were made, which are what their misses are counted by.
            let mut thresholds: Vec<f64> = Vec::with_capacity(order.len());
            let mut observed = 0;
            let mut observe_until = |horizon: &mut AdaptiveConformal, thresholds: &[f64], now| {
                while let Some((origin, units)) = order.get(observed)
                    && observed < thresholds.len()
                    && origin.saturating_add_unsigned(ahead as u64) <= now
                {
                    let scores = units.iter().map(|unit| {
                        let cell = unit * width + place;
                        score_of(&cells[cell], alpha, f64::from(values[cell]))
                    });
                    let scores: Vec<f64> = scores.filter(|s| !s.is_nan()).collect();
                    let threshold = thresholds[observed];
                    observed += 1;
                    if scores.is_empty() {
                        continue;
                    }
                    let missed = scores.iter().filter(|s| **s > threshold).count();
                    let missed = missed as f64 / scores.len() as f64;
                    horizon.observe_together(&scores, missed, OF_A_MOMENT);
                }
            };
            for (moment, (origin, units)) in order.iter().enumerate() {
                observe_until(horizon, &thresholds, *origin);
                let threshold = horizon.threshold();
                thresholds.push(threshold);
                levels[moment].1.push(horizon.level());
                for unit in units {
                    let cell = unit * width + place;
                    intervals[cell] = at(&cells[cell], alpha, threshold);
                }
            }
            observe_until(horizon, &thresholds, now);
        }
        Ok(Followed { intervals, levels })
    }
}

/// NaN where the truth is.
fn score_of(number: &Number, alpha: f64, y: f64) -> f64 {
    if !y.is_finite() {
        return f64::NAN;
    }
    match number {
        Number::Normal { mean, sd } => (y - mean).abs() / sd,
        Number::Quantiles(quantiles) => score(*quantiles, alpha, y),
    }
}

/// The values whose score is at most `threshold`: the whole line where it is infinite, a point where it is below every score.
fn at(number: &Number, alpha: f64, threshold: f64) -> (f64, f64) {
    if threshold == f64::INFINITY || threshold.is_nan() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    match number {
        Number::Normal { mean, sd } => {
            let half = threshold.max(0.0) * sd;
            (mean - half, mean + half)
        }
        // The least score there can be.
        Number::Quantiles(quantiles) => interval_at(*quantiles, alpha, threshold.max(-0.5)),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    const ALPHA: f64 = 0.1;
    const SERIES: usize = 20;
    const AHEAD: [usize; 2] = [1, 4];

    /// Forecasts of zero with a standard deviation of 1 at so many moments, whose errors have that of `spread(moment)`.
    fn made(
        moments: usize,
        seed: u64,
        spread: impl Fn(usize) -> f64,
    ) -> (Distribution, Targets, Vec<i64>) {
        let mut rng = Seed(seed).stream("errors", &[]);
        let cells = moments * SERIES * AHEAD.len();
        let mut normal = || -> f64 { (0..12).map(|_| rng.random_range(-0.5..0.5)).sum() };
        let value = |cell: usize| {
            let (unit, place) = (cell / AHEAD.len(), cell % AHEAD.len());
            (spread(unit / SERIES + AHEAD[place]) * normal()) as f32
        };
        let predicted = Distribution::Gaussian {
            width: AHEAD.len(),
            mean: vec![0.0; cells],
            variance: vec![1.0; cells],
        };
        let truth = Targets::Values {
            width: AHEAD.len(),
            values: (0..cells).map(value).collect(),
        };
        let origins = (0..moments * SERIES).map(|unit| (unit / SERIES) as i64);
        (predicted, truth, origins.collect())
    }

    fn begun() -> AdaptiveIntervals {
        let (predicted, truth, _) = made(100, 1, |_| 1.0);
        AdaptiveIntervals::fit(ALPHA, &predicted, &truth, SERIES).unwrap()
    }

    fn covered(intervals: &[(f64, f64)], truth: &Targets, place: usize) -> f64 {
        let Targets::Values { values, .. } = truth else {
            panic!("numbers");
        };
        let cells = intervals
            .iter()
            .zip(values)
            .skip(place)
            .step_by(AHEAD.len());
        let held =
            |((low, high), y): &(&(f64, f64), &f32)| (*low..=*high).contains(&f64::from(**y));
        cells.clone().filter(held).count() as f64 / cells.count() as f64
    }

    #[test]
    fn coverage_of_each_horizon_holds_under_drift_where_fixed_intervals_lose_it() {
        let (predicted, truth, origins) = made(2_000, 2, |t| 1.0 + t as f64 / 1_000.0);
        let mut adaptive = begun();
        let fixed = adaptive.predict(&predicted).unwrap();
        let followed = adaptive
            .follow(&predicted, &truth, &origins, &AHEAD, 1_999)
            .unwrap();
        for place in 0..AHEAD.len() {
            let lost = covered(&fixed, &truth, place);
            assert!(lost < 0.7, "fixed intervals still hold {lost}");
            let held = covered(&followed.intervals, &truth, place);
            assert!((held - 0.9).abs() < 0.01, "horizon {place}: {held}");
        }
        assert!(followed.levels.len() == 2_000 && adaptive.levels() != begun().levels());
    }

    #[test]
    fn a_later_value_changes_no_earlier_interval() {
        let (predicted, truth, origins) = made(60, 3, |_| 1.3);
        let follow = |truth: &Targets| {
            let mut adaptive = begun();
            let followed = adaptive.follow(&predicted, truth, &origins, &AHEAD, 100);
            (followed.unwrap(), adaptive)
        };
        let (before, _) = follow(&truth);
        let mut rng = Seed(5).stream("cuts", &[]);
        for _ in 0..20 {
            let cut = rng.random_range(1..60i64);
            let mut changed = truth.clone();
            let Targets::Values { values, .. } = &mut changed else {
                panic!("numbers");
            };
            // All that is not known at the moment `cut`.
            for (cell, value) in values.iter_mut().enumerate() {
                let (unit, place) = (cell / AHEAD.len(), cell % AHEAD.len());
                if origins[unit] + AHEAD[place] as i64 > cut {
                    *value = [f32::NAN, 1e6, 0.0][rng.random_range(0..3)];
                }
            }
            let (after, _) = follow(&changed);
            for (unit, origin) in origins.iter().enumerate() {
                let cells = unit * AHEAD.len()..(unit + 1) * AHEAD.len();
                if *origin <= cut {
                    assert_eq!(before.intervals[cells.clone()], after.intervals[cells]);
                }
            }
            assert!(before.intervals != after.intervals || cut > 55);
        }
    }

    #[test]
    fn nothing_is_learned_before_its_time_and_nothing_from_what_is_not_known() {
        let (predicted, truth, origins) = made(4, 4, |_| 50.0);
        let mut adaptive = begun();
        // At moment 3 no truth of four steps ahead is known, and three of one step.
        adaptive
            .follow(&predicted, &truth, &origins, &AHEAD, 3)
            .unwrap();
        let levels = adaptive.levels();
        assert_eq!(levels[1], ALPHA);
        assert!(levels[0] < ALPHA);
        let unknown = Targets::Values {
            width: 2,
            values: vec![f32::NAN; 4 * SERIES * 2],
        };
        let mut same = begun();
        same.follow(&predicted, &unknown, &origins, &AHEAD, 100)
            .unwrap();
        assert_eq!(same, begun());
    }

    #[test]
    fn quantiles_are_moved_and_what_does_not_fit_is_refused() {
        let (predicted, truth, origins) = made(50, 6, |_| 1.0);
        let levels = [0.05, 0.25, 0.5, 0.75, 0.95];
        let predicted = predicted.at_levels(&levels).unwrap();
        let mut adaptive = AdaptiveIntervals::fit(ALPHA, &predicted, &truth, SERIES).unwrap();
        let followed = adaptive
            .follow(&predicted, &truth, &origins, &AHEAD, 49)
            .unwrap();
        assert!((covered(&followed.intervals, &truth, 0) - 0.9).abs() < 0.03);
        assert!(
            adaptive
                .follow(&predicted, &truth, &origins[1..], &AHEAD, 49)
                .is_err()
        );
        assert!(
            adaptive
                .follow(&predicted, &truth, &origins, &[1], 49)
                .is_err()
        );
        let json = serde_json::to_string(&adaptive).unwrap();
        assert_eq!(
            serde_json::from_str::<AdaptiveIntervals>(&json).unwrap(),
            adaptive
        );
    }
}
