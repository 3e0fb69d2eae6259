use candor_core::Seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{LEAST_LENGTH, add_shifted};

/// Kernels of random lengths, weights, biases, dilations and channels; of each the share of positive results and the greatest one are
/// asked.
///
/// # Reference
/// Dempster, Petitjean & Webb, "ROCKET", Data Mining and Knowledge Discovery 34 (2020), section 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rocket {
    channels: usize,
    /// The length for which dilations are made.
    length: usize,
    kernels: usize,
    seed: Seed,
}

struct Kernel {
    weights: Vec<f32>,
    bias: f32,
    dilation: usize,
    padded: bool,
    channels: Vec<usize>,
}

impl Rocket {
    /// So many kernels for series of a length.
    pub fn new((channels, length): (usize, usize), kernels: usize, seed: Seed) -> Rocket {
        Rocket {
            channels: channels.max(1),
            length: length.max(LEAST_LENGTH),
            kernels: kernels.max(1),
            seed,
        }
    }

    /// Channels of the series that it takes.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Features of a series.
    pub fn width(&self) -> usize {
        2 * self.kernels
    }

    /// Why these kernels cannot be used, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [self.channels, self.length];
        if sizes.iter().any(|size| !(1..=1 << 24).contains(size)) || self.kernels > 1 << 17 {
            return Err("its kernels are damaged".into());
        }
        Ok(())
    }

    fn draw(&self, stream: &mut ChaCha8Rng) -> Kernel {
        let taps = [7, 9, 11][stream.random_range(0..3usize)];
        let most_channels = self.channels.min(taps);
        let exponent = stream.random::<f64>() * ((most_channels + 1) as f64).log2();
        let count = (2f64.powf(exponent) as usize).clamp(1, most_channels);
        let mut channels: Vec<usize> = (0..self.channels).collect();
        for place in 0..count {
            let other = stream.random_range(place..self.channels);
            channels.swap(place, other);
        }
        channels.truncate(count);
        let mut weights = Vec::with_capacity(count * taps);
        for _ in 0..count {
            let drawn: Vec<f32> = (0..taps).map(|_| normal(stream)).collect();
            let mean = drawn.iter().sum::<f32>() / taps as f32;
            weights.extend(drawn.iter().map(|w| w - mean));
        }
        let bias = stream.random::<f32>() * 2.0 - 1.0;
        let most = (self.length.saturating_sub(1) as f64 / (taps - 1) as f64).max(1.0);
        let dilation = 2f64.powf(stream.random::<f64>() * most.log2()) as usize;
        Kernel {
            weights,
            bias,
            dilation: dilation.max(1),
            padded: stream.random(),
            channels,
        }
    }

    /// The features of all series `[channels, length]`, one row each; `series` gives one by its number. Stops early, with fewer rows
    /// than were asked for never, but with `None`, as soon as `stop` says so.
    pub fn features(&self, series: &[Vec<f32>], stop: &dyn Fn() -> bool) -> Option<Vec<Vec<f32>>> {
        let mut stream = self.seed.stream("kernels", &[]);
        let mut rows = vec![Vec::with_capacity(self.width()); series.len()];
        let mut results = Vec::new();
        for number in 0..self.kernels {
            if number % 64 == 0 && stop() {
                return None;
            }
            let kernel = self.draw(&mut stream);
            let taps = kernel.weights.len() / kernel.channels.len();
            for (row, series) in rows.iter_mut().zip(series) {
                let length = series.len() / self.channels;
                results.clear();
                results.resize(length, kernel.bias);
                let weights = kernel.weights.chunks_exact(taps);
                for (&channel, weights) in kernel.channels.iter().zip(weights) {
                    let values = &series[channel * length..(channel + 1) * length];
                    for (tap, &weight) in weights.iter().enumerate() {
                        let shift = (tap as isize - (taps / 2) as isize) * kernel.dilation as isize;
                        add_shifted(&mut results, values, shift, weight);
                    }
                }
                let margin = taps / 2 * kernel.dilation;
                let seen = if kernel.padded || length <= 2 * margin {
                    &results[..]
                } else {
                    &results[margin..length - margin]
                };
                let positive: u32 = seen.iter().map(|&r| u32::from(r > 0.0)).sum();
                let greatest = seen.iter().copied().fold(f32::MIN, f32::max);
                row.push(positive as f32 / seen.len().max(1) as f32);
                row.push(if seen.is_empty() { 0.0 } else { greatest });
            }
        }
        Some(rows)
    }
}

/// A number of mean 0 and variance 1 (Box & Muller 1958).
fn normal(stream: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
    let angle = 2.0 * std::f64::consts::PI * stream.random::<f64>();
    (radius * angle.cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_do_not_depend_on_the_other_series_and_are_finite() {
        let kernels = Rocket::new((2, 30), 50, Seed(4));
        let series: Vec<Vec<f32>> = [30, 7, 1, 0, 90]
            .iter()
            .map(|&length| (0..2 * length).map(|i| (i as f32 * 0.7).sin()).collect())
            .collect();
        let never = || false;
        let all = kernels.features(&series, &never).unwrap();
        for (row, series) in all.iter().zip(&series) {
            assert_eq!(row.len(), kernels.width());
            assert!(row.iter().all(|f| f.is_finite()));
            let alone = kernels
                .features(std::slice::from_ref(series), &never)
                .unwrap();
            assert_eq!(&alone[0], row);
        }
        assert!(kernels.features(&series, &|| true).is_none());
    }

    #[test]
    fn weights_have_no_mean_and_dilations_fit_the_series() {
        let kernels = Rocket::new((3, 100), 1, Seed(1));
        let mut stream = Seed(9).stream("test", &[]);
        for _ in 0..200 {
            let kernel = kernels.draw(&mut stream);
            let taps = kernel.weights.len() / kernel.channels.len();
            for weights in kernel.weights.chunks(taps) {
                assert!(weights.iter().sum::<f32>().abs() < 1e-4);
            }
            assert!(kernel.dilation * (taps - 1) < 100);
            assert!((-1.0..1.0).contains(&kernel.bias));
        }
    }
}
