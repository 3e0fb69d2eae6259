use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::clouds::{self, in_space};
use crate::error::equal;
use crate::{Csr, KernelError};

const NAME: &str = "k-d tree";

/// Points of a leaf, at most: their distances fill one or two registers.
const LEAF: usize = 16;
/// Candidates beyond those asked for, at which the farthest are dropped.
const SURPLUS: usize = 16;
/// Up to so many candidates are sorted by counting, for each, those before it: all pairs, but without a branch.
const COUNTED: usize = 96;
/// Queries that one thread answers at a time.
const QUERIES: usize = 128;
/// Points of a subtree from which on its halves are worth a thread each.
const BUILT_ALONE: usize = 1 << 13;

/// Points in the plane or in space, ready to be searched: one tree for each cloud, cut at the median of its longest side until
/// sixteen points remain.
///
/// Nothing is approximate. Squared distances are computed as `(a_1 - b_1)^2 + (a_2 - b_2)^2 + (a_3 - b_3)^2` in 32 bits, and
/// searches give what an exhaustive search by these numbers gives, with points as far as each other in their order: rounding is
/// monotone, so that no point inside a box is nearer than the box is found to be.
///
/// # Reference
/// Friedman, Bentley & Finkel (1977), An algorithm for finding best matches in logarithmic expected time, ACM TOMS 3(3).
#[derive(Debug, Clone)]
pub struct KdTree {
    width: usize,
    count: usize,
    clouds: Vec<Cloud>,
}

/// The tree of one cloud, depth first: a subtree of `n` leaves has `2 n - 1` nodes, the left half first.
#[derive(Debug, Clone)]
struct Cloud {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

/// The box around a subtree's points, and the lowest number among them.
#[derive(Debug, Clone, Copy)]
struct Node {
    low: [f32; 3],
    high: [f32; 3],
    first: u32,
}

/// Points axis by axis, and their numbers. Places without a point hold infinity and the number that no point has.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    at: [[f32; LEAF]; 3],
    numbers: [u32; LEAF],
}

#[derive(Debug, Clone, Copy)]
struct Point {
    at: [f32; 3],
    number: u32,
}

const NOBODY: u32 = u32::MAX;

impl KdTree {
    /// A tree for each cloud.
    ///
    /// # Arguments
    /// `points`: `[points, width]`, row-major, of a width from 1 to 3; `clouds`: where each cloud begins, and the number of points.
    ///
    /// # Errors
    /// When the lengths or the width do not fit, or a coordinate is not a finite number.
    pub fn new(points: &[f32], width: usize, clouds: &[usize]) -> Result<KdTree, KernelError> {
        KdTree::of(NAME, points, width, clouds)
    }

    /// [`KdTree::new`], where errors name the operation that needs the tree.
    pub(crate) fn of(
        operation: &'static str,
        points: &[f32],
        width: usize,
        clouds: &[usize],
    ) -> Result<KdTree, KernelError> {
        let count = clouds::check(operation, &clouds::POINTS, points, width, clouds)?;
        let clouds = clouds
            .par_windows(2)
            .map(|cloud| {
                let of = |number: usize| Point {
                    at: in_space(&points[number * width..(number + 1) * width]),
                    number: number as u32,
                };
                Cloud::new(&mut (cloud[0]..cloud[1]).map(of).collect::<Vec<Point>>())
            })
            .collect();
        Ok(KdTree {
            width,
            count,
            clouds,
        })
    }

    /// For each query the points of its cloud at a squared distance of no more than `limit`, the nearest first, at most `most`.
    pub(crate) fn search(
        &self,
        operation: &'static str,
        queries: &[f32],
        clouds: &[usize],
        limit: f32,
        most: usize,
    ) -> Result<Csr, KernelError> {
        let count = clouds::check(operation, &clouds::QUERIES, queries, self.width, clouds)?;
        let given = clouds.len().saturating_sub(1);
        equal(operation, "number of clouds", self.clouds.len(), given)?;
        let jobs: Vec<(&Cloud, Range<usize>)> = self
            .clouds
            .iter()
            .zip(clouds.windows(2))
            .flat_map(|(cloud, ends)| {
                let (start, end) = (ends[0], ends[1]);
                let job = move |first: usize| (cloud, first..(first + QUERIES).min(end));
                (start..end).step_by(QUERIES).map(job)
            })
            .collect();
        let found: Vec<Neighbours> = jobs
            .into_par_iter()
            .map_init(Vec::new, |candidates, (cloud, range)| {
                let queries = &queries[range.start * self.width..range.end * self.width];
                let mut found = Neighbours::default();
                if !cloud.leaves.is_empty() {
                    search(
                        cloud, queries, self.width, limit, most, candidates, &mut found,
                    );
                }
                // Queries to a cloud without points find nothing.
                found.counts.resize(range.len(), 0);
                found
            })
            .collect();
        let mut starts = Vec::with_capacity(count + 1);
        let mut numbers = Vec::with_capacity(found.iter().map(|f| f.numbers.len()).sum());
        starts.push(0);
        let mut end = 0;
        for part in found {
            starts.extend(part.counts.into_iter().map(|count| {
                end += count;
                end
            }));
            numbers.extend(part.numbers);
        }
        Csr::new(self.count, starts, numbers)
    }
}

impl Cloud {
    fn new(points: &mut [Point]) -> Cloud {
        let leaves = points.len().div_ceil(LEAF);
        let node = Node {
            low: [0.0; 3],
            high: [0.0; 3],
            first: 0,
        };
        let leaf = Leaf {
            at: [[f32::INFINITY; LEAF]; 3],
            numbers: [NOBODY; LEAF],
        };
        let mut cloud = Cloud {
            nodes: vec![node; (2 * leaves).saturating_sub(1)],
            leaves: vec![leaf; leaves],
        };
        split(points, &mut cloud.nodes, &mut cloud.leaves);
        cloud
    }
}

/// Fills the nodes and leaves of a subtree.
fn split(points: &mut [Point], nodes: &mut [Node], leaves: &mut [Leaf]) {
    let Some((node, below)) = nodes.split_first_mut() else {
        return;
    };
    *node = around(points);
    if let [leaf] = leaves {
        for (lane, point) in points.iter().enumerate() {
            for axis in 0..3 {
                leaf.at[axis][lane] = point.at[axis];
            }
            leaf.numbers[lane] = point.number;
        }
        return;
    }
    let side = |axis: usize| node.high[axis] - node.low[axis];
    let axis = (1..3).fold(0, |a, b| if side(b) > side(a) { b } else { a });
    // All leaves but the last are full. Points at one place go by their number, so that a search can stop at the first of them.
    let left = leaves.len().div_ceil(2);
    let order = |a: &Point, b: &Point| {
        let by_place = a.at[axis].total_cmp(&b.at[axis]);
        by_place.then(a.number.cmp(&b.number))
    };
    points.select_nth_unstable_by(left * LEAF, order);
    let count = points.len();
    let (points, right_points) = points.split_at_mut(left * LEAF);
    let (nodes, right_nodes) = below.split_at_mut(2 * left - 1);
    let (leaves, right_leaves) = leaves.split_at_mut(left);
    if count < BUILT_ALONE {
        split(points, nodes, leaves);
        split(right_points, right_nodes, right_leaves);
    } else {
        rayon::join(
            || split(points, nodes, leaves),
            || split(right_points, right_nodes, right_leaves),
        );
    }
}

fn around(points: &[Point]) -> Node {
    let mut node = Node {
        low: [f32::INFINITY; 3],
        high: [f32::NEG_INFINITY; 3],
        first: NOBODY,
    };
    for point in points {
        for axis in 0..3 {
            node.low[axis] = node.low[axis].min(point.at[axis]);
            node.high[axis] = node.high[axis].max(point.at[axis]);
        }
        node.first = node.first.min(point.number);
    }
    node
}

/// Results of a run of queries: how many for each, and the numbers of the points.
#[derive(Default)]
struct Neighbours {
    counts: Vec<usize>,
    numbers: Vec<u32>,
}

/// Rises with the distance, and where that is equal with the number; distances are not negative.
#[inline(always)]
fn key(distance: f32, number: u32) -> u64 {
    u64::from(distance.to_bits()) << 32 | u64::from(number)
}

/// A key that no point of the box is below.
#[inline(always)]
fn nearest_of(node: &Node, query: &[f32; 3]) -> u64 {
    let mut squares = [0f32; 3];
    for axis in 0..3 {
        let (below, above) = (node.low[axis] - query[axis], query[axis] - node.high[axis]);
        let out = if below > above { below } else { above };
        let out = if out > 0.0 { out } else { 0.0 };
        squares[axis] = out * out;
    }
    key(squares[0] + squares[1] + squares[2], node.first)
}

/// A subtree that waits: the key that none of its points is below, its first node, its first leaf, and its leaves.
type Subtree = (u64, usize, usize, usize);

/// Answers one query after the other; the cloud has a point.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn search(
    cloud: &Cloud,
    queries: &[f32],
    width: usize,
    limit: f32,
    most: usize,
    candidates: &mut Vec<u64>,
    found: &mut Neighbours,
) {
    let too_many = most.saturating_add(SURPLUS);
    let mut waiting: Vec<Subtree> = Vec::with_capacity(64);
    for query in queries.chunks_exact(width) {
        let query = in_space(query);
        // Candidates are unordered. A point is one if its key is below `bound`: those asked for are then among them.
        let mut count = 0;
        let mut bound = key(limit, NOBODY);
        let root = nearest_of(&cloud.nodes[0], &query);
        waiting.push((root, 0, 0, cloud.leaves.len()));
        while let Some((least, mut node, mut leaf, mut leaves)) = waiting.pop() {
            if least >= bound {
                continue;
            }
            while leaves > 1 {
                let left = leaves.div_ceil(2);
                let (a, b) = (node + 1, node + 2 * left);
                let a = (nearest_of(&cloud.nodes[a], &query), a, leaf, left);
                let b = (
                    nearest_of(&cloud.nodes[b], &query),
                    b,
                    leaf + left,
                    leaves - left,
                );
                let (near, far) = if a.0 <= b.0 { (a, b) } else { (b, a) };
                if far.0 < bound {
                    waiting.push(far);
                }
                (_, node, leaf, leaves) = near;
            }
            if candidates.len() < count + LEAF {
                candidates.resize(2 * count + LEAF, 0);
            }
            count += below(
                &cloud.leaves[leaf],
                &query,
                bound,
                &mut candidates[count..count + LEAF],
            );
            if count >= too_many {
                let (_, farthest, _) = candidates[..count].select_nth_unstable(most - 1);
                bound = *farthest;
                count = most;
            }
        }
        let kept = count.min(most);
        nearest_first(&mut candidates[..count], kept, &mut found.numbers);
        found.counts.push(kept);
    }
}

/// Writes the keys of a leaf's points that are below `bound`, and returns how many.
#[inline(always)]
fn below(leaf: &Leaf, query: &[f32; 3], bound: u64, room: &mut [u64]) -> usize {
    let [x, y, z] = &leaf.at;
    let mut distances = [0f32; LEAF];
    for lane in 0..LEAF {
        let (x, y, z) = (x[lane] - query[0], y[lane] - query[1], z[lane] - query[2]);
        distances[lane] = x * x + y * y + z * z;
    }
    // Every key is written; the place moves on only past those that count. A branch would be guessed wrong half the time.
    let mut count = 0;
    for (&distance, &number) in distances.iter().zip(&leaf.numbers) {
        let key = key(distance, number);
        room[count] = key;
        count += usize::from(key < bound);
    }
    count
}

/// Appends the numbers of the `kept` lowest keys, in rising order. No two keys are equal.
#[inline(always)]
fn nearest_first(keys: &mut [u64], kept: usize, numbers: &mut Vec<u32>) {
    if keys.len() > COUNTED {
        keys.sort_unstable();
        numbers.extend(keys[..kept].iter().map(|&key| key as u32));
        return;
    }
    let start = numbers.len();
    numbers.resize(start + kept, 0);
    let numbers = &mut numbers[start..];
    for &key in keys.iter() {
        // Signed, as old instruction sets compare; the highest bit is never set.
        let before = |&other: &u64| u64::from((other as i64) < key as i64);
        let rank: u64 = keys.iter().map(before).sum();
        if let Some(number) = numbers.get_mut(rank as usize) {
            *number = key as u32;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    /// Points, as an exhaustive search orders them around a query.
    pub(crate) fn exhaustive(
        points: &[f32],
        width: usize,
        cloud: Range<usize>,
        query: &[f32],
    ) -> Vec<(f32, u32)> {
        let distance = |number: usize| {
            let point = in_space(&points[number * width..(number + 1) * width]);
            let query = in_space(query);
            let (x, y, z) = (
                point[0] - query[0],
                point[1] - query[1],
                point[2] - query[2],
            );
            x * x + y * y + z * z
        };
        let mut found: Vec<(f32, u32)> = cloud.map(|n| (distance(n), n as u32)).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found
    }

    #[test]
    fn a_large_cloud_is_cut_into_full_leaves() {
        let mut rng = Seed(0).stream("points", &[]);
        let count = 3 * BUILT_ALONE + 5;
        let points: Vec<f32> = (0..3 * count).map(|_| rng.random()).collect();
        let tree = KdTree::new(&points, 3, &[0, count]).unwrap();
        let leaves = &tree.clouds[0].leaves;
        let (last, full) = leaves.split_last().unwrap();
        assert!(full.iter().all(|leaf| !leaf.numbers.contains(&NOBODY)));
        assert!(last.numbers[5..].iter().all(|&number| number == NOBODY));
        let mut numbers: Vec<u32> = leaves.iter().flat_map(|leaf| leaf.numbers).collect();
        numbers.sort_unstable();
        assert!(numbers[..count].iter().copied().eq(0..count as u32));
    }
}
