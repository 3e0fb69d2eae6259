use rayon::prelude::*;

use super::ImageSize;
use super::Images;
use super::decode::Picture;
use super::resize::fitted;

/// Pixels a side.
const SIDE: usize = 16;
/// Pixels a channel.
const AREA: usize = SIDE * SIDE;
/// Frequencies a side that the hash looks at.
const WAVES: usize = 8;

/// Small copies of pictures, with hashes that are alike where the pictures are.
#[derive(Debug)]
pub(super) struct Thumbnails {
    /// Bytes of one.
    length: usize,
    pixels: Vec<u8>,
    /// The sum over pixels and channels, and the Euclidean norm of what differs from the mean.
    moments: Vec<(u32, f64)>,
    /// One bit a low frequency of the brightness.
    pub hashes: Vec<u64>,
}

impl Thumbnails {
    pub(super) fn of(images: &Images) -> Thumbnails {
        let size = images.size();
        let length = size.channels * AREA;
        let waves = waves();
        let mut pixels = vec![0; images.len() * length];
        let made = pixels
            .par_chunks_mut(length)
            .zip(images.pixels().par_chunks(size.len()))
            .map(|(thumbnail, picture)| {
                let plane = size.height * size.width;
                for (small, large) in thumbnail.chunks_mut(AREA).zip(picture.chunks(plane)) {
                    small.copy_from_slice(&shrunk(large, size));
                }
                (moments(thumbnail), hash(thumbnail, &waves))
            });
        let (moments, hashes) = made.unzip();
        Thumbnails {
            length,
            pixels,
            moments,
            hashes,
        }
    }

    /// The distance of two pictures whose values, over pixels and channels, are shifted to mean 0 and scaled to norm 1: 0 for
    /// brighter, darker and flatter copies, `sqrt(2 - 2 r)` at correlation `r`, up to 2; `sqrt(2)` when one of them is constant.
    pub(super) fn distance(&self, a: usize, b: usize) -> f32 {
        let ((sum_a, norm_a), (sum_b, norm_b)) = (self.moments[a], self.moments[b]);
        if norm_a == 0.0 || norm_b == 0.0 {
            return std::f32::consts::SQRT_2;
        }
        let of = |i: usize| &self.pixels[i * self.length..(i + 1) * self.length];
        let product: u32 = of(a)
            .iter()
            .zip(of(b))
            .map(|(x, y)| u32::from(*x) * u32::from(*y))
            .sum();
        // Whole numbers: nothing is lost where two pictures hardly differ from their means.
        let length = self.length as i64;
        let covariance = length * i64::from(product) - i64::from(sum_a) * i64::from(sum_b);
        let correlation = covariance as f64 / length as f64 / (norm_a * norm_b);
        (2.0 - 2.0 * correlation).max(0.0).sqrt() as f32
    }
}

fn shrunk(plane: &[u8], size: ImageSize) -> Vec<u8> {
    let picture = Picture {
        width: size.width,
        height: size.height,
        channels: 1,
        pixels: plane.to_vec(),
    };
    let to = ImageSize {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    fitted(picture, to)
}

fn moments(thumbnail: &[u8]) -> (u32, f64) {
    let sum: u32 = thumbnail.iter().map(|&v| u32::from(v)).sum();
    let squares: u32 = thumbnail.iter().map(|&v| u32::from(v).pow(2)).sum();
    let length = thumbnail.len() as u64;
    let around_mean = length * u64::from(squares) - u64::from(sum).pow(2);
    (sum, (around_mean as f64 / length as f64).sqrt())
}

/// The first [`WAVES`] cosines over [`SIDE`] pixels.
fn waves() -> [[f32; SIDE]; WAVES] {
    let mut waves = [[0.0; SIDE]; WAVES];
    for (frequency, wave) in waves.iter_mut().enumerate() {
        for (at, value) in wave.iter_mut().enumerate() {
            let phase = std::f64::consts::PI * (at as f64 + 0.5) * frequency as f64 / SIDE as f64;
            *value = phase.cos() as f32;
        }
    }
    waves
}

/// Which low frequencies of a discrete cosine transform of the brightness lie above their median (C. Zauner,
/// *Implementation and benchmarking of perceptual image hash functions*, 2010, section 3.2.1).
fn hash(thumbnail: &[u8], waves: &[[f32; SIDE]; WAVES]) -> u64 {
    let mut brightness = [0.0_f32; AREA];
    for channel in thumbnail.chunks(AREA) {
        for (sum, &value) in brightness.iter_mut().zip(channel) {
            *sum += f32::from(value);
        }
    }
    let mut rows = [[0.0_f32; SIDE]; WAVES];
    for (row, wave) in rows.iter_mut().zip(waves) {
        for (pixels, weight) in brightness.chunks(SIDE).zip(wave) {
            for (sum, value) in row.iter_mut().zip(pixels) {
                *sum += weight * value;
            }
        }
    }
    let product = |row: &[f32; SIDE], wave: &[f32; SIDE]| -> f32 {
        row.iter().zip(wave).map(|(v, w)| v * w).sum()
    };
    let mut coefficients = [0.0_f32; WAVES * WAVES];
    for (at, value) in coefficients.iter_mut().enumerate() {
        *value = product(&rows[at / WAVES], &waves[at % WAVES]);
    }
    // The mean brightness is no shape.
    coefficients[0] = 0.0;
    let mut sorted = coefficients;
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    let bits = coefficients.iter().enumerate();
    bits.fold(0, |hash, (at, value)| {
        hash | (u64::from(*value > median) << at)
    })
}
