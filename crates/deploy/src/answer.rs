use candor_challenge::Reason;
use serde::{Deserialize, Serialize};

/// Everything that is said of one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The unit's number, from 1.
    pub row: usize,
    /// What the unit is called in its source, where it has a name beside its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the model predicts; given even when it abstains, so that a person can look at it.
    pub prediction: Prediction,
    /// The probability, by the model's own word, that the prediction is right (for labels: all of them; for numbers: within the
    /// tolerance).
    pub confidence: f64,
    /// Whole uncertainty: entropy in nats (the sum over labels), or variance in squared target units (the mean over targets).
    pub uncertainty: f64,
    /// The part that lies in the data: more training would not remove it.
    pub aleatoric: f64,
    /// The part that lies in the model: its members disagree.
    pub epistemic: f64,
    /// How unlike the training data the unit is; `None` when no network was trained.
    pub strangeness: Option<Strangeness>,
    /// Why there is no answer; `None` when there is one.
    pub abstained: Option<Reason>,
    /// The same in words.
    pub reason: Option<String>,
}

impl Answer {
    /// The answer for a unit (from 1) that could not be read: none, and why.
    pub fn unreadable(row: usize, why: &str) -> Answer {
        Answer {
            row,
            unit: None,
            prediction: Prediction::Nothing,
            confidence: 0.0,
            uncertainty: f64::NAN,
            aleatoric: f64::NAN,
            epistemic: f64::NAN,
            strangeness: None,
            abstained: Some(Reason::Unreadable),
            reason: Some(why.to_owned()),
        }
    }
}

/// The prediction proper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Prediction {
    /// One of some classes.
    Class {
        /// The most probable class.
        class: String,
        /// One a class, in the order of the target's classes.
        probabilities: Vec<f64>,
        /// Classes that hold the true one with the promised coverage; may be empty.
        set: Vec<String>,
    },
    /// Labels, each of which applies or does not.
    Labels {
        /// The more probable value of each label, out of the target's two classes.
        values: Vec<String>,
        /// The probability that each label applies.
        probabilities: Vec<f64>,
        /// For each label the values that hold the true one with the promised coverage: one, both (it is not known), or none.
        sets: Vec<Vec<String>>,
        /// Labels that are listed so that, on average over units, few of those that apply are missed: at most the share that the
        /// sets may miss. Empty in bundles of before there were lists.
        #[serde(default)]
        list: Vec<String>,
    },
    /// Numbers.
    Number {
        /// One a target.
        mean: Vec<f64>,
        /// Standard deviations of the predictive distribution.
        sd: Vec<f64>,
        /// Ends of the intervals that hold the true value with the promised coverage; `None` where there were too few
        /// calibration units for the promise (the interval is then infinite).
        interval: Vec<Option<(f64, f64)>>,
        /// For forecasts, one a horizon: the level at which past errors are cut now, so that in the long run no more is missed than was promised
        /// (`1 - coverage` to begin with, less after many misses). Empty for what is no forecast.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        level: Vec<f64>,
        /// Of two targets or more, one a target, in squared units: the part of the variance that lies in the data. The answer's own is the mean
        /// over targets. Empty for one target, of which the answer says the same.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aleatoric: Vec<f64>,
        /// The part that lies in the model, likewise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        epistemic: Vec<f64>,
    },
    /// The unit could not be read; its uncertainties are no numbers (`null` in JSON).
    Nothing,
}

/// How unlike the training data a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Strangeness {
    /// Distance to the training data, in units of what is typical there.
    pub score: f64,
    /// The share of usual units that are at least as strange.
    pub p_value: f64,
}
