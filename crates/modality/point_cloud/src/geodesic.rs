//! Distances along a shape instead of through the air: they do not change when a figure moves its limbs.

use candor_kernels::Csr;
use multiversion::multiversion;

/// Neighbours of a point on the graph.
const NEIGHBOURS: usize = 8;
/// Parts that no path joins are this much farther than through the air.
const DETOUR: f32 = 1.2;
/// Points from which paths begin, at most.
pub(crate) const SOURCES: usize = 64;

/// Lengths of the shortest paths to one point, from each source.
type Lengths = [f32; SOURCES];

/// `[sources, points]`: lengths of the shortest paths from the first points to all, over the graph of the eight nearest neighbours, both ways.
/// Where there is no path, it is 1.2 times the distance through the air. `near` has the neighbours of each point, the nearest first.
///
/// # Reference
/// Tenenbaum, de Silva & Langford, "A global geometric framework for nonlinear dimensionality reduction", Science 290, 2000, step 2; Bellman (1958), Ford (1956): all sources
/// at once, the points in the order of one coordinate, forwards and backwards in turn, and only points whose neighbours came closer. No queue is as fast.
pub(crate) fn geodesics(points: &[f32], near: &Csr, sources: usize) -> Vec<f32> {
    let count = points.len() / 3;
    let sources = sources.min(count).min(SOURCES);
    let graph = Graph::of(points, near);
    let mut lengths = vec![[f32::INFINITY; SOURCES]; count];
    for (source, &place) in graph.place.iter().take(sources).enumerate() {
        lengths[place][source] = 0.0;
    }
    shorten(&graph.starts, &graph.edges, &mut lengths);
    let of = |source: usize, point: usize| {
        let length = lengths[graph.place[point]][source];
        match length.is_finite() {
            true => length,
            false => DETOUR * air(points, source, point),
        }
    };
    let of = &of;
    (0..sources)
        .flat_map(|source| (0..count).map(move |point| of(source, point)))
        .collect()
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

/// Points in the order of their first coordinate.
struct Graph {
    /// The place of each point in that order.
    place: Vec<usize>,
    /// Where the neighbours of each place begin, and the number of all.
    starts: Vec<usize>,
    /// Neighbours and how far they are.
    edges: Vec<(u32, f32)>,
}

impl Graph {
    fn of(points: &[f32], near: &Csr) -> Graph {
        let count = points.len() / 3;
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| points[3 * a].total_cmp(&points[3 * b]));
        let mut place = vec![0; count];
        for (at, &point) in order.iter().enumerate() {
            place[point] = at;
        }
        let mut pairs = Vec::with_capacity(2 * NEIGHBOURS * count);
        for point in 0..near.rows() {
            // The point itself is among them.
            let row = &near.indices()[near.row(point)];
            for &other in row.iter().take(NEIGHBOURS + 1) {
                let (a, b) = (place[point] as u32, place[other as usize] as u32);
                if a != b {
                    pairs.extend([(a, b), (b, a)]);
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut starts = vec![0; count + 1];
        for (from, _) in &pairs {
            starts[*from as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let length = |(a, b): (u32, u32)| (b, air(points, order[a as usize], order[b as usize]));
        Graph {
            edges: pairs.into_iter().map(length).collect(),
            place,
            starts,
        }
    }
}

/// Shortens paths by way of neighbours until none becomes shorter.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn shorten(starts: &[usize], edges: &[(u32, f32)], lengths: &mut [Lengths]) {
    let count = lengths.len();
    let mut waiting = vec![true; count];
    let (mut changed, mut backwards) = (true, false);
    while changed {
        changed = false;
        for step in 0..count {
            let at = if backwards { count - 1 - step } else { step };
            if !std::mem::take(&mut waiting[at]) {
                continue;
            }
            let neighbours = &edges[starts[at]..starts[at + 1]];
            let mut own = lengths[at];
            for &(other, step) in neighbours {
                for (own, by) in own.iter_mut().zip(&lengths[other as usize]) {
                    let by = by + step;
                    *own = if by < *own { by } else { *own };
                }
            }
            if own != lengths[at] {
                lengths[at] = own;
                changed = true;
                for &(other, _) in neighbours {
                    waiting[other as usize] = true;
                }
            }
        }
        backwards = !backwards;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candor_core::Seed;
    use candor_kernels::nearest_neighbours;
    use rand::RngExt;

    use super::*;

    fn lengths(points: &[f32], sources: usize) -> Vec<f32> {
        let clouds = [0, points.len() / 3];
        let near = nearest_neighbours(points, 3, &clouds, NEIGHBOURS + 1).unwrap();
        geodesics(points, &near, sources)
    }

    /// Every pair by way of every third (Floyd 1962), the graph as pairs.
    #[test]
    fn paths_are_the_shortest() {
        let mut stream = Seed(4).stream("points", &[]);
        let mut points: Vec<f32> = (0..240)
            .map(|_| stream.random_range(-1.0f32..1.0))
            .collect();
        // A part of its own, and a point twice.
        points.extend((0..30).map(|_| stream.random_range(9.0f32..9.5)));
        points.extend_from_within(..3);
        let count = points.len() / 3;
        let near = nearest_neighbours(&points, 3, &[0, count], NEIGHBOURS + 1).unwrap();
        let mut least = vec![f64::INFINITY; count * count];
        for a in 0..count {
            least[a * count + a] = 0.0;
            for &b in &near.indices()[near.row(a)] {
                let length = f64::from(air(&points, a, b as usize));
                least[a * count + b as usize] = length;
                least[b as usize * count + a] = length;
            }
        }
        for by in 0..count {
            for a in 0..count {
                for b in 0..count {
                    let way = least[a * count + by] + least[by * count + b];
                    least[a * count + b] = least[a * count + b].min(way);
                }
            }
        }
        let found = geodesics(&points, &near, 50);
        for (source, found) in found.chunks_exact(count).enumerate() {
            for (point, &found) in found.iter().enumerate() {
                let least = least[source * count + point];
                let expected = match least.is_finite() {
                    true => least,
                    false => f64::from(DETOUR * air(&points, source, point)),
                };
                assert!(
                    (f64::from(found) - expected).abs() < 1e-5,
                    "{source} {point}"
                );
            }
        }
    }

    #[test]
    fn paths_follow_the_shape() {
        // A half circle: from end to end pi along it (chords to the eighth neighbour are a little shorter), 2 through the air.
        let mut points: Vec<f32> = (0..=60)
            .flat_map(|i| {
                let t = std::f32::consts::PI * i as f32 / 60.0;
                [t.cos(), t.sin(), 0.0]
            })
            .collect();
        let found = lengths(&points, 1);
        assert!(
            (found[60] - std::f32::consts::PI).abs() < 0.02,
            "{}",
            found[60]
        );
        assert_eq!(found[0], 0.0);
        // Twelve points far away have their neighbours among themselves.
        points.extend((0..12).flat_map(|i| [100.0 + i as f32, 0.0, 0.0]));
        let found = lengths(&points, 1);
        assert!((found[61] - 1.2 * 99.0).abs() < 1e-3, "{}", found[61]);
        assert!(lengths(&[0.0; 6], 2).iter().all(|l| *l == 0.0));
    }
}
