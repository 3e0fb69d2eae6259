use candor_core::Task;
use candor_design::{Choice, DesignError, Space};
use candor_train::Recipe;
use serde::{Deserialize, Serialize};

/// What a word counts in a linear model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// The logarithm of how often it stands there, times that of how rare it is (tf-idf).
    #[default]
    Rarity,
    /// Whether it stands there, times the logarithm of how much more often it does in texts of the class.
    NaiveBayes,
}

/// How a network sees a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextBody {
    /// The mean of the vectors of its words, and of pairs of words.
    Embeddings,
    /// Filters over three and five words, and the greatest of what each gives.
    Filters,
}

/// One network for texts, with its training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextDesign {
    /// How it sees a text.
    #[serde(rename = "model")]
    pub body: TextBody,
    /// Length of the vector of a word.
    pub width: usize,
    /// Filters of each length.
    pub filters: usize,
    /// Share of numbers dropped in training.
    pub dropout: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
}

impl Default for TextDesign {
    fn default() -> TextDesign {
        TextDesign {
            body: TextBody::Embeddings,
            width: 32,
            filters: 32,
            dropout: 0.3,
            learning_rate: 5e-3,
            weight_decay: 1e-1,
            label_smoothing: 0.0,
        }
    }
}

/// A linear model on words, in a design.
pub(crate) const BAG_OF_WORDS: &str = "bag_of_words";

impl TextDesign {
    /// Why the design cannot be built, if so.
    ///
    /// # Errors
    /// In words, which value is out of range.
    pub fn check(&self) -> Result<(), String> {
        let whole = |what: &str, value: usize| {
            if (1..=512).contains(&value) {
                return Ok(());
            }
            Err(format!("`{what}` is {value}, outside 1 to 512"))
        };
        let real = |what: &str, value: f64, high: f64| {
            if (0.0..=high).contains(&value) {
                return Ok(());
            }
            Err(format!("`{what}` is {value}, outside 0 to {high}"))
        };
        whole("width", self.width)?;
        whole("filters", self.filters)?;
        real("dropout", self.dropout, 0.99)?;
        real("learning_rate", self.learning_rate, 10.0)?;
        real("weight_decay", self.weight_decay, 100.0)?;
        real("label_smoothing", self.label_smoothing, 0.99)
    }

    /// The recipe of its training on so many texts.
    pub fn recipe(&self, texts: usize) -> Recipe {
        let batch_size = (texts / 16).next_power_of_two().clamp(8, 64);
        let steps_per_epoch = texts.div_ceil(batch_size).max(1);
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            epochs: (1000 / steps_per_epoch).clamp(6, 100),
            patience: 16,
            final_rate: 0.01,
            averaging: 0.9,
            ..Recipe::default()
        }
    }
}

/// The designs that a search over texts may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn text_space(task: Task) -> Result<Space, DesignError> {
    let networks = ["embeddings", "filters"];
    let mut choices = vec![
        Choice::categorical("model", [BAG_OF_WORDS, "embeddings", "filters"]),
        Choice::ordered("width", [8, 16, 32, 64, 96]).when("model", networks),
        Choice::ordered("filters", [16, 32, 64]).when("model", ["filters"]),
        Choice::categorical("dropout", [0.0, 0.2, 0.3, 0.5]).when("model", networks),
        Choice::log_reals("learning_rate", 5e-4, 2e-2).when("model", networks),
        Choice::log_reals("weight_decay", 1e-4, 1.0).when("model", networks),
    ];
    if task.is_classification() {
        let weighting = Choice::categorical("weighting", ["rarity", "naive_bayes"]);
        choices.push(weighting.when("model", [BAG_OF_WORDS]));
        let smoothing = Choice::categorical("label_smoothing", [0.0, 0.1]);
        choices.push(smoothing.when("model", networks));
    }
    Space::new(choices)
}
