use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::body::propagated;
use crate::{GraphUnits, Messages, Rule};

/// What neighbours are, passed on from the nodes that are known: no features, nothing learned but how common each value is.
///
/// # Reference
/// Zhou, Bousquet, Lal, Weston & Schölkopf, "Learning with Local and Global Consistency", NeurIPS 2003, section 2; a node that nothing
/// reaches gets the mean of the known ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelPropagation {
    /// The graph that the labels belong to.
    origin: u64,
    /// Nodes whose values are known, and theirs: `[known, width]`.
    known: Vec<u32>,
    values: Vec<f32>,
    width: usize,
    /// The mean of the values.
    prior: Vec<f32>,
    /// For numbers, the variance of what is wrong.
    variance: Option<Vec<f32>>,
    /// Whether values are shares of classes, which sum to one.
    classes: bool,
}

/// Share that is passed on in each step.
const PASSED: f32 = 0.9;
/// Steps, after which a thousandth of the first message is left: 0.9^66.
const STEPS: usize = 66;
/// Weight of the prior beside what arrives, in units of a known neighbour.
const PRIOR: f32 = 0.02;

impl LabelPropagation {
    /// Keeps the values of the nodes `train`; what is wrong with numbers is measured on `validation`.
    pub fn fit(
        units: &GraphUnits,
        targets: &Targets,
        outputs: usize,
        train: &[usize],
        validation: &[usize],
    ) -> LabelPropagation {
        let classes = matches!(targets, Targets::Classes(_));
        let values = values_of(targets, outputs, train);
        let width = outputs;
        let mut prior = vec![0f32; width];
        for row in values.chunks_exact(width) {
            prior.iter_mut().zip(row).for_each(|(mean, v)| *mean += v);
        }
        prior
            .iter_mut()
            .for_each(|mean| *mean /= train.len().max(1) as f32);
        let mut fitted = LabelPropagation {
            origin: units.origin,
            known: train.iter().map(|&node| node as u32).collect(),
            values,
            width,
            prior,
            variance: None,
            classes,
        };
        if let Targets::Values { .. } = targets {
            let judged = if validation.is_empty() {
                train
            } else {
                validation
            };
            let truth = values_of(targets, outputs, judged);
            let said = fitted.passed(units, judged);
            let variance = |target: usize| {
                let wrong = truth.iter().zip(&said).skip(target).step_by(width);
                let sum: f32 = wrong.map(|(t, s)| (t - s).powi(2)).sum();
                (sum / judged.len().max(1) as f32).max(1e-6)
            };
            fitted.variance = Some((0..width).map(variance).collect());
        }
        fitted
    }

    /// Why it cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let lengths = self.known.len().checked_mul(self.width) == Some(self.values.len())
            && self.prior.len() == self.width
            && self.variance.as_ref().is_none_or(|v| v.len() == self.width);
        let all = self.values.iter().chain(&self.prior);
        let finite = all
            .chain(self.variance.iter().flatten())
            .all(|v| v.is_finite());
        if self.width > 0 && lengths && finite {
            return Ok(());
        }
        Err("the labels that it passes on are damaged".into())
    }

    /// Numbers that are kept.
    pub fn parameters(&self) -> u64 {
        self.prior.len() as u64
    }

    /// What it says of nodes. Of another graph than its own it knows no label, and says what is common.
    pub fn predict(&self, units: &GraphUnits, nodes: &[usize]) -> Distribution {
        let said = self.passed(units, nodes);
        match (&self.variance, self.classes) {
            (Some(variance), _) => Distribution::Gaussian {
                width: self.width,
                variance: nodes
                    .iter()
                    .flat_map(|_| variance.iter().copied())
                    .collect(),
                mean: said,
            },
            (None, true) => Distribution::Categorical {
                classes: self.width,
                probabilities: said,
            },
            (None, false) => Distribution::Bernoulli {
                width: self.width,
                probabilities: said
                    .into_iter()
                    .map(|p| p.clamp(1e-4, 1.0 - 1e-4))
                    .collect(),
            },
        }
    }

    /// `[nodes, width]`: the weighted mean of the values that arrive at each node, the prior among them.
    fn passed(&self, units: &GraphUnits, nodes: &[usize]) -> Vec<f32> {
        let all = units.graph.nodes();
        // One column more: how much arrives in all.
        let width = self.width + 1;
        let mut start = vec![0f32; all * width];
        if self.origin == units.origin {
            let rows = self.values.chunks_exact(self.width);
            for (&node, row) in self.known.iter().zip(rows) {
                if let Some(place) = start.chunks_exact_mut(width).nth(node as usize) {
                    place[..self.width].copy_from_slice(row);
                    place[self.width] = 1.0;
                }
            }
        }
        let device = Device::flex();
        let start = Tensor::<2>::from_data(TensorData::new(start, [all, width]), &device);
        let messages = Messages::new(&units.graph, Rule::SymmetricNeighbours);
        let mut current = start.clone();
        for _ in 0..STEPS {
            current = propagated(&messages, current) * PASSED + start.clone() * (1.0 - PASSED);
        }
        let arrived: Vec<f32> = current.into_data().iter().collect();
        // What one known node gives itself in the end is the unit.
        let prior = PRIOR * (1.0 - PASSED);
        let mut said = Vec::with_capacity(nodes.len() * self.width);
        for &node in nodes {
            let row = &arrived[node * width..(node + 1) * width];
            let whole = row[self.width] + prior;
            let values = row.iter().zip(&self.prior);
            said.extend(values.map(|(value, mean)| (value + prior * mean) / whole));
        }
        said
    }
}

/// `[nodes, width]`: shares of classes, or the numbers themselves; of a label that is not known a half.
fn values_of(targets: &Targets, outputs: usize, nodes: &[usize]) -> Vec<f32> {
    match targets {
        Targets::Classes(classes) => {
            let mut values = vec![0f32; nodes.len() * outputs];
            for (row, &node) in values.chunks_exact_mut(outputs).zip(nodes) {
                row[classes[node] as usize] = 1.0;
            }
            values
        }
        Targets::Labels { width, values } => {
            let cells = nodes
                .iter()
                .flat_map(|&n| &values[n * width..(n + 1) * width]);
            let number = |label: &Option<bool>| label.map_or(0.5, |l| f32::from(u8::from(l)));
            cells.map(number).collect()
        }
        Targets::Values { width, values } => {
            let cells = nodes
                .iter()
                .flat_map(|&n| &values[n * width..(n + 1) * width]);
            cells.copied().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, NodeFeatures};
    use candor_baselines::Matrix;

    fn two_paths() -> GraphUnits {
        // 0 - 1 - 2 and 3 - 4, and 5 alone.
        let (graph, _) = Graph::new(6, &[(0, 1), (1, 2), (3, 4)], None, false);
        let features = NodeFeatures {
            table: Matrix::new(6, vec![], vec![]).unwrap(),
            apart: None,
        };
        GraphUnits::whole(graph, features, (0..6).map(|n| n.to_string()).collect())
    }

    #[test]
    fn classes_reach_as_far_as_edges_do() {
        let units = two_paths();
        let targets = Targets::Classes(vec![1, 0, 0, 0, 0, 0]);
        let fitted = LabelPropagation::fit(&units, &targets, 2, &[0, 3], &[]);
        assert_eq!(fitted.check(), Ok(()));
        let Distribution::Categorical { probabilities, .. } = fitted.predict(&units, &[2, 4, 5])
        else {
            panic!("classes")
        };
        assert!(
            probabilities[1] > 0.9 && probabilities[2] > 0.9,
            "{probabilities:?}"
        );
        assert_eq!(probabilities[4..], [0.5, 0.5]);
        // In a graph that is not its own, place 0 is another node.
        let other = GraphUnits { origin: 1, ..units };
        let said = fitted.predict(&other, &[2]);
        assert_eq!(
            said,
            Distribution::Categorical {
                classes: 2,
                probabilities: vec![0.5, 0.5]
            }
        );
    }

    #[test]
    fn numbers_have_the_variance_of_what_is_wrong() {
        let units = two_paths();
        let targets = Targets::Values {
            width: 1,
            values: vec![4.0, 4.0, 6.0, -4.0, -4.0, 0.0],
        };
        let fitted = LabelPropagation::fit(&units, &targets, 1, &[0, 3], &[2]);
        let Distribution::Gaussian { mean, variance, .. } = fitted.predict(&units, &[1, 4, 5])
        else {
            panic!("numbers")
        };
        assert!(
            (mean[0] - 4.0).abs() < 0.2 && (mean[1] + 4.0).abs() < 0.2,
            "{mean:?}"
        );
        assert_eq!(mean[2], 0.0);
        assert!((variance[0] - 4.0).abs() < 0.8, "{variance:?}");
    }
}
