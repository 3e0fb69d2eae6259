use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use candor_baselines::Matrix;
use candor_core::Seed;
use rand::seq::SliceRandom;

use crate::{GraphUnits, NodeFeatures, SparseFeatures};

/// These units with some of their nodes' features shuffled between them: those at `table` of the encoded table of nodes, and those at `apart`
/// of the features that were given apart. All other nodes, and all edges, stay as they are.
///
/// # Reference
/// Breiman, "Random Forests", 2001, section 10 (permutation importance).
pub fn features_shuffled(
    units: &GraphUnits,
    indices: &[usize],
    table: Range<usize>,
    apart: Range<usize>,
    seed: Seed,
) -> GraphUnits {
    let nodes = units.nodes_at(indices);
    let purpose = [table.start as u64, apart.start as u64];
    let order = shuffled(nodes.len(), seed, "features", &purpose);
    let features = &units.features;
    let mut values = features.table.values().to_vec();
    let width = features.table.columns().len();
    for (&from, &place) in nodes.iter().zip(&order) {
        let to = nodes[place] * width;
        let cells = &features.table.row(from)[table.clone()];
        values[to + table.start..to + table.end].copy_from_slice(cells);
    }
    let moved = moved(features, &nodes, |place, feature| {
        apart.contains(&(feature as usize)).then(|| order[place])
    });
    with_features(units, indices, values, moved)
}

/// These units with every feature shuffled between them on its own: each number is one that occurs, their combinations are not. A model
/// should notice that such nodes are unlike those that it was trained on.
pub fn features_shuffled_apart(units: &GraphUnits, indices: &[usize], seed: Seed) -> GraphUnits {
    let nodes = units.nodes_at(indices);
    let features = &units.features;
    let mut values = features.table.values().to_vec();
    let width = features.table.columns().len();
    for feature in 0..width {
        let order = shuffled(nodes.len(), seed, "table", &[feature as u64]);
        for (&from, &place) in nodes.iter().zip(&order) {
            values[nodes[place] * width + feature] = features.table.row(from)[feature];
        }
    }
    let mut orders: HashMap<u32, Vec<usize>> = HashMap::new();
    let moved = moved(features, &nodes, |place, feature| {
        let made = || shuffled(nodes.len(), seed, "apart", &[feature.into()]);
        Some(orders.entry(feature).or_insert_with(made)[place])
    });
    with_features(units, indices, values, moved)
}

/// The numbers `0..count` in a random order.
fn shuffled(count: usize, seed: Seed, purpose: &str, numbers: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut seed.stream(purpose, numbers));
    order
}

/// The features that were given apart, where `to` says to which place among `nodes` the number of the node at a place goes, if anywhere.
fn moved(
    features: &NodeFeatures,
    nodes: &[usize],
    mut to: impl FnMut(usize, u32) -> Option<usize>,
) -> Option<SparseFeatures> {
    let apart = features.apart.as_ref()?;
    let mut place_of = vec![None; apart.nodes()];
    for (place, &node) in nodes.iter().enumerate() {
        place_of[node] = Some(place);
    }
    let mut cells = Vec::with_capacity(apart.entries());
    for (node, place) in place_of.into_iter().enumerate() {
        for (feature, value) in apart.row(node) {
            let target = place.and_then(|place| to(place, feature));
            let target = target.map_or(node, |place| nodes[place]);
            cells.push((target as u32, feature, value));
        }
    }
    Some(SparseFeatures::new(apart.nodes(), apart.width(), cells))
}

fn with_features(
    units: &GraphUnits,
    indices: &[usize],
    values: Vec<f32>,
    apart: Option<SparseFeatures>,
) -> GraphUnits {
    let table = &units.features.table;
    let table = Matrix::new(table.rows(), table.columns().to_vec(), values);
    let table = table.unwrap_or_else(|e| unreachable!("as many cells as before: {e}"));
    GraphUnits {
        features: Arc::new(NodeFeatures { table, apart }),
        ..units.at(indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use candor_baselines::FeatureKind;

    fn units() -> GraphUnits {
        let (graph, _) = Graph::new(40, &[(0, 1)], None, false);
        let values = (0..80).map(|i| i as f32).collect();
        let features = NodeFeatures {
            table: Matrix::new(40, vec![FeatureKind::Numeric; 2], values).unwrap(),
            apart: Some(SparseFeatures::of_dense(
                2,
                &(1..=80).map(|i| i as f32).collect::<Vec<_>>(),
            )),
        };
        let ids = (0..40).map(|n| n.to_string()).collect();
        GraphUnits::whole(graph, features, ids)
    }

    fn column(units: &GraphUnits, nodes: Range<usize>, feature: usize) -> Vec<f32> {
        nodes
            .map(|node| units.features.table.row(node)[feature])
            .collect()
    }

    fn given(units: &GraphUnits, nodes: Range<usize>, feature: usize) -> Vec<f32> {
        let apart = units.features.apart.as_ref().unwrap();
        let row = |node| apart.row(node).map(|(_, value)| value).collect::<Vec<_>>();
        nodes.map(|node| row(node)[feature]).collect()
    }

    #[test]
    fn only_the_named_features_of_the_named_nodes_move() {
        let units = units();
        let indices: Vec<usize> = (0..30).collect();
        let changed = features_shuffled(&units, &indices, 1..2, 0..1, Seed(4));
        assert_eq!(changed.which.len(), 30);
        assert_eq!(column(&changed, 0..40, 0), column(&units, 0..40, 0));
        assert_eq!(given(&changed, 0..40, 1), given(&units, 0..40, 1));
        for (all, of) in [(1, column as fn(&_, _, _) -> _), (0, given)] {
            assert_eq!(of(&changed, 30..40, all), of(&units, 30..40, all));
            let (mut moved, before): (Vec<f32>, _) =
                (of(&changed, 0..30, all), of(&units, 0..30, all));
            assert_ne!(moved, before);
            moved.sort_by(f32::total_cmp);
            assert_eq!(moved, before, "the same numbers");
        }
    }

    #[test]
    fn shuffled_apart_no_node_keeps_its_combination() {
        let units = units();
        let changed = features_shuffled_apart(&units, &(0..40).collect::<Vec<_>>(), Seed(4));
        let rows = (0..40).filter(|&node| {
            let row = changed.features.table.row(node);
            row[1] == row[0] + 1.0
        });
        assert!(rows.count() < 8);
        let mut first = given(&changed, 0..40, 0);
        first.sort_by(f32::total_cmp);
        assert_eq!(first, given(&units, 0..40, 0));
    }
}
