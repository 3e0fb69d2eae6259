use candor_challenge::{
    ChallengeError, ConformalClassifier, ConformalLabelSets, ConformalMethod,
    ConformalQuantileRegressor, ConformalRegressor,
};
use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

/// Prediction sets or intervals with a promised coverage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Conformal {
    /// Sets of classes.
    Classifier(ConformalClassifier),
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
                let method = if *classes > 2 {
                    ConformalMethod::RAPS
                } else {
                    ConformalMethod::Lac
                };
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

    /// The promised coverage, 0 to 1.
    pub fn coverage(&self) -> f64 {
        1.0 - match self {
            Conformal::Classifier(c) => c.alpha,
            Conformal::LabelSets(l) => l.alpha,
            Conformal::Regressor(r) => r.alpha,
            Conformal::QuantileRegressor(r) => r.alpha,
        }
    }
}
