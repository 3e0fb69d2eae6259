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

/// What one member says, and how much of the doubt in it the member itself finds in the data.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// What it counts.
    pub weight: f64,
    /// What it says.
    pub said: &'a Distribution,
    /// Of a member that doubts itself: the expected entropy in nats (of classes one a unit, of labels `[units, width]`), or the expected
    /// variance `[units, width]`. The rest of what it says is doubt of itself. `None`: all is in the data.
    pub aleatoric: Option<&'a [f32]>,
}

impl Uncertainty {
    /// Takes the members' weights and predictions of the same units apart. Weights need not sum to one.
    ///
    /// # Errors
    /// When there are no members, they differ in kind, width or length, a weight is negative or not
    /// finite, or all are zero.
    pub fn decompose(members: &[(f64, &Distribution)]) -> Result<Uncertainty, ChallengeError> {
        let voices: Vec<Voice> = members
            .iter()
            .map(|&(weight, said)| Voice {
                weight,
                said,
                aleatoric: None,
            })
            .collect();
        Uncertainty::of_voices(&voices)
    }

    /// The same of members that may doubt themselves: what a member doubts of itself is added to what the members disagree about.
    ///
    /// # Errors
    /// As [`Uncertainty::decompose`]; and when a member's own part does not have one number for each unit, label or target, or one that is
    /// negative or not finite.
    pub fn of_voices(voices: &[Voice]) -> Result<Uncertainty, ChallengeError> {
        let first = voices.first().ok_or(PredictionError::NoMembers)?.said;
        let weights = normalised_weights(voices)?;
        for voice in voices {
            check_own(voice)?;
        }
        match first {
            Distribution::Categorical { .. } => of_classes(voices, &weights),
            Distribution::Bernoulli { .. } => of_labels(voices, &weights),
            Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {
                of_numbers(voices, &weights)
            }
        }
    }

    /// The epistemic share of each unit's total, 0 to 1; 0 where the total is zero.
    pub fn epistemic_share(&self) -> Vec<f64> {
        let share = |(e, t): (&f64, &f64)| if *t > 0.0 { e / t } else { 0.0 };
        self.epistemic.iter().zip(&self.total).map(share).collect()
    }
}

fn check_own(voice: &Voice) -> Result<(), ChallengeError> {
    let Some(own) = voice.aleatoric else {
        return Ok(());
    };
    let (units, width) = (voice.said.len(), voice.said.width());
    let expected = match voice.said {
        Distribution::Categorical { .. } => units,
        _ => units * width,
    };
    check_length(
        INSTRUMENT,
        "a member's own doubt of the data",
        expected,
        own.len(),
    )?;
    let broken = own.iter().find(|a| !(a.is_finite() && **a >= 0.0));
    broken.map_or(Ok(()), |value| {
        Err(ChallengeError::Setting {
            instrument: INSTRUMENT,
            name: "a member's own doubt of the data",
            value: f64::from(*value),
            range: "finite, 0 or more",
        })
    })
}

fn normalised_weights(voices: &[Voice]) -> Result<Vec<f64>, ChallengeError> {
    let members = || voices.iter().map(|voice| voice.weight);
    let broken = members().find(|w| !(w.is_finite() && *w >= 0.0));
    let sum: f64 = members().sum();
    let value = broken.unwrap_or(sum);
    if broken.is_some() || !(sum.is_finite() && sum > 0.0) {
        return Err(ChallengeError::Setting {
            instrument: INSTRUMENT,
            name: "a member's weight, or their sum,",
            value,
            range: "finite, 0 or more, and not 0 for all",
        });
    }
    Ok(members().map(|w| w / sum).collect())
}

fn effective_members(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}

fn of_classes(voices: &[Voice], weights: &[f64]) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<Probabilities> = voices
        .iter()
        .map(|voice| Probabilities::parse(INSTRUMENT, voice.said))
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
    for ((member, voice), weight) in parsed.iter().zip(voices).zip(weights) {
        for (unit, (row, mean)) in member.rows().zip(mean.chunks_exact(classes)).enumerate() {
            let (entropy, divergence) = entropy_and_divergence(row, mean);
            let own = own_part(voice, unit, entropy);
            aleatoric[unit] += weight * own;
            epistemic[unit] += weight * (divergence + (entropy - own));
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

/// What a member finds in the data of a doubt of its own: never more than all of it.
fn own_part(voice: &Voice, place: usize, whole: f64) -> f64 {
    voice
        .aleatoric
        .map_or(whole, |own| f64::from(own[place]).min(whole))
}

/// Each label as two classes, the parts of a unit's labels summed.
fn of_labels(voices: &[Voice], weights: &[f64]) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<LabelProbabilities> = voices
        .iter()
        .map(|voice| LabelProbabilities::parse(INSTRUMENT, voice.said))
        .collect::<Result<_, _>>()?;
    let width = parsed[0].width;
    for member in &parsed {
        check_length(INSTRUMENT, "labels", width, member.width)?;
    }
    let pooled: Vec<Distribution> = parsed.iter().map(LabelProbabilities::pooled).collect();
    let pooled: Vec<Voice> = pooled
        .iter()
        .zip(voices)
        .map(|(said, voice)| Voice { said, ..*voice })
        .collect();
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

fn of_numbers(voices: &[Voice], weights: &[f64]) -> Result<Uncertainty, ChallengeError> {
    let parsed: Vec<Numbers> = voices
        .iter()
        .map(|voice| Numbers::parse(INSTRUMENT, voice.said))
        .collect::<Result<_, _>>()?;
    let (width, units) = (parsed[0].width, parsed[0].len());
    let cells = units * width;
    let (mut mean, mut aleatoric) = (vec![0.0; cells], vec![0.0; cells]);
    let mut epistemic = vec![0.0; cells];
    for ((member, voice), weight) in parsed.iter().zip(voices).zip(weights) {
        check_length(INSTRUMENT, "targets", width, member.width)?;
        check_length(INSTRUMENT, "units", units, member.len())?;
        for (i, (mu, sd)) in member.cells().enumerate() {
            let own = own_part(voice, i, sd * sd);
            mean[i] += weight * mu;
            aleatoric[i] += weight * own;
            epistemic[i] += weight * (sd * sd - own);
        }
    }
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
    fn what_a_member_doubts_of_itself_is_added_to_what_members_disagree_about() {
        // Means 1 and 3, variance 4 each, of which the first finds 1 in the data; the second finds more than there is.
        let (a, b) = (normal(&[1.0], &[4.0]), normal(&[3.0], &[4.0]));
        let voice = |said, aleatoric| Voice {
            weight: 2.0,
            said,
            aleatoric,
        };
        let split = Uncertainty::of_voices(&[voice(&a, Some(&[1.0])), voice(&b, Some(&[9.0]))]);
        let split = split.unwrap();
        assert_eq!((split.aleatoric[0], split.epistemic[0]), (2.5, 2.5));
        // One that says one half and finds a quarter of a bit in the data.
        let half = binary(&[0.5]);
        let own = [0.25 * std::f32::consts::LN_2];
        let alone = Uncertainty::of_voices(&[voice(&half, Some(&own))]).unwrap();
        let epistemic = 0.75 * std::f64::consts::LN_2;
        assert!((alone.epistemic[0] - epistemic).abs() < 1e-6);
        assert!((alone.total[0] - std::f64::consts::LN_2).abs() < 1e-6);
        for broken in [&[][..], &[f32::NAN], &[-1.0], &[0.1, 0.1]] {
            assert!(Uncertainty::of_voices(&[voice(&half, Some(broken))]).is_err());
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
