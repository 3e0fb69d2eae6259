use candor_core::Task;
use candor_design::{Choice, Design, DesignError, Space};
use candor_train::Recipe;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::intrinsic::POINT_FEATURES;
use crate::{Augmentation, Rotation};

/// How a network sees a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// [`crate::body::PointNet`].
    PointNet,
    /// [`crate::body::EdgeConvolutions`].
    EdgeConvolutions,
    /// [`crate::body::SetAbstraction`].
    SetAbstraction,
    /// [`crate::body::PointMlp`].
    PointMlp,
}

/// What a network sees of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Where it is.
    Coordinates,
    /// What does not change when the shape is turned: how far the point is from others along the surface, what the surface about it is
    /// like. Neighbours are found by coordinates all the same.
    Intrinsic,
    /// Both.
    Both,
}

impl Seen {
    /// Numbers of a point.
    pub fn width(self) -> usize {
        match self {
            Seen::Coordinates => 3,
            Seen::Intrinsic => POINT_FEATURES,
            Seen::Both => 3 + POINT_FEATURES,
        }
    }
}

/// One network for shapes, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudDesign {
    /// How it sees a shape.
    #[serde(rename = "model")]
    pub body: BodyKind,
    /// Numbers of a point in the first layers; later ones have multiples.
    pub width: usize,
    /// Layers (edge convolutions), or stages (point MLP).
    pub depth: usize,
    /// Neighbours of a point (not of PointNet).
    pub neighbours: usize,
    /// Whether neighbours are found anew by what each layer sees (edge convolutions).
    pub dynamic: bool,
    /// Whether points are first turned by a learned map of the whole (PointNet).
    pub transform: bool,
    /// Points of a shape at most.
    pub points: usize,
    /// What is seen of a point.
    pub seen: Seen,
    /// Whether descriptors of the whole shape stand beside what the body sees.
    pub descriptors: bool,
    /// Share of numbers dropped before the head in training.
    pub dropout: f64,
    /// How shapes are turned in training.
    pub rotation: Rotation,
    /// As [`Augmentation::jitter`].
    pub jitter: f64,
    /// As [`Augmentation::stretch`].
    pub stretch: f64,
    /// As [`Augmentation::drop`].
    pub drop: f64,
    /// Looks at each shape whose answers are mixed.
    pub votes: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
}

impl Default for CloudDesign {
    /// Edge convolutions on coordinates and on what turning does not change.
    fn default() -> CloudDesign {
        CloudDesign {
            body: BodyKind::EdgeConvolutions,
            width: 32,
            depth: 3,
            neighbours: 12,
            dynamic: false,
            transform: false,
            points: 128,
            seen: Seen::Both,
            descriptors: true,
            dropout: 0.3,
            rotation: Rotation::Any,
            jitter: 0.01,
            stretch: 0.1,
            drop: 0.4,
            votes: 4,
            learning_rate: 2e-3,
            weight_decay: 0.05,
            label_smoothing: 0.1,
        }
    }
}

impl CloudDesign {
    /// The design as a value of a space, without the choices that its body or the task does not have, and without those that are named.
    pub(crate) fn as_choices(&self, task: Task, without: &[&str]) -> Design {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Design::new();
        };
        let body = fields.get("model").cloned().unwrap_or_default();
        let body = body.as_str().unwrap_or_default();
        fields
            .iter()
            .filter(|(name, _)| !without.contains(&name.as_str()))
            .filter(|(name, _)| of_body(name).is_none_or(|bodies| bodies.contains(&body)))
            .filter(|(name, _)| task.is_classification() || !OF_CLASSES.contains(&name.as_str()))
            .fold(Design::new(), |design, (name, value)| {
                design.with(name.clone(), value.clone())
            })
    }

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
        whole("width", self.width, 1, 1024)?;
        whole("depth", self.depth, 1, 8)?;
        whole("neighbours", self.neighbours, 1, 256)?;
        whole("points", self.points, 2, 65_536)?;
        whole("votes", self.votes, 1, 64)?;
        real("dropout", self.dropout, 0.0, 0.99)?;
        real("jitter", self.jitter, 0.0, 1.0)?;
        real("stretch", self.stretch, 0.0, 4.0)?;
        real("drop", self.drop, 0.0, 0.9)?;
        real("learning_rate", self.learning_rate, 0.0, 10.0)?;
        real("weight_decay", self.weight_decay, 0.0, 100.0)?;
        real("label_smoothing", self.label_smoothing, 0.0, 0.99)
    }

    /// How its shapes are changed in training.
    pub fn augmentation(&self) -> Augmentation {
        Augmentation {
            rotation: self.rotation,
            jitter: self.jitter,
            stretch: self.stretch,
            drop: self.drop,
        }
    }

    /// The recipe of its training on so many shapes.
    pub fn recipe(&self, shapes: usize) -> Recipe {
        let batch_size = (shapes / 16).next_power_of_two().clamp(4, 16);
        let steps_per_epoch = shapes.div_ceil(batch_size).max(1);
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            // Small sets need many passes, large ones few.
            epochs: (2400 / steps_per_epoch).clamp(16, 120),
            patience: 40,
            warmup: 0.05,
            final_rate: 0.01,
            averaging: 0.98,
            gradient_norm: 1.0,
            ..Recipe::default()
        }
    }
}

/// Choices of a design that numbers do not have.
pub(crate) const OF_CLASSES: [&str; 1] = ["label_smoothing"];

/// Choices that a body has, beside those of all.
pub(crate) fn of_body(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "depth" => &["edge_convolutions", "point_mlp"],
        "neighbours" => &["edge_convolutions", "set_abstraction", "point_mlp"],
        "dynamic" => &["edge_convolutions"],
        "transform" => &["point_net"],
        _ => return None,
    })
}

/// The designs that a search may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(task: Task) -> Result<Space, DesignError> {
    let when = |choice: Choice, name: &str| {
        let bodies = of_body(name).unwrap_or_default();
        choice.when("model", bodies.iter().copied())
    };
    let flags = || [false, true];
    let mut choices = vec![
        Choice::categorical(
            "model",
            [
                "edge_convolutions",
                "point_net",
                "set_abstraction",
                "point_mlp",
            ],
        ),
        Choice::categorical("width", [16, 32, 48, 64, 96]),
        when(Choice::integers("depth", 2, 4), "depth"),
        when(
            Choice::categorical("neighbours", [8, 12, 16, 24]),
            "neighbours",
        ),
        when(Choice::categorical("dynamic", flags()), "dynamic"),
        when(Choice::categorical("transform", flags()), "transform"),
        Choice::categorical("points", [128, 256, 512]),
        Choice::categorical("seen", ["both", "intrinsic", "coordinates"]),
        Choice::categorical("descriptors", flags()),
        Choice::categorical("dropout", [0.0, 0.2, 0.3, 0.5]),
        Choice::categorical("rotation", ["any", "upright", "fixed"]),
        Choice::categorical("jitter", [0.0, 0.01, 0.02]),
        Choice::categorical("stretch", [0.0, 0.1, 0.3]),
        Choice::categorical("drop", [0.0, 0.2, 0.4, 0.6]),
        Choice::categorical("votes", [1, 4]),
        Choice::log_reals("learning_rate", 5e-4, 6e-3),
        Choice::log_reals("weight_decay", 1e-3, 0.3),
    ];
    if task.is_classification() {
        choices.push(Choice::categorical(OF_CLASSES[0], [0.0, 0.1]));
    }
    Space::new(choices)
}
