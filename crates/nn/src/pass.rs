use rand_chacha::ChaCha8Rng;

use crate::BatchStatistics;

/// One forward pass: training, with the stream from which dropout draws; evaluation; a pass that takes the statistics by
/// which evaluation normalises; or evaluation of a network thinned at random.
#[derive(Debug)]
pub struct Pass<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Training(&'a mut ChaCha8Rng),
    Evaluation,
    Statistics(&'a mut BatchStatistics),
    Thinned(&'a mut ChaCha8Rng),
}

impl<'a> Pass<'a> {
    /// A pass of training.
    pub fn training(stream: &'a mut ChaCha8Rng) -> Pass<'a> {
        Pass(Kind::Training(stream))
    }

    /// A pass of evaluation: deterministic, nothing is dropped, no unit influences another.
    pub fn evaluation() -> Pass<'static> {
        Pass(Kind::Evaluation)
    }

    /// A pass in which layers normalise by the batch, as in training, and note by what; nothing is dropped.
    pub fn statistics(found: &'a mut BatchStatistics) -> Pass<'a> {
        Pass(Kind::Statistics(found))
    }

    /// A pass of evaluation through one network of those that dropout trained: features are dropped, the same ones for all units, so that
    /// each unit's answer is a function of the unit and the stream alone (Gal & Ghahramani, ICML 2016: one draw of the weights).
    pub fn thinned(stream: &'a mut ChaCha8Rng) -> Pass<'a> {
        Pass(Kind::Thinned(stream))
    }

    /// The stream, in training.
    pub fn stream(&mut self) -> Option<&mut ChaCha8Rng> {
        match &mut self.0 {
            Kind::Training(stream) => Some(stream),
            Kind::Evaluation | Kind::Statistics(_) | Kind::Thinned(_) => None,
        }
    }

    /// The stream, where features are dropped alike for all units.
    pub(crate) fn thinning(&mut self) -> Option<&mut ChaCha8Rng> {
        match &mut self.0 {
            Kind::Thinned(stream) => Some(stream),
            _ => None,
        }
    }

    /// Whether layers normalise by the moments of the batch, else by those that they keep.
    pub fn normalises_by_batch(&self) -> bool {
        matches!(self.0, Kind::Training(_) | Kind::Statistics(_))
    }

    /// Where layers note what they normalise by, if the pass is for that.
    pub(crate) fn found(&mut self) -> Option<&mut BatchStatistics> {
        match &mut self.0 {
            Kind::Statistics(found) => Some(found),
            Kind::Training(_) | Kind::Evaluation | Kind::Thinned(_) => None,
        }
    }
}
