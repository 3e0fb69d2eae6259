use std::fmt;

use serde::{Deserialize, Serialize};

/// The shape of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageSize {
    /// Bytes of one picture.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether a picture has no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// Pictures of one size, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    size: ImageSize,
    pixels: Vec<u8>,
}

impl Images {
    /// Wraps `pixels`, `[pictures, channels, height, width]`, 0 to 255. `None` when they are no whole number of pictures.
    pub fn new(size: ImageSize, pixels: Vec<u8>) -> Option<Images> {
        (!size.is_empty() && pixels.len().is_multiple_of(size.len()))
            .then_some(Images { size, pixels })
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The shape that all have.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// All pixels, `[pictures, channels, height, width]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One picture, `[channels, height, width]`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let length = self.size.len();
        self.pixels.get(index.checked_mul(length)?..)?.get(..length)
    }

    /// The pictures at `indices`, in that order; `None` when one does not exist.
    pub fn select(&self, indices: &[usize]) -> Option<Images> {
        let mut pixels = Vec::with_capacity(indices.len() * self.size.len());
        for &index in indices {
            pixels.extend_from_slice(self.get(index)?);
        }
        Some(Images {
            size: self.size,
            pixels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_whole_and_found_by_number() {
        let size = ImageSize {
            channels: 1,
            height: 1,
            width: 2,
        };
        assert_eq!(Images::new(size, vec![1, 2, 3]), None);
        let images = Images::new(size, vec![1, 2, 3, 4]).unwrap();
        assert_eq!(images.len(), 2);
        assert_eq!(images.get(1), Some(&[3, 4][..]));
        assert_eq!(images.get(2), None);
        assert_eq!(images.select(&[1, 1]).unwrap().pixels(), [3, 4, 3, 4]);
        assert_eq!(images.select(&[2]), None);
    }
}
