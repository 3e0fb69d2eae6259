use candor_core::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{LEAST_LENGTH, add_shifted};

/// What is asked of the results of a kernel and a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The share of results above the bias.
    Share,
    /// That, the mean of what is above, the mean place of it, and the longest stretch of it, the last two as shares of the length.
    ///
    /// # Reference
    /// Tan, Dempster, Bergmeir & Webb, "MultiRocket", Data Mining and Knowledge Discovery 36 (2022), section 3.3.
    Four,
}

impl Pooling {
    fn count(self) -> usize {
        match self {
            Pooling::Share => 1,
            Pooling::Four => 4,
        }
    }
}

/// All 84 kernels of nine weights of which three are 2 and six are -1, at several dilations; the biases are quantiles of what kernels give
/// on training series. Nothing else is random but which channels a kernel sees, and on which series its biases are taken.
///
/// # Reference
/// Dempster, Schmidt & Webb, "MiniRocket", KDD 2021, section 3; series of several channels and several lengths as in the authors' own code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MiniRocket {
    channels: usize,
    /// Whether what is seen of a series are the differences between its readings.
    differences: bool,
    pooling: Pooling,
    /// The length for which dilations are made.
    length: usize,
    /// Biases of each kernel.
    per_kernel: usize,
    seed: Seed,
    /// `[dilations, 84, biases of the dilation]`.
    #[serde(skip)]
    biases: Vec<f32>,
}

const KERNELS: usize = 84;
const TAPS: usize = 9;
/// Dilations of a kernel at most.
const MOST_DILATIONS: usize = 32;
/// Channels that one kernel sees at most.
const MOST_CHANNELS: usize = 9;

/// The places of the three weights of 2, for each kernel.
fn places() -> impl Iterator<Item = [usize; 3]> {
    (0..TAPS).flat_map(|a| (a + 1..TAPS).flat_map(move |b| (b + 1..TAPS).map(move |c| [a, b, c])))
}

impl MiniRocket {
    /// Kernels with about `features` biases, fitted on series `[channels, length]` that `series` gives by number, `count` of them.
    pub fn fit(
        series: &dyn Fn(usize) -> Vec<f32>,
        count: usize,
        (channels, length): (usize, usize),
        features: usize,
        (differences, pooling): (bool, Pooling),
        seed: Seed,
    ) -> MiniRocket {
        let mut fitted = MiniRocket {
            channels: channels.max(1),
            differences,
            pooling,
            length: length.max(LEAST_LENGTH + usize::from(differences)),
            per_kernel: (features / KERNELS).max(1),
            seed,
            biases: Vec::new(),
        };
        // Which series each bias is taken of.
        let mut stream = seed.stream("examples", &[]);
        let plan = fitted.plan();
        let chosen: Vec<usize> = (0..plan.len() * KERNELS)
            .map(|_| stream.random_range(0..count.max(1)))
            .collect();
        let mut biases = vec![Vec::new(); plan.len() * KERNELS];
        let mut wanted: Vec<usize> = chosen.clone();
        wanted.sort_unstable();
        wanted.dedup();
        // Quantiles of low discrepancy: multiples of the golden ratio.
        let golden = f64::midpoint(5f64.sqrt(), 1.0);
        let firsts = fitted.first_biases(&plan);
        for number in wanted {
            let values = series(number);
            fitted.each_kernel(&values, &plan, |dilation, kernel, results| {
                let place = dilation * KERNELS + kernel;
                if chosen[place] != number {
                    return;
                }
                let mut sorted = results.to_vec();
                sorted.sort_unstable_by(f32::total_cmp);
                let first = firsts[dilation] + kernel * plan[dilation].biases;
                let quantile =
                    |bias: usize| quantile(&sorted, ((first + bias + 1) as f64 * golden).fract());
                biases[place] = (0..plan[dilation].biases).map(quantile).collect();
            });
        }
        // A series too short for a kernel has none of its results.
        for (place, biases) in biases.iter_mut().enumerate() {
            biases.resize(plan[place / KERNELS].biases, 0.0);
        }
        fitted.biases = biases.concat();
        fitted
    }

    /// Channels of the series that it takes.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Features of a series.
    pub fn width(&self) -> usize {
        let biases: usize = self.plan().iter().map(|d| d.biases * KERNELS).sum();
        biases * self.pooling.count()
    }

    /// What must be kept beside the description.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// The kernels that were saved, with their biases.
    ///
    /// # Errors
    /// In words, when they do not fit.
    pub fn with_biases(self, biases: &[f32]) -> Result<MiniRocket, String> {
        self.check()?;
        let wanted = self.width() / self.pooling.count();
        if biases.len() != wanted || biases.iter().any(|b| !b.is_finite()) {
            return Err("its biases are damaged".into());
        }
        Ok(MiniRocket {
            biases: biases.to_vec(),
            ..self
        })
    }

    /// Biases that belong to it.
    ///
    /// # Errors
    /// In words, when the description is damaged.
    pub fn bias_count(&self) -> Result<usize, String> {
        self.check()?;
        Ok(self.width() / self.pooling.count())
    }

    fn check(&self) -> Result<(), String> {
        let sizes = [self.channels, self.length, self.per_kernel];
        if sizes.iter().any(|size| !(1..=1 << 24).contains(size)) || self.per_kernel > 1 << 12 {
            return Err("its kernels are damaged".into());
        }
        Ok(())
    }

    /// Appends the features of a series `[channels, length]`, of any length.
    pub fn features(&self, series: &[f32], to: &mut Vec<f32>) {
        let plan = self.plan();
        let firsts = self.first_biases(&plan);
        let start = to.len();
        to.resize(start + self.width(), 0.0);
        let own = &mut to[start..];
        self.each_kernel(series, &plan, |dilation, kernel, results| {
            let count = plan[dilation].biases;
            let first = firsts[dilation] + kernel * count;
            for bias in first..first + count {
                let value = self.biases.get(bias).copied().unwrap_or(0.0);
                match self.pooling {
                    Pooling::Share => own[bias] = share(results, value),
                    Pooling::Four => {
                        own[4 * bias..4 * bias + 4].copy_from_slice(&four(results, value));
                    }
                }
            }
        });
    }

    /// Dilations, and how many biases each kernel has at each.
    fn plan(&self) -> Vec<Dilation> {
        let length = self.length - usize::from(self.differences);
        let count = self.per_kernel.min(MOST_DILATIONS);
        let multiplier = self.per_kernel as f64 / count as f64;
        let most = ((length.max(LEAST_LENGTH) - 1) as f64 / (TAPS - 1) as f64).log2();
        let mut plan: Vec<Dilation> = Vec::new();
        for step in 0..count {
            let exponent = match count {
                1 => 0.0,
                count => most * step as f64 / (count - 1) as f64,
            };
            // Rounding must not make 7 of 8.
            let dilation = (2f64.powf(exponent) + 1e-9).floor().max(1.0) as usize;
            match plan.last_mut() {
                Some(last) if last.dilation == dilation => last.biases += 1,
                _ => plan.push(Dilation {
                    dilation,
                    biases: 1,
                }),
            }
        }
        for dilation in &mut plan {
            dilation.biases = (dilation.biases as f64 * multiplier) as usize;
        }
        let mut rest = self.per_kernel - plan.iter().map(|d| d.biases).sum::<usize>();
        let mut place = 0;
        while rest > 0 {
            plan[place].biases += 1;
            (rest, place) = (rest - 1, (place + 1) % plan.len());
        }
        plan
    }

    /// The number of the first bias of each dilation.
    fn first_biases(&self, plan: &[Dilation]) -> Vec<usize> {
        let firsts = plan.iter().scan(0, |next, dilation| {
            let first = *next;
            *next += dilation.biases * KERNELS;
            Some(first)
        });
        firsts.collect()
    }

    /// The channels that a kernel sees at a dilation.
    fn seen(&self, dilation: usize, kernel: usize) -> Vec<usize> {
        if self.channels == 1 {
            return vec![0];
        }
        let mut stream = self
            .seed
            .stream("channels", &[dilation as u64, kernel as u64]);
        let most = self.channels.min(MOST_CHANNELS);
        let exponent = stream.random::<f64>() * ((most + 1) as f64).log2();
        let count = (2f64.powf(exponent) as usize).clamp(1, most);
        let mut all: Vec<usize> = (0..self.channels).collect();
        for place in 0..count {
            let other = stream.random_range(place..self.channels);
            all.swap(place, other);
        }
        all.truncate(count);
        all
    }

    /// Shows the results of each kernel at each dilation.
    fn each_kernel(
        &self,
        series: &[f32],
        plan: &[Dilation],
        mut show: impl FnMut(usize, usize, &[f32]),
    ) {
        let mut length = series.len() / self.channels;
        let differenced: Vec<f32>;
        let mut series = series;
        if self.differences {
            let channels = series.chunks_exact(length.max(1));
            differenced = channels
                .flat_map(|channel| channel.windows(2).map(|pair| pair[1] - pair[0]))
                .collect();
            length = length.saturating_sub(1);
            series = &differenced;
        }
        if length == 0 {
            return;
        }
        // Of each channel: minus the sum over all taps, and three times each tap.
        let mut sums = vec![0.0f32; series.len()];
        let mut taps = vec![0.0f32; TAPS * series.len()];
        let mut results = vec![0.0f32; length];
        for (number, dilation) in plan.iter().enumerate() {
            sums.fill(0.0);
            taps.fill(0.0);
            for (channel, values) in series.chunks_exact(length).enumerate() {
                let sum = &mut sums[channel * length..(channel + 1) * length];
                for tap in 0..TAPS {
                    let shift = (tap as isize - (TAPS / 2) as isize) * dilation.dilation as isize;
                    add_shifted(sum, values, shift, -1.0);
                    let start = (channel * TAPS + tap) * length;
                    add_shifted(&mut taps[start..start + length], values, shift, 3.0);
                }
            }
            let margin = TAPS / 2 * dilation.dilation;
            for (kernel, places) in places().enumerate() {
                for (nth, channel) in self.seen(number, kernel).into_iter().enumerate() {
                    let sum = &sums[channel * length..(channel + 1) * length];
                    let tap = |tap: usize| {
                        let start = (channel * TAPS + tap) * length;
                        &taps[start..start + length]
                    };
                    let [a, b, c] = places.map(tap);
                    let four = sum.iter().zip(a).zip(b.iter().zip(c));
                    if nth == 0 {
                        for (result, ((s, a), (b, c))) in results.iter_mut().zip(four) {
                            *result = s + a + b + c;
                        }
                    } else {
                        for (result, ((s, a), (b, c))) in results.iter_mut().zip(four) {
                            *result += s + a + b + c;
                        }
                    }
                }
                // Half of the kernels see the zeros around a series.
                let padded = (number + kernel) % 2 == 0 || length <= 2 * margin;
                let seen = if padded {
                    &results[..]
                } else {
                    &results[margin..length - margin]
                };
                show(number, kernel, seen);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Dilation {
    dilation: usize,
    /// Biases of each kernel.
    biases: usize,
}

/// The share of results above a bias.
fn share(results: &[f32], bias: f32) -> f32 {
    let mut count = 0u32;
    // In blocks that fit a narrow counter, so that many are compared at once.
    for block in results.chunks(1 << 12) {
        count += block.iter().map(|&r| u32::from(r > bias)).sum::<u32>();
    }
    count as f32 / results.len().max(1) as f32
}

/// The four questions of [`Pooling::Four`].
fn four(results: &[f32], bias: f32) -> [f32; 4] {
    let (mut count, mut sum, mut places) = (0u32, 0.0f32, 0.0f32);
    let (mut stretch, mut longest) = (0u32, 0u32);
    for (place, &result) in results.iter().enumerate() {
        if result > bias {
            count += 1;
            sum += result - bias;
            places += place as f32;
            stretch += 1;
            longest = longest.max(stretch);
        } else {
            stretch = 0;
        }
    }
    let length = results.len().max(1) as f32;
    let above = count.max(1) as f32;
    let place = if count == 0 {
        -1.0
    } else {
        places / above / length
    };
    [
        count as f32 / length,
        sum / above,
        place,
        longest as f32 / length,
    ]
}

/// A quantile of ascending numbers, on the straight line between the two nearest.
fn quantile(sorted: &[f32], level: f64) -> f32 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = level * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let along = (place - below as f64) as f32;
    sorted[below] * (1.0 - along) + sorted[above] * along
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(count: usize, length: usize) -> Vec<Vec<f32>> {
        let wave = |i: usize| {
            (0..length)
                .map(|t| ((t * (i + 2)) as f32 * 0.11).sin())
                .collect()
        };
        (0..count).map(wave).collect()
    }

    fn fitted(channels: usize, length: usize, pooling: Pooling) -> MiniRocket {
        let series = waves(5, channels * length);
        let give = |i: usize| series[i].clone();
        MiniRocket::fit(
            &give,
            5,
            (channels, length),
            1000,
            (false, pooling),
            Seed(3),
        )
    }

    #[test]
    fn kernels_are_those_of_the_paper() {
        assert_eq!(places().count(), KERNELS);
        // Of length 150: 32 exponents from 0 to log2(149 / 8), 9996 / 84 biases a kernel.
        let series = waves(2, 150);
        let give = |i: usize| series[i].clone();
        let kernels = MiniRocket::fit(&give, 2, (1, 150), 9996, (false, Pooling::Share), Seed(1));
        let plan = kernels.plan();
        assert_eq!(plan.iter().map(|d| d.biases).sum::<usize>(), 119);
        assert_eq!((plan[0].dilation, plan[plan.len() - 1].dilation), (1, 18));
        assert_eq!(kernels.width(), 9996);
    }

    #[test]
    fn results_are_sums_over_taps() {
        let kernels = fitted(2, 30, Pooling::Share);
        let series: Vec<f32> = (0..60).map(|i| ((i * i) % 17) as f32).collect();
        let plan = kernels.plan();
        let all: Vec<[usize; 3]> = places().collect();
        let mut shown = 0;
        kernels.each_kernel(&series, &plan, |number, kernel, results| {
            let step = plan[number].dilation as isize;
            let margin = 4 * step as usize;
            let padded = (number + kernel) % 2 == 0 || 30 <= 2 * margin;
            let first = if padded { 0 } else { margin };
            assert_eq!(results.len(), 30 - 2 * first);
            for (place, &result) in results.iter().enumerate() {
                let mut wanted = 0.0;
                for channel in kernels.seen(number, kernel) {
                    for tap in 0..9 {
                        let at = (first + place) as isize + (tap as isize - 4) * step;
                        let value = match usize::try_from(at) {
                            Ok(at) if at < 30 => series[channel * 30 + at],
                            _ => 0.0,
                        };
                        let weight = if all[kernel].contains(&tap) {
                            2.0
                        } else {
                            -1.0
                        };
                        wanted += weight * value;
                    }
                }
                assert!((result - wanted).abs() < 1e-3, "{result} {wanted}");
            }
            shown += 1;
        });
        assert_eq!(shown, plan.len() * KERNELS);
    }

    #[test]
    fn four_questions_worked_by_hand() {
        let results = [1.0, 3.0, -1.0, 5.0, 5.0, 0.0];
        assert_eq!(four(&results, 0.5), [4.0 / 6.0, 3.0, 2.0 / 6.0, 2.0 / 6.0]);
        assert_eq!(share(&results, 0.5), 4.0 / 6.0);
        assert_eq!(four(&results, 9.0), [0.0, 0.0, -1.0, 0.0]);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[], 0.75), 0.0);
    }

    #[test]
    fn series_of_any_length_have_features() {
        for pooling in [Pooling::Share, Pooling::Four] {
            let kernels = fitted(2, 30, pooling);
            for length in [0, 1, 2, 5, 9, 30, 100] {
                let series: Vec<f32> = (0..2 * length).map(|i| (i as f32).cos()).collect();
                let mut features = Vec::new();
                kernels.features(&series, &mut features);
                assert_eq!(features.len(), kernels.width());
                assert!(features.iter().all(|f| f.is_finite()));
            }
        }
    }

    #[test]
    fn what_is_saved_gives_the_same() {
        let kernels = fitted(3, 20, Pooling::Four);
        let text = serde_json::to_string(&kernels).unwrap();
        let read: MiniRocket = serde_json::from_str(&text).unwrap();
        let read = read.with_biases(kernels.biases()).unwrap();
        assert_eq!(read, kernels);
        let damaged: MiniRocket = serde_json::from_str(&text).unwrap();
        assert!(damaged.with_biases(&kernels.biases()[1..]).is_err());
        let text = text.replace("\"channels\":3", "\"channels\":0");
        let damaged: MiniRocket = serde_json::from_str(&text).unwrap();
        assert!(damaged.bias_count().is_err());
    }
}
