//! Distances along a shape instead of through the air: they do not change when a figure moves its limbs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use candor_kernels::nearest_neighbours;

/// Neighbours of a point on the graph.
const NEIGHBOURS: usize = 8;
/// Parts that no path joins are this much farther than through the air.
const DETOUR: f32 = 1.2;

/// `[sources, points]`: lengths of the shortest paths from the first points to all, over the graph of the eight nearest neighbours, both ways.
/// Where there is no path, it is 1.2 times the distance through the air.
///
/// # Reference
/// Tenenbaum, de Silva & Langford, "A global geometric framework for nonlinear dimensionality reduction", Science 290, 2000, step 2;
/// Dijkstra (1959).
pub(crate) fn geodesics(points: &[f32], sources: usize) -> Vec<f32> {
    let count = points.len() / 3;
    let graph = Graph::of(points, count);
    let mut all = Vec::with_capacity(sources * count);
    let mut queue = BinaryHeap::new();
    for source in 0..sources.min(count) {
        let start = all.len();
        all.resize(start + count, f32::INFINITY);
        let lengths = &mut all[start..];
        graph.paths(source, lengths, &mut queue);
        for (point, length) in lengths.iter_mut().enumerate() {
            if !length.is_finite() {
                *length = DETOUR * air(points, source, point);
            }
        }
    }
    all
}

/// The distance of two points.
pub(crate) fn air(points: &[f32], a: usize, b: usize) -> f32 {
    let (a, b) = (&points[3 * a..3 * a + 3], &points[3 * b..3 * b + 3]);
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f32>()
        .sqrt()
}

struct Graph {
    starts: Vec<usize>,
    /// Neighbours and how far they are.
    edges: Vec<(u32, f32)>,
}

/// The nearest comes first; of equally near ones the one of the lower number.
#[derive(PartialEq)]
struct Reached(f32, u32);

impl Eq for Reached {}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Reached) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reached {
    fn cmp(&self, other: &Reached) -> Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

impl Graph {
    fn of(points: &[f32], count: usize) -> Graph {
        let mut pairs = Vec::new();
        if let Ok(near) = nearest_neighbours(points, 3, &[0, count], NEIGHBOURS + 1) {
            for point in 0..count {
                for &other in &near.indices()[near.row(point)] {
                    if other as usize != point {
                        pairs.push((point as u32, other));
                        pairs.push((other, point as u32));
                    }
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut starts = vec![0; count + 1];
        for (point, _) in &pairs {
            starts[*point as usize + 1] += 1;
        }
        for point in 0..count {
            starts[point + 1] += starts[point];
        }
        let length = |(a, b): (u32, u32)| (b, air(points, a as usize, b as usize));
        Graph {
            starts,
            edges: pairs.into_iter().map(length).collect(),
        }
    }

    fn paths(&self, source: usize, lengths: &mut [f32], queue: &mut BinaryHeap<Reached>) {
        lengths[source] = 0.0;
        queue.clear();
        queue.push(Reached(0.0, source as u32));
        while let Some(Reached(length, point)) = queue.pop() {
            let point = point as usize;
            if length > lengths[point] {
                continue;
            }
            for &(other, step) in &self.edges[self.starts[point]..self.starts[point + 1]] {
                let reached = length + step;
                if reached < lengths[other as usize] {
                    lengths[other as usize] = reached;
                    queue.push(Reached(reached, other));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_shape() {
        // A half circle: from end to end pi along it (chords to the eighth neighbour are a little shorter), 2 through the air.
        let mut points: Vec<f32> = (0..=60)
            .flat_map(|i| {
                let t = std::f32::consts::PI * i as f32 / 60.0;
                [t.cos(), t.sin(), 0.0]
            })
            .collect();
        let lengths = geodesics(&points, 1);
        assert!(
            (lengths[60] - std::f32::consts::PI).abs() < 0.02,
            "{}",
            lengths[60]
        );
        assert_eq!(lengths[0], 0.0);
        // Twelve points far away have their neighbours among themselves.
        points.extend((0..12).flat_map(|i| [100.0 + i as f32, 0.0, 0.0]));
        let lengths = geodesics(&points, 1);
        assert!((lengths[61] - 1.2 * 99.0).abs() < 1e-3, "{}", lengths[61]);
        assert!(geodesics(&[0.0; 6], 2).iter().all(|l| *l == 0.0));
    }
}
