//! Forecasts of counts from rolling origins, beside simple rules.
//!
//!     epidemic FOLDER [--first 15] [--furthest 14] [--report 3,7,14] [--seeds 0] [--with FOLDER ...] [--design JSON]
//!
//! FOLDER holds `values.csv` (a row a day, a column a region) and maybe `mobility.csv` (date, from, to, people). From the first `--first` days on, what comes next is
//! forecast day by day, by what was known until then: each model is fitted anew. A line is the mean absolute error a region, over the horizons from
//! 1 to 3, to 7 and to 14, and the numbers of origins at the nearest and furthest horizon.
//!
//! With `--seeds` a network of message passing over each day's edges, then memory over the days, is trained anew at each origin, too: so many times, and the mean of what
//! they say is a row of its own. It learns from the logarithms of counts. `--with` joins other countries to the one that is judged, by their dates: one network
//! learns from what was known of all of them on that day. `--design` changes the network (the fields of `SeriesDesign`).

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Task};
use candor_graph_series::{
    Anchor, Body, Correction, Rolled, Series, SeriesDesign, SeriesLearner, SeriesOptions,
    SeriesSource, SeriesUnits, growth_curves, growth_median, log_lag_forecast, read_series,
    roll_origins, together, weigh_by_past_errors,
};
use candor_train::{Assignment, Learner, Member};
use rayon::prelude::*;

/// The first origin of models that are weighed by their errors: early enough that some are known at the first origin that counts.
const WARM: usize = 8;

fn window_mean(past: &Series, furthest: usize, from: usize, to: usize) -> Vec<f32> {
    let nodes = past.nodes.len();
    let count = (to - from) as f32;
    let of = |node: usize| (from..to).map(|t| past.at(t as i64, node)).sum::<f32>() / count;
    (0..nodes).map(of).collect::<Vec<_>>().repeat(furthest)
}

fn smoothed(past: &Series, furthest: usize, weight: f32) -> Vec<f32> {
    let nodes = past.nodes.len();
    let mut level = past.values[..nodes].to_vec();
    for row in past.values.chunks_exact(nodes) {
        level
            .iter_mut()
            .zip(row)
            .for_each(|(l, v)| *l += weight * (v - *l));
    }
    level.repeat(furthest)
}

/// Days that the network looks back.
const HISTORY: usize = 7;

/// The network of the paper, small.
fn design() -> SeriesDesign {
    SeriesDesign {
        body: Body::MpnnLstm,
        width: 16,
        layers: 2,
        identity: 0,
        anchor: Anchor::None,
        dropout: 0.1,
        learning_rate: 5e-3,
        epochs: 40,
        batch: 8,
        ..SeriesDesign::default()
    }
}

/// What a network tells that is trained on all that the series show: counts by their logarithms, `[furthest, series]`.
fn network(past: &Series, furthest: usize, design: &SeriesDesign, seed: u64) -> Vec<f32> {
    let logs = Series {
        values: past.values.iter().map(|v| v.max(0.0).ln_1p()).collect(),
        ..past.clone()
    };
    let last = past.steps() - 1;
    // Of the latest origins only the nearer horizons are known.
    let origins: Vec<usize> = (HISTORY - 1..=last).collect();
    let units = SeriesUnits::at_origins(logs, HISTORY, (1..=furthest).collect(), &origins);
    let nodes = units.nodes();
    let train: Vec<usize> = (0..(origins.len() - 1) * nodes).collect();
    let asked: Vec<usize> = (train.len()..train.len() + nodes).collect();
    let truth = units.truth();
    let held = units.clone().units();
    let target = Target {
        task: Task::Regression,
        names: (1..=furthest).map(|h| format!("t+{h}")).collect(),
        classes: Vec::new(),
    };
    let assignment = Assignment {
        design: &design.to_design(),
        units: &held,
        targets: &truth,
        target: &target,
        metric: Metric::Mae,
        train: &train,
        validation: &[],
        seed: Seed(seed),
        clock: &Clock::unlimited(),
    };
    let fitted = SeriesLearner::new(&units)
        .expect("the space as it stands")
        .fit(&assignment);
    let member: Box<dyn Member> = fitted.unwrap_or_else(|e| panic!("{e}")).member;
    let said = member.predict(&held, &asked).and_then(|said| {
        said.mixture()
            .map_err(|e| candor_train::MemberError::Training(e.to_string()))
    });
    let Ok(Distribution::Gaussian { mean, .. }) = said else {
        panic!("the network says nothing");
    };
    let of = |ahead: usize| (0..nodes).map(move |node| (ahead, node));
    (0..furthest)
        .flat_map(of)
        .map(|(ahead, node)| mean[node * furthest + ahead].exp_m1().max(0.0))
        .collect()
}

fn main() {
    let (mut folder, mut first, mut furthest) = (String::new(), 15, 14);
    let mut report = vec![3, 7, 14];
    let (mut seeds, mut others, mut of_network) = (0u64, Vec::new(), design());
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().expect("a value");
        match name.as_str() {
            "--first" => first = value().parse().expect("a number"),
            "--furthest" => furthest = value().parse().expect("a number"),
            "--seeds" => seeds = value().parse().expect("a number"),
            "--with" => others.push(value()),
            "--design" => {
                let changes: serde_json::Value =
                    serde_json::from_str(&value()).expect("a design as JSON");
                let mut whole = serde_json::to_value(&of_network).expect("a design");
                for (name, value) in changes.as_object().expect("fields of a design") {
                    whole[name] = value.clone();
                }
                of_network = serde_json::from_value(whole).expect("a design");
            }
            "--report" => {
                let list = value();
                report = list
                    .split(',')
                    .map(|n| n.parse().expect("a number"))
                    .collect();
            }
            _ => folder = name,
        }
    }
    let read = |folder: &str| {
        let source = SeriesSource::detect(Path::new(folder), true).expect("a folder of series");
        let read = read_series(&source, &SeriesOptions::default());
        let read = read.unwrap_or_else(|e| panic!("{e}"));
        for finding in &read.findings {
            println!("{}: {}", finding.kind, finding.message);
        }
        read.series
    };
    let series = read(&folder);
    println!("{} series, {} moments", series.nodes.len(), series.steps());
    let line = |rolled: &Rolled| {
        let errors = report
            .iter()
            .map(|&to| format!("{:6.2}", rolled.up_to(&series, to, first)));
        println!(
            "{}  {:>3} {:>3}  {}",
            errors.collect::<Vec<_>>().join(" "),
            rolled.errors(&series, 1, first).len(),
            rolled.errors(&series, furthest, first).len(),
            rolled.name
        );
    };
    if seeds > 0 {
        let others: Vec<Series> = others.iter().map(|folder| read(folder)).collect();
        // The one that is judged comes first.
        let names: Vec<String> = (0..=others.len()).map(|n| n.to_string()).collect();
        let countries = std::iter::once(&series).chain(&others);
        let sources: Vec<_> = names.iter().map(String::as_str).zip(countries).collect();
        let all = together(&sources).expect("days");
        let start = |s: &Series| s.calendar.start.expect("days");
        let before = ((start(&series) - start(&all)) / 86_400.0).round() as usize;
        let origins: Vec<usize> = (first..series.steps()).collect();
        // `[origins, seeds]`
        let told: Vec<Vec<Vec<f32>>> = origins
            .par_iter()
            .map(|origin| {
                let known = all.head(before + origin);
                let own = |said: Vec<f32>| {
                    let rows = said.chunks_exact(all.nodes.len());
                    rows.flat_map(|row| row[..series.nodes.len()].to_vec())
                        .collect()
                };
                (0..seeds)
                    .map(|seed| own(network(&known, furthest, &of_network, seed)))
                    .collect()
            })
            .collect();
        let rolled = |name: String, of: &dyn Fn(&Vec<Vec<f32>>) -> Vec<f32>| Rolled {
            name,
            first,
            said: told.iter().map(of).collect(),
        };
        for seed in 0..seeds as usize {
            line(&rolled(format!("MPNN+LSTM, seed {seed}"), &|told| {
                told[seed].clone()
            }));
        }
        line(&rolled(
            "MPNN+LSTM, mean of the seeds".to_owned(),
            &|told| {
                let place = |place: usize| {
                    told.iter().map(|said| said[place]).sum::<f32>() / told.len() as f32
                };
                (0..told[0].len()).map(place).collect()
            },
        ));
        return;
    }
    let roll = |name: &str, forecast: &dyn Fn(&Series, usize) -> Vec<f32>| {
        let rolled = roll_origins(name, &series, WARM.min(first), furthest, forecast);
        line(&rolled);
        rolled
    };
    roll("mean of all days but the last", &|past, furthest| {
        window_mean(past, furthest, 0, past.steps() - 1)
    });
    roll("last day", &|past, furthest| {
        window_mean(past, furthest, past.steps() - 1, past.steps())
    });
    let week = roll("mean of the last 7 days", &|past, furthest| {
        window_mean(past, furthest, past.steps() - 7, past.steps())
    });
    let smooth = roll("exponential smoothing", &|past, furthest| {
        smoothed(past, furthest, 0.35)
    });
    let lags = roll("ridge on logarithms of lags", &|past, furthest| {
        log_lag_forecast(past, furthest, false)
    });
    let inflow = roll(
        "ridge on logarithms of lags and inflow",
        &|past, furthest| log_lag_forecast(past, furthest, true),
    );
    // Parts of the curves, to see what each is worth: the first has a level and the place in the week alone; each third one tends to no growth.
    roll("mean of the last 7 days, by weekday", &|past, furthest| {
        growth_curves(past, furthest).swap_remove(0)
    });
    roll("growth that fades to nothing", &|past, furthest| {
        let curves = growth_curves(past, furthest);
        let still: Vec<_> = curves.iter().step_by(3).collect();
        let middle = |place: usize| {
            let mut told: Vec<f32> = still.iter().map(|curve| curve[place]).collect();
            told.sort_by(f32::total_cmp);
            (told[(told.len() - 1) / 2] + told[told.len() / 2]) / 2.0
        };
        (0..furthest * past.nodes.len()).map(middle).collect()
    });
    let curves = roll("growth that fades", &growth_median);
    let corrected = Correction::ALL.map(|correction| {
        roll(correction.name(), &|past, furthest| {
            correction.forecast(past, furthest)
        })
    });
    let mut all = vec![&curves];
    all.extend(&corrected);
    line(&weigh_by_past_errors(
        "growth, by past errors",
        &series,
        &all,
    ));
    all.extend([&week, &smooth, &lags, &inflow]);
    line(&weigh_by_past_errors("all, by past errors", &series, &all));
}
