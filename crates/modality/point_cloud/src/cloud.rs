use std::sync::OnceLock;

use candor_kernels::farthest_points;

use crate::intrinsic::Intrinsic;

/// One shape as models take it: its points about their centre, in the unit ball, the most telling first.
///
/// Position and size are gone by construction, and so is the order of the source's points: points are chosen one after another, each the
/// farthest from those before it ([`farthest_points`]), from the point that is farthest from the centre on. The first `n` are an even
/// sample of the shape for any `n`.
#[derive(Debug, Default)]
pub struct Cloud {
    points: Vec<f32>,
    centre: [f64; 3],
    radius: f64,
    /// Points of the source.
    given: usize,
    intrinsic: OnceLock<Intrinsic>,
}

/// Points that are kept of a shape, where memory does not ask for fewer.
pub const KEPT: usize = 1024;
/// Points among which those that are kept are chosen. A mesh is sampled with as many.
pub(crate) const CHOSEN_FROM: usize = 4096;

impl Clone for Cloud {
    fn clone(&self) -> Cloud {
        Cloud {
            points: self.points.clone(),
            intrinsic: OnceLock::new(),
            ..*self
        }
    }
}

impl Cloud {
    /// From points in the unit of their source, of which at most `most` are kept. `None` unless they are finite and lie at more than one
    /// place.
    pub fn new(points: &[[f64; 3]], most: usize) -> Option<Cloud> {
        let count = points.len();
        // About the first point, so that coordinates far from zero (of maps, say) lose nothing.
        let first = points.first()?;
        let mut centre = [0.0; 3];
        for point in points {
            for x in 0..3 {
                centre[x] += (point[x] - first[x]) / count as f64;
            }
        }
        let about: Vec<[f64; 3]> = points
            .iter()
            .map(|point| std::array::from_fn(|x| point[x] - first[x] - centre[x]))
            .collect();
        let square = |p: &[f64; 3]| p.iter().map(|x| x * x).sum::<f64>();
        let mut farthest = (0, 0.0);
        for (place, point) in about.iter().enumerate() {
            let distance = square(point);
            if !distance.is_finite() {
                return None;
            }
            if distance > farthest.1 {
                farthest = (place, distance);
            }
        }
        let radius = farthest.1.sqrt();
        if radius <= 0.0 || !radius.is_finite() {
            return None;
        }
        let flat: Vec<f32> = about
            .iter()
            .flat_map(|point| point.map(|x| (x / radius) as f32))
            .collect();
        let kept = most.max(2).min(count);
        let order = farthest_points(&flat, 3, &[0, count], &[farthest.0], kept).ok()?;
        let points = order.iter().flat_map(|&place| {
            flat[3 * place as usize..3 * place as usize + 3]
                .iter()
                .copied()
        });
        Some(Cloud {
            points: points.collect(),
            centre: std::array::from_fn(|x| first[x] + centre[x]),
            radius,
            given: count,
            intrinsic: OnceLock::new(),
        })
    }

    /// The same from single precision.
    pub fn from_flat(points: &[f32], most: usize) -> Option<Cloud> {
        let wide: Vec<[f64; 3]> = points
            .chunks_exact(3)
            .map(|p| [p[0], p[1], p[2]].map(f64::from))
            .collect();
        Cloud::new(&wide, most)
    }

    /// `[points, 3]`: within the unit ball, about the centre; an even sample first.
    pub fn points(&self) -> &[f32] {
        &self.points
    }

    /// Points that are kept.
    pub fn len(&self) -> usize {
        self.points.len() / 3
    }

    /// Whether there are none: the shape could not be read.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The mean of the source's points.
    pub fn centre(&self) -> [f64; 3] {
        self.centre
    }

    /// The greatest distance of a point from the centre, in the unit of the source.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// Points of the source (of a mesh, those that were drawn).
    pub fn given(&self) -> usize {
        self.given
    }

    /// What does not change when the shape is turned; computed when first asked for.
    pub(crate) fn intrinsic(&self) -> &Intrinsic {
        self.intrinsic.get_or_init(|| Intrinsic::of(&self.points))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_size_and_order_are_gone() {
        let points: Vec<[f64; 3]> = (0..50)
            .map(|i| {
                let t = f64::from(i) * 0.37;
                [
                    t.sin() * (1.0 + t),
                    t.cos() * 2.0,
                    (t * 0.7).sin() + 0.1 * t,
                ]
            })
            .collect();
        let cloud = Cloud::new(&points, 30).unwrap();
        assert_eq!((cloud.len(), cloud.given()), (30, 50));
        let norm = |p: &[f32]| p.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm(&cloud.points()[..3]) - 1.0).abs() < 1e-6);
        let mut moved: Vec<[f64; 3]> = points
            .iter()
            .map(|p| [p[0] * 1e-3 + 5e5, p[1] * 1e-3 - 7e6, p[2] * 1e-3])
            .collect();
        moved.rotate_left(17);
        moved.swap(3, 40);
        let again = Cloud::new(&moved, 30).unwrap();
        for (a, b) in cloud.points().iter().zip(again.points()) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert!((again.radius() / cloud.radius() - 1e-3).abs() < 1e-9);
        assert!(Cloud::new(&[[1.0; 3]; 4], 9).is_none() && Cloud::new(&[], 9).is_none());
        assert!(Cloud::new(&[[1e300, 0.0, 0.0], [-1e300, 0.0, 0.0]], 9).is_none());
    }
}
