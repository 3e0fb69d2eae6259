use candor_challenge::{Detection, Uncertainty};
use candor_core::{Distribution, Seed};
use rand::RngExt;

use super::networks::{Rows, doubt, moments, plain, together};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;
use crate::report::{Axis, Plot};

const TRAIN: usize = 1000;
const ASKED: usize = 1000;
const VOICES: usize = 5;
/// Standard deviation of the noise.
const NOISE: f64 = 3.0;
/// Learned from within this distance of 0.
const EDGE: f64 = 4.0;
/// Refusal is judged beyond this distance, and up to the last one.
const BEYOND: f64 = 4.5;
const LAST: f64 = 6.0;
/// Share of usual points that may be refused.
const FALSE_REFUSALS: f64 = 0.05;

/// `y = x^3` with normal noise, learned on [-4, 4] (Hernández-Lobato & Adams 2015, section 5.1; Lakshminarayanan et al. 2017, figure 1).
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let repeats = bench.settings.repeats;
    let design = plain(2, 100, 3e-3);
    let (mut below, mut above, mut noise, mut refused, mut accepted) =
        (vec![], vec![], vec![], vec![], vec![]);
    let mut drawn = None;
    for repeat in 0..repeats {
        let seed = bench.seed("beyond", repeat);
        let mut places = draw(seed, "train", TRAIN, -EDGE, EDGE);
        places.extend(draw(seed, "held out", ASKED, -EDGE, EDGE));
        places.extend(draw(seed, "inside", ASKED, -EDGE, EDGE));
        places.extend(draw(seed, "below", ASKED, -LAST, -BEYOND));
        places.extend(draw(seed, "above", ASKED, BEYOND, LAST));
        let grid = 121;
        places.extend((0..grid).map(|i| -LAST + 2.0 * LAST * i as f64 / (grid - 1) as f64));
        let mut random = seed.stream("noise", &[]);
        let values = places
            .iter()
            .map(|x| (x.powi(3) + NOISE * normal(&mut random)) as f32)
            .collect();
        let inputs: Vec<f32> = places.iter().map(|x| *x as f32).collect();
        let rows = Rows::of_numbers(inputs, 1, values)?;
        let part = |number: usize| -> Vec<usize> {
            let start = TRAIN + ASKED * number;
            (start..(start + ASKED).min(places.len())).collect()
        };
        let train: Vec<usize> = (0..TRAIN).collect();
        let networks = rows.networks(bench, &design, &train, &[], seed, VOICES)?;
        let parts =
            |rows_asked: &[usize]| -> Result<(Vec<Distribution>, Uncertainty), EngineError> {
                let said = networks.say(&rows, rows_asked)?;
                let parts = doubt(&said)?;
                Ok((said, parts))
            };
        let (_, held_out) = parts(&part(0))?;
        let (_, inside) = parts(&part(1))?;
        let (_, left) = parts(&part(2))?;
        let (_, right) = parts(&part(3))?;
        below.push(Detection::of(&inside.epistemic, &left.epistemic)?.auroc);
        above.push(Detection::of(&inside.epistemic, &right.epistemic)?.auroc);
        noise.push(mean(&inside.aleatoric).sqrt());
        // The bound comes from held-out points alone.
        let mut usual = held_out.epistemic.clone();
        usual.sort_by(f64::total_cmp);
        let rank = ((usual.len() + 1) as f64 * (1.0 - FALSE_REFUSALS)).ceil() as usize;
        let bound = usual[rank.clamp(1, usual.len()) - 1];
        let share = |doubt: &[&[f64]]| {
            let doubt: Vec<f64> = doubt.concat();
            doubt.iter().filter(|d| **d > bound).count() as f64 / doubt.len() as f64
        };
        refused.push(share(&[&left.epistemic, &right.epistemic]));
        accepted.push(share(&[&inside.epistemic]));
        if repeat == 0 {
            let asked: Vec<usize> = (TRAIN + 4 * ASKED..places.len()).collect();
            let (said, doubt) = parts(&asked)?;
            let (centre, _) = moments(&together(&said)?);
            let at: Vec<f64> = asked.iter().map(|&i| places[i]).collect();
            drawn = Some((at, centre, doubt));
        }
        bench.progress(repeat + 1, repeats);
    }
    let mut pictures = Vec::new();
    if let Some((at, centre, doubt)) = drawn {
        let truth: Vec<(f64, f64)> = at.iter().map(|x| (*x, x.powi(3))).collect();
        let line = |values: &[f64]| -> Vec<(f64, f64)> {
            at.iter().copied().zip(values.iter().copied()).collect()
        };
        let upper: Vec<f64> = centre
            .iter()
            .zip(&doubt.total)
            .map(|(m, t)| m + 2.0 * t.sqrt())
            .collect();
        let lower: Vec<f64> = centre
            .iter()
            .zip(&doubt.total)
            .map(|(m, t)| m - 2.0 * t.sqrt())
            .collect();
        let all = truth
            .iter()
            .map(|p| p.1)
            .chain(upper.iter().copied())
            .chain(lower.iter().copied());
        let plot = Plot::new(
            Axis::around("x", at.iter().copied()),
            Axis::around("y", all),
        )
        .upright(-EDGE)
        .upright(EDGE)
        .line("k3", &truth)
        .line("k1", &line(&centre))
        .line("k2", &line(&upper))
        .line("k2", &line(&lower));
        pictures.push(drawing(
            "The curve and what the networks say",
            plot.to_svg("The curve and what the networks say"),
            &[
                ("k1", "mean"),
                ("k2", "two standard deviations"),
                ("k3", "truth"),
            ],
            "Only what lies between the upright lines was learned from.",
        ));
        let (data, model): (Vec<f64>, Vec<f64>) = (
            doubt.aleatoric.iter().map(|v| v.sqrt()).collect(),
            doubt.epistemic.iter().map(|v| v.sqrt()).collect(),
        );
        let all = data.iter().chain(&model).copied().chain([0.0]);
        let plot = Plot::new(
            Axis::around("x", at.iter().copied()),
            Axis::around("standard deviation", all),
        )
        .upright(-EDGE)
        .upright(EDGE)
        .level(NOISE)
        .line("k1", &line(&data))
        .line("k2", &line(&model));
        pictures.push(drawing(
            "Where the doubt comes from",
            plot.to_svg("Where the doubt comes from"),
            &[("k1", "data (aleatoric)"), ("k2", "model (epistemic)")],
            "The dashed level is the true standard deviation of the noise.",
        ));
    }
    let rows = (0..repeats).map(|i| {
        let figures = vec![below[i], above[i], noise[i], refused[i], accepted[i]];
        (format!("{}", i + 1), figures)
    });
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Study {
        experiment: Experiment::Beyond,
        claim: "Five networks that learned a curve on [-4, 4] say where they do not know it. In every draw, the model part of their doubt tells \
                points beyond each end from points inside with an area under the ROC curve of at least 0.95. Inside, the data part is the noise: \
                a standard deviation of 2.7 to 3.3, where 3 is true. At a bound that refuses 5 % of usual points, at least 99 % of those beyond \
                4.5 are refused.",
        method: format!(
            "y = x³ with normal noise of standard deviation {NOISE}, {TRAIN} points on [-4, 4], {repeats} draws. {VOICES} networks of two layers of 100 \
             units, each with mean and variance as its answer."
        ),
        tests: vec![
            Test::at_least("least area under the ROC curve, below", least(&below), 0.95),
            Test::at_least("least area under the ROC curve, above", least(&above), 0.95),
            Test::between(
                "standard deviation by data inside, mean",
                mean(&noise),
                2.7,
                3.3,
            ),
            Test::at_least("share refused beyond 4.5, mean", mean(&refused), 0.99),
            Test::at_most(
                "share refused inside, mean (5 % asked for)",
                mean(&accepted),
                0.08,
            ),
        ],
        tables: vec![Figures {
            title: "Each draw",
            head: [
                "draw",
                "AUROC below",
                "AUROC above",
                "noise inside",
                "refused beyond",
                "refused inside",
            ]
            .to_vec(),
            rows: rows.collect(),
        }],
        pictures,
        lesson: "A network extrapolates without a word of warning; the disagreement of several is the warning.",
        seconds: 0.0,
    })
}

fn draw(seed: Seed, purpose: &str, count: usize, from: f64, to: f64) -> Vec<f64> {
    let mut random = seed.stream(purpose, &[]);
    (0..count).map(|_| random.random_range(from..to)).collect()
}

/// Box & Muller (1958).
fn normal(random: &mut impl RngExt) -> f64 {
    let (a, b): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
