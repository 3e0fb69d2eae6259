use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use candor_core::Targets;
use candor_kernels::Csr;
use candor_train::{Batches, TargetScale};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::body::Graphs;
use crate::{Gathering, Graph, GraphUnits, Messages, Neighbourhood, NodeFeatures, Rows, Sampling};

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The columns of the table of nodes, and numeric targets.
    pub table: candor_table::Preparation,
    /// The features that were given apart.
    pub apart: Option<ApartPreparation>,
    /// Where sums over the nodes of graphs are predicted from, the mean and the standard deviation of each over the graphs that are learned
    /// from, before anything is learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readout: Vec<(f32, f32)>,
}

/// How features that were given apart become the input of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApartPreparation {
    /// Features.
    pub width: usize,
    /// Mean and standard deviation of each over the training nodes, where they are dense. Sparse ones keep their zeros.
    pub scales: Option<Vec<(f32, f32)>>,
    /// Whether the numbers of each node are divided by their sum (Kipf & Welling 2017, section 5.2); sparse features alone.
    pub by_rows: bool,
}

/// What a number of a node's input is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputSource {
    /// A feature of the encoded table of nodes.
    Table(usize),
    /// A feature that was given apart.
    Apart(usize),
    /// The number of its edges, of a graph without features.
    Edges,
}

/// Scaled values are cut here, so that a wild number cannot drown a node.
const CUT: f32 = 10.0;
/// Share of the usual standard deviation of sums, or of 1 if that is more, below which one is taken for that.
const LEAST_SPREAD: f32 = 0.1;

impl Preparation {
    /// Fits on the nodes `train`; `target_scale` is that of the units that are learned from.
    pub fn fit(
        features: &NodeFeatures,
        train: &[usize],
        target_scale: TargetScale,
        by_rows: bool,
    ) -> Preparation {
        let apart = features.apart.as_ref().map(|apart| {
            let scales = (!apart.is_sparse()).then(|| {
                let count = train.len().max(1) as f64;
                let mut sums = vec![(0f64, 0f64); apart.width()];
                for (feature, value) in train.iter().flat_map(|&node| apart.row(node)) {
                    let sum = &mut sums[feature as usize];
                    *sum = (sum.0 + f64::from(value), sum.1 + f64::from(value).powi(2));
                }
                let scale = |(sum, squares): (f64, f64)| {
                    let mean = sum / count;
                    let sd = (squares / count - mean * mean).max(0.0).sqrt();
                    // What never changes has no scale; rounding must not make one.
                    let sd = if sd > 1e-6 * mean.abs().max(1e-6) {
                        sd
                    } else {
                        1.0
                    };
                    (mean as f32, sd as f32)
                };
                sums.into_iter().map(scale).collect()
            });
            ApartPreparation {
                width: apart.width(),
                by_rows: by_rows && scales.is_none(),
                scales,
            }
        });
        // Its targets would be those of rows, and a unit may be a whole graph.
        let none = Targets::Classes(Vec::new());
        let mut table = candor_table::Preparation::fit(&features.table, &none, train);
        table.target_scale = target_scale;
        Preparation {
            table,
            apart,
            readout: Vec::new(),
        }
    }

    /// Notes the mean and the standard deviation of each column of `sums`, which are `width` wide. What hardly differs between graphs is
    /// not blown up.
    pub(crate) fn settle_readout(&mut self, width: usize, sums: &[f32]) {
        let rows = (sums.len() / width.max(1)).max(1) as f64;
        let moments = |column: usize| {
            let values = || {
                sums.iter()
                    .skip(column)
                    .step_by(width)
                    .map(|&v| f64::from(v))
            };
            let mean = values().sum::<f64>() / rows;
            let sd = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / rows).sqrt();
            (mean as f32, sd as f32)
        };
        let all: Vec<(f32, f32)> = (0..width).map(moments).collect();
        let usual = all.iter().map(|(_, sd)| sd).sum::<f32>() / width.max(1) as f32;
        // Sums that are all but equal at first may be anything once something is learned.
        let least = LEAST_SPREAD * usual.max(1.0);
        self.readout = all
            .into_iter()
            .map(|(mean, sd)| (mean, sd.max(least)))
            .collect();
    }

    /// How numeric targets are scaled.
    pub fn target_scale(&self) -> &TargetScale {
        &self.table.target_scale
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        self.table.check()?;
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.readout.iter().any(damaged) {
            return Err("scaling of the sums over nodes is damaged".into());
        }
        let Some(apart) = &self.apart else {
            return Ok(());
        };
        let scales = apart.scales.as_ref();
        if scales.is_some_and(|s| s.len() != apart.width || s.iter().any(damaged)) {
            return Err("scaling of the features is damaged".into());
        }
        Ok(())
    }

    /// Why nodes of this shape cannot be prepared, if so.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn check_features(&self, features: &NodeFeatures) -> Result<(), String> {
        self.table.check_matrix(&features.table)?;
        let width = |apart: Option<usize>| apart.unwrap_or(0);
        let needed = width(self.apart.as_ref().map(|apart| apart.width));
        let found = width(features.apart.as_ref().map(|apart| apart.width()));
        if needed == found {
            return Ok(());
        }
        Err(format!(
            "the model takes {needed} features beside the table of nodes, these have {found}"
        ))
    }

    /// Where the parts of the input begin: numbers of the table, its categories, features given apart; and the whole width.
    fn layout(&self) -> [usize; 4] {
        let numbers = self.table.plain_width();
        let categories: usize = self.table.categorical.iter().map(|c| c.size).sum();
        let apart = self.apart.as_ref().map_or(0, |apart| apart.width);
        [
            0,
            numbers,
            numbers + categories,
            numbers + categories + apart,
        ]
    }

    /// What each number of a node's input is of.
    pub(crate) fn sources(&self) -> Vec<InputSource> {
        let [.., width] = self.layout();
        if width == 0 {
            return vec![InputSource::Edges; 2];
        }
        let numeric = &self.table.numeric;
        let indicators = numeric.iter().filter(|column| column.indicator);
        let numbers = numeric
            .iter()
            .chain(indicators)
            .map(|column| column.feature);
        let coded = self.table.categorical.iter();
        let codes = coded.flat_map(|column| vec![column.feature; column.size]);
        let apart = 0..self.apart.as_ref().map_or(0, |apart| apart.width);
        numbers
            .chain(codes)
            .map(InputSource::Table)
            .chain(apart.map(InputSource::Apart))
            .collect()
    }

    /// Numbers of a node's input.
    pub fn width(&self) -> usize {
        let [.., width] = self.layout();
        // A graph without features: a one, and the logarithm of the number of edges.
        if width == 0 { 2 } else { width }
    }

    /// The input of all nodes.
    pub(crate) fn apply(&self, units: &GraphUnits) -> Rows {
        let features = &units.features;
        let nodes = units.graph.nodes();
        let [_, categories, apart_start, width] = self.layout();
        if width == 0 {
            let described = units.graph.degrees().into_iter();
            let rows = described.flat_map(|degree| [(0, 1.0), (1, (1.0 + degree as f32).ln())]);
            return Rows {
                width: 2,
                starts: (0..=nodes).map(|node| 2 * node).collect(),
                cells: rows.collect(),
            };
        }
        let coded = self.table.categorical.len();
        let (mut plain, mut codes): (Vec<f32>, Vec<i32>) = Default::default();
        if categories + coded > 0 {
            let all: Vec<usize> = (0..nodes).collect();
            let table = self.table.apply(&features.table, false);
            let batch = table.batch(&all, &Device::flex());
            plain.extend(batch.plain.into_data().iter::<f32>());
            codes.extend(batch.categorical.iter().flat_map(|codes| {
                let codes: Vec<i32> = codes.to_data().iter().collect();
                codes
            }));
        }
        let mut rows = Rows {
            width,
            starts: vec![0],
            cells: Vec::new(),
        };
        for node in 0..nodes {
            let numbers = plain[node * categories..(node + 1) * categories].iter();
            rows.cells.extend(
                (0..)
                    .zip(numbers.copied())
                    .filter(|(_, value)| *value != 0.0),
            );
            let codes = codes[node * coded..(node + 1) * coded].iter();
            rows.cells
                .extend(codes.map(|&code| (categories as u32 + code as u32, 1.0)));
            if let (Some(prepared), Some(apart)) = (&self.apart, &features.apart) {
                prepared.write(apart.row(node), apart_start as u32, &mut rows.cells);
            }
            rows.starts.push(rows.cells.len());
        }
        rows
    }
}

impl ApartPreparation {
    fn write(
        &self,
        row: impl Iterator<Item = (u32, f32)>,
        start: u32,
        cells: &mut Vec<(u32, f32)>,
    ) {
        let first = cells.len();
        match &self.scales {
            None => {
                let row = row.filter(|(feature, _)| (*feature as usize) < self.width);
                cells.extend(row.map(|(feature, value)| (start + feature, value)));
                let sum: f32 = cells[first..].iter().map(|(_, value)| value.abs()).sum();
                if self.by_rows && sum > 0.0 {
                    cells[first..]
                        .iter_mut()
                        .for_each(|(_, value)| *value /= sum);
                }
            }
            Some(scales) => {
                let scaled =
                    |value: f32, (mean, sd): (f32, f32)| ((value - mean) / sd).clamp(-CUT, CUT);
                let zeros = scales.iter().map(|&scale| scaled(0.0, scale));
                cells.extend((start..).zip(zeros));
                for (feature, value) in row {
                    if let Some(&scale) = scales.get(feature as usize) {
                        cells[first + feature as usize].1 = scaled(value, scale);
                    }
                }
            }
        }
    }
}

/// A graph with the input of its nodes, from which a network's batches are made.
#[derive(Debug)]
pub struct PreparedGraph<'a> {
    units: &'a GraphUnits,
    rows: Rows,
    /// The input of all nodes where it is sparse: its places, and its numbers.
    sparse: Option<(Csr, Arc<[f32]>)>,
    messages: Option<Messages>,
    gathering: Gathering,
    /// See [`Preparation::readout`].
    readout: Arc<[(f32, f32)]>,
}

/// What a network sees: the whole graph or a part of it, and which nodes are asked for.
#[derive(Debug, Clone)]
pub struct GraphBatch {
    /// The input of the nodes.
    pub input: Input,
    /// What neighbours send; `None` for a network that does not look at edges.
    pub messages: Option<Messages>,
    /// The places of the nodes that are asked for; `None` means all, in their order.
    pub asked: Option<Tensor<1, Int>>,
    /// Where graphs are asked for and not nodes.
    pub graphs: Option<Graphs>,
}

/// The input of nodes.
#[allow(clippy::large_enum_variant, reason = "there is one of it a batch")]
#[derive(Debug, Clone)]
pub enum Input {
    /// `[nodes, width]`.
    Dense(Tensor<2>),
    /// The places of a matrix `[nodes, width]`, and the numbers there.
    Sparse(Csr, Arc<[f32]>),
}

/// Share of the nodes up to which a part of the graph is looked at instead of the whole.
const PART: f64 = 0.5;

impl<'a> PreparedGraph<'a> {
    /// All nodes of a graph, as a network gathers from them.
    pub fn new(
        units: &'a GraphUnits,
        preparation: &Preparation,
        gathering: Gathering,
    ) -> PreparedGraph<'a> {
        let rows = preparation.apply(units);
        let sparse = rows.is_sparse().then(|| rows.sparse(0..rows.nodes()));
        let rule = gathering.rule;
        PreparedGraph {
            messages: rule.map(|rule| Messages::new(&units.graph, rule)),
            units,
            rows,
            sparse,
            gathering,
            readout: preparation.readout.clone().into(),
        }
    }

    /// What distances between units are measured on: see [`Rows::described`]; of graphs the mean over their nodes, and the logarithm of
    /// how many there are.
    pub(crate) fn described(&self, indices: &[usize]) -> (usize, Vec<f32>) {
        let nodes = self.units.nodes_at(indices);
        let (width, values) = self.rows.described(&nodes, &self.units.graph.degrees());
        if self.units.starts.is_none() {
            return (width, values);
        }
        let mut rows = values.chunks_exact(width);
        let mut means = vec![0f32; indices.len() * (width + 1)];
        for (mean, &index) in means.chunks_exact_mut(width + 1).zip(indices) {
            let count = self.units.nodes_of(index).len();
            for row in rows.by_ref().take(count) {
                let cells = mean.iter_mut().zip(row);
                cells.for_each(|(mean, value)| *mean += value / count as f32);
            }
            mean[width] = (1.0 + count as f32).ln();
        }
        (width + 1, means)
    }

    /// The input of all nodes.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// As [`Batches::training_batch`], for nodes of a graph with other edges.
    pub(crate) fn training_batch_in(
        &self,
        graph: &Graph,
        nodes: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> GraphBatch {
        let asked = self.nodes_of(nodes);
        let messages = self
            .gathering
            .rule
            .map(|rule| (Messages::new(graph, rule), rule));
        let batch = match (messages, self.sampling(asked.len())) {
            (None, _) => self.alone(&asked, device),
            (Some((messages, rule)), Some(sampling)) => {
                let (steps, dropped) = (self.gathering.steps, 0.0);
                let sampling = Sampling {
                    dropped,
                    ..sampling
                };
                let part = Neighbourhood::sampled(&messages, rule, &asked, steps, sampling, stream);
                self.part(part, device)
            }
            (Some((messages, _)), None) => GraphBatch {
                messages: Some(messages),
                ..self.whole(&asked, device)
            },
        };
        self.with_dropout(batch, stream)
    }

    /// Without a share of the numbers of a sparse input.
    fn with_dropout(&self, mut batch: GraphBatch, stream: &mut ChaCha8Rng) -> GraphBatch {
        let rate = self.gathering.input_dropout;
        if let (Input::Sparse(csr, values), true) = (&batch.input, rate > 0.0) {
            let kept = 1.0 / (1.0 - rate) as f32;
            let dropped = values.iter().map(|value| {
                let drop = stream.random_bool(rate);
                if drop { 0.0 } else { kept * value }
            });
            batch.input = Input::Sparse(csr.clone(), dropped.collect());
        }
        batch
    }

    fn nodes_of(&self, indices: &[usize]) -> Vec<u32> {
        let nodes = self.units.nodes_at(indices);
        nodes.into_iter().map(|node| node as u32).collect()
    }

    /// Whole graphs beside each other.
    fn graphs(
        &self,
        indices: &[usize],
        dropping: Option<&mut ChaCha8Rng>,
        device: &Device,
    ) -> GraphBatch {
        let graphs: Vec<Range<usize>> = indices.iter().map(|&i| self.units.nodes_of(i)).collect();
        let rate = self.gathering.edge_dropout;
        let dropping = dropping.filter(|_| rate > 0.0).map(|stream| (rate, stream));
        let messages = self.messages.as_ref().zip(self.gathering.rule);
        GraphBatch {
            messages: messages.map(|(all, rule)| all.of_graphs(&graphs, rule, dropping)),
            graphs: Some(beside(graphs.iter().map(Range::len), &self.readout, device)),
            ..self.alone(&self.nodes_of(indices), device)
        }
    }

    /// All nodes.
    fn whole(&self, asked: &[u32], device: &Device) -> GraphBatch {
        let nodes = self.rows.nodes();
        GraphBatch {
            input: match &self.sparse {
                Some((csr, values)) => Input::Sparse(csr.clone(), values.clone()),
                None => Input::Dense(self.rows.dense(0..nodes, device)),
            },
            messages: self.messages.clone(),
            asked: places(asked, nodes, device),
            graphs: None,
        }
    }

    /// Some nodes, with what they send to each other.
    fn part(&self, part: Neighbourhood, device: &Device) -> GraphBatch {
        GraphBatch {
            asked: places(&part.asked, part.nodes.len(), device),
            messages: Some(part.messages),
            ..self.alone(&part.nodes, device)
        }
    }

    /// Nodes by themselves, for a network that does not look at edges.
    fn alone(&self, nodes: &[u32], device: &Device) -> GraphBatch {
        let indices = nodes.iter().map(|&node| node as usize);
        GraphBatch {
            input: match &self.sparse {
                Some(_) => {
                    let (csr, values) = self.rows.sparse(indices);
                    Input::Sparse(csr, values)
                }
                None => Input::Dense(self.rows.dense(indices, device)),
            },
            messages: None,
            asked: None,
            graphs: None,
        }
    }

    /// The node that a unit is; `None` if it is a graph.
    pub(crate) fn node(&self, index: usize) -> Option<u32> {
        match self.units.starts {
            None => Some(self.units.which[index]),
            Some(_) => None,
        }
    }

    /// What the prediction of a unit rests on: the nodes by their numbers in the whole graph, and the batch, dense.
    pub(crate) fn around(&self, index: usize, device: &Device) -> (Vec<u32>, GraphBatch) {
        let own = self.nodes_of(&[index]);
        if self.gathering.whole && self.units.starts.is_none() {
            let mut batch = self.whole(&own, device);
            batch.input = Input::Dense(self.rows.dense(0..self.rows.nodes(), device));
            return ((0..self.rows.nodes() as u32).collect(), batch);
        }
        let steps = match self.units.starts {
            None => self.gathering.steps,
            // No edge leads out of a graph.
            Some(_) => 1,
        };
        let found = self.messages.as_ref().map(|messages| {
            Neighbourhood::whole(messages, &own, steps, usize::MAX)
                .unwrap_or_else(|| unreachable!("there is no bound"))
        });
        let nodes = found
            .as_ref()
            .map_or(own.clone(), |found| found.nodes.clone());
        let rows = nodes.iter().map(|&node| node as usize);
        let input = Input::Dense(self.rows.dense(rows, device));
        let graphs = self.units.starts.as_ref();
        let graphs = graphs.map(|_| beside(std::iter::once(own.len()), &self.readout, device));
        let batch = GraphBatch {
            input,
            messages: found.map(|found| found.messages),
            asked: match graphs {
                Some(_) => None,
                None => places(&[0], nodes.len(), device),
            },
            graphs,
        };
        (nodes, batch)
    }

    fn sampling(&self, asked: usize) -> Option<Sampling> {
        let senders = self.gathering.senders?;
        Some(Sampling {
            senders,
            dropped: self.gathering.edge_dropout,
            most_nodes: asked.saturating_mul(MOST_OF_EACH),
        })
    }
}

/// Nodes of a sample for each that is asked for, at most: how much memory a step takes is then known, however many layers there are.
const MOST_OF_EACH: usize = 128;

/// Graphs of so many nodes that lie after each other.
fn beside(sizes: impl Iterator<Item = usize>, readout: &[(f32, f32)], device: &Device) -> Graphs {
    let (mut starts, mut of) = (vec![0], Vec::new());
    for (graph, size) in sizes.enumerate() {
        of.resize(of.len() + size, graph as i32);
        starts.push(of.len());
    }
    let places = (0..of.len() as u32).collect();
    let rows = Csr::new(of.len(), starts, places)
        .unwrap_or_else(|e| unreachable!("the nodes of one graph after those of another: {e}"));
    let shape = [of.len()];
    Graphs {
        rows,
        of: Tensor::from_data(TensorData::new(of, shape), device),
        scale: (!readout.is_empty()).then(|| {
            let row = |number: &dyn Fn(&(f32, f32)) -> f32| {
                let values: Vec<f32> = readout.iter().map(number).collect();
                Tensor::from_data(TensorData::new(values, [1, readout.len()]), device)
            };
            [row(&|(mean, _)| *mean), row(&|(_, sd)| *sd)]
        }),
    }
}

/// Graphs that are predicted at a time.
const GRAPHS_AT_ONCE: usize = 128;

/// `None` where they are all of so many, in their order.
fn places(asked: &[u32], nodes: usize, device: &Device) -> Option<Tensor<1, Int>> {
    if asked.len() == nodes && (0..).zip(asked).all(|(place, &asked)| place == asked) {
        return None;
    }
    let asked: Vec<i32> = asked.iter().map(|&place| place as i32).collect();
    let shape = [asked.len()];
    Some(Tensor::from_data(TensorData::new(asked, shape), device))
}

impl Batches for PreparedGraph<'_> {
    type Batch = GraphBatch;

    /// The whole graph, unless what is asked for rests on a small part of it: the answers are the same.
    fn batch(&self, indices: &[usize], device: &Device) -> GraphBatch {
        if self.units.starts.is_some() {
            return self.graphs(indices, None, device);
        }
        let asked = self.nodes_of(indices);
        let messages = match &self.messages {
            _ if self.gathering.whole => return self.whole(&asked, device),
            None => return self.alone(&asked, device),
            Some(messages) => messages,
        };
        let most = (PART * self.rows.nodes() as f64) as usize;
        let steps = self.gathering.steps;
        match Neighbourhood::whole(messages, &asked, steps, most) {
            Some(part) => self.part(part, device),
            None => self.whole(&asked, device),
        }
    }

    fn training_batch(
        &self,
        indices: &[usize],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> GraphBatch {
        let asked = self.nodes_of(indices);
        let edge_dropout = self.gathering.edge_dropout;
        let batch = match (&self.messages, self.gathering.rule) {
            _ if self.units.starts.is_some() => self.graphs(indices, Some(&mut *stream), device),
            (Some(messages), Some(rule)) => match self.sampling(asked.len()) {
                Some(sampling) => {
                    let steps = self.gathering.steps;
                    let part =
                        Neighbourhood::sampled(messages, rule, &asked, steps, sampling, stream);
                    self.part(part, device)
                }
                None => {
                    let mut batch = self.whole(&asked, device);
                    if edge_dropout > 0.0 {
                        let graph = self.units.graph.thinned(edge_dropout, stream);
                        batch.messages = Some(Messages::new(&graph, rule));
                    }
                    batch
                }
            },
            _ if self.gathering.whole => self.whole(&asked, device),
            _ => self.alone(&asked, device),
        };
        self.with_dropout(batch, stream)
    }

    /// A whole graph is computed for each batch, whatever is asked of it; of many graphs a few at a time.
    fn units_at_once(&self) -> usize {
        match self.units.starts {
            None => usize::MAX,
            Some(_) => GRAPHS_AT_ONCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SparseFeatures;
    use candor_baselines::{FeatureKind, Matrix};

    fn units(table: Matrix, apart: Option<SparseFeatures>) -> GraphUnits {
        let nodes = table.rows();
        let pairs: Vec<(u32, u32)> = (1..nodes as u32).map(|node| (0, node)).collect();
        let (graph, _) = Graph::new(nodes, &pairs, None, false);
        let ids = (0..nodes).map(|node| node.to_string()).collect();
        GraphUnits::whole(graph, NodeFeatures { table, apart }, ids)
    }

    #[test]
    fn scaling_is_that_of_the_training_nodes() {
        let kinds = vec![
            FeatureKind::Numeric,
            FeatureKind::Categorical { cardinality: 2 },
        ];
        let table = Matrix::new(3, kinds, vec![10.0, 0.0, 20.0, 1.0, 999.0, 0.0]).unwrap();
        let apart = SparseFeatures::of_dense(2, &[1.0, 5.0, 3.0, 5.0, 9.0, 5.0]);
        let units = units(table, Some(apart));
        let fitted = Preparation::fit(&units.features, &[0, 1], TargetScale::default(), true);
        let scales = fitted.apart.as_ref().unwrap().scales.clone().unwrap();
        assert_eq!(scales, [(2.0, 1.0), (5.0, 1.0)]);
        assert_eq!(fitted.check(), Ok(()));
        let dense = fitted.apply(&units).dense(0..3, &Device::flex());
        assert_eq!(dense.dims(), [3, fitted.width()]);
        let values: Vec<f32> = dense.into_data().iter().collect();
        // The number, which category (unknown first), the features given apart; what is far off is cut.
        assert_eq!(values[..6], [-1.0, 0.0, 1.0, 0.0, -1.0, 0.0]);
        assert_eq!(values[6..12], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(values[12..], [5.0, 0.0, 1.0, 0.0, 7.0, 0.0]);
    }

    #[test]
    fn sparse_rows_keep_their_zeros_and_sum_to_one() {
        let none = Matrix::new(3, vec![], vec![]).unwrap();
        let cells = vec![(0, 3, 2.0), (0, 40, 6.0), (2, 1, 5.0)];
        let units = units(none, Some(SparseFeatures::new(3, 50, cells)));
        let fitted = Preparation::fit(&units.features, &[0, 1], TargetScale::default(), true);
        let rows = fitted.apply(&units);
        assert!(rows.is_sparse());
        assert_eq!(rows.row(0), [(3, 0.25), (40, 0.75)]);
        assert_eq!(
            (rows.row(1), rows.row(2)),
            ([].as_slice(), [(1, 1.0)].as_slice())
        );
        let plain = Preparation::fit(&units.features, &[0, 1], TargetScale::default(), false);
        assert_eq!(plain.apply(&units).row(0), [(3, 2.0), (40, 6.0)]);
        let other = NodeFeatures {
            table: Matrix::new(3, vec![], vec![]).unwrap(),
            apart: None,
        };
        assert!(plain.check_features(&other).is_err());
    }

    #[test]
    fn a_graph_without_features_is_described_by_its_edges() {
        let units = units(Matrix::new(3, vec![], vec![]).unwrap(), None);
        let fitted = Preparation::fit(&units.features, &[0], TargetScale::default(), true);
        assert_eq!(fitted.width(), 2);
        assert_eq!(fitted.apply(&units).row(0), [(0, 1.0), (1, 3f32.ln())]);
    }
}
