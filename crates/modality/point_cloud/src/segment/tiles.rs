use std::collections::BTreeMap;

use super::Frame;

/// Points of a block, at least, that are learned from.
pub(crate) const FEWEST: usize = 32;
/// Share of a block's points that lie below what is taken for its ground: those are often errors.
const BELOW_GROUND: f64 = 0.02;

/// A block of a scene: which points lie in it, and how they are seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    /// Its place in the grid.
    pub cell: (i64, i64),
    /// Numbers of the points.
    pub places: Vec<u32>,
    pub frame: Frame,
}

/// Cuts a scene into blocks that are `edge` long and wide and as high as they are. `shift` moves the grid by a share of a block, so that what lies
/// at an edge of one grid is inside a block of another.
pub(crate) fn blocks(points: &[[f64; 3]], edge: f64, shift: f64) -> Vec<Block> {
    let mut cells: BTreeMap<(i64, i64), Vec<u32>> = BTreeMap::new();
    for (place, point) in (0..).zip(points) {
        cells
            .entry(cell(point, edge, shift))
            .or_default()
            .push(place);
    }
    let block = |(cell, places): ((i64, i64), Vec<u32>)| {
        let heights = places.iter().map(|&place| points[place as usize][2]);
        Block {
            frame: frame(cell, edge, shift, heights.collect()),
            cell,
            places,
        }
    };
    cells.into_iter().map(block).collect()
}

/// The block that a point lies in.
pub(crate) fn cell(point: &[f64; 3], edge: f64, shift: f64) -> (i64, i64) {
    let of = |x: f64| (x / edge + shift).floor() as i64;
    (of(point[0]), of(point[1]))
}

/// How the points of a block are seen: about its middle, above its ground, a block's edge as the unit.
pub(crate) fn frame(cell: (i64, i64), edge: f64, shift: f64, mut heights: Vec<f64>) -> Frame {
    heights.sort_by(f64::total_cmp);
    let ground = heights.get((heights.len() as f64 * BELOW_GROUND) as usize);
    let middle = |place: i64| (place as f64 + 0.5 - shift) * edge;
    Frame {
        centre: [
            middle(cell.0),
            middle(cell.1),
            ground.copied().unwrap_or(0.0),
        ],
        size: edge,
    }
}

/// The edge of blocks that hold about `count` points each; `None` where the scene has no extent.
pub(crate) fn edge_for(points: u64, low: [f64; 3], high: [f64; 3], count: usize) -> Option<f64> {
    let across = [high[0] - low[0], high[1] - low[1]];
    let longest = across[0].max(across[1]);
    // A wall has no area, but a length.
    let area = across[0].max(0.01 * longest) * across[1].max(0.01 * longest);
    let edge = (area * count as f64 / points.max(1) as f64).sqrt();
    (edge > 0.0 && edge.is_finite()).then_some(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_part_the_points_and_a_shifted_grid_has_edges_elsewhere() {
        let points: Vec<[f64; 3]> = (0..400)
            .map(|i| {
                [
                    f64::from(i % 20) * 0.5 - 3.0,
                    f64::from(i / 20) * 0.5,
                    f64::from(i % 7),
                ]
            })
            .collect();
        for shift in [0.0, 0.5] {
            let blocks = blocks(&points, 2.5, shift);
            let mut all: Vec<u32> = blocks.iter().flat_map(|b| b.places.clone()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..400).collect::<Vec<_>>());
            for block in &blocks {
                for &place in &block.places {
                    let [x, y, _] = block.frame.seen(&points[place as usize]);
                    assert!(
                        (-0.5..=0.5).contains(&x) && (-0.5..=0.5).contains(&y),
                        "{x} {y}"
                    );
                }
            }
        }
        assert!(edge_for(1000, [0.0; 3], [100.0, 10.0, 5.0], 100).unwrap() - 10.0 < 1e-9);
        assert!(edge_for(10, [1.0; 3], [1.0; 3], 5).is_none());
    }
}
