use burn::tensor::Device;
use candor_core::{Seed, Targets};
use candor_train::{Batches, TargetScale};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::surroundings::{SURROUNDINGS, TURNED};
use super::{PointUnits, Scan, SegmentBatch};
use crate::augmentation::{spread, turned};
use crate::batch::Points;
use crate::prepare::{MOST_SEEN, moments};
use crate::{Augmentation, BodyKind, CloudBatch, CloudDesign, Rotation, Seen};

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointPreparation {
    /// What is known of points beside their places.
    pub channels: Vec<String>,
    /// Mean and standard deviation of each number of the surroundings, and of each channel.
    pub scaling: Vec<(f32, f32)>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
}

/// Points that are looked at to find moments, at equal steps.
const LOOKED_AT: usize = 100_000;

impl PointPreparation {
    /// Fits on the units `train`; what never changes has a standard deviation of 1.
    pub fn fit(points: &PointUnits, targets: &Targets, train: &[usize]) -> PointPreparation {
        let step = train.len().div_ceil(LOOKED_AT).max(1);
        let some: Vec<usize> = train.iter().copied().step_by(step).collect();
        let mut described = points.described(&some);
        let width = points.width();
        // What nobody knows does not count; it is told as usual later.
        known_or(&mut described, width);
        let mut scaling = moments(described.chunks_exact(width), width);
        for (place, name) in points.channels().iter().enumerate() {
            if is_normal(name) {
                // Directions are turned with their points.
                scaling[SURROUNDINGS + place] = (0.0, 1.0);
            }
        }
        PointPreparation {
            channels: points.channels().to_vec(),
            scaling,
            target_scale: TargetScale::fit(targets, train),
        }
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        let width = SURROUNDINGS + self.channels.len();
        if self.scaling.len() != width || self.scaling.iter().any(damaged) {
            return Err("scaling of the points is damaged".into());
        }
        self.target_scale.check()
    }

    /// Why points cannot be told by a model that has this preparation, if so.
    ///
    /// # Errors
    /// When other things are known of them.
    pub fn check_points(&self, points: &PointUnits) -> Result<(), String> {
        if **points.channels() == self.channels {
            return Ok(());
        }
        let list = |names: &[String]| match names {
            [] => "coordinates alone".to_owned(),
            names => format!("coordinates and {}", names.join(", ")),
        };
        Err(format!(
            "the model takes {}, these points have {}",
            list(&self.channels),
            list(points.channels())
        ))
    }

    /// Standardised surroundings and channels, `[indices, width]`: what distances between points are measured on.
    pub fn standardised(&self, points: &PointUnits, indices: &[usize]) -> Vec<f32> {
        let mut rows = points.described(indices);
        for row in rows.chunks_exact_mut(points.width().max(1)) {
            for (value, scaling) in row.iter_mut().zip(&self.scaling) {
                *value = scaled(*value, scaling);
            }
        }
        rows
    }
}

/// A standardised number; what nobody knows is as usual.
fn scaled(value: f32, (mean, sd): &(f32, f32)) -> f32 {
    if value.is_finite() {
        (value - mean) / sd
    } else {
        0.0
    }
}

fn is_normal(name: &str) -> bool {
    ["nx", "ny", "nz"].contains(&name)
}

/// Puts the mean of what is known of each column in place of what is not.
fn known_or(rows: &mut [f32], width: usize) {
    if rows.iter().all(|value| value.is_finite()) {
        return;
    }
    for column in 0..width {
        let known = rows.iter().skip(column).step_by(width);
        let known = known.filter(|value| value.is_finite());
        let (sum, count) = known.fold((0.0f64, 0.0f64), |(sum, count), value| {
            (sum + f64::from(*value), count + 1.0)
        });
        let mean = (sum / count.max(1.0)) as f32;
        for value in rows.iter_mut().skip(column).step_by(width) {
            if !value.is_finite() {
                *value = mean;
            }
        }
    }
}

/// What a design sees of a point.
#[derive(Debug, Clone, Copy)]
struct View {
    coordinates: bool,
    surroundings: usize,
    normals: bool,
}

impl View {
    fn of(design: &CloudDesign) -> View {
        let turns = design.rotation == Rotation::Any;
        View {
            coordinates: design.seen != Seen::Intrinsic,
            surroundings: match design.seen {
                Seen::Coordinates => 0,
                Seen::Intrinsic => TURNED,
                // What knows what is up says nothing of shapes that may lie anyhow.
                Seen::Both if turns => TURNED,
                Seen::Both => SURROUNDINGS,
            },
            normals: design.seen != Seen::Intrinsic,
        }
    }
}

/// Numbers of a point that a network of this design sees, where so much is known of points.
pub(crate) fn input_width(design: &CloudDesign, channels: &[String]) -> usize {
    let view = View::of(design);
    let seen = channels
        .iter()
        .filter(|name| view.normals || !is_normal(name))
        .count();
    3 * usize::from(view.coordinates) + view.surroundings + seen
}

/// Scans from which a network's batches are made: a unit of training is a scan.
#[derive(Debug)]
pub struct PreparedPoints<'a> {
    points: &'a PointUnits,
    preparation: &'a PointPreparation,
    design: &'a CloudDesign,
    /// Which points may be learned from, by their numbers among all.
    learned: Vec<bool>,
    /// Which look at each scan, from 0.
    vote: usize,
}

/// Points that are predicted at a time, about.
const AT_ONCE: usize = 8_192;

impl<'a> PreparedPoints<'a> {
    /// Points as the preparation and the design have them; in training, the loss is that of the units `train`.
    pub fn new(
        points: &'a PointUnits,
        preparation: &'a PointPreparation,
        design: &'a CloudDesign,
        train: &[usize],
    ) -> PreparedPoints<'a> {
        let mut learned = Vec::new();
        if !train.is_empty() {
            learned.resize(points.starts().last().copied().unwrap_or(0), false);
            train.iter().for_each(|&unit| learned[unit] = true);
        }
        PreparedPoints {
            points,
            preparation,
            design,
            learned,
            vote: 0,
        }
    }

    /// Another look at the same scans: turned, if the design turns them in training, and dealt out otherwise.
    pub fn voting(self, vote: usize) -> PreparedPoints<'a> {
        PreparedPoints { vote, ..self }
    }

    /// Adds some points of a scan, as they are seen where `at` says that they are.
    fn add(
        &self,
        scan: &Scan,
        numbers: &[u32],
        at: &[f32],
        turn: &[[f32; 3]; 3],
        features: &mut Vec<f32>,
    ) {
        let view = View::of(self.design);
        let scaling = &self.preparation.scaling;
        let width = self.preparation.channels.len();
        let normal = self.points.normal();
        for (&number, at) in numbers.iter().zip(at.chunks_exact(3)) {
            let number = number as usize;
            if view.coordinates {
                features.extend_from_slice(at);
            }
            if view.surroundings > 0 {
                let own = &scan.surroundings()[number * SURROUNDINGS..];
                let own = own[..view.surroundings].iter().zip(scaling);
                features
                    .extend(own.map(|(value, s)| scaled(*value, s).clamp(-MOST_SEEN, MOST_SEEN)));
            }
            let own = &scan.channels()[number * width..(number + 1) * width];
            let behind = features.len();
            for ((name, value), s) in self
                .preparation
                .channels
                .iter()
                .zip(own)
                .zip(&scaling[SURROUNDINGS..])
            {
                if view.normals || !is_normal(name) {
                    features.push(scaled(*value, s).clamp(-MOST_SEEN, MOST_SEEN));
                }
            }
            if let Some(normal) = normal.filter(|_| view.normals)
                && let Some(direction) = features[behind..].get_mut(normal..normal + 3)
            {
                turned(direction, turn);
            }
        }
    }

    /// Points in the order in which they are seen: a body of balls needs an even beginning.
    fn ordered(&self, points: &[f32], numbers: Vec<u32>) -> Vec<u32> {
        match self.design.body {
            BodyKind::SetAbstraction => {
                let count = numbers.len();
                spread(points, numbers, count, 0)
            }
            _ => numbers,
        }
    }
}

fn taken(points: &[f32], numbers: &[u32]) -> Vec<f32> {
    let numbers = numbers.iter().map(|&n| 3 * n as usize);
    numbers
        .flat_map(|n| points[n..n + 3].iter().copied())
        .collect()
}

impl Batches for PreparedPoints<'_> {
    type Batch = SegmentBatch;

    /// All points of some scans, in order.
    fn batch(&self, indices: &[usize], device: &Device) -> SegmentBatch {
        let mut stream = Seed(0).stream("vote", &[self.vote as u64]);
        let turn = match self.vote {
            0 => Rotation::Fixed.draw(&mut stream),
            _ => self.design.rotation.draw(&mut stream),
        };
        let (mut points, mut features) = (Points::default(), Vec::new());
        // For each point of the scans its row among those that are seen.
        let mut asked = Vec::new();
        for scan in indices
            .iter()
            .filter_map(|&scan| self.points.scans().get(scan))
        {
            let count = scan.len();
            let hands = count.div_ceil(self.design.points.max(2)).max(1);
            let start = asked.len();
            asked.resize(start + count, 0);
            for hand in 0..hands {
                // Votes deal points to other hands.
                let own =
                    |n: &u32| (*n as usize + (*n as usize / hands) * self.vote) % hands == hand;
                let numbers: Vec<u32> = (0..count as u32).filter(own).collect();
                if numbers.is_empty() {
                    continue;
                }
                let numbers = self.ordered(scan.points(), numbers);
                for (row, &number) in (points.len() as u32..).zip(&numbers) {
                    asked[start + number as usize] = row;
                }
                let mut at = taken(scan.points(), &numbers);
                turned(&mut at, &turn);
                points.push(&at);
                self.add(scan, &numbers, &at, &turn, &mut features);
            }
        }
        self.made(points, features, asked, Vec::new(), device)
    }

    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SegmentBatch {
        let policy = Augmentation {
            rotation: Rotation::Fixed,
            ..self.design.augmentation()
        };
        let (mut points, mut features) = (Points::default(), Vec::new());
        let (mut asked, mut rows) = (Vec::new(), Vec::new());
        for &index in indices {
            let Some(scan) = self
                .points
                .scans()
                .get(index)
                .filter(|scan| !scan.is_empty())
            else {
                continue;
            };
            let start = self.points.starts()[index];
            let numbers = self.sample(scan, start, stream);
            let numbers = self.ordered(scan.points(), numbers);
            let turn = self.design.rotation.draw(stream);
            let mut at = taken(scan.points(), &numbers);
            turned(&mut at, &turn);
            policy.apply(&mut at, stream);
            for (row, &number) in (points.len() as u32..).zip(&numbers) {
                let unit = start + number as usize;
                if self.learned.get(unit) == Some(&true) {
                    asked.push(row);
                    rows.push(unit);
                }
            }
            points.push(&at);
            self.add(scan, &numbers, &at, &turn, &mut features);
        }
        self.made(points, features, asked, rows, device)
    }

    fn answered(&self, batch: &SegmentBatch, _units: &[usize]) -> Vec<usize> {
        batch.rows().to_vec()
    }

    fn units_at_once(&self) -> usize {
        let scans = self.points.scans().len().max(1);
        let each = self.points.starts().last().copied().unwrap_or(0) / scans;
        (AT_ONCE / each.max(1)).clamp(1, 64)
    }
}

impl PreparedPoints<'_> {
    /// Numbers of points of a scan, drawn for a step of training: fewer where the design drops some, and one at least that is learned from.
    fn sample(&self, scan: &Scan, start: usize, stream: &mut ChaCha8Rng) -> Vec<u32> {
        use rand::RngExt;
        let all = scan.len();
        let mut count = self.design.points.min(all);
        if self.design.drop > 0.0 {
            let left = 1.0 - stream.random_range(0.0..=self.design.drop.min(0.9));
            count = ((count as f64 * left).round() as usize).clamp(all.min(8), all);
        }
        let drawn = rand::seq::index::sample(stream, all, count);
        let mut numbers: Vec<u32> = drawn.iter().map(|place| place as u32).collect();
        numbers.sort_unstable();
        let learned = |place: usize| self.learned.get(start + place) == Some(&true);
        if !numbers.iter().any(|&n| learned(n as usize))
            && let Some(place) = (0..all).find(|&place| learned(place))
        {
            numbers[0] = place as u32;
        }
        numbers
    }

    fn made(
        &self,
        points: Points,
        features: Vec<f32>,
        asked: Vec<u32>,
        rows: Vec<usize>,
        device: &Device,
    ) -> SegmentBatch {
        let width = input_width(self.design, &self.preparation.channels);
        let cloud = CloudBatch::new(points, (features, width), (Vec::new(), 0), device);
        SegmentBatch::new(cloud, asked, rows)
    }
}
