use candor_train::Units;

use crate::cloud::KEPT;
use crate::{Cloud, CloudUnits};

/// Parts of the surface of a shape, for explanations.
const REGIONS: usize = 16;

/// The parts of a shape's surface, each about one of a few points that are spread over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// The part of each point.
    pub of: Vec<usize>,
    /// How many there are.
    pub count: usize,
}

impl Regions {
    /// Each point belongs to the nearest of the first sixteen.
    pub fn of(cloud: &Cloud) -> Regions {
        let centres: Vec<&[f32]> = cloud.points().chunks_exact(3).take(REGIONS).collect();
        let square =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let nearest = |p: &[f32]| {
            let order =
                |a: &usize, b: &usize| square(centres[*a], p).total_cmp(&square(centres[*b], p));
            (0..centres.len()).min_by(order).unwrap_or(0)
        };
        Regions {
            of: cloud.points().chunks_exact(3).map(nearest).collect(),
            count: centres.len(),
        }
    }
}

/// The shape itself, and then without each of its parts in turn.
pub fn regions_hidden(cloud: &Cloud, regions: &Regions) -> Units {
    let without = |region: usize| {
        let points = cloud.points().chunks_exact(3).zip(&regions.of);
        let left: Vec<f32> = points
            .filter(|(_, of)| **of != region)
            .flat_map(|(p, _)| p.iter().copied())
            .collect();
        Cloud::from_flat(&left, KEPT).unwrap_or_else(|| cloud.clone())
    };
    let mut clouds = vec![cloud.clone()];
    clouds.extend((0..regions.count).map(without));
    CloudUnits::units(clouds)
}
