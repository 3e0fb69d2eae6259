use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Distribution, Targets};
use candor_train::{Batches, TargetScale};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::descriptors::{describe, descriptor_width};
use crate::{Scaler, Scaling, SeriesSet};

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// How readings are scaled.
    pub scaler: Scaler,
    /// Whether a channel says where readings are missing.
    pub indicator: bool,
    /// Moments that a network sees; shorter series are padded with zeros behind, longer ones shrunk.
    pub length: usize,
    /// Mean and standard deviation of each descriptor.
    pub descriptors: Vec<(f32, f32)>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
}

/// Moments that a network sees at most.
const LONGEST: usize = 512;

/// A batch of series of one length.
#[derive(Debug, Clone)]
pub struct SequenceBatch {
    /// `[units, channels, moments]`, zeros where a series has ended.
    pub values: Tensor<3>,
    /// `[units, moments]`: 1 where a series goes on, else 0.
    pub goes_on: Tensor<2>,
    /// How many moments each series has, at least 1.
    pub lengths: Vec<usize>,
}

impl Preparation {
    /// Fits on the series `train`.
    pub fn fit(
        series: &SeriesSet,
        targets: &Targets,
        train: &[usize],
        scaling: Scaling,
    ) -> Preparation {
        let longest = train.iter().map(|&unit| series.length(unit)).max();
        let width = descriptor_width(series.channels());
        let mut sums = vec![(0.0f64, 0.0f64); width];
        let mut row = Vec::with_capacity(width);
        for &unit in train {
            row.clear();
            describe(series, unit, &mut row);
            for ((sum, squares), &value) in sums.iter_mut().zip(&row) {
                *sum += f64::from(value);
                *squares += f64::from(value).powi(2);
            }
        }
        let count = train.len().max(1) as f64;
        let moments = |(sum, squares): (f64, f64)| {
            let mean = sum / count;
            let variance = squares / count - mean * mean;
            // What rounding leaves of a constant is not a variance.
            let varies = variance > 1e-9 * (1.0 + mean * mean);
            let sd = if varies { variance.sqrt() as f32 } else { 1.0 };
            (mean as f32, if sd.is_finite() { sd } else { f32::MAX })
        };
        Preparation {
            scaler: Scaler::fit(series, train, scaling),
            indicator: series.has_gaps(train),
            length: longest.unwrap_or(1).clamp(1, LONGEST),
            descriptors: sums.into_iter().map(moments).collect(),
            target_scale: TargetScale::fit(targets, train),
        }
    }

    /// Channels that a network sees.
    pub fn channels(&self) -> usize {
        self.scaler.channels.len() + usize::from(self.indicator)
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        self.scaler.check()?;
        if !(1..=LONGEST).contains(&self.length) {
            return Err(format!("series of {} moments are damaged", self.length));
        }
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        let width = descriptor_width(self.scaler.channels.len());
        if self.descriptors.len() != width || self.descriptors.iter().any(damaged) {
            return Err("scaling of the descriptors is damaged".into());
        }
        self.target_scale.check()
    }

    /// What a network says, in the units of the target.
    pub fn restored(&self, said: Distribution) -> Distribution {
        self.target_scale.unscale(said)
    }

    /// Standardised descriptors, `[indices, descriptors]`: what distances between series are measured on.
    pub fn standardised(&self, series: &SeriesSet, indices: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(indices.len() * self.descriptors.len());
        for &unit in indices {
            let start = values.len();
            describe(series, unit, &mut values);
            for (value, (mean, sd)) in values[start..].iter_mut().zip(&self.descriptors) {
                *value = (*value - mean) / sd;
            }
        }
        values
    }
}

/// Series from which a network's batches are made.
#[derive(Debug)]
pub struct PreparedSequences<'a> {
    series: &'a SeriesSet,
    preparation: &'a Preparation,
    jitter: bool,
}

impl<'a> PreparedSequences<'a> {
    /// Series as the preparation has them; with `jitter`, training sees them changed a little.
    pub fn new(
        series: &'a SeriesSet,
        preparation: &'a Preparation,
        jitter: bool,
    ) -> PreparedSequences<'a> {
        PreparedSequences {
            series,
            preparation,
            jitter,
        }
    }

    fn make(
        &self,
        indices: &[usize],
        device: &Device,
        mut change: impl FnMut(&mut [f32], usize),
    ) -> SequenceBatch {
        let (channels, moments) = (self.preparation.channels(), self.preparation.length);
        let mut values = vec![0.0; indices.len() * channels * moments];
        let mut goes_on = vec![0.0; indices.len() * moments];
        let mut lengths = Vec::with_capacity(indices.len());
        let places = values.chunks_exact_mut(channels * moments);
        for ((&unit, to), mask) in indices
            .iter()
            .zip(places)
            .zip(goes_on.chunks_exact_mut(moments))
        {
            let scaler = &self.preparation.scaler;
            let scaled = scaler.scaled(self.series, unit, self.preparation.indicator);
            let length = scaled.len() / channels;
            let kept = length.clamp(1, moments);
            let rows = to.chunks_exact_mut(moments);
            for (row, channel) in rows.zip(scaled.chunks_exact(length.max(1))) {
                shrink(channel, &mut row[..kept.min(channel.len())]);
            }
            change(to, kept);
            mask[..kept].fill(1.0);
            lengths.push(kept);
        }
        let shape = [indices.len(), channels, moments];
        SequenceBatch {
            values: Tensor::from_data(TensorData::new(values, shape), device),
            goes_on: Tensor::from_data(TensorData::new(goes_on, [indices.len(), moments]), device),
            lengths,
        }
    }
}

/// A channel with fewer readings: means of those that fall together.
fn shrink(from: &[f32], to: &mut [f32]) {
    if from.len() <= to.len() {
        to[..from.len()].copy_from_slice(from);
        return;
    }
    let count = to.len();
    for (place, value) in to.iter_mut().enumerate() {
        let range = place * from.len() / count..(place + 1) * from.len() / count;
        let size = range.len() as f32;
        *value = from[range].iter().sum::<f32>() / size;
    }
}

/// How much a series is changed in training: its size, its level, each reading, and its place as a share of the length.
const SIZE: f32 = 0.1;
const LEVEL: f32 = 0.05;
const NOISE: f32 = 0.05;
const PLACE: f64 = 0.05;

impl Batches for PreparedSequences<'_> {
    type Batch = SequenceBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> SequenceBatch {
        self.make(indices, device, |_, _| ())
    }

    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SequenceBatch {
        if !self.jitter {
            return self.batch(indices, device);
        }
        let own = self.preparation.scaler.channels.len();
        let moments = self.preparation.length;
        self.make(indices, device, |values, length| {
            let mut spread = |size: f32| (stream.random::<f32>() * 2.0 - 1.0) * size;
            let (size, level) = (1.0 + spread(SIZE), spread(LEVEL));
            let moved = (f64::from(spread(1.0)) * PLACE * length as f64).round() as isize;
            for channel in values.chunks_exact_mut(moments).take(own) {
                let channel = &mut channel[..length];
                match moved.unsigned_abs() {
                    0 => {}
                    step if moved > 0 => {
                        channel.copy_within(..length - step, step);
                        let first = channel[step.min(length - 1)];
                        channel[..step].fill(first);
                    }
                    step => {
                        channel.copy_within(step.., 0);
                        let last = channel[(length - step).saturating_sub(1)];
                        channel[length - step..].fill(last);
                    }
                }
                for value in channel {
                    *value = *value * size + level + spread(NOISE);
                }
            }
        })
    }

    fn units_at_once(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    fn fitted(series: &SeriesSet) -> Preparation {
        let all: Vec<usize> = (0..series.len()).collect();
        let targets = Targets::Classes(vec![0; series.len()]);
        Preparation::fit(series, &targets, &all, Scaling::Training)
    }

    #[test]
    fn shorter_series_are_padded_and_longer_ones_shrunk() {
        let mut series = SeriesSet::of_one_channel(&[vec![1.0, 3.0], vec![2.0]]);
        let preparation = fitted(&series);
        assert_eq!((preparation.length, preparation.channels()), (2, 1));
        series.push(&[vec![1.0, 1.0, 3.0, 3.0]]);
        series.push::<Vec<f32>>(&[]);
        let prepared = PreparedSequences::new(&series, &preparation, false);
        let batch = prepared.batch(&[1, 2, 3, 0], &Device::flex());
        assert_eq!(batch.lengths, [1, 2, 1, 2]);
        let values: Vec<f32> = batch.values.into_data().iter().collect();
        assert_eq!(values[..2], [0.0, 0.0]);
        assert_eq!(values[2..4], values[6..8]);
        assert_eq!(values[4..6], [0.0, 0.0]);
        let mask: Vec<f32> = batch.goes_on.into_data().iter().collect();
        assert_eq!(mask, [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn training_may_see_changed_series_of_any_length() {
        let wave = |length: usize| (0..length).map(|t| (t as f32).sin()).collect::<Vec<f32>>();
        let mut series = SeriesSet::of_one_channel(&[wave(50), wave(1), wave(2), wave(23)]);
        series.push(&[vec![f32::NAN, 1.0]]);
        let preparation = fitted(&series);
        assert!(preparation.indicator && preparation.check().is_ok());
        let prepared = PreparedSequences::new(&series, &preparation, true);
        let all = [0, 1, 2, 3, 4];
        let seen = |seed: u64| -> Vec<f32> {
            let mut stream = Seed(seed).stream("jitter", &[]);
            let batch = prepared.training_batch(&all, &mut stream, &Device::flex());
            batch.values.into_data().iter().collect()
        };
        assert_eq!(seen(1), seen(1));
        assert_ne!(seen(1), seen(2));
        for seed in 0..20 {
            assert!(seen(seed).iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn a_damaged_preparation_is_refused() {
        let good = fitted(&SeriesSet::of_one_channel(&[vec![1.0, 2.0]]));
        let mut cases = vec![good; 3];
        cases[0].length = 0;
        cases[1].descriptors.pop();
        cases[2].scaler.channels[0].1 = f32::NAN;
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
