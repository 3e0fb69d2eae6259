use candor_core::Task;
use candor_design::{Choice, DesignError, Space};
use candor_train::Recipe;
use serde::{Deserialize, Serialize};

/// How a network sees a molecule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// [`crate::body::BondMessages`].
    BondMessages,
    /// [`crate::body::AtomMessages`].
    AtomMessages,
    /// [`crate::body::Isomorphism`].
    Isomorphism,
    /// [`crate::body::FingerprintLayer`].
    Fingerprint,
}

/// How the vectors of atoms become one of the molecule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readout {
    /// Their mean: for what does not grow with the molecule.
    Mean,
    /// Their sum: for what does.
    Sum,
    /// A hundredth of their sum, as in Chemprop.
    Norm,
    /// Their mean weighted by a softmax of learned scores (Li et al., "Gated graph sequence neural networks", ICLR 2016, equation 7,
    /// with the softmax in place of the sigmoid).
    Attentive,
}

/// One network for molecules, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MoleculeDesign {
    /// How it sees a molecule.
    #[serde(rename = "model")]
    pub body: BodyKind,
    /// Numbers of a message, and of each layer behind.
    pub width: usize,
    /// Bonds that a message can have come over, at least 1 (not of fingerprints).
    pub depth: usize,
    /// How atoms become a molecule (not of fingerprints).
    pub readout: Readout,
    /// Layers between what was read out and the head.
    pub layers: usize,
    /// Share of numbers dropped after each step and layer in training.
    pub dropout: f64,
    /// Whether simple descriptors stand beside what was read out.
    pub descriptors: bool,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
    /// How much rare classes count in training (classification): 0 as often as they occur, 1 as much as frequent ones.
    pub balance: f64,
}

impl Default for MoleculeDesign {
    /// Chemprop's: messages on bonds, 300 numbers, 3 steps, a hundredth of the sum, one layer of 300.
    fn default() -> MoleculeDesign {
        MoleculeDesign {
            body: BodyKind::BondMessages,
            width: 300,
            depth: 3,
            readout: Readout::Norm,
            layers: 1,
            dropout: 0.0,
            descriptors: false,
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            label_smoothing: 0.0,
            balance: 0.0,
        }
    }
}

/// Molecules of a step, as in Chemprop.
const BATCH: usize = 64;

impl MoleculeDesign {
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
        whole("width", self.width, 1, 4096)?;
        whole("depth", self.depth, 1, 32)?;
        whole("layers", self.layers, 0, 16)?;
        real("dropout", self.dropout, 0.0, 0.99)?;
        real("learning_rate", self.learning_rate, 0.0, 10.0)?;
        real("weight_decay", self.weight_decay, 0.0, 100.0)?;
        real("label_smoothing", self.label_smoothing, 0.0, 0.99)?;
        real("balance", self.balance, 0.0, 1.0)
    }

    /// The recipe of its training on so many molecules.
    ///
    /// Warm-up, peak and end of the learning rate are those of Chemprop's schedule (Vaswani et al., "Attention is all you need", NeurIPS 2017,
    /// section 5.3, with an end); a cosine takes the place of its exponential.
    pub fn recipe(&self, molecules: usize) -> Recipe {
        let batch_size = (molecules / 8).next_power_of_two().clamp(8, BATCH);
        let steps_per_epoch = molecules.div_ceil(batch_size).max(1);
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            // Small sets need many passes, large ones few.
            epochs: (2400 / steps_per_epoch).clamp(20, 160),
            patience: 24,
            warmup: 0.04,
            final_rate: 0.1,
            averaging: 0.98,
            gradient_norm: 1.0,
            ..Recipe::default()
        }
    }
}

/// Choices of a design that numbers do not have.
pub(crate) const OF_CLASSES: [&str; 2] = ["label_smoothing", "balance"];

/// The designs that a search may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(task: Task) -> Result<Space, DesignError> {
    let graphs = ["bond_messages", "atom_messages", "isomorphism"];
    let mut choices = vec![
        Choice::categorical(
            "model",
            [
                "bond_messages",
                "atom_messages",
                "isomorphism",
                "fingerprint",
            ],
        ),
        Choice::categorical("width", [64, 128, 200, 300, 400, 600]),
        Choice::integers("depth", 2, 6).when("model", graphs),
        Choice::categorical("readout", ["mean", "sum", "norm", "attentive"]).when("model", graphs),
        Choice::integers("layers", 1, 3),
        Choice::categorical("dropout", [0.0, 0.1, 0.2, 0.35]),
        Choice::categorical("descriptors", [false, true]),
        Choice::log_reals("learning_rate", 2e-4, 4e-3),
        Choice::log_reals("weight_decay", 1e-6, 1e-1),
    ];
    if task.is_classification() {
        let [smoothing, balance] = OF_CLASSES;
        choices.push(Choice::categorical(smoothing, [0.0, 0.1]));
        choices.push(Choice::categorical(balance, [0.0, 0.5, 1.0]));
    }
    Space::new(choices)
}
