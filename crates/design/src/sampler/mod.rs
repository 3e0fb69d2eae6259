//! Who proposes designs.

mod auto;
mod controller;
mod evolution;
mod local_search;
mod notebook;
mod parzen;
mod policy;
mod random;
mod sobol;
mod sobol_sequence;
mod surrogate;
mod tpe;

use std::fmt;
use std::str::FromStr;

use candor_core::{Seed, did_you_mean};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use auto::Auto;
pub use controller::{Controller, ControllerSettings, SizeTarget};
pub use evolution::Evolution;
pub use local_search::LocalSearch;
pub use random::Random;
pub use sobol::Sobol;
pub use tpe::Tpe;

use crate::{Design, DesignError, Space};

/// How often a sampler is asked again when it suggests what was tried before.
pub(crate) const RETRIES: usize = 100;

/// What a sampler may know of a finished job.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The trial, from 0.
    pub trial: usize,
    /// The design, valid in the space.
    pub design: Design,
    /// The rung at which it was scored.
    pub rung: usize,
    /// Smaller is better; comparable only within a rung. `None` when the job failed.
    pub loss: Option<f64>,
    /// Trainable parameters; 0 when the job failed.
    pub parameters: u64,
}

/// Proposes designs.
///
/// # Contract
/// A suggestion is a function of the sampler's settings, the space, the history and the generator alone, so that a study can be
/// replayed: whatever a sampler keeps between calls may only save work. The history holds finished jobs
/// in the order in which they were decided on, several for a trial that rose; it may be empty. A design
/// that was tried before may be suggested, and is refused by the study, which then asks again.
pub trait Sampler: Send {
    /// The name as a person writes it.
    fn name(&self) -> &'static str;

    /// The next design to try, valid in the space.
    ///
    /// # Errors
    /// When the space has no valid design.
    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError>;
}

/// The samplers that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// [`Auto`], the mix that was measured to be best.
    #[default]
    Auto,
    /// [`Random`], the yardstick.
    Random,
    /// [`Sobol`].
    Sobol,
    /// [`Evolution`] with its default population and tournament.
    Evolution,
    /// [`Tpe`].
    Tpe,
    /// [`LocalSearch`].
    LocalSearch,
    /// [`Controller`] with its default settings.
    Controller,
}

impl SamplerKind {
    /// Every sampler, in the order in which messages list them.
    pub const ALL: [SamplerKind; 7] = [
        SamplerKind::Auto,
        SamplerKind::Random,
        SamplerKind::Sobol,
        SamplerKind::Evolution,
        SamplerKind::Tpe,
        SamplerKind::LocalSearch,
        SamplerKind::Controller,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            SamplerKind::Auto => "auto",
            SamplerKind::Random => "random",
            SamplerKind::Sobol => "sobol",
            SamplerKind::Evolution => "evolution",
            SamplerKind::Tpe => "tpe",
            SamplerKind::LocalSearch => "local_search",
            SamplerKind::Controller => "controller",
        }
    }

    /// The sampler. `seed` gives what it draws once and for all, such as first weights: the same for the whole study.
    pub fn build(self, seed: Seed) -> Box<dyn Sampler> {
        match self {
            SamplerKind::Auto => Box::new(Auto::new(seed)),
            SamplerKind::Random => Box::new(Random),
            SamplerKind::Sobol => Box::new(Sobol::new(seed)),
            SamplerKind::Evolution => Box::new(Evolution::default()),
            SamplerKind::Tpe => Box::<Tpe>::default(),
            SamplerKind::LocalSearch => Box::<LocalSearch>::default(),
            SamplerKind::Controller => {
                Box::new(Controller::new(ControllerSettings::default(), seed))
            }
        }
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamplerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<SamplerKind, String> {
        let names = SamplerKind::ALL.map(SamplerKind::name);
        SamplerKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                let (known, near) = (names.join(", "), did_you_mean(text, &names));
                format!("unknown sampler `{text}`; one of {known}{near}")
            })
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::Choice;

    /// What every sampler must do, found by listing them.
    #[test]
    fn suggestions_are_valid_and_depend_on_space_history_and_generator_alone() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b"]),
            Choice::log_integers("width", 1, 64),
            Choice::reals("x", -1.0, 1.0).when("kind", ["b"]),
        ])
        .unwrap();
        for kind in SamplerKind::ALL {
            let mut used = kind.build(Seed(3));
            let mut history = Vec::new();
            for trial in 0..60 {
                let rng = || Seed(8).stream("test", &[trial as u64]);
                let design = used.suggest(&space, &history, &mut rng()).unwrap();
                assert_eq!(space.check(&design).unwrap(), design, "{kind}");
                let fresh = kind
                    .build(Seed(3))
                    .suggest(&space, &history, &mut rng())
                    .unwrap();
                assert_eq!(fresh, design, "{kind} remembers something at trial {trial}");
                let loss = (trial % 5 != 0).then_some(1.0 / (1.0 + trial as f64));
                history.push(Observation {
                    trial,
                    design,
                    rung: 0,
                    loss,
                    parameters: 1,
                });
                // Some trials rise, and then change what is known of an earlier one.
                if trial % 7 == 3 {
                    history.push(Observation {
                        rung: 1,
                        loss: Some(1.0 / (2.0 + trial as f64 % 11.0)),
                        ..history[trial / 2].clone()
                    });
                }
            }
            // A used sampler that is shown another history forgets the first one.
            for other in [&history[..30], &history[5..]] {
                let rng = || Seed(8).stream("other", &[]);
                let design = used.suggest(&space, other, &mut rng()).unwrap();
                let fresh = kind
                    .build(Seed(3))
                    .suggest(&space, other, &mut rng())
                    .unwrap();
                assert_eq!(fresh, design, "{kind} remembers another history");
            }
        }
    }

    #[test]
    fn samplers_are_named_as_they_are_read() {
        for kind in SamplerKind::ALL {
            assert_eq!(kind.name().parse::<SamplerKind>(), Ok(kind));
            assert_eq!(kind.build(Seed(0)).name(), kind.name());
        }
        assert_eq!(
            "evolutoin".parse::<SamplerKind>().unwrap_err(),
            "unknown sampler `evolutoin`; one of auto, random, sobol, evolution, tpe, local_search, controller; did you mean `evolution`?"
        );
    }
}
