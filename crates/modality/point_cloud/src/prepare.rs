use burn::tensor::Device;
use candor_core::{Seed, Targets};
use candor_train::{Batches, TargetScale};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::augmentation::{spread, turned};
use crate::batch::Points;
use crate::design::Seen;
use crate::intrinsic::{DESCRIPTORS, POINT_FEATURES};
use crate::{CloudBatch, CloudDesign, CloudUnits};

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Mean and standard deviation of each number of a point.
    pub features: Vec<(f32, f32)>,
    /// Mean and standard deviation of each descriptor.
    pub descriptors: Vec<(f32, f32)>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
}

/// Standard deviations at which a network sees a number no further. Distances are measured on what is not cut.
pub(crate) const MOST_SEEN: f32 = 5.0;

impl Preparation {
    /// Fits on the shapes `train`; what never changes has a standard deviation of 1.
    pub fn fit(clouds: &CloudUnits, targets: &Targets, train: &[usize]) -> Preparation {
        let descriptors = clouds.descriptors(train);
        let points = train
            .iter()
            .filter_map(|&unit| clouds.get(unit))
            .flat_map(|cloud| cloud.intrinsic().points.chunks_exact(POINT_FEATURES));
        Preparation {
            features: moments(points, POINT_FEATURES),
            descriptors: moments(descriptors.chunks_exact(DESCRIPTORS), DESCRIPTORS),
            target_scale: TargetScale::fit(targets, train),
        }
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        for (scaling, length, what) in [
            (&self.features, POINT_FEATURES, "points"),
            (&self.descriptors, DESCRIPTORS, "descriptors"),
        ] {
            if scaling.len() != length || scaling.iter().any(damaged) {
                return Err(format!("scaling of the {what} is damaged"));
            }
        }
        self.target_scale.check()
    }

    /// Standardised descriptors, `[indices, DESCRIPTORS]`: what distances between shapes are measured on.
    pub fn standardised(&self, clouds: &CloudUnits, indices: &[usize]) -> Vec<f32> {
        let mut values = clouds.descriptors(indices);
        for row in values.chunks_exact_mut(DESCRIPTORS) {
            for (value, (mean, sd)) in row.iter_mut().zip(&self.descriptors) {
                *value = (*value - mean) / sd;
            }
        }
        values
    }
}

/// Mean and standard deviation of each column.
pub(crate) fn moments<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<(f32, f32)> {
    let (mut count, mut sums) = (0.0f64, vec![(0.0f64, 0.0f64); width]);
    for row in rows {
        count += 1.0;
        for ((sum, squares), value) in sums.iter_mut().zip(row) {
            let value = f64::from(*value);
            *sum += value;
            *squares += value * value;
        }
    }
    let count = count.max(1.0);
    let moments = |(sum, squares): (f64, f64)| {
        let mean = sum / count;
        let variance = squares / count - mean * mean;
        // What rounding leaves of a constant is not a variance.
        let sd = if variance > 1e-9 * (1.0 + mean * mean) {
            variance.sqrt()
        } else {
            1.0
        };
        (mean as f32, sd as f32)
    };
    sums.into_iter().map(moments).collect()
}

/// Shapes from which a network's batches are made.
#[derive(Debug)]
pub struct PreparedClouds<'a> {
    clouds: &'a CloudUnits,
    preparation: &'a Preparation,
    design: &'a CloudDesign,
    /// Which look at each shape, from 0.
    vote: usize,
}

impl<'a> PreparedClouds<'a> {
    /// Shapes as the preparation and the design have them.
    pub fn new(
        clouds: &'a CloudUnits,
        preparation: &'a Preparation,
        design: &'a CloudDesign,
    ) -> PreparedClouds<'a> {
        PreparedClouds {
            clouds,
            preparation,
            design,
            vote: 0,
        }
    }

    /// Another look at the same shapes: turned, if the design turns them in training, and with samples that start elsewhere.
    pub fn voting(self, vote: usize) -> PreparedClouds<'a> {
        PreparedClouds { vote, ..self }
    }

    fn made(
        &self,
        indices: &[usize],
        device: &Device,
        mut change: impl FnMut(&[f32]) -> (Vec<u32>, Vec<f32>),
    ) -> CloudBatch {
        let seen = self.design.seen;
        let mut points = Points::default();
        let mut features = Vec::new();
        let scaling = &self.preparation.features;
        for cloud in indices.iter().filter_map(|&unit| self.clouds.get(unit)) {
            let (numbers, at) = change(cloud.points());
            points.push(&at);
            for (number, at) in numbers.iter().zip(at.chunks_exact(3)) {
                if seen != Seen::Intrinsic {
                    features.extend_from_slice(at);
                }
                if seen != Seen::Coordinates {
                    let start = *number as usize * POINT_FEATURES;
                    let own = &cloud.intrinsic().points[start..start + POINT_FEATURES];
                    let scaled = own.iter().zip(scaling);
                    features.extend(scaled.map(|(value, (mean, sd))| {
                        ((value - mean) / sd).clamp(-MOST_SEEN, MOST_SEEN)
                    }));
                }
            }
        }
        let mut descriptors = match self.design.descriptors {
            true => self.preparation.standardised(self.clouds, indices),
            false => Vec::new(),
        };
        for value in &mut descriptors {
            *value = value.clamp(-MOST_SEEN, MOST_SEEN);
        }
        let length = if self.design.descriptors {
            DESCRIPTORS
        } else {
            0
        };
        CloudBatch::new(
            points,
            (features, seen.width()),
            (descriptors, length),
            device,
        )
    }
}

impl Batches for PreparedClouds<'_> {
    type Batch = CloudBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> CloudBatch {
        let vote = self.vote;
        let turn = (vote > 0).then(|| {
            let mut stream = Seed(0).stream("vote", &[vote as u64]);
            self.design.rotation.draw(&mut stream)
        });
        self.made(indices, device, |points| {
            let all = points.len() / 3;
            let count = self.design.points.min(all);
            let numbers: Vec<u32> = match vote {
                0 => (0..count as u32).collect(),
                // From another point on, by its rank in the even order.
                _ => spread(points, (0..all as u32).collect(), count, vote % all.max(1)),
            };
            let mut at = taken(points, &numbers);
            if let Some(turn) = &turn {
                turned(&mut at, turn);
            }
            (numbers, at)
        })
    }

    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> CloudBatch {
        let policy = self.design.augmentation();
        self.made(indices, device, |points| {
            let numbers = policy.sample(points, self.design.points, stream);
            let mut at = taken(points, &numbers);
            policy.apply(&mut at, stream);
            (numbers, at)
        })
    }

    fn units_at_once(&self) -> usize {
        16
    }
}

fn taken(points: &[f32], numbers: &[u32]) -> Vec<f32> {
    let numbers = numbers.iter().map(|&n| 3 * n as usize);
    numbers
        .flat_map(|n| points[n..n + 3].iter().copied())
        .collect()
}
