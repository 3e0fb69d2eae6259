use candor_core::Seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LAG;
use crate::{Choice, Design, DesignError, SamplerKind, Space};

/// What a study does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudySettings {
    /// The name in the store.
    pub name: String,
    /// Where the sampler's randomness comes from.
    pub seed: Seed,
    /// Threads, at least 1; more than [`LAG`] are not used. Does not change the results.
    pub jobs: usize,
    /// Trials in all, first ones included, at least 1; `None` when only the clock limits them.
    pub trials: Option<usize>,
    /// Rungs of successive halving, at least 1. With 1 every trial is trained once.
    pub rungs: usize,
    /// One in how many trials of a rung is promoted, at least 2.
    pub eta: usize,
    /// The first trials, in this order.
    pub first: Vec<First>,
    /// Who proposes the other ones.
    pub sampler: SamplerKind,
}

/// A design that a study tries before its sampler is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct First {
    /// The design.
    pub design: Design,
    /// Who proposed it.
    pub origin: String,
    /// Whether it goes through all rungs whatever its loss.
    pub always_promote: bool,
    /// Whether it lies outside the space, as a baseline that is no network does. It is then neither
    /// checked against the space nor shown to the sampler.
    pub outside: bool,
}

impl First {
    /// A strong design of the space, made by hand: goes through all rungs.
    pub fn hand_made(design: Design) -> First {
        First {
            design,
            origin: "hand-made".to_owned(),
            always_promote: true,
            outside: false,
        }
    }

    /// A baseline outside the space: goes through all rungs.
    pub fn baseline(design: Design) -> First {
        First {
            design,
            origin: "baseline".to_owned(),
            always_promote: true,
            outside: true,
        }
    }
}

/// All that the results of a study depend on.
#[derive(Serialize)]
struct Identity<'a> {
    seed: u64,
    trials: Option<usize>,
    rungs: usize,
    eta: usize,
    first: &'a [First],
    sampler: SamplerKind,
    lag: usize,
    space: &'a [Choice],
    rule: Option<&'a str>,
}

impl StudySettings {
    /// A study without first trials: one thread, one rung, eta 3, no limit of trials, default sampler.
    pub fn new(name: impl Into<String>, seed: Seed) -> StudySettings {
        StudySettings {
            name: name.into(),
            seed,
            jobs: 1,
            trials: None,
            rungs: 1,
            eta: 3,
            first: Vec::new(),
            sampler: SamplerKind::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), DesignError> {
        let least = [
            ("jobs", self.jobs, 1),
            ("trials", self.trials.unwrap_or(1), 1),
            ("rungs", self.rungs, 1),
            ("eta", self.eta, 2),
        ];
        for (setting, got, least) in least {
            if got < least {
                return Err(self.refuse(setting, format!("is {got}, but must be at least {least}")));
            }
        }
        if self.name.is_empty() {
            return Err(self.refuse("name", "is empty".to_owned()));
        }
        Ok(())
    }

    /// The settings and the space as the store keeps them; equal for equal results.
    pub(super) fn identity(&self, space: &Space) -> Result<Value, DesignError> {
        let identity = Identity {
            seed: self.seed.0,
            trials: self.trials,
            rungs: self.rungs,
            eta: self.eta,
            first: &self.first,
            sampler: self.sampler,
            lag: LAG,
            space: space.choices(),
            rule: space.rule(),
        };
        serde_json::to_value(identity).map_err(|source| DesignError::Unserialisable {
            what: "the settings of the study",
            source,
        })
    }

    pub(super) fn refuse(&self, setting: &'static str, problem: String) -> DesignError {
        DesignError::BadSetting {
            study: self.name.clone(),
            setting,
            problem,
        }
    }
}
