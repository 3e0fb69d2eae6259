use candor_core::did_you_mean;
use candor_data::ImageSize;
use candor_design::{Choice, Design, DesignError, Space};
use candor_train::{Optimizer, Recipe};
use serde_json::Value;

use crate::body::{
    CellsConfig, ConvNextConfig, FastResidualConfig, LayersConfig, MobileNetConfig, ResNetConfig,
};
use crate::{Augmentation, Graph, canonical};

/// One network for pictures, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDesign {
    /// The layers between the picture and the embedding.
    pub body: Body,
    /// How pictures are changed in training.
    pub augmentation: Augmentation,
    /// How a step follows from gradients.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
}

/// A body of one of the families; its name in a design is the value of `model`.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `fast_residual`.
    FastResidual(FastResidualConfig),
    /// `resnet`.
    ResNet(ResNetConfig),
    /// `mobilenet`.
    MobileNet(MobileNetConfig),
    /// `convnext`.
    ConvNext(ConvNextConfig),
    /// `layers`.
    Layers(LayersConfig),
    /// `cells`.
    Cells(CellsConfig),
}

/// The families of bodies, in the order of the space.
pub(crate) const FAMILIES: [&str; 6] = [
    "fast_residual",
    "resnet",
    "mobilenet",
    "convnext",
    "layers",
    "cells",
];

impl Body {
    /// The body as a graph of operations on pictures of a size.
    pub fn graph(&self, size: ImageSize) -> Graph {
        match self {
            Body::FastResidual(config) => config.graph(size),
            Body::ResNet(config) => config.graph(size),
            Body::MobileNet(config) => config.graph(size),
            Body::ConvNext(config) => config.graph(size),
            Body::Layers(config) => config.graph(size),
            Body::Cells(config) => config.graph(size),
        }
    }
}

impl ImageDesign {
    /// Reads a design; what it does not say has its default.
    ///
    /// # Errors
    /// In words, which value is unknown or out of range. Nothing is allocated before.
    pub fn read(design: &Design) -> Result<ImageDesign, String> {
        let reader = Reader { design };
        let body = match reader.word("model", &FAMILIES, 0)? {
            0 => Body::FastResidual(FastResidualConfig::read(&reader)?),
            1 => Body::ResNet(ResNetConfig::read(&reader)?),
            2 => Body::MobileNet(MobileNetConfig::read(&reader)?),
            3 => Body::ConvNext(ConvNextConfig::read(&reader)?),
            4 => Body::Layers(LayersConfig::read(&reader)?),
            _ => Body::Cells(CellsConfig::read(&reader)?),
        };
        Ok(ImageDesign {
            body,
            augmentation: Augmentation::read(&reader)?,
            optimizer: match reader.word("optimizer", &Optimizer::NAMES, 0)? {
                0 => Optimizer::AdamW,
                _ => Optimizer::Muon,
            },
            learning_rate: reader.real("learning_rate", 5e-3, 0.0, 10.0)?,
            weight_decay: reader.real("weight_decay", 0.05, 0.0, 100.0)?,
            label_smoothing: reader.real("label_smoothing", 0.1, 0.0, 0.99)?,
        })
    }

    /// The recipe of its training on so many pictures.
    pub fn recipe(&self, pictures: usize) -> Recipe {
        let batch_size = (pictures / 16).next_power_of_two().clamp(8, 128);
        let steps_per_epoch = pictures.div_ceil(batch_size).max(1);
        Recipe {
            optimizer: self.optimizer,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            // Small sets need many passes, large ones few; a deadline runs through the schedule in the time that there is.
            epochs: (12_000 / steps_per_epoch).clamp(12, 300),
            warmup: 0.2,
            final_rate: 0.01,
            averaging: 0.0,
            ..Recipe::default()
        }
    }
}

/// The designs that a search over pictures of a size may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(size: ImageSize) -> Result<Space, DesignError> {
    let mut choices = vec![
        Choice::categorical("model", FAMILIES),
        Choice::categorical("width", [8, 12, 16, 24, 32, 48]).when(
            "model",
            ["fast_residual", "resnet", "mobilenet", "convnext"],
        ),
        Choice::integers("depth", 1, 4).when("model", ["resnet", "mobilenet", "convnext"]),
    ];
    choices.extend(MobileNetConfig::choices());
    choices.extend(ConvNextConfig::choices());
    choices.extend(LayersConfig::choices());
    choices.extend(CellsConfig::choices());
    choices.extend(Augmentation::choices(size));
    choices.push(Choice::categorical("optimizer", Optimizer::NAMES));
    choices.push(Choice::log_reals("learning_rate", 1e-3, 2e-2));
    choices.push(Choice::log_reals("weight_decay", 1e-3, 0.3));
    choices.push(Choice::categorical("label_smoothing", [0.0, 0.1]));
    Ok(Space::new(choices)?.with_standard(canonical))
}

/// Reads the values of a design.
pub(crate) struct Reader<'a> {
    design: &'a Design,
}

impl Reader<'_> {
    /// A whole number of `low ..= high`.
    pub fn integer(
        &self,
        name: &str,
        default: usize,
        low: usize,
        high: usize,
    ) -> Result<usize, String> {
        let Some(value) = self.design.get(name) else {
            return Ok(default);
        };
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        number
            .filter(|n| (low..=high).contains(n))
            .ok_or_else(|| format!("`{name}` is {value}, not a whole number of {low} to {high}"))
    }

    /// An odd number up to `high`.
    pub fn odd(&self, name: &str, default: usize, high: usize) -> Result<usize, String> {
        let number = self.integer(name, default, 1, high)?;
        if number % 2 == 1 {
            return Ok(number);
        }
        Err(format!("`{name}` is {number}, not an odd number"))
    }

    /// A number of `low ..= high`.
    pub fn real(&self, name: &str, default: f64, low: f64, high: f64) -> Result<f64, String> {
        let Some(value) = self.design.get(name) else {
            return Ok(default);
        };
        value
            .as_f64()
            .filter(|n| (low..=high).contains(n))
            .ok_or_else(|| format!("`{name}` is {value}, not a number of {low} to {high}"))
    }

    /// Yes or no.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        let Some(value) = self.design.get(name) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| format!("`{name}` is {value}, neither true nor false"))
    }

    /// The place of a word among those that are known.
    pub fn word(&self, name: &str, known: &[&str], default: usize) -> Result<usize, String> {
        let Some(value) = self.design.get(name) else {
            return Ok(default);
        };
        let word = value.as_str().unwrap_or_default();
        let place = known.iter().position(|known| *known == word);
        place.ok_or_else(|| {
            let (all, near) = (known.join(", "), did_you_mean(word, known));
            format!("`{name}` is {}, not one of {all}{near}", shown(value))
        })
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |word| format!("`{word}`"))
}
