//! Whether series have lately changed. Readings depend on each other in time, so blocks of them are compared, and changes between blocks with
//! earlier changes between blocks: a random walk changes as it always did.

use candor_core::{Evidence, Finding, Severity};
use candor_data::moment_text;

use crate::{Calendar, Series};

/// Blocks of a series, at least.
const FEWEST_BLOCKS: usize = 8;
/// Earlier changes that a change is compared with, at least.
const FEWEST_CHANGES: usize = 5;
/// Probability of a false finding, over all series and moments that are looked at.
const LEVEL: f64 = 0.003;
/// Share of the blocks that are recent.
const RECENT: f64 = 0.25;
/// A shift of the level that is worth a word, in usual spreads within blocks.
const LEAST_SHIFT: f64 = 1.0;
/// A change of the spread that is worth a word, as a logarithm: by half.
const LEAST_SPREAD: f64 = 0.405;
/// The standard deviation of normal numbers, in medians of their sizes.
const NORMAL: f64 = 1.4826;
/// Series that are told with their numbers.
const TOLD: usize = 3;

/// A change of a series: where it is, what it was before and is since, and by how much: of the level in usual spreads, of the spread as a logarithm.
struct Change {
    node: usize,
    block: usize,
    before: f64,
    since: f64,
    size: f64,
}

/// What has lately changed in series; one finding a kind.
pub fn drift(series: &Series) -> Vec<Finding> {
    let Series {
        nodes,
        values,
        calendar,
        ..
    } = series;
    let steps = series.steps();
    let size = block_size(steps, calendar);
    let blocks = steps / size;
    if blocks < FEWEST_BLOCKS {
        return Vec::new();
    }
    let from = steps % size;
    let is_periodic = !calendar.periods.is_empty();
    let (mut shifts, mut spreads, mut still) = (Vec::new(), Vec::new(), Vec::new());
    for node in 0..nodes.len() {
        let column = values.iter().skip(from * nodes.len() + node);
        let column: Vec<f64> = column.step_by(nodes.len()).map(|v| f64::from(*v)).collect();
        if let Some(since) = still_since(&column, size) {
            still.push((node, from + since));
            continue;
        }
        let (levels, scatter) = blocks_of(&column, size, is_periodic);
        let usual = median(scatter.iter().copied());
        if usual.is_nan() || usual <= 0.0 {
            continue;
        }
        let found = |numbers: &[f64], least: f64, unit: f64, worth: f64| {
            let (block, before, since) = change(numbers, nodes.len(), least)?;
            let size = (since - before) / unit;
            (size.abs() >= worth).then_some(Change {
                node,
                block,
                before,
                since,
                size,
            })
        };
        shifts.extend(found(&levels, usual * 0.1, usual, LEAST_SHIFT));
        // NaN stays: a block that was not read has no spread.
        let logarithms: Vec<f64> = scatter.iter().map(|s| (s + usual * 1e-3).ln()).collect();
        spreads.extend(found(&logarithms, 0.05, 1.0, LEAST_SPREAD));
    }
    let moment = |moment: usize| when(moment, calendar);
    let when = |block: usize| moment(from + block * size);
    let mut findings = Vec::new();
    findings.extend(finding(
        "level-shift",
        "the level of",
        "look whether the sensor or the way of counting changed; if the new level stays, give less history and retrain often",
        nodes,
        shifts,
        when,
        |c| format!("from {} to {}, {:+.1} times its usual spread", number(c.before), number(c.since), c.size),
    ));
    findings.extend(finding(
        "spread-change",
        "the spread of",
        "look whether the sensor or the way of counting changed; intervals that were fitted before may be too narrow or too wide: retrain often",
        nodes,
        spreads,
        when,
        |c| format!("from {} to {}, {:.1} times as much", number(c.before.exp()), number(c.since.exp()), c.size.exp()),
    ));
    still.sort_by_key(|(_, since)| *since);
    findings.extend(still.first().map(|&(first, since)| Finding {
        kind: "stood-still".into(),
        severity: Severity::Warning,
        columns: still.iter().take(10).map(|(node, _)| nodes[*node].clone()).collect(),
        message: format!(
            "{} of {} series stand still in their last {size} moments or longer, though they always moved before: `{}` since {}",
            still.len(),
            nodes.len(),
            nodes[first],
            moment(since)
        ),
        evidence: Evidence {
            count: still.len(),
            ..Evidence::default()
        },
        remedy: "look whether the sensor is stuck; leave cells empty where nothing was read".into(),
        action: None,
    }));
    findings
}

/// The longest period that fits often enough, else about the root of the number of moments.
fn block_size(steps: usize, calendar: &Calendar) -> usize {
    let often = |times: usize| move |period: &&usize| steps / **period >= times;
    let periods = &calendar.periods;
    let found = periods.iter().rev().find(often(2 * FEWEST_BLOCKS));
    let found = found.or(periods.first());
    let root = (steps as f64).sqrt().round() as usize;
    found.copied().unwrap_or(root).max(2)
}

/// The moment since which a series is constant, if that is a block or longer, and at least twice as long as it ever was before, and it moved in
/// all earlier blocks. Zeros are no sensor that is stuck: counts end there, and what is dead is told of by itself.
fn still_since(column: &[f64], size: usize) -> Option<usize> {
    let (mut since, mut before, mut longest) = (0, f64::NAN, 0);
    for (moment, &value) in column.iter().enumerate() {
        if value.is_finite() && value != before {
            longest = longest.max(moment - since);
            (since, before) = (moment, value);
        }
    }
    let known = |block: &[f64]| block.iter().filter(|v| v.is_finite()).count();
    let moves = |block: &[f64]| {
        let mut values = block.iter().filter(|v| v.is_finite());
        let first = values.next()?;
        (2 * known(block) > size).then(|| values.any(|v| v != first))
    };
    let last = column.len() - since;
    let is_long =
        before != 0.0 && last >= size.max(2 * longest) && 2 * known(&column[since..]) > last;
    let moved: Vec<bool> = column[..since]
        .chunks_exact(size)
        .filter_map(moves)
        .collect();
    (is_long && moved.len() >= FEWEST_CHANGES && moved.iter().all(|moved| *moved)).then_some(since)
}

/// The median of each block, and how far its readings are from it, on average; their usual profile is taken off. NaN where few are known.
fn blocks_of(column: &[f64], size: usize, is_periodic: bool) -> (Vec<f64>, Vec<f64>) {
    let level = |block: &[f64]| {
        let known = || block.iter().copied().filter(|v| v.is_finite());
        if known().count() * 2 > size {
            median(known())
        } else {
            f64::NAN
        }
    };
    let mut levels: Vec<f64> = column.chunks_exact(size).map(level).collect();
    let mut profile = vec![(0.0, 0.0); if is_periodic { size } else { 0 }];
    for (block, level) in column.chunks_exact(size).zip(&levels) {
        for ((sum, count), value) in profile.iter_mut().zip(block) {
            if (value - level).is_finite() {
                *sum += value - level;
                *count += 1.0;
            }
        }
    }
    let usual = |slot: usize| {
        profile
            .get(slot)
            .map_or(0.0, |(sum, count)| sum / f64::max(*count, 1.0))
    };
    // Without its profile the median of a block is surer.
    for (block, level) in column.chunks_exact(size).zip(&mut levels) {
        let rests = block.iter().enumerate().map(|(slot, v)| v - usual(slot));
        if level.is_finite() {
            *level = median(rests);
        }
    }
    let blocks = column.chunks_exact(size).zip(&levels);
    let scatter = blocks.map(|(block, level)| {
        let rests = block
            .iter()
            .enumerate()
            .map(|(slot, v)| (v - level - usual(slot)).abs());
        let (sum, count) = rests
            .filter(|r| r.is_finite())
            .fold((0.0, 0.0), |(s, n), r| (s + r, n + 1.0));
        if level.is_finite() && count > 0.0 {
            sum / count
        } else {
            f64::NAN
        }
    });
    let scatter = scatter.collect();
    (levels, scatter)
}

/// The greatest of the recent changes, if it is greater than chance allows: the block behind which all is new, what was before it and is since.
///
/// A change is told from the mean of some blocks to that of as many behind the next, since it may lie within a block. Its unit is the median
/// size of the earlier ones; it is compared with Student's distribution.
fn change(numbers: &[f64], series: usize, least: f64) -> Option<(usize, f64, f64)> {
    let blocks = numbers.len();
    let width = (blocks / 16).max(1);
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let recent = ((blocks as f64 * (1.0 - RECENT)) as usize).min(blocks - width - 1);
    let at = |k: usize| mean(&numbers[k + 1..k + 1 + width]) - mean(&numbers[k - width..k]);
    let earlier = (width..recent.saturating_sub(width))
        .map(at)
        .filter(|d| d.is_finite());
    let count = earlier.clone().count();
    if count < FEWEST_CHANGES {
        return None;
    }
    let scale = (NORMAL * median(earlier.map(f64::abs))).max(least);
    let looked_at = recent..blocks - width;
    let (block, greatest) = looked_at
        .clone()
        .map(|k| (k, at(k)))
        .filter(|(_, d)| d.is_finite())
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    let freedom = (count as f64 / width as f64).max(3.0);
    if greatest.abs() < scale * bound(LEVEL / (2 * series * looked_at.len()) as f64, freedom) {
        return None;
    }
    let known = |of: &[f64]| median(of.iter().copied().filter(|v| v.is_finite()));
    let since = known(&numbers[block + 1..]);
    let before = known(&numbers[block.saturating_sub(blocks / 4)..block]);
    // What came back is no shift.
    let stays = (since - before) * greatest.signum() >= greatest.abs() / 2.0;
    stays.then_some((block, before, since))
}

/// What a number of Student's distribution is above with a small probability: the normal quantile far out (Abramowitz and Stegun 26.2.23), and its
/// expansion (26.7.5).
fn bound(probability: f64, freedom: f64) -> f64 {
    let t = (-2.0 * probability.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let z = t - above / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / freedom + second / freedom.powi(2)
}

/// NaN of none.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.filter(|v| v.is_finite()).collect();
    let middle = numbers.len() / 2;
    match numbers.is_empty() {
        true => f64::NAN,
        false => *numbers.select_nth_unstable_by(middle, f64::total_cmp).1,
    }
}

fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { 3 };
    format!("{value:.digits$}")
}

fn when(moment: usize, calendar: &Calendar) -> String {
    match calendar.start.zip(calendar.step) {
        Some((start, step)) => moment_text(start + moment as f64 * step),
        None => format!("moment {}", moment + 1),
    }
}

fn finding(
    kind: &str,
    what: &str,
    remedy: &str,
    nodes: &[String],
    mut changes: Vec<Change>,
    when: impl Fn(usize) -> String,
    told: impl Fn(&Change) -> String,
) -> Option<Finding> {
    changes.sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
    let (count, first) = (changes.len(), changes.first()?);
    let worst: Vec<String> = changes
        .iter()
        .take(TOLD)
        .map(|c| {
            format!(
                "`{}` {} since about {}",
                nodes[c.node],
                told(c),
                when(c.block)
            )
        })
        .collect();
    let message = if count > 1 && 2 * count > nodes.len() {
        format!(
            "{what} the series changed as a whole, {count} of {}, as in an epidemic or a holiday; most, {}",
            nodes.len(),
            worst[0]
        )
    } else {
        format!(
            "{what} {count} of {} series lately changed by more than it usually does: {}",
            nodes.len(),
            worst.join("; ")
        )
    };
    Some(Finding {
        kind: kind.into(),
        severity: Severity::Warning,
        columns: changes
            .iter()
            .take(10)
            .map(|c| nodes[c.node].clone())
            .collect(),
        message,
        evidence: Evidence {
            count,
            figure: format!("the greatest change: {:.2}", first.size),
            ..Evidence::default()
        },
        remedy: remedy.into(),
        action: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: usize = 20;
    const STEPS: usize = 2400;
    const SEEDS: u64 = 50;

    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            let size = (-2.0 * self.uniform().ln()).sqrt();
            size * (std::f64::consts::TAU * self.uniform()).cos()
        }

        fn count(&mut self, mean: f64) -> f64 {
            let (mut product, mut count) = (self.uniform(), 0.0);
            while product > (-mean).exp() {
                product *= self.uniform();
                count += 1.0;
            }
            count
        }
    }

    fn series_of(values: Vec<f32>, series: usize, calendar: Calendar) -> Series {
        Series {
            nodes: (0..series).map(|node| format!("s{node}")).collect(),
            values,
            calendar,
            graph: None,
            flows: None,
            known: None,
            places: None,
        }
    }

    fn simulated(what: &str, seed: u64) -> Series {
        let mut noise = Noise(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let mut values = vec![0.0; SERIES * STEPS];
        for node in 0..SERIES {
            let mut last = 0.0;
            for t in 0..STEPS {
                let fresh = noise.normal();
                last = match what {
                    "autoregressive" => 0.9 * last + fresh * 0.19f64.sqrt(),
                    "walk" => last + fresh,
                    "seasonal" => 5.0 * (t as f64 * std::f64::consts::TAU / 24.0).sin() + fresh,
                    "counts" => noise.count(4.0),
                    _ => fresh,
                };
                values[t * SERIES + node] = last as f32;
            }
        }
        let calendar = match what {
            "seasonal" => Calendar::from_times(0.0, 3600.0, STEPS),
            _ => Calendar::from_values(&[]),
        };
        series_of(values, SERIES, calendar)
    }

    /// Sets of which something is told, of all.
    fn share(what: &str, kind: Option<&str>, changed: impl Fn(f32) -> f32) -> f64 {
        let found = (0..SEEDS).filter(|&seed| {
            let mut series = simulated(what, seed + 20_001);
            for t in STEPS * 4 / 5..STEPS {
                let value = &mut series.values[t * SERIES + 3];
                *value = changed(*value);
            }
            let told = |f: &Finding, kind| f.kind == kind && f.columns.contains(&series.nodes[3]);
            let found = drift(&series);
            found.iter().any(|f| kind.is_none_or(|kind| told(f, kind)))
        });
        found.count() as f64 / SEEDS as f64
    }

    #[test]
    fn nothing_is_told_of_series_that_do_not_drift() {
        for what in ["white", "autoregressive", "seasonal", "walk", "counts"] {
            let share = share(what, None, |v| v);
            assert!(share <= 0.04, "{what}: {share}");
        }
    }

    #[test]
    fn drift_is_found() {
        for (what, up) in [("white", 3.0), ("seasonal", 3.0), ("counts", 6.0)] {
            let shifted = share(what, Some("level-shift"), |v| v + up);
            let still = share(what, Some("stood-still"), |_| 1.0);
            assert!(shifted >= 0.9 && still >= 0.9, "{what}: {shifted} {still}");
        }
        // Less sure than a level: of 49 blocks, ten have changed.
        let spread = |times: f32| share("white", Some("spread-change"), |v| times * v);
        let (doubled, tripled) = (spread(2.0), spread(3.0));
        assert!(doubled >= 0.5 && tripled >= 0.9, "{doubled} {tripled}");
    }

    #[test]
    fn what_is_not_known_is_no_drift() {
        let none = Calendar::from_values(&[]);
        for (value, series, steps) in [(f32::NAN, 3, 200), (1.0, 1, 500), (1.0, 2, 3), (1.0, 1, 0)]
        {
            let series = series_of(vec![value; series * steps], series, none.clone());
            assert!(drift(&series).is_empty());
        }
    }
}
