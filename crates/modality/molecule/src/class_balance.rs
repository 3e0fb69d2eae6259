use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

/// What each class counts in training, and how predictions are brought back to the shares that classes really have.
///
/// A class that counts `w` times is learned as if it were `w` times as frequent, so that a rare one is not lost among the others. The
/// odds of what a network says are then divided by the weights again: only so are they probabilities of the data.
///
/// # Reference
/// Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 2.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassBalance(Vec<f32>);

impl ClassBalance {
    /// Weights of the classes of the units `train`: their inverse shares to the power of `strength`, 0 (all units count alike) to 1 (all classes
    /// do). Of labels, absence and presence of each in turn; a class that never occurs counts 1.
    pub fn fit(targets: &Targets, train: &[usize], strength: f64) -> ClassBalance {
        if strength == 0.0 {
            return ClassBalance::default();
        }
        let weights = |counts: &[usize]| -> Vec<f32> {
            let (all, kinds) = (counts.iter().sum::<usize>() as f64, counts.len() as f64);
            let weight = |&count: &usize| match count {
                0 => 1.0,
                count => (all / (kinds * count as f64)).powf(strength) as f32,
            };
            counts.iter().map(weight).collect()
        };
        match targets {
            Targets::Classes(classes) => {
                let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
                let mut counts = vec![0; count];
                train
                    .iter()
                    .for_each(|&unit| counts[classes[unit] as usize] += 1);
                ClassBalance(weights(&counts))
            }
            Targets::Labels { width, values } => {
                let mut counts = vec![[0, 0]; *width];
                for &unit in train {
                    let row = &values[unit * width..(unit + 1) * width];
                    for (counts, value) in counts.iter_mut().zip(row) {
                        if let Some(value) = value {
                            counts[usize::from(*value)] += 1;
                        }
                    }
                }
                ClassBalance(counts.iter().flat_map(|counts| weights(counts)).collect())
            }
            Targets::Values { .. } => ClassBalance::default(),
        }
    }

    /// What each class counts in the loss; `None` where all count alike.
    pub fn weights(&self) -> Option<&[f32]> {
        (!self.0.is_empty()).then_some(self.0.as_slice())
    }

    /// What a network says that learned with these weights, with the odds that classes have without them.
    pub fn undo(&self, mut said: Distribution) -> Distribution {
        let weight = |place: usize| self.0.get(place).copied().unwrap_or(1.0);
        if self.0.is_empty() {
            return said;
        }
        match &mut said {
            Distribution::Categorical {
                classes,
                probabilities,
            } => {
                for row in probabilities.chunks_exact_mut((*classes).max(1)) {
                    for (class, probability) in row.iter_mut().enumerate() {
                        *probability /= weight(class);
                    }
                    let total: f32 = row.iter().sum();
                    row.iter_mut().for_each(|probability| *probability /= total);
                }
            }
            Distribution::Bernoulli {
                width,
                probabilities,
            } => {
                for (place, probability) in probabilities.iter_mut().enumerate() {
                    let label = place % *width;
                    let no = (1.0 - *probability) / weight(2 * label);
                    let yes = *probability / weight(2 * label + 1);
                    *probability = yes / (yes + no);
                }
            }
            Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {}
        }
        said
    }

    /// Why these weights cannot be used, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let bad = |weight: &f32| !(weight.is_finite() && *weight > f32::MIN_POSITIVE);
        match self.0.iter().any(bad) {
            true => Err("the weights of its classes are not positive numbers".into()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_count_more_and_odds_come_back() {
        let targets = Targets::Classes(vec![0, 0, 0, 1, 1, 1]);
        let train = [0, 1, 2, 3];
        let even = ClassBalance::fit(&targets, &train, 1.0);
        assert_eq!(even.weights(), Some(&[4.0 / 6.0, 2.0][..]));
        let half = ClassBalance::fit(&targets, &train, 0.5);
        assert_eq!(half.0[1], 2f32.sqrt());
        assert_eq!(ClassBalance::fit(&targets, &train, 0.0).weights(), None);
        // Even odds, learned with a weight of three to one, are odds of one to three.
        let Distribution::Categorical { probabilities, .. } =
            even.undo(Distribution::Categorical {
                classes: 2,
                probabilities: vec![0.5, 0.5, 1.0, 0.0],
            })
        else {
            panic!("classes stay classes")
        };
        for (got, wanted) in probabilities.iter().zip([0.75, 0.25, 1.0, 0.0]) {
            assert!((got - wanted).abs() < 1e-6, "{probabilities:?}");
        }
        assert!(even.check().is_ok());
        assert!(ClassBalance(vec![1.0, 0.0]).check().is_err());
        assert!(ClassBalance(vec![f32::NAN]).check().is_err());
    }

    #[test]
    fn each_label_has_weights_of_its_own_from_what_is_known() {
        let values = "yn?nnn".chars().map(|c| (c != '?').then_some(c == 'y'));
        let targets = Targets::Labels {
            width: 2,
            values: values.collect(),
        };
        // The first label: one yes, one no, one unknown. The second: never.
        let found = ClassBalance::fit(&targets, &[0, 1, 2], 1.0);
        assert_eq!(found.0, [1.0, 1.0, 0.5, 1.0]);
        let Distribution::Bernoulli { probabilities, .. } = found.undo(Distribution::Bernoulli {
            width: 2,
            probabilities: vec![0.5, 0.5],
        }) else {
            panic!("labels stay labels")
        };
        assert_eq!(probabilities[0], 0.5);
        assert!((probabilities[1] - 1.0 / 3.0).abs() < 1e-6);
    }
}
