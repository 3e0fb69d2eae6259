//! Losses and moments of the two evidential heads: one pass of one network gives the parameters of a distribution over
//! distributions. What its numbers mean, and where they must not be used, says `candor_core::UncertaintyMethod::Evidential`.

use burn::tensor::activation::softplus;
use burn::tensor::{Tensor, TensorData};

/// Logarithms of evidence outside are cut: e^-10 is none, and e^9 more than any small set of data can give. Inside, every unit has a
/// gradient (with ReLU, units without evidence have none: Ye et al., AAAI 2024).
const LOG_EVIDENCE: (f32, f32) = (-10.0, 9.0);
/// `alpha` of the normal-inverse-gamma distribution at least: data do not tell it from the others (Meinert et al. 2023, section 3), and near 1
/// the variance, which is what is told, has none itself.
const LEAST_ALPHA: f32 = 1.5;
/// Raw parameters outside are cut before softplus.
const POSITIVE: (f32, f32) = (-12.0, 60.0);
/// What is added to parameters that must be more than zero.
const LEAST: f32 = 1e-6;

/// `alpha = 1 + e^x` of Dirichlet distributions `[..., classes]`.
pub(crate) fn dirichlet(raw: Tensor<3>) -> Tensor<3> {
    raw.clamp(LOG_EVIDENCE.0, LOG_EVIDENCE.1).exp() + 1.0
}

/// The loss of Dirichlet distributions against one class a unit: the expected squared error of probabilities, and `strength` times the
/// divergence from the flat distribution of what evidence speaks for other classes; the mean over members, and over units by what they count.
///
/// # Reference
/// Sensoy, Kaplan & Kandemir, "Evidential Deep Learning to Quantify Classification Uncertainty", NeurIPS 2018, equation 5 and the one after it.
pub(crate) fn dirichlet_loss(
    raw: Tensor<3>,
    classes: &[u32],
    counts: Option<&[f32]>,
    strength: f64,
) -> Tensor<1> {
    let device = raw.device();
    let [members, units, width] = raw.dims();
    let alpha = dirichlet(raw);
    let mut truth = vec![0f32; units * width];
    for (unit, &class) in classes.iter().enumerate() {
        truth[unit * width + class as usize] = 1.0;
    }
    let truth: Tensor<3> = Tensor::from_data(TensorData::new(truth, [1, units, width]), &device);
    let sum = alpha.clone().sum_dim(2);
    let p = alpha.clone() / sum.clone();
    let error = (truth.clone() - p.clone()).square();
    let variance = (p.clone() - p.square()) / (sum + 1.0);
    let risk = (error + variance).sum_dim(2);
    // The evidence for the true class taken away.
    let others = truth.clone() + (-truth + 1.0) * alpha;
    let losses = risk + divergence_from_flat(others) * strength as f32;
    let weights = counts.map_or_else(|| vec![1.0; units], <[f32]>::to_vec);
    let total = weights.iter().sum::<f32>().max(LEAST) * members as f32;
    let weights: Tensor<3> =
        Tensor::<1>::from_data(TensorData::new(weights, [units]), &device).reshape([1, units, 1]);
    (losses * weights).sum() / total
}

/// `KL(Dir(alpha) || Dir(1))` of the last axis.
fn divergence_from_flat(alpha: Tensor<3>) -> Tensor<3> {
    let width = alpha.dims()[2] as f64;
    let sum = alpha.clone().sum_dim(2);
    let normaliser = ln_gamma(sum.clone())
        - ln_gamma(alpha.clone()).sum_dim(2)
        - ln_factorial_before(width) as f32;
    let expected = digamma(alpha.clone()) - digamma(sum);
    normaliser + ((alpha - 1.0) * expected).sum_dim(2)
}

/// The parameters of normal-inverse-gamma distributions, each `[members, units, width]`.
pub(crate) struct NormalInverseGamma {
    /// Where the mean is.
    pub gamma: Tensor<3>,
    /// How many units' worth of evidence there is for it.
    pub nu: Tensor<3>,
    /// The same for the variance.
    pub alpha: Tensor<3>,
    /// Half a sum of squares.
    pub beta: Tensor<3>,
}

impl NormalInverseGamma {
    /// From raw parameters `[members, units, 4 * width]`.
    pub(crate) fn of(raw: Tensor<3>) -> NormalInverseGamma {
        let width = raw.dims()[2] / 4;
        let part = |i: usize| raw.clone().narrow(2, i * width, width);
        let positive = |i: usize| softplus(part(i).clamp(POSITIVE.0, POSITIVE.1), 1.0) + LEAST;
        NormalInverseGamma {
            gamma: part(0),
            nu: positive(1),
            alpha: positive(2) + LEAST_ALPHA,
            beta: positive(3),
        }
    }

    /// The negative log-likelihood of the Student distribution that is left when mean and variance are integrated out, and `strength` times
    /// the evidence of units that are wrong, by how many widths of it they are wrong.
    ///
    /// # Reference
    /// Amini et al., "Deep Evidential Regression", NeurIPS 2020, equations 8 and 9. There the error is not divided by the width, so that the
    /// same strength means another thing on each scale of noise: divided as by Meinert, Gawlikowski & Lavin, AAAI 2023; the width has no gradient.
    pub(crate) fn loss(self, values: Tensor<3>, strength: f64) -> Tensor<1> {
        let NormalInverseGamma {
            gamma,
            nu,
            alpha,
            beta,
        } = self;
        let error = values - gamma;
        let omega = beta.clone() * (nu.clone() + 1.0) * 2.0;
        // -alpha ln(omega) + (alpha + 1/2) ln(nu error² + omega), without the difference of two large numbers.
        let over = (nu.clone() * error.clone().square() / omega.clone() + 1.0).log();
        let likelihood = (nu.clone().log() * -1.0 + std::f32::consts::PI.ln()) * 0.5
            + omega.log() * 0.5
            + (alpha.clone() + 0.5) * over
            + ln_gamma(alpha.clone())
            - ln_gamma(alpha.clone() + 0.5);
        let width = (beta * (nu.clone() + 1.0) / (alpha.clone() * nu.clone())).sqrt();
        let evidence = nu * 2.0 + alpha;
        (likelihood + error.abs() / width.detach() * evidence * strength as f32).mean()
    }

    /// `E[sigma²] = beta / (alpha - 1)`.
    pub(crate) fn aleatoric(&self) -> Tensor<3> {
        self.beta.clone() / (self.alpha.clone() - 1.0)
    }

    /// `E[sigma²] + Var[mu] = E[sigma²] (1 + 1 / nu)`, the variance of the Student distribution.
    pub(crate) fn variance(&self) -> Tensor<3> {
        self.aleatoric() * (self.nu.clone().recip() + 1.0)
    }
}

/// `ln Gamma(x)` for x > 0, by Stirling's series at x + 6; right to the rounding of 32 bits.
fn ln_gamma(x: Tensor<3>) -> Tensor<3> {
    let shifted = (0..6).map(|i| (x.clone() + i as f32).log());
    let shift = shifted.reduce(|a, b| a + b).unwrap_or_else(|| x.clone());
    let z = x + 6.0;
    let inverse = z.clone().recip();
    let series = inverse.clone() / 12.0 - inverse.powf_scalar(3.0) / 360.0;
    let half_ln_two_pi = 0.5 * (2.0 * std::f32::consts::PI).ln();
    (z.clone() - 0.5) * z.clone().log() - z + series + half_ln_two_pi - shift
}

/// The derivative of [`ln_gamma`].
fn digamma(x: Tensor<3>) -> Tensor<3> {
    let shifted = (0..6).map(|i| (x.clone() + i as f32).recip());
    let shift = shifted.reduce(|a, b| a + b).unwrap_or_else(|| x.clone());
    let z = x + 6.0;
    let inverse = z.clone().recip();
    let square = inverse.clone().square();
    z.log() - inverse * 0.5 - square.clone() / 12.0 + square.square() / 120.0 - shift
}

/// `ln (n - 1)!` for a whole number.
fn ln_factorial_before(n: f64) -> f64 {
    (1..n as usize).map(|k| (k as f64).ln()).sum()
}

/// The derivative of `ln Gamma` at x > 0, in 64 bits.
fn digamma_of(x: f64) -> f64 {
    let shift: f64 = (0..8).map(|i| 1.0 / (x + f64::from(i))).sum();
    let z = x + 8.0;
    let square = 1.0 / (z * z);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0));
    z.ln() - 0.5 / z - series - shift
}

/// The expected entropy, in nats, of a class drawn by probabilities that are Dirichlet distributed with these parameters:
/// `-sum_k p_k (psi(alpha_k + 1) - psi(S + 1))` (Malinin & Gales 2018, appendix C). One for each row of `classes` numbers.
pub(crate) fn expected_entropies(alpha: &[f32], classes: usize) -> Vec<f32> {
    let entropy = |row: &[f32]| {
        let sum: f64 = row.iter().map(|&a| f64::from(a)).sum();
        let of_class = |&a: &f32| {
            let a = f64::from(a);
            a / sum * (digamma_of(sum + 1.0) - digamma_of(a + 1.0))
        };
        row.iter().map(of_class).sum::<f64>() as f32
    };
    alpha.chunks_exact(classes.max(1)).map(entropy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linear;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes};
    use burn::tensor::Device;

    fn of(values: &[f32]) -> Tensor<3> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [1, 1, values.len()]),
            &Device::flex(),
        )
    }

    #[test]
    fn gamma_functions_at_points_that_are_known() {
        // ln Gamma: 1/2, 1, 2, 5, 10. Digamma: -gamma - 2 ln 2, -gamma, 1 - gamma, 25/12 - gamma, 7129/2520 - gamma.
        let (pi, euler) = (std::f64::consts::PI, 0.577_215_664_901_532_9);
        let at = [0.5, 1.0, 2.0, 5.0, 10.0];
        let logs = [0.5 * pi.ln(), 0.0, 0.0, 24f64.ln(), 362_880f64.ln()];
        let slopes = [
            -euler - 2.0 * 2f64.ln(),
            -euler,
            1.0 - euler,
            25.0 / 12.0 - euler,
            7129.0 / 2520.0 - euler,
        ];
        assert_close(&ln_gamma(of(&at)), [1, 1, 5], &logs);
        assert_close(&digamma(of(&at)), [1, 1, 5], &slopes);
        for (x, slope) in at.iter().zip(slopes) {
            assert!((digamma_of(f64::from(*x)) - slope).abs() < 1e-9);
        }
    }

    #[test]
    fn a_flat_dirichlet_diverges_from_nothing_and_others_by_the_integral() {
        assert_close(&divergence_from_flat(of(&[1.0; 4])), [1, 1, 1], &[0.0]);
        // Dir(2, 1) has the density 2 p: the integral of 2 p ln 2 p over 0 to 1 is ln 2 - 1/2.
        let expected = 2f64.ln() - 0.5;
        assert_close(
            &divergence_from_flat(of(&[2.0, 1.0])),
            [1, 1, 1],
            &[expected],
        );
    }

    #[test]
    fn expected_entropies_worked_by_hand() {
        // Two classes, p uniform: the integral of -2 p ln p is 1/2. A sharp one: the entropy of its mean.
        let said = expected_entropies(&[1.0, 1.0, 3e7, 1e7], 2);
        assert!((said[0] - 0.5).abs() < 1e-6, "{said:?}");
        let sharp = -(0.75f64 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((f64::from(said[1]) - sharp).abs() < 1e-5, "{said:?}");
    }

    #[test]
    fn the_loss_of_a_dirichlet_worked_by_hand() {
        // No evidence: alpha is 1, 1, so p is 1/2, error 2/4, variance 2 * 1/4 / 3; nothing diverges.
        let flat = dirichlet_loss(of(&[-10.0, -10.0]), &[0], None, 1.0);
        let error = (floats(&flat)[0] - (0.5 + 0.5 / 3.0)).abs();
        assert!(error < 1e-3, "{error}");
        // Evidence for the true class costs nothing beside the error, for another one it does.
        let at = |raw: &[f32], strength| floats(&dirichlet_loss(of(raw), &[0], None, strength))[0];
        let (right, wrong) = ([1.0, -10.0], [-10.0, 1.0]);
        assert!((at(&right, 1.0) - at(&right, 0.0)).abs() < 1e-3);
        assert!(at(&wrong, 1.0) > at(&wrong, 0.0) + 0.1);
    }

    fn floats(tensor: &Tensor<1>) -> Vec<f64> {
        crate::reference::wide(tensor)
    }

    #[test]
    fn the_likelihood_is_that_of_a_student_distribution() {
        // nu = beta = 1, alpha = 2.5 to the last digit: a Student distribution of 5 degrees, width sqrt(2 / 2.5).
        let one = 0.541_324_85f32;
        let raw = of(&[0.0, one, one, one]);
        let at = NormalInverseGamma::of(raw);
        let (alpha, squared) = (2.5f64, 2.0 / 2.5);
        let y = 1.7f64;
        // ln of Gamma(3) / (Gamma(5/2) sqrt(5 pi squared)); Gamma(5/2) is 3 sqrt(pi) / 4.
        let pi = std::f64::consts::PI;
        let front = (2.0 / (0.75 * pi.sqrt() * (5.0 * pi * squared).sqrt())).ln();
        let expected = -front + (alpha + 0.5) * (1.0 + y * y / (5.0 * squared)).ln();
        let loss = at.loss(of(&[y as f32]), 0.0);
        assert_close(&loss, [1], &[expected]);
    }

    #[test]
    fn moments_are_those_of_its_student_distribution() {
        let one = 0.541_324_85f32;
        let at = NormalInverseGamma::of(of(&[3.0, one, one, one]));
        // beta / (alpha - 1) and twice that, since nu is 1.
        assert_close(&at.aleatoric(), [1, 1, 1], &[1.0 / 1.5]);
        assert_close(&at.variance(), [1, 1, 1], &[2.0 / 1.5]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("evidential") {
            let truth: Vec<u32> = (0..units).map(|unit| (unit % width) as u32).collect();
            let counts: Vec<f32> = (0..units).map(|unit| 1.0 + unit as f32).collect();
            let x = numbers([members, units, width], &mut stream);
            for counts in [None, Some(counts.as_slice())] {
                let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                    dirichlet_loss(raw, &truth, counts, 0.3)
                });
                assert_eq!(wrong, [""; 0]);
            }
            // Far from the truth, so that no difference straddles the kink. The width has no gradient of its own: without it.
            let far = (numbers([1, units, width], &mut stream) * 0.01 + 9.0).into_data();
            let x = numbers([members, units, 4 * width], &mut stream);
            let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                let truth = Tensor::from_data(far.clone(), &raw.device());
                NormalInverseGamma::of(raw).loss(truth, 0.0)
            });
            assert_eq!(wrong, [""; 0]);
        }
    }

    #[test]
    fn extreme_parameters_keep_losses_finite() {
        for raw in [-1e4f32, -20.0, 0.0, 20.0, 1e4] {
            for other in [-1e4f32, 0.0, 1e4] {
                let device = Device::flex().autodiff();
                let leaf = |values: &[f32]| {
                    let data = TensorData::new(values.to_vec(), [1, 1, values.len()]);
                    Tensor::<3>::from_data(data, &device).require_grad()
                };
                let (x, y) = (leaf(&[raw, other]), leaf(&[0.0, raw, other, raw]));
                let first = dirichlet_loss(x.clone(), &[0], None, 1.0);
                let truth = Tensor::from_data([[[other]]], &device);
                let second = NormalInverseGamma::of(y.clone()).loss(truth, 0.1);
                for (leaf, loss) in [(x, first), (y, second)] {
                    let gradient = leaf.grad(&loss.backward()).unwrap();
                    let all = [floats(&loss), crate::reference::wide(&gradient)].concat();
                    assert!(all.iter().all(|v| v.is_finite()), "{raw} {other}: {all:?}");
                }
            }
        }
    }
}
