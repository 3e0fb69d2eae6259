//! What is wrong with series, beyond what their table shows.

use std::collections::HashMap;

use candor_core::{Evidence, Finding, Severity, Targets};

use crate::SeriesSet;

const CONSTANT: &str = "constant-series";
const DUPLICATES: &str = "duplicate-series";
const LENGTHS: &str = "series-lengths";
const MISSING: &str = "missing-readings";
const TOLD: &str = "class-told-by-one-number";
const DRIFT: &str = "series-drift";
const ACROSS: &str = "series-across-parts";

/// The kinds of findings of [`curate_series`] and [`series_across`].
pub fn series_check_names() -> [&'static str; 7] {
    [CONSTANT, DUPLICATES, LENGTHS, MISSING, TOLD, DRIFT, ACROSS]
}

/// Series that have no reading, and why no model can learn from them.
pub fn unusable_series(series: &SeriesSet) -> Vec<(usize, String)> {
    let without = |&unit: &usize| series.unit(unit).iter().all(|v| v.is_nan());
    (0..series.len())
        .filter(without)
        .map(|unit| (unit, "the series has no reading".to_owned()))
        .collect()
}

/// Rows that a finding names.
const SHOWN: usize = 20;

fn finding(
    kind: &str,
    severity: Severity,
    units: &[usize],
    message: String,
    figure: String,
    remedy: &str,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        columns: Vec::new(),
        message,
        evidence: Evidence {
            rows: units.iter().take(SHOWN).map(|unit| unit + 1).collect(),
            count: units.len(),
            figure,
        },
        remedy: remedy.to_owned(),
        action: None,
    }
}

/// What a person counts: `1 series is`, `3 series are`.
fn are(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 series {one}"),
        count => format!("{count} series {many}"),
    }
}

/// Looks at all series, whose targets are known but for `without`.
pub fn curate_series(series: &SeriesSet, targets: &Targets, without: &[usize]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let all = 0..series.len();
    let facts: Vec<Facts> = all.clone().map(|unit| Facts::of(series, unit)).collect();

    let constant: Vec<usize> = all
        .clone()
        .filter(|&unit| facts[unit].known > 0 && facts[unit].constant)
        .collect();
    if !constant.is_empty() {
        let are = are(constant.len(), "never changes", "never change");
        findings.push(finding(
            CONSTANT,
            Severity::Warning,
            &constant,
            format!("{are}: a sensor that stood still, or no signal"),
            format!("{} of {}", constant.len(), series.len()),
            "leave them out if nothing was measured",
        ));
    }
    findings.extend(duplicates(series, targets, without));
    findings.extend(lengths(series));
    let gaps: Vec<usize> = all
        .clone()
        .filter(|&unit| facts[unit].known > 0 && facts[unit].missing > 0)
        .collect();
    if !gaps.is_empty() {
        let missing: usize = facts.iter().map(|f| f.missing).sum();
        let share = missing as f64 / series.numbers().max(1) as f64;
        findings.push(Finding {
            action: Some(
                "gaps are filled on straight lines, and networks see where they were".to_owned(),
            ),
            ..finding(
                MISSING,
                if share > 0.2 {
                    Severity::Warning
                } else {
                    Severity::Note
                },
                &gaps,
                format!("{} missing readings", are(gaps.len(), "has", "have")),
                format!("{:.1} % of all readings", 100.0 * share),
                "look whether readings are missing more often where the answer is one or the other",
            )
        });
    }
    findings.extend(told(&facts, targets, without));
    findings.extend(drift(&facts, targets, without));
    findings
}

/// Equal series in several parts: 0 is learned from, 1 is tested on, 2 calibrates.
pub fn series_across(series: &SeriesSet, parts: &[Option<u8>]) -> Vec<Finding> {
    let mut across = Vec::new();
    for group in equal(series) {
        let mut seen: Vec<u8> = group
            .iter()
            .filter_map(|&unit| parts.get(unit).copied()?)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() > 1 {
            across.extend(group.into_iter().filter(|&unit| parts[unit] != Some(0)));
        }
    }
    across.sort_unstable();
    if across.is_empty() {
        return Vec::new();
    }
    let are = are(across.len(), "is", "are");
    vec![finding(
        ACROSS,
        Severity::Serious,
        &across,
        format!("{are} judged on, and also learned from, reading for reading"),
        format!("{} copies", across.len()),
        "leave the copies out of one part; the scores on that part flatter the model",
    )]
}

/// Some numbers of one series.
struct Facts {
    length: usize,
    known: usize,
    missing: usize,
    constant: bool,
    mean: f64,
    sd: f64,
}

impl Facts {
    fn of(series: &SeriesSet, unit: usize) -> Facts {
        let readings = || series.unit(unit).iter().filter(|v| !v.is_nan());
        let known = readings().count();
        let count = known.max(1) as f64;
        let mean = readings().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = readings()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / count;
        let still = |channel: &[f32]| {
            let mut known = channel.iter().filter(|v| !v.is_nan());
            let first = known.next();
            known.all(|v| Some(v) == first)
        };
        Facts {
            length: series.length(unit),
            known,
            missing: series.unit(unit).len() - known,
            // One reading alone cannot change.
            constant: series.length(unit) > 1 && series.channels_of(unit).all(still),
            mean,
            sd: variance.sqrt(),
        }
    }
}

/// Groups of equal series, each ascending, in the order of their first.
fn equal(series: &SeriesSet) -> Vec<Vec<usize>> {
    let mut groups: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for unit in 0..series.len() {
        let readings = series.unit(unit);
        if readings.iter().all(|v| v.is_nan()) {
            continue;
        }
        let key = readings.iter().map(|v| {
            if v.is_nan() {
                u32::MAX
            } else {
                (v + 0.0).to_bits()
            }
        });
        groups.entry(key.collect()).or_default().push(unit);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    groups.sort();
    groups
}

fn duplicates(series: &SeriesSet, targets: &Targets, without: &[usize]) -> Option<Finding> {
    let groups = equal(series);
    let further: Vec<usize> = groups.iter().flat_map(|g| &g[1..]).copied().collect();
    if further.is_empty() {
        return None;
    }
    let known = |unit: &usize| !without.contains(unit);
    let differs = |group: &&Vec<usize>| match targets {
        Targets::Classes(classes) => {
            let mut own: Vec<u32> = group
                .iter()
                .filter(|u| known(u))
                .map(|&u| classes[u])
                .collect();
            own.sort_unstable();
            own.dedup();
            own.len() > 1
        }
        _ => false,
    };
    let contradictions = groups.iter().filter(differs).count();
    let are = are(further.len(), "is a copy", "are copies");
    let mut message = format!("{are} of another, reading for reading");
    if contradictions > 0 {
        message.push_str(&format!(
            "; {contradictions} groups of copies have several classes"
        ));
    }
    let severity = match contradictions {
        0 => Severity::Note,
        _ => Severity::Warning,
    };
    let remedy = "keep one of each; where classes differ, find out which is right";
    let figure = format!("{} groups", groups.len());
    Some(finding(
        DUPLICATES, severity, &further, message, figure, remedy,
    ))
}

fn lengths(series: &SeriesSet) -> Option<Finding> {
    let mut lengths: Vec<usize> = (0..series.len()).map(|unit| series.length(unit)).collect();
    lengths.sort_unstable();
    let (first, last) = (*lengths.first()?, *lengths.last()?);
    if first == last {
        return None;
    }
    let middle = lengths[lengths.len() / 2];
    let strange: Vec<usize> = (0..series.len())
        .filter(|&unit| 4 * series.length(unit) < middle || series.length(unit) > 4 * middle)
        .collect();
    let severity = if strange.is_empty() {
        Severity::Note
    } else {
        Severity::Warning
    };
    Some(Finding {
        action: Some("models see each as long as it is".to_owned()),
        ..finding(
            LENGTHS,
            severity,
            &strange,
            format!("series have {first} to {last} readings, {middle} in the middle"),
            format!(
                "{} are four times shorter or longer than that",
                strange.len()
            ),
            "make sure that series were not cut off, and that readings are equally far apart in all of them",
        )
    })
}

/// Series below which nothing is said of what tells classes.
const FEWEST: usize = 30;
/// Share of classes that one number must tell.
const TELLS: f64 = 0.97;

/// Whether a class is told by one number alone, which is seldom what was meant.
fn told(facts: &[Facts], targets: &Targets, without: &[usize]) -> Vec<Finding> {
    let Targets::Classes(classes) = targets else {
        return Vec::new();
    };
    let units: Vec<usize> = (0..facts.len())
        .filter(|unit| !without.contains(unit) && facts[*unit].known > 0)
        .collect();
    let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
    let mut sizes = vec![0usize; count];
    units
        .iter()
        .for_each(|&unit| sizes[classes[unit] as usize] += 1);
    let commonest = sizes.iter().max().copied().unwrap_or(0) as f64 / units.len().max(1) as f64;
    if units.len() < FEWEST || commonest > 0.9 {
        return Vec::new();
    }
    type Number = fn(&Facts) -> f64;
    let numbers: [(&str, Number); 3] = [
        ("length", |f| f.length as f64),
        ("share of missing readings", |f| f.missing as f64),
        ("mean", |f| f.mean),
    ];
    let telling = numbers.into_iter().filter_map(|(name, number)| {
        let share = neighbours_agree(&units, classes, |unit| number(&facts[unit]));
        (share >= TELLS).then(|| {
            finding(
                TOLD,
                Severity::Warning,
                &[],
                format!("the class of nearly every series is told by its {name} alone"),
                format!("{:.1} % have the class of their neighbours in it", 100.0 * share),
                "make sure that it will be so in use, too: recordings that were cut or scaled class by class look like this",
            )
        })
    });
    telling.collect()
}

/// The share of units whose class most of those with about the same number have: of all with an equal number, or of the two on each side.
fn neighbours_agree(units: &[usize], classes: &[u32], number: impl Fn(usize) -> f64) -> f64 {
    let mut sorted = units.to_vec();
    sorted.sort_by(|&a, &b| number(a).total_cmp(&number(b)));
    let mut agree = 0;
    for (place, &unit) in sorted.iter().enumerate() {
        let own = number(unit);
        let mut low = place.saturating_sub(2);
        let mut high = (place + 3).min(sorted.len());
        while low > 0 && number(sorted[low - 1]) == own {
            low -= 1;
        }
        while high < sorted.len() && number(sorted[high]) == own {
            high += 1;
        }
        let others = || sorted[low..high].iter().filter(|&&other| other != unit);
        let same = others()
            .filter(|&&other| classes[other] == classes[unit])
            .count();
        agree += usize::from(2 * same > others().count());
    }
    agree as f64 / sorted.len().max(1) as f64
}

/// Rank correlation with the order of the file that is worth telling.
const DRIFTS: f64 = 0.5;

/// Whether later series are unlike earlier ones, beyond what their classes explain.
fn drift(facts: &[Facts], targets: &Targets, without: &[usize]) -> Option<Finding> {
    let mut units: Vec<usize> = (0..facts.len())
        .filter(|unit| !without.contains(unit) && facts[*unit].known > 0)
        .collect();
    if let Targets::Classes(classes) = targets {
        // Files are often sorted by class: order counts within each.
        units.sort_by_key(|&unit| (classes[unit], unit));
    }
    let class = |unit: usize| match targets {
        Targets::Classes(classes) => classes[unit],
        _ => 0,
    };
    type Number = fn(&Facts) -> f64;
    let numbers: [(&str, Number); 2] = [("mean", |f| f.mean), ("standard deviation", |f| f.sd)];
    let mut worst: Option<(f64, &str)> = None;
    for (name, number) in numbers {
        let (mut sum, mut size) = (0.0, 0usize);
        for group in units.chunk_by(|&a, &b| class(a) == class(b)) {
            if group.len() >= FEWEST {
                let values: Vec<f64> = group.iter().map(|&unit| number(&facts[unit])).collect();
                sum += rank_correlation(&values) * group.len() as f64;
                size += group.len();
            }
        }
        let mean = sum / size.max(1) as f64;
        if mean.abs() >= DRIFTS && worst.is_none_or(|(most, _)| mean.abs() > most.abs()) {
            worst = Some((mean, name));
        }
    }
    let (correlation, name) = worst?;
    Some(finding(
        DRIFT,
        Severity::Warning,
        &[],
        format!("the {name} of series changes with their order in the file, within each class"),
        format!("rank correlation {correlation:.2}"),
        "find out what changed between recordings; test on the latest ones if the model will be used on later ones still",
    ))
}

/// Spearman's, of numbers with their order.
fn rank_correlation(values: &[f64]) -> f64 {
    let mut sorted: Vec<usize> = (0..values.len()).collect();
    sorted.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for equal in sorted.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = place as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&unit| ranks[unit] = rank);
        place += equal.len();
    }
    let middle = (values.len().max(1) - 1) as f64 / 2.0;
    let (mut both, mut own, mut order) = (0.0, 0.0, 0.0);
    for (place, rank) in ranks.into_iter().enumerate() {
        let (a, b) = (rank - middle, place as f64 - middle);
        both += a * b;
        own += a * a;
        order += b * b;
    }
    if own > 0.0 && order > 0.0 {
        both / (own * order).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn noise(count: usize, length: usize) -> Vec<Vec<f32>> {
        let mut rng = Seed(3).stream("noise", &[]);
        let one = |rng: &mut rand_chacha::ChaCha8Rng| (0..length).map(|_| rng.random()).collect();
        (0..count).map(|_| one(&mut rng)).collect()
    }

    fn kinds(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|f| f.kind.as_str()).collect()
    }

    #[test]
    fn nothing_is_said_of_sound_series() {
        let series = SeriesSet::of_one_channel(&noise(80, 20));
        let targets = Targets::Classes((0..80).map(|i| i % 2).collect());
        let found = curate_series(&series, &targets, &[]);
        assert!(found.is_empty(), "{found:?}");
        assert!(unusable_series(&series).is_empty());
        assert!(series_across(&series, &[Some(0); 80]).is_empty());
    }

    #[test]
    fn each_fault_is_found() {
        let mut rows = noise(60, 20);
        rows[3] = vec![0.5; 20];
        rows[5] = rows[4].clone();
        rows[6][2] = f32::NAN;
        rows[7] = vec![f32::NAN; 20];
        rows[8].truncate(3);
        let series = SeriesSet::of_one_channel(&rows);
        let targets = Targets::Classes((0..60).map(|i| i % 2).collect());
        let found = curate_series(&series, &targets, &[]);
        assert_eq!(kinds(&found), [CONSTANT, DUPLICATES, LENGTHS, MISSING]);
        assert_eq!(found[0].evidence.rows, [4]);
        assert_eq!(found[1].evidence.rows, [6]);
        assert!(
            found[1].message.contains("several classes"),
            "{}",
            found[1].message
        );
        assert_eq!(found[2].evidence.rows, [9]);
        assert_eq!(found[3].evidence.rows, [7]);
        assert_eq!(
            unusable_series(&series),
            [(7, "the series has no reading".to_owned())]
        );
        let mut parts = vec![Some(0); 60];
        parts[5] = Some(1);
        let across = series_across(&series, &parts);
        assert_eq!(
            (across[0].kind.as_str(), across[0].evidence.rows.as_slice()),
            (ACROSS, &[6][..])
        );
        for found in found {
            assert!(series_check_names().contains(&found.kind.as_str()));
        }
    }

    #[test]
    fn a_class_that_the_length_tells_and_an_order_that_drifts_are_found() {
        let mut rows = noise(80, 20);
        let classes: Vec<u32> = (0..80).map(|i| i / 40).collect();
        for (place, row) in rows.iter_mut().enumerate() {
            if classes[place] == 1 {
                row.truncate(17);
            }
            let drift = (place % 40) as f32 * 0.1;
            row.iter_mut().for_each(|v| *v += drift);
        }
        let series = SeriesSet::of_one_channel(&rows);
        let found = curate_series(&series, &Targets::Classes(classes), &[]);
        assert_eq!(kinds(&found), [LENGTHS, TOLD, DRIFT]);
        assert!(found[1].message.contains("length"), "{}", found[1].message);
        assert!(found[2].message.contains("mean"), "{}", found[2].message);
    }
}
