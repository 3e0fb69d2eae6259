use std::collections::HashMap;

use candor_baselines::{FeatureKind, Matrix};
use candor_train::MemberError;
use serde::{Deserialize, Serialize};

/// Features of nodes of which most are zero, such as the words of a text: for each node the numbers that are not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SparseFeatures {
    /// Features in all.
    width: usize,
    /// Where each node's numbers begin, and the count of all.
    starts: Vec<usize>,
    /// The feature of each number; ascending within a node.
    columns: Vec<u32>,
    /// The numbers: finite, not zero.
    values: Vec<f32>,
}

impl SparseFeatures {
    /// From `(node, feature, number)` in any order; a later number of the same place counts, zeros and numbers that are not finite are
    /// left out, as is what is outside.
    pub fn new(nodes: usize, width: usize, mut cells: Vec<(u32, u32, f32)>) -> SparseFeatures {
        cells.retain(|&(node, feature, value)| {
            (node as usize) < nodes
                && (feature as usize) < width
                && value.is_finite()
                && value != 0.0
        });
        // The sort is stable: of one place the later number stands last.
        cells.sort_by_key(|&(node, feature, _)| (node, feature));
        let mut features = SparseFeatures {
            width,
            starts: vec![0; nodes + 1],
            columns: Vec::with_capacity(cells.len()),
            values: Vec::with_capacity(cells.len()),
        };
        let mut last = None;
        for (node, feature, value) in cells {
            if last == Some((node, feature)) {
                if let Some(place) = features.values.last_mut() {
                    *place = value;
                }
                continue;
            }
            last = Some((node, feature));
            features.starts[node as usize + 1] += 1;
            features.columns.push(feature);
            features.values.push(value);
        }
        for node in 0..nodes {
            features.starts[node + 1] += features.starts[node];
        }
        features
    }

    /// From the rows of a dense matrix.
    pub fn of_dense(width: usize, values: &[f32]) -> SparseFeatures {
        let nodes = values.len() / width.max(1);
        let cells = values.iter().enumerate().filter(|(_, v)| **v != 0.0);
        let cell = |(at, value): (usize, &f32)| ((at / width) as u32, (at % width) as u32, *value);
        SparseFeatures::new(nodes, width, cells.map(cell).collect())
    }

    /// Features in all.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Nodes.
    pub fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Numbers that are not zero.
    pub fn entries(&self) -> usize {
        self.values.len()
    }

    /// The numbers of a node, each with its feature.
    pub fn row(&self, node: usize) -> impl Iterator<Item = (u32, f32)> {
        let range = self.starts[node]..self.starts[node + 1];
        let columns = self.columns[range.clone()].iter();
        columns.copied().zip(self.values[range].iter().copied())
    }

    /// Whether it pays to skip the zeros.
    pub fn is_sparse(&self) -> bool {
        self.width >= FEWEST_SPARSE
            && (self.entries() as f64) < MOST_DENSE * (self.nodes() * self.width) as f64
    }

    /// Why they cannot be used for a graph of so many nodes, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self, nodes: usize) -> Result<(), String> {
        let rising = self.starts.is_sorted() && self.starts.first() == Some(&0);
        let length = self.starts.last() == Some(&self.values.len())
            && self.columns.len() == self.values.len();
        let outside = self
            .columns
            .iter()
            .any(|column| *column as usize >= self.width);
        let finite = self.values.iter().all(|value| value.is_finite());
        if rising && length && !outside && finite && self.nodes() == nodes {
            return Ok(());
        }
        Err("the features of its nodes are damaged".into())
    }

    /// The given nodes, in that order.
    pub fn select(&self, nodes: &[usize]) -> SparseFeatures {
        let mut selected = SparseFeatures {
            width: self.width,
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
        };
        for &node in nodes {
            let range = self.starts[node]..self.starts[node + 1];
            selected
                .columns
                .extend_from_slice(&self.columns[range.clone()]);
            selected.values.extend_from_slice(&self.values[range]);
            selected.starts.push(selected.values.len());
        }
        selected
    }

    /// The same features under other numbers: feature `f` becomes `to[f]`, or is left out.
    pub fn renamed(&self, to: &[Option<u32>], width: usize) -> SparseFeatures {
        let cells = (0..self.nodes()).flat_map(|node| {
            let row = self.row(node);
            row.filter_map(move |(feature, value)| {
                let feature = to.get(feature as usize).copied().flatten()?;
                Some((node as u32, feature, value))
            })
        });
        SparseFeatures::new(self.nodes(), width, cells.collect())
    }
}

/// Fewer features are dense ones.
const FEWEST_SPARSE: usize = 32;
/// Share of numbers that are not zero, from which features are dense ones.
const MOST_DENSE: f64 = 0.2;

/// All that is known of each node beside its edges.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFeatures {
    /// The columns of the table of nodes, encoded; `[nodes, 0]` when there are none.
    pub table: Matrix,
    /// What was given apart.
    pub apart: Option<SparseFeatures>,
}

impl NodeFeatures {
    /// Numbers of one node.
    pub fn width(&self) -> usize {
        self.table.columns().len() + self.apart.as_ref().map_or(0, SparseFeatures::width)
    }

    /// The given nodes as rows of a table, for models of tables: those of the table of nodes, then those that were given apart. A node
    /// of a graph without features is described by the number of its edges, `degrees`.
    ///
    /// # Errors
    /// When there are too many categories.
    pub fn rows(&self, nodes: &[usize], degrees: &[usize]) -> Result<Matrix, MemberError> {
        let apart = self.apart.as_ref();
        let mut columns = self.table.columns().to_vec();
        let table = columns.len();
        let bare = self.width() == 0;
        let width = if bare { 1 } else { self.width() };
        columns.resize(width, FeatureKind::Numeric);
        let mut values = vec![0.0; nodes.len() * width];
        for (row, &node) in values.chunks_exact_mut(width).zip(nodes) {
            row[..table].copy_from_slice(self.table.row(node));
            for (feature, value) in apart.iter().flat_map(|apart| apart.row(node)) {
                row[table + feature as usize] = value;
            }
            if bare {
                row[0] = degrees[node] as f32;
            }
        }
        Matrix::new(nodes.len(), columns, values).map_err(|e| MemberError::Training(e.to_string()))
    }

    /// The given nodes' features, in that order.
    pub fn select(&self, nodes: &[usize]) -> NodeFeatures {
        let values = nodes.iter().flat_map(|&node| self.table.row(node)).copied();
        let columns = self.table.columns().to_vec();
        let table = Matrix::new(nodes.len(), columns, values.collect());
        NodeFeatures {
            table: table.unwrap_or_else(|e| unreachable!("rows of a matrix make one: {e}")),
            apart: self.apart.as_ref().map(|apart| apart.select(nodes)),
        }
    }
}

/// Where each name stands, in a list in which no name stands twice.
pub(crate) fn places(names: &[String]) -> HashMap<&str, u32> {
    let numbered = names.iter().enumerate();
    numbered
        .map(|(i, name)| (name.as_str(), i as u32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> SparseFeatures {
        // Out of order, one place twice, a zero, one outside.
        let cells = [
            (2, 1, 5.0),
            (0, 3, 1.0),
            (0, 0, 2.0),
            (2, 1, 7.0),
            (1, 1, 0.0),
            (9, 0, 1.0),
        ];
        SparseFeatures::new(3, 4, cells.to_vec())
    }

    #[test]
    fn cells_in_any_order_become_rows() {
        let features = three();
        let row = |node| features.row(node).collect::<Vec<_>>();
        assert_eq!(row(0), [(0, 2.0), (3, 1.0)]);
        assert_eq!(row(1), []);
        assert_eq!(row(2), [(1, 7.0)]);
        assert_eq!((features.nodes(), features.entries()), (3, 3));
        assert_eq!(features.check(3), Ok(()));
        assert!(features.check(2).is_err());
        let dense = [2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0];
        assert_eq!(SparseFeatures::of_dense(4, &dense), features);
        assert_eq!(
            features.select(&[2, 0]).row(0).collect::<Vec<_>>(),
            [(1, 7.0)]
        );
        let renamed = features.renamed(&[None, Some(0)], 1);
        assert_eq!(renamed.row(2).collect::<Vec<_>>(), [(0, 7.0)]);
        assert_eq!(renamed.entries(), 1);
    }

    #[test]
    fn rows_for_models_of_tables_hold_both_kinds() {
        let kinds = vec![FeatureKind::Categorical { cardinality: 3 }];
        let features = NodeFeatures {
            table: Matrix::new(3, kinds, vec![2.0, 0.0, 1.0]).unwrap(),
            apart: Some(three()),
        };
        let rows = features.rows(&[2, 0], &[0; 3]).unwrap();
        assert_eq!(
            rows.values(),
            [1.0, 0.0, 7.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 1.0]
        );
        let bare = NodeFeatures {
            table: Matrix::new(3, vec![], vec![]).unwrap(),
            apart: None,
        };
        assert_eq!(bare.rows(&[2, 0], &[4, 5, 6]).unwrap().values(), [6.0, 4.0]);
    }
}
