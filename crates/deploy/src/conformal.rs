use candor_challenge::{
    ChallengeError, ConformalClassifier, ConformalLabelSets, ConformalMethod,
    ConformalQuantileRegressor, ConformalRegressor, MondrianClassifier, Taxonomy,
};
use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

/// Prediction sets or intervals with a promised coverage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Conformal {
    /// Sets of classes.
    Classifier(ConformalClassifier),
    /// Sets of classes that hold the truth as often as promised for each true class.
    ByClass(MondrianClassifier),
    /// A set of values for each label.
    LabelSets(ConformalLabelSets),
    /// Intervals of numbers, about the predicted mean.
    Regressor(ConformalRegressor),
    /// Intervals of numbers, between predicted quantiles.
    QuantileRegressor(ConformalQuantileRegressor),
}

impl Conformal {
    /// Fits sets (RAPS for three classes or more, else LAC; LAC for each label) or intervals to the distribution at hand.
    ///
    /// # Errors
    /// When predictions and true values do not fit, or `alpha` is not between 0 and 1.
    pub fn fit(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<Conformal, ChallengeError> {
        match predicted {
            Distribution::Categorical { classes, .. } => {
                let method = method_for(*classes);
                ConformalClassifier::fit(method, alpha, predicted, truth, seed)
                    .map(Conformal::Classifier)
            }
            Distribution::Bernoulli { .. } => {
                ConformalLabelSets::fit(alpha, predicted, truth).map(Conformal::LabelSets)
            }
            Distribution::Gaussian { .. } => {
                ConformalRegressor::fit(alpha, predicted, truth).map(Conformal::Regressor)
            }
            Distribution::Quantiles { .. } => {
                ConformalQuantileRegressor::fit(alpha, predicted, truth)
                    .map(Conformal::QuantileRegressor)
            }
        }
    }

    /// Fits sets of classes whose promise is for each true class; what has no classes is fitted as by [`Conformal::fit`].
    ///
    /// # Errors
    /// As [`Conformal::fit`].
    pub fn fit_by_class(
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<Conformal, ChallengeError> {
        let Distribution::Categorical { classes, .. } = predicted else {
            return Conformal::fit(alpha, predicted, truth, seed);
        };
        let (method, taxonomy) = (method_for(*classes), Taxonomy::CLASSES);
        MondrianClassifier::fit(method, alpha, predicted, truth, taxonomy, seed)
            .map(Conformal::ByClass)
    }

    /// The sets of predicted classes, most probable class first; `None` when it makes no sets of classes.
    ///
    /// # Errors
    /// When predictions are not probabilities of as many classes.
    pub fn sets_of_classes(
        &self,
        predicted: &Distribution,
    ) -> Result<Option<Vec<Vec<u32>>>, ChallengeError> {
        match self {
            Conformal::Classifier(sets) => sets.predict(predicted).map(Some),
            Conformal::ByClass(sets) => sets.predict(predicted, None).map(Some),
            _ => Ok(None),
        }
    }

    /// The promised coverage, 0 to 1.
    pub fn coverage(&self) -> f64 {
        1.0 - match self {
            Conformal::Classifier(c) => c.alpha,
            Conformal::ByClass(c) => c.alpha,
            Conformal::LabelSets(l) => l.alpha,
            Conformal::Regressor(r) => r.alpha,
            Conformal::QuantileRegressor(r) => r.alpha,
        }
    }
}

/// RAPS where sets can be long.
fn method_for(classes: usize) -> ConformalMethod {
    match classes {
        0..=2 => ConformalMethod::Lac,
        _ => ConformalMethod::RAPS,
    }
}
