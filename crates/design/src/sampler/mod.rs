//! Who proposes designs.

mod evolution;
mod random;

use std::fmt;
use std::str::FromStr;

use candor_core::did_you_mean;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use evolution::Evolution;
pub use random::Random;

use crate::{Design, DesignError, Space};

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
/// A suggestion is a function of the space, the history and the generator alone, so that a study can be
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
    /// [`Random`].
    Random,
    /// [`Evolution`] with its default population and tournament.
    #[default]
    Evolution,
}

impl SamplerKind {
    /// Every sampler, in the order in which messages list them.
    pub const ALL: [SamplerKind; 2] = [SamplerKind::Random, SamplerKind::Evolution];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            SamplerKind::Random => "random",
            SamplerKind::Evolution => "evolution",
        }
    }

    /// The sampler.
    pub fn build(self) -> Box<dyn Sampler> {
        match self {
            SamplerKind::Random => Box::new(Random),
            SamplerKind::Evolution => Box::new(Evolution::default()),
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
            let mut used = kind.build();
            let mut history = Vec::new();
            for trial in 0..60 {
                let rng = || Seed(8).stream("test", &[trial as u64]);
                let design = used.suggest(&space, &history, &mut rng()).unwrap();
                assert_eq!(space.check(&design).unwrap(), design, "{kind}");
                let fresh = kind.build().suggest(&space, &history, &mut rng()).unwrap();
                assert_eq!(fresh, design, "{kind} remembers something at trial {trial}");
                let loss = (trial % 5 != 0).then_some(1.0 / (1.0 + trial as f64));
                history.push(Observation {
                    trial,
                    design,
                    rung: 0,
                    loss,
                    parameters: 1,
                });
            }
        }
    }

    #[test]
    fn samplers_are_named_as_they_are_read() {
        for kind in SamplerKind::ALL {
            assert_eq!(kind.name().parse::<SamplerKind>(), Ok(kind));
            assert_eq!(kind.build().name(), kind.name());
        }
        assert_eq!(
            "evolutoin".parse::<SamplerKind>().unwrap_err(),
            "unknown sampler `evolutoin`; one of random, evolution; did you mean `evolution`?"
        );
    }
}
