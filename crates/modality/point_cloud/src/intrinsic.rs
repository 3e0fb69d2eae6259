//! Numbers that do not change when a shape is turned: of each point, for networks; of the whole shape, for classical models and beside
//! what a network sees.

use candor_kernels::{Csr, nearest_neighbours};

use crate::geodesic::{SOURCES, air, geodesics};
use crate::symmetric::{eigenvalues, eigenvector, spectrum};

/// Numbers of a point.
pub const POINT_FEATURES: usize = 14;
/// Numbers of a shape.
pub const DESCRIPTORS: usize = 227;

/// Where the deviations along the principal axes begin among the descriptors, the least first.
pub(crate) const AXES: usize = 142;

/// Points from which distances are measured: the first, which are spread over the shape.
const LANDMARKS: usize = SOURCES;
/// Neighbourhoods in which the surface is looked at, in points.
const SCALES: [usize; 3] = [16, 48, LARGEST];
const LARGEST: usize = 128;
/// Shares of the mean geodesic distance within which other points are counted.
const REACHES: [f32; 4] = [0.25, 0.5, 0.75, 1.0];
/// Eigenvalues of the matrix of geodesic distances.
const SPECTRUM: usize = 20;

/// What does not change when the shape is turned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intrinsic {
    /// `[points, POINT_FEATURES]`: the distance from the centre; mean, least and greatest geodesic distance to landmarks; two ratios of
    /// the deviations along the principal axes of the neighbourhood, at each of three scales; the share of landmarks within a quarter, a half and
    /// three quarters of the mean geodesic distance; how much the normal points away from the centre.
    pub points: Vec<f32>,
    /// `[DESCRIPTORS]`.
    pub shape: Vec<f32>,
}

impl Intrinsic {
    /// Of points `[n, 3]` in the unit ball about their centre, an even sample first.
    pub fn of(points: &[f32]) -> Intrinsic {
        let count = points.len() / 3;
        // Coordinates of a cloud are finite, so that only points can be missing.
        let near = match nearest_neighbours(points, 3, &[0, count], LARGEST) {
            Ok(near) if count > 0 => near,
            _ => return Intrinsic::default(),
        };
        let landmarks = LANDMARKS.min(count);
        let along = Distances::new(geodesics(points, &near, landmarks), landmarks, count);
        let through: Vec<f32> = (0..landmarks)
            .flat_map(|l| (0..count).map(move |p| air(points, l, p)))
            .collect();
        let through = Distances::new(through, landmarks, count);
        let radii: Vec<f32> = points
            .chunks_exact(3)
            .map(|p| p.iter().map(|x| x * x).sum::<f32>().sqrt())
            .collect();
        let surface = Surface::of(points, &near);

        let mut shape = Vec::with_capacity(DESCRIPTORS);
        along.histogram(24, &mut shape);
        let mean = along.over_landmarks(|sum, d| sum + d / landmarks as f32, 0.0);
        let far = along.over_landmarks(f32::max, 0.0);
        quantiles(&mean, 12, 0.0, &mut shape);
        quantiles(&far, 8, 0.0, &mut shape);
        along.spectrum(&mut shape);
        along.straightness(&through, &mut shape);
        let within: Vec<Vec<f32>> = REACHES
            .iter()
            .map(|reach| {
                let share = 1.0 / landmarks as f32;
                along.over_landmarks(|sum, d| if d < *reach { sum + share } else { sum }, 0.0)
            })
            .collect();
        for counts in &within {
            quantiles(counts, 8, 0.02, &mut shape);
        }
        through.histogram(24, &mut shape);
        let mean_radius = radii.iter().sum::<f32>() / count as f32;
        let scaled = radii.iter().map(|r| r / mean_radius.max(1e-12) / 2.5);
        histogram(scaled, 12, count, &mut shape);
        shape.extend(whole(points));
        for ratios in &surface.ratios {
            for axis in 0..2 {
                histogram(ratios.iter().map(|r| r[axis]), 10, count, &mut shape);
            }
        }
        histogram(surface.outward.iter().copied(), 10, count, &mut shape);
        let alike = landmark_normals(&surface.normals, landmarks);
        let pairs = alike.len();
        histogram(alike.into_iter(), 12, pairs, &mut shape);
        shape
            .iter_mut()
            .filter(|v| !v.is_finite())
            .for_each(|v| *v = 0.0);
        debug_assert_eq!(shape.len(), DESCRIPTORS);

        // The landmark itself is nearest at zero; its own place is left out.
        let near = along.nearest();
        let mut own = Vec::with_capacity(count * POINT_FEATURES);
        for point in 0..count {
            own.extend([radii[point], mean[point], near[point], far[point]]);
            for ratios in &surface.ratios {
                own.extend(ratios[point]);
            }
            own.extend(within.iter().take(3).map(|counts| counts[point]));
            own.push(surface.outward[point]);
        }
        own.iter_mut()
            .filter(|v| !v.is_finite())
            .for_each(|v| *v = 0.0);
        debug_assert_eq!(own.len(), count * POINT_FEATURES);
        Intrinsic { points: own, shape }
    }
}

/// `[landmarks, points]`, in shares of their mean.
struct Distances {
    values: Vec<f32>,
    landmarks: usize,
    count: usize,
}

impl Distances {
    fn new(mut values: Vec<f32>, landmarks: usize, count: usize) -> Distances {
        let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let mean = (sum / values.len().max(1) as f64).max(1e-12) as f32;
        values.iter_mut().for_each(|v| *v /= mean);
        Distances {
            values,
            landmarks,
            count,
        }
    }

    fn histogram(&self, bins: usize, out: &mut Vec<f32>) {
        histogram(
            self.values.iter().map(|v| v / 3.0),
            bins,
            self.values.len(),
            out,
        );
    }

    fn over_landmarks(&self, mut join: impl FnMut(f32, f32) -> f32, from: f32) -> Vec<f32> {
        let mut joined = vec![from; self.count];
        for row in self.values.chunks_exact(self.count) {
            for (joined, &value) in joined.iter_mut().zip(row) {
                *joined = join(*joined, value);
            }
        }
        joined
    }

    fn nearest(&self) -> Vec<f32> {
        let mut nearest = vec![f32::INFINITY; self.count];
        for (landmark, row) in self.values.chunks_exact(self.count).enumerate() {
            for (point, (nearest, &value)) in nearest.iter_mut().zip(row).enumerate() {
                if point != landmark {
                    *nearest = nearest.min(value);
                }
            }
        }
        nearest
    }

    /// Greatest eigenvalues of the distances between landmarks, in size, each with its sign.
    ///
    /// # Reference
    /// Smeets et al., "Isometric deformation invariant 3D shape recognition", Pattern Recognition 45(7), 2012.
    fn spectrum(&self, out: &mut Vec<f32>) {
        let n = self.landmarks;
        let mut matrix = vec![0.0; n * n];
        for a in 0..n {
            for b in 0..n {
                let both = self.values[a * self.count + b] + self.values[b * self.count + a];
                matrix[a * n + b] = 0.5 * f64::from(both) / n as f64;
            }
        }
        let mut values = spectrum(matrix, n);
        values.resize(SPECTRUM, 0.0);
        out.extend(values.into_iter().map(|v| v as f32));
    }

    /// How straight the shape is between two points: the share of the path that the distance through the air is.
    fn straightness(&self, through: &Distances, out: &mut Vec<f32>) {
        let pairs = through.values.iter().zip(&self.values);
        // Of near points it is noise.
        let ratios: Vec<f32> = pairs
            .filter(|(air, _)| **air > 0.1)
            .map(|(air, along)| air / along.max(1e-9))
            .collect();
        // Both are in shares of their mean.
        let most = ratios.iter().copied().fold(0.0, f32::max).max(1e-9);
        let count = ratios.len();
        histogram(ratios.into_iter().map(|r| r / most), 10, count, out);
    }
}

/// Shares of values in bins of 0 to 1; what lies outside counts in the outer bins.
fn histogram(values: impl Iterator<Item = f32>, bins: usize, count: usize, out: &mut Vec<f32>) {
    let start = out.len();
    out.resize(start + bins, 0.0);
    let share = 1.0 / count.max(1) as f32;
    for value in values {
        let bin = (value * bins as f32).max(0.0) as usize;
        out[start + bin.min(bins - 1)] += share;
    }
}

/// Values that evenly spread shares of all lie below, between `edge` and `1 - edge`.
fn quantiles(values: &[f32], number: usize, edge: f32, out: &mut Vec<f32>) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let last = (sorted.len().max(1) - 1) as f32;
    for i in 0..number {
        let share = edge + (1.0 - 2.0 * edge) * i as f32 / (number - 1) as f32;
        let place = share * last;
        let at = |place: f32| sorted.get(place as usize).copied().unwrap_or(0.0);
        let (low, high) = (at(place.floor()), at(place.ceil()));
        out.push(low + (high - low) * place.fract());
    }
}

/// Sums over points.
#[derive(Default)]
pub(crate) struct Moments {
    count: usize,
    sum: [f64; 3],
    squares: [f64; 6],
}

impl Moments {
    fn add(&mut self, p: &[f32]) {
        let [x, y, z] = [p[0], p[1], p[2]].map(f64::from);
        self.count += 1;
        for (sum, x) in self.sum.iter_mut().zip([x, y, z]) {
            *sum += x;
        }
        let products = [x * x, x * y, x * z, y * y, y * z, z * z];
        for (square, product) in self.squares.iter_mut().zip(products) {
            *square += product;
        }
    }

    /// Adds those points at `places` that are not among the sums yet, which are of the first of them: smaller neighbourhoods are beginnings of larger ones.
    pub(crate) fn grow(&mut self, points: &[f32], places: &[u32]) {
        for &place in &places[self.count..] {
            self.add(&points[3 * place as usize..3 * place as usize + 3]);
        }
    }

    /// About the mean: `[xx, xy, xz, yy, yz, zz]`.
    pub(crate) fn covariance(&self) -> [f64; 6] {
        let count = self.count.max(1) as f64;
        let [x, y, z] = self.sum.map(|s| s / count);
        let means = [x * x, x * y, x * z, y * y, y * z, z * z];
        std::array::from_fn(|i| self.squares[i] / count - means[i])
    }
}

/// Moments of points about their mean: `[xx, xy, xz, yy, yz, zz]`.
pub(crate) fn covariance<'a>(points: impl Iterator<Item = &'a [f32]>) -> [f64; 6] {
    let mut moments = Moments::default();
    points.for_each(|p| moments.add(p));
    moments.covariance()
}

/// Deviations along the principal axes of the whole shape, as shares.
fn whole(points: &[f32]) -> [f32; 3] {
    let values = eigenvalues(covariance(points.chunks_exact(3)));
    let sum = values.iter().sum::<f64>().max(1e-12);
    values.map(|v| (v.max(0.0) / sum).sqrt() as f32)
}

/// What the surface is like about each point.
struct Surface {
    /// For each scale and point the least and the middle deviation, as shares of the greatest.
    ratios: [Vec<[f32; 2]>; 3],
    /// How much the normal points away from the centre, or towards it: 0 to 1.
    outward: Vec<f32>,
    /// Normals of the smallest scale, of either direction.
    normals: Vec<[f32; 3]>,
}

impl Surface {
    /// Of points and the neighbours of each, the nearest first.
    fn of(points: &[f32], near: &Csr) -> Surface {
        let count = near.rows();
        let mut surface = Surface {
            ratios: std::array::from_fn(|_| Vec::with_capacity(count)),
            outward: Vec::with_capacity(count),
            normals: Vec::with_capacity(count),
        };
        for (point, p) in points.chunks_exact(3).enumerate() {
            let row = &near.indices()[near.row(point)];
            let mut moments = Moments::default();
            for (scale, ratios) in SCALES.into_iter().zip(&mut surface.ratios) {
                moments.grow(points, &row[..scale.min(row.len())]);
                let covariance = moments.covariance();
                let values = eigenvalues(covariance);
                let [a, b, c] = values.map(|v| v.max(0.0).sqrt());
                let c = c.max(1e-12);
                ratios.push([(a / c) as f32, (b / c) as f32]);
                if scale != SCALES[0] {
                    continue;
                }
                let normal = eigenvector(covariance, values[0]).unwrap_or_default();
                let normal = normal.map(|x| x as f32);
                let radius = p.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
                let dot: f32 = p.iter().zip(normal).map(|(p, n)| p * n).sum();
                surface.outward.push(dot.abs() / radius);
                surface.normals.push(normal);
            }
        }
        surface
    }
}

/// For all pairs of landmarks how parallel their normals are: 0 to 1.
fn landmark_normals(normals: &[[f32; 3]], landmarks: usize) -> Vec<f32> {
    let dot = |a: &[f32; 3], b: &[f32; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let normals = &normals[..landmarks.min(normals.len())];
    let pairs = normals.iter().enumerate();
    pairs
        .flat_map(|(i, a)| normals[..i].iter().map(move |b| dot(a, b).abs()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn cloud(count: usize) -> Vec<f32> {
        let mut stream = Seed(3).stream("cloud", &[]);
        let mut points = Vec::new();
        for _ in 0..count {
            let t = stream.random_range(-3.0f32..3.0);
            let u = stream.random_range(-0.2f32..0.2);
            points.extend([0.3 * t, 0.2 * t.sin() + u, 0.1 * u * t]);
        }
        points
    }

    #[test]
    fn turning_changes_nothing() {
        let points = cloud(300);
        let (sin, cos) = 0.7f32.sin_cos();
        let turned: Vec<f32> = points
            .chunks_exact(3)
            .flat_map(|p| [cos * p[0] - sin * p[1], p[2], -(sin * p[0] + cos * p[1])])
            .collect();
        let (a, b) = (Intrinsic::of(&points), Intrinsic::of(&turned));
        assert_eq!(
            (a.shape.len(), a.points.len()),
            (DESCRIPTORS, 300 * POINT_FEATURES)
        );
        // A value at the edge of a bin may fall to either side, each of one in 300 at most.
        let apart = |a: &[f32], b: &[f32]| {
            a.iter()
                .zip(b)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max)
        };
        assert!(
            apart(&a.shape, &b.shape) < 0.02,
            "{}",
            apart(&a.shape, &b.shape)
        );
        assert!(
            apart(&a.points, &b.points) < 2e-2,
            "{}",
            apart(&a.points, &b.points)
        );
        assert!(a.shape.iter().chain(&a.points).all(|v| v.is_finite()));
    }

    #[test]
    fn few_and_equal_points_have_finite_numbers() {
        for points in [vec![1.0, 0.0, 0.0, -1.0, 0.0, 0.0], vec![0.0; 60], cloud(5)] {
            let found = Intrinsic::of(&points);
            assert_eq!(found.shape.len(), DESCRIPTORS);
            assert!(
                found
                    .shape
                    .iter()
                    .chain(&found.points)
                    .all(|v| v.is_finite())
            );
        }
        assert!(Intrinsic::of(&[]).shape.is_empty());
    }

    #[test]
    fn a_line_is_told_from_a_disk_and_a_ball() {
        let mut stream = Seed(5).stream("ball", &[]);
        let mut ball = Vec::new();
        while ball.len() < 900 {
            let p: [f32; 3] = std::array::from_fn(|_| stream.random_range(-1.0f32..1.0));
            if p.iter().map(|x| x * x).sum::<f32>() < 1.0 {
                ball.extend(p);
            }
        }
        let flat: Vec<f32> = ball
            .chunks_exact(3)
            .flat_map(|p| [p[0], p[1], 0.0])
            .collect();
        let line: Vec<f32> = ball
            .chunks_exact(3)
            .flat_map(|p| [p[0], 0.0, 0.0])
            .collect();
        let [a, b, c] = whole(&ball);
        assert!(a > 0.5 && b > 0.5 && c < 0.65);
        let [a, b, _] = whole(&flat);
        assert!(a < 1e-3 && b > 0.6);
        let [a, b, c] = whole(&line);
        assert!(a < 1e-3 && b < 1e-3 && c > 0.999);
    }
}
