use candor_core::{Clock, Seed, Stop};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::bins::{BinnedMatrix, ColumnBins};
use crate::bytes::{Reader, Writer};
use crate::category_order::{CategoryOrder, order_categories};
use crate::encoder::Encoder;
use crate::ensemble::{Member, TreeEnsemble};
use crate::forest_split::{Axis, Constant, CutSearch, Demand, ForestSplit, NodeRows, Response};
use crate::outcome::{Outcome, Trained, Training, moments};
use crate::probability::{Link, probabilities};
use crate::setting::{at_least, share};
use crate::tree::{Place, Test, Tree, TreeBuilder, bounded};
use crate::{BaselineError, Matrix};

/// Nodes with at least this many rows ask the clock.
const CLOCK_ROWS: usize = 4096;

/// A forest of deep trees whose leaves hold shares of classes, or means: random forest (Breiman 2001) or,
/// with random thresholds, extremely randomised trees (Geurts et al. 2006).
///
/// Trees minimise Gini impurity or, over all standardised targets at once, variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestConfig {
    /// Trees (200).
    pub trees: usize,
    /// Draw one threshold a column at random instead of searching the best (no).
    pub extra_random_thresholds: bool,
    /// Share of the columns that each node looks at, in (0, 1]; none means the square root of their number
    /// for classes and a third of them for regression (none).
    pub max_features: Option<f64>,
    /// Rows a leaf must hold, at least 1; a row drawn twice counts twice (1).
    pub min_leaf_rows: usize,
    /// Draw as many rows as there are, with replacement, for each tree; else all are used (yes).
    pub bootstrap: bool,
    /// Leaves of a tree at most, the most profitable splits first; none means no limit (none).
    pub max_leaves: Option<usize>,
}

impl Default for ForestConfig {
    fn default() -> ForestConfig {
        ForestConfig {
            trees: 200,
            extra_random_thresholds: false,
            max_features: None,
            min_leaf_rows: 1,
            bootstrap: true,
            max_leaves: None,
        }
    }
}

impl ForestConfig {
    /// Extremely randomised trees as in the paper: all rows, random thresholds.
    pub fn extra_trees() -> ForestConfig {
        ForestConfig {
            extra_random_thresholds: true,
            bootstrap: false,
            ..ForestConfig::default()
        }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting outside its range.
    pub fn check(&self) -> Result<(), BaselineError> {
        at_least("trees", self.trees, 1, "at least 1")?;
        at_least("min_leaf_rows", self.min_leaf_rows, 1, "at least 1")?;
        at_least(
            "max_leaves",
            self.max_leaves.unwrap_or(2),
            2,
            "at least 2, or none",
        )?;
        share("max_features", self.max_features.unwrap_or(1.0))
    }

    fn features(&self, columns: usize, outcome: Outcome) -> usize {
        let wanted = match (self.max_features, outcome) {
            (Some(share), _) => columns as f64 * share,
            (None, Outcome::Classes(_)) => (columns as f64).sqrt(),
            (None, Outcome::Values(_)) => columns as f64 / 3.0,
        };
        (wanted.round() as usize).clamp(1, columns.max(1))
    }
}

/// A fitted forest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forest {
    trees: TreeEnsemble,
}

impl Forest {
    pub(crate) fn fit(
        config: &ForestConfig,
        training: &Training<'_>,
        seed: Seed,
        clock: &Clock,
    ) -> Result<Trained<Forest>, BaselineError> {
        config.check()?;
        let encoder = Encoder::new(training.binned.bins());
        let validation_rows = encoder.gather(training.matrix, training.validation);
        let (width, outputs) = (encoder.width(), training.outcome.scores());
        let validation = Validation::new(training);
        let mut sums = vec![0.0; training.validation.len() * outputs];
        let mut plot = Plot::new(config, training);
        let mut fitted = Trained {
            model: Forest {
                trees: TreeEnsemble {
                    encoder,
                    outputs,
                    members: Vec::new(),
                },
            },
            stopped_early: false,
            history: Vec::new(),
        };
        for number in 0..config.trees {
            let mut rng = seed.stream("forest", &[number as u64]);
            let stop = clock.stop().map_or_else(|| plot.grow(&mut rng, clock), Err);
            let tree = match stop {
                Ok(tree) => tree,
                Err(Stop::OutOfTime) if number > 0 => {
                    fitted.stopped_early = true;
                    break;
                }
                Err(stop) => return Err(stop.into()),
            };
            let member = Member { output: 0, tree };
            if !training.validation.is_empty() {
                member.add(&validation_rows, width, outputs, &mut sums);
                fitted.history.push(validation.loss(&sums, number + 1));
            }
            fitted.model.trees.members.push(member);
        }
        Ok(fitted)
    }

    /// Shares or means, `[rows, scores]`.
    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        let mut sums = self.trees.sum(matrix)?;
        let trees = self.trees.members.len().max(1) as f64;
        sums.iter_mut().for_each(|sum| *sum /= trees);
        Ok(sums)
    }

    pub(crate) fn parameters(&self) -> usize {
        self.trees.parameters()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.trees.write(to);
    }

    pub(crate) fn read(from: &mut Reader<'_>, outcome: Outcome) -> Result<Forest, BaselineError> {
        let trees = TreeEnsemble::read(from)?;
        if trees.outputs != outcome.scores() {
            return Err(from.corrupt("the trees have another number of outputs"));
        }
        Ok(Forest { trees })
    }
}

/// The truth of the validation rows.
struct Validation {
    outcome: Outcome,
    classes: Vec<u32>,
    /// One a target.
    values: Vec<Vec<f64>>,
    deviations: Vec<f64>,
}

impl Validation {
    fn new(training: &Training<'_>) -> Validation {
        let targets = match training.outcome {
            Outcome::Classes(_) => 0,
            Outcome::Values(targets) => targets,
        };
        let deviation = |t| moments(&training.values(training.train, t)).1;
        Validation {
            outcome: training.outcome,
            classes: training.classes(training.validation),
            values: (0..targets)
                .map(|t| training.values(training.validation, t))
                .collect(),
            deviations: (0..targets).map(deviation).collect(),
        }
    }

    /// Log loss, or mean squared error of standardised targets, of the mean over some trees.
    fn loss(&self, sums: &[f64], trees: usize) -> f64 {
        let scores = self.outcome.scores();
        let (n, trees) = ((sums.len() / scores).max(1) as f64, trees as f64);
        if let Outcome::Classes(classes) = self.outcome {
            let (mut shares, mut row) = (vec![0.0; scores], vec![0.0; classes]);
            let rows = sums.chunks_exact(scores).zip(&self.classes);
            let loss = rows.map(|(sums, &class)| {
                shares
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(share, sum)| *share = sum / trees);
                probabilities(Link::Shares, &shares, &mut row);
                -row[class as usize].ln()
            });
            return loss.sum::<f64>() / n;
        }
        let of_target = |(target, (values, deviation)): (usize, (&Vec<f64>, &f64))| {
            let means = sums
                .iter()
                .skip(target)
                .step_by(scores)
                .map(|sum| sum / trees);
            means
                .zip(values)
                .map(|(mean, y)| ((mean - y) / deviation).powi(2))
                .sum::<f64>()
        };
        let targets = self.values.iter().zip(&self.deviations).enumerate();
        targets.map(of_target).sum::<f64>() / (n * scores as f64)
    }
}

/// What all trees of a forest share.
struct Plot<'a> {
    config: &'a ForestConfig,
    /// Training rows; categories are replaced by their ranks.
    binned: BinnedMatrix,
    orders: Vec<Option<CategoryOrder>>,
    response: Response,
    /// Mean and deviation that a leaf's mean is brought back with.
    spread: Vec<(f64, f64)>,
    outputs: usize,
    features: usize,
    columns: Vec<u32>,
    weights: Vec<f64>,
    rows: Vec<u32>,
    spare: Vec<u32>,
    node: NodeRows,
    cuts: CutSearch,
}

struct Node {
    place: Place,
    start: usize,
    end: usize,
    total: Vec<f64>,
    /// Column, cut and how much it gains.
    split: Option<(usize, ForestSplit, f64)>,
}

impl<'a> Plot<'a> {
    fn new(config: &'a ForestConfig, training: &Training<'_>) -> Plot<'a> {
        let outputs = training.outcome.scores();
        let (response, spread) = response(training);
        let mut binned = training.binned.select(training.train);
        let orders = order_categories(&mut binned, &response, outputs);
        let columns = training.matrix.columns().len();
        Plot {
            config,
            features: config.features(columns, training.outcome),
            columns: (0..columns as u32).collect(),
            weights: vec![1.0; binned.rows()],
            rows: Vec::new(),
            spare: vec![0; binned.rows()],
            node: NodeRows::default(),
            cuts: CutSearch::new(outputs),
            binned,
            orders,
            response,
            spread,
            outputs,
        }
    }

    fn grow(&mut self, rng: &mut impl Rng, clock: &Clock) -> Result<Tree, Stop> {
        self.draw_rows(rng);
        // The order in which columns are drawn must not depend on the tree before.
        self.columns.sort_unstable();
        let mut builder = TreeBuilder::new(self.outputs);
        let root = self.node(builder.root(), 0, self.rows.len(), rng);
        let mut open = vec![root];
        let mut leaves = 1;
        while let Some(chosen) = self.next(&open) {
            let node = open.swap_remove(chosen);
            if node.end - node.start >= CLOCK_ROWS
                && let Some(stop) = clock.stop()
            {
                return Err(stop);
            }
            match node.split {
                Some((column, split, _))
                    if self.config.max_leaves.is_none_or(|most| leaves < most) =>
                {
                    leaves += 1;
                    let middle = self.partition(&node, column, split);
                    let test = self.test(column, split);
                    let (left, right) = builder.split(node.place, column, test, split.missing_left);
                    open.push(self.node(right, middle, node.end, rng));
                    open.push(self.node(left, node.start, middle, rng));
                }
                _ => builder.leaf(node.place, &self.leaf(&node.total)),
            }
        }
        Ok(builder.finish())
    }

    /// With a limit on leaves the most profitable node comes first, else the last, so that few are open.
    fn next(&self, open: &[Node]) -> Option<usize> {
        if self.config.max_leaves.is_none() {
            return open.len().checked_sub(1);
        }
        let gain = |i: &usize| {
            open[*i]
                .split
                .map_or(f64::NEG_INFINITY, |(_, _, gain)| gain)
        };
        (0..open.len()).max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.cmp(a)))
    }

    fn draw_rows(&mut self, rng: &mut impl Rng) {
        let count = self.binned.rows() as u32;
        self.rows.clear();
        if !self.config.bootstrap {
            self.rows.extend(0..count);
            return;
        }
        self.weights.fill(0.0);
        for _ in 0..count {
            self.weights[rng.random_range(0..count) as usize] += 1.0;
        }
        self.rows
            .extend((0..count).filter(|&row| self.weights[row as usize] > 0.0));
    }

    fn node(&mut self, place: Place, start: usize, end: usize, rng: &mut impl Rng) -> Node {
        let rows = &self.rows[start..end];
        self.node
            .gather(rows, &self.weights, &self.response, self.outputs);
        let total = self.node.total().to_vec();
        let least = self.config.min_leaf_rows as f64;
        let splittable = total[0] >= 2.0 * least && !self.node.is_pure();
        let split = if splittable {
            self.best_split(rng)
        } else {
            None
        };
        Node {
            place,
            start,
            end,
            total,
            split,
        }
    }

    /// Draws columns until enough were looked at that are not constant in the node.
    fn best_split(&mut self, rng: &mut impl Rng) -> Option<(usize, ForestSplit, f64)> {
        let demand = Demand {
            min_leaf_rows: self.config.min_leaf_rows as f64,
            random: self.config.extra_random_thresholds,
        };
        let mut best: Option<(usize, ForestSplit)> = None;
        let mut looked_at = 0;
        for i in 0..self.columns.len() {
            let other = rng.random_range(i as u32..self.columns.len() as u32);
            self.columns.swap(i, other as usize);
            let column = self.columns[i] as usize;
            let axis = match &self.binned.bins().columns[column] {
                ColumnBins::Numeric { centres, .. } => Axis::Numbers(centres),
                ColumnBins::Categorical(categories) => Axis::Ranks(categories.bins()),
            };
            let codes = self.binned.column(column);
            match self.cuts.best_cut(codes, &self.node, axis, demand, rng) {
                Err(Constant) => continue,
                Ok(found) => {
                    looked_at += 1;
                    if let Some(found) = found
                        && best.is_none_or(|(_, best)| found.score > best.score)
                    {
                        best = Some((column, found));
                    }
                }
            }
            // A node is not given up while no column has offered any cut.
            if looked_at >= self.features && best.is_some() {
                break;
            }
        }
        let total = self.node.total();
        let parent = total[1..].iter().map(|sum| sum * sum).sum::<f64>() / total[0];
        best.map(|(column, split)| (column, split, split.score - parent))
    }

    fn partition(&mut self, node: &Node, column: usize, split: ForestSplit) -> usize {
        let mut goes_left = [false; 256];
        goes_left[..=split.bin].fill(true);
        goes_left[self.binned.bins().columns[column].values()] = split.missing_left;
        let codes = self.binned.column(column);
        let rows = &mut self.rows[node.start..node.end];
        let (mut left, mut right) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            // Written to both sides: no branch to mispredict.
            rows[left] = row;
            self.spare[right] = row;
            let goes = goes_left[usize::from(codes[row as usize])];
            left += usize::from(goes);
            right += usize::from(!goes);
        }
        rows[left..].copy_from_slice(&self.spare[..right]);
        node.start + left
    }

    /// The same split on raw values.
    fn test(&self, column: usize, split: ForestSplit) -> Test {
        match (&self.orders[column], &self.binned.bins().columns[column]) {
            (Some(order), _) => Test::OneOf(order.up_to(split.bin)),
            (None, ColumnBins::Numeric { cuts, .. }) => {
                Test::AtMost(cuts.get(split.bin).copied().unwrap_or(f32::INFINITY))
            }
            (None, ColumnBins::Categorical(_)) => Test::AtMost(split.bin as f32),
        }
    }

    fn leaf(&self, total: &[f64]) -> Vec<f32> {
        let means = total[1..].iter().map(|sum| sum / total[0]);
        means
            .zip(&self.spread)
            .map(|(m, (mean, deviation))| bounded(mean + deviation * m))
            .collect()
    }
}

/// The response of the training rows, and what brings its means back to the target's units.
fn response(training: &Training<'_>) -> (Response, Vec<(f64, f64)>) {
    let rows = training.train;
    match training.outcome {
        Outcome::Classes(2) => (Response::Values(training.values(rows, 0)), vec![(0.0, 1.0)]),
        Outcome::Classes(classes) => (
            Response::Classes(training.classes(rows)),
            vec![(0.0, 1.0); classes],
        ),
        Outcome::Values(targets) => {
            let mut values = vec![0.0; rows.len() * targets];
            let mut spread = Vec::with_capacity(targets);
            for target in 0..targets {
                let column = training.values(rows, target);
                let (mean, deviation) = moments(&column);
                for (i, value) in column.iter().enumerate() {
                    values[i * targets + target] = (value - mean) / deviation;
                }
                spread.push((mean, deviation));
            }
            (Response::Values(values), spread)
        }
    }
}
