use multiversion::multiversion;
use rayon::prelude::*;

use crate::KernelError;
use crate::clouds::{self, in_space};
use crate::error::equal;

const NAME: &str = "farthest points";

/// Points whose distances are updated at a time.
const LANES: usize = 16;

/// `count` points of each cloud, spread over it: after a given first one, always the point that is farthest from all those chosen
/// so far; of equally far ones the one that comes first. No point is chosen twice.
///
/// Returned are the numbers of the points, `count` for each cloud, in the order in which they were chosen: the first `n` are what
/// would be chosen of `n`.
///
/// # Arguments
/// `points`: `[points, width]`, row-major, of a width from 1 to 3; `clouds`: where each cloud begins, and the number of points;
/// `first`: the point to begin with in each cloud, by its number among all points. `&clouds[..n]` begins with the first point of each of
/// `n` clouds; in training, draw them.
///
/// Takes `points * count` distances, computed as in [`KdTree`](crate::KdTree), and memory for the points of the clouds at work.
///
/// # Reference
/// Gonzalez (1985), Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38; as sampling in PointNet++
/// (Qi et al. 2017, section 3.2).
///
/// # Errors
/// When lengths or the width do not fit, a cloud has fewer than `count` points or does not hold its first one, or a coordinate is not
/// a finite number.
pub fn farthest_points(
    points: &[f32],
    width: usize,
    clouds: &[usize],
    first: &[usize],
    count: usize,
) -> Result<Vec<u32>, KernelError> {
    clouds::check(NAME, &clouds::POINTS, points, width, clouds)?;
    let given = clouds.len().saturating_sub(1);
    equal(NAME, "number of first points", given, first.len())?;
    if count == 0 {
        return Ok(Vec::new());
    }
    for (cloud, &first) in clouds.windows(2).zip(first) {
        let size = cloud[1] - cloud[0];
        if size < count {
            return Err(KernelError::Shape {
                operation: NAME,
                what: "number of points of a cloud",
                expected: format!("at least {count}"),
                got: size.to_string(),
            });
        }
        if !(cloud[0]..cloud[1]).contains(&first) {
            return Err(KernelError::Shape {
                operation: NAME,
                what: "first point of a cloud",
                expected: format!("in {}..{}", cloud[0], cloud[1]),
                got: first.to_string(),
            });
        }
    }
    let mut chosen = vec![0; given * count];
    chosen
        .par_chunks_exact_mut(count)
        .zip(clouds.par_windows(2))
        .zip(first)
        .for_each(|((chosen, cloud), &first)| {
            let blocks = blocks(&points[cloud[0] * width..cloud[1] * width], width);
            choose(blocks, first - cloud[0], chosen);
            // Points of a cloud fit 32 bits, as all points do.
            chosen.iter_mut().for_each(|c| *c += cloud[0] as u32);
        });
    Ok(chosen)
}

/// Neighbouring points, axis by axis, and the squared distance of each to the nearest point chosen; below zero where it cannot be
/// chosen any more.
#[derive(Clone, Copy)]
struct Block {
    at: [[f32; LANES]; 3],
    distances: [f32; LANES],
}

const TAKEN: f32 = -1.0;

fn blocks(points: &[f32], width: usize) -> Vec<Block> {
    let block = |points: &[f32]| {
        let mut block = Block {
            at: [[0.0; LANES]; 3],
            distances: [TAKEN; LANES],
        };
        for (lane, point) in points.chunks_exact(width).enumerate() {
            for (at, coordinate) in block.at.iter_mut().zip(in_space(point)) {
                at[lane] = coordinate;
            }
            block.distances[lane] = f32::INFINITY;
        }
        block
    };
    points.chunks(LANES * width).map(block).collect()
}

/// Fills `chosen` with numbers within the cloud, which has at least so many points.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn choose(mut blocks: Vec<Block>, first: usize, chosen: &mut [u32]) {
    let mut next = first;
    for chosen in chosen {
        *chosen = next as u32;
        let block = &mut blocks[next / LANES];
        block.distances[next % LANES] = TAKEN;
        let [x, y, z] = block.at.map(|at| at[next % LANES]);
        // The farthest in each lane, and its block.
        let (mut farthest, mut block_of) = ([TAKEN; LANES], [0u32; LANES]);
        for (number, block) in blocks.iter_mut().enumerate() {
            let [xs, ys, zs] = &block.at;
            for lane in 0..LANES {
                let (x, y, z) = (xs[lane] - x, ys[lane] - y, zs[lane] - z);
                let distance = x * x + y * y + z * z;
                let before = block.distances[lane];
                let distance = if distance < before { distance } else { before };
                block.distances[lane] = distance;
                let farther = distance > farthest[lane];
                farthest[lane] = if farther { distance } else { farthest[lane] };
                block_of[lane] = if farther {
                    number as u32
                } else {
                    block_of[lane]
                };
            }
        }
        let mut best = (TAKEN, 0);
        for lane in 0..LANES {
            let number = block_of[lane] as usize * LANES + lane;
            if farthest[lane] > best.0 || (farthest[lane] == best.0 && number < best.1) {
                best = (farthest[lane], number);
            }
        }
        next = best.1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;
    use crate::clouds::tests::clouds;

    /// By definition: each time the distances of all points to all those chosen.
    fn plain(
        points: &[f32],
        width: usize,
        cloud: &[usize],
        first: usize,
        count: usize,
    ) -> Vec<u32> {
        let point = |number: usize| in_space(&points[number * width..(number + 1) * width]);
        let mut chosen = vec![first as u32];
        while chosen.len() < count {
            let mut best = (-1.0, 0);
            for number in cloud[0]..cloud[1] {
                if chosen.contains(&(number as u32)) {
                    continue;
                }
                let apart = |&other: &u32| {
                    let (a, b) = (point(number), point(other as usize));
                    let (x, y, z) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
                    x * x + y * y + z * z
                };
                let distance = chosen.iter().map(apart).fold(f32::INFINITY, f32::min);
                if distance > best.0 {
                    best = (distance, number as u32);
                }
            }
            chosen.push(best.1);
        }
        chosen
    }

    #[test]
    fn points_are_those_of_the_definition() {
        for number in 0..100 {
            let (width, starts, points) = clouds(number);
            let mut rng = Seed(number).stream("first", &[]);
            let mut wide = starts.clone();
            // An empty cloud cannot be sampled.
            wide.dedup();
            let clouds = wide.windows(2);
            let first: Vec<usize> = clouds
                .clone()
                .map(|c| rng.random_range(c[0]..c[1]))
                .collect();
            let smallest = clouds.clone().map(|c| c[1] - c[0]).min().unwrap_or(0);
            let count = smallest.min(40);
            let got = farthest_points(&points, width, &wide, &first, count).unwrap();
            for (i, cloud) in clouds.enumerate() {
                let expected = plain(&points, width, cloud, first[i], count);
                assert_eq!(
                    got[i * count..(i + 1) * count],
                    expected,
                    "clouds {number}, {i}"
                );
            }
        }
    }

    #[test]
    fn a_square_by_hand() {
        // Corner, middle, and the three other corners.
        let points = [0.0, 0.0, 1.0, 1.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0];
        let chosen = farthest_points(&points, 2, &[0, 5], &[0], 5).unwrap();
        assert_eq!(chosen, [0, 4, 2, 3, 1]);
    }

    #[test]
    fn points_at_one_place_are_chosen_once() {
        let mut chosen = farthest_points(&[7.0; 99], 3, &[0, 33], &[20], 33).unwrap();
        assert_eq!(chosen[..3], [20, 0, 1]);
        chosen.sort_unstable();
        assert!(chosen.into_iter().eq(0..33));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let mut rng = Seed(1).stream("points", &[]);
        let points: Vec<f32> = (0..3 * 4000).map(|_| rng.random()).collect();
        let starts: Vec<usize> = (0..=8).map(|i| i * 500).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap()
                .install(|| farthest_points(&points, 3, &starts, &starts[..8], 100).unwrap())
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let call = |points: &[f32], clouds: &[usize], first: &[usize], count| {
            farthest_points(points, 2, clouds, first, count)
        };
        let cases = [
            (call(&[1.0; 4], &[0, 3], &[0], 1), "length of the points"),
            (
                call(&[1.0; 4], &[0, 2], &[0], 3),
                "should be at least 3, but is 2",
            ),
            (
                call(&[1.0; 4], &[0, 2, 2], &[0, 2], 1),
                "should be at least 1, but is 0",
            ),
            (
                call(&[1.0; 4], &[0, 1, 2], &[0, 2], 1),
                "should be in 1..2, but is 2",
            ),
            (
                call(&[1.0; 4], &[0, 1, 2], &[0], 1),
                "number of first points",
            ),
            (call(&[f32::NAN; 4], &[0, 2], &[0], 1), "NaN at place 0"),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with("farthest points: "), "{message}");
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(call(&[], &[], &[], 5), Ok(vec![]));
        assert_eq!(call(&[1.0; 4], &[0, 2], &[0], 0), Ok(vec![]));
    }
}
