use candor_core::{Distribution, PredictionError};
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::labelled::{LabelProbabilities, Numbers, Probabilities, check_length};

const INSTRUMENT: &str = "uncertainty";

/// How much of the doubt is in the data, and how much is in the model. One entry a unit.
///
/// Classification, in nats: `H[mean p] = E[H[p]] + I`, where the mutual information `I` between class
/// and member is the epistemic part (Depeweg et al. 2018, equation 8). Labels: the same for each label, summed over labels,
/// which is the entropy of all labels of a unit as far as they are independent given the unit and the member. Regression, in squared units of
/// the target: `E[sigma^2] + Var[mu]` (Lakshminarayanan et al. 2017, section 2.4), averaged over targets;
/// with targets of different units look at `per_target`. A member that gives quantiles enters by mean and variance of its
/// distribution; both parts then sum to the variance of the exact mixture, of which the one that is served keeps the quantiles.
///
/// With few members the epistemic part is too small: on average the variance of M members' means is
/// `(M - 1) / M` of the true one, and the mutual information likewise to second order. It is not
/// corrected here; `effective_members` says how many there are. Both parts are relative to the kind
/// of model and the way of training, not properties of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// Sum of the two parts, exactly.
    pub total: Vec<f64>,
    /// Doubt that more data of the same kind would not remove: classes overlap, values scatter.
    pub aleatoric: Vec<f64>,
    /// Doubt that more data would remove: the members disagree. Not negative.
    pub epistemic: Vec<f64>,
    /// `(sum w)^2 / sum w^2`, the number of members that equal weights would need; 1 or more.
    pub effective_members: f64,
    /// Both parts of each target by itself; `None` for classification.
    pub per_target: Option<TargetUncertainty>,
}

/// Uncertainty of several numeric targets, `[units, width]` row-major.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetUncertainty {
    /// Targets.
    pub width: usize,
    /// `E[sigma^2]`.
    pub aleatoric: Vec<f64>,
    /// `Var[mu]`.
    pub epistemic: Vec<f64>,
}

impl Uncertainty {
    /// Takes the members' weights and predictions of the same units apart. Weights need not sum to one.
    ///
    /// # Errors
    /// When there are no members, they differ in kind, width or length, a weight is negative or not
    /// finite, or all are zero.
    pub fn decompose(members: &[(f64, &Distribution)]) -> Result<Uncertainty, ChallengeError> {
        let (_, first) = members.first().ok_or(PredictionError::NoMembers)?;
        let weights = normalised_weights(members)?;
        match first {
            Distribution::Categorical { .. } => of_classes(members, &weights),
            Distribution::Bernoulli { .. } => of_labels(members, &weights),
            Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {
                of_numbers(members, &weights)
            }
        }
    }

    /// The epistemic share of each unit's total, 0 to 1; 0 where the total is zero.
    pub fn epistemic_share(&self) -> Vec<f64> {
        let share = |(e, t): (&f64, &f64)| if *t > 0.0 { e / t } else { 0.0 };
        self.epistemic.iter().zip(&self.total).map(share).collect()
    }
}

fn normalised_weights(members: &[(f64, &Distribution)]) -> Result<Vec<f64>, ChallengeError> {
    let broken = members.iter().find(|(w, _)| !(w.is_finite() && *w >= 0.0));
    let sum: f64 = members.iter().map(|(w, _)| w).sum();
    let value = broken.map_or(sum, |(w, _)| *w);
    if broken.is_some() || !(sum.is_finite() && sum > 0.0) {
        return Err(ChallengeError::Setting {
            instrument: INSTRUMENT,
            name: "a member's weight, or their sum,",
            value,
            range: "finite, 0 or more, and not 0 for all",
        });
    }
    Ok(members.iter().map(|(w, _)| w / sum).collect())
}

fn effective_members(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}

fn of_classes(
    members: &[(f64, &Distribution)],
    weights: &[f64],
) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<Probabilities> = members
        .iter()
        .map(|(_, member)| Probabilities::parse(INSTRUMENT, member))
        .collect::<Result<_, _>>()?;
    let (classes, units) = (parsed[0].classes, parsed[0].len());
    let mut mean = vec![0.0; units * classes];
    for (member, weight) in parsed.iter().zip(weights) {
        check_length(INSTRUMENT, "classes", classes, member.classes)?;
        check_length(INSTRUMENT, "units", units, member.len())?;
        for (mean, &p) in mean.iter_mut().zip(member.rows().flatten()) {
            *mean += weight * f64::from(p);
        }
    }
    let (mut aleatoric, mut epistemic) = (vec![0.0; units], vec![0.0; units]);
    for (member, weight) in parsed.iter().zip(weights) {
        for (unit, (row, mean)) in member.rows().zip(mean.chunks_exact(classes)).enumerate() {
            let (entropy, divergence) = entropy_and_divergence(row, mean);
            aleatoric[unit] += weight * entropy;
            epistemic[unit] += weight * divergence;
        }
    }
    // Rounding can leave a divergence of -1e-17.
    epistemic.iter_mut().for_each(|e| *e = e.max(0.0));
    Ok(Uncertainty {
        total: aleatoric
            .iter()
            .zip(&epistemic)
            .map(|(a, e)| a + e)
            .collect(),
        aleatoric,
        epistemic,
        effective_members: effective_members(weights),
        per_target: None,
    })
}

/// Each label as two classes, the parts of a unit's labels summed.
fn of_labels(
    members: &[(f64, &Distribution)],
    weights: &[f64],
) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<LabelProbabilities> = members
        .iter()
        .map(|(_, member)| LabelProbabilities::parse(INSTRUMENT, member))
        .collect::<Result<_, _>>()?;
    let width = parsed[0].width;
    for member in &parsed {
        check_length(INSTRUMENT, "labels", width, member.width)?;
    }
    let pooled: Vec<Distribution> = parsed.iter().map(LabelProbabilities::pooled).collect();
    let pooled: Vec<(f64, &Distribution)> = weights.iter().copied().zip(pooled.iter()).collect();
    let cells = of_classes(&pooled, weights)?;
    let summed = |parts: &[f64]| {
        parts
            .chunks_exact(width)
            .map(|row| row.iter().sum())
            .collect()
    };
    let (aleatoric, epistemic): (Vec<f64>, Vec<f64>) =
        (summed(&cells.aleatoric), summed(&cells.epistemic));
    Ok(Uncertainty {
        total: aleatoric
            .iter()
            .zip(&epistemic)
            .map(|(a, e)| a + e)
            .collect(),
        aleatoric,
        epistemic,
        ..cells
    })
}

/// `H[p]` and `KL(p || mean)`. The weighted mean of the divergences is the mutual information; so
/// computed, a small one does not drown in the difference of two entropies.
fn entropy_and_divergence(row: &[f32], mean: &[f64]) -> (f64, f64) {
    let (mut entropy, mut divergence) = (0.0, 0.0);
    for (&p, &m) in row.iter().zip(mean) {
        let p = f64::from(p);
        if p > 0.0 && m > 0.0 {
            entropy -= p * p.ln();
            divergence += p * (p / m).ln();
        }
    }
    (entropy, divergence)
}

fn of_numbers(
    members: &[(f64, &Distribution)],
    weights: &[f64],
) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<Numbers> = members
        .iter()
        .map(|(_, member)| Numbers::parse(INSTRUMENT, member))
        .collect::<Result<_, _>>()?;
    let (width, units) = (parsed[0].width, parsed[0].len());
    let cells = units * width;
    let (mut mean, mut aleatoric) = (vec![0.0; cells], vec![0.0; cells]);
    for (member, weight) in parsed.iter().zip(weights) {
        check_length(INSTRUMENT, "targets", width, member.width)?;
        check_length(INSTRUMENT, "units", units, member.len())?;
        for (i, (mu, sd)) in member.cells().enumerate() {
            mean[i] += weight * mu;
            aleatoric[i] += weight * sd * sd;
        }
    }
    let mut epistemic = vec![0.0; cells];
    for (member, weight) in parsed.iter().zip(weights) {
        for (i, (mu, _)) in member.cells().enumerate() {
            epistemic[i] += weight * (mu - mean[i]).powi(2);
        }
    }
    let over_targets = |parts: &[f64]| -> Vec<f64> {
        let rows = parts.chunks_exact(width);
        rows.map(|row| row.iter().sum::<f64>() / width as f64)
            .collect()
    };
    let (unit_aleatoric, unit_epistemic) = (over_targets(&aleatoric), over_targets(&epistemic));
    let parts = unit_aleatoric.iter().zip(&unit_epistemic);
    Ok(Uncertainty {
        total: parts.map(|(a, e)| a + e).collect(),
        aleatoric: unit_aleatoric,
        epistemic: unit_epistemic,
        effective_members: effective_members(weights),
        per_target: Some(TargetUncertainty {
            width,
            aleatoric,
            epistemic,
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binary(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.iter().flat_map(|&p| [1.0 - p, p]).collect(),
        }
    }

    fn normal(mean: &[f32], variance: &[f32]) -> Distribution {
        Distribution::Gaussian {
            width: 1,
            mean: mean.to_vec(),
            variance: variance.to_vec(),
        }
    }

    #[test]
    fn certain_members_that_contradict_each_other_are_all_epistemic() {
        // Second unit: both say one half, so all the doubt is in the data.
        let (a, b) = (binary(&[1.0, 0.5]), binary(&[0.0, 0.5]));
        let parts = Uncertainty::decompose(&[(1.0, &a), (1.0, &b)]).unwrap();
        let ln2 = std::f64::consts::LN_2;
        assert_eq!((parts.aleatoric[0], parts.epistemic[1]), (0.0, 0.0));
        assert!((parts.epistemic[0] - ln2).abs() < 1e-12);
        assert!((parts.aleatoric[1] - ln2).abs() < 1e-12);
        assert_eq!(parts.epistemic_share(), [1.0, 0.0]);
    }

    #[test]
    fn the_parts_of_labels_add_up() {
        let label = |probabilities: [f32; 2]| Distribution::Bernoulli {
            width: 2,
            probabilities: probabilities.to_vec(),
        };
        // Of the first label both are sure and contradict each other; of the second both say one half.
        let (a, b) = (label([1.0, 0.5]), label([0.0, 0.5]));
        let parts = Uncertainty::decompose(&[(1.0, &a), (1.0, &b)]).unwrap();
        let ln2 = std::f64::consts::LN_2;
        assert!((parts.aleatoric[0] - ln2).abs() < 1e-12);
        assert!((parts.epistemic[0] - ln2).abs() < 1e-12);
        assert!((parts.total[0] - 2.0 * ln2).abs() < 1e-12);
        assert!(Uncertainty::decompose(&[(1.0, &a), (1.0, &binary(&[0.5]))]).is_err());
    }

    #[test]
    fn variances_worked_by_hand() {
        // Means 0 and 4 with weights 3 and 1: mean 1, variance (3 * 1 + 9) / 4 = 3.
        let (a, b) = (normal(&[0.0], &[1.0]), normal(&[4.0], &[5.0]));
        let parts = Uncertainty::decompose(&[(3.0, &a), (1.0, &b)]).unwrap();
        let found = (parts.aleatoric[0], parts.epistemic[0], parts.total[0]);
        assert!((found.0 - 2.0).abs() < 1e-12 && (found.1 - 3.0).abs() < 1e-12);
        assert!((found.2 - 5.0).abs() < 1e-12);
        assert!((parts.effective_members - 1.6).abs() < 1e-12);
    }

    #[test]
    fn quantiles_beside_a_normal_distribution_worked_by_hand() {
        // Half of the mass uniform on [0, 2], a quarter in each tail, of mean excess 1: mean 1, variance
        // 1/2 * 1/3 + 1/2 * ((1 + 1)^2 + 1) = 8/3.
        let quantiles = Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.75],
            values: vec![0.0, 2.0],
        };
        let normal = normal(&[3.0], &[1.0]);
        for members in [
            [(1.0, &quantiles), (1.0, &normal)],
            [(1.0, &normal), (1.0, &quantiles)],
        ] {
            let parts = Uncertainty::decompose(&members).unwrap();
            assert!((parts.aleatoric[0] - 11.0 / 6.0).abs() < 1e-12);
            assert!((parts.epistemic[0] - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn targets_are_kept_apart() {
        let member = |mean: [f32; 2]| Distribution::Gaussian {
            width: 2,
            mean: mean.to_vec(),
            variance: vec![1.0, 3.0],
        };
        let (a, b) = (member([0.0, 0.0]), member([2.0, 0.0]));
        let parts = Uncertainty::decompose(&[(1.0, &a), (1.0, &b)]).unwrap();
        assert!((parts.aleatoric[0] - 2.0).abs() < 1e-12);
        assert_eq!(parts.epistemic, [0.5]);
        let per_target = parts.per_target.unwrap();
        assert_eq!(per_target.epistemic, [1.0, 0.0]);
    }

    #[test]
    fn identical_and_single_members_do_not_disagree() {
        let (a, b) = (binary(&[0.3]), normal(&[1e6], &[2.0]));
        for members in [
            vec![(1.0, &a)],
            vec![(0.1, &a), (0.2, &a)],
            vec![(1.0, &b); 3],
        ] {
            let parts = Uncertainty::decompose(&members).unwrap();
            assert!(parts.epistemic[0] < 1e-12, "{}", parts.epistemic[0]);
        }
    }

    #[test]
    fn broken_ensembles_are_refused() {
        let (a, b) = (binary(&[0.3]), normal(&[1.0], &[2.0]));
        let longer = binary(&[0.3, 0.4]);
        let fails = |members: &[(f64, &Distribution)]| Uncertainty::decompose(members).is_err();
        assert!(fails(&[]));
        assert!(fails(&[(1.0, &a), (1.0, &b)]));
        assert!(fails(&[(1.0, &a), (1.0, &longer)]));
        assert!(fails(&[(0.0, &a)]));
        assert!(fails(&[(2.0, &a), (-1.0, &a)]));
        assert!(fails(&[(f64::NAN, &a)]));
    }

    proptest! {
        #[test]
        fn the_total_is_the_entropy_of_the_mean(
            p in 0.0f32..=1.0, q in 0.0f32..=1.0, weight in 0.01f64..0.99,
        ) {
            let (a, b) = (binary(&[p]), binary(&[q]));
            let members = [(weight, &a), (1.0 - weight, &b)];
            let parts = Uncertainty::decompose(&members).unwrap();
            let mixed = |a: f32, b: f32| weight * f64::from(a) + (1.0 - weight) * f64::from(b);
            let entropy: f64 = [mixed(p, q), mixed(1.0 - p, 1.0 - q)]
                .into_iter()
                .map(|m| if m > 0.0 { -m * m.ln() } else { 0.0 })
                .sum();
            prop_assert!((parts.total[0] - entropy).abs() < 1e-6);
            prop_assert!(parts.epistemic[0] >= 0.0);
        }
    }
}
