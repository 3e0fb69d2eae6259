use serde::{Deserialize, Serialize};

use crate::Optimizer;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// How a step follows from gradients.
    pub optimizer: Optimizer,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Units in a step.
    pub batch_size: usize,
    /// Passes over the training units at most.
    pub epochs: usize,
    /// Validations without improvement after which training stops; at least 1.
    pub patience: usize,
    /// Share of all steps in which the learning rate rises linearly from zero, 0 to 1.
    pub warmup: f64,
    /// Learning rate at the end of the cosine, as a share of the peak.
    pub final_rate: f64,
    /// Decay per step of the moving average of the weights that is validated and kept; 0 keeps the last weights.
    pub averaging: f64,
    /// Gradients of a parameter are scaled down to this norm.
    pub gradient_norm: f64,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            optimizer: Optimizer::AdamW,
            learning_rate: 2e-3,
            weight_decay: 1e-2,
            batch_size: 256,
            epochs: 120,
            patience: 16,
            warmup: 0.05,
            final_rate: 0.05,
            averaging: 0.98,
            gradient_norm: 1.0,
        }
    }
}

impl Recipe {
    /// The learning rate when a share `done` of the training is over, of which one step is a share `step`: linear warm-up,
    /// then half a cosine.
    ///
    /// # Reference
    /// Loshchilov & Hutter, "SGDR", 2017, equation 5, without restarts.
    pub fn learning_rate_at(&self, done: f64, step: f64) -> f64 {
        if done < self.warmup {
            // Never exactly zero: the first step would be lost.
            return self.learning_rate * (done + step) / (self.warmup.max(step) + step);
        }
        let along = ((done - self.warmup) / (1.0 - self.warmup)).clamp(0.0, 1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * along).cos());
        self.learning_rate * (self.final_rate + (1.0 - self.final_rate) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_the_peak_and_falls_to_its_share() {
        let recipe = Recipe {
            learning_rate: 1.0,
            warmup: 0.1,
            final_rate: 0.2,
            ..Recipe::default()
        };
        let rates: Vec<f64> = (0..=100)
            .map(|step| recipe.learning_rate_at(f64::from(step) / 100.0, 0.01))
            .collect();
        assert!(rates[0] > 0.0 && rates[0] < 0.1);
        assert!(rates[..=10].windows(2).all(|w| w[0] < w[1]));
        assert!((rates[10] - 1.0).abs() < 1e-12);
        assert!(rates[10..].windows(2).all(|w| w[0] > w[1]));
        assert!((rates[100] - 0.2).abs() < 1e-12);
    }
}
