use burn::tensor::{Device, Tensor, TensorData};
use candor_core::Targets;
use candor_data::{ImageSize, Images};
use candor_train::{Batches, TargetScale};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Augmentation;

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The shape of the pictures.
    pub size: ImageSize,
    /// Mean and standard deviation of the bytes of each channel.
    pub channels: Vec<(f32, f32)>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
}

/// Rows and columns of a picture's small copy.
const SMALL: usize = 8;
/// Pixels of a side at most.
const MOST_PIXELS: usize = 1 << 14;

impl Preparation {
    /// Fits on the pictures `train`; a channel that never changes has a standard deviation of 1.
    pub fn fit(images: &Images, targets: &Targets, train: &[usize]) -> Preparation {
        let size = images.size();
        let pixels = size.height * size.width;
        let mut counts = vec![[0u64; 256]; size.channels];
        for picture in train.iter().filter_map(|&unit| images.get(unit)) {
            for (counts, plane) in counts.iter_mut().zip(picture.chunks_exact(pixels)) {
                plane.iter().for_each(|&v| counts[usize::from(v)] += 1);
            }
        }
        Preparation {
            size,
            channels: counts.iter().map(moments).collect(),
            target_scale: TargetScale::fit(targets, train),
        }
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let ImageSize {
            channels,
            height,
            width,
        } = self.size;
        let sides = 1..=MOST_PIXELS;
        if !(1..=4).contains(&channels) || !sides.contains(&height) || !sides.contains(&width) {
            return Err(format!("it is for pictures of {}", self.size));
        }
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.channels.len() != channels || self.channels.iter().any(damaged) {
            return Err("scaling of the channels is damaged".into());
        }
        self.target_scale.check()
    }

    /// For each channel, the number that each byte becomes.
    fn tables(&self) -> Vec<[f32; 256]> {
        let table = |&(mean, sd): &(f32, f32)| std::array::from_fn(|v| (v as f32 - mean) / sd);
        self.channels.iter().map(table).collect()
    }

    /// The mean byte of each channel.
    fn fill(&self) -> Vec<u8> {
        let means = self.channels.iter();
        means.map(|(mean, _)| mean.round() as u8).collect()
    }

    /// Standardised means over the parts of a grid of at most 8 x 8, `[pictures, channels * rows * columns]`, and the length of a row:
    /// what distances between pictures are measured on.
    pub fn small(&self, images: &Images, indices: &[usize]) -> (usize, Vec<f32>) {
        let ImageSize { height, width, .. } = self.size;
        let grid = [height.min(SMALL), width.min(SMALL)];
        let length = self.channels.len() * grid[0] * grid[1];
        let mut values = Vec::with_capacity(indices.len() * length);
        for picture in indices.iter().filter_map(|&unit| images.get(unit)) {
            let planes = picture.chunks_exact(height * width).zip(&self.channels);
            for (plane, (mean, sd)) in planes {
                let small = crate::descriptors::shrunk(plane, [height, width], grid);
                values.extend(small.into_iter().map(|v| (v - mean) / sd));
            }
        }
        (length, values)
    }
}

/// Mean and standard deviation of bytes, counted.
fn moments(counts: &[u64; 256]) -> (f32, f32) {
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let mean_of = |of: &dyn Fn(f64) -> f64| -> f64 {
        let terms = counts.iter().enumerate();
        terms.map(|(v, &n)| n as f64 * of(v as f64)).sum::<f64>() / total
    };
    let mean = mean_of(&|v| v);
    let sd = mean_of(&|v| (v - mean).powi(2)).sqrt();
    (mean as f32, if sd > 0.0 { sd as f32 } else { 1.0 })
}

/// Pictures from which a network's batches are made.
#[derive(Debug)]
pub struct PreparedImages<'a> {
    images: &'a Images,
    tables: Vec<[f32; 256]>,
    fill: Vec<u8>,
    augmentation: Augmentation,
    units_at_once: usize,
    /// Whether pictures are predicted with left and right exchanged.
    mirrored: bool,
}

impl<'a> PreparedImages<'a> {
    /// Pictures of the size of the preparation; `units_at_once` are predicted together.
    pub fn new(
        images: &'a Images,
        preparation: &Preparation,
        augmentation: Augmentation,
        units_at_once: usize,
    ) -> PreparedImages<'a> {
        PreparedImages {
            images,
            tables: preparation.tables(),
            fill: preparation.fill(),
            augmentation,
            units_at_once,
            mirrored: false,
        }
    }

    /// The same pictures, predicted with left and right exchanged.
    pub fn mirrored(self) -> PreparedImages<'a> {
        PreparedImages {
            mirrored: true,
            ..self
        }
    }

    fn tensor(&self, count: usize, values: Vec<f32>, device: &Device) -> Tensor<4> {
        let ImageSize {
            channels,
            height,
            width,
        } = self.images.size();
        Tensor::from_data(
            TensorData::new(values, [count, channels, height, width]),
            device,
        )
    }

    fn standardise(&self, picture: &[u8], values: &mut Vec<f32>) {
        let pixels = picture.len() / self.tables.len().max(1);
        for (plane, table) in picture.chunks_exact(pixels).zip(&self.tables) {
            values.extend(plane.iter().map(|&v| table[usize::from(v)]));
        }
    }
}

impl Batches for PreparedImages<'_> {
    type Batch = Tensor<4>;

    fn batch(&self, indices: &[usize], device: &Device) -> Tensor<4> {
        let mut values = Vec::with_capacity(indices.len() * self.images.size().len());
        for picture in indices.iter().filter_map(|&unit| self.images.get(unit)) {
            let begun = values.len();
            self.standardise(picture, &mut values);
            if self.mirrored {
                let rows = values[begun..].chunks_exact_mut(self.images.size().width);
                rows.for_each(<[f32]>::reverse);
            }
        }
        self.tensor(indices.len(), values, device)
    }

    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Tensor<4> {
        let size = self.images.size();
        let mut values = Vec::with_capacity(indices.len() * size.len());
        let mut changed = vec![0; size.len()];
        for picture in indices.iter().filter_map(|&unit| self.images.get(unit)) {
            self.augmentation
                .apply(picture, size, &self.fill, stream, &mut changed);
            self.standardise(&changed, &mut values);
        }
        self.tensor(indices.len(), values, device)
    }

    fn units_at_once(&self) -> usize {
        self.units_at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    const SIZE: ImageSize = ImageSize {
        channels: 2,
        height: 2,
        width: 2,
    };

    fn images() -> Images {
        // Two to learn from, and a third that is not looked at.
        let pixels = [
            [10, 10, 10, 10, 5, 5, 5, 5],
            [20, 20, 20, 20, 5, 5, 5, 5],
            [250, 240, 230, 220, 250, 240, 230, 220],
        ];
        Images::new(SIZE, pixels.concat()).unwrap()
    }

    #[test]
    fn scaling_is_that_of_the_training_part() {
        let fitted = Preparation::fit(&images(), &Targets::Classes(vec![0, 1, 0]), &[0, 1]);
        // The second channel never changes.
        assert_eq!(fitted.channels, [(15.0, 5.0), (5.0, 1.0)]);
        assert_eq!(fitted.check(), Ok(()));
        let images = images();
        let data = PreparedImages::new(&images, &fitted, Augmentation::NONE, 4);
        let batch = data.batch(&[1, 0], &Device::flex());
        assert_eq!(batch.dims(), [2, 2, 2, 2]);
        let values: Vec<f32> = batch.into_data().iter().collect();
        assert_eq!(values[..8], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(values[8..12], [-1.0; 4]);
        let turned = PreparedImages::new(&images, &fitted, Augmentation::NONE, 4).mirrored();
        let turned = turned.batch(&[2], &Device::flex()).into_data();
        let plain = data.batch(&[2], &Device::flex()).into_data();
        let plain: Vec<f32> = plain.iter().collect();
        let order = [1, 0, 3, 2, 5, 4, 7, 6].map(|i| plain[i]);
        assert_eq!(turned.iter::<f32>().collect::<Vec<_>>(), order);
        // Without a policy, a batch of training is a plain one.
        let mut stream = Seed(0).stream("augmentation", &[]);
        let trained = data.training_batch(&[1, 0], &mut stream, &Device::flex());
        assert_eq!(
            trained.into_data().iter::<f32>().collect::<Vec<_>>(),
            values
        );
        // What distances are measured on is not cut.
        let (width, small) = fitted.small(&images, &[2]);
        assert_eq!((width, small[0], small[7]), (8, 47.0, 215.0));
    }

    #[test]
    fn a_damaged_preparation_is_refused() {
        let fitted = Preparation::fit(&images(), &Targets::Classes(vec![0; 3]), &[0, 1]);
        let mut cases = vec![fitted.clone(); 4];
        cases[0].channels[0].1 = 0.0;
        cases[1].channels.pop();
        cases[2].size.height = 0;
        cases[3].size.channels = 9;
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
