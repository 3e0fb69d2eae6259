use std::f32::consts::PI;

use candor_core::Seed;
use candor_data::{ImageSize, Images};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::changed;

/// Damage that cameras, light and compression do to pictures.
///
/// # Reference
/// Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019: its families
/// noise, blur, weather and digital, each in a form that works on pictures of any size, with severities of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Normal noise on every number.
    GaussianNoise,
    /// The noise of few photons: its variance grows with the brightness.
    ShotNoise,
    /// Out of focus: a Gaussian blur.
    Blur,
    /// Paler: nearer to the mean of the picture.
    Contrast,
    /// Lighter.
    Brightness,
    /// Seen in coarse pixels.
    Pixelate,
    /// Strongly compressed: blocks of 8 x 8 whose frequencies are rounded (as in JPEG, without its colours at half size).
    Compression,
    /// A square at a random place shows the mean of the picture.
    Occlusion,
}

impl Corruption {
    /// All of them.
    pub const ALL: [Corruption; 8] = [
        Corruption::GaussianNoise,
        Corruption::ShotNoise,
        Corruption::Blur,
        Corruption::Contrast,
        Corruption::Brightness,
        Corruption::Pixelate,
        Corruption::Compression,
        Corruption::Occlusion,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Corruption::GaussianNoise => "gaussian noise",
            Corruption::ShotNoise => "shot noise",
            Corruption::Blur => "blur",
            Corruption::Contrast => "low contrast",
            Corruption::Brightness => "brightness",
            Corruption::Pixelate => "pixelation",
            Corruption::Compression => "compression",
            Corruption::Occlusion => "occlusion",
        }
    }
}

/// Pictures with a corruption of a severity from 1 to 5; others are taken as the nearest of these.
pub fn corrupted(
    images: &Images,
    indices: &[usize],
    corruption: Corruption,
    severity: u8,
    seed: Seed,
) -> Images {
    let severity = severity.clamp(1, 5);
    let size = images.size();
    // From 0.2 to 1.
    let strength = f32::from(severity) / 5.0;
    changed(images, indices, |index, picture| {
        let mut stream = seed.stream(corruption.name(), &[u64::from(severity), index as u64]);
        corrupt(corruption, strength, picture, size, &mut stream);
    })
}

fn corrupt(
    corruption: Corruption,
    strength: f32,
    picture: &mut [u8],
    size: ImageSize,
    stream: &mut ChaCha8Rng,
) {
    let pixels = size.height * size.width;
    let side = size.height.min(size.width) as f32;
    match corruption {
        Corruption::GaussianNoise => {
            let sd = 0.2 * 255.0 * strength;
            each(picture, |v| v + sd * normal(stream));
        }
        Corruption::ShotNoise => {
            // Photons of a white pixel: 100 at severity 1, 4 at severity 5. A normal law has the variance of Poisson's.
            let photons = 4.0 / (strength * strength);
            each(picture, |v| {
                v + 255.0 * (v / 255.0 / photons).sqrt() * normal(stream)
            });
        }
        Corruption::Blur => {
            // Of 0.5 to 1.8 pixels where the side has 28.
            let sd = (0.2 + 1.6 * strength) * (side / 28.0).max(0.5);
            for plane in picture.chunks_exact_mut(pixels) {
                blur(plane, [size.height, size.width], sd);
            }
        }
        Corruption::Contrast => {
            let (mean, kept) = (mean(picture), 1.0 - 0.85 * strength);
            each(picture, |v| mean + (v - mean) * kept);
        }
        Corruption::Brightness => each(picture, |v| v + 0.5 * 255.0 * strength),
        Corruption::Pixelate => {
            // Of 2 to 6 pixels where the side has 28.
            let block =
                1 + (5.0 * strength).round() as usize * (side / 28.0).round().max(1.0) as usize;
            for plane in picture.chunks_exact_mut(pixels) {
                pixelate(plane, [size.height, size.width], block);
            }
        }
        Corruption::Compression => {
            for plane in picture.chunks_exact_mut(pixels) {
                compress(plane, [size.height, size.width], 40.0 * strength);
            }
        }
        Corruption::Occlusion => {
            let hidden = ((0.6 * side * strength).round() as usize).max(1);
            occlude(picture, size, hidden, stream);
        }
    }
}

fn mean(picture: &[u8]) -> f32 {
    picture.iter().map(|&v| f32::from(v)).sum::<f32>() / picture.len().max(1) as f32
}

/// Changes every number; what leaves the range is cut.
fn each(picture: &mut [u8], mut change: impl FnMut(f32) -> f32) {
    for value in picture {
        *value = change(f32::from(*value)).round() as u8;
    }
}

/// Standard normal (Box & Muller 1958).
fn normal(stream: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - stream.random::<f32>()).ln()).sqrt();
    radius * (2.0 * PI * stream.random::<f32>()).cos()
}

/// A Gaussian blur, along one axis and then along the other; beyond the edge there is the edge.
fn blur(plane: &mut [u8], [height, width]: [usize; 2], sd: f32) {
    let reach = (3.0 * sd).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach)
        .map(|d| (-0.5 * (d as f32 / sd.max(1e-3)).powi(2)).exp())
        .collect();
    let total: f32 = weights.iter().sum();
    let blurred = |at: &dyn Fn(isize) -> f32| -> f32 {
        let terms = (-reach..=reach).zip(&weights);
        terms.map(|(d, w)| w * at(d)).sum::<f32>() / total
    };
    let inside = |place: usize, d: isize, side: usize| {
        (place as isize + d).clamp(0, side as isize - 1) as usize
    };
    let mut across = vec![0f32; plane.len()];
    for row in 0..height {
        for column in 0..width {
            let at = |d: isize| f32::from(plane[row * width + inside(column, d, width)]);
            across[row * width + column] = blurred(&at);
        }
    }
    for row in 0..height {
        for column in 0..width {
            let at = |d: isize| across[inside(row, d, height) * width + column];
            plane[row * width + column] = blurred(&at).round() as u8;
        }
    }
}

/// Each block shows its mean.
fn pixelate(plane: &mut [u8], [height, width]: [usize; 2], block: usize) {
    for top in (0..height).step_by(block) {
        for left in (0..width).step_by(block) {
            let (rows, columns) = (
                top..(top + block).min(height),
                left..(left + block).min(width),
            );
            let count = (rows.len() * columns.len()) as u32;
            let lines = rows.clone().map(|r| &plane[r * width..][columns.clone()]);
            let sum: u32 = lines.flatten().map(|&v| u32::from(v)).sum();
            for row in rows {
                plane[row * width..][columns.clone()].fill(((sum + count / 2) / count) as u8);
            }
        }
    }
}

/// Side of a block whose frequencies are rounded.
const BLOCK: usize = 8;

/// Rounds the frequencies of each block to multiples of a step that grows with the frequency; blocks at the lower and right edge repeat
/// the edge.
fn compress(plane: &mut [u8], [height, width]: [usize; 2], step: f32) {
    let cosines = cosines();
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            let mut block = [[0f32; BLOCK]; BLOCK];
            for (row, line) in block.iter_mut().enumerate() {
                for (column, value) in line.iter_mut().enumerate() {
                    let row = (top + row).min(height - 1);
                    *value = f32::from(plane[row * width + (left + column).min(width - 1)]) - 128.0;
                }
            }
            let mut frequencies = product(&product(&cosines, &block), &transposed(&cosines));
            for (i, line) in frequencies.iter_mut().enumerate() {
                for (j, value) in line.iter_mut().enumerate() {
                    let step = step * (1.0 + (i + j) as f32 / 2.0);
                    *value = (*value / step).round() * step;
                }
            }
            let block = product(&product(&transposed(&cosines), &frequencies), &cosines);
            for (line, row) in block.iter().zip(top..height) {
                for (value, column) in line.iter().zip(left..width) {
                    plane[row * width + column] = (value + 128.0).round() as u8;
                }
            }
        }
    }
}

type Square = [[f32; BLOCK]; BLOCK];

/// The orthonormal discrete cosine transform: a row for each frequency (Ahmed et al. 1974).
fn cosines() -> Square {
    let n = BLOCK as f32;
    std::array::from_fn(|k| {
        let scale = if k == 0 { 1.0 / n } else { 2.0 / n }.sqrt();
        std::array::from_fn(|i| scale * (PI / n * (i as f32 + 0.5) * k as f32).cos())
    })
}

fn transposed(a: &Square) -> Square {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

fn product(a: &Square, b: &Square) -> Square {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (0..BLOCK).map(|k| a[i][k] * b[k][j]).sum::<f32>())
    })
}

fn occlude(picture: &mut [u8], size: ImageSize, hidden: usize, stream: &mut ChaCha8Rng) {
    let mut range = |side: usize| {
        let length = hidden.min(side);
        let start = stream.random_range(0..=side - length);
        start..start + length
    };
    let (rows, columns) = (range(size.height), range(size.width));
    for plane in picture.chunks_exact_mut(size.height * size.width) {
        let mean = mean(plane).round() as u8;
        for row in rows.clone() {
            plane[row * size.width..][columns.clone()].fill(mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pictures of waves.
    fn images(channels: usize, height: usize, width: usize) -> Images {
        let size = ImageSize {
            channels,
            height,
            width,
        };
        let value = |i: usize| {
            let (row, column) = ((i / width) as f32, (i % width) as f32);
            (120.0 + 60.0 * (0.9 * column).sin() + 50.0 * (0.7 * row).cos()) as u8
        };
        Images::new(size, (0..2 * size.len()).map(value).collect()).unwrap()
    }

    fn distance(a: &Images, b: &Images) -> f64 {
        let pairs = a.pixels().iter().zip(b.pixels());
        let squares = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        squares.sum::<f64>() / a.pixels().len() as f64
    }

    #[test]
    fn a_greater_severity_is_further_from_the_picture() {
        for size in [(1, 28, 28), (3, 20, 33)] {
            let images = images(size.0, size.1, size.2);
            for corruption in Corruption::ALL {
                let of = |severity| corrupted(&images, &[0, 1], corruption, severity, Seed(1));
                let distances: Vec<f64> = (1..=5).map(|s| distance(&of(s), &images)).collect();
                let rises = distances.windows(2).filter(|w| w[0] < w[1]).count();
                assert!(distances[0] > 0.0, "{corruption:?} does nothing");
                assert!(
                    rises >= 3 && distances[0] < distances[4],
                    "{corruption:?}: {distances:?}"
                );
                assert_eq!(of(3), of(3));
                // A picture is changed alike whatever stands beside it.
                let alone = corrupted(&images, &[1], corruption, 3, Seed(1));
                assert_eq!(alone.get(0), of(3).get(1), "{corruption:?}");
            }
        }
    }

    #[test]
    fn the_smallest_pictures_are_corrupted_without_fault() {
        for (height, width) in [(1, 1), (1, 9), (5, 2)] {
            let images = images(1, height, width);
            for corruption in Corruption::ALL {
                for severity in [0, 1, 5, 200] {
                    let found = corrupted(&images, &[0, 7], corruption, severity, Seed(2));
                    assert_eq!(found.len(), 1);
                }
            }
        }
    }

    #[test]
    fn the_transform_of_a_block_and_back_is_the_block() {
        let cosines = cosines();
        let one = product(&cosines, &transposed(&cosines));
        for (i, row) in one.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((value - f32::from(u8::from(i == j))).abs() < 1e-6);
            }
        }
        let mut plane: Vec<u8> = (0..64).map(|i| (i * 3) as u8).collect();
        let given = plane.clone();
        compress(&mut plane, [8, 8], 1e-3);
        assert_eq!(plane, given);
    }

    #[test]
    fn what_changes_a_constant_picture_and_what_does_not() {
        let size = ImageSize {
            channels: 1,
            height: 16,
            width: 16,
        };
        let images = Images::new(size, vec![100; 256]).unwrap();
        for corruption in Corruption::ALL {
            let found = corrupted(&images, &[0], corruption, 5, Seed(3));
            let changed = found != images;
            let expected = matches!(
                corruption,
                Corruption::GaussianNoise | Corruption::ShotNoise | Corruption::Brightness
            );
            // The mean of a block is rounded to a multiple of the step.
            assert!(changed == expected || corruption == Corruption::Compression);
        }
    }
}
