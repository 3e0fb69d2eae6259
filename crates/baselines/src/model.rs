use candor_core::{Clock, Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

use crate::boosting::Boosting;
use crate::bytes::{Reader, Writer};
use crate::forest::Forest;
use crate::linear::Linear;
use crate::outcome::{Outcome, Trained, Training, moments};
use crate::probability::{Link, distribution};
use crate::tree::bounded;
use crate::trivial::Trivial;
use crate::{BaselineError, BinnedMatrix, BoostingConfig, ForestConfig, LinearConfig, Matrix};

/// The first bytes of a stored model.
const MAGIC: &[u8; 4] = b"CNBL";

/// The layout of stored models. Raised by every change; older ones stay readable.
const FORMAT: u16 = 1;

/// Variance that a prediction has at least, as a share of the target's: nothing is known exactly.
const LEAST_VARIANCE: f64 = 1e-6;

/// A classical model to be fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BaselineConfig {
    /// The shares of the classes, or the means of the targets.
    Trivial,
    /// Logistic or ridge regression.
    Linear(LinearConfig),
    /// Gradient-boosted trees.
    Boosting(BoostingConfig),
    /// Random forest or extremely randomised trees.
    Forest(ForestConfig),
}

impl BaselineConfig {
    /// One of each with its defaults, the cheapest first: trivial, linear, random forest, extra trees, boosting.
    pub fn all() -> Vec<BaselineConfig> {
        vec![
            BaselineConfig::Trivial,
            BaselineConfig::Linear(LinearConfig::default()),
            BaselineConfig::Forest(ForestConfig::default()),
            BaselineConfig::Forest(ForestConfig::extra_trees()),
            BaselineConfig::Boosting(BoostingConfig::default()),
        ]
    }

    /// The name on a leaderboard.
    pub fn name(&self) -> &'static str {
        match self {
            BaselineConfig::Trivial => "trivial",
            BaselineConfig::Linear(_) => "linear",
            BaselineConfig::Boosting(_) => "gradient boosting",
            BaselineConfig::Forest(config) if config.extra_random_thresholds => "extra trees",
            BaselineConfig::Forest(_) => "random forest",
        }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting outside its range.
    pub fn check(&self) -> Result<(), BaselineError> {
        match self {
            BaselineConfig::Trivial => Ok(()),
            BaselineConfig::Linear(config) => config.check(),
            BaselineConfig::Boosting(config) => config.check(),
            BaselineConfig::Forest(config) => config.check(),
        }
    }
}

/// Everything that folds and designs share: features, their bins and the truth, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    /// The features.
    pub matrix: &'a Matrix,
    /// The same features in bins.
    pub binned: &'a BinnedMatrix,
    /// The truth. Only rows that are trained or validated on are looked at.
    pub targets: &'a Targets,
    /// Width of the predictive distribution: all classes there are (also those without training rows), at
    /// least 2, or all numeric targets.
    pub outputs: usize,
}

/// A fitted model and how fitting went.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The model.
    pub model: Baseline,
    /// The time was used up before all iterations were done; what there was is kept.
    pub stopped_early: bool,
    /// Loss on the validation rows (log loss, or mean squared error in units of the target's training
    /// variance) after each iteration (boosting; with several targets one booster after the other), tree
    /// (forest) or strength of the penalty (linear). Empty without validation rows and for `trivial`.
    pub history: Vec<f64>,
}

/// A fitted classical model.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    outcome: Outcome,
    /// One a target; empty for classes.
    variance: Vec<f32>,
    model: Model,
}

#[derive(Debug, Clone, PartialEq)]
enum Model {
    Trivial(Trivial),
    Linear(Linear),
    Boosting(Boosting),
    Forest(Forest),
}

/// Fits a model on the training rows; the validation rows stop boosting, choose the penalty of a linear
/// model and give the variance of regression predictions (without them the training rows do, which makes
/// it too small for trees).
///
/// # Errors
/// When parts of the dataset do not fit each other, a setting is outside its range, the clock was
/// interrupted, or the time was used up before the first iteration was complete.
pub fn fit(
    config: &BaselineConfig,
    dataset: &Dataset<'_>,
    train: &[usize],
    validation: &[usize],
    seed: Seed,
    clock: &Clock,
) -> Result<Fitted, BaselineError> {
    let training = Training::new(dataset, train, validation)?;
    let trained = match config {
        BaselineConfig::Trivial => Trained {
            model: Model::Trivial(Trivial::fit(&training)),
            stopped_early: false,
            history: Vec::new(),
        },
        BaselineConfig::Linear(config) => Linear::fit(config, &training, clock)?.map(Model::Linear),
        BaselineConfig::Boosting(config) => {
            Boosting::fit(config, &training, seed, clock)?.map(Model::Boosting)
        }
        BaselineConfig::Forest(config) => {
            Forest::fit(config, &training, seed, clock)?.map(Model::Forest)
        }
    };
    let Trained {
        model,
        stopped_early,
        history,
    } = trained;
    let variance = residual_variance(&model, &training)?;
    let model = Baseline {
        outcome: training.outcome,
        variance,
        model,
    };
    Ok(Fitted {
        model,
        stopped_early,
        history,
    })
}

/// Mean squared residual of each target on the validation rows, or on the training rows without any.
fn residual_variance(model: &Model, training: &Training<'_>) -> Result<Vec<f32>, BaselineError> {
    let Outcome::Values(targets) = training.outcome else {
        return Ok(Vec::new());
    };
    let rows = if training.validation.is_empty() {
        training.train
    } else {
        training.validation
    };
    let means = model.scores(&training.matrix.select(rows))?;
    let of_target = |target: usize| {
        let truth = training.values(rows, target);
        let said = means.iter().skip(target).step_by(targets);
        let squares: f64 = said.zip(&truth).map(|(mean, y)| (mean - y).powi(2)).sum();
        let deviation = moments(&training.values(training.train, target)).1;
        let least = (LEAST_VARIANCE * deviation * deviation).max(f64::from(f32::MIN_POSITIVE));
        bounded((squares / rows.len() as f64).max(least))
    };
    Ok((0..targets).map(of_target).collect())
}

impl<M> Trained<M> {
    fn map(self, to: impl FnOnce(M) -> Model) -> Trained<Model> {
        let Trained {
            model,
            stopped_early,
            history,
        } = self;
        Trained {
            model: to(model),
            stopped_early,
            history,
        }
    }
}

impl Model {
    fn scores(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        match self {
            Model::Trivial(model) => model.scores(matrix),
            Model::Linear(model) => model.scores(matrix),
            Model::Boosting(model) => model.scores(matrix),
            Model::Forest(model) => model.scores(matrix),
        }
    }

    fn link(&self) -> Link {
        match self {
            Model::Trivial(_) | Model::Forest(_) => Link::Shares,
            Model::Linear(_) | Model::Boosting(_) => Link::Logits,
        }
    }
}

impl Baseline {
    /// What the model says of every row: probabilities strictly between 0 and 1, or a normal distribution
    /// whose variance is the same for all rows.
    ///
    /// # Errors
    /// When the matrix has other columns than the one the model was fitted on.
    pub fn predict(&self, matrix: &Matrix) -> Result<Distribution, BaselineError> {
        let scores = self.model.scores(matrix)?;
        Ok(distribution(
            self.outcome,
            self.model.link(),
            &scores,
            &self.variance,
        ))
    }

    /// Numbers stored: weights, or thresholds (a set of categories counts as one) and leaf values.
    pub fn parameters(&self) -> usize {
        let model = match &self.model {
            Model::Trivial(model) => model.parameters(),
            Model::Linear(model) => model.parameters(),
            Model::Boosting(model) => model.parameters(),
            Model::Forest(model) => model.parameters(),
        };
        model + self.variance.len()
    }

    /// The model as bytes: little-endian, versioned, equal for equal models.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.raw(MAGIC);
        to.u16(FORMAT);
        self.outcome.write(&mut to);
        to.f32s(&self.variance);
        match &self.model {
            Model::Trivial(model) => {
                to.u8(0);
                model.write(&mut to);
            }
            Model::Linear(model) => {
                to.u8(1);
                model.write(&mut to);
            }
            Model::Boosting(model) => {
                to.u8(2);
                model.write(&mut to);
            }
            Model::Forest(model) => {
                to.u8(3);
                model.write(&mut to);
            }
        }
        to.finish()
    }

    /// Reads what [`Baseline::to_bytes`] wrote. Predictions are equal to the last bit.
    ///
    /// # Errors
    /// When the bytes are not a model, or one of a newer version. Any bytes may be given: nothing is
    /// trusted, and memory and time are bounded by their number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Baseline, BaselineError> {
        let mut from = Reader::new(bytes);
        if from.raw(MAGIC.len())? != MAGIC {
            return Err(BaselineError::Corrupt {
                at: 0,
                reason: "it is not a model",
            });
        }
        let found = from.u16()?;
        if found > FORMAT {
            return Err(BaselineError::Version {
                found,
                supported: FORMAT,
            });
        }
        let outcome = Outcome::read(&mut from)?;
        let variance = from.f32s()?;
        let expected = match outcome {
            Outcome::Classes(_) => 0,
            Outcome::Values(targets) => targets,
        };
        if variance.len() != expected || variance.iter().any(|&variance| variance <= 0.0) {
            return Err(from.corrupt("the variances do not fit"));
        }
        let model = match from.u8()? {
            0 => Model::Trivial(Trivial::read(&mut from, outcome)?),
            1 => Model::Linear(Linear::read(&mut from, outcome)?),
            2 => Model::Boosting(Boosting::read(&mut from, outcome)?),
            3 => Model::Forest(Forest::read(&mut from, outcome)?),
            _ => return Err(from.corrupt("unknown kind of model")),
        };
        from.end()?;
        Ok(Baseline {
            outcome,
            variance,
            model,
        })
    }
}
