use serde::{Deserialize, Serialize};

use crate::SeriesSet;
use crate::series::fill_gaps;

/// On what scale models see a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Each channel by its mean and standard deviation over the training part: level and spread of a series are seen.
    #[default]
    Training,
    /// Each channel of each series by its own: the shape alone is seen.
    Series,
}

/// A scaling, with what it knows of the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// What is scaled by.
    pub scaling: Scaling,
    /// Mean and standard deviation of each channel over the training part.
    pub channels: Vec<(f32, f32)>,
}

/// Variance that rounding may leave of a constant, as a share of the squared mean.
const ROUNDING: f64 = 1e-12;

fn moments(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let known = || values.clone().filter(|v| !v.is_nan()).map(f64::from);
    let count = known().count().max(1) as f64;
    let mean = known().sum::<f64>() / count;
    let variance = known().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let varies = variance > ROUNDING * mean * mean && variance.sqrt() as f32 > f32::MIN_POSITIVE;
    let sd = if varies { variance.sqrt() as f32 } else { 1.0 };
    (mean as f32, if sd.is_finite() { sd } else { f32::MAX })
}

impl Scaler {
    /// Fits on the series `train`.
    pub fn fit(series: &SeriesSet, train: &[usize], scaling: Scaling) -> Scaler {
        let of_channel = |channel: usize| {
            let readings = train
                .iter()
                .flat_map(|&unit| series.channels_of(unit).nth(channel).unwrap_or_default());
            moments(readings.copied())
        };
        Scaler {
            scaling,
            channels: (0..series.channels()).map(of_channel).collect(),
        }
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.channels.is_empty() || self.channels.iter().any(damaged) {
            return Err("scaling of the channels is damaged".into());
        }
        Ok(())
    }

    /// A series on this scale, channel after channel, its gaps filled. Behind the channels, where `indicator` asks for it, one that is 1
    /// where some channel has no reading, else 0.
    pub fn scaled(&self, series: &SeriesSet, unit: usize, indicator: bool) -> Vec<f32> {
        let length = series.length(unit);
        let mut values = series.unit(unit).to_vec();
        let mut missing = vec![0.0; if indicator { length } else { 0 }];
        for (channel, &of_training) in values.chunks_exact_mut(length.max(1)).zip(&self.channels) {
            for (mark, value) in missing.iter_mut().zip(channel.iter()) {
                if value.is_nan() {
                    *mark = 1.0;
                }
            }
            let unknown = channel.iter().all(|value| value.is_nan());
            let (mean, sd) = match self.scaling {
                Scaling::Training => of_training,
                Scaling::Series => moments(channel.iter().copied()),
            };
            fill_gaps(channel);
            for value in channel.iter_mut() {
                let scaled = if unknown { 0.0 } else { (*value - mean) / sd };
                // Far beyond what any training series shows, sums would lose the rest.
                *value = scaled.clamp(-MOST, MOST);
            }
        }
        values.extend(missing);
        values
    }
}

/// Standard deviations beyond which nothing is seen.
const MOST: f32 = 1e4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_scaled_by_the_training_part_or_by_themselves() {
        let mut series = SeriesSet::new(2);
        series.push(&[vec![1.0, 3.0], vec![7.0, 7.0]]);
        series.push(&[vec![5.0, f32::NAN, 9.0], vec![7.0, 7.0, 8.0]]);
        let training = Scaler::fit(&series, &[0], Scaling::Training);
        assert_eq!(training.channels, [(2.0, 1.0), (7.0, 1.0)]);
        assert_eq!(
            training.scaled(&series, 1, true),
            [3.0, 5.0, 7.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
        );
        let own = Scaler::fit(&series, &[0], Scaling::Series);
        let scaled = own.scaled(&series, 1, false);
        assert_eq!(&scaled[..3], [-1.0, 0.0, 1.0]);
        assert!(training.check().is_ok());
        let damaged = Scaler {
            channels: vec![(0.0, 0.0)],
            ..training
        };
        assert!(damaged.check().is_err());
    }

    #[test]
    fn no_value_is_beyond_numbers() {
        let huge = vec![f32::MAX, -f32::MAX, f32::MAX];
        let series = SeriesSet::of_one_channel(&[huge, vec![f32::NAN; 4], vec![]]);
        for scaling in [Scaling::Training, Scaling::Series] {
            let scaler = Scaler::fit(&series, &[0, 1], scaling);
            assert_eq!(scaler.check(), Ok(()));
            for unit in 0..3 {
                let scaled = scaler.scaled(&series, unit, true);
                assert!(scaled.iter().all(|v| v.is_finite()), "{scaled:?}");
            }
        }
    }
}
