use candor_challenge::{BatchShift, ChallengeError};
use candor_core::Target;

use crate::{Answer, DeployError, Prediction, Predictor};

/// Classes, labels or numbers that a batch is compared by, at most; the first ones.
const MOST_OUTPUTS: usize = 10;
/// Scores of strangeness beyond are equally strange; an infinite one could not be compared.
const STRANGEST: f64 = 1e30;

/// The numbers of answers by which a batch is compared with usual units: what is predicted, how sure the model is, how far its members
/// disagree, and how strange the units are. Answers for units that could not be read are left out.
pub fn batch_columns(target: &Target, answers: &[Answer]) -> Vec<(String, Vec<f64>)> {
    let read: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.prediction != Prediction::Nothing)
        .collect();
    let column = |name: &str, of: &dyn Fn(&Answer) -> f64| {
        let values: Vec<f64> = read.iter().map(|answer| of(answer)).collect();
        (name.to_owned(), values)
    };
    let at = |values: &[f64], place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    let mut columns = vec![
        column("confidence", &|a| a.confidence),
        column("disagreement", &|a| a.epistemic),
    ];
    if read.iter().all(|answer| answer.strangeness.is_some()) {
        let score = |a: &Answer| a.strangeness.map_or(f64::NAN, |s| s.score.min(STRANGEST));
        columns.push(column("strangeness", &score));
    }
    // Of two classes one says all.
    let classes = &target.classes;
    let first = usize::from(classes.len() == 2);
    for (place, class) in classes.iter().enumerate().skip(first).take(MOST_OUTPUTS) {
        let of = |a: &Answer| match &a.prediction {
            Prediction::Class { probabilities, .. } => at(probabilities, place),
            _ => f64::NAN,
        };
        columns.push(column(&format!("probability of {class}"), &of));
    }
    for (place, name) in target.names.iter().enumerate().take(MOST_OUTPUTS) {
        let of = |a: &Answer| match &a.prediction {
            Prediction::Labels { probabilities, .. } => at(probabilities, place),
            Prediction::Number { mean, .. } => at(mean, place),
            _ => f64::NAN,
        };
        columns.push(column(&format!("predicted {name}"), &of));
    }
    // What this kind of prediction does not say is no number.
    columns.retain(|(_, values)| values.iter().all(|v| !v.is_nan()));
    columns
}

impl Predictor {
    /// Compares a batch of answers with those for usual units; `None` when it has fewer than 20 units that could
    /// be read, or the bundle knows nothing of usual ones.
    ///
    /// # Errors
    /// When `level` is not between 0 and 1.
    pub fn shift(&self, answers: &[Answer], level: f64) -> Result<Option<BatchShift>, DeployError> {
        let Some(reference) = &self.parts().shift else {
            return Ok(None);
        };
        let columns = batch_columns(&self.parts().target, answers);
        match reference.test(&columns, level) {
            // A batch in which a number is missing or not finite cannot be compared.
            Err(ChallengeError::Lengths { .. } | ChallengeError::NotFinite { .. }) => Ok(None),
            judged => Ok(judged?),
        }
    }
}

/// What a shifted batch means, in a sentence for people.
pub fn shift_in_words(shift: &BatchShift, units: &str) -> String {
    let most: Vec<&str> = shift
        .columns
        .iter()
        .filter(|column| column.p_value <= shift.level)
        .take(3)
        .map(|column| column.name.as_str())
        .collect();
    format!(
        "these {} {units} together differ from those that the model was tested on (p = {:.1e}; most in: {}): its promises were made for \
         {units} like those. It is also so for {units} that it learned from, of which it is surer than of new ones.",
        shift.units,
        shift.p_value,
        most.join(", ")
    )
}
