use candor_core::{Distribution, QuantileFunction, Seed, normal_quantile};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Share of drawn journeys that may outlast the forecast; of more nothing is told.
const MOST_BEYOND: f64 = 0.05;

/// A stretch of road, whose speed is one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// The series.
    pub name: String,
    /// In the unit of length of the speeds: miles where these are miles an hour. Positive.
    pub length: f64,
}

/// How travel times are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TravelSettings {
    /// Seconds of the unit of time of the speeds: 3,600 for miles an hour.
    pub speed_seconds: f64,
    /// Seconds between the last reading and the start, at least 0.
    pub departure_seconds: f64,
    /// How alike the errors of two legs are, from 0 (nothing of each other) to 1 (all are as slow, or as fast, within what was forecast for each): the rank
    /// correlation of their speeds. Whatever the truth is, no dependence gives sums of times a greater variance than 1 (they are then
    /// greatest in convex order), so that 1 is the cautious choice.
    pub dependence: f64,
    /// Speeds below count as this: a standing queue, and what a normal distribution says of speeds below zero.
    pub least_speed: f64,
    /// Share of journeys that the interval is to hold.
    pub level: f64,
    /// Journeys that are drawn.
    pub draws: usize,
    /// All randomness.
    pub seed: Seed,
}

impl Default for TravelSettings {
    fn default() -> TravelSettings {
        TravelSettings {
            speed_seconds: 3_600.0,
            departure_seconds: 0.0,
            dependence: 1.0,
            least_speed: 1.0,
            level: 0.9,
            draws: 2_000,
            seed: Seed(0),
        }
    }
}

/// How long a journey takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TravelTime {
    /// Seconds: the median over the drawn journeys.
    pub seconds: f64,
    /// Seconds: the mean.
    pub mean_seconds: f64,
    /// Seconds between which the middle of the drawn journeys lies, as large a share as `level` says.
    pub interval: (f64, f64),
    /// The share that the interval holds of the drawn journeys.
    pub level: f64,
    /// The dependence that was assumed.
    pub dependence: f64,
    /// The legs in order.
    pub legs: Vec<LegTime>,
    /// Share of drawn journeys that outlast the forecast; of their last stretch the speed at the furthest horizon was taken.
    pub beyond: f64,
}

/// When a journey is where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegTime {
    /// The leg.
    pub leg: Leg,
    /// Seconds from the start until its beginning, the median.
    pub reached_after: f64,
    /// Seconds that it takes, the median.
    pub seconds: f64,
    /// Steps ahead whose forecast is used there in the median journey.
    pub horizon: usize,
}

/// Why no travel time is told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TravelError {
    /// A setting, or a length, makes no sense.
    #[error("{what} cannot be {value}")]
    Setting {
        /// What is meant.
        what: String,
        /// Its value.
        value: f64,
    },
    /// The speeds are no numbers, or those of other legs.
    #[error("{0}")]
    Speeds(String),
    /// The journey lasts longer than is forecast.
    #[error(
        "{:.0} % of the drawn journeys last longer than the forecast, which reaches {:.0} minutes", 100.0 * share, seconds / 60.0
    )]
    Beyond {
        /// Share of drawn journeys.
        share: f64,
        /// Seconds until the furthest horizon.
        seconds: f64,
    },
}

/// How long it takes along `legs` from `departure_seconds` after the last reading on, when `speeds` says what is forecast of each leg: `[legs, horizons]`, in
/// their order. `horizons` are steps ahead, ascending; a step has `step_seconds`.
///
/// A journey is drawn by one speed of each leg, at one level of its predictive distributions at all horizons, since what was forecast wrongly of a road
/// stays so for a while. Time moves on: within step `h` the forecast of horizon `h` counts, or of the next that there is, also on one leg. The
/// spread of the drawn times is what the model does not know; that of a driver's habits, of lights and of changes within a step is not in it.
///
/// # Errors
/// When a setting makes no sense, the distribution is not one of numbers of as many legs and horizons, or more than a twentieth of the
/// journeys outlast the forecast.
pub fn travel_time(
    legs: &[Leg],
    speeds: &Distribution,
    horizons: &[usize],
    step_seconds: f64,
    settings: &TravelSettings,
) -> Result<TravelTime, TravelError> {
    check(legs, step_seconds, settings)?;
    if speeds.len() != legs.len() || speeds.width() != horizons.len() || horizons.is_empty() {
        return Err(TravelError::Speeds(
            "the forecast speeds are not those of the path".into(),
        ));
    }
    let ends: Vec<f64> = horizons.iter().map(|&h| h as f64 * step_seconds).collect();
    let furthest = ends.last().copied().unwrap_or(0.0);
    let stream = &mut settings.seed.stream("travel", &[]);
    let common_share = settings.dependence.sqrt();
    let least = settings.least_speed / settings.speed_seconds;
    let mut totals = Vec::with_capacity(settings.draws);
    let mut reached = vec![Vec::with_capacity(settings.draws); legs.len()];
    let mut taken = reached.clone();
    let mut beyond = 0usize;
    for _ in 0..settings.draws {
        let common: f64 = stream.random();
        let mut now = settings.departure_seconds;
        for (place, leg) in legs.iter().enumerate() {
            // Both are always drawn, so that journeys of one seed differ by their dependence alone.
            let (own, with_others): (f64, f64) = (stream.random(), stream.random());
            let level = if with_others < common_share {
                common
            } else {
                own
            };
            let started = now;
            let mut left = leg.length;
            while left > 0.0 {
                let horizon = ends.partition_point(|end| *end <= now).min(ends.len() - 1);
                let speed = speed(speeds, place, horizon, level)?;
                let speed = (speed / settings.speed_seconds).max(least);
                let until = if now < furthest {
                    ends[horizon]
                } else {
                    f64::INFINITY
                };
                let needed = left / speed;
                // The last horizon, or the end of the leg.
                if now + needed <= until {
                    now += needed;
                    left = 0.0;
                } else {
                    left -= speed * (until - now);
                    now = until;
                }
            }
            reached[place].push(started - settings.departure_seconds);
            taken[place].push(now - started);
        }
        beyond += usize::from(now > furthest);
        totals.push(now - settings.departure_seconds);
    }
    let beyond = beyond as f64 / settings.draws as f64;
    if beyond > MOST_BEYOND {
        return Err(TravelError::Beyond {
            share: beyond,
            seconds: furthest,
        });
    }
    let tail = (1.0 - settings.level) / 2.0;
    totals.sort_by(f64::total_cmp);
    let told = legs.iter().zip(reached.iter_mut().zip(&mut taken));
    Ok(TravelTime {
        seconds: quantile(&totals, 0.5),
        mean_seconds: totals.iter().sum::<f64>() / totals.len() as f64,
        interval: (quantile(&totals, tail), quantile(&totals, 1.0 - tail)),
        level: settings.level,
        dependence: settings.dependence,
        legs: told
            .map(|(leg, (reached, taken))| {
                reached.sort_by(f64::total_cmp);
                taken.sort_by(f64::total_cmp);
                let reached_after = quantile(reached, 0.5);
                let at = reached_after + settings.departure_seconds;
                let horizon = ends.partition_point(|end| *end <= at).min(ends.len() - 1);
                LegTime {
                    leg: leg.clone(),
                    reached_after,
                    seconds: quantile(taken, 0.5),
                    horizon: horizons[horizon],
                }
            })
            .collect(),
        beyond,
    })
}

fn check(legs: &[Leg], step_seconds: f64, settings: &TravelSettings) -> Result<(), TravelError> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let fault = |what: &str, value: f64| TravelError::Setting {
        what: what.to_owned(),
        value,
    };
    if let Some(leg) = legs.iter().find(|leg| !positive(leg.length)) {
        return Err(fault(&format!("the length of `{}`", leg.name), leg.length));
    }
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let rules = [
        (!legs.is_empty(), "the number of edges of a path", 0.0),
        (
            positive(step_seconds),
            "the step of the series",
            step_seconds,
        ),
        (
            positive(settings.speed_seconds),
            "the unit of time of speeds",
            settings.speed_seconds,
        ),
        (
            positive(settings.least_speed),
            "the least speed",
            settings.least_speed,
        ),
        (
            share(settings.dependence),
            "the dependence (0 to 1)",
            settings.dependence,
        ),
        (
            positive(settings.level) && settings.level < 1.0,
            "the level of the interval",
            settings.level,
        ),
        (settings.draws > 0, "the number of drawn journeys", 0.0),
        (
            settings.departure_seconds.is_finite() && settings.departure_seconds >= 0.0,
            "the time until the start",
            settings.departure_seconds,
        ),
    ];
    match rules.into_iter().find(|(sound, _, _)| !sound) {
        Some((_, what, value)) => Err(fault(what, value)),
        None => Ok(()),
    }
}

/// The speed of a leg at a level of its predictive distribution.
fn speed(
    speeds: &Distribution,
    leg: usize,
    horizon: usize,
    level: f64,
) -> Result<f64, TravelError> {
    let place = leg * speeds.width() + horizon;
    let told = match speeds {
        Distribution::Gaussian { mean, variance, .. } => {
            let level = level.clamp(1e-9, 1.0 - 1e-9);
            f64::from(mean[place]) + f64::from(variance[place]).sqrt() * normal_quantile(level)
        }
        Distribution::Quantiles { levels, values, .. } => {
            let own = &values[place * levels.len()..(place + 1) * levels.len()];
            QuantileFunction::new(levels, own).map_or(f64::NAN, |f| f.quantile(level))
        }
        _ => f64::NAN,
    };
    match told.is_finite() {
        true => Ok(told),
        false => Err(TravelError::Speeds(
            "the forecast speeds are no numbers".into(),
        )),
    }
}

/// Of sorted numbers.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * (sorted.len() - 1) as f64).round() as usize;
    sorted[place.min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(lengths: &[f64]) -> Vec<Leg> {
        let leg = |(place, &length): (usize, &f64)| Leg {
            name: format!("s{place}"),
            length,
        };
        lengths.iter().enumerate().map(leg).collect()
    }

    fn normal(mean: &[f32], sd: f32, width: usize) -> Distribution {
        Distribution::Gaussian {
            width,
            mean: mean.to_vec(),
            variance: vec![sd * sd; mean.len()],
        }
    }

    /// Five-minute steps.
    fn told(
        lengths: &[f64],
        speeds: &Distribution,
        settings: &TravelSettings,
    ) -> Result<TravelTime, TravelError> {
        let horizons: Vec<usize> = (1..=speeds.width()).collect();
        travel_time(&path(lengths), speeds, &horizons, 300.0, settings)
    }

    #[test]
    fn a_known_speed_gives_a_known_time() {
        let speeds = normal(&[60.0, 60.0, 30.0, 30.0], 0.0, 2);
        let told = told(&[2.0, 1.0], &speeds, &TravelSettings::default()).unwrap();
        // Two miles at 60 an hour, one at 30.
        assert!((told.seconds - 240.0).abs() < 1e-6, "{told:?}");
        assert!((told.interval.1 - told.interval.0).abs() < 1e-6);
        assert!((told.legs[1].reached_after - 120.0).abs() < 1e-6);
        assert_eq!((told.legs[0].horizon, told.beyond), (1, 0.0));
    }

    #[test]
    fn time_moves_on_while_one_travels() {
        // 60 in the first five minutes, 30 in the next: five miles, then the sixth at half the speed, on one leg or on two.
        let speeds = |legs: usize| normal(&[60.0, 30.0].repeat(legs), 0.0, 2);
        let settings = TravelSettings::default();
        for lengths in [&[6.0][..], &[5.5, 0.5], &[3.0, 3.0]] {
            let told = told(lengths, &speeds(lengths.len()), &settings).unwrap();
            assert!((told.seconds - 420.0).abs() < 1e-6, "{lengths:?}: {told:?}");
        }
        // One who starts five minutes later drives at 30 from the beginning.
        let later = TravelSettings {
            departure_seconds: 300.0,
            ..settings
        };
        let told = told(&[2.0], &speeds(1), &later).unwrap();
        assert!((told.seconds - 240.0).abs() < 1e-6, "{told:?}");
        assert_eq!(told.legs[0].horizon, 2);
    }

    #[test]
    fn what_depends_adds_up_and_what_does_not_cancels() {
        let legs = [0.5; 8];
        let speeds = normal(&[60.0; 16], 6.0, 2);
        let width = |dependence: f64| {
            let settings = TravelSettings {
                dependence,
                draws: 4_000,
                ..TravelSettings::default()
            };
            let told = told(&legs, &speeds, &settings).unwrap();
            assert!((told.seconds - 240.0).abs() < 5.0, "{told:?}");
            told.interval.1 - told.interval.0
        };
        let (none, half, all) = (width(0.0), width(0.5), width(1.0));
        assert!(none < half && half < all);
        // Of eight equal legs the spread is the root of eight times smaller.
        assert!(
            (all / none / 8f64.sqrt() - 1.0).abs() < 0.15,
            "{none} {all}"
        );
        // All legs at their lowest twentieth: 60 - 1.645 x 6.
        assert!(
            (all - 4.0 * 3600.0 * (1.0 / 50.13 - 1.0 / 69.87)).abs() < 8.0,
            "{all}"
        );
    }

    #[test]
    fn quantiles_are_drawn_from_as_well() {
        let speeds = Distribution::Quantiles {
            width: 1,
            levels: vec![0.1, 0.5, 0.9],
            values: vec![40.0, 60.0, 66.0],
        };
        let told = told(
            &[2.0],
            &speeds,
            &TravelSettings {
                level: 0.8,
                ..TravelSettings::default()
            },
        )
        .unwrap();
        assert!((told.seconds - 120.0).abs() < 1.0, "{told:?}");
        assert!((told.interval.1 - 180.0).abs() < 5.0, "{told:?}");
    }

    #[test]
    fn nothing_is_told_beyond_the_forecast() {
        let speeds = normal(&[60.0, 60.0], 1.0, 2);
        let error = told(&[10.5], &speeds, &TravelSettings::default()).unwrap_err();
        assert!(matches!(error, TravelError::Beyond { seconds, .. } if seconds == 600.0));
        assert!(error.to_string().contains("10 minutes"), "{error}");
        // A queue that stands counts as the least speed, and outlasts the forecast, too.
        let standing = normal(&[0.0, 0.0], 1.0, 2);
        assert!(told(&[1.0], &standing, &TravelSettings::default()).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        let speeds = normal(&[60.0], 1.0, 1);
        let with = |change: &dyn Fn(&mut TravelSettings)| {
            let mut settings = TravelSettings::default();
            change(&mut settings);
            told(&[1.0], &speeds, &settings).unwrap_err().to_string()
        };
        assert!(with(&|s| s.dependence = 1.5).contains("dependence"));
        assert!(with(&|s| s.level = 1.0).contains("level"));
        assert!(with(&|s| s.least_speed = 0.0).contains("least speed"));
        assert!(with(&|s| s.speed_seconds = f64::NAN).contains("unit of time"));
        assert!(with(&|s| s.departure_seconds = -1.0).contains("start"));
        assert!(with(&|s| s.draws = 0).contains("journeys"));
        let settings = TravelSettings::default();
        assert!(told(&[0.0], &speeds, &settings).is_err());
        assert!(told(&[], &speeds, &settings).is_err());
        assert!(told(&[1.0, 1.0], &speeds, &settings).is_err());
        let unknown = normal(&[f32::NAN], 1.0, 1);
        assert!(
            told(&[1.0], &unknown, &settings)
                .unwrap_err()
                .to_string()
                .contains("no numbers")
        );
    }
}
