use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use candor_core::Distribution;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{MemberLinear, MemberLinearConfig};

/// Which predictive distribution the head gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HeadKind {
    /// Class probabilities by softmax; trained on cross-entropy.
    Softmax {
        /// Classes.
        classes: usize,
        /// Share of the probability mass that training spreads over all classes, 0 to 1 (Szegedy et al. 2016).
        label_smoothing: f64,
    },
    /// Independent normal distributions; trained on the beta-weighted likelihood, so that the mean does not
    /// under-fit where the variance is large (Seitzer et al., ICLR 2022, equation 5).
    Gaussian {
        /// Numbers per unit.
        width: usize,
        /// 0 is the plain likelihood, 1 weighs units as squared error does; 0.5 is the paper's choice.
        beta: f64,
    },
}

/// Maps embeddings to the parameters of a predictive distribution, and holds the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Members, each with a map of its own.
    pub members: usize,
    /// Length of the embedding.
    pub input: usize,
    /// The distribution.
    pub kind: HeadKind,
}

/// See [`HeadConfig`].
#[derive(Module, Debug)]
pub struct Head {
    linear: MemberLinear,
}

/// Log-variances outside are cut: beyond them the exponential leaves the range of 32-bit floats.
const LOG_VARIANCE: (f32, f32) = (-14.0, 10.0);

impl HeadConfig {
    /// Weights as in [`MemberLinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> Head {
        let output = match self.kind {
            HeadKind::Softmax { classes, .. } => classes,
            HeadKind::Gaussian { width, .. } => 2 * width,
        };
        let config = MemberLinearConfig {
            members: self.members,
            input: self.input,
            output,
        };
        Head {
            linear: config.init(stream, device),
        }
    }
}

impl Head {
    /// Embeddings `[members, units, input]` to raw parameters `[members, units, outputs]`.
    pub fn forward(&self, embedding: Tensor<3>) -> Tensor<3> {
        self.linear.forward(embedding)
    }
}

impl HeadKind {
    /// Loss of raw parameters `[members, units, classes]` against class indices `[units]`: each member is
    /// judged alone, and the mean is taken.
    pub fn loss_of_classes(&self, raw: Tensor<3>, classes: Tensor<1, Int>) -> Tensor<1> {
        let smoothing = match self {
            HeadKind::Softmax {
                label_smoothing, ..
            } => *label_smoothing,
            HeadKind::Gaussian { .. } => 0.0,
        };
        let [members, units, _] = raw.dims();
        let log_p = log_softmax(raw, 2);
        let index: Tensor<3, Int> = classes.reshape([1, units, 1]).expand([members, units, 1]);
        let picked = log_p.clone().gather(2, index).mean().neg();
        if smoothing == 0.0 {
            return picked;
        }
        picked * (1.0 - smoothing) + log_p.mean().neg() * smoothing
    }

    /// Loss of raw parameters `[members, units, 2 * width]` against numbers `[units, width]`.
    pub fn loss_of_values(&self, raw: Tensor<3>, values: Tensor<2>) -> Tensor<1> {
        let beta = match self {
            HeadKind::Gaussian { beta, .. } => *beta,
            HeadKind::Softmax { .. } => 0.0,
        };
        let (mean, log_variance) = split_gaussian(raw);
        let error = (mean - values.unsqueeze()).square();
        let nll = (log_variance.clone() + error / log_variance.clone().exp()) * 0.5;
        let weight = (log_variance.detach() * beta as f32).exp();
        (nll * weight).mean()
    }

    /// The distributions of one member from raw parameters `[units, outputs]`.
    pub fn distribution(&self, raw: Tensor<2>) -> Distribution {
        match self {
            HeadKind::Softmax { classes, .. } => Distribution::Categorical {
                classes: *classes,
                probabilities: floats(softmax(raw, 1)),
            },
            HeadKind::Gaussian { width, .. } => {
                let (mean, log_variance) = split_gaussian(raw.unsqueeze());
                Distribution::Gaussian {
                    width: *width,
                    mean: floats(mean),
                    variance: floats(log_variance.exp()),
                }
            }
        }
    }
}

fn split_gaussian(raw: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [_, _, outputs] = raw.dims();
    let width = outputs / 2;
    let log_variance = raw
        .clone()
        .narrow(2, width, width)
        .clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
    (raw.narrow(2, 0, width), log_variance)
}

/// The values of a tensor, row-major.
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linear;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes, wide};
    use burn::tensor::TensorData;
    use candor_core::Seed;
    use rand::RngExt;

    fn softmax_of(classes: usize, label_smoothing: f64) -> HeadKind {
        HeadKind::Softmax {
            classes,
            label_smoothing,
        }
    }

    fn gaussian(width: usize, beta: f64) -> HeadKind {
        HeadKind::Gaussian { width, beta }
    }

    /// Raw parameters `[members, units, outputs]`.
    fn raw(shape: [usize; 3], values: &[f32]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn classes(indices: &[i32], device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(indices.to_vec(), [indices.len()]), device)
    }

    #[test]
    fn raw_parameters_have_one_column_a_class_and_two_a_number() {
        for ([members, units, input, outputs], mut stream) in shapes("head") {
            let x = numbers([members, units, input], &mut stream);
            let kinds = [
                (softmax_of(outputs, 0.0), outputs),
                (gaussian(outputs, 0.5), 2 * outputs),
            ];
            for (kind, columns) in kinds {
                let config = HeadConfig {
                    members,
                    input,
                    kind,
                };
                let head = config.init(&mut stream, &Device::flex().autodiff());
                let dims = head.valid().forward(x.clone()).dims();
                assert_eq!(dims, [members, units, columns]);
                let wrong = wrong_gradients(&head, &x, &mut stream, Head::forward);
                assert_eq!(wrong, [""; 0]);
            }
        }
    }

    #[test]
    fn cross_entropy_worked_by_hand() {
        let ln = f64::ln;
        let three = 3f32.ln();
        // Smoothing, members, raw parameters, true classes, loss. Odds of 3 to 1 are probabilities of 3/4 and 1/4.
        type Case<'a> = (f64, usize, &'a [f32], &'a [i32], f64);
        let cases: [Case; 7] = [
            (0.0, 1, &[0.0, 0.0], &[1], ln(2.0)),
            (0.0, 1, &[three, 0.0], &[0], -ln(0.75)),
            (0.0, 1, &[three, 0.0], &[1], -ln(0.25)),
            // A constant added to all classes changes nothing.
            (0.0, 1, &[three + 50.0, 50.0], &[1], -ln(0.25)),
            // The mean of two units, then of two members of one unit.
            (
                0.0,
                1,
                &[three, 0.0, three, 0.0],
                &[0, 1],
                -(ln(0.75) + ln(0.25)) / 2.0,
            ),
            (
                0.0,
                2,
                &[three, 0.0, 0.0, 0.0],
                &[0],
                (ln(2.0) - ln(0.75)) / 2.0,
            ),
            // Targets are 0.9 + 0.05 and 0.05.
            (
                0.1,
                1,
                &[three, 0.0],
                &[0],
                -0.95 * ln(0.75) - 0.05 * ln(0.25),
            ),
        ];
        for (smoothing, members, values, truth, expected) in cases {
            let raw = raw([members, truth.len(), 2], values);
            let truth = classes(truth, &Device::flex());
            let loss = softmax_of(2, smoothing).loss_of_classes(raw, truth);
            assert_close(&loss, [1], &[expected]);
        }
    }

    #[test]
    fn gaussian_likelihood_worked_by_hand() {
        let four = 4f32.ln();
        let ln_4 = f64::ln(4.0);
        // Beta, members, width, raw parameters (means, then logarithms of variances), true values, loss: one half of
        // log-variance plus squared error over variance, times the variance to the power of beta.
        type Case<'a> = (f64, usize, usize, &'a [f32], &'a [f32], f64);
        let cases: [Case; 8] = [
            (0.0, 1, 1, &[1.0, 0.0], &[3.0], 2.0),
            (0.0, 1, 1, &[1.0, four], &[3.0], 0.5 * (ln_4 + 1.0)),
            (0.5, 1, 1, &[1.0, four], &[3.0], ln_4 + 1.0),
            (1.0, 1, 1, &[1.0, four], &[3.0], 2.0 * (ln_4 + 1.0)),
            // The mean over units, then over numbers of a unit, then over members.
            (
                0.5,
                1,
                1,
                &[1.0, 0.0, 1.0, four],
                &[3.0, 3.0],
                (2.0 + ln_4 + 1.0) / 2.0,
            ),
            (
                0.5,
                1,
                2,
                &[1.0, 1.0, 0.0, four],
                &[3.0, 3.0],
                (2.0 + ln_4 + 1.0) / 2.0,
            ),
            (
                0.5,
                2,
                1,
                &[1.0, 0.0, 1.0, four],
                &[3.0],
                (2.0 + ln_4 + 1.0) / 2.0,
            ),
            // Log-variances are cut at 10.
            (0.0, 1, 1, &[0.0, 99.0], &[0.0], 5.0),
        ];
        for (beta, members, width, values, truth, expected) in cases {
            let units = truth.len() / width;
            let raw = raw([members, units, 2 * width], values);
            let truth = TensorData::new(truth.to_vec(), [units, width]);
            let truth = Tensor::from_data(truth, &Device::flex());
            let loss = gaussian(width, beta).loss_of_values(raw, truth);
            assert_close(&loss, [1], &[expected]);
        }
    }

    #[test]
    fn gradients_of_cross_entropy_agree_with_finite_differences() {
        for ([members, units, count], mut stream) in shapes("cross-entropy") {
            let truth: Vec<i32> = (0..units)
                .map(|_| stream.random_range(0..count) as i32)
                .collect();
            let x = numbers([members, units, count], &mut stream);
            for smoothing in [0.0, 0.2] {
                let kind = softmax_of(count, smoothing);
                let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                    let truth = classes(&truth, &raw.device());
                    kind.loss_of_classes(raw, truth)
                });
                assert_eq!(wrong, [""; 0]);
            }
        }
    }

    #[test]
    fn gradients_of_the_plain_likelihood_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("likelihood") {
            let truth = numbers([units, width], &mut stream).into_data();
            let x = numbers([members, units, 2 * width], &mut stream);
            let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                let truth = Tensor::from_data(truth.clone(), &raw.device());
                gaussian(width, 0.0).loss_of_values(raw, truth)
            });
            assert_eq!(wrong, [""; 0]);
        }
    }

    #[test]
    fn the_weight_of_beta_has_no_gradient_of_its_own() {
        // Seitzer et al., equation 5: the gradient is that of the likelihood times the weight, so it cannot be compared
        // with finite differences. With beta 1 the mean learns as under squared error.
        let (mean, log_variance, truth) = (1.0f64, 0.7f64, 3.0f64);
        for beta in [0.0, 0.5, 1.0] {
            let device = Device::flex().autodiff();
            let x = Tensor::from_data([[[mean as f32, log_variance as f32]]], &device);
            let x = x.require_grad();
            let truth_at = Tensor::from_data([[truth as f32]], &device);
            let loss = gaussian(1, beta).loss_of_values(x.clone(), truth_at);
            let gradient = x.grad(&loss.backward()).unwrap();
            let (variance, error) = (log_variance.exp(), mean - truth);
            let weight = variance.powf(beta);
            let expected = [
                weight * error / variance,
                weight * 0.5 * (1.0 - error * error / variance),
            ];
            assert_close(&gradient, [1, 1, 2], &expected);
        }
    }

    #[test]
    fn extreme_parameters_keep_loss_and_gradient_finite() {
        // Every combination of two raw parameters and a truth.
        let extremes = [-1e4f32, 0.0, 1e4];
        for (a, b, truth) in extremes
            .iter()
            .flat_map(|a| extremes.iter().map(move |b| (*a, *b)))
            .flat_map(|(a, b)| extremes.iter().map(move |t| (a, b, *t)))
        {
            let device = Device::flex().autodiff();
            let judge = |loss: &dyn Fn(Tensor<3>) -> Tensor<1>| {
                let x = Tensor::from_data([[[a, b]]], &device).require_grad();
                let loss = loss(x.clone());
                let gradient = x.grad(&loss.backward()).unwrap();
                let all = [wide(&loss), wide(&gradient)].concat();
                assert!(
                    all.iter().all(|v| v.is_finite()),
                    "{a} {b} {truth}: {all:?}"
                );
            };
            let class = i32::from(truth > 0.0);
            for smoothing in [0.0, 0.1] {
                judge(&|x| softmax_of(2, smoothing).loss_of_classes(x, classes(&[class], &device)));
            }
            for beta in [0.0, 0.5, 1.0] {
                let value = Tensor::from_data([[truth]], &device);
                judge(&|x| gaussian(1, beta).loss_of_values(x, value.clone()));
            }
        }
    }

    #[test]
    fn probabilities_worked_by_hand() {
        let three = 3f32.ln();
        let raw = Tensor::from_data([[three, 0.0], [0.0, 0.0]], &Device::flex());
        let Distribution::Categorical {
            classes,
            probabilities,
        } = softmax_of(2, 0.1).distribution(raw)
        else {
            panic!("a softmax gives probabilities");
        };
        assert_eq!(classes, 2);
        for (got, expected) in probabilities.iter().zip([0.75, 0.25, 0.5, 0.5]) {
            assert!((got - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn means_and_variances_worked_by_hand() {
        // Two numbers a unit: two means, then two logarithms of variances.
        let raw = [[1.0, -2.0, 4f32.ln(), 0.0], [3.0, 4.0, 0.0, 9f32.ln()]];
        let Distribution::Gaussian {
            width,
            mean,
            variance,
        } = gaussian(2, 0.5).distribution(Tensor::from_data(raw, &Device::flex()))
        else {
            panic!("a Gaussian head gives means and variances");
        };
        assert_eq!((width, mean), (2, vec![1.0, -2.0, 3.0, 4.0]));
        for (got, expected) in variance.iter().zip([4.0, 1.0, 1.0, 9.0]) {
            assert!((got - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn distributions_of_any_parameters_are_distributions() {
        let mut stream = Seed(0).stream("distributions", &[]);
        let drawn = numbers([20, 4], &mut stream);
        let scales = [1.0, 1e2, 1e4, 1e30];
        let mut cases: Vec<Tensor<2>> = scales.iter().map(|s| drawn.clone() * *s).collect();
        // One unit, and equal parameters.
        cases.push(drawn.narrow(0, 3, 1));
        cases.push(Tensor::full([2, 4], -1e4, &Device::flex()));
        for raw in cases {
            let units = raw.dims()[0];
            let categorical = softmax_of(4, 0.0).distribution(raw.clone());
            assert_eq!((categorical.len(), categorical.is_finite()), (units, true));
            let Distribution::Categorical { probabilities, .. } = categorical else {
                panic!("a softmax gives probabilities");
            };
            for row in probabilities.chunks(4) {
                assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            let normal = gaussian(2, 0.5).distribution(raw);
            assert_eq!((normal.len(), normal.is_finite()), (units, true));
            let Distribution::Gaussian { variance, .. } = normal else {
                panic!("a Gaussian head gives means and variances");
            };
            assert!(variance.iter().all(|v| *v > 0.0));
        }
    }
}
