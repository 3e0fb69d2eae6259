use std::collections::BTreeMap;
use std::path::Path;

use candor_core::Seed;
use candor_data::{ImageOptions, ImageSize, ImageSource, Images, read_images};
use candor_design::Design;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::networks::{Networks, Rows, moments, together};
use super::raster::{Raster, rasters};
use super::{Bench, Experiment, Figures, Study, Test, drawing, mean};
use crate::EngineError;

/// Pixels of a side of the pictures.
const SIDE: usize = 32;
/// A pixel is painted by the grey of the square of so many pixels about it.
const PATCH: usize = 7;
/// The picture about it is seen as so many coarse squares a side.
const COARSE: usize = 4;
/// Grey pixels about the one, the coarse picture, and where the pixel is.
const INPUTS: usize = PATCH * PATCH + COARSE * COARSE + 2;
/// Pictures of each training, pixels that are learned from in each, and voices.
const PICTURES: usize = 240;
const PIXELS: usize = 24;
const VOICES: usize = 2;
/// Pictures of the other kind among those of a one-sided training.
const OTHERS: usize = 24;
/// Pictures that are painted.
const ASKED: usize = 40;
/// Nearest training pixels that are called causes of a pixel.
const NEAREST: usize = 20;
/// Share of the training pictures that is taken away.
const TAKEN: f64 = 0.2;

/// Pictures in colour with their classes.
struct World {
    images: Images,
    /// Pictures of each class.
    of_class: BTreeMap<String, Vec<usize>>,
}

/// A pixel: its picture, row and column.
type Place = (usize, usize, usize);

impl World {
    fn read(path: &Path) -> Result<World, EngineError> {
        let Some(source) = ImageSource::detect(path)? else {
            return Err(no_pictures("holds no pictures in folders of classes"));
        };
        let options = ImageOptions {
            size: Some(ImageSize {
                channels: 3,
                height: SIDE,
                width: SIDE,
            }),
            labelled: true,
            ..ImageOptions::default()
        };
        let read = read_images(&source, &options)?;
        let name = read.facts.default_target.clone().unwrap_or_default();
        let Some(column) = read.table.column(&name) else {
            return Err(no_pictures("does not tell the classes of its pictures"));
        };
        let mut of_class: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for picture in 0..read.images.len() {
            let class = column.values.text(picture).unwrap_or_default();
            of_class.entry(class).or_default().push(picture);
        }
        of_class.retain(|_, pictures| pictures.len() >= PICTURES + ASKED);
        if of_class.len() < 2 {
            return Err(no_pictures("has no two classes of 280 pictures each"));
        }
        Ok(World {
            images: read.images,
            of_class,
        })
    }

    fn colour(&self, (picture, row, column): Place) -> [f64; 3] {
        let pixels = self.images.get(picture).unwrap_or_default();
        let at = row * SIDE + column;
        [0, 1, 2].map(|channel| f64::from(pixels[channel * SIDE * SIDE + at]) / 255.0)
    }

    /// Brightness, and what blue and red have beyond it (the colour space of JPEG).
    fn parts(&self, place: Place) -> [f64; 3] {
        let [red, green, blue] = self.colour(place);
        let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
        [grey, 0.564 * (blue - grey), 0.713 * (red - grey)]
    }

    fn blueness(&self, place: Place) -> f64 {
        let [_, blue, red] = self.parts(place);
        blue - red
    }

    /// Mean blueness of some pictures of a class.
    fn mean_blueness(&self, pictures: &[usize]) -> f64 {
        let places = pictures.iter().take(50).flat_map(|&p| grid(p, 4));
        mean(&places.map(|place| self.blueness(place)).collect::<Vec<_>>())
    }

    /// What a network sees of a pixel: greys alone.
    fn seen(&self, (picture, row, column): Place, to: &mut Vec<f32>) {
        let half = (PATCH / 2) as isize;
        let inside = |at: isize| at.clamp(0, SIDE as isize - 1) as usize;
        for down in -half..=half {
            for right in -half..=half {
                let place = (
                    picture,
                    inside(row as isize + down),
                    inside(column as isize + right),
                );
                to.push(self.parts(place)[0] as f32);
            }
        }
        let square = SIDE / COARSE;
        for block in 0..COARSE * COARSE {
            let (top, left) = (block / COARSE * square, block % COARSE * square);
            let greys = (0..square * square).step_by(3).map(|i| {
                let place = (picture, top + i / square, left + i % square);
                self.parts(place)[0]
            });
            to.push(mean(&greys.collect::<Vec<_>>()) as f32);
        }
        to.extend([row, column].map(|at| at as f32 / SIDE as f32));
    }

    fn rows(&self, places: &[Place]) -> Result<Rows, EngineError> {
        let mut inputs = Vec::with_capacity(places.len() * INPUTS);
        let mut values = Vec::with_capacity(2 * places.len());
        for &place in places {
            self.seen(place, &mut inputs);
            let [_, blue, red] = self.parts(place);
            values.extend([blue as f32, red as f32]);
        }
        Rows::of_several_numbers(inputs, INPUTS, 2, values)
    }
}

fn no_pictures(why: &str) -> EngineError {
    EngineError::Setting {
        setting: "pictures",
        problem: format!("{why}; `colorize` needs pictures in colour, a folder a class"),
    }
}

/// The pixels of a picture that stand so far apart.
fn grid(picture: usize, step: usize) -> impl Iterator<Item = Place> {
    let along = move || (step / 2..SIDE).step_by(step);
    along().flat_map(move |row| along().map(move |column| (picture, row, column)))
}

/// Networks that paint, with the pixels that they learned from.
struct Painter {
    networks: Networks,
    places: Vec<Place>,
}

impl Painter {
    fn learn(
        bench: &Bench,
        world: &World,
        pictures: &[usize],
        seed: Seed,
    ) -> Result<Painter, EngineError> {
        let mut stream = seed.stream("pixels", &[]);
        let mut places = Vec::with_capacity(pictures.len() * PIXELS);
        for &picture in pictures {
            let mut drawn = || stream.random_range(0..SIDE);
            places.extend((0..PIXELS).map(|_| (picture, drawn(), drawn())));
        }
        places.shuffle(&mut stream);
        let rows = world.rows(&places)?;
        let held_out = places.len() / 8;
        let all: Vec<usize> = (0..places.len()).collect();
        let design = Design::new()
            .with("model", "mlp")
            .with("layers", 2)
            .with("width", 64)
            .with("quantile", false);
        let (validation, train) = all.split_at(held_out);
        let networks = rows.networks(bench, &design, train, validation, seed, VOICES)?;
        Ok(Painter { networks, places })
    }

    /// What blue and red have beyond the grey, of each pixel.
    fn paint(&self, world: &World, places: &[Place]) -> Result<Vec<[f64; 2]>, EngineError> {
        let rows = world.rows(places)?;
        let all: Vec<usize> = (0..places.len()).collect();
        let (means, _) = moments(&together(&self.networks.say(&rows, &all)?)?);
        Ok(means.chunks_exact(2).map(|c| [c[0], c[1]]).collect())
    }

    /// Mean blueness that is painted.
    fn blueness(&self, world: &World, places: &[Place]) -> Result<f64, EngineError> {
        let painted = self.paint(world, places)?;
        Ok(mean(
            &painted.iter().map(|[b, r]| b - r).collect::<Vec<_>>(),
        ))
    }

    /// Training pictures that look the same to the network, in grey, as what it painted, and are bluer than it truly is: the strongest causes
    /// first, all of those that have a pixel among the nearest of any.
    fn causes(&self, world: &World, asked: &[Place]) -> Result<Vec<usize>, EngineError> {
        let seen = |places: &[Place]| -> Result<(usize, Vec<f32>), EngineError> {
            let all: Vec<usize> = (0..places.len()).collect();
            self.networks.seen(&world.rows(places)?, &all)
        };
        let (width, learned) = seen(&self.places)?;
        let (_, asked_for) = seen(asked)?;
        let mut votes: BTreeMap<usize, f64> = BTreeMap::new();
        for (place, vector) in asked.iter().zip(asked_for.chunks_exact(width)) {
            let apart = |row: &[f32]| -> f32 {
                let squares = row.iter().zip(vector).map(|(a, b)| (a - b) * (a - b));
                squares.sum()
            };
            let mut near: Vec<(f32, usize)> = learned
                .chunks_exact(width)
                .enumerate()
                .map(|(i, row)| (apart(row), i))
                .collect();
            near.select_nth_unstable_by(NEAREST, |a, b| a.0.total_cmp(&b.0));
            let truth = world.blueness(*place);
            for (_, i) in &near[..NEAREST] {
                let cause = self.places[*i];
                *votes.entry(cause.0).or_default() += world.blueness(cause) - truth;
            }
        }
        let mut votes: Vec<(usize, f64)> = votes.into_iter().collect();
        votes.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(votes.into_iter().map(|(picture, _)| picture).collect())
    }
}

/// A picture of squares of two pixels, in colours that somebody painted.
fn raster(world: &World, label: &str, picture: usize, painted: Option<&[[f64; 2]]>) -> Raster {
    let places: Vec<Place> = grid(picture, 2).collect();
    let colours = places.iter().enumerate().map(|(i, &place)| {
        let [grey, blue, red] = match painted {
            None => world.parts(place),
            Some(painted) => [world.parts(place)[0], painted[i][0], painted[i][1]],
        };
        let (blue, red) = (grey + blue / 0.564, grey + red / 0.713);
        let green = (grey - 0.299 * red - 0.114 * blue) / 0.587;
        [red, green, blue]
    });
    Raster::in_colour(label, SIDE / 2, colours.collect())
}

/// Networks that learned colours from pictures of one kind paint pictures of another: the bias of the training set made visible, and the
/// training pictures that caused it.
pub(super) fn run(bench: &Bench) -> Result<Study, EngineError> {
    let Some(path) = &bench.settings.pictures else {
        return Err(no_pictures("is not given"));
    };
    let world = World::read(path)?;
    let mut by_colour: Vec<(f64, &String)> = world
        .of_class
        .iter()
        .map(|(class, pictures)| (world.mean_blueness(pictures), class))
        .collect();
    by_colour.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (other, blue) = (by_colour[0].1, by_colour[by_colour.len() - 1].1);
    let repeats = bench.settings.repeats;
    let names = [
        "truth",
        "learned from one kind",
        "learned from both kinds",
        "without its causes",
        "without as many by lot",
    ];
    let mut blueness = vec![Vec::new(); names.len()];
    let mut pictures = Vec::new();
    for repeat in 0..repeats {
        let seed = bench.seed("colorize", repeat);
        let draw = |class: &String, count: usize| -> Vec<usize> {
            let mut pictures = world.of_class[class].clone();
            pictures.shuffle(&mut seed.stream(class, &[]));
            pictures.truncate(count);
            pictures
        };
        let others = draw(other, PICTURES / 2 + ASKED);
        let (asked, others) = others.split_at(ASKED);
        let blues = draw(blue, PICTURES);
        let one_sided = [&blues[..PICTURES - OTHERS], &others[..OTHERS]].concat();
        let both = [&blues[..PICTURES / 2], &others[..PICTURES / 2]].concat();
        let places: Vec<Place> = asked.iter().flat_map(|&p| grid(p, 4)).collect();
        let biased = Painter::learn(bench, &world, &one_sided, seed)?;
        let fair = Painter::learn(bench, &world, &both, seed)?;
        let causes = biased.causes(&world, &places)?;
        let taken = (TAKEN * one_sided.len() as f64) as usize;
        let without = |left_out: &[usize]| -> Result<f64, EngineError> {
            let kept = one_sided.iter().filter(|p| !left_out.contains(p));
            let kept: Vec<usize> = kept.copied().collect();
            Painter::learn(bench, &world, &kept, seed)?.blueness(&world, &places)
        };
        let mut by_lot = one_sided.clone();
        by_lot.shuffle(&mut seed.stream("by lot", &[]));
        let truth: Vec<f64> = places.iter().map(|p| world.blueness(*p)).collect();
        for (to, value) in blueness.iter_mut().zip([
            mean(&truth),
            biased.blueness(&world, &places)?,
            fair.blueness(&world, &places)?,
            without(&causes[..taken.min(causes.len())])?,
            without(&by_lot[..taken])?,
        ]) {
            to.push(value);
        }
        if repeat == 0 {
            for &picture in &asked[..3] {
                let all: Vec<Place> = grid(picture, 2).collect();
                let (one, two) = (biased.paint(&world, &all)?, fair.paint(&world, &all)?);
                let causes = biased.causes(&world, &all)?;
                pictures.push(raster(&world, "truth", picture, None));
                pictures.push(raster(
                    &world,
                    "grey",
                    picture,
                    Some(&vec![[0.0; 2]; all.len()]),
                ));
                pictures.push(raster(&world, "one kind", picture, Some(&one)));
                pictures.push(raster(&world, "both kinds", picture, Some(&two)));
                for &cause in causes.iter().take(2) {
                    pictures.push(raster(&world, "cause", cause, None));
                }
            }
        }
        bench.progress(repeat + 1, repeats);
    }
    let means: Vec<f64> = blueness.iter().map(|values| mean(values)).collect();
    let bias = |place: usize| means[place] - means[0];
    let rows = names.iter().enumerate();
    let rows = rows.map(|(i, name)| ((*name).to_owned(), vec![means[i], bias(i)]));
    Ok(Study {
        experiment: Experiment::Colorize,
        claim: "A network that learned colours from pictures of one kind paints another kind in the colours of the first: by at least 0.03 of the \
                range too blue, and at least 1.3 times as much as one that learned from both kinds alike, which is not free of it, either. The training pictures that caused it can be \
                named: without a fifth of the pictures, those named, it is less wrong than without as many by lot.",
        method: format!(
            "Grey pictures of {SIDE} x {SIDE} pixels; a network sees the {PATCH} x {PATCH} greys about a pixel and the picture coarsely, and tells its \
             colour. Of the classes the bluest (`{blue}`) and the least blue (`{other}`) are taken. Learned from: {} pictures of the first and {OTHERS} of \
             the second, or {} of each; painted: {ASKED} others of the second. Blueness is Cb - Cr. Causes of a pixel are the {NEAREST} \
             training pixels that are nearest in what the heads of the networks see, as far as they are bluer than the truth. {repeats} draws.",
            PICTURES - OTHERS,
            PICTURES / 2
        ),
        tests: vec![
            Test::at_least("too blue, learned from one kind", bias(1), 0.03),
            Test::at_least(
                "the same, as a multiple of one that learned from both",
                bias(1) / bias(2).abs().max(1e-3),
                1.3,
            ),
            Test::at_least(
                "what is left without pictures by lot, less without the named causes",
                bias(4) - bias(3),
                0.0,
            ),
        ],
        tables: vec![Figures {
            title: "Mean blueness of pictures of the second kind",
            head: vec!["", "Cb - Cr", "less the truth"],
            rows: rows.collect(),
        }],
        pictures: vec![drawing(
            "Painted pictures, and what caused their colours",
            rasters(
                "Painted pictures, and what caused their colours",
                &pictures,
                6,
            ),
            &[],
            "Of each: the truth, what the networks saw, what each painted, and the two training pictures that most caused the third.",
        )],
        lesson: "A model paints what it was shown. Look at the training units behind an answer before believing it.",
        seconds: 0.0,
    })
}
