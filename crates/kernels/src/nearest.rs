use rayon::prelude::*;

use crate::error::{equal, finite};
use crate::lanes::dot;
use crate::matrix_product::{Matrix, multiply};
use crate::{Csr, KdTree, KernelError};

const NAME: &str = "nearest neighbours";

/// Points whose distances to all others one thread computes at a time.
const QUERIES: usize = 64;
/// Distances that are compared with the worst one kept, at a time.
const LANES: usize = 16;

/// For each point the `k` nearest points of its own cloud, itself among them, the nearest first; of equally near ones those that come
/// first.
///
/// # Arguments
/// `points`: `[points, width]`, row-major; `clouds`: where each cloud begins, and the number of points. A cloud of fewer than `k`
/// points gives all of them.
///
/// In one to three dimensions a [`KdTree`] is built and searched, whose distances are sums of squared differences. In more, distances
/// are computed as `|b|^2 - 2 a.b` around the cloud's centre; points whose distances differ by less than about a millionth of the
/// cloud's extent may be exchanged.
///
/// # Errors
/// When lengths do not fit, `k` is zero, or a coordinate is not a finite number.
pub fn nearest_neighbours(
    points: &[f32],
    width: usize,
    clouds: &[usize],
    k: usize,
) -> Result<Csr, KernelError> {
    if k == 0 {
        return Err(KernelError::shape(
            NAME,
            "number of neighbours",
            "at least 1",
            0,
        ));
    }
    if (1..=3).contains(&width) {
        let tree = KdTree::of(NAME, points, width, clouds)?;
        return tree.search(NAME, points, clouds, f32::INFINITY, k);
    }
    let count = clouds.last().copied().unwrap_or(0);
    if !clouds.is_sorted() || clouds.first().is_some_and(|&first| first != 0) {
        return Err(KernelError::shape(
            NAME,
            "starts of the clouds",
            "rising from 0",
            clouds.len(),
        ));
    }
    equal(NAME, "length of the points", count * width, points.len())?;
    finite(NAME, "the points", points)?;
    by_products(points, width, clouds, k)
}

/// All distances of some points at a time, as a product of matrices.
fn by_products(
    points: &[f32],
    width: usize,
    clouds: &[usize],
    k: usize,
) -> Result<Csr, KernelError> {
    let count = clouds.last().copied().unwrap_or(0);
    let jobs: Vec<(usize, usize, std::ops::Range<usize>)> = clouds
        .windows(2)
        .flat_map(|cloud| {
            let (start, end) = (cloud[0], cloud[1]);
            (start..end)
                .step_by(QUERIES)
                .map(move |first| (start, end, first..(first + QUERIES).min(end)))
        })
        .collect();
    let centred: Vec<Vec<f32>> = clouds
        .windows(2)
        .map(|cloud| centred(&points[cloud[0] * width..cloud[1] * width], width))
        .collect();
    let squares: Vec<Vec<f32>> = centred
        .iter()
        .map(|cloud| {
            let square = |p: usize| {
                let p = &cloud[p * width..(p + 1) * width];
                dot(p, p)
            };
            (0..cloud.len() / width.max(1)).map(square).collect()
        })
        .collect();
    let number_of = |start: usize| clouds.partition_point(|&c| c <= start) - 1;
    let found: Vec<Vec<u32>> = jobs
        .into_par_iter()
        .map_init(Vec::new, |distances, (start, end, queries)| {
            let cloud = number_of(start);
            let (points, squares) = (&centred[cloud], &squares[cloud]);
            let (count, rows) = (end - start, queries.len());
            distances.resize(rows * count, 0.0);
            let from = (queries.start - start) * width;
            let asked = Matrix::new(&points[from..from + rows * width], rows, width);
            multiply(
                distances,
                asked,
                Matrix::new(points, count, width).transposed(),
                false,
            );
            let mut neighbours = Vec::with_capacity(rows * k.min(count));
            for products in distances.chunks_exact_mut(count) {
                for (d, square) in products.iter_mut().zip(squares) {
                    *d = square - 2.0 * *d;
                }
                smallest(products, k.min(count), start, &mut neighbours);
            }
            neighbours
        })
        .collect();
    let mut starts = vec![0];
    for cloud in clouds.windows(2) {
        for _ in cloud[0]..cloud[1] {
            starts.push(starts.last().copied().unwrap_or(0) + k.min(cloud[1] - cloud[0]));
        }
    }
    Csr::new(count, starts, found.concat())
}

fn centred(points: &[f32], width: usize) -> Vec<f32> {
    let count = (points.len() / width.max(1)).max(1);
    let mut centre = vec![0f64; width];
    for point in points.chunks_exact(width.max(1)) {
        centre
            .iter_mut()
            .zip(point)
            .for_each(|(c, &p)| *c += f64::from(p));
    }
    let shift = |(i, &p): (usize, &f32)| (f64::from(p) - centre[i % width] / count as f64) as f32;
    points.iter().enumerate().map(shift).collect()
}

/// Appends the places of the `k` smallest numbers, plus `offset`, in rising order.
fn smallest(values: &[f32], k: usize, offset: usize, out: &mut Vec<u32>) {
    // The best so far, sorted; one more place so that an insertion needs no special case.
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(k + 1);
    let mut worst = f32::INFINITY;
    for (block, values) in values.chunks(LANES).enumerate() {
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        if best.len() == k && least >= worst {
            continue;
        }
        for (lane, &value) in values.iter().enumerate() {
            if best.len() == k && value >= worst {
                continue;
            }
            let place = best.partition_point(|&(b, _)| b <= value);
            best.insert(place, (value, (offset + block * LANES + lane) as u32));
            best.truncate(k);
            worst = best.last().map_or(f32::INFINITY, |b| b.0);
        }
    }
    out.extend(best.into_iter().map(|(_, place)| place));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;
    use crate::clouds::tests::clouds;
    use crate::kd_tree::tests::exhaustive;

    #[test]
    fn neighbours_are_those_of_an_exhaustive_search() {
        let mut rng = Seed(4).stream("points", &[]);
        for (width, sizes, k) in [
            (3, vec![1, 70, 5, 200], 8),
            (1, vec![30], 40),
            (4, vec![1, 70, 5, 200], 8),
            (20, vec![130, 0, 64], 5),
        ] {
            let mut clouds = vec![0];
            for size in sizes {
                clouds.push(clouds.last().unwrap() + size);
            }
            let count = *clouds.last().unwrap();
            // Far from the origin, where products alone would lose all digits.
            let points: Vec<f32> = (0..count * width)
                .map(|_| 100.0 + rng.random_range(-1.0f32..1.0))
                .collect();
            let csr = nearest_neighbours(&points, width, &clouds, k).unwrap();
            for cloud in clouds.windows(2) {
                for i in cloud[0]..cloud[1] {
                    let distance = |j: usize| -> f64 {
                        (0..width)
                            .map(|d| {
                                f64::from(points[i * width + d]) - f64::from(points[j * width + d])
                            })
                            .map(|d| d * d)
                            .sum()
                    };
                    let mut expected: Vec<f64> = (cloud[0]..cloud[1]).map(distance).collect();
                    expected.sort_by(f64::total_cmp);
                    let got = &csr.indices()[csr.row(i)];
                    assert_eq!(got.len(), k.min(cloud[1] - cloud[0]));
                    assert_eq!(got[0] as usize, i, "a point is its own nearest");
                    for (&j, e) in got.iter().zip(expected) {
                        assert!((distance(j as usize) - e).abs() < 1e-4, "{i} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn in_space_neighbours_are_exactly_those_of_an_exhaustive_search() {
        for number in 0..50 {
            let (width, starts, points) = clouds(number);
            for k in [1, 20, 150] {
                let csr = nearest_neighbours(&points, width, &starts, k).unwrap();
                for cloud in starts.windows(2) {
                    for i in cloud[0]..cloud[1] {
                        let query = &points[i * width..(i + 1) * width];
                        let expected = exhaustive(&points, width, cloud[0]..cloud[1], query);
                        let expected = expected.into_iter().take(k).map(|(_, n)| n);
                        let got = csr.indices()[csr.row(i)].iter().copied();
                        assert!(got.eq(expected), "clouds {number}, k {k}, point {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn equal_points_come_in_their_order() {
        for width in 1..6 {
            let points = vec![1.0; 40 * width];
            let csr = nearest_neighbours(&points, width, &[0, 40], 3).unwrap();
            assert!((0..40).all(|i| csr.indices()[csr.row(i)] == [0, 1, 2]));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let cases = [
            (nearest_neighbours(&[1.0; 4], 2, &[0, 3], 1), "length of"),
            (nearest_neighbours(&[1.0; 8], 4, &[0, 3], 1), "length of"),
            (nearest_neighbours(&[1.0; 4], 2, &[1, 2], 1), "1 first"),
            (nearest_neighbours(&[1.0; 8], 4, &[1, 2], 1), "rising from"),
            (nearest_neighbours(&[1.0; 4], 2, &[0, 2], 0), "at least 1"),
            (nearest_neighbours(&[1.0; 8], 4, &[0, 2], 0), "at least 1"),
            (
                nearest_neighbours(&[1.0, f32::NAN], 1, &[0, 2], 1),
                "NaN at place 1",
            ),
            (
                nearest_neighbours(&[1.0, f32::NAN, 0.0, 0.0], 4, &[0, 1], 1),
                "NaN at place 1",
            ),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with("nearest neighbours: "), "{message}");
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(
            nearest_neighbours(&[], 3, &[], 5).map(|c| c.rows()).ok(),
            Some(0)
        );
    }
}
