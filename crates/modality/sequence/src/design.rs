use candor_core::Task;
use candor_design::{Choice, DesignError, Space};
use candor_train::Recipe;
use serde::{Deserialize, Serialize};

use crate::Scaling;
use crate::kernels::KernelKind;

/// How a network sees a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// [`crate::body::Inception`].
    Inception,
    /// [`crate::body::CausalConvolutions`].
    CausalConvolutions,
    /// [`crate::body::Recurrent`] with long short-term memories.
    Lstm,
    /// [`crate::body::Recurrent`] with gated recurrent units.
    Gru,
    /// [`crate::body::Patches`].
    Patches,
}

/// One network for series, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequenceDesign {
    /// How it sees a series.
    #[serde(rename = "model")]
    pub body: BodyKind,
    /// On what scale it sees it.
    pub scaling: Scaling,
    /// Filters of a convolution, hidden numbers, or numbers of a patch.
    pub width: usize,
    /// Layers: modules, levels of dilation, layers of recurrence or blocks of attention.
    pub depth: usize,
    /// Readings under the longest filter (convolutions).
    pub kernel: usize,
    /// Share of numbers dropped in training.
    pub dropout: f64,
    /// Whether training sees series that are changed a little: scaled, moved, with noise.
    pub jitter: bool,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
}

impl Default for SequenceDesign {
    fn default() -> SequenceDesign {
        SequenceDesign {
            body: BodyKind::Inception,
            scaling: Scaling::Training,
            width: 16,
            depth: 3,
            kernel: 39,
            dropout: 0.0,
            jitter: false,
            learning_rate: 2e-3,
            weight_decay: 1e-2,
            label_smoothing: 0.0,
        }
    }
}

/// Choices of a design that numbers do not have.
pub(crate) const OF_CLASSES: [&str; 1] = ["label_smoothing"];
/// Bodies whose filters have a length.
pub(crate) const WITH_KERNEL: [&str; 2] = ["inception", "causal_convolutions"];
/// Random kernels with a linear map, in a design.
pub(crate) const RANDOM_KERNELS: &str = "random_kernels";

impl SequenceDesign {
    /// Why the design cannot be built, if so. Saved designs come from outside and are checked before anything is allocated.
    ///
    /// # Errors
    /// In words, which value is out of range.
    pub fn check(&self) -> Result<(), String> {
        let whole = |what: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(format!("`{what}` is {value}, outside {low} to {high}"))
        };
        let real = |what: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(format!("`{what}` is {value}, outside {low} to {high}"))
        };
        whole("width", self.width, 4, 1024)?;
        if !self.width.is_multiple_of(4) {
            return Err(format!("`width` is {}, not a multiple of 4", self.width));
        }
        whole("depth", self.depth, 1, 16)?;
        whole("kernel", self.kernel, 3, 255)?;
        real("dropout", self.dropout, 0.0, 0.99)?;
        real("learning_rate", self.learning_rate, 0.0, 10.0)?;
        real("weight_decay", self.weight_decay, 0.0, 100.0)?;
        real("label_smoothing", self.label_smoothing, 0.0, 0.99)
    }

    /// The recipe of its training on so many series.
    pub fn recipe(&self, series: usize) -> Recipe {
        let batch_size = (series / 8).next_power_of_two().clamp(8, 64);
        let steps_per_epoch = series.div_ceil(batch_size).max(1);
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            // Small sets need many passes, large ones few; a deadline runs through the schedule in the time that there is.
            epochs: (1600 / steps_per_epoch).clamp(12, 200),
            patience: 24,
            warmup: 0.05,
            final_rate: 0.01,
            averaging: 0.98,
            ..Recipe::default()
        }
    }
}

/// Random convolution kernels with a ridge regression on their features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KernelDesign {
    /// Which kernels.
    pub kernels: KernelKind,
    /// About how many features.
    pub features: usize,
    /// On what scale they see a series.
    pub scaling: Scaling,
}

impl Default for KernelDesign {
    fn default() -> KernelDesign {
        KernelDesign {
            kernels: KernelKind::Minirocket,
            features: 10_000,
            scaling: Scaling::Training,
        }
    }
}

impl KernelDesign {
    /// Why the design cannot be built, if so.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        if (84..=200_000).contains(&self.features) {
            return Ok(());
        }
        Err(format!(
            "`features` is {}, outside 84 to 200000",
            self.features
        ))
    }
}

/// The designs that a search may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(task: Task) -> Result<Space, DesignError> {
    let networks = ["inception", "causal_convolutions", "lstm", "gru", "patches"];
    let mut choices = vec![
        Choice::categorical(
            "model",
            [
                "inception",
                "causal_convolutions",
                "lstm",
                "gru",
                "patches",
                RANDOM_KERNELS,
            ],
        ),
        Choice::categorical("scaling", ["training", "series"]),
        Choice::categorical("kernels", ["minirocket", "multirocket", "rocket"])
            .when("model", [RANDOM_KERNELS]),
        Choice::ordered("features", [2_000, 5_000, 10_000, 20_000]).when("model", [RANDOM_KERNELS]),
        Choice::ordered("width", [8, 16, 24, 32, 48, 64, 96]).when("model", networks),
        Choice::integers("depth", 1, 6).when("model", networks),
        Choice::ordered("kernel", [3, 5, 9, 19, 39, 59]).when("model", WITH_KERNEL),
        Choice::categorical("dropout", [0.0, 0.1, 0.2, 0.35]).when("model", networks),
        Choice::categorical("jitter", [false, true]).when("model", networks),
        Choice::log_reals("learning_rate", 3e-4, 1e-2).when("model", networks),
        Choice::log_reals("weight_decay", 1e-4, 3e-1).when("model", networks),
    ];
    if task.is_classification() {
        let [smoothing] = OF_CLASSES;
        choices.push(Choice::categorical(smoothing, [0.0, 0.1]).when("model", networks));
    }
    Space::new(choices)
}
