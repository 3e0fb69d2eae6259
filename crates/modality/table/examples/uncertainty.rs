//! Ensemble, Laplace, dropout and evidential side by side: quality of what they say, and what it costs.
//!
//!     cargo build --release --workspace --example uncertainty
//!     target/release/examples/uncertainty uci DATA/uci_regression --sets bostonHousing,concrete --splits 0-19 --out rows.csv
//!     target/release/examples/uncertainty cubic --seeds 10
//!     target/release/examples/uncertainty digits --seeds 5
//!
//! `uci`: the given splits of sets of the UCI archive, in folders `NAME/data.txt.gz`, `NAME/splits.json.gz`. Of each split only the training
//! rows choose anything: each candidate design is trained on two folds of ten, the one with the best likelihood on what they leave out is
//! taken, and the price of evidence likewise; training stops early on a tenth of the training rows. The ensemble is five networks of that
//! design, each with a seed and a held-out tenth of its own. The likelihood is that of one normal distribution with the mixture's mean and
//! variance, in the target's own units: as told (`nll`), and with variances times the factor that is right on the held-out tenths, each told by
//! the network that did not learn from it (`scaled_nll`), as `candor fit` does it. Evidential networks tell Student distributions, of which Candor
//! serves the normal ones of the same means and variances; published figures are of the former (`student_nll`). One row a method and split is appended to the
//! file at once; splits that are there are not computed again. `--methods evidential` runs these alone, and `--designs rows.csv` takes each split's
//! design from an earlier file. One thread.
//!
//! `cubic`: `y = x³ + noise of 3`, from 20 and from 1,000 points between -4 and 4 (Hernández-Lobato & Adams 2015): how well the doubt of the
//! model parts points outside from points inside. `digits`: classes 0 to 6 are known; 7 to 9, and shuffled pixels, are strange.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::Path;
use std::time::Instant;

use candor_baselines::{FeatureKind, Matrix};
use candor_challenge::{CalibrationError, Recalibration, Uncertainty, Voice};
use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task, UncertaintyMethod};
use candor_data::{ReadOptions, Source, read_table};
use candor_design::Design;
use candor_nn::Weights;
use candor_table::{TableLearner, TableUnits};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberPrediction, Units};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;
/// Whether a method is asked for.
type Wanted<'a> = &'a dyn Fn(&str) -> bool;

/// Networks of an ensemble.
const MEMBERS: usize = 5;
/// Parts of the training rows, of which one is held out.
const FOLDS: usize = 10;
/// Folds on which a design is judged.
const JUDGED: usize = 2;
/// Prices of evidence that are tried.
const PRICES: [f64; 3] = [0.0, 0.01, 0.1];

struct Problem {
    learner: TableLearner,
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
}

impl Problem {
    fn new(matrix: Matrix, targets: Targets, classes: usize) -> Outcome<Problem> {
        let rows = matrix.rows();
        let (task, metric) = match classes {
            0 => (Task::Regression, Metric::Nll),
            _ => (Task::Multiclass, Metric::LogLoss),
        };
        Ok(Problem {
            learner: TableLearner::new(task)?,
            units: TableUnits::units(matrix, (0..rows).collect()),
            targets,
            target: Target {
                task,
                names: vec!["y".into()],
                classes: (0..classes).map(|class| class.to_string()).collect(),
            },
            metric,
        })
    }

    fn fit(
        &self,
        design: &Design,
        train: &[usize],
        validation: &[usize],
        seed: Seed,
    ) -> Outcome<FittedMember> {
        Ok(self.learner.fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric: self.metric,
            train,
            validation,
            seed,
            clock: &Clock::unlimited(),
        })?)
    }

    fn score(&self, metric: Metric, said: &Distribution, rows: &[usize]) -> Outcome<f64> {
        Ok(metric.score(said, &self.targets.select(rows))?)
    }
}

/// The designs among which each split chooses.
fn candidates() -> Vec<Value> {
    let of = |model: &str, numbers: &str, width: u32, dropout: f64, decay: f64, quantile: bool| {
        json!({ "model": model, "numbers": numbers, "width": width, "dropout": dropout,
            "weight_decay": decay, "quantile": quantile, "layers": 2, "learning_rate": 3e-3 })
    };
    vec![
        of("mlp", "plain", 64, 0.05, 0.01, false),
        of("mlp", "plain", 128, 0.1, 0.1, true),
        of("mlp", "piecewise", 128, 0.1, 0.01, true),
        of("mlp", "piecewise", 128, 0.3, 0.3, true),
        of("mlp", "periodic", 128, 0.1, 0.01, true),
        of("residual", "periodic", 64, 0.2, 0.1, true),
    ]
}

fn design(of: &Value) -> Outcome<Design> {
    Ok(serde_json::from_value(of.clone())?)
}

/// Rows by fold, in a random order.
fn folds(rows: &[usize], seed: Seed) -> Vec<Vec<usize>> {
    let mut rows = rows.to_vec();
    rows.shuffle(&mut seed.stream("folds", &[]));
    let start = |fold: usize| fold * rows.len() / FOLDS;
    (0..FOLDS)
        .map(|fold| rows[start(fold)..start(fold + 1)].to_vec())
        .collect()
}

fn without(folds: &[Vec<usize>], fold: usize) -> Vec<usize> {
    let others = folds.iter().enumerate().filter(|(i, _)| *i != fold);
    others.flat_map(|(_, rows)| rows.iter().copied()).collect()
}

/// The mean loss on the first held-out folds.
fn judged(problem: &Problem, design: &Design, folds: &[Vec<usize>], seed: Seed) -> Outcome<f64> {
    let mut loss = 0.0;
    for fold in 0..JUDGED {
        let seed = seed.derive("judged", &[fold as u64]);
        let fitted = problem.fit(design, &without(folds, fold), &folds[fold], seed)?;
        let said = fitted.member.predict(&problem.units, &folds[fold])?;
        loss += problem.score(problem.metric, &said.mixture()?, &folds[fold])? / JUDGED as f64;
    }
    Ok(loss)
}

/// The choice with the least loss; the only one is not judged.
fn best<T: Clone>(of: &[T], mut loss: impl FnMut(&T) -> Outcome<f64>) -> Outcome<T> {
    if let [only] = of {
        return Ok(only.clone());
    }
    let mut best: Option<(f64, &T)> = None;
    for choice in of {
        let loss = loss(choice)?;
        if loss.is_finite() && best.is_none_or(|(least, _)| loss < least) {
            best = Some((loss, choice));
        }
    }
    Ok(best.ok_or("no choice has a finite loss")?.1.clone())
}

const METHODS: [&str; 5] = [
    "one network",
    "ensemble",
    "laplace",
    "dropout",
    "evidential",
];

/// What a method says of the test rows, with seconds of training and of prediction.
struct Told {
    method: &'static str,
    said: Vec<MemberPrediction>,
    /// What makes its variances or probabilities right on the rows that its networks held out.
    repair: Recalibration,
    /// Of evidential networks of a number: degrees of freedom of the Student distributions of the test rows.
    freedom: Option<Vec<f64>>,
    training: f64,
    predicting: f64,
    choice: String,
}

impl Told {
    fn mixture(&self) -> Outcome<Distribution> {
        let voices: Vec<(f64, &Distribution)> = self.voices().map(|v| (v.weight, v.said)).collect();
        Ok(Distribution::mixture(&voices)?)
    }

    fn uncertainty(&self) -> Outcome<Uncertainty> {
        Ok(Uncertainty::of_voices(&self.voices().collect::<Vec<_>>())?)
    }

    fn voices(&self) -> impl Iterator<Item = Voice<'_>> {
        self.said.iter().flat_map(|prediction| {
            let weight = 1.0 / prediction.members.len() as f64;
            let own = prediction.aleatoric.as_deref();
            let members = prediction.members.iter().enumerate();
            members.map(move |(place, said)| Voice {
                weight,
                said,
                aleatoric: own.map(|own| own[place].as_slice()),
            })
        })
    }
}

/// The methods that are asked for on one split with the design `chosen`; `folds` are of the training rows.
fn methods(
    problem: &Problem,
    asked_for: Wanted,
    chosen: &Value,
    prices: &[f64],
    folds: &[Vec<usize>],
    test: &[usize],
    seed: Seed,
) -> Outcome<Vec<Told>> {
    let mut all = Vec::new();
    for name in METHODS.into_iter().filter(|name| asked_for(name)) {
        let method = name.parse().unwrap_or(UncertaintyMethod::Ensemble);
        let mut asked = chosen.clone();
        asked["uncertainty"] = json!(method.name());
        if method == UncertaintyMethod::Evidential {
            let priced = |price: &f64| {
                let mut tried = asked.clone();
                tried["evidence_price"] = json!(price);
                tried
            };
            let tried: Vec<Value> = prices.iter().map(priced).collect();
            asked = best(&tried, |tried| {
                judged(problem, &design(tried)?, folds, seed)
            })?;
        }
        let design = design(&asked)?;
        let count = if name == "ensemble" { MEMBERS } else { 1 };
        let (mut said, mut training, mut predicting) = (Vec::new(), 0.0, 0.0);
        let (mut held_out, mut freedom): (Option<Distribution>, _) = (None, None);
        for member in 0..count {
            let started = Instant::now();
            let own = seed.derive("member", &[member as u64]);
            let fitted = problem.fit(&design, &without(folds, member), &folds[member], own)?;
            training += started.elapsed().as_secs_f64();
            let started = Instant::now();
            said.push(fitted.member.predict(&problem.units, test)?);
            predicting += started.elapsed().as_secs_f64();
            if method == UncertaintyMethod::Evidential && !problem.target.task.is_classification() {
                freedom = Some(degrees_of_freedom(problem, &*fitted.member, test)?);
            }
            let of_fold = fitted.member.predict(&problem.units, &folds[member])?;
            match &mut held_out {
                Some(held_out) => held_out.append(&of_fold.mixture()?)?,
                None => held_out = Some(of_fold.mixture()?),
            }
        }
        let held_out = held_out.ok_or("no network")?;
        let truth = problem.targets.select(&folds[..count].concat());
        all.push(Told {
            method: name,
            said,
            repair: Recalibration::fit(&held_out, &truth)?,
            freedom,
            training,
            predicting,
            choice: asked.to_string().replace('"', "").replace(',', ";"),
        });
    }
    Ok(all)
}

/// Degrees of freedom of the Student distributions that an evidential network of a number tells, `2 alpha`. What is served of them are means and
/// variances alone: so a copy of the network is asked whose output for the mean is that for alpha.
fn degrees_of_freedom(problem: &Problem, member: &dyn Member, rows: &[usize]) -> Outcome<Vec<f64>> {
    const OUTPUTS: usize = 4;
    const ALPHA: usize = 2;
    let saved = member.save()?;
    let mut weights = Weights::from_safetensors(&saved.numbers)?;
    for name in ["head.linear.weight", "head.linear.bias"] {
        let (shape, values) = weights.get(name).ok_or("no head")?;
        let (shape, mut values) = (shape.to_vec(), values.to_vec());
        let lines = values.chunks_exact_mut(OUTPUTS);
        lines.for_each(|line| line[0] = line[ALPHA]);
        weights.put(name.into(), shape, values);
    }
    let copy = problem
        .learner
        .load(&saved.description, &weights.to_safetensors()?)?;
    let Distribution::Gaussian { mean, .. } = copy.predict(&problem.units, rows)?.mixture()? else {
        return Err("not numbers".into());
    };
    let scale = &saved.description["preparation"]["target_scale"];
    let scale: Vec<(f64, f64)> = serde_json::from_value(scale.clone())?;
    let (centre, sd) = *scale.first().ok_or("no scale")?;
    let alpha = |raw: f64| raw.exp().ln_1p() + 1e-6 + 1.5;
    let raw = mean.iter().map(|m| (f64::from(*m) - centre) / sd);
    Ok(raw.map(|raw| 2.0 * alpha(raw)).collect())
}

/// The mean negative log-likelihood of Student distributions of these means, variances and degrees of freedom.
fn student_nll(said: &Distribution, freedom: &[f64], truth: &Targets) -> Outcome<f64> {
    let (Distribution::Gaussian { mean, variance, .. }, Targets::Values { values, .. }) =
        (said, truth)
    else {
        return Err("not numbers".into());
    };
    let cells = mean.iter().zip(variance).zip(freedom).zip(values);
    let each = cells.map(|(((mean, variance), freedom), value)| {
        let squared_scale = f64::from(*variance) * (freedom - 2.0) / freedom;
        let error = f64::from(value - mean);
        let over = (error * error / (freedom * squared_scale)).ln_1p();
        let normaliser = ln_gamma(0.5 * freedom) - ln_gamma(0.5 * (freedom + 1.0));
        let width = (freedom * std::f64::consts::PI * squared_scale).ln();
        normaliser + 0.5 * width + 0.5 * (freedom + 1.0) * over
    });
    Ok(each.sum::<f64>() / mean.len() as f64)
}

/// By Stirling's series, eight steps further on.
fn ln_gamma(x: f64) -> f64 {
    let shift: f64 = (0..8).map(|i| (x + f64::from(i)).ln()).sum();
    let z = x + 8.0;
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1260.0 * z.powi(5));
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

/// The design of a split as the rows of an earlier run tell it.
fn design_of(rows: &str, set: &str, split: usize) -> Option<Value> {
    let start = format!("{set},{split},one network,");
    let row = rows.lines().find(|line| line.starts_with(&start))?;
    let (_, told) = row.split_once('{')?;
    let (told, _) = told.split_once('}')?;
    let pairs = told.split(';').filter_map(|pair| pair.split_once(':'));
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    Some(
        pairs
            .map(|(name, text)| (name.to_owned(), value(text)))
            .collect(),
    )
}

fn unzipped(path: &Path) -> Outcome<String> {
    let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// Features, targets, and the test rows of each split.
fn read_set(folder: &Path) -> Outcome<(Matrix, Targets, Vec<Vec<usize>>)> {
    let splits: Value = serde_json::from_str(&unzipped(&folder.join("splits.json.gz"))?)?;
    let features: Vec<usize> = serde_json::from_value(splits["features"].clone())?;
    let target: usize = serde_json::from_value(splits["target"].clone())?;
    let tests: Vec<Vec<usize>> = serde_json::from_value(splits["test_rows"].clone())?;
    let text = unzipped(&folder.join("data.txt.gz"))?;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let cells = line.split_whitespace().map(str::parse);
        let row: Vec<f64> = cells.collect::<Result<_, _>>()?;
        x.extend(features.iter().map(|&column| row[column] as f32));
        y.push(row[target] as f32);
    }
    let kinds = vec![FeatureKind::Numeric; features.len()];
    let matrix = Matrix::new(y.len(), kinds, x)?;
    let targets = Targets::Values {
        width: 1,
        values: y,
    };
    Ok((matrix, targets, tests))
}

fn uci(
    data: &Path,
    sets: &[String],
    splits: &[usize],
    (asked_for, designs): (Wanted, Option<&str>),
    out: &Path,
) -> Outcome<()> {
    let known = std::fs::read_to_string(out).unwrap_or_default();
    let done = |set: &str, split: usize| {
        let start = format!("{set},{split},");
        known.lines().any(|line| line.starts_with(&start))
    };
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(out)?;
    if known.is_empty() {
        let columns = "set,split,method,nll,scaled_nll,rmse,crps,training_seconds,predicting_seconds,tuning_seconds,test_rows,choice,student_nll";
        writeln!(file, "{columns}")?;
    }
    for set in sets {
        let (matrix, targets, tests) = read_set(&data.join(set))?;
        let problem = Problem::new(matrix, targets, 0)?;
        for &split in splits.iter().filter(|split| **split < tests.len()) {
            if done(set, split) {
                continue;
            }
            let test = &tests[split];
            let held_out: BTreeSet<usize> = test.iter().copied().collect();
            let rows = 0..problem.units.len();
            let train: Vec<usize> = rows.filter(|row| !held_out.contains(row)).collect();
            let seed = Seed(split as u64);
            let folds = folds(&train, seed);
            let started = Instant::now();
            let chosen = match designs.and_then(|rows| design_of(rows, set, split)) {
                Some(known) => known,
                None => best(&candidates(), |candidate| {
                    judged(&problem, &design(candidate)?, &folds, seed)
                })?,
            };
            let tuning = started.elapsed().as_secs_f64();
            let mut lines = String::new();
            for told in methods(&problem, asked_for, &chosen, &PRICES, &folds, test, seed)? {
                let said = told.mixture()?;
                let score = |metric| problem.score(metric, &said, test);
                let student = told
                    .freedom
                    .as_ref()
                    .map(|freedom| student_nll(&said, freedom, &problem.targets.select(test)));
                let student = student.transpose()?.map(|nll| format!("{nll:.5}"));
                writeln!(
                    lines,
                    "{set},{split},{},{:.5},{:.5},{:.6},{:.6},{:.2},{:.4},{tuning:.2},{},{},{}",
                    told.method,
                    score(Metric::Nll)?,
                    problem.score(Metric::Nll, &told.repair.apply(&said)?, test)?,
                    score(Metric::Rmse)?,
                    score(Metric::Crps)?,
                    told.training,
                    told.predicting,
                    test.len(),
                    told.choice,
                    student.unwrap_or_default(),
                )?;
            }
            file.write_all(lines.as_bytes())?;
            print!("{lines}");
        }
    }
    Ok(())
}

/// Probability that a strange unit has a greater score than a known one, ties by half.
fn auroc(known: &[f64], strange: &[f64]) -> f64 {
    let pairs = strange
        .iter()
        .flat_map(|s| known.iter().map(move |k| (s, k)));
    let wins: f64 = pairs
        .map(|(s, k)| f64::from(u8::from(s > k)) + 0.5 * f64::from(u8::from(s == k)))
        .sum();
    wins / (known.len() * strange.len()) as f64
}

fn plain(width: u32) -> Value {
    json!({ "model": "mlp", "layers": 2, "width": width, "numbers": "plain", "dropout": 0.1, "quantile": false,
        "weight_decay": 0.01, "learning_rate": 3e-3 })
}

fn cubic(seeds: u64) -> Outcome<()> {
    println!("points,seed,method,auroc_left,auroc_right,aleatoric_sd,training_seconds");
    for points in [20usize, 1_000] {
        for seed in (0..seeds).map(Seed) {
            let mut stream = seed.stream("cubic", &[points as u64]);
            let drawn = (0..points).map(|_| stream.random_range(-4.0..4.0f32));
            let mut x: Vec<f32> = drawn.collect();
            let mut noise = || (0..12).map(|_| stream.random::<f32>()).sum::<f32>() - 6.0;
            let mut y: Vec<f32> = x.iter().map(|x| x.powi(3) + 3.0 * noise()).collect();
            // Asked are 81 points inside, then 16 on each side.
            let grid = |from: i32, to: i32| (from..=to).map(|i| i as f32 / 10.0);
            x.extend(grid(-40, 40).chain(grid(-60, -45)).chain(grid(45, 60)));
            y.resize(x.len(), 0.0);
            let matrix = Matrix::new(x.len(), vec![FeatureKind::Numeric], x)?;
            let targets = Targets::Values {
                width: 1,
                values: y,
            };
            let problem = Problem::new(matrix, targets, 0)?;
            let folds = folds(&(0..points).collect::<Vec<_>>(), seed);
            let test: Vec<usize> = (points..problem.units.len()).collect();
            for told in methods(
                &problem,
                &|_| true,
                &plain(64),
                &[0.01],
                &folds,
                &test,
                seed,
            )? {
                let Uncertainty {
                    aleatoric,
                    epistemic,
                    ..
                } = told.uncertainty()?;
                let (inside, outside) = epistemic.split_at(81);
                let (left, right) = outside.split_at(16);
                println!(
                    "{points},{},{},{:.3},{:.3},{:.2},{:.2}",
                    seed.0,
                    told.method,
                    auroc(inside, left),
                    auroc(inside, right),
                    (aleatoric[..81].iter().sum::<f64>() / 81.0).sqrt(),
                    told.training
                );
            }
        }
    }
    Ok(())
}

fn digits(seeds: u64) -> Outcome<()> {
    let table = read_table(&Source::parse("@digits")?, &ReadOptions::default())?.table;
    let number = |column: &candor_data::Column, row| -> Outcome<f32> {
        Ok(column.values.text(row).unwrap_or_default().parse()?)
    };
    let (mut pixels, mut truth) = (Vec::new(), Vec::new());
    for row in 0..table.rows() {
        for column in &table.columns {
            match column.name.as_str() {
                "digit" => truth.push(number(column, row)? as u32),
                _ => pixels.push(number(column, row)?),
            }
        }
    }
    let width = table.columns.len() - 1;
    println!(
        "seed,method,log_loss,accuracy,ece,auroc_near,auroc_far,training_seconds,predicting_seconds"
    );
    for seed in (0..seeds).map(Seed) {
        let mut known: Vec<usize> = (0..truth.len()).filter(|&row| truth[row] < 7).collect();
        let near: Vec<usize> = (0..truth.len()).filter(|&row| truth[row] >= 7).collect();
        known.shuffle(&mut seed.stream("parts", &[]));
        let (held_out, train) = known.split_at(known.len() / 5);
        // Each held-out digit once more, its pixels in another order.
        let (mut x, mut y) = (pixels.clone(), truth.clone());
        for (place, &row) in held_out.iter().enumerate() {
            let mut shuffled = pixels[row * width..(row + 1) * width].to_vec();
            shuffled.shuffle(&mut seed.stream("pixels", &[place as u64]));
            x.extend(shuffled);
            y.push(0);
        }
        y.iter_mut().for_each(|class| *class = (*class).min(6));
        let kinds = vec![FeatureKind::Numeric; width];
        let matrix = Matrix::new(y.len(), kinds, x)?;
        let problem = Problem::new(matrix, Targets::Classes(y), 7)?;
        let far: Vec<usize> = (truth.len()..problem.units.len()).collect();
        let test = [held_out, &near[..], &far[..]].concat();
        for told in methods(
            &problem,
            &|_| true,
            &plain(128),
            &[1.0],
            &folds(train, seed),
            &test,
            seed,
        )? {
            let inside: Vec<usize> = (0..held_out.len()).collect();
            let said = told.mixture()?.select(&inside);
            let score = |metric| problem.score(metric, &said, held_out);
            let truth = problem.targets.select(held_out);
            let ece = CalibrationError::measure(&said, &truth, seed)?.expected;
            // One network has no doubt of itself: all its doubt is the score.
            let doubt = told.uncertainty()?;
            let doubt = match told.method {
                "one network" => doubt.total,
                _ => doubt.epistemic,
            };
            let (inside, outside) = doubt.split_at(held_out.len());
            let (near, far) = outside.split_at(near.len());
            println!(
                "{},{},{:.4},{:.4},{ece:.4},{:.4},{:.4},{:.2},{:.3}",
                seed.0,
                told.method,
                score(Metric::LogLoss)?,
                score(Metric::Accuracy)?,
                auroc(inside, near),
                auroc(inside, far),
                told.training,
                told.predicting
            );
        }
    }
    Ok(())
}

/// `0-4,7` as numbers.
fn numbers(text: &str) -> Outcome<Vec<usize>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        all.extend(from.parse::<usize>()?..=to.parse::<usize>()?);
    }
    Ok(all)
}

fn work(arguments: &[String]) -> Outcome<()> {
    let option = |name: &str| {
        let place = arguments.iter().position(|a| a == name)?;
        arguments.get(place + 1).cloned()
    };
    let seeds = option("--seeds").map_or(Ok(5), |text| text.parse())?;
    match arguments.first().map(String::as_str) {
        Some("uci") => {
            let data = arguments.get(1).ok_or("name the folder of the sets")?;
            let sets = option("--sets").unwrap_or_else(|| "bostonHousing".into());
            let sets: Vec<String> = sets.split(',').map(str::to_owned).collect();
            let splits = numbers(&option("--splits").unwrap_or_else(|| "0-19".into()))?;
            let out = option("--out").unwrap_or_else(|| "uci.csv".into());
            let wanted = option("--methods");
            let wanted: Option<Vec<&str>> = wanted.as_deref().map(|all| all.split(',').collect());
            let asked_for =
                |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
            let designs = option("--designs").map(std::fs::read_to_string);
            let designs = designs.transpose()?;
            let asked = (&asked_for as Wanted, designs.as_deref());
            uci(Path::new(data), &sets, &splits, asked, Path::new(&out))
        }
        Some("cubic") => cubic(seeds),
        Some("digits") => digits(seeds),
        _ => Err("say `uci FOLDER`, `cubic` or `digits`".into()),
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // One thread, so that what is measured is not disturbed.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let done = pool.install(|| work(&arguments).map_err(|error| error.to_string()));
    Ok(done?)
}
