//! Forecasts by every design made by hand, and by their ensemble, on parts that a protocol says.
//!
//!     forecast SOURCE --horizon 96 --history 336 --borders 8640,11520,14400 [--scale] [--seeds 3] [--only stid,dlinear] [--test]
//!
//! Moments before the first border are learned from, those until the second choose (early stopping, weights of the ensemble), those until the
//! third are judged; without `--test` only what chooses is shown. `--scale`: errors are counted in standard deviations of each series
//! before the first border. A line is MAE and MSE over all series, origins and horizons, mean and standard deviation over seeds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::path::Path;
use std::time::Instant;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph_series::{SeriesLearner, SeriesOptions, SeriesSource, SeriesUnits, read_series};
use candor_train::{Assignment, Learner, select_ensemble};

struct Arguments {
    source: String,
    horizons: Vec<usize>,
    history: usize,
    borders: [usize; 3],
    scale: bool,
    seeds: u64,
    only: Vec<String>,
    with: Vec<(String, String)>,
    metric: Metric,
    test: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        source: String::new(),
        horizons: (1..=12).collect(),
        history: 12,
        borders: [0; 3],
        scale: false,
        seeds: 1,
        only: Vec::new(),
        with: Vec::new(),
        metric: Metric::Mae,
        test: false,
    };
    let mut given = std::env::args().skip(1);
    let list = |text: String| -> Vec<usize> {
        text.split(',')
            .map(|n| n.parse().expect("a number"))
            .collect()
    };
    while let Some(name) = given.next() {
        let mut value = || given.next().expect("a value");
        match name.as_str() {
            "--horizon" => {
                let steps = list(value());
                found.horizons = if steps.len() == 1 {
                    (1..=steps[0]).collect()
                } else {
                    steps
                };
            }
            "--history" => found.history = value().parse().expect("a number"),
            "--borders" => found.borders = list(value()).try_into().expect("three borders"),
            "--scale" => found.scale = true,
            "--test" => found.test = true,
            "--seeds" => found.seeds = value().parse().expect("a number"),
            "--metric" => found.metric = value().parse().expect("a metric"),
            "--only" => found.only = value().split(',').map(str::to_owned).collect(),
            "--with" => {
                let pairs = value();
                let pairs = pairs
                    .split(',')
                    .map(|pair| pair.split_once('=').expect("NAME=VALUE"));
                found.with = pairs
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
            }
            _ => found.source = name,
        }
    }
    found
}

/// Mean absolute and mean square error, each series in its scale.
fn errors(said: &Distribution, truth: &Targets, nodes: &[usize], scales: &[f64]) -> [f64; 2] {
    let (Distribution::Gaussian { mean, .. }, Targets::Values { width, values }) = (said, truth)
    else {
        unreachable!("series are numbers")
    };
    let (mut absolute, mut square, mut count) = (0.0, 0.0, 0usize);
    for (i, (said, truth)) in mean.iter().zip(values).enumerate() {
        let error = f64::from(said - truth) / scales[nodes[i / width]];
        if error.is_finite() {
            (absolute, square, count) = (absolute + error.abs(), square + error * error, count + 1);
        }
    }
    [absolute / count as f64, square / count as f64]
}

fn main() {
    let given = arguments();
    let source = SeriesSource::detect(Path::new(&given.source), true).expect("a source of series");
    let read = read_series(&source, &SeriesOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let series = read.series;
    let (nodes, furthest) = (series.nodes.len(), *given.horizons.last().unwrap());
    let [a, b, c] = given.borders;
    let scales: Vec<f64> = (0..nodes)
        .map(|node| {
            let known: Vec<f64> = (0..a)
                .map(|t| f64::from(series.at(t as i64, node)))
                .filter(|v| v.is_finite())
                .collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let sd =
                (known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / known.len() as f64).sqrt();
            if given.scale { sd } else { 1.0 }
        })
        .collect();
    let units = SeriesUnits::learnable(series, given.history, given.horizons.clone(), 1);
    let inside = |from: usize, to: usize| -> Vec<usize> {
        let all = units.which.iter().enumerate();
        let chosen = all.filter(|(_, (window, _))| {
            let end = units.windows[*window as usize].end as usize;
            end + 1 >= from && end + furthest < to
        });
        chosen.map(|(unit, _)| unit).collect()
    };
    let (train, validation) = (inside(0, a), inside(a, b));
    let judged = if given.test {
        inside(b, c)
    } else {
        validation.clone()
    };
    eprintln!(
        "{} units learned from, {} choose, {} judged",
        train.len(),
        validation.len(),
        judged.len()
    );
    let targets = units.truth();
    let target = Target {
        task: Task::Regression,
        names: given.horizons.iter().map(|h| format!("t+{h}")).collect(),
        classes: Vec::new(),
    };
    let learner = SeriesLearner::new(&units).unwrap();
    let held = units.clone().units();
    let of = |rows: &[usize]| -> Vec<usize> {
        rows.iter().map(|&i| units.which[i].1 as usize).collect()
    };
    let (judged_nodes, validation_nodes) = (of(&judged), of(&validation));
    let (truth, validation_truth) = (targets.select(&judged), targets.select(&validation));
    let mut ensembles = Vec::new();
    let hand_made = learner.hand_made();
    let mut lines: Vec<Vec<[f64; 2]>> = vec![Vec::new(); hand_made.len()];
    for seed in 0..given.seeds {
        let mut candidates = Vec::new();
        for (place, made) in hand_made.iter().enumerate() {
            let model = made
                .design
                .get("model")
                .and_then(|m| m.as_str())
                .unwrap_or_default();
            if !given.only.is_empty() && !given.only.iter().any(|only| only == model) {
                continue;
            }
            let mut design: Design = made.design.clone();
            for (name, value) in &given.with {
                if !made.baseline && design.get(name).is_some() {
                    let value: serde_json::Value =
                        serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into());
                    design = design.with(name.as_str(), value);
                }
            }
            let started = Instant::now();
            let fitted = learner.fit(&Assignment {
                design: &design,
                units: &held,
                targets: &targets,
                target: &target,
                metric: given.metric,
                train: &train,
                validation: &validation,
                seed: Seed(seed),
                clock: &Clock::unlimited(),
            });
            let fitted = fitted.unwrap_or_else(|e| panic!("{}: {e}", made.name));
            let seconds = started.elapsed().as_secs_f64();
            let say = |rows: &[usize]| {
                fitted
                    .member
                    .predict(&held, rows)
                    .unwrap()
                    .mixture()
                    .unwrap()
            };
            let (on_judged, on_validation) = (say(&judged), say(&validation));
            let own = errors(&on_judged, &truth, &judged_nodes, &scales);
            let epochs = fitted.history.last().map_or(0.0, |e| e.epoch);
            println!(
                "seed {seed}  MAE {:.4}  MSE {:.4}  {seconds:6.1} s {epochs:4.0} epochs  {}",
                own[0], own[1], made.name
            );
            lines[place].push(own);
            candidates.push((made.name, on_validation, on_judged));
        }
        let views: Vec<&Distribution> = candidates.iter().map(|c| &c.1).collect();
        let place = usize::from(given.metric != Metric::Mae);
        let loss =
            |d: &Distribution| errors(d, &validation_truth, &validation_nodes, &scales)[place];
        let ensemble = select_ensemble(&views, loss, 30, 6).unwrap().unwrap();
        let parts: Vec<(f64, &Distribution)> = ensemble
            .members
            .iter()
            .map(|(i, w)| (*w, &candidates[*i].2))
            .collect();
        let mixed = Distribution::mixture(&parts).unwrap();
        let own = errors(&mixed, &truth, &judged_nodes, &scales);
        println!(
            "seed {seed}  MAE {:.4}  MSE {:.4}  ensemble",
            own[0], own[1]
        );
        for (i, weight) in &ensemble.members {
            println!("    {:3.0} %  {}", 100.0 * weight, candidates[*i].0);
        }
        ensembles.push(own);
    }
    let summary = |name: &str, runs: &[[f64; 2]]| {
        let column = |i: usize| -> (f64, f64) {
            let mean = runs.iter().map(|r| r[i]).sum::<f64>() / runs.len() as f64;
            let sd = (runs.iter().map(|r| (r[i] - mean).powi(2)).sum::<f64>() / runs.len() as f64)
                .sqrt();
            (mean, sd)
        };
        let ((mae, mae_sd), (mse, mse_sd)) = (column(0), column(1));
        println!("MAE {mae:.4} ± {mae_sd:.4}  MSE {mse:.4} ± {mse_sd:.4}  {name}");
    };
    println!();
    for (made, runs) in hand_made.iter().zip(&lines) {
        if !runs.is_empty() {
            summary(made.name, runs);
        }
    }
    summary("ensemble", &ensembles);
}
