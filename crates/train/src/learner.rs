use std::any::Any;
use std::sync::Arc;

use burn::module::Module;
use candor_core::{Clock, Distribution, Metric, Seed, Stop, Target, Targets, UncertaintyMethod};
use candor_design::{Design, Space};
use candor_nn::{HeadKind, Weights};
use rand::seq::SliceRandom;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::{Evaluation, TrainError};

/// The units of a source in the form in which one modality's models take them.
#[derive(Clone)]
pub struct Units {
    len: usize,
    at_once: usize,
    held: Arc<dyn Any + Send + Sync>,
}

/// Units that are predicted at a time, where they do not say otherwise: bounds the memory of many.
const AT_ONCE: usize = 4096;

impl Units {
    /// Wraps `len` units.
    pub fn new<T: Any + Send + Sync>(len: usize, held: T) -> Units {
        Units {
            len,
            at_once: AT_ONCE,
            held: Arc::new(held),
        }
    }

    /// The same units, so many of which should be predicted at a time: more where units share work, such as points of one scan.
    pub fn taken_at_once(self, at_once: usize) -> Units {
        Units {
            at_once: at_once.max(1),
            ..self
        }
    }

    /// Units that should be predicted at a time.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// The number of units.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The units as the modality knows them.
    ///
    /// # Errors
    /// When they belong to another modality.
    pub fn get<T: Any>(&self) -> Result<&T, MemberError> {
        self.held.downcast_ref().ok_or(MemberError::ForeignUnits {
            expected: std::any::type_name::<T>(),
        })
    }
}

impl std::fmt::Debug for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Units({})", self.len)
    }
}

/// What one member says of some units.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberPrediction {
    /// One distribution for each member inside an efficient ensemble; else one.
    pub members: Vec<Distribution>,
    /// Of members that doubt themselves, how much of the doubt in each of `members` is in the data: the expected entropy in nats (of classes one a
    /// unit, of labels `[units, width]`), or the expected variance `[units, width]`. `None`: all of it.
    pub aleatoric: Option<Vec<Vec<f32>>>,
    /// What the head of a network sees, if the member is a network.
    pub features: Option<Features>,
}

/// Vectors that describe units, for distances between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Length of the embedding.
    pub width: usize,
    /// `[units, width]`: mean embedding of the members.
    pub embedding: Vec<f32>,
    /// Length of the prepared input.
    pub input_width: usize,
    /// `[units, input_width]`: the prepared input itself, on comparable scales, not clipped.
    pub input: Vec<f32>,
}

impl MemberPrediction {
    /// The mixture of the members inside.
    ///
    /// # Errors
    /// When there is none.
    pub fn mixture(&self) -> Result<Distribution, candor_core::PredictionError> {
        match self.members.as_slice() {
            [one] => Ok(one.clone()),
            many => Distribution::mixture(&many.iter().map(|m| (1.0, m)).collect::<Vec<_>>()),
        }
    }
}

/// Why a member could not be trained, read or used.
#[derive(Debug, Error)]
pub enum MemberError {
    /// Work was stopped before there was anything to keep.
    #[error("stopped")]
    Stopped(Stop),
    /// Training did not give a usable model.
    #[error("training failed: {0}")]
    Training(String),
    /// The design does not describe a model of this modality.
    #[error("design cannot be built: {0}")]
    Design(String),
    /// The units belong to another modality.
    #[error("the units are not of the kind that this model takes ({expected})")]
    ForeignUnits {
        /// What was needed.
        expected: &'static str,
    },
    /// A saved member is damaged or does not fit together.
    #[error("saved model cannot be read: {0}")]
    Malformed(String),
}

impl From<TrainError> for MemberError {
    fn from(error: TrainError) -> MemberError {
        match error {
            TrainError::Stopped(stop) => MemberError::Stopped(stop),
            other => MemberError::Training(other.to_string()),
        }
    }
}

/// A trained model: one voice of the ensemble.
pub trait Member: Send + Sync {
    /// Whether it is a network (else a classical baseline).
    fn is_network(&self) -> bool;

    /// Numbers that were learned.
    fn parameters(&self) -> u64;

    /// Predicts the units at `indices`; each unit's prediction does not depend on the others.
    ///
    /// # Errors
    /// When the units are of another modality or do not fit.
    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError>;

    /// The member in a form that [`Learner::load`] reads.
    ///
    /// # Errors
    /// When it cannot be written.
    fn save(&self) -> Result<SavedMember, MemberError>;
}

/// A member as files.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedMember {
    /// Design, fitted preparation and the like, as JSON.
    pub description: Value,
    /// Extension of the file that holds the learned numbers: `safetensors` for networks.
    pub extension: &'static str,
    /// The learned numbers.
    pub numbers: Vec<u8>,
}

impl SavedMember {
    /// A network: what describes it, and its weights.
    ///
    /// # Errors
    /// When the description is no JSON, or the weights cannot be written.
    pub fn of_network(
        description: &impl Serialize,
        network: &impl Module,
    ) -> Result<SavedMember, MemberError> {
        SavedMember::of_weights(description, &Weights::of(network))
    }

    /// The same of weights, with what stands beside them.
    ///
    /// # Errors
    /// When the description is no JSON, or the weights cannot be written.
    pub fn of_weights(
        description: &impl Serialize,
        weights: &Weights,
    ) -> Result<SavedMember, MemberError> {
        let malformed = |problem: String| MemberError::Malformed(problem);
        Ok(SavedMember {
            description: serde_json::to_value(description).map_err(|e| malformed(e.to_string()))?,
            extension: "safetensors",
            numbers: weights
                .to_safetensors()
                .map_err(|e| malformed(e.to_string()))?,
        })
    }
}

/// One training, stated in full.
pub struct Assignment<'a> {
    /// What to train.
    pub design: &'a Design,
    /// The units.
    pub units: &'a Units,
    /// Their true values.
    pub targets: &'a Targets,
    /// What the values mean.
    pub target: &'a Target,
    /// What to optimise.
    pub metric: Metric,
    /// Units to learn from.
    pub train: &'a [usize],
    /// Units for early stopping; may be empty.
    pub validation: &'a [usize],
    /// All randomness.
    pub seed: Seed,
    /// When to stop.
    pub clock: &'a Clock,
}

impl Assignment<'_> {
    /// How a network shall say what it does not know: what the design asks for under the name `uncertainty`.
    ///
    /// # Errors
    /// When it asks for what is not there.
    pub fn uncertainty(&self) -> Result<UncertaintyMethod, MemberError> {
        let asked = self.design.get("uncertainty").and_then(Value::as_str);
        let method = asked.map_or(Ok(UncertaintyMethod::default()), str::parse);
        method.map_err(MemberError::Design)
    }

    /// The head of a network that says so what it does not know: evidential or the usual one, with smoothed labels.
    ///
    /// # Errors
    /// When evidential networks are asked for several labels.
    pub fn head(
        &self,
        method: UncertaintyMethod,
        label_smoothing: f64,
    ) -> Result<HeadKind, MemberError> {
        if method != UncertaintyMethod::Evidential {
            return Ok(HeadKind::for_target(self.target, label_smoothing));
        }
        HeadKind::evidential(self.target, None).ok_or_else(|| {
            let why = "evidential networks of several labels have no published form";
            MemberError::Design(why.into())
        })
    }
}

/// A trained member and how it went.
pub struct FittedMember {
    /// The member.
    pub member: Box<dyn Member>,
    /// Looks at validation, for the learning curve.
    pub history: Vec<Evaluation>,
    /// Things that went otherwise than planned and were handled.
    pub warnings: Vec<String>,
    /// Whether time ran out before training was complete.
    pub stopped_early: bool,
}

impl FittedMember {
    /// The same with something more to say, if there is.
    pub fn warned(mut self, warning: Option<String>) -> FittedMember {
        self.warnings.extend(warning);
        self
    }
}

/// What the pipeline asks of a modality once its source is read, curated and split.
pub trait Learner: Send + Sync {
    /// The designs that can be tried.
    fn space(&self) -> &Space;

    /// Designs by human hand, baselines first, in the order in which they are tried.
    fn hand_made(&self) -> Vec<HandMade>;

    /// The design as it should be trained for much longer than `trained`, a member of it: what keeps a long training from learning its units by
    /// heart is of no use in a short one, so that a search by short trainings cannot find it. `held_out` are units that the member did not
    /// learn from, with the targets of all.
    ///
    /// # Errors
    /// When the member cannot predict.
    fn for_long(
        &self,
        design: &Design,
        _trained: &dyn Member,
        _units: &Units,
        _held_out: &[usize],
        _targets: &Targets,
    ) -> Result<Design, MemberError> {
        Ok(design.clone())
    }

    /// `keep` of the units `rows`, ascending: what a short training learns from. By lot; modalities whose units stand together in one batch
    /// draw such groups.
    fn fewer(&self, rows: &[usize], keep: usize, seed: Seed) -> Vec<usize> {
        let mut rows = rows.to_vec();
        rows.shuffle(&mut seed.stream("rows", &[]));
        rows.truncate(keep);
        rows.sort_unstable();
        rows
    }

    /// How its networks can say what they do not know. A design asks for another than the first under the name `uncertainty`.
    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &[UncertaintyMethod::Ensemble]
    }

    /// Trains one design.
    ///
    /// # Errors
    /// When the design cannot be built, training fails, or it is stopped too early.
    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError>;

    /// Reads a saved member; damaged files give errors, never panics.
    ///
    /// # Errors
    /// When the files are damaged or of another modality.
    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError>;
}

/// A design that stands in every search.
#[derive(Debug, Clone, PartialEq)]
pub struct HandMade {
    /// The design.
    pub design: Design,
    /// A short name, for the leaderboard.
    pub name: &'static str,
    /// Whether it is a baseline (not a network).
    pub baseline: bool,
    /// Whether it is trained in full, however it scores at first: for what others are compared with, if it is cheap.
    pub in_full: bool,
}

impl HandMade {
    /// What networks are compared with, trained in full.
    pub fn baseline(name: &'static str, design: Design) -> HandMade {
        HandMade {
            design,
            name,
            baseline: true,
            in_full: true,
        }
    }

    /// A network, which rises by merit.
    pub fn network(name: &'static str, design: Design) -> HandMade {
        HandMade {
            design,
            name,
            baseline: false,
            in_full: false,
        }
    }
}
