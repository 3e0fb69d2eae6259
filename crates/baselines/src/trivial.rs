use crate::bytes::{Reader, Writer};
use crate::objective::class_counts;
use crate::outcome::{Outcome, Training};
use crate::tree::bounded;
use crate::{BaselineError, Matrix};

/// Says the same of every row: the shares of the classes, or the means of the targets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trivial {
    /// Columns of the matrix, so that it refuses the same data as the other models.
    columns: usize,
    numbers: Vec<f32>,
}

impl Trivial {
    pub(crate) fn fit(training: &Training<'_>) -> Trivial {
        let numbers = match training.outcome {
            Outcome::Classes(classes) => {
                let counts = class_counts(&training.classes(training.train), classes);
                let total: f64 = counts.iter().sum();
                let skipped = usize::from(classes == 2);
                counts
                    .iter()
                    .skip(skipped)
                    .map(|count| (count / total) as f32)
                    .collect()
            }
            Outcome::Values(targets) => {
                let n = training.train.len() as f64;
                let mean = |t| training.values(training.train, t).iter().sum::<f64>() / n;
                (0..targets).map(|target| bounded(mean(target))).collect()
            }
        };
        Trivial {
            columns: training.matrix.columns().len(),
            numbers,
        }
    }

    /// Shares or means, `[rows, scores]`.
    pub(crate) fn scores(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        let (expected, got) = (self.columns, matrix.columns().len());
        if expected != got {
            return Err(BaselineError::Columns { expected, got });
        }
        let count = matrix.rows() * self.numbers.len();
        Ok(self
            .numbers
            .iter()
            .map(|&n| f64::from(n))
            .cycle()
            .take(count)
            .collect())
    }

    pub(crate) fn parameters(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.count(self.columns);
        to.f32s(&self.numbers);
    }

    pub(crate) fn read(from: &mut Reader<'_>, outcome: Outcome) -> Result<Trivial, BaselineError> {
        let columns = from.number()?;
        let numbers = from.f32s()?;
        if numbers.len() != outcome.scores() {
            return Err(from.corrupt("another number of outputs"));
        }
        Ok(Trivial { columns, numbers })
    }
}
