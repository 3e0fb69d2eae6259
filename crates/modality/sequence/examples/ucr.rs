//! Random kernels on sets of the UCR and UEA archives: fitted on the whole training file, judged on the test file.
//!
//!     cargo build --release --workspace --example ucr
//!     target/release/examples/ucr DATA/GunPoint DATA/OSULeaf --seeds 5
//!
//! Nothing is chosen on the test file: each kind of kernels is a line of its own. What a search chooses of them and of networks is judged by
//! `benches/peers/ucr.py`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_sequence::{SequenceLearner, SequenceUnits, SeriesSet, read_series};
use candor_train::{Assignment, Learner};

struct Set {
    series: SeriesSet,
    targets: Targets,
    target: Target,
    train: usize,
}

fn part(folder: &Path, part: &str) -> Result<PathBuf, Box<dyn Error>> {
    let name = folder.file_name().ok_or("a folder has no name")?;
    let stem = format!("{}_{part}.ts", name.to_string_lossy());
    let known = [stem.clone(), format!("{stem}.gz")].map(|name| folder.join(name));
    let found = known.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| format!("there is no {stem} in {}", folder.display()).into())
}

fn read(folder: &Path) -> Result<Set, Box<dyn Error>> {
    let first = read_series(&part(folder, "TRAIN")?, None)?;
    let second = read_series(&part(folder, "TEST")?, None)?;
    let train = first.series.len();
    let mut series = first.series;
    if !series.append(&second.series) {
        return Err("the two files have other channels".into());
    }
    let class = |table: &candor_data::Table| -> Vec<String> {
        let column = table.column(candor_sequence::CLASS).map(|c| &c.values);
        let text = |row| {
            column
                .and_then(|values| values.text(row))
                .unwrap_or_default()
        };
        (0..table.rows()).map(text).collect()
    };
    let all = [class(&first.table), class(&second.table)].concat();
    let mut classes = all.clone();
    classes.sort();
    classes.dedup();
    let target = Target {
        task: Task::Multiclass,
        names: vec![candor_sequence::CLASS.to_owned()],
        classes: classes.clone(),
    };
    let place = |class: &String| classes.binary_search(class).map_or(0, |place| place as u32);
    Ok(Set {
        series,
        targets: Targets::Classes(all.iter().map(place).collect()),
        target,
        train,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut seeds = 3;
    let mut folders = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => seeds = arguments.next().ok_or("--seeds needs a number")?.parse()?,
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    let kinds = [
        ("minirocket", 10_000, "training"),
        ("multirocket", 20_000, "training"),
        ("multirocket", 20_000, "series"),
        ("rocket", 10_000, "series"),
    ];
    for folder in folders {
        let set = read(&folder)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let learner = SequenceLearner::new(set.series.channels(), Task::Multiclass)?;
        let (train, all) = (set.train, set.series.len());
        let units = SequenceUnits::units(set.series);
        for (kernels, features, scaling) in kinds {
            let design = Design::new()
                .with("model", "random_kernels")
                .with("kernels", kernels)
                .with("features", features)
                .with("scaling", scaling);
            let (mut scores, mut seconds) = (Vec::new(), [0.0, 0.0]);
            for seed in 1..=seeds {
                let begun = Instant::now();
                let fitted = learner.fit(&Assignment {
                    design: &design,
                    units: &units,
                    targets: &set.targets,
                    target: &set.target,
                    metric: Metric::Accuracy,
                    train: &(0..train).collect::<Vec<_>>(),
                    validation: &[],
                    seed: Seed(seed),
                    clock: &Clock::unlimited(),
                })?;
                seconds[0] += begun.elapsed().as_secs_f64();
                let begun = Instant::now();
                let test: Vec<usize> = (train..all).collect();
                let said = fitted.member.predict(&units, &test)?.mixture()?;
                seconds[1] += begun.elapsed().as_secs_f64();
                scores.push(Metric::Accuracy.score(&said, &set.targets.select(&test))?);
            }
            let count = scores.len().max(1) as f64;
            let mean = scores.iter().sum::<f64>() / count;
            let sd = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count).sqrt();
            println!(
                "{name} {kernels} ({scaling}): accuracy {mean:.4} (sd {sd:.4} over {seeds} seeds); fit {:.2} s, test {:.2} s",
                seconds[0] / count,
                seconds[1] / count
            );
        }
    }
    Ok(())
}
