use candor_core::Seed;
use rand::RngExt;

/// Rounds of moving, in each of which every pair of nodes is looked at.
const ROUNDS: usize = 200;
/// How far a node may move in the first round, as a share of the side of the square that nodes begin in.
const FARTHEST: f64 = 0.1;
/// Nodes that lie nearer are pushed apart as if they lay so far apart.
const NEAREST: f64 = 1e-6;
const CENTRE: f64 = 0.5;

/// Where to draw the nodes of a graph, `(x, y)` each, so that those that are joined lie near each other. Finite; the same for the same seed. The work
/// grows with the square of the number of nodes.
///
/// Nodes that are joined pull each other by `d² / k`, and all push each other by `k² / d`, where `k` is the distance that nodes would have on an even
/// grid. Unlike there, nodes are kept together by a pull towards the middle rather than by a frame, in whose corners those that are joined to
/// nothing would meet.
///
/// # Reference
/// Fruchterman and Reingold, Graph drawing by force-directed placement, Software: Practice and Experience 21 (1991), section 2.
pub(super) fn spring_layout(nodes: usize, edges: &[(u32, u32)], seed: Seed) -> Vec<(f64, f64)> {
    let mut random = seed.stream("layout", &[]);
    let mut at: Vec<(f64, f64)> = (0..nodes)
        .map(|_| (random.random(), random.random()))
        .collect();
    let usual = (1.0 / nodes.max(1) as f64).sqrt();
    for round in 0..ROUNDS {
        let mut pull: Vec<(f64, f64)> = at.iter().map(|(x, y)| (CENTRE - x, CENTRE - y)).collect();
        let mut push = |a: usize, b: usize, by: &dyn Fn(f64) -> f64| {
            let (dx, dy) = (at[a].0 - at[b].0, at[a].1 - at[b].1);
            let far = dx.hypot(dy).max(NEAREST);
            let share = by(far) / far;
            pull[a].0 += share * dx;
            pull[a].1 += share * dy;
            pull[b].0 -= share * dx;
            pull[b].1 -= share * dy;
        };
        for a in 0..nodes {
            (0..a).for_each(|b| push(a, b, &|far| usual * usual / far));
        }
        for &(a, b) in edges {
            push(a as usize, b as usize, &|far| -far * far / usual);
        }
        let farthest = FARTHEST * (1.0 - round as f64 / ROUNDS as f64);
        for (at, (dx, dy)) in at.iter_mut().zip(pull) {
            let far = dx.hypot(dy).max(NEAREST);
            let share = far.min(farthest) / far;
            at.0 += share * dx;
            at.1 += share * dy;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_the_same_each_time_finite_and_keeps_nodes_apart() {
        // A ring of eight, all pairs of five others, and three that are joined to nothing.
        let ring = (0..8u32).map(|n| (n, (n + 1) % 8));
        let all = (8..13u32).flat_map(|a| (8..a).map(move |b| (a, b)));
        let edges: Vec<(u32, u32)> = ring.chain(all).collect();
        let at = spring_layout(16, &edges, Seed(1));
        assert_eq!(at, spring_layout(16, &edges, Seed(1)));
        assert!(at.iter().all(|(x, y)| x.is_finite() && y.is_finite()));
        let distance = |a: usize, b: usize| (at[a].0 - at[b].0).hypot(at[a].1 - at[b].1);
        let pairs = (0..16).flat_map(|a| (0..a).map(move |b| (a, b)));
        let nearest = pairs
            .map(|(a, b)| distance(a, b))
            .fold(f64::INFINITY, f64::min);
        assert!(nearest > 0.02, "{nearest}");
        // Neighbours on the ring are nearer than those across it.
        let mean = |apart: usize| (0..8).map(|n| distance(n, (n + apart) % 8)).sum::<f64>() / 8.0;
        assert!(mean(1) < 0.7 * mean(4), "{} {}", mean(1), mean(4));
    }

    #[test]
    fn few_nodes_and_many_edges_are_no_trouble() {
        for nodes in [0, 1, 2, 60] {
            let all = (0..nodes as u32).flat_map(|a| (0..a).map(move |b| (a, b)));
            let at = spring_layout(nodes, &all.collect::<Vec<_>>(), Seed(2));
            assert!(at.len() == nodes && at.iter().all(|(x, y)| x.is_finite() && y.is_finite()));
        }
    }
}
