//! What can go wrong with pictures in the world, as changed copies of pictures.
//!
//! All functions take the pictures at `indices`, in that order; a picture that does not exist is left out. Each picture's
//! randomness comes from the seed and its own number, so that it is changed alike whatever stands beside it.

mod corruption;
mod regions;
mod rotation;

pub use corruption::{Corruption, corrupted};
pub use regions::{patches_shuffled, region_shuffled, regions};
pub use rotation::rotated;

use candor_data::Images;

/// Changed copies of some pictures.
fn changed(images: &Images, indices: &[usize], mut change: impl FnMut(usize, &mut [u8])) -> Images {
    let existing: Vec<usize> = indices
        .iter()
        .copied()
        .filter(|&i| i < images.len())
        .collect();
    let mut pixels = Vec::with_capacity(existing.len() * images.size().len());
    for &index in &existing {
        let start = pixels.len();
        pixels.extend_from_slice(images.get(index).unwrap_or_default());
        change(index, &mut pixels[start..]);
    }
    Images::new(images.size(), pixels)
        .unwrap_or_else(|| unreachable!("copies of whole pictures are whole pictures"))
}
