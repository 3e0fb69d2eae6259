use candor_challenge::{ConformalPValue, Detection, KnnBank};
use candor_core::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::networks::{Networks, PIXELS, Rows, SIDE, digits, doubt};
use super::raster::{Raster, rasters};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;
use crate::report::{Bar, bars};

/// Digits below this one are known, the others foreign.
const KNOWN: u32 = 7;
const VOICES: usize = 5;
/// Double exposures for each plain picture that is learned from.
const DOUBLES: f64 = 0.5;
/// Share of usual pictures that may be called strange.
const FALSE_ALARMS: f64 = 0.05;

/// Pictures of one kind.
struct Group {
    name: &'static str,
    rows: Vec<usize>,
}

/// Double exposures of two known digits against digits that nobody taught: doubt of the data against doubt of the model (Depeweg et al. 2018).
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let (pictures, labels) = digits()?;
    let repeats = bench.settings.repeats;
    let design = candor_design::Design::new()
        .with("model", "mlp")
        .with("layers", 2)
        .with("width", 128)
        .with("quantile", false);
    let names = [
        "one known digit",
        "two known digits at once",
        "a foreign digit",
        "shuffled pixels",
    ];
    let mut data = vec![Vec::new(); names.len()];
    let mut model = vec![Vec::new(); names.len()];
    let mut strange = vec![Vec::new(); names.len()];
    let (mut overlap, mut foreign) = (Vec::new(), Vec::new());
    let mut drawn = Vec::new();
    for repeat in 0..repeats {
        let seed = bench.seed("two kinds", repeat);
        let (rows, groups, train, validation, inputs) = lay_out(&pictures, &labels, seed)?;
        if repeat == 0 {
            for group in &groups {
                for &row in group.rows.iter().take(2) {
                    let values = inputs[row * PIXELS..(row + 1) * PIXELS]
                        .iter()
                        .map(|v| f64::from(*v));
                    drawn.push(Raster {
                        label: group.name.into(),
                        side: SIDE,
                        values: values.collect(),
                        colours: Vec::new(),
                        frame: 0,
                    });
                }
            }
        }
        let networks = rows.networks(bench, &design, &train, &validation, seed, VOICES)?;
        let strangeness = Strangeness::learn(&networks, &rows, &train, &validation, seed)?;
        let mut parts = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let said = networks.say(&rows, &group.rows)?;
            let doubt = doubt(&said)?;
            data[at].push(mean(&doubt.aleatoric));
            model[at].push(mean(&doubt.epistemic));
            strange[at].push(strangeness.share(&networks, &rows, &group.rows)?);
            parts.push(doubt);
        }
        overlap.push(Detection::of(&parts[0].aleatoric, &parts[1].aleatoric)?.auroc);
        foreign
            .push(Detection::of(&parts[1].epistemic_share(), &parts[2].epistemic_share())?.auroc);
        bench.progress(repeat + 1, repeats);
    }
    let averages = |values: &[Vec<f64>]| -> Vec<f64> { values.iter().map(|v| mean(v)).collect() };
    let (data, model, strange) = (averages(&data), averages(&model), averages(&strange));
    let bar = |values: &[f64], class: &'static str| -> Vec<Bar> {
        let one = |(name, value): (&&str, &f64)| Bar {
            label: (*name).into(),
            value: *value,
            interval: None,
            class,
            shown: format!("{value:.3}"),
        };
        names.iter().zip(values).map(one).collect()
    };
    let rows = names.iter().enumerate().map(|(i, name)| {
        let figures = vec![
            data[i],
            model[i],
            model[i] / (data[i] + model[i]).max(f64::MIN_POSITIVE),
            strange[i],
        ];
        ((*name).to_owned(), figures)
    });
    Ok(Study {
        experiment: Experiment::TwoKinds,
        claim: "A picture of two known digits at once and a picture of a digit that nobody taught both make a model doubt, for different \
                reasons, and it can tell which. For double exposures the doubt lies in the data: at least 70 % of it, and it tells them from plain \
                pictures with an area under the ROC curve of at least 0.9. For foreign digits the model has a greater part in the doubt than for \
                double exposures (area at least 0.6), and the test for strange pictures calls at least three times as many of them strange.",
        method: format!(
            "Handwritten digits 0 to 6, and double exposures of two of them that are labelled by one of the two at random: both readings are \
             right, so no amount of data removes the doubt. {VOICES} networks, {repeats} draws. Foreign: digits 7 to 9, and known digits with their \
             pixels shuffled. The test for strange pictures may call 5 % of the usual ones strange; it looks at the nearest training \
             picture in what the networks see."
        ),
        tests: vec![
            Test::at_least(
                "double exposures: share of the doubt that is the data's",
                data[1] / (data[1] + model[1]),
                0.7,
            ),
            Test::at_least(
                "double exposures told from plain ones by the data's part (AUROC)",
                mean(&overlap),
                0.9,
            ),
            Test::at_least(
                "foreign digits told from double exposures by the model's share (AUROC)",
                mean(&foreign),
                0.6,
            ),
            Test::at_least(
                "foreign digits called strange, as a multiple of double exposures",
                strange[2] / strange[1].max(1e-3),
                3.0,
            ),
        ],
        tables: vec![Figures {
            title: "Doubt, in nats, and strangeness",
            head: ["", "by data", "by model", "model's share", "called strange"].to_vec(),
            rows: rows.collect(),
        }],
        pictures: vec![
            drawing(
                "The pictures",
                rasters("The pictures", &drawn, 4),
                &[],
                "Two of each kind.",
            ),
            drawing(
                "Doubt by data",
                bars(&bar(&data, "k1"), 0.0, None, "Doubt by data"),
                &[],
                "Entropy that each network has by itself, in nats.",
            ),
            drawing(
                "Doubt by model",
                bars(&bar(&model, "k2"), 0.0, None, "Doubt by model"),
                &[],
                "What the networks disagree on, in nats.",
            ),
        ],
        lesson: "More data of the same kind help against the second doubt, never against the first.",
        seconds: 0.0,
    })
}

type LaidOut = (Rows, Vec<Group>, Vec<usize>, Vec<usize>, Vec<f32>);

/// All pictures of a draw: those to learn from, those to stop at, those to ask about.
fn lay_out(pictures: &[f32], labels: &[u32], seed: Seed) -> Result<LaidOut, EngineError> {
    let mut known: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] < KNOWN).collect();
    known.shuffle(&mut seed.stream("parts", &[]));
    let third = known.len() / 4;
    let (test, rest) = known.split_at(third);
    let (held_out, learned) = rest.split_at(third);
    let mut inputs = pictures.to_vec();
    let mut classes: Vec<u32> = labels.iter().map(|l| (*l).min(KNOWN - 1)).collect();
    let mut random = seed.stream("double exposures", &[]);
    let mut add = |from: &[usize], share: f64| -> Vec<usize> {
        let count = (share * from.len() as f64) as usize;
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count {
            let (a, b) = (
                from[random.random_range(0..from.len())],
                from[random.random_range(0..from.len())],
            );
            if labels[a] == labels[b] {
                continue;
            }
            for pixel in 0..PIXELS {
                inputs.push(pictures[a * PIXELS + pixel].max(pictures[b * PIXELS + pixel]));
            }
            classes.push(labels[if random.random::<bool>() { a } else { b }]);
            rows.push(classes.len() - 1);
        }
        rows
    };
    let doubles = [
        add(learned, DOUBLES),
        add(held_out, DOUBLES),
        add(test, 1.0),
    ];
    let mut shuffled = Vec::new();
    let mut random = seed.stream("shuffled pixels", &[]);
    for &row in test {
        let mut pixels = pictures[row * PIXELS..(row + 1) * PIXELS].to_vec();
        pixels.shuffle(&mut random);
        inputs.extend(pixels);
        classes.push(labels[row]);
        shuffled.push(classes.len() - 1);
    }
    let [of_learned, of_held_out, of_test] = doubles;
    let train: Vec<usize> = learned.iter().copied().chain(of_learned).collect();
    let validation: Vec<usize> = held_out.iter().copied().chain(of_held_out).collect();
    let group = |name, rows| Group { name, rows };
    let groups = vec![
        group("one digit", test.to_vec()),
        group("two at once", of_test),
        group(
            "foreign",
            (0..labels.len()).filter(|&i| labels[i] >= KNOWN).collect(),
        ),
        group("shuffled", shuffled),
    ];
    let rows = Rows::of_classes(inputs.clone(), PIXELS, classes, KNOWN as usize)?;
    Ok((rows, groups, train, validation, inputs))
}

/// The nearest training picture in what the first network's head sees, against the same of held-out pictures.
struct Strangeness {
    bank: KnnBank,
    usual: ConformalPValue,
}

impl Strangeness {
    fn learn(
        networks: &Networks,
        rows: &Rows,
        train: &[usize],
        held_out: &[usize],
        seed: Seed,
    ) -> Result<Strangeness, EngineError> {
        let (width, learned) = networks.seen(rows, train)?;
        let bank = KnnBank::fit(
            &learned,
            width,
            KnnBank::NEIGHBOURS,
            KnnBank::MAX_PROTOTYPES,
            seed,
        )?;
        let usual = ConformalPValue::calibrate(&bank.score(&networks.seen(rows, held_out)?.1)?)?;
        Ok(Strangeness { bank, usual })
    }

    /// The share of the pictures that are called strange.
    fn share(&self, networks: &Networks, rows: &Rows, asked: &[usize]) -> Result<f64, EngineError> {
        let scores = self.bank.score(&networks.seen(rows, asked)?.1)?;
        let strange = scores
            .iter()
            .filter(|s| self.usual.p_value(**s) <= FALSE_ALARMS)
            .count();
        Ok(strange as f64 / scores.len().max(1) as f64)
    }
}
