use candor_kernels::farthest_points;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How shapes are turned at random in training. Each is a claim about the world: whether a shape that lies on its side is the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Not at all.
    Fixed,
    /// About the third axis (upwards in most data).
    Upright,
    /// Every way, uniformly.
    Any,
}

/// A rotation of space, row by row.
pub(crate) type Turn = [[f32; 3]; 3];

const STILL: Turn = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Rotation {
    /// One of the rotations.
    pub(crate) fn draw(self, stream: &mut ChaCha8Rng) -> Turn {
        match self {
            Rotation::Fixed => STILL,
            Rotation::Upright => {
                let (sin, cos) = stream.random_range(0.0..std::f32::consts::TAU).sin_cos();
                [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]
            }
            Rotation::Any => any(stream),
        }
    }

    /// Turns points `[n, 3]` by one of the rotations.
    pub fn turn(self, points: &mut [f32], stream: &mut ChaCha8Rng) {
        turned(points, &self.draw(stream));
    }
}

/// Uniform over all rotations.
///
/// # Reference
/// Shoemake, "Uniform random rotations", Graphics Gems III, 1992: a random unit quaternion.
fn any(stream: &mut ChaCha8Rng) -> Turn {
    let radius = stream.random::<f32>();
    let mut pair = |length: f32| {
        let (sin, cos) = stream.random_range(0.0..std::f32::consts::TAU).sin_cos();
        (length * sin, length * cos)
    };
    let (x, y) = pair((1.0 - radius).sqrt());
    let (z, w) = pair(radius.sqrt());
    [
        [
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - z * w),
            2.0 * (x * z + y * w),
        ],
        [
            2.0 * (x * y + z * w),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - x * w),
        ],
        [
            2.0 * (x * z - y * w),
            2.0 * (y * z + x * w),
            1.0 - 2.0 * (x * x + y * y),
        ],
    ]
}

/// Turns points `[n, 3]`.
pub(crate) fn turned(points: &mut [f32], turn: &Turn) {
    for p in points.chunks_exact_mut(3) {
        let from = [p[0], p[1], p[2]];
        for (p, row) in p.iter_mut().zip(turn) {
            *p = row.iter().zip(from).map(|(t, x)| t * x).sum();
        }
    }
}

/// How shapes are changed at random in training, each time anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// How they are turned.
    pub rotation: Rotation,
    /// Standard deviation of what is added to each coordinate, in radii, cut at three of them.
    pub jitter: f64,
    /// Each axis is stretched by a factor between `1 / (1 + stretch)` and `1 + stretch`.
    pub stretch: f64,
    /// Up to this share of the points is lost before the sample is drawn, 0 to 0.9; the sample then starts at any point. At 0 every step
    /// sees the same sample.
    pub drop: f64,
}

impl Augmentation {
    /// Numbers of `count` points of a shape, spread over it, as a step of training takes them.
    pub(crate) fn sample(&self, points: &[f32], count: usize, stream: &mut ChaCha8Rng) -> Vec<u32> {
        let all = points.len() / 3;
        let count = count.min(all);
        if self.drop <= 0.0 || all < 2 {
            return (0..count as u32).collect();
        }
        let lost = stream.random_range(0.0..=self.drop.min(0.9));
        let left = ((all as f64 * (1.0 - lost)).round() as usize).clamp(count, all);
        let mut kept: Vec<u32> = rand::seq::index::sample(stream, all, left)
            .iter()
            .map(|place| place as u32)
            .collect();
        kept.sort_unstable();
        spread(points, kept, count, stream.random_range(0..left))
    }

    /// Changes points `[n, 3]`.
    pub(crate) fn apply(&self, points: &mut [f32], stream: &mut ChaCha8Rng) {
        self.rotation.turn(points, stream);
        if self.stretch > 0.0 {
            let most = (1.0 + self.stretch).ln() as f32;
            let factors: [f32; 3] =
                std::array::from_fn(|_| stream.random_range(-most..=most).exp());
            for p in points.chunks_exact_mut(3) {
                p.iter_mut()
                    .zip(factors)
                    .for_each(|(x, factor)| *x *= factor);
            }
        }
        if self.jitter > 0.0 {
            for x in points {
                *x += self.jitter as f32 * normal(stream).clamp(-3.0, 3.0);
            }
        }
    }
}

/// `count` of the numbered points, spread over them, from the one in a place on.
pub(crate) fn spread(points: &[f32], numbers: Vec<u32>, count: usize, first: usize) -> Vec<u32> {
    let some: Vec<f32> = numbers
        .iter()
        .flat_map(|&n| points[3 * n as usize..3 * n as usize + 3].iter().copied())
        .collect();
    match farthest_points(&some, 3, &[0, numbers.len()], &[first], count) {
        Ok(chosen) => chosen
            .into_iter()
            .map(|place| numbers[place as usize])
            .collect(),
        Err(_) => numbers.into_iter().take(count).collect(),
    }
}

/// Of a normal distribution (Box & Muller 1958).
pub(crate) fn normal(stream: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - stream.random::<f32>()).ln()).sqrt();
    radius * stream.random_range(0.0..std::f32::consts::TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    #[test]
    fn turns_keep_lengths_and_hands() {
        let mut stream = Seed(1).stream("turn", &[]);
        let mut mean = [0.0f32; 3];
        for _ in 0..400 {
            for rotation in [Rotation::Any, Rotation::Upright, Rotation::Fixed] {
                let t = rotation.draw(&mut stream);
                for (i, a) in t.iter().enumerate() {
                    for (j, b) in t.iter().enumerate() {
                        let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                        assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5);
                    }
                }
                let [a, b, c] = t;
                let volume = a[0] * (b[1] * c[2] - b[2] * c[1])
                    - a[1] * (b[0] * c[2] - b[2] * c[0])
                    + a[2] * (b[0] * c[1] - b[1] * c[0]);
                assert!((volume - 1.0).abs() < 1e-5);
                if rotation == Rotation::Any {
                    (0..3).for_each(|i| mean[i] += t[i][0] / 400.0);
                }
                if rotation == Rotation::Upright {
                    assert_eq!(t[2], [0.0, 0.0, 1.0]);
                }
            }
        }
        // The first axis points everywhere alike: each mean has a standard deviation of 0.029.
        assert!(mean.iter().all(|m| m.abs() < 0.12), "{mean:?}");
    }

    #[test]
    fn samples_are_spread_and_distinct() {
        let mut stream = Seed(2).stream("sample", &[]);
        let points: Vec<f32> = (0..100).flat_map(|i| [i as f32, 0.0, 0.0]).collect();
        let policy = Augmentation {
            rotation: Rotation::Any,
            jitter: 0.0,
            stretch: 0.0,
            drop: 0.5,
        };
        for _ in 0..20 {
            let mut chosen = policy.sample(&points, 10, &mut stream);
            assert_eq!(chosen.len(), 10);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 10);
            assert!(chosen[0] < 25 && chosen[9] > 75, "{chosen:?}");
        }
        let still = Augmentation {
            drop: 0.0,
            ..policy
        };
        assert_eq!(still.sample(&points, 4, &mut stream), [0, 1, 2, 3]);
        assert_eq!(policy.sample(&points[..6], 4, &mut stream).len(), 2);
    }
}
