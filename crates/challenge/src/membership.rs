use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::standard_deviation;
use crate::kolmogorov_smirnov::distance;
use crate::labelled::{Classified, Labelled, Measured, check_finite};

const INSTRUMENT: &str = "membership inference";

/// The least probability whose logarithm is taken.
const FLOOR: f64 = 1e-15;

/// How well somebody who knows a unit and its true target can tell from the model's loss whether the model learned from it.
///
/// The attack says "member" when the loss is at most a threshold. Its advantage is the share of members that are called so less that of
/// others, at the threshold that suits it best: 0 tells nothing, 1 everything. The threshold is chosen on the units that it is
/// judged by, so that chance alone gives a little more than 0; the p-value takes that into account. Stronger attacks exist (those that train
/// models of their own): the advantage is a lower bound of what leaks.
///
/// # Reference
/// Yeom et al. 2018, definition 4 and adversary 2, with the best threshold; Carlini et al. 2022, section 4, for the share at few false alarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MembershipInference {
    /// The advantage, 0 to 1.
    pub advantage: f64,
    /// Probability of so much advantage or more when losses tell nothing (one-sided Smirnov test, asymptotic).
    pub p_value: f64,
    /// Probability that a member has a smaller loss than another unit, ties counted half.
    pub auroc: f64,
    /// Share of the members that are found at a threshold at which at most one in a hundred others is called a member; where even
    /// the smallest losses are shared, 0.
    pub found_at_1_percent: f64,
    /// Units that the model learned from.
    pub members: usize,
    /// Others.
    pub others: usize,
}

impl MembershipInference {
    /// Compares the losses of units that were learned from with those of others.
    ///
    /// # Errors
    /// When one side is empty or a loss is not finite.
    pub fn of(members: &[f64], others: &[f64]) -> Result<MembershipInference, ChallengeError> {
        for (what, losses) in [("members", members), ("other units", others)] {
            check_finite(INSTRUMENT, "loss", 1, losses)?;
            if losses.is_empty() {
                return Err(ChallengeError::TooFew {
                    instrument: INSTRUMENT,
                    what,
                    needed: 1,
                    got: 0,
                });
            }
        }
        let sorted = |losses: &[f64]| {
            let mut losses = losses.to_vec();
            losses.sort_by(f64::total_cmp);
            losses
        };
        let (inside, outside) = (sorted(members), sorted(others));
        let advantage = distance(&inside, &outside);
        let size =
            inside.len() as f64 * outside.len() as f64 / (inside.len() + outside.len()) as f64;
        // Others below the threshold are at most one in a hundred: the threshold lies below this loss.
        let first = outside[outside.len() / 100];
        let found = inside.partition_point(|loss| *loss < first);
        Ok(MembershipInference {
            advantage,
            p_value: (-2.0 * size * advantage * advantage).exp(),
            auroc: crate::Detection::of(members, others)?.auroc,
            found_at_1_percent: found as f64 / inside.len() as f64,
            members: inside.len(),
            others: outside.len(),
        })
    }

    /// The loss of each unit: minus the logarithm of the true class's probability; of labels, the sum over known ones; of
    /// numbers, the sum over targets of the squared residual in units of the targets' variance.
    ///
    /// # Errors
    /// When predictions do not fit the truth, or there are no units.
    pub fn losses(predicted: &Distribution, truth: &Targets) -> Result<Vec<f64>, ChallengeError> {
        let surprise = |p: f64| -p.max(FLOOR).ln();
        match predicted {
            Distribution::Categorical { .. } => {
                let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
                let rows = classified.rows();
                Ok(rows
                    .map(|(row, label)| surprise(f64::from(row[label])))
                    .collect())
            }
            Distribution::Bernoulli { .. } => {
                let labelled = Labelled::parse(INSTRUMENT, predicted, truth)?;
                let of_label = |(p, known): (&f32, &Option<bool>)| match known {
                    Some(true) => surprise(f64::from(*p)),
                    Some(false) => surprise(1.0 - f64::from(*p)),
                    None => 0.0,
                };
                let rows = labelled.rows();
                Ok(rows
                    .map(|(row, known)| row.iter().zip(known).map(of_label).sum())
                    .collect())
            }
            Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {
                let measured = Measured::parse(INSTRUMENT, predicted, truth)?;
                let width = measured.width();
                let cells: Vec<(f64, f64, f64)> = measured.cells().collect();
                let spread = |target: usize| {
                    let column = cells.iter().skip(target).step_by(width);
                    let column: Vec<f64> = column.map(|(_, _, y)| *y).collect();
                    Some(standard_deviation(&column)).filter(|s| *s > 0.0)
                };
                let spreads: Vec<f64> = (0..width).map(|t| spread(t).unwrap_or(1.0)).collect();
                let of_unit = |cells: &[(f64, f64, f64)]| {
                    let cells = cells.iter().zip(&spreads);
                    cells
                        .map(|((mean, _, y), s)| ((y - mean) / s).powi(2))
                        .sum()
                };
                Ok(cells.chunks_exact(width).map(of_unit).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    #[test]
    fn an_attack_worked_by_hand() {
        let attack =
            MembershipInference::of(&[0.1, 0.2, 0.3, 0.9], &[0.25, 0.5, 0.7, 0.8]).unwrap();
        // At 0.3: three of four members against one of four others; at 0.2: two against none.
        assert!((attack.advantage - 0.5).abs() < 1e-12);
        assert!((attack.found_at_1_percent - 0.5).abs() < 1e-12);
        // Pairs in order: 4 + 4 + 3 + 0 of 16.
        assert!((attack.auroc - 11.0 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn losses_that_tell_nothing_have_no_significant_advantage() {
        let alarms = (0..300)
            .filter(|&i| {
                let mut rng = Seed(5).stream("losses", &[i]);
                let members: Vec<f64> = (0..200).map(|_| rng.random()).collect();
                let others: Vec<f64> = (0..100).map(|_| rng.random()).collect();
                MembershipInference::of(&members, &others).unwrap().p_value <= 0.05
            })
            .count();
        // 5 % of 300, and three standard deviations.
        assert!(alarms <= 15 + 12, "{alarms}");
        let equal = MembershipInference::of(&[0.5; 9], &[0.5; 9]).unwrap();
        assert_eq!(
            (equal.advantage, equal.p_value, equal.auroc),
            (0.0, 1.0, 0.5)
        );
        assert_eq!(equal.found_at_1_percent, 0.0);
    }

    #[test]
    fn a_model_that_remembers_gives_its_members_away() {
        let attack = MembershipInference::of(&[0.0; 100], &[1.0; 100]).unwrap();
        assert_eq!((attack.advantage, attack.found_at_1_percent), (1.0, 1.0));
        assert!(attack.p_value < 1e-9);
        assert!(MembershipInference::of(&[], &[1.0]).is_err());
        assert!(MembershipInference::of(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn losses_of_each_kind() {
        let classes = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.5, 0.5, 1.0, 0.0],
        };
        let losses = MembershipInference::losses(&classes, &Targets::Classes(vec![0, 1])).unwrap();
        assert!((losses[0] - 2f64.ln()).abs() < 1e-9 && losses[1].is_finite());
        let labels = Distribution::Bernoulli {
            width: 2,
            probabilities: vec![0.5, 0.9],
        };
        let known = Targets::Labels {
            width: 2,
            values: vec![Some(false), None],
        };
        let losses = MembershipInference::losses(&labels, &known).unwrap();
        assert!((losses[0] - 2f64.ln()).abs() < 1e-6);
        let numbers = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0, 0.0],
            variance: vec![1.0, 1.0],
        };
        let values = |values: Vec<f32>| Targets::Values { width: 1, values };
        let losses = MembershipInference::losses(&numbers, &values(vec![1.0, -1.0])).unwrap();
        assert!((losses[0] - 0.5).abs() < 1e-9);
        // Constant targets have no variance to divide by.
        let losses = MembershipInference::losses(&numbers, &values(vec![2.0, 2.0])).unwrap();
        assert_eq!(losses, [4.0, 4.0]);
    }
}
