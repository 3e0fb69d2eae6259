//! What can go wrong with series in the world, and what models rest on.

use candor_core::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::SeriesSet;
use crate::series::fill_gaps;

/// What commonly happens to a series without changing what is true of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesChange {
    /// Noise on each reading: a tenth of the channel's own standard deviation a step of severity.
    Noise,
    /// The series begins earlier or later: by 4 % of its length a step of severity.
    Shift,
    /// A stretch without readings: 6 % of the length a step of severity.
    Gap,
    /// Time runs faster here and slower there: by 2 % of the length a step of severity, at the most.
    Warp,
    /// Another sensor: all readings of a channel become greater or smaller by 5 % a step of severity.
    Gain,
}

impl SeriesChange {
    /// All of them.
    pub const ALL: [SeriesChange; 5] = [
        SeriesChange::Noise,
        SeriesChange::Shift,
        SeriesChange::Gap,
        SeriesChange::Warp,
        SeriesChange::Gain,
    ];

    /// Its name, as it stands in the report.
    pub fn name(self) -> &'static str {
        match self {
            SeriesChange::Noise => "noise on readings",
            SeriesChange::Shift => "shift in time",
            SeriesChange::Gap => "a stretch without readings",
            SeriesChange::Warp => "uneven time",
            SeriesChange::Gain => "another gain",
        }
    }
}

/// The series at `units`, changed with a severity from 1 to 5.
pub fn series_changed(
    series: &SeriesSet,
    units: &[usize],
    change: SeriesChange,
    severity: u8,
    seed: Seed,
) -> SeriesSet {
    let severity = f64::from(severity.clamp(1, 5));
    let mut changed = SeriesSet::new(series.channels());
    for &unit in units {
        let mut stream = seed.stream(change.name(), &[unit as u64]);
        let length = series.length(unit);
        // One draw for all channels, which belong together.
        let sign = if stream.random() { 1.0 } else { -1.0 };
        let phase = stream.random::<f64>() * 2.0 * std::f64::consts::PI;
        let gap = ((0.06 * severity * length as f64).round() as usize).min(length);
        let start = stream.random_range(0..=length - gap);
        let channels: Vec<Vec<f32>> = series
            .channels_of(unit)
            .map(|channel| match change {
                SeriesChange::Noise => noisy(channel, 0.1 * severity, &mut stream),
                SeriesChange::Shift => {
                    let moved = sign * 0.04 * severity * length as f64;
                    read_at(channel, |place| place - moved.round())
                }
                SeriesChange::Gap => {
                    let mut values = channel.to_vec();
                    values[start..start + gap].fill(f32::NAN);
                    values
                }
                SeriesChange::Warp => {
                    let most = 0.02 * severity * length as f64;
                    let turn = 2.0 * std::f64::consts::PI / length.max(1) as f64;
                    read_at(channel, |place| place + most * (turn * place + phase).sin())
                }
                SeriesChange::Gain => {
                    let gain = (1.0 + sign * 0.05 * severity) as f32;
                    channel.iter().map(|value| value * gain).collect()
                }
            })
            .collect();
        changed.push(&channels);
    }
    changed
}

fn noisy(channel: &[f32], share: f64, stream: &mut ChaCha8Rng) -> Vec<f32> {
    let known = || {
        channel
            .iter()
            .filter(|v| !v.is_nan())
            .map(|&v| f64::from(v))
    };
    let count = known().count().max(1) as f64;
    let mean = known().sum::<f64>() / count;
    let sd = (known().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    let mut draw = || {
        let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * stream.random::<f64>()).cos()
    };
    channel
        .iter()
        .map(|&value| (f64::from(value) + share * sd * draw()) as f32)
        .collect()
}

/// Readings at other times, on straight lines; before the first and behind the last with these.
fn read_at(channel: &[f32], time: impl Fn(f64) -> f64) -> Vec<f32> {
    let mut filled = channel.to_vec();
    fill_gaps(&mut filled);
    let Some(last) = filled.len().checked_sub(1) else {
        return filled;
    };
    let at = |place: usize| {
        let place = time(place as f64).clamp(0.0, last as f64);
        let below = place.floor() as usize;
        let along = (place - below as f64) as f32;
        filled[below] * (1.0 - along) + filled[(below + 1).min(last)] * along
    };
    (0..filled.len()).map(at).collect()
}

/// Stretches of which importance is measured.
const STRETCHES: usize = 8;

/// The series at `units`, each with its stretches in another order.
pub fn stretches_shuffled(series: &SeriesSet, units: &[usize], seed: Seed) -> SeriesSet {
    let mut shuffled = SeriesSet::new(series.channels());
    for &unit in units {
        let length = series.length(unit);
        let count = STRETCHES.min(length);
        let mut order: Vec<usize> = (0..count).collect();
        let mut stream = seed.stream("stretches", &[unit as u64]);
        order.shuffle(&mut stream);
        if count > 1 && order.is_sorted() {
            order.rotate_left(1);
        }
        let channels: Vec<Vec<f32>> = series
            .channels_of(unit)
            .map(|channel| {
                let pieces = order
                    .iter()
                    .map(|&piece| &channel[piece * length / count..(piece + 1) * length / count]);
                pieces.flatten().copied().collect()
            })
            .collect();
        shuffled.push(&channels);
    }
    shuffled
}

/// Names of the parts of series: channels, where there are several, and stretches of time.
pub fn series_parts(channels: usize) -> Vec<String> {
    let channels = (1..=channels)
        .filter(|_| channels > 1)
        .map(|c| format!("channel {c}"));
    let stretches = (1..=STRETCHES).map(|s| format!("stretch {s} of {STRETCHES}"));
    stretches.chain(channels).collect()
}

/// The series at `units` with one part, named as by [`series_parts`], exchanged between them; `None` when there is no such part.
pub fn part_shuffled(
    series: &SeriesSet,
    units: &[usize],
    part: &str,
    seed: Seed,
) -> Option<SeriesSet> {
    let place = series_parts(series.channels())
        .iter()
        .position(|name| name == part)?;
    let mut givers = units.to_vec();
    givers.shuffle(&mut seed.stream("part", &[]));
    let mut shuffled = SeriesSet::new(series.channels());
    for (&unit, &giver) in units.iter().zip(&givers) {
        let length = series.length(unit);
        let given: Vec<&[f32]> = series.channels_of(giver).collect();
        let other = series.length(giver);
        let own = series.channels_of(unit).enumerate();
        let channels: Vec<Vec<f32>> = own
            .map(|(number, channel)| {
                let mut values = channel.to_vec();
                let range = match place.checked_sub(STRETCHES) {
                    None => place * length / STRETCHES..(place + 1) * length / STRETCHES,
                    Some(channel) if channel == number => 0..length,
                    Some(_) => 0..0,
                };
                if other > 0 {
                    // Of a series of another length, what stands at the same share of it.
                    for at in range {
                        values[at] = given[number][at * other / length];
                    }
                }
                values
            })
            .collect();
        shuffled.push(&channels);
    }
    Some(shuffled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> SeriesSet {
        let mut set = SeriesSet::new(2);
        for unit in 0..4 {
            let wave = |f: usize| (0..40 + unit).map(move |t| ((t * f + unit) as f32 * 0.1).sin());
            set.push(&[wave(1).collect::<Vec<f32>>(), wave(2).collect()]);
        }
        set.push::<Vec<f32>>(&[]);
        set.push(&[vec![1.0], vec![f32::NAN]]);
        set
    }

    fn bits(set: &SeriesSet) -> Vec<Vec<u32>> {
        let of = |unit: usize| set.unit(unit).iter().map(|v| v.to_bits()).collect();
        (0..set.len()).map(of).collect()
    }

    #[test]
    fn changes_keep_lengths_grow_with_severity_and_come_again() {
        let series = series();
        let units = [0, 1, 2, 3, 4, 5];
        for change in SeriesChange::ALL {
            let made = |severity| series_changed(&series, &units, change, severity, Seed(2));
            let (weak, strong) = (made(1), made(5));
            assert_eq!(bits(&weak), bits(&made(1)));
            let mut far = [0.0, 0.0];
            for unit in units {
                assert_eq!(weak.length(unit), series.length(unit), "{change:?}");
                for (place, set) in [&weak, &strong].into_iter().enumerate() {
                    let pairs = set.unit(unit).iter().zip(series.unit(unit));
                    let differs = |(a, b): (&f32, &f32)| match a.is_nan() != b.is_nan() {
                        true => 1.0,
                        false => f64::from((a - b).abs()).max(0.0),
                    };
                    far[place] += pairs.map(differs).filter(|d| !d.is_nan()).sum::<f64>();
                }
            }
            assert!(far[0] > 0.0 && far[1] > far[0], "{change:?}: {far:?}");
        }
    }

    #[test]
    fn shuffled_stretches_are_the_same_readings_in_another_order() {
        let series = series();
        let shuffled = stretches_shuffled(&series, &[2, 4, 5], Seed(1));
        let sorted = |values: &[f32]| {
            let mut values = values.to_vec();
            values.sort_by(f32::total_cmp);
            values
        };
        assert_ne!(shuffled.unit(0), series.unit(2));
        assert_eq!(sorted(shuffled.unit(0)), sorted(series.unit(2)));
        assert_eq!((shuffled.length(1), shuffled.length(2)), (0, 1));
    }

    #[test]
    fn one_part_is_exchanged_and_the_others_stay() {
        let series = series();
        let parts = series_parts(2);
        assert_eq!((parts.len(), parts[8].as_str()), (10, "channel 1"));
        assert_eq!(series_parts(1).len(), 8);
        let units = [0, 1, 2, 3, 4];
        for part in &parts {
            let shuffled = part_shuffled(&series, &units, part, Seed(4)).unwrap();
            assert_ne!(bits(&shuffled)[..4], bits(&series)[..4], "{part}");
        }
        let channel = part_shuffled(&series, &units, "channel 2", Seed(4)).unwrap();
        assert_eq!(channel.unit(1)[..41], series.unit(1)[..41]);
        assert!(part_shuffled(&series, &units, "channel 3", Seed(4)).is_none());
    }
}
