//! What is said of doubt is true of pictures.
#![allow(clippy::unwrap_used)]

use candor_core::{Seed, Targets, Task};
use candor_data::{ImageSize, Images};
use candor_design::Design;
use candor_image::{ImageLearner, ImageUnits};
use rand::RngExt;
use split::{Problem, Sizes, normal};

#[path = "../../../train/tests/support/split.rs"]
mod split;

const SIZE: ImageSize = ImageSize {
    channels: 1,
    height: 8,
    width: 8,
};

/// Pictures of some light, with noise; how light they are is known, with noise of its own.
fn problem(pictures: usize, noise: f32, task: Task) -> Problem {
    let mut rng = Seed(1).stream("pictures", &[]);
    let (mut pixels, mut values) = (Vec::new(), Vec::new());
    for _ in 0..pictures {
        let light = rng.random_range(0.2..1.0f32);
        let pixel = |_| (200.0 * light) as u8 + rng.random_range(0..30u8);
        pixels.extend((0..SIZE.len()).map(pixel));
        values.push(3.0 * light + noise * normal(&mut rng));
    }
    Problem {
        learner: Box::new(ImageLearner::new(SIZE, task).unwrap()),
        units: ImageUnits::units(Images::new(SIZE, pixels).unwrap()),
        targets: Targets::Values { width: 1, values },
        each: 1,
        design: Design::new()
            .with("model", "fast_residual")
            .with("width", 8)
            .with("crop", false)
            .with("flip", false)
            .with("label_smoothing", 0.0)
            .with("weight_decay", 0.001),
    }
}

#[test]
fn the_doubt_of_pictures_is_split_as_it_should_be() {
    let sizes = Sizes {
        learned: 20,
        watched: 80,
        held: 100,
        steps: 800,
        left: 0.9,
        apart: 0.25,
    };
    let of = |noise: f32| problem(16 * 20 + 180, noise, Task::Regression);
    split::the_split_is_real(&of, 0.5, sizes);
}

#[test]
fn classes_of_pictures_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    split::coins_are_learned_by_heart(problem(500, 0.0, Task::Binary), 40, 400);
}
