//! Edges that a rule makes between the rows of a table.

use std::sync::Arc;

use burn::tensor::Device;
use candor_baselines::Matrix;
use candor_core::Targets;
use candor_train::Batches;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Graph, GraphUnits, NodeFeatures};

/// Each row receives from the `k` nearest of the known rows, itself not counted; of equally near ones those that come first. Rows that are not
/// known send nothing, so that what is said of one does not depend on which others are asked for.
///
/// Distances are Euclidean, of numbers that are standardised on the known rows (missing ones are the median, and count as missing beside that);
/// two categories that differ are as far apart as two numbers are in the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighbourRule {
    neighbours: usize,
    preparation: candor_table::Preparation,
    /// Rows that send, ascending.
    known: Vec<u32>,
}

/// The squared distance of two different categories: of two independent numbers of variance 1 it is 2 in the mean.
const OTHER_CATEGORY: f32 = 2.0;

/// Rows as points.
struct Points {
    width: usize,
    numbers: Vec<f32>,
    coded: usize,
    codes: Vec<i32>,
}

impl Points {
    fn of(&self, row: usize) -> (&[f32], &[i32]) {
        let numbers = &self.numbers[row * self.width..(row + 1) * self.width];
        (
            numbers,
            &self.codes[row * self.coded..(row + 1) * self.coded],
        )
    }
}

fn distance((a, x): (&[f32], &[i32]), (b, y): (&[f32], &[i32])) -> f32 {
    let numbers: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    let other = x.iter().zip(y).filter(|(x, y)| x != y).count();
    numbers + OTHER_CATEGORY * other as f32
}

impl NeighbourRule {
    /// Standardises on the rows `known` of a table.
    ///
    /// # Errors
    /// In words, when there is no column, no neighbour is asked for, or there are not more known rows than neighbours.
    pub fn fit(
        table: &Matrix,
        neighbours: usize,
        known: &[usize],
    ) -> Result<NeighbourRule, String> {
        if table.columns().is_empty() {
            return Err("there is no column to tell near rows by".into());
        }
        if neighbours == 0 || neighbours >= known.len() {
            return Err(format!(
                "{neighbours} neighbours of each row cannot be found among {} rows to learn from",
                known.len()
            ));
        }
        let none = Targets::Classes(Vec::new());
        Ok(NeighbourRule {
            neighbours,
            preparation: candor_table::Preparation::fit(table, &none, known),
            known: known.iter().map(|&row| row as u32).collect(),
        })
    }

    /// Neighbours of a row.
    pub fn neighbours(&self) -> usize {
        self.neighbours
    }

    /// Why it cannot be used for a table of so many rows, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self, table: &Matrix) -> Result<(), String> {
        self.preparation.check()?;
        self.preparation.check_matrix(table)?;
        let outside = self.known.iter().any(|&row| row as usize >= table.rows());
        if outside || self.neighbours == 0 || self.neighbours >= self.known.len() {
            return Err("the rows that its edges lead from are damaged".into());
        }
        Ok(())
    }

    fn points(&self, table: &Matrix) -> Points {
        let rows: Vec<usize> = (0..table.rows()).collect();
        let prepared = self.preparation.apply(table, false);
        let batch = prepared.batch(&rows, &Device::flex());
        let codes = batch.categorical.iter();
        Points {
            width: self.preparation.plain_width(),
            numbers: batch.plain.into_data().iter().collect(),
            coded: self.preparation.categorical.len(),
            codes: codes
                .flat_map(|codes| codes.to_data().iter().collect::<Vec<i32>>())
                .collect(),
        }
    }

    /// For each of some rows, the known rows that send to it. `own`: whether the rows are those that the known ones are among.
    fn senders(&self, known: &Points, rows: &Points, count: usize, own: bool) -> Vec<Vec<u32>> {
        (0..count)
            .into_par_iter()
            .map(|row| {
                let asked = rows.of(row);
                // The nearest so far, ascending.
                let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(self.neighbours + 1);
                for &other in &self.known {
                    if own && other as usize == row {
                        continue;
                    }
                    let apart = distance(asked, known.of(other as usize));
                    let full = nearest.len() == self.neighbours;
                    if full && nearest.last().is_some_and(|last| apart >= last.0) {
                        continue;
                    }
                    let place = nearest.partition_point(|found| found.0 <= apart);
                    nearest.insert(place, (apart, other));
                    nearest.truncate(self.neighbours);
                }
                nearest.into_iter().map(|(_, other)| other).collect()
            })
            .collect()
    }

    /// The rows of the table that the known ones are among, as nodes of a graph whose edges lead one way.
    pub fn graph(&self, table: &Matrix) -> Graph {
        let points = self.points(table);
        let senders = self.senders(&points, &points, table.rows(), true);
        let pairs = pairs(&senders, 0);
        Graph::new(table.rows(), &pairs, None, true).0
    }

    /// Other rows, beside those of the graph that [`NeighbourRule::graph`] made: they are the units.
    ///
    /// # Errors
    /// In words, when the rows do not have the columns of the graph's.
    pub fn beside(&self, known: &GraphUnits, rows: &Matrix) -> Result<GraphUnits, String> {
        let table = &known.features.table;
        if rows.columns() != table.columns() {
            return Err("the rows do not have the columns of those that are known".into());
        }
        let (first, count) = (known.graph.nodes(), rows.rows());
        let senders = self.senders(&self.points(table), &self.points(rows), count, false);
        let mut edges = known.graph.edges().to_vec();
        edges.extend(pairs(&senders, first));
        let (graph, _) = Graph::new(first + count, &edges, None, true);
        let values = [table.values(), rows.values()].concat();
        let table = Matrix::new(first + count, table.columns().to_vec(), values);
        let mut ids = (*known.ids).clone();
        ids.extend((1..=count).map(|row| row.to_string()));
        Ok(GraphUnits {
            graph: Arc::new(graph),
            features: Arc::new(NodeFeatures {
                table: table.map_err(|e| e.to_string())?,
                apart: None,
            }),
            ids: Arc::new(ids),
            which: (first as u32..(first + count) as u32).collect(),
            // Labels of the known rows are theirs still.
            ..known.clone()
        })
    }
}

/// An edge to each row from each of its senders; row 0 is the node `first`.
fn pairs(senders: &[Vec<u32>], first: usize) -> Vec<(u32, u32)> {
    let rows = (first as u32..).zip(senders);
    rows.flat_map(|(to, senders)| senders.iter().map(move |&from| (from, to)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_baselines::FeatureKind;

    /// Numbers of two scales, and a category.
    fn table(rows: &[[f32; 3]]) -> Matrix {
        let columns = vec![
            FeatureKind::Numeric,
            FeatureKind::Numeric,
            FeatureKind::Categorical { cardinality: 2 },
        ];
        Matrix::new(rows.len(), columns, rows.concat()).unwrap()
    }

    const ROWS: [[f32; 3]; 6] = [
        [0.0, 0.0, 0.0],
        [1.0, 100.0, 0.0],
        [2.0, 0.0, 0.0],
        [3.0, 100.0, 0.0],
        [2.1, 0.0, 1.0],
        // Not known: it sends to nobody, and does not scale.
        [1.1, 1e9, 0.0],
    ];

    #[test]
    fn each_row_receives_from_the_nearest_known_rows_alone() {
        let table = table(&ROWS);
        let rule = NeighbourRule::fit(&table, 1, &[0, 1, 2, 3, 4]).unwrap();
        let graph = rule.graph(&table);
        assert!(graph.is_directed());
        // Standard deviations are 1.03 and 49: a step of 100 in the second number counts 4.2, one of 2 in the first 3.8, and another category
        // 2. What is far off in the second is cut.
        assert_eq!(
            graph.edges(),
            [(1, 3), (1, 5), (2, 0), (2, 4), (3, 1), (4, 2)]
        );
        assert_eq!(rule.check(&table), Ok(()));
    }

    #[test]
    fn new_rows_stand_beside_the_known_ones_and_do_not_see_each_other() {
        let known = table(&ROWS);
        let rule = NeighbourRule::fit(&known, 2, &[0, 1, 2, 3, 4]).unwrap();
        let graph = rule.graph(&known);
        let features = NodeFeatures {
            table: known.clone(),
            apart: None,
        };
        let ids = (0..6).map(|row| row.to_string()).collect();
        let units = GraphUnits::whole(graph, features, ids);
        // A copy of a known row is near it.
        let more = table(&[ROWS[3], [0.1, 0.0, 0.0], [0.1, 0.0, 0.0]]);
        let beside = rule.beside(&units, &more).unwrap();
        assert_eq!(beside.which, [6, 7, 8]);
        assert_eq!(beside.origin, units.origin);
        let to = |node: u32| {
            let edges = beside.graph.edges().iter();
            edges
                .filter(|e| e.1 == node)
                .map(|e| e.0)
                .collect::<Vec<_>>()
        };
        assert_eq!((to(6), to(7), to(8)), (vec![1, 3], vec![0, 2], vec![0, 2]));
        assert_eq!(beside.graph.edges().len(), 2 * 9);
        for node in 0..6 {
            let before = units.graph.edges().iter().filter(|e| e.1 == node);
            assert_eq!(to(node), before.map(|e| e.0).collect::<Vec<_>>());
        }
        let narrow = Matrix::new(1, vec![FeatureKind::Numeric], vec![1.0]).unwrap();
        assert!(rule.beside(&units, &narrow).is_err());
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        let rows = table(&ROWS);
        assert!(NeighbourRule::fit(&rows, 0, &[0, 1]).is_err());
        let error = NeighbourRule::fit(&rows, 2, &[0, 1]).unwrap_err();
        assert!(
            error.contains("2 neighbours") && error.contains("2 rows"),
            "{error}"
        );
        let bare = Matrix::new(3, vec![], vec![]).unwrap();
        assert!(NeighbourRule::fit(&bare, 1, &[0, 1]).is_err());
        let mut rule = NeighbourRule::fit(&rows, 1, &[0, 1]).unwrap();
        rule.known[1] = 99;
        assert!(rule.check(&rows).is_err());
    }
}
