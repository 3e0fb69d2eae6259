use candor_design::Design;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::networks::{PIXELS, Rows, digits, together};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;
use crate::report::{Axis, Plot};

/// Shares of the training labels that are wrong.
const WRONG: [f64; 6] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5];
/// Shares of the training rows that there are.
const LEFT: [f64; 5] = [1.0, 0.5, 0.2, 0.1, 0.05];
const TRAIN: usize = 1200;
const CLASSES: usize = 10;
const VOICES: usize = 5;

/// A simple model on good data against the best one on bad data.
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let (pictures, labels) = digits()?;
    let repeats = bench.settings.repeats;
    let none = || [vec![Vec::new(); WRONG.len()], vec![Vec::new(); WRONG.len()]];
    let (mut by_chance, mut by_rule) = (none(), none());
    let mut by_left = [vec![Vec::new(); LEFT.len()], vec![Vec::new(); LEFT.len()]];
    let steps = 2 * WRONG.len() + LEFT.len();
    for repeat in 0..repeats {
        let seed = bench.seed("garbage", repeat);
        let mut done = repeat * steps;
        let mut progress = || {
            done += 1;
            bench.progress(done, repeats * steps);
        };
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut seed.stream("parts", &[]));
        let (learned, test) = order.split_at(TRAIN);
        for (name, scores) in [("chance", &mut by_chance), ("rule", &mut by_rule)] {
            for (at, share) in WRONG.iter().enumerate() {
                let mut random = seed.stream(name, &[at as u64]);
                let mut given = labels.clone();
                for &row in learned {
                    if random.random::<f64>() < *share {
                        let step = match name {
                            "chance" => random.random_range(1..CLASSES as u32),
                            _ => 1,
                        };
                        given[row] = (labels[row] + step) % CLASSES as u32;
                    }
                }
                let rows = Rows::of_classes(pictures.clone(), PIXELS, given, CLASSES)?;
                let both = both(bench, &rows, learned, test, seed.derive(name, &[at as u64]))?;
                let models = scores.iter_mut().zip(both);
                models.for_each(|(scores, score)| scores[at].push(score));
                progress();
            }
        }
        let rows = Rows::of_classes(pictures.clone(), PIXELS, labels.clone(), CLASSES)?;
        for (at, share) in LEFT.iter().enumerate() {
            let few = &learned[..(share * TRAIN as f64) as usize];
            let both = both(bench, &rows, few, test, seed.derive("few", &[at as u64]))?;
            let models = by_left.iter_mut().zip(both);
            models.for_each(|(scores, score)| scores[at].push(score));
            progress();
        }
    }
    let averages = |models: [Vec<Vec<f64>>; 2]| {
        models.map(|scores| scores.iter().map(|s| mean(s)).collect::<Vec<f64>>())
    };
    let [simple_chance, best_chance] = averages(by_chance);
    let [simple_rule, best_rule] = averages(by_rule);
    let [simple_left, best_left] = averages(by_left);
    let plot = |label: &str, shares: &[f64], simple: &[f64], best: &[f64]| {
        let points = |scores: &[f64]| -> Vec<(f64, f64)> {
            shares.iter().copied().zip(scores.iter().copied()).collect()
        };
        Plot::new(
            Axis::share_up_to(label, shares.iter().copied()),
            Axis::share("accuracy on test pictures"),
        )
        .line("k2", &points(simple))
        .line("k1", &points(best))
        .to_svg(label)
    };
    let keys = [("k2", "linear model"), ("k1", "ensemble of networks")];
    let figures =
        |title: &'static str, name: &'static str, shares: &[f64], simple: &[f64], best: &[f64]| {
            Figures {
                title,
                head: vec![name, "linear model", "ensemble of networks"],
                rows: shares
                    .iter()
                    .zip(simple.iter().zip(best))
                    .map(|(share, (simple, best))| {
                        (format!("{:.0} %", 100.0 * share), vec![*simple, *best])
                    })
                    .collect(),
            }
        };
    // 30 % labels wrong by chance, 40 % by a rule, and 5 % of the rows.
    let (chance, rule, scarce) = (best_chance[3], best_rule[4], best_left[LEFT.len() - 1]);
    let good = simple_chance[0];
    Ok(Study {
        experiment: Experiment::Garbage,
        claim: "A better model makes up for some bad data, and not for others. On good data the ensemble of networks beats the linear model. Where 30 % of \
                its labels are wrong by chance, the errors average out, and it stays within 4 points of the linear model with good labels. Where 40 % are \
                wrong by a rule (each digit taken for the next one), it does not: the linear model with good labels is ahead by at least 5 points; and with \
                all rows, by at least 5 points ahead of the ensemble with a twentieth of them.",
        method: format!(
            "{TRAIN} handwritten digits to learn from, the others to test on with their true labels, {repeats} draws. Labels that are wrong by \
             chance are drawn evenly from the other nine digits. {VOICES} networks with dropout, that stop on a held-out fifth with labels as good as the \
             others."
        ),
        tests: vec![
            Test::at_least(
                "ensemble less linear model, good data",
                best_chance[0] - good,
                0.0,
            ),
            Test::at_most(
                "linear model on good labels less ensemble on 30 % wrong by chance",
                good - chance,
                0.04,
            ),
            Test::at_least(
                "linear model on good labels less ensemble on 40 % wrong by a rule",
                good - rule,
                0.05,
            ),
            Test::at_least(
                "linear model on all rows less ensemble on a twentieth",
                simple_left[0] - scarce,
                0.05,
            ),
        ],
        tables: vec![
            figures(
                "Accuracy by labels wrong by chance",
                "wrong",
                &WRONG,
                &simple_chance,
                &best_chance,
            ),
            figures(
                "Accuracy by labels wrong by a rule",
                "wrong",
                &WRONG,
                &simple_rule,
                &best_rule,
            ),
            figures(
                "Accuracy by number of rows",
                "rows",
                &LEFT,
                &simple_left,
                &best_left,
            ),
        ],
        pictures: vec![
            drawing(
                "Labels wrong by chance",
                plot(
                    "training labels wrong by chance",
                    &WRONG,
                    &simple_chance,
                    &best_chance,
                ),
                &keys,
                "Errors without a pattern average out.",
            ),
            drawing(
                "Labels wrong by a rule",
                plot(
                    "training labels wrong by a rule",
                    &WRONG,
                    &simple_rule,
                    &best_rule,
                ),
                &keys,
                "A pattern is learned, right or wrong.",
            ),
            drawing(
                "Fewer rows",
                plot(
                    "training rows that there are",
                    &LEFT,
                    &simple_left,
                    &best_left,
                ),
                &keys,
                "",
            ),
        ],
        lesson: "`candor check` before `candor fit`: what is systematically wrong in the data, no model can see.",
        seconds: 0.0,
    })
}

/// Test accuracy of the linear model and of the ensemble.
fn both(
    bench: &Bench,
    rows: &Rows,
    learned: &[usize],
    test: &[usize],
    seed: candor_core::Seed,
) -> Result<[f64; 2], EngineError> {
    let (validation, train) = learned.split_at(learned.len() / 5);
    let linear = Design::new().with("model", "linear");
    let network = Design::new()
        .with("model", "mlp")
        .with("layers", 2)
        .with("width", 128)
        .with("quantile", false);
    let simple = rows.networks(bench, &linear, train, validation, seed, 1)?;
    let best = rows.networks(bench, &network, train, validation, seed, VOICES)?;
    Ok([
        rows.accuracy(&together(&simple.say(rows, test)?)?, test)?,
        rows.accuracy(&together(&best.say(rows, test)?)?, test)?,
    ])
}
