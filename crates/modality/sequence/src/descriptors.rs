//! Numbers that describe a series: what classical models see, and what distances between series are measured on.

use candor_baselines::{BaselineError, FeatureKind, Matrix};

use crate::SeriesSet;
use crate::series::fill_gaps;

/// Parts of a series whose means are taken.
const PARTS: usize = 12;
/// Frequencies whose share of the power is taken, in bands that double.
const BANDS: usize = 6;
/// Readings behind each other whose correlation is taken.
const LAGS: [usize; 5] = [1, 2, 4, 8, 16];
/// Numbers of one channel.
const OF_CHANNEL: usize = 18 + PARTS + BANDS + LAGS.len();
/// Numbers of the whole series.
const OF_SERIES: usize = 2;
/// Channels that are described.
const MOST_CHANNELS: usize = 32;
/// Readings on which the spectrum is taken, at most.
const SPECTRUM: usize = 512;

/// Numbers of a series of so many channels.
pub fn descriptor_width(channels: usize) -> usize {
    OF_SERIES + channels.min(MOST_CHANNELS) * OF_CHANNEL
}

/// One row a series.
///
/// # Errors
/// Never for series that exist.
pub fn descriptor_matrix(series: &SeriesSet, indices: &[usize]) -> Result<Matrix, BaselineError> {
    let width = descriptor_width(series.channels());
    let mut values = Vec::with_capacity(indices.len() * width);
    for &unit in indices {
        describe(series, unit, &mut values);
    }
    Matrix::new(indices.len(), vec![FeatureKind::Numeric; width], values)
}

/// Appends the descriptors of a series; all are finite.
pub fn describe(series: &SeriesSet, unit: usize, to: &mut Vec<f32>) {
    let start = to.len();
    let length = series.length(unit);
    let readings = series.unit(unit);
    let missing = readings.iter().filter(|v| v.is_nan()).count();
    to.push(length as f32);
    to.push(missing as f32 / readings.len().max(1) as f32);
    for channel in series.channels_of(unit).take(MOST_CHANNELS) {
        let mut values = channel.to_vec();
        fill_gaps(&mut values);
        of_channel(&values, to);
    }
    to.resize(start + descriptor_width(series.channels()), 0.0);
    for value in &mut to[start..] {
        if !value.is_finite() {
            *value = 0.0;
        }
    }
}

fn of_channel(values: &[f32], to: &mut Vec<f32>) {
    let length = values.len();
    if length == 0 {
        to.resize(to.len() + OF_CHANNEL, 0.0);
        return;
    }
    let count = length as f64;
    let numbers: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    let mean = numbers.iter().sum::<f64>() / count;
    let power = |p: i32| numbers.iter().map(|v| (v - mean).powi(p)).sum::<f64>() / count;
    let variance = power(2);
    let sd = variance.sqrt();
    let scaled = |moment: f64, p: i32| if sd > 0.0 { moment / sd.powi(p) } else { 0.0 };
    let mut sorted = numbers.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |level: f64| sorted[(level * (count - 1.0)).round() as usize];
    let half = (count - 1.0) / 2.0;
    // The straight line through all readings, by time from -1 to 1.
    let time = |place: usize| {
        if half > 0.0 {
            (place as f64 - half) / half
        } else {
            0.0
        }
    };
    let squares: f64 = (0..length).map(|place| time(place).powi(2)).sum();
    let slope = numbers
        .iter()
        .enumerate()
        .map(|(t, v)| time(t) * v)
        .sum::<f64>()
        / squares.max(1e-12);
    let steps: Vec<f64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let steps_count = steps.len().max(1) as f64;
    let step_mean = steps.iter().sum::<f64>() / steps_count;
    let step_size = steps.iter().map(|s| s.abs()).sum::<f64>() / steps_count;
    let step_sd = (steps.iter().map(|s| (s - step_mean).powi(2)).sum::<f64>() / steps_count).sqrt();
    let crossings = numbers
        .windows(2)
        .filter(|p| (p[0] > mean) != (p[1] > mean))
        .count();
    let turns = steps.windows(2).filter(|p| p[0] * p[1] < 0.0).count();
    let place_of = |best: Option<(usize, &f64)>| best.map_or(0.0, |(t, _)| time(t));
    let greatest = numbers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let least = numbers.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    let own = [
        mean,
        sd,
        quantile(0.0),
        quantile(0.05),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        quantile(0.95),
        quantile(1.0),
        scaled(power(3), 3),
        scaled(power(4), 4),
        slope,
        step_size,
        step_sd,
        crossings as f64 / count,
        turns as f64 / count,
        place_of(greatest),
        place_of(least),
    ];
    to.extend(own.iter().map(|&v| v as f32));
    for part in 0..PARTS {
        let (from, end) = (part * length / PARTS, (part + 1) * length / PARTS);
        let range = from.min(length - 1)..end.max(from + 1).min(length);
        let size = range.len().max(1) as f64;
        to.push((numbers[range].iter().sum::<f64>() / size) as f32);
    }
    for lag in LAGS {
        let pairs = numbers.iter().zip(numbers.iter().skip(lag));
        let sum: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
        let whole = variance * count;
        to.push(if whole > 0.0 {
            (sum / whole) as f32
        } else {
            0.0
        });
    }
    to.extend(bands(&numbers, mean));
}

/// Shares of the power in bands of frequencies, each twice as wide as the one before.
fn bands(numbers: &[f64], mean: f64) -> [f32; BANDS] {
    // A long series is looked at in means of some readings.
    let step = numbers.len().div_ceil(SPECTRUM);
    let short: Vec<f64> = numbers
        .chunks(step)
        .map(|part| part.iter().sum::<f64>() / part.len() as f64 - mean)
        .collect();
    let mut powers = [0.0f64; BANDS];
    let length = short.len();
    for frequency in 1..=length / 2 {
        let band = (frequency.ilog2() as usize).min(BANDS - 1);
        let turn = 2.0 * std::f64::consts::PI * frequency as f64 / length as f64;
        // Goertzel's recurrence.
        let (mut before, mut last) = (0.0, 0.0);
        for value in &short {
            (before, last) = (last, value + 2.0 * turn.cos() * last - before);
        }
        powers[band] += before * before + last * last - 2.0 * turn.cos() * before * last;
    }
    let whole: f64 = powers.iter().sum();
    powers.map(|power| {
        if whole > 0.0 {
            (power / whole) as f32
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_series_has_finite_descriptors() {
        let mut series = SeriesSet::new(2);
        let nan = f32::NAN;
        series.push::<Vec<f32>>(&[]);
        series.push(&[vec![1.0], vec![nan]]);
        series.push(&[vec![f32::MAX; 40], vec![-f32::MAX; 40]]);
        series.push(&[vec![1.0, 2.0, nan, 4.0, 1.0], vec![3.0; 5]]);
        let matrix = descriptor_matrix(&series, &[0, 1, 2, 3, 9]).unwrap();
        assert_eq!(matrix.columns().len(), descriptor_width(2));
        assert!(matrix.values().iter().all(|v| v.is_finite()));
        // Length, share of missing readings, mean and spread of the first channel.
        assert_eq!(&matrix.row(3)[..3], [5.0, 0.1, 2.2]);
    }

    #[test]
    fn a_wave_has_its_power_in_its_band() {
        let wave: Vec<f64> = (0..128)
            .map(|t| (2.0 * std::f64::consts::PI * 5.0 * f64::from(t) / 128.0).sin())
            .collect();
        let found = bands(&wave, 0.0);
        assert!(found[2] > 0.99, "{found:?}");
    }
}
