use candor_core::wording::figure;

use super::networks::{PIXELS, Rows, SIDE, digits, moments, plain};
use super::raster::{Raster, rasters};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;
use crate::report::{Axis, Plot};

const WIDTHS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Widths whose picture is drawn.
const DRAWN: [usize; 4] = [1, 8, 64, 256];
/// Networks of the greatest width: what they disagree on nobody taught them.
const VOICES: usize = 5;
/// How often each pixel is shown in an epoch, so that the few there are make enough steps.
const TIMES: usize = 8;
/// Pixels around the picture of which the networks are asked, too.
const MARGIN: usize = 4;

/// One hidden layer learns a picture of a digit as a function from place to brightness.
///
/// Universal approximation (Cybenko 1989; Hornik 1991) says that enough width can represent any continuous function on a bounded set; it says
/// nothing about whether training finds it, nor about anything outside of the set.
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let (pictures, labels) = digits()?;
    let repeats = bench.settings.repeats;
    let wide = SIDE + 2 * MARGIN;
    let place = |i: usize| {
        (i as f32 - MARGIN as f32 - (SIDE as f32 - 1.0) / 2.0) / ((SIDE as f32 - 1.0) / 2.0)
    };
    let inputs: Vec<f32> = (0..wide * wide)
        .flat_map(|i| [place(i % wide), place(i / wide)])
        .collect();
    let inside = |i: usize| {
        let within = |j: usize| (MARGIN..MARGIN + SIDE).contains(&j);
        within(i % wide) && within(i / wide)
    };
    let (within, outside): (Vec<usize>, Vec<usize>) = (0..wide * wide).partition(|&i| inside(i));
    let all: Vec<usize> = (0..wide * wide).collect();
    let mut errors = vec![Vec::new(); WIDTHS.len()];
    let (mut agree, mut disagree, mut drawn) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..repeats {
        let seed = bench.seed("approximate", repeat);
        // A different digit in each repeat.
        let picture = (seed.0 % labels.len() as u64) as usize;
        let pixels = &pictures[picture * PIXELS..(picture + 1) * PIXELS];
        let mut values = vec![0f32; wide * wide];
        within
            .iter()
            .zip(pixels)
            .for_each(|(&i, &pixel)| values[i] = pixel);
        if repeat == 0 {
            let shown = pixels.iter().map(|v| f64::from(*v)).collect();
            drawn.push(Raster {
                label: "the picture".into(),
                side: SIDE,
                values: shown,
                colours: Vec::new(),
                frame: 0,
            });
        }
        let rows = Rows::of_numbers(inputs.clone(), 2, values.clone())?;
        let train: Vec<usize> = within
            .iter()
            .copied()
            .cycle()
            .take(TIMES * within.len())
            .collect();
        for (at, &width) in WIDTHS.iter().enumerate() {
            let voices = if width == WIDTHS[WIDTHS.len() - 1] {
                VOICES
            } else {
                1
            };
            let seed = seed.derive("width", &[width as u64]);
            let networks =
                rows.networks(bench, &plain(1, width, 1e-2), &train, &[], seed, voices)?;
            let said = networks.say(&rows, &all)?;
            let means: Vec<Vec<f64>> = said.iter().map(|said| moments(said).0).collect();
            for means in &means {
                let squares: Vec<f64> = within
                    .iter()
                    .map(|&i| (means[i] - f64::from(values[i])).powi(2))
                    .collect();
                errors[at].push(mean(&squares).sqrt());
            }
            if voices > 1 {
                let spread = |places: &[usize]| {
                    let spreads: Vec<f64> = places
                        .iter()
                        .map(|&i| deviation(means.iter().map(|m| m[i])))
                        .collect();
                    mean(&spreads)
                };
                agree.push(spread(&within));
                disagree.push(spread(&outside));
            }
            if repeat == 0 && DRAWN.contains(&width) {
                for (number, means) in means.iter().enumerate().take(2) {
                    let label = match (voices, number) {
                        (1, _) => format!("width {width}"),
                        (_, number) => format!("width {width}, network {}", number + 1),
                    };
                    drawn.push(Raster {
                        label,
                        side: wide,
                        values: means.clone(),
                        colours: Vec::new(),
                        frame: MARGIN,
                    });
                }
            }
            bench.progress(repeat * WIDTHS.len() + at + 1, repeats * WIDTHS.len());
        }
    }
    let errors: Vec<f64> = errors.iter().map(|errors| mean(errors)).collect();
    let (narrowest, widest) = (errors[0], errors[errors.len() - 1]);
    let curve: Vec<(f64, f64)> = WIDTHS
        .iter()
        .zip(&errors)
        .map(|(w, e)| (*w as f64, *e))
        .collect();
    let plot = Plot::new(
        Axis::log("hidden units", WIDTHS.iter().map(|w| *w as f64)),
        Axis::around(
            "root mean squared error",
            errors.iter().copied().chain([0.0]),
        ),
    )
    .line("k1", &curve)
    .dots(
        "k1",
        &curve
            .iter()
            .map(|(w, e)| (*w, *e, format!("{w} units: {}", figure(*e))))
            .collect::<Vec<_>>(),
    );
    Ok(Study {
        experiment: Experiment::Approximate,
        claim: "One hidden layer that is wide enough fits any picture: 256 units leave at most a quarter of the error of one unit, and at \
                most 0.1 of the range from white to black. Beyond the edge of the picture nothing is promised: there, networks that \
                differ in their seeds alone disagree at least three times as much as inside.",
        method: format!(
            "A handwritten digit of 8 x 8 pixels is a function from place to brightness; one hidden layer of ReLU learns it from all 64 pixels. \
             {repeats} digits; of the widest network {VOICES} with different seeds. They are asked for {MARGIN} pixels around the picture, too."
        ),
        tests: vec![
            Test::at_most(
                "error with 256 units, as a share of that with one",
                widest / narrowest,
                0.25,
            ),
            Test::at_most(
                "error with 256 units (root mean square, range 0 to 1)",
                widest,
                0.1,
            ),
            Test::at_least(
                "disagreement outside of the picture, as a multiple of that inside",
                mean(&disagree) / mean(&agree).max(f64::MIN_POSITIVE),
                3.0,
            ),
        ],
        tables: vec![Figures {
            title: "Error inside the picture",
            head: vec!["hidden units", "root mean squared error"],
            rows: WIDTHS
                .iter()
                .zip(&errors)
                .map(|(w, e)| (w.to_string(), vec![*e]))
                .collect(),
        }],
        pictures: vec![
            drawing(
                "Width against error",
                plot.to_svg("Width against error"),
                &[],
                "The error on the pixels that were learned.",
            ),
            drawing(
                "What was learned",
                rasters("What was learned", &drawn, 3),
                &[],
                "The orange frame is the edge of the picture that was learned; what lies outside of it nobody taught.",
            ),
        ],
        lesson: "A small training error says that a network is large enough, and nothing else.",
        seconds: 0.0,
    })
}

/// Standard deviation (of the population).
fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let centre = mean(&values);
    mean(
        &values
            .iter()
            .map(|v| (v - centre).powi(2))
            .collect::<Vec<_>>(),
    )
    .sqrt()
}
