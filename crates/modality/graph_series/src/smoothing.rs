use serde::{Deserialize, Serialize};

/// How much of a trend is left a moment later.
const DAMPING: f32 = 0.9;
/// Shares that are tried.
const LEVELS: [f32; 6] = [0.1, 0.2, 0.3, 0.5, 0.7, 0.9];
const TRENDS: [f32; 3] = [0.0, 0.1, 0.3];

/// Exponential smoothing of a series: a level that takes up a share of each error, and a trend that fades.
///
/// # Reference
/// Gardner & McKenzie, "Forecasting Trends in Time Series", Management Science 31 (1985), equations 4 to 6; in the form of errors as in Hyndman et al.,
/// "Forecasting with Exponential Smoothing" (2008), section 2.5, ETS(A,A_d,N).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Smoothing {
    /// The share of an error that the level takes up, above 0 and at most 1.
    pub level: f32,
    /// The share of that which the trend takes up, from 0 to 1.
    pub trend: f32,
}

impl Smoothing {
    /// The shares with the least mean square of errors one moment ahead; readings oldest first, NaN where nothing was read.
    pub fn fit(readings: &[f32]) -> Smoothing {
        let mut best = (f64::INFINITY, LEVELS[LEVELS.len() / 2], TRENDS[0]);
        for level in LEVELS {
            for trend in TRENDS {
                let mut sum = 0.0f64;
                Smoothing { level, trend }.follow(readings.iter().copied(), |error| {
                    sum += f64::from(error).powi(2);
                });
                if sum < best.0 {
                    best = (sum, level, trend);
                }
            }
        }
        Smoothing {
            level: best.1,
            trend: best.2,
        }
    }

    /// Where the series stands after some readings; `None` where nothing was read.
    pub fn level(&self, readings: impl Iterator<Item = f32>) -> Option<Level> {
        self.follow(readings, |_| ())
    }

    /// Where it stands after the last reading, and each error one moment ahead on the way.
    fn follow(
        &self,
        readings: impl Iterator<Item = f32>,
        mut each: impl FnMut(f32),
    ) -> Option<Level> {
        let mut state: Option<Level> = None;
        for reading in readings {
            let Some(Level { level, trend }) = state else {
                state = reading.is_finite().then_some(Level {
                    level: reading,
                    trend: 0.0,
                });
                continue;
            };
            let next = Level {
                level: level + DAMPING * trend,
                trend: DAMPING * trend,
            };
            let error = reading - next.level;
            state = Some(match error.is_finite() {
                true => {
                    each(error);
                    let taken = self.level * error;
                    Level {
                        level: next.level + taken,
                        trend: next.trend + self.trend * taken,
                    }
                }
                false => next,
            });
        }
        state
    }

    /// Whether its numbers can be used: they may come from a damaged file.
    pub fn is_sound(&self) -> bool {
        self.level > 0.0 && self.level <= 1.0 && (0.0..=1.0).contains(&self.trend)
    }
}

/// Where a series stands: its level, and what is left of its trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    level: f32,
    trend: f32,
}

impl Level {
    /// What comes `ahead` moments later.
    pub fn ahead(&self, ahead: usize) -> f32 {
        // The sum of the powers of the damping from 1 to `ahead`.
        let left = DAMPING * (1.0 - DAMPING.powi(ahead as i32)) / (1.0 - DAMPING);
        self.level + left * self.trend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_follows_by_its_share_and_gaps_carry_it_on() {
        let half = Smoothing {
            level: 0.5,
            trend: 0.0,
        };
        let of = |readings: &[f32], ahead| Some(half.level(readings.iter().copied())?.ahead(ahead));
        assert_eq!(of(&[f32::NAN, 4.0, 8.0, f32::NAN], 3), Some(6.0));
        assert_eq!(of(&[f32::NAN; 3], 1), None);
        // By hand: level 0, error 10; taken 5, of which the trend takes half; then 0.9 of that, and 0.81.
        let with_trend = Smoothing {
            level: 0.5,
            trend: 0.5,
        };
        let said = with_trend.level([0.0, 10.0].into_iter()).unwrap().ahead(2);
        assert!((said - (5.0 + 2.5 * (0.9 + 0.81))).abs() < 1e-5, "{said}");
    }

    #[test]
    fn steps_are_followed_fast_and_noise_slowly() {
        let walk: Vec<f32> = (0..200).map(|t| (t / 20 * 10) as f32).collect();
        assert!(Smoothing::fit(&walk).level >= 0.7);
        let noise: Vec<f32> = (0..200).map(|t| ((t * 7919) % 13) as f32).collect();
        let fitted = Smoothing::fit(&noise);
        assert!(fitted.level <= 0.1 && fitted.is_sound());
        assert!(Smoothing::fit(&[]).is_sound());
    }
}
