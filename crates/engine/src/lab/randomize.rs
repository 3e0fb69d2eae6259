use rand::RngExt;
use rand::seq::SliceRandom;

use super::networks::{PIXELS, Rows, digits, plain, together};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;
use crate::report::{Axis, Plot};

/// Shares of the training labels that are drawn at random.
const SHARES: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
const TRAIN: usize = 1000;
const CLASSES: usize = 10;

/// Zhang et al., "Understanding deep learning requires rethinking generalization" (2017), section 2: one network, one budget, labels of which
/// more and more are random.
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let (pictures, labels) = digits()?;
    let repeats = bench.settings.repeats;
    let design = plain(2, 256, 3e-3);
    let (mut learned, mut known) = (
        vec![Vec::new(); SHARES.len()],
        vec![Vec::new(); SHARES.len()],
    );
    for repeat in 0..repeats {
        let seed = bench.seed("randomize", repeat);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut seed.stream("parts", &[]));
        let (train, test) = order.split_at(TRAIN);
        for (at, share) in SHARES.iter().enumerate() {
            let mut random = seed.stream("labels", &[at as u64]);
            let mut given = labels.clone();
            for &row in train {
                if random.random::<f64>() < *share {
                    given[row] = random.random_range(0..CLASSES as u32);
                }
            }
            let rows = Rows::of_classes(pictures.clone(), PIXELS, given, CLASSES)?;
            let networks = rows.networks(bench, &design, train, &[], seed, 1)?;
            learned[at].push(rows.accuracy(&together(&networks.say(&rows, train)?)?, train)?);
            known[at].push(rows.accuracy(&together(&networks.say(&rows, test)?)?, test)?);
            bench.progress(repeat * SHARES.len() + at + 1, repeats * SHARES.len());
        }
    }
    let learned: Vec<f64> = learned.iter().map(|scores| mean(scores)).collect();
    let known: Vec<f64> = known.iter().map(|scores| mean(scores)).collect();
    let curve = |scores: &[f64]| -> Vec<(f64, f64)> {
        SHARES.iter().copied().zip(scores.iter().copied()).collect()
    };
    let chance = 1.0 / CLASSES as f64;
    let plot = Plot::new(
        Axis::share("training labels that are random"),
        Axis::share("accuracy"),
    )
    .level(chance)
    .line("k1", &curve(&learned))
    .line("k2", &curve(&known));
    let rows = SHARES.iter().zip(learned.iter().zip(&known));
    Ok(Study {
        experiment: Experiment::Randomize,
        claim: "One network with one budget learns true labels and random ones alike: at least 99 % of its training labels at every share of \
                random ones. What it knows of pictures that it never saw falls with each step, to chance where all labels are random (10 %, \
                within 5 points).",
        method: format!(
            "{TRAIN} handwritten digits to learn from, the other {} to test on, {repeats} draws. A share of the training labels is replaced by \
             labels drawn at random, once, and kept. Two layers of 256 units, no regularisation, no early stopping.",
            labels.len() - TRAIN
        ),
        tests: vec![
            Test::at_least(
                "least accuracy on training labels",
                learned.iter().copied().fold(1.0, f64::min),
                0.99,
            ),
            Test::at_least(
                "steps at which the test accuracy falls",
                known.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64,
                (SHARES.len() - 1) as f64,
            ),
            Test::between(
                "test accuracy where all labels are random",
                known[SHARES.len() - 1],
                chance - 0.05,
                chance + 0.05,
            ),
        ],
        tables: vec![Figures {
            title: "Accuracy",
            head: vec!["random labels", "on training labels", "on test pictures"],
            rows: rows
                .map(|(share, (learned, known))| {
                    (format!("{:.0} %", 100.0 * share), vec![*learned, *known])
                })
                .collect(),
        }],
        pictures: vec![drawing(
            "Learned and known",
            plot.to_svg("Learned and known"),
            &[
                ("k1", "on the labels that it was trained on"),
                ("k2", "on pictures that it never saw"),
            ],
            "The dashed line is chance.",
        )],
        lesson: "What a network says of its own training data proves nothing. Every model of `candor fit` is trained once more on shuffled \
                 targets: if that one still does well on the test part, the test is broken.",
        seconds: 0.0,
    })
}
