use candor_core::{Metric, Task};
use serde::{Deserialize, Serialize};

use crate::binomial::binomial_cdf;
use crate::clopper_pearson;

/// What happened when the best design was trained on targets that were shuffled between the training units.
///
/// A net can learn shuffled labels by heart (Zhang et al., "Understanding deep learning requires rethinking
/// generalization", 2017), so a high training score proves nothing. On units that it never saw, such a net can only
/// guess; when it does better, true targets reach the model by a way that they must not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// The metric of both scores: accuracy, or R2.
    pub metric: Metric,
    /// Units that it was trained on.
    pub training_units: usize,
    /// Units that it was tested on.
    pub test_units: usize,
    /// Score on the shuffled targets that it was trained on.
    pub train: f64,
    /// Score on true targets of units that it never saw.
    pub test: f64,
    /// Score of somebody who knows only how frequent each class is, or the mean.
    pub chance: f64,
    /// Passes over the training units.
    pub epochs: f64,
    /// Probability of a test score this high or higher by guessing; for numbers `None`.
    pub p_value: Option<f64>,
}

impl Memorisation {
    /// Accuracy of guessing on the test units is at most `chance` (the share of their most frequent class).
    pub fn of_classes(
        train: f64,
        right: usize,
        test_units: usize,
        chance: f64,
        training_units: usize,
        epochs: f64,
    ) -> Memorisation {
        // P(X >= right) = 1 - P(X <= right - 1).
        let p_value = match right {
            0 => 1.0,
            _ => 1.0 - binomial_cdf(right - 1, test_units, chance),
        };
        Memorisation {
            metric: Metric::Accuracy,
            training_units,
            test_units,
            train,
            test: right as f64 / test_units.max(1) as f64,
            chance,
            epochs,
            p_value: Some(p_value),
        }
    }

    /// R2 of both, where the mean has 0.
    pub fn of_numbers(
        train: f64,
        test: f64,
        test_units: usize,
        training_units: usize,
        epochs: f64,
    ) -> Memorisation {
        Memorisation {
            metric: Metric::R2,
            training_units,
            test_units,
            train,
            test,
            chance: 0.0,
            epochs,
            p_value: None,
        }
    }

    /// Whether the test score cannot be luck: p at most 0.001 for classes; for numbers R2 above 0.1 on 50 units or more.
    pub fn leaks(&self) -> bool {
        match self.p_value {
            Some(p) => p <= 0.001,
            None => self.test_units >= 50 && self.test > 0.1,
        }
    }

    /// The 95 % interval of the accuracy on test units; `None` for numbers.
    pub fn interval(&self) -> Option<crate::ProportionInterval> {
        self.p_value?;
        let right = (self.test * self.test_units as f64).round() as usize;
        Some(clopper_pearson(right, self.test_units, 0.95))
    }

    /// The task that the control fits.
    pub fn fits(task: Task) -> bool {
        matches!(task, Task::Binary | Task::Multiclass | Task::Regression)
    }
}
