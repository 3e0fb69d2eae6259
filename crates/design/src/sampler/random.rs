use rand_chacha::ChaCha8Rng;

use crate::{Design, DesignError, Observation, Sampler, Space};

/// Draws each design afresh, as [`Space::sample`] does, whatever the history: the yardstick of every
/// other sampler.
///
/// # Reference
/// Bergstra & Bengio 2012, "Random Search for Hyper-Parameter Optimization".
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl Sampler for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn suggest(
        &mut self,
        space: &Space,
        _history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        space.sample(rng)
    }
}
