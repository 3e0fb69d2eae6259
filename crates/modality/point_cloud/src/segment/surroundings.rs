use candor_kernels::nearest_neighbours;

use crate::intrinsic::Moments;
use crate::symmetric::{eigenvalues, eigenvector};

/// Neighbourhoods that are looked at, in points.
const SCALES: [usize; 3] = [8, 24, 64];
/// Numbers of a neighbourhood that turning does not change: how much it is a line, a surface, a ball; how far it reaches; how far the point
/// is from its middle.
const OF_SCALE: usize = 5;
/// Numbers of a point that do not change when the scan is turned: those of its neighbourhoods, its distance from the centre, and how much
/// its normal points to or from the centre.
pub(crate) const TURNED: usize = 3 * OF_SCALE + 2;
/// Numbers of a point's surroundings: those that do not change when the scan is turned, and behind them those that know what is up: for each
/// neighbourhood how much it lies flat and how far the point is above its middle; and the point's height.
///
/// # Reference
/// Weinmann et al., "Semantic point cloud interpretation based on optimal neighborhoods, relevant features and efficient classifiers", ISPRS
/// Journal 105, 2015, section 3.2, at three fixed scales.
pub const SURROUNDINGS: usize = TURNED + 2 * SCALES.len() + 1;

/// What the surroundings of each of some points `[n, 3]` are like: `[n, SURROUNDINGS]`, all finite.
pub(crate) fn surroundings(points: &[f32]) -> Vec<f32> {
    let count = points.len() / 3;
    let mut numbers = vec![0.0; count * SURROUNDINGS];
    let most = SCALES.into_iter().max().unwrap_or(1);
    let Ok(near) = nearest_neighbours(points, 3, &[0, count], most) else {
        return numbers;
    };
    let at = |place: u32| &points[3 * place as usize..3 * place as usize + 3];
    for (point, out) in numbers.chunks_exact_mut(SURROUNDINGS).enumerate() {
        let p = at(point as u32);
        let radius = p.iter().map(|x| x * x).sum::<f32>().sqrt();
        let mut moments = Moments::default();
        // The nearest first.
        let row = &near.indices()[near.row(point)];
        for (scale, size) in SCALES.into_iter().enumerate() {
            let row = &row[..size.min(row.len())];
            moments.grow(points, row);
            let covariance = moments.covariance();
            let values = eigenvalues(covariance).map(|v| v.max(0.0));
            let [least, middle, greatest] = values.map(f64::sqrt);
            let whole = greatest.max(1e-12);
            let last = at(row.last().copied().unwrap_or(point as u32));
            let reach = p
                .iter()
                .zip(last)
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>()
                .sqrt();
            let unit = reach.max(1e-9);
            let mean: [f32; 3] = std::array::from_fn(|axis| {
                row.iter().map(|&place| at(place)[axis]).sum::<f32>() / row.len().max(1) as f32
            });
            let off = p
                .iter()
                .zip(mean)
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>()
                .sqrt();
            let normal = eigenvector(covariance, values[0]).unwrap_or_default();
            let turned = [
                ((greatest - middle) / whole) as f32,
                ((middle - least) / whole) as f32,
                (least / whole) as f32,
                reach.max(1e-6).ln(),
                off / unit,
            ];
            out[scale * OF_SCALE..(scale + 1) * OF_SCALE].copy_from_slice(&turned);
            if scale == 0 {
                let along: f32 = p.iter().zip(normal).map(|(p, n)| p * n as f32).sum();
                out[TURNED - 2] = radius;
                out[TURNED - 1] = along.abs() / radius.max(1e-9);
            }
            out[TURNED + 2 * scale] = normal[2].abs() as f32;
            out[TURNED + 2 * scale + 1] = (p[2] - mean[2]) / unit;
        }
        out[SURROUNDINGS - 1] = p[2];
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn sheet(count: usize) -> Vec<f32> {
        let mut stream = Seed(2).stream("sheet", &[]);
        let mut p = || stream.random_range(-1.0f32..1.0);
        (0..count).flat_map(|_| [p(), p(), 0.5]).collect()
    }

    #[test]
    fn a_sheet_is_flat_and_lies() {
        let numbers = surroundings(&sheet(400));
        for row in numbers.chunks_exact(SURROUNDINGS) {
            // No ball at any scale, and the normal is upright.
            assert!(
                (0..3).all(|scale| row[scale * OF_SCALE + 2] < 1e-3),
                "{row:?}"
            );
            assert!(
                (0..3).all(|scale| row[TURNED + 2 * scale] > 0.999),
                "{row:?}"
            );
            assert_eq!(row[SURROUNDINGS - 1], 0.5);
        }
    }

    #[test]
    fn turning_does_not_change_the_first_numbers() {
        let mut points = sheet(300);
        for p in points.chunks_exact_mut(3) {
            p[2] = 0.3 * p[0] * p[1] + 0.1 * p[0];
        }
        let (sin, cos) = 0.9f32.sin_cos();
        let turned: Vec<f32> = points
            .chunks_exact(3)
            .flat_map(|p| [cos * p[0] - sin * p[2], p[1], sin * p[0] + cos * p[2]])
            .collect();
        let (a, b) = (surroundings(&points), surroundings(&turned));
        let rows = a
            .chunks_exact(SURROUNDINGS)
            .zip(b.chunks_exact(SURROUNDINGS));
        for (a, b) in rows {
            let apart = a[..TURNED].iter().zip(b).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f32::max) < 2e-2, "{a:?} {b:?}");
        }
    }

    #[test]
    fn few_and_equal_points_have_finite_numbers() {
        for points in [vec![], vec![1.0, 2.0, 3.0], vec![0.5; 90], sheet(5)] {
            let numbers = surroundings(&points);
            assert_eq!(numbers.len(), points.len() / 3 * SURROUNDINGS);
            assert!(numbers.iter().all(|x| x.is_finite()), "{numbers:?}");
        }
    }
}
