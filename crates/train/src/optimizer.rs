use burn::module::Module;
use burn::optim::GradientsParams;
use candor_kernels::{AdamW, AdamWConfig, Muon, MuonConfig};
use serde::{Deserialize, Serialize};

use crate::Recipe;

/// How a step follows from gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    #[serde(rename = "adamw")]
    AdamW,
    /// Orthogonal steps for the filters of convolutions (Jordan et al. 2024), AdamW for all else.
    Muon,
}

impl Optimizer {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 2] = ["adamw", "muon"];
}

/// An [`Optimizer`] at work.
pub(crate) enum Stepper {
    AdamW(AdamW),
    Muon(Muon),
}

impl Stepper {
    /// Has seen no gradients yet.
    pub fn new(recipe: &Recipe) -> Stepper {
        let adamw = AdamWConfig {
            weight_decay: recipe.weight_decay as f32,
            gradient_norm: Some(recipe.gradient_norm as f32),
            ..AdamWConfig::default()
        };
        match recipe.optimizer {
            Optimizer::AdamW => Stepper::AdamW(AdamW::new(adamw)),
            Optimizer::Muon => Stepper::Muon(Muon::new(MuonConfig {
                others: adamw,
                ..MuonConfig::default()
            })),
        }
    }

    pub fn step<M: Module>(&mut self, rate: f64, network: M, gradients: GradientsParams) -> M {
        match self {
            Stepper::AdamW(adamw) => adamw.step(rate, network, gradients),
            Stepper::Muon(muon) => muon.step(rate, network, gradients),
        }
    }
}
