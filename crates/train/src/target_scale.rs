use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each numeric target over the training part; empty for classification.
///
/// Networks learn targets of mean 0 and standard deviation 1, and what they say is brought back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetScale(pub Vec<(f32, f32)>);

impl TargetScale {
    /// Fits on the units `train`; a constant target has a standard deviation of 1.
    pub fn fit(targets: &Targets, train: &[usize]) -> TargetScale {
        let Targets::Values { width, values } = targets else {
            return TargetScale::default();
        };
        let count = train.len().max(1) as f64;
        let scale = |target: usize| {
            let known = || {
                let of_target = train.iter().map(move |&unit| values[unit * width + target]);
                of_target.map(f64::from)
            };
            let mean = known().sum::<f64>() / count;
            let variance = known().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            let sd = if variance > 0.0 { variance.sqrt() } else { 1.0 };
            (mean as f32, sd as f32)
        };
        TargetScale((0..*width).map(scale).collect())
    }

    /// Targets in the network's units.
    pub fn scale(&self, targets: &Targets) -> Targets {
        match targets {
            Targets::Classes(_) | Targets::Labels { .. } => targets.clone(),
            Targets::Values { width, values } => {
                let scaled = values.iter().enumerate().map(|(i, value)| {
                    let (mean, sd) = self.0[i % width];
                    (value - mean) / sd
                });
                Targets::Values {
                    width: *width,
                    values: scaled.collect(),
                }
            }
        }
    }

    /// The distribution in the target's own units.
    pub fn unscale(&self, mut distribution: Distribution) -> Distribution {
        match &mut distribution {
            Distribution::Categorical { .. } | Distribution::Bernoulli { .. } => {}
            Distribution::Gaussian {
                width,
                mean,
                variance,
            } => {
                for (i, value) in mean.iter_mut().enumerate() {
                    let (centre, sd) = self.0[i % *width];
                    *value = centre + sd * *value;
                    variance[i] *= sd * sd;
                }
            }
            Distribution::Quantiles {
                width,
                levels,
                values,
            } => {
                let cells = values.chunks_exact_mut(levels.len().max(1));
                for (i, cell) in cells.enumerate() {
                    let (centre, sd) = self.0[i % *width];
                    cell.iter_mut()
                        .for_each(|value| *value = centre + sd * *value);
                }
            }
        }
        distribution
    }

    /// Why this scale cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        if self.0.iter().any(damaged) {
            return Err("scaling of the target is damaged".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_their_own_units() {
        let targets = Targets::Values {
            width: 2,
            values: vec![10.0, 7.0, 20.0, 7.0, 999.0, 7.0],
        };
        // The last unit is held out; the second target is constant.
        let scale = TargetScale::fit(&targets, &[0, 1]);
        assert_eq!(scale, TargetScale(vec![(15.0, 5.0), (7.0, 1.0)]));
        let scaled = scale.scale(&targets);
        let Targets::Values { width, values } = scaled else {
            panic!("numbers stay numbers")
        };
        assert_eq!(values[..4], [-1.0, 0.0, 1.0, 0.0]);
        let variance = vec![0.04; values.len()];
        let said = Distribution::Gaussian {
            width,
            mean: values,
            variance,
        };
        let Distribution::Gaussian { mean, variance, .. } = scale.unscale(said) else {
            panic!("a normal distribution stays one")
        };
        assert_eq!(mean, [10.0, 7.0, 20.0, 7.0, 999.0, 7.0]);
        assert_eq!(variance[..2], [1.0, 0.04]);
    }

    #[test]
    fn a_damaged_scale_is_named() {
        for pair in [(f32::NAN, 1.0), (0.0, 0.0), (0.0, f32::INFINITY)] {
            assert!(TargetScale(vec![pair]).check().is_err());
        }
    }
}
