use candor_core::{Hints, MetricError, PredictionError};
use thiserror::Error;

/// A judgement that cannot be made. Units are counted from 1, as a person counts rows.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ChallengeError {
    /// The instrument is for another kind of prediction or target.
    #[error("{instrument} needs {expected}, got {got}")]
    WrongKind {
        /// The instrument.
        instrument: &'static str,
        /// What it judges.
        expected: &'static str,
        /// What it was given.
        got: &'static str,
    },
    /// Two things that describe the same units, or the same columns, differ in number.
    #[error("{instrument}: expected {expected} {what}, got {got}")]
    Lengths {
        /// The instrument.
        instrument: &'static str,
        /// What is counted.
        what: &'static str,
        /// How many were needed.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// There are fewer units than the instrument needs.
    #[error("{instrument} needs at least {needed} {what}, got {got}")]
    TooFew {
        /// The instrument.
        instrument: &'static str,
        /// What is counted.
        what: &'static str,
        /// The least number.
        needed: usize,
        /// The number that came.
        got: usize,
    },
    /// A true class is not one of the predicted ones.
    #[error(
        "{instrument}: unit {unit} has class {label}, but only classes 0 to {last} are predicted"
    )]
    Label {
        /// The instrument.
        instrument: &'static str,
        /// The unit, from 1.
        unit: usize,
        /// Its class.
        label: u32,
        /// The greatest predicted class.
        last: usize,
    },
    /// A number is not finite.
    #[error("{instrument}: the {what} of unit {unit} is {value}")]
    NotFinite {
        /// The instrument.
        instrument: &'static str,
        /// Which number.
        what: &'static str,
        /// The unit, from 1.
        unit: usize,
        /// The value.
        value: f64,
    },
    /// A row of probabilities is negative somewhere or does not sum to 1.
    #[error("{instrument}: the probabilities of unit {unit} are negative or sum to {sum}, not 1")]
    NotProbabilities {
        /// The instrument.
        instrument: &'static str,
        /// The unit, from 1.
        unit: usize,
        /// Their sum.
        sum: f64,
    },
    /// A setting is out of its range.
    #[error("{instrument}: {name} is {value}, but must be {range}")]
    Setting {
        /// The instrument.
        instrument: &'static str,
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The allowed values, in words.
        range: &'static str,
    },
    /// Every resample left the metric without a value.
    #[error("{instrument}: the metric has no finite value on any of {resamples} resamples")]
    Undefined {
        /// The instrument.
        instrument: &'static str,
        /// Resamples drawn.
        resamples: usize,
    },
    /// The metric itself cannot be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Predictions cannot be combined.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
}

impl Hints for ChallengeError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            ChallengeError::WrongKind { .. } => {
                "choose the instrument that fits the task: classes or numbers"
            }
            ChallengeError::Lengths { .. } => {
                "give one prediction and one true value for each unit, in the same order"
            }
            ChallengeError::TooFew { .. } => {
                "hold back more rows for calibration and test, or leave this challenge out"
            }
            ChallengeError::Label { .. } => {
                "make sure that the classes are numbered as in training; a class that training \
                 never saw cannot be judged"
            }
            ChallengeError::NotFinite { .. } | ChallengeError::NotProbabilities { .. } => {
                "the model's output is broken here: look for a diverged training run or an input \
                 that is not finite"
            }
            ChallengeError::Setting { .. } => "set it to a value in the range",
            ChallengeError::Undefined { .. } => {
                "choose a metric that is defined on small samples, such as `log_loss` or `mae`"
            }
            ChallengeError::Metric(_) => "choose a metric that fits the task and these units",
            ChallengeError::Prediction(_) => "combine members that predict the same units",
        };
        vec![hint.to_owned()]
    }
}

/// Checks that a setting lies strictly between 0 and 1.
pub(crate) fn open_unit(
    instrument: &'static str,
    name: &'static str,
    value: f64,
) -> Result<(), ChallengeError> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(ChallengeError::Setting {
        instrument,
        name,
        value,
        range: "between 0 and 1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_and_where_and_hints_what_to_do() {
        let error = ChallengeError::Label {
            instrument: "calibration error",
            unit: 7,
            label: 4,
            last: 2,
        };
        let text = "calibration error: unit 7 has class 4, but only classes 0 to 2 are predicted";
        assert_eq!(error.to_string(), text);
        assert!(error.hints()[0].contains("numbered as in training"));
    }

    #[test]
    fn the_ends_of_the_unit_interval_and_nan_are_refused() {
        for (value, fine) in [(0.0, false), (1.0, false), (f64::NAN, false), (0.1, true)] {
            assert_eq!(open_unit("gate", "delta", value).is_ok(), fine, "{value}");
        }
    }
}
