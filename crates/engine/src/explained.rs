use candor_core::{Distribution, Target, Task};

use crate::EngineError;

/// Probabilities nearer to 0 and 1 are not told apart: 32-bit floats hardly can.
const LEAST_PROBABILITY: f64 = 1e-6;

/// What is explained of each unit: the logarithm of the odds of the class or label in a place, or the mean of the number there. Odds, since
/// probabilities near 0 and 1 hardly move whatever is taken away.
pub(crate) fn explained_values(said: &Distribution, place: usize) -> Vec<f64> {
    let said = said.by_moments();
    let width = said.width().max(1);
    let in_place = |values: &[f32]| -> Vec<f64> {
        let rows = values.chunks_exact(width);
        rows.map(|row| row.get(place).map_or(f64::NAN, |v| f64::from(*v)))
            .collect()
    };
    match &said {
        Distribution::Categorical { probabilities, .. }
        | Distribution::Bernoulli { probabilities, .. } => {
            let odds = |p: f64| {
                let p = p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
                (p / (1.0 - p)).ln()
            };
            in_place(probabilities).into_iter().map(odds).collect()
        }
        Distribution::Gaussian { mean, .. } => in_place(mean),
        Distribution::Quantiles { .. } => vec![f64::NAN; said.len()],
    }
}

/// The class, label or number that is ranked by and explained where nobody says which: the last class, the first label or number.
pub(crate) fn default_place(target: &Target) -> usize {
    match target.task {
        Task::Binary | Task::Multiclass => target.classes.len().saturating_sub(1),
        Task::Multilabel | Task::Regression => 0,
    }
}

/// The place of a class, label or number by its name.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn named_place(target: &Target, by: &str) -> Result<usize, EngineError> {
    let names = match target.task {
        Task::Binary | Task::Multiclass => &target.classes,
        Task::Multilabel | Task::Regression => &target.names,
    };
    let place = names.iter().position(|name| name == by);
    place.ok_or_else(|| EngineError::Setting {
        setting: "by",
        problem: format!("`{by}` is none of {}", names.join(", ")),
    })
}

/// The place of the greatest probability; the first of equal ones.
pub(crate) fn likeliest(probabilities: &[f64]) -> usize {
    let places = probabilities.iter().enumerate();
    let greatest = places.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    greatest.map_or(0, |(place, _)| place)
}

/// What stands in a place, in words that end "... of a unit".
pub(crate) fn name_of_place(target: &Target, place: usize) -> String {
    let name = |names: &[String]| names.get(place).cloned().unwrap_or_default();
    match target.task {
        Task::Binary | Task::Multiclass => format!(
            "probability that {} is {}",
            target.names.first().map_or("the target", String::as_str),
            name(&target.classes)
        ),
        Task::Multilabel => format!("probability of {}", name(&target.names)),
        Task::Regression => name(&target.names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_explained_by_their_odds_and_numbers_by_their_mean() {
        let classes = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.25, 0.75, 0.5, 0.5, 0.0, 1.0],
        };
        let found = explained_values(&classes, 1);
        assert!((found[0] - 3f64.ln()).abs() < 1e-6 && found[1].abs() < 1e-6);
        assert!(found[2].is_finite() && found[2] > 10.0);
        let numbers = Distribution::Gaussian {
            width: 2,
            mean: vec![1.0, 2.0, 3.0, 4.0],
            variance: vec![1.0; 4],
        };
        assert_eq!(likeliest(&[0.2, 0.4, 0.4]), 1);
        assert_eq!(explained_values(&numbers, 1), [2.0, 4.0]);
        assert!(explained_values(&numbers, 5)[0].is_nan());
        let quantiles = Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.5, 0.75],
            values: vec![-1.0, 0.0, 1.0],
        };
        assert!(explained_values(&quantiles, 0)[0].abs() < 1e-6);
    }
}
