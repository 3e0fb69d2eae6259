use std::cmp::Ordering;

use candor_baselines::{FeatureKind, Matrix};
use candor_train::MemberError;

use crate::{GraphUnits, SparseFeatures};

/// Numbers that tell of a graph's shape.
const SHAPE: usize = 7;
/// Categories of a column whose shares are told, at most.
const CATEGORIES: usize = 32;

/// Whole graphs as rows of a table, for models of tables. Of the shape: nodes, edges, mean, standard deviation and greatest number of edges of
/// a node, components, and the share of paths of two edges that a third closes (transitivity; Newman, "The Structure and Function of
/// Complex Networks", 2003, equation 3). Of each number of the nodes: mean and standard deviation. Of each column of categories: the
/// share of each of the first 32. Of features that were given apart: means.
///
/// # Errors
/// When the units are nodes.
pub fn described_graphs(units: &GraphUnits, indices: &[usize]) -> Result<Matrix, MemberError> {
    let features = &units.features;
    let shares = |kind: &FeatureKind| match kind {
        FeatureKind::Numeric => 2,
        FeatureKind::Categorical { cardinality } => (*cardinality as usize).min(CATEGORIES),
    };
    let columns: usize = features.table.columns().iter().map(shares).sum();
    let apart = features.apart.as_ref().map_or(0, SparseFeatures::width);
    let width = SHAPE + columns + apart;
    let mut values = vec![0f32; indices.len() * width];
    let degrees = units.graph.degrees();
    let components = units.graph.components();
    for (row, &index) in values.chunks_exact_mut(width).zip(indices) {
        let nodes = units.nodes_of(index);
        let (shape, rest) = row.split_at_mut(SHAPE);
        let all = nodes.len() as f32;
        let own = degrees[nodes.clone()].iter().map(|&d| d as f32);
        let (mean, sd) = moments(own.clone());
        shape.copy_from_slice(&[
            all,
            own.clone().sum::<f32>() / 2.0,
            mean,
            sd,
            own.fold(0.0, f32::max),
            nodes
                .clone()
                .filter(|&node| components[node] as usize == node)
                .count() as f32,
            transitivity(units, nodes.clone()),
        ]);
        let mut place = 0;
        for (column, kind) in features.table.columns().iter().enumerate() {
            let cells = nodes.clone().map(|node| features.table.row(node)[column]);
            let cells = cells.filter(|cell| !cell.is_nan());
            let told = &mut rest[place..place + shares(kind)];
            place += told.len();
            if let FeatureKind::Numeric = kind {
                told.copy_from_slice(&<[f32; 2]>::from(moments(cells)));
            } else {
                for code in cells {
                    if let Some(share) = told.get_mut(code as usize) {
                        *share += 1.0 / all;
                    }
                }
            }
        }
        if let Some(apart) = &features.apart {
            for (feature, value) in nodes.flat_map(|node| apart.row(node)) {
                rest[place + feature as usize] += value / all;
            }
        }
    }
    let kinds = vec![FeatureKind::Numeric; width];
    Matrix::new(indices.len(), kinds, values).map_err(|e| MemberError::Training(e.to_string()))
}

/// Mean and standard deviation; zero where there is nothing.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt())
}

/// Three times the triangles over the paths of two edges, whichever way edges lead; zero where there is no such path.
fn transitivity(units: &GraphUnits, nodes: std::ops::Range<usize>) -> f32 {
    let edges = units.graph.edges();
    let from = edges.partition_point(|edge| (edge.0 as usize) < nodes.start);
    let to = edges.partition_point(|edge| (edge.0 as usize) < nodes.end);
    let mut neighbours = vec![Vec::new(); nodes.len()];
    for &(a, b) in &edges[from..to] {
        neighbours[a as usize - nodes.start].push(b);
        neighbours[b as usize - nodes.start].push(a);
    }
    for list in &mut neighbours {
        list.sort_unstable();
        // A directed graph may have an edge each way.
        list.dedup();
    }
    let paths: usize = neighbours
        .iter()
        .map(|list| list.len() * list.len().saturating_sub(1))
        .sum();
    let mut closed = 0;
    for list in &neighbours {
        for &other in list {
            closed += common(list, &neighbours[other as usize - nodes.start]);
        }
    }
    closed as f32 / paths.max(1) as f32
}

/// Numbers that stand in both ascending lists.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut from, mut to, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(from), b.get(to)) {
        match x.cmp(y) {
            Ordering::Less => from += 1,
            Ordering::Greater => to += 1,
            Ordering::Equal => (from, to, count) = (from + 1, to + 1, count + 1),
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, NodeFeatures};

    #[test]
    fn a_triangle_with_a_tail_and_a_lone_pair_worked_by_hand() {
        let pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (4, 5)];
        let (graph, _) = Graph::new(7, &pairs, None, false);
        let kinds = vec![
            FeatureKind::Numeric,
            FeatureKind::Categorical { cardinality: 2 },
        ];
        let values = [
            [1.0, 0.0],
            [3.0, 1.0],
            [1.0, 1.0],
            [3.0, 1.0],
            [f32::NAN, 0.0],
            [4.0, 0.0],
            [4.0, 1.0],
        ];
        let features = NodeFeatures {
            table: Matrix::new(7, kinds, values.concat()).unwrap(),
            apart: Some(SparseFeatures::new(7, 1, vec![(1, 0, 8.0)])),
        };
        let ids = vec!["first".to_owned(), "second".to_owned()];
        let units = GraphUnits::collection(graph, features, ids, vec![0, 4, 7]);
        let rows = described_graphs(&units, &[1, 0]).unwrap();
        let sd = 0.5f32.sqrt();
        // Edges of the nodes: 2, 2, 3, 1. Of 5 paths of two edges 3 are in the triangle.
        let first = [4.0, 4.0, 2.0, sd, 3.0, 1.0, 0.6, 2.0, 1.0, 0.25, 0.75, 2.0];
        let third = 1.0f32 / 3.0;
        let second = [
            3.0,
            1.0,
            2.0 * third,
            (2.0 * third * third).sqrt(),
            1.0,
            2.0,
            0.0,
            4.0,
            0.0,
            2.0 * third,
            third,
            0.0,
        ];
        for (found, expected) in rows.row(1).iter().zip(first) {
            assert!((found - expected).abs() < 1e-6, "{:?}", rows.row(1));
        }
        for (found, expected) in rows.row(0).iter().zip(second) {
            assert!((found - expected).abs() < 1e-6, "{:?}", rows.row(0));
        }
    }
}
