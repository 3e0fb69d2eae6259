use rand_chacha::ChaCha8Rng;

use crate::BatchStatistics;

/// One forward pass: training, with the stream from which dropout draws; evaluation; or a pass that takes the statistics by
/// which evaluation normalises.
#[derive(Debug)]
pub struct Pass<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Training(&'a mut ChaCha8Rng),
    Evaluation,
    Statistics(&'a mut BatchStatistics),
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

    /// The stream, in training.
    pub fn stream(&mut self) -> Option<&mut ChaCha8Rng> {
        match &mut self.0 {
            Kind::Training(stream) => Some(stream),
            Kind::Evaluation | Kind::Statistics(_) => None,
        }
    }

    /// Whether layers normalise by the moments of the batch, else by those that they keep.
    pub fn normalises_by_batch(&self) -> bool {
        !matches!(self.0, Kind::Evaluation)
    }

    /// Where layers note what they normalise by, if the pass is for that.
    pub(crate) fn found(&mut self) -> Option<&mut BatchStatistics> {
        match &mut self.0 {
            Kind::Statistics(found) => Some(found),
            Kind::Training(_) | Kind::Evaluation => None,
        }
    }
}
