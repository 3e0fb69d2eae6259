//! A graph without one of the things that a prediction may rest on.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use candor_baselines::Matrix;

use crate::{GraphUnits, NodeFeatures, SparseFeatures};

/// One unit in its graph without the edge between two nodes, whichever way it leads.
pub fn without_edge(units: &GraphUnits, index: usize, [a, b]: [u32; 2]) -> GraphUnits {
    let is_other = |&(from, to): &(u32, u32)| (from, to) != (a, b) && (from, to) != (b, a);
    GraphUnits {
        graph: Arc::new(units.graph.only(is_other)),
        ..units.at(&[index])
    }
}

/// One unit in its graph, where of some nodes the features at `table` of the encoded table are not known, and those at `apart` of what was given
/// apart are zero.
pub fn without_features(
    units: &GraphUnits,
    index: usize,
    nodes: &[u32],
    table: Range<usize>,
    apart: Range<usize>,
) -> GraphUnits {
    let known = &units.features.table;
    let width = known.columns().len();
    let mut values = known.values().to_vec();
    for &node in nodes {
        let first = node as usize * width;
        values[first + table.start..first + table.end].fill(f32::NAN);
    }
    let changed = Matrix::new(known.rows(), known.columns().to_vec(), values);
    let changed = changed.unwrap_or_else(|e| unreachable!("as many cells as before: {e}"));
    let nodes: HashSet<u32> = nodes.iter().copied().collect();
    let apart = units.features.apart.as_ref().map(|features| {
        if apart.is_empty() {
            return features.clone();
        }
        let cells = (0..features.nodes() as u32).flat_map(|node| {
            let row = features.row(node as usize);
            row.map(move |(feature, value)| (node, feature, value))
        });
        let kept = cells.filter(|(node, feature, _)| {
            !(nodes.contains(node) && apart.contains(&(*feature as usize)))
        });
        SparseFeatures::new(features.nodes(), features.width(), kept.collect())
    });
    GraphUnits {
        features: Arc::new(NodeFeatures {
            table: changed,
            apart,
        }),
        ..units.at(&[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use candor_baselines::FeatureKind;

    #[test]
    fn only_what_is_named_is_taken_away() {
        let (graph, _) = Graph::new(3, &[(0, 1), (1, 0), (1, 2)], None, true);
        let features = NodeFeatures {
            table: Matrix::new(3, vec![FeatureKind::Numeric; 2], vec![1.0; 6]).unwrap(),
            apart: Some(SparseFeatures::of_dense(2, &[1.0; 6])),
        };
        let ids = (0..3).map(|node| node.to_string()).collect();
        let units = GraphUnits::whole(graph, features, ids);
        let changed = without_edge(&units, 2, [1, 0]);
        assert_eq!(changed.graph.edges(), [(1, 2)]);
        assert_eq!(changed.which, [2]);
        assert_eq!(changed.features, units.features);
        let changed = without_features(&units, 0, &[1], 0..1, 1..2);
        assert_eq!(changed.graph, units.graph);
        let (table, apart) = (&changed.features.table, changed.features.apart.as_ref());
        assert!(table.row(1)[0].is_nan());
        assert_eq!((table.row(0), table.row(2)), (&[1.0; 2][..], &[1.0; 2][..]));
        let row = |node| apart.unwrap().row(node).collect::<Vec<_>>();
        assert_eq!((row(1), row(2).len()), (vec![(0, 1.0)], 2));
        assert_eq!(changed.origin, units.origin);
    }
}
