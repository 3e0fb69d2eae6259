use candor_core::Seed;
use candor_train::Units;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::changed;
use crate::augmentation::{Turn, normal, turned};
use crate::{CloudUnits, Rotation};

/// What happens to scans of shapes.
///
/// # Reference
/// After Sun et al., "Benchmarking robustness of 3D point cloud recognition against common corruptions", 2022, and Ren, Pan & Liu, "Benchmarking
/// and analyzing point cloud classification under corruptions", ICML 2022: kinds as there, severities our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudChange {
    /// Points are lost, evenly.
    Dropped,
    /// Points lie the thinner the farther they are in a direction, as from a scanner.
    Density,
    /// Every coordinate is measured with noise.
    Jitter,
    /// One side was not seen: what lies beyond a plane of any direction is cut off.
    Occlusion,
    /// The shape lies in another direction, turned about any axis by up to an angle.
    Rotation,
    /// Points that do not belong to the shape, anywhere in its ball.
    Outliers,
}

impl CloudChange {
    /// All of them.
    pub const ALL: [CloudChange; 6] = [
        CloudChange::Dropped,
        CloudChange::Density,
        CloudChange::Jitter,
        CloudChange::Occlusion,
        CloudChange::Rotation,
        CloudChange::Outliers,
    ];

    /// A turn about an axis that is drawn, by up to so much of half a circle.
    pub(crate) fn turn(step: f32, stream: &mut ChaCha8Rng) -> Turn {
        let [axis, ..] = Rotation::Any.draw(stream);
        about(axis, step * std::f32::consts::PI * stream.random::<f32>())
    }

    /// The name as a person reads it.
    pub fn name(self) -> &'static str {
        match self {
            CloudChange::Dropped => "points dropped",
            CloudChange::Density => "density falls off",
            CloudChange::Jitter => "jitter",
            CloudChange::Occlusion => "one side not seen",
            CloudChange::Rotation => "turned",
            CloudChange::Outliers => "outliers added",
        }
    }
}

/// Points of a shape that are left at least.
const LEAST: usize = 4;

/// Shapes changed with a severity of 1 to 5.
pub fn clouds_changed(
    clouds: &CloudUnits,
    indices: &[usize],
    change: CloudChange,
    severity: u8,
    seed: Seed,
) -> Units {
    let step = f32::from(severity.clamp(1, 5)) / 5.0;
    changed(clouds, indices, |index, points| {
        let mut stream = seed.stream(change.name(), &[index as u64, u64::from(severity)]);
        apply(change, step, points, &mut stream)
    })
}

/// `step` is the severity as a share of the greatest.
fn apply(change: CloudChange, step: f32, points: &[f32], stream: &mut ChaCha8Rng) -> Vec<f32> {
    let mut points = points.to_vec();
    let count = points.len() / 3;
    match change {
        CloudChange::Dropped => {
            let left = ((count as f32 * (1.0 - 0.9 * step)).round() as usize).max(LEAST.min(count));
            let mut kept = rand::seq::index::sample(stream, count, left).into_vec();
            kept.sort_unstable();
            rows(&points, &kept)
        }
        CloudChange::Density => rows(&points, &thinned(&points, step, stream)),
        CloudChange::Jitter => {
            let deviation = 0.06 * step;
            points
                .iter_mut()
                .for_each(|x| *x += deviation * normal(stream));
            points
        }
        CloudChange::Occlusion => {
            let mut seen = seen_side(&points, step, stream);
            seen.sort_unstable();
            rows(&points, &seen)
        }
        CloudChange::Rotation => {
            turned(&mut points, &CloudChange::turn(step, stream));
            points
        }
        CloudChange::Outliers => {
            let more = (count as f32 * 0.2 * step).ceil() as usize;
            let mut added = 0;
            while added < more {
                let p: [f32; 3] = std::array::from_fn(|_| stream.random_range(-1.0..1.0));
                if p.iter().map(|x| x * x).sum::<f32>() <= 1.0 {
                    points.extend(p);
                    added += 1;
                }
            }
            points
        }
    }
}

/// Points `[n, 3]` at some places.
fn rows(points: &[f32], places: &[usize]) -> Vec<f32> {
    let rows = places.iter().map(|&n| &points[3 * n..3 * n + 3]);
    rows.flatten().copied().collect()
}

/// The places of points `[n, 3]`, in their order along a direction that is drawn.
fn along(points: &[f32], stream: &mut ChaCha8Rng) -> Vec<usize> {
    // The first row of a random rotation points anywhere.
    let [direction, ..] = Rotation::Any.draw(stream);
    let height = |p: &[f32]| p.iter().zip(direction).map(|(x, d)| x * d).sum::<f32>();
    let heights: Vec<f32> = points.chunks_exact(3).map(height).collect();
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]).then(a.cmp(&b)));
    order
}

/// Points on the side of a plane that is seen: all but up to three fifths of them.
pub(crate) fn seen_side(points: &[f32], step: f32, stream: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order = along(points, stream);
    let count = order.len();
    let left = (count as f32 * (1.0 - 0.6 * step)).round() as usize;
    order.truncate(left.max(LEAST.min(count)));
    order
}

/// Points that are left where the chance of each to be seen falls along a direction, from all to as little as a twentieth.
pub(crate) fn thinned(points: &[f32], step: f32, stream: &mut ChaCha8Rng) -> Vec<usize> {
    let order = along(points, stream);
    let count = order.len() as f32;
    let ranked = order.into_iter().enumerate();
    let left = ranked.filter(|&(rank, _)| {
        let chance = 1.0 - 0.95 * step * rank as f32 / count;
        stream.random::<f32>() < chance || rank < LEAST
    });
    let mut left: Vec<usize> = left.map(|(_, place)| place).collect();
    left.sort_unstable();
    left
}

/// The rotation about a unit axis by an angle (Rodrigues).
fn about([x, y, z]: [f32; 3], angle: f32) -> [[f32; 3]; 3] {
    let (s, c) = angle.sin_cos();
    let d = 1.0 - c;
    [
        [c + x * x * d, x * y * d - z * s, x * z * d + y * s],
        [y * x * d + z * s, c + y * y * d, y * z * d - x * s],
        [z * x * d - y * s, z * y * d + x * s, c + z * z * d],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cloud;

    fn cube() -> Vec<f32> {
        let mut stream = Seed(1).stream("cube", &[]);
        (0..900)
            .map(|_| stream.random_range(-1.0f32..1.0))
            .collect()
    }

    #[test]
    fn changes_do_what_their_names_say() {
        let units = CloudUnits::units(vec![Cloud::from_flat(&cube(), 1024).unwrap(); 2]);
        let clouds = CloudUnits::of(&units).unwrap();
        let whole = clouds.get(0).unwrap();
        for change in CloudChange::ALL {
            let after = |severity| {
                let changed = clouds_changed(clouds, &[1, 0, 7], change, severity, Seed(3));
                let changed = CloudUnits::of(&changed).unwrap();
                let [a, b, none] = changed.clouds() else {
                    panic!("three units")
                };
                assert!(none.is_empty() && !a.is_empty());
                // Equal shapes of different numbers are changed differently.
                assert!(a.points() != b.points());
                let again = clouds_changed(clouds, &[0], change, severity, Seed(3));
                assert_eq!(
                    CloudUnits::of(&again).unwrap().clouds()[0].points(),
                    b.points()
                );
                b.clone()
            };
            let (mild, severe) = (after(1), after(5));
            match change {
                CloudChange::Dropped => {
                    assert!((mild.len(), severe.len()) == (246, 30), "{}", severe.len())
                }
                CloudChange::Occlusion => {
                    assert!((mild.len(), severe.len()) == (264, 120), "{}", severe.len())
                }
                CloudChange::Density => {
                    // Half of what the farthest end loses is lost on the average: 9.5 and 47.5 %.
                    assert!(mild.len().abs_diff(271) < 20, "{}", mild.len());
                    assert!(severe.len().abs_diff(157) < 30, "{}", severe.len());
                }
                CloudChange::Outliers => assert!((mild.len(), severe.len()) == (312, 360)),
                CloudChange::Jitter | CloudChange::Rotation => {
                    assert_eq!(severe.len(), whole.len())
                }
            }
        }
    }
}
