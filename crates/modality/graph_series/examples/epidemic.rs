//! Forecasts of counts from rolling origins, beside simple rules.
//!
//!     epidemic FOLDER [--first 15] [--furthest 14] [--report 3,7,14]
//!
//! FOLDER holds `values.csv` (a row a day, a column a region) and maybe `mobility.csv` (date, from, to, people). From the first `--first` days on, what comes next is
//! forecast day by day, by what was known until then: each model is fitted anew. A line is the mean absolute error a region, over the horizons from
//! 1 to 3, to 7 and to 14, and the numbers of origins at the nearest and furthest horizon.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use candor_graph_series::{
    Correction, Rolled, Series, SeriesOptions, SeriesSource, growth_curves, growth_median,
    log_lag_forecast, read_series, roll_origins, weigh_by_past_errors,
};

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

fn main() {
    let (mut folder, mut first, mut furthest) = (String::new(), 15, 14);
    let mut report = vec![3, 7, 14];
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().expect("a value");
        match name.as_str() {
            "--first" => first = value().parse().expect("a number"),
            "--furthest" => furthest = value().parse().expect("a number"),
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
    let source = SeriesSource::detect(Path::new(&folder), true).expect("a folder of series");
    let read = read_series(&source, &SeriesOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    for finding in &read.findings {
        println!("{}: {}", finding.kind, finding.message);
    }
    let series = read.series;
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
