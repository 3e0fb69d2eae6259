use candor_core::{Clock, Seed, Stop};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::bins::BinnedMatrix;
use crate::bytes::{Reader, Writer};
use crate::encoder::Encoder;
use crate::ensemble::{Member, TreeEnsemble};
use crate::grower::{Grower, GrowerSettings, SplitRules, sample_columns};
use crate::histogram::Scale;
use crate::objective::Objective;
use crate::outcome::{Outcome, Trained, Training, moments};
use crate::setting::{at_least, share, within};
use crate::tree::bounded;
use crate::{BaselineError, Matrix};

/// Gradient-boosted trees (Friedman 2001), grown leaf by leaf on histograms (Ke et al. 2017, LightGBM).
///
/// Two classes: one tree an iteration; more: one a class; regression: one booster a target. With
/// validation rows the iteration with the lowest validation loss is kept; without, all are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoostingConfig {
    /// Iterations at most (1 000).
    pub iterations: usize,
    /// Iterations without a better validation loss after which boosting ends (50).
    pub patience: usize,
    /// Factor on every tree, in (0, 1] (0.05: half of LightGBM's, as early stopping finds the number of trees).
    pub learning_rate: f64,
    /// Leaves of a tree at most, at least 2 (31).
    pub max_leaves: usize,
    /// Depth at most; none means leaves alone limit it (none).
    pub max_depth: Option<usize>,
    /// Rows a leaf must hold, at least 1 (20).
    pub min_leaf_rows: usize,
    /// Sum of hessians a leaf must hold (0.001).
    pub min_hessian: f64,
    /// Absolute penalty on leaf values (0).
    pub l1: f64,
    /// Squared penalty on leaf values (1).
    pub l2: f64,
    /// Gain a split must have (0).
    pub min_gain: f64,
    /// Share of the rows, drawn anew for each iteration, in (0, 1] (1).
    pub row_share: f64,
    /// Share of the columns for each tree, in (0, 1] (1).
    pub column_share: f64,
    /// Share of a tree's columns for each node, in (0, 1] (1).
    pub node_column_share: f64,
    /// Added to the hessian when categories are sorted; categories with fewer rows are left with the rest (10).
    pub category_smoothing: f64,
    /// Squared penalty for splits into sets of categories, beside `l2` (10).
    pub category_l2: f64,
    /// Rows that a group of categories must gather before a cut is considered (20).
    pub min_category_rows: usize,
}

impl Default for BoostingConfig {
    fn default() -> BoostingConfig {
        BoostingConfig {
            iterations: 1_000,
            patience: 50,
            learning_rate: 0.05,
            max_leaves: 31,
            max_depth: None,
            min_leaf_rows: 20,
            min_hessian: 1e-3,
            l1: 0.0,
            l2: 1.0,
            min_gain: 0.0,
            row_share: 1.0,
            column_share: 1.0,
            node_column_share: 1.0,
            category_smoothing: 10.0,
            category_l2: 10.0,
            min_category_rows: 20,
        }
    }
}

impl BoostingConfig {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting outside its range.
    pub fn check(&self) -> Result<(), BaselineError> {
        at_least("iterations", self.iterations, 1, "at least 1")?;
        at_least("patience", self.patience, 1, "at least 1")?;
        at_least("max_leaves", self.max_leaves, 2, "at least 2")?;
        at_least("min_leaf_rows", self.min_leaf_rows, 1, "at least 1")?;
        let shares = [
            ("learning_rate", self.learning_rate),
            ("row_share", self.row_share),
            ("column_share", self.column_share),
            ("node_column_share", self.node_column_share),
        ];
        shares
            .into_iter()
            .try_for_each(|(name, value)| share(name, value))?;
        let penalties = [
            ("min_hessian", self.min_hessian),
            ("l1", self.l1),
            ("l2", self.l2),
            ("min_gain", self.min_gain),
            ("category_smoothing", self.category_smoothing),
            ("category_l2", self.category_l2),
        ];
        let not_negative =
            |(name, value)| within(name, value, 0.0, f64::MAX, "a finite number, 0 or above");
        penalties.into_iter().try_for_each(not_negative)
    }

    fn grower_settings(&self) -> GrowerSettings {
        GrowerSettings {
            rules: SplitRules {
                min_leaf_rows: self.min_leaf_rows as u64,
                min_hessian: self.min_hessian,
                l1: self.l1,
                l2: self.l2,
                category_smoothing: self.category_smoothing,
                category_l2: self.category_l2,
                min_category_rows: self.min_category_rows as u64,
            },
            max_leaves: self.max_leaves,
            max_depth: self.max_depth.unwrap_or(usize::MAX),
            min_gain: self.min_gain,
            node_column_share: self.node_column_share,
            learning_rate: self.learning_rate,
        }
    }
}

/// Fitted boosted trees: a constant and the sum of the trees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Boosting {
    base: Vec<f32>,
    trees: TreeEnsemble,
}

impl Boosting {
    pub(crate) fn fit(
        config: &BoostingConfig,
        training: &Training<'_>,
        seed: Seed,
        clock: &Clock,
    ) -> Result<Trained<Boosting>, BaselineError> {
        config.check()?;
        let outputs = training.outcome.scores();
        let trees = TreeEnsemble {
            encoder: Encoder::new(training.binned.bins()),
            outputs,
            members: Vec::new(),
        };
        let mut fitting = Fitting::new(config, training, &trees.encoder);
        let mut fitted = Trained {
            model: Boosting {
                base: Vec::new(),
                trees,
            },
            stopped_early: false,
            history: Vec::new(),
        };
        match training.outcome {
            Outcome::Classes(classes) => {
                let objective = |rows| classification(classes, training.classes(rows));
                let (train, validation) =
                    (objective(training.train), objective(training.validation));
                let grown = fitting.boost(&train, &validation, seed, clock)?;
                fitted.add(grown, 0, (0.0, 1.0));
            }
            Outcome::Values(targets) => {
                for target in 0..targets {
                    let values = training.values(training.train, target);
                    let (mean, deviation) = moments(&values);
                    let objective = |values: Vec<f64>| {
                        let standard = values.iter().map(|value| (value - mean) / deviation);
                        Objective::SquaredError(standard.collect())
                    };
                    let validation = objective(training.values(training.validation, target));
                    let clock = clock.share(1.0 / (targets - target) as f64);
                    let seed = seed.derive("boosted target", &[target as u64]);
                    let grown = match fitting.boost(&objective(values), &validation, seed, &clock) {
                        // The time is up, but a target before this one has trees: this one keeps its mean.
                        Err(Stop::OutOfTime) if !fitted.model.trees.members.is_empty() => Boosted {
                            base: vec![0.0],
                            members: Vec::new(),
                            stopped_early: true,
                            history: Vec::new(),
                        },
                        grown => grown?,
                    };
                    fitted.add(grown, target, (mean, deviation));
                }
            }
        }
        Ok(fitted)
    }

    /// Logits or means, `[rows, scores]`.
    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        let mut scores = self.trees.sum(matrix)?;
        for row in scores.chunks_exact_mut(self.base.len().max(1)) {
            row.iter_mut()
                .zip(&self.base)
                .for_each(|(score, &base)| *score += f64::from(base));
        }
        Ok(scores)
    }

    pub(crate) fn parameters(&self) -> usize {
        self.base.len() + self.trees.parameters()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.f32s(&self.base);
        self.trees.write(to);
    }

    pub(crate) fn read(from: &mut Reader<'_>, outcome: Outcome) -> Result<Boosting, BaselineError> {
        let base = from.f32s()?;
        let trees = TreeEnsemble::read(from)?;
        if trees.outputs != outcome.scores() || base.len() != outcome.scores() {
            return Err(from.corrupt("the trees have another number of outputs"));
        }
        Ok(Boosting { base, trees })
    }
}

impl Trained<Boosting> {
    /// Adds a booster of the outputs from `output` on, whose scores are in units of `deviation` around `mean`.
    fn add(&mut self, grown: Boosted, output: usize, (mean, deviation): (f64, f64)) {
        self.model.base.extend(
            grown
                .base
                .iter()
                .map(|base| bounded(mean + deviation * base)),
        );
        for mut member in grown.members {
            member.output += output;
            if deviation != 1.0 {
                member.tree.scale(deviation);
            }
            self.model.trees.members.push(member);
        }
        self.stopped_early |= grown.stopped_early;
        self.history.extend(grown.history);
    }
}

fn classification(classes: usize, labels: Vec<u32>) -> Objective {
    if classes == 2 {
        Objective::Logistic(labels)
    } else {
        Objective::Softmax { classes, labels }
    }
}

/// What one objective's iterations gave.
struct Boosted {
    base: Vec<f64>,
    members: Vec<Member>,
    stopped_early: bool,
    history: Vec<f64>,
}

/// What all objectives share.
struct Fitting<'a> {
    config: &'a BoostingConfig,
    binned: BinnedMatrix,
    columns: Vec<u32>,
    width: usize,
    /// Encoded training rows; empty unless rows are sampled.
    train_rows: Vec<f32>,
    validation_rows: Vec<f32>,
}

impl<'a> Fitting<'a> {
    fn new(config: &'a BoostingConfig, training: &Training<'_>, encoder: &Encoder) -> Fitting<'a> {
        let sampled = if config.row_share < 1.0 {
            training.train
        } else {
            &[]
        };
        let binned = training.binned.select(training.train);
        // A column with one bin and nothing missing can never be split.
        let varies = |column: &u32| {
            let codes = binned.column(*column as usize);
            codes.iter().any(|code| *code != codes[0])
        };
        let columns = (0..encoder.width() as u32).filter(varies).collect();
        Fitting {
            config,
            columns,
            binned,
            width: encoder.width(),
            train_rows: encoder.gather(training.matrix, sampled),
            validation_rows: encoder.gather(training.matrix, training.validation),
        }
    }

    fn boost(
        &mut self,
        train: &Objective,
        validation: &Objective,
        seed: Seed,
        clock: &Clock,
    ) -> Result<Boosted, Stop> {
        let validate = !self.validation_rows.is_empty();
        let base = train.base();
        let repeat = |rows: usize| {
            base.iter()
                .copied()
                .cycle()
                .take(rows * base.len())
                .collect()
        };
        let mut run = Run {
            grower: Grower::new(&self.binned, self.config.grower_settings()),
            fitting: self,
            scores: repeat(self.binned.rows()),
            probabilities: Vec::new(),
            gradients: Vec::new(),
            hessians: Vec::new(),
            derivatives: Vec::new(),
        };
        let validation_count = self.validation_rows.len() / self.width.max(1);
        let mut validation_scores: Vec<f64> = repeat(validation_count);
        let mut grown = Boosted {
            members: Vec::new(),
            stopped_early: false,
            history: Vec::new(),
            base: base.clone(),
        };
        // The constant alone is iteration 0: trees that only harm are not kept.
        let mut best = (0, validation.loss(&validation_scores));
        for iteration in 1..=self.config.iterations {
            let members = match run.iterate(train, seed, iteration, clock) {
                Ok(members) => members,
                Err(Stop::OutOfTime) if iteration > 1 => {
                    grown.stopped_early = true;
                    break;
                }
                Err(stop) => return Err(stop),
            };
            if members.is_empty() {
                break;
            }
            if validate {
                for member in &members {
                    member.add(
                        &self.validation_rows,
                        self.width,
                        base.len(),
                        &mut validation_scores,
                    );
                }
                grown.history.push(validation.loss(&validation_scores));
            }
            grown.members.extend(members);
            if let Some(&loss) = grown.history.last() {
                if loss < best.1 {
                    best = (grown.members.len(), loss);
                }
                let since_best = grown.history.len() - best.0 / base.len();
                if since_best >= self.config.patience {
                    break;
                }
            }
            match clock.stop() {
                Some(Stop::Interrupted) => return Err(Stop::Interrupted),
                Some(Stop::OutOfTime) if iteration < self.config.iterations => {
                    grown.stopped_early = true;
                    break;
                }
                _ => {}
            }
        }
        if validate {
            grown.members.truncate(best.0);
        }
        Ok(grown)
    }

    fn sample_rows(&self, rng: &mut impl Rng) -> Option<Vec<u32>> {
        if self.config.row_share >= 1.0 {
            return None;
        }
        let all = 0..self.binned.rows() as u32;
        let sample: Vec<u32> = all
            .filter(|_| rng.random_bool(self.config.row_share))
            .collect();
        if sample.is_empty() {
            None
        } else {
            Some(sample)
        }
    }
}

/// The iterations of one objective.
struct Run<'f, 'a> {
    fitting: &'f Fitting<'a>,
    grower: Grower<'f>,
    /// `[rows, scores]`.
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    gradients: Vec<f64>,
    hessians: Vec<f64>,
    derivatives: Vec<crate::histogram::Derivative>,
}

impl Run<'_, '_> {
    /// Grows one tree an output; none when nothing is left to gain.
    fn iterate(
        &mut self,
        objective: &Objective,
        seed: Seed,
        iteration: usize,
        clock: &Clock,
    ) -> Result<Vec<Member>, Stop> {
        let config = self.fitting.config;
        let mut rng = seed.stream("boosting", &[iteration as u64]);
        let sample = self.fitting.sample_rows(&mut rng);
        let sampled =
            sample.is_some() || config.column_share < 1.0 || config.node_column_share < 1.0;
        objective.prepare(&self.scores, &mut self.probabilities);
        let outputs = objective.scores();
        let mut members = Vec::with_capacity(outputs);
        let mut any_split = false;
        for output in 0..outputs {
            if let Some(stop) = clock.stop() {
                return Err(stop);
            }
            let (g, h) = (&mut self.gradients, &mut self.hessians);
            objective.derivatives(output, &self.scores, &self.probabilities, g, h);
            let scale = Scale::fill(g, h, &mut self.derivatives);
            let columns = if config.column_share < 1.0 {
                sample_columns(&self.fitting.columns, config.column_share, &mut rng)
            } else {
                self.fitting.columns.clone()
            };
            let rows = sample.as_deref();
            let grown =
                self.grower
                    .grow(&self.derivatives, &scale, rows, &columns, &mut rng, clock)?;
            any_split |= grown.tree.leaves() > 1;
            let member = Member {
                output,
                tree: grown.tree,
            };
            if sample.is_some() {
                member.add(
                    &self.fitting.train_rows,
                    self.fitting.width,
                    outputs,
                    &mut self.scores,
                );
            } else {
                for (range, value) in grown.leaves {
                    for &row in &self.grower.rows()[range] {
                        self.scores[row as usize * outputs + output] += value;
                    }
                }
            }
            members.push(member);
        }
        if !any_split && !sampled {
            members.clear();
        }
        Ok(members)
    }
}
