use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::{log_sigmoid, relu, sigmoid, softmax, softplus};
use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Distribution, QuantileFunction, Target, Task, normal_quantile};
use candor_kernels::{KernelError, Truth, cross_entropy};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::evidential::{NormalInverseGamma, dirichlet, dirichlet_loss, expected_entropies};
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
    /// Probabilities of several labels, each by a sigmoid of its own; trained on binary cross-entropy, the mean over the labels
    /// that are known.
    Sigmoid {
        /// Labels per unit.
        width: usize,
        /// Share of the probability mass that training gives to the other value and its own in equal parts, 0 to 1.
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
    /// Independent Laplace distributions, whose mean is the median: trained on their likelihood, that is on absolute errors. Told as normal
    /// distributions of the same mean and variance.
    Laplace {
        /// Numbers per unit.
        width: usize,
    },
    /// Quantiles of numbers, of whatever shape the noise has; trained on the pinball loss, the mean over levels (Koenker &
    /// Bassett 1978, equation 3.2).
    ///
    /// They cannot cross: the raw parameters are the middle quantile and, from it outwards, the steps to the next one,
    /// which softplus keeps positive (Park et al., AISTATS 2022, section 3.1; there the steps go upwards from the lowest). A step
    /// counts in steps of the standard normal distribution, so that raw parameters of zero mean a normal distribution.
    Quantile {
        /// Numbers per unit.
        width: usize,
        /// Levels, ascending, between 0 and 1; at least two.
        levels: Vec<f32>,
    },
    /// Dirichlet distributions over class probabilities: evidential classification (Sensoy et al. 2018). Told by their means; how much of the
    /// doubt they put into the probabilities says [`HeadKind::aleatoric`].
    Dirichlet {
        /// Classes.
        classes: usize,
        /// What evidence for wrong classes costs (lambda), 0 or more; it rises from nothing over the first fifth of the training.
        strength: f64,
    },
    /// Normal-inverse-gamma distributions over mean and variance of numbers: evidential regression (Amini et al. 2020). Told as normal
    /// distributions of the same mean and variance; how much of it they put into the data says [`HeadKind::aleatoric`].
    NormalInverseGamma {
        /// Numbers per unit.
        width: usize,
        /// What evidence costs where the mean is wrong (lambda), 0 or more.
        strength: f64,
    },
}

/// Share of the training over which the price of wrong evidence rises: at full price from the start, networks learn to have none
/// (Sensoy et al. 2018, section 4, in whose experiments it is ten epochs of fifty).
const ANNEALING: f64 = 0.2;

/// The levels of a quantile head unless others are asked for: every twentieth, and the ends of the central 95 %.
pub const QUANTILE_LEVELS: [f32; 21] = [
    0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8,
    0.85, 0.9, 0.95, 0.975,
];

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
/// Steps between quantiles outside are cut before softplus: a narrower one could vanish beside the middle quantile, and wider ones
/// than the widest normal distribution are of no use.
const STEP: (f32, f32) = (-7.0, 150.0);
/// Softplus of this is 1.
const SOFTPLUS_OF_ONE: f32 = 0.541_324_85;
/// What the labels of a batch count together at least, so that a batch without known labels has a loss.
const LEAST_COUNT: f32 = 1e-6;
/// Levels and columns at most, for saved heads that come from outside.
const MOST: usize = 1 << 20;

impl HeadConfig {
    /// Weights as in [`MemberLinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> Head {
        let config = MemberLinearConfig {
            members: self.members,
            input: self.input,
            output: self.kind.outputs(),
        };
        Head {
            linear: config.init(stream, device),
        }
    }
}

impl Head {
    /// How many members it has, and how many numbers each sees.
    pub fn shape(&self) -> (usize, usize) {
        self.linear.shape()
    }

    /// Embeddings `[members, units, input]` to raw parameters `[members, units, outputs]`.
    pub fn forward(&self, embedding: Tensor<3>) -> Tensor<3> {
        self.linear.forward(embedding)
    }

    /// The numbers of each member's map, offsets as a last row: `[members]` of `[input + 1, outputs]`.
    pub fn maps(&self) -> Vec<Vec<f64>> {
        self.linear.maps()
    }
}

impl HeadKind {
    /// The usual head for a target: classes by softmax, labels by sigmoids, numbers by normal distributions with a weight of 0.5 on the variance
    /// (beta-NLL).
    pub fn for_target(target: &Target, label_smoothing: f64) -> HeadKind {
        let width = target.width();
        match target.task {
            Task::Binary | Task::Multiclass => HeadKind::Softmax {
                classes: width,
                label_smoothing,
            },
            Task::Multilabel => HeadKind::Sigmoid {
                width,
                label_smoothing,
            },
            Task::Regression => HeadKind::Gaussian { width, beta: 0.5 },
        }
    }

    /// The head of evidential networks, with what evidence costs (lambda; usually 1 for classes and 0.01 for numbers). Labels have none.
    pub fn evidential(target: &Target, price: Option<f64>) -> Option<HeadKind> {
        let width = target.width();
        match target.task {
            Task::Binary | Task::Multiclass => Some(HeadKind::Dirichlet {
                classes: width,
                strength: price.unwrap_or(1.0),
            }),
            Task::Regression => Some(HeadKind::NormalInverseGamma {
                width,
                strength: price.unwrap_or(0.01),
            }),
            Task::Multilabel => None,
        }
    }

    /// Why the head cannot be built, if so. Saved heads come from outside and are checked before anything is allocated.
    pub fn check(&self) -> Result<(), String> {
        if let HeadKind::Quantile { levels, .. } = self
            && (!QuantileFunction::are_levels(levels) || levels.len() > MOST)
        {
            return Err("the levels of its quantiles do not ascend between 0 and 1".into());
        }
        if let HeadKind::Dirichlet { strength, .. } | HeadKind::NormalInverseGamma { strength, .. } =
            self
            && !(0.0..=1e3).contains(strength)
        {
            return Err(format!(
                "the price of evidence is {strength}, outside 0 to 1000"
            ));
        }
        let outputs = self.outputs();
        if (1..=MOST).contains(&outputs) {
            return Ok(());
        }
        Err(format!(
            "its head has {outputs} outputs, outside 1 to {MOST}"
        ))
    }

    /// Raw parameters of one unit.
    pub fn outputs(&self) -> usize {
        match self {
            HeadKind::Softmax { classes, .. } | HeadKind::Dirichlet { classes, .. } => *classes,
            HeadKind::Sigmoid { width, .. } => *width,
            HeadKind::NormalInverseGamma { width, .. } => width.saturating_mul(4),
            HeadKind::Gaussian { width, .. } | HeadKind::Laplace { width } => {
                width.saturating_mul(2)
            }
            HeadKind::Quantile { width, levels } => width.saturating_mul(levels.len()),
        }
    }

    /// The head as it is when a share `done` of the training is over: what must not count wholly from the start counts less.
    pub fn annealed(&self, done: f64) -> HeadKind {
        match self {
            HeadKind::Dirichlet { classes, strength } => HeadKind::Dirichlet {
                classes: *classes,
                strength: strength * (done / ANNEALING).clamp(0.0, 1.0),
            },
            other => other.clone(),
        }
    }

    /// Loss of raw parameters `[members, units, classes]` against the class of each unit: each member is judged alone, and the mean is
    /// taken, weighted by what each unit `counts` (alike when absent).
    ///
    /// # Errors
    /// When there is not one class for each unit, a class is not one of the head's, or a unit counts less than nothing.
    pub fn loss_of_classes(
        &self,
        raw: Tensor<3>,
        classes: impl Into<Arc<[u32]>>,
        counts: Option<Arc<[f32]>>,
    ) -> Result<Tensor<1>, KernelError> {
        let smoothing = match self {
            HeadKind::Softmax {
                label_smoothing, ..
            } => *label_smoothing,
            _ => 0.0,
        };
        let truth = Truth {
            classes: classes.into(),
            weights: counts,
            smoothing: smoothing as f32,
        };
        let HeadKind::Dirichlet { strength, .. } = self else {
            return cross_entropy(raw, &truth);
        };
        // Looked at for what it refuses.
        cross_entropy(raw.clone().detach(), &truth)?;
        let counts = truth.weights.as_deref();
        Ok(dirichlet_loss(raw, &truth.classes, counts, *strength))
    }

    /// Loss of raw parameters `[members, units, width]` against labels `[units, width]`, each of which `counts` (0 where it is not
    /// known, else 1 or its weight): `(1 - y) x - ln sigmoid(x)`, the mean over members and labels. Zero when none counts.
    pub fn loss_of_labels(
        &self,
        raw: Tensor<3>,
        applies: Tensor<2>,
        counts: Tensor<2>,
    ) -> Tensor<1> {
        let smoothing = match self {
            HeadKind::Sigmoid {
                label_smoothing, ..
            } => *label_smoothing,
            _ => 0.0,
        };
        let members = raw.dims()[0] as f32;
        let total = counts.clone().sum().clamp_min(LEAST_COUNT) * members;
        let not = applies.neg() * (1.0 - smoothing) + (1.0 - 0.5 * smoothing);
        let losses = raw.clone() * not.unsqueeze() - log_sigmoid(raw);
        (losses * counts.unsqueeze()).sum() / total
    }

    /// Loss of raw parameters `[members, units, outputs]` against numbers `[units, width]`.
    pub fn loss_of_values(&self, raw: Tensor<3>, values: Tensor<2>) -> Tensor<1> {
        let beta = match self {
            HeadKind::Gaussian { beta, .. } => *beta,
            HeadKind::Softmax { .. } | HeadKind::Sigmoid { .. } | HeadKind::Dirichlet { .. } => 0.0,
            HeadKind::NormalInverseGamma { strength, .. } => {
                return NormalInverseGamma::of(raw).loss(values.unsqueeze(), *strength);
            }
            HeadKind::Laplace { .. } => return laplace(raw, values),
            HeadKind::Quantile { levels, .. } => return pinball(raw, values, levels),
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
            HeadKind::Dirichlet { classes, .. } => {
                let alpha = dirichlet(raw.unsqueeze());
                let sum = alpha.clone().sum_dim(2);
                Distribution::Categorical {
                    classes: *classes,
                    probabilities: floats(alpha / sum),
                }
            }
            HeadKind::NormalInverseGamma { width, .. } => {
                let told = NormalInverseGamma::of(raw.unsqueeze());
                Distribution::Gaussian {
                    width: *width,
                    variance: floats(told.variance()),
                    mean: floats(told.gamma),
                }
            }
            HeadKind::Sigmoid { width, .. } => Distribution::Bernoulli {
                width: *width,
                probabilities: floats(sigmoid(raw)),
            },
            HeadKind::Gaussian { width, .. } | HeadKind::Laplace { width } => {
                let (mean, log_variance) = split_gaussian(raw.unsqueeze());
                Distribution::Gaussian {
                    width: *width,
                    mean: floats(mean),
                    variance: floats(log_variance.exp()),
                }
            }
            HeadKind::Quantile { width, levels } => {
                let mut values = floats(quantiles(raw.unsqueeze(), levels));
                for cell in values.chunks_exact_mut(levels.len().max(1)) {
                    // Rounding can swap neighbours that are closer than the last digit.
                    for k in 1..cell.len() {
                        cell[k] = cell[k].max(cell[k - 1]);
                    }
                }
                Distribution::Quantiles {
                    width: *width,
                    levels: levels.clone(),
                    values,
                }
            }
        }
    }
}

impl HeadKind {
    /// How much of its own doubt a member that doubts itself finds in the data, from raw parameters `[units, outputs]`: the expected
    /// entropy of each unit in nats, or the expected variance of each number `[units, width]`. `None` for heads that state one distribution,
    /// not one over distributions.
    pub fn aleatoric(&self, raw: Tensor<2>) -> Option<Vec<f32>> {
        match self {
            HeadKind::Dirichlet { classes, .. } => Some(expected_entropies(
                &floats(dirichlet(raw.unsqueeze())),
                *classes,
            )),
            HeadKind::NormalInverseGamma { .. } => {
                Some(floats(NormalInverseGamma::of(raw.unsqueeze()).aleatoric()))
            }
            _ => None,
        }
    }
}

/// The mean over members, units and numbers of `ln b + |y - m| / b`, where the variance is `2 b²`.
fn laplace(raw: Tensor<3>, values: Tensor<2>) -> Tensor<1> {
    let (mean, log_variance) = split_gaussian(raw);
    let log_scale = log_variance * 0.5 - 0.5 * std::f32::consts::LN_2;
    let error = (mean - values.unsqueeze()).abs();
    (log_scale.clone() + error / log_scale.exp()).mean()
}

/// Quantiles `[cells, levels]` of raw parameters `[members, units, width * levels]`, a cell being a number of a unit of a member.
/// Of each cell the first parameter is the middle quantile, the others are the steps between neighbours, from the lowest on.
fn quantiles(raw: Tensor<3>, levels: &[f32]) -> Tensor<2> {
    let (count, device) = (levels.len(), raw.device());
    let [members, units, outputs] = raw.dims();
    let raw: Tensor<2> = raw.reshape([members * units * outputs / count, count]);
    let steps = raw.clone().narrow(1, 1, count - 1);
    let steps = softplus(steps.clamp(STEP.0, STEP.1) + SOFTPLUS_OF_ONE, 1.0);
    let to_values = TensorData::new(steps_to_values(levels), [count - 1, count]);
    let z = normal_quantile(f64::from(levels[count / 2])) as f32;
    raw.narrow(1, 0, 1) + z + steps.matmul(Tensor::from_data(to_values, &device))
}

/// `[levels - 1, levels]`: what a step, in steps of the standard normal distribution, adds to each quantile.
fn steps_to_values(levels: &[f32]) -> Vec<f32> {
    let z: Vec<f64> = levels
        .iter()
        .map(|&level| normal_quantile(f64::from(level)))
        .collect();
    let middle = levels.len() / 2;
    let of_step = |step: usize| {
        let length = (z[step + 1] - z[step]) as f32;
        (0..levels.len()).map(move |k| match (step < middle, k > step) {
            (true, false) => -length,
            (false, true) => length,
            _ => 0.0,
        })
    };
    (0..levels.len() - 1).flat_map(of_step).collect()
}

/// The mean over members, units, numbers and levels of `max(tau (y - q), (tau - 1) (y - q))`.
fn pinball(raw: Tensor<3>, values: Tensor<2>, levels: &[f32]) -> Tensor<1> {
    let (count, device) = (levels.len(), raw.device());
    let [members, units, outputs] = raw.dims();
    let width = outputs / count;
    let cells = [members * units * width, 1];
    let truth: Tensor<3> = values.unsqueeze();
    let truth: Tensor<2> = truth.expand([members, units, width]).reshape(cells);
    let level: Tensor<2> = Tensor::from_data(TensorData::new(levels.to_vec(), [1, count]), &device);
    let error = truth - quantiles(raw, levels);
    // tau e + max(-e, 0).
    (error.clone() * level + relu(error.neg())).mean()
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

    fn sigmoid_of(width: usize, label_smoothing: f64) -> HeadKind {
        HeadKind::Sigmoid {
            width,
            label_smoothing,
        }
    }

    fn gaussian(width: usize, beta: f64) -> HeadKind {
        HeadKind::Gaussian { width, beta }
    }

    #[test]
    fn the_laplace_loss_worked_by_hand() {
        let head = HeadKind::Laplace { width: 1 };
        // Means 1 and 3 of scale 1, that is of variance 2, and truths 2 and 3.
        let two = 2f32.ln();
        let values = Tensor::from_data([[2.0], [3.0]], &Device::flex());
        let loss = head.loss_of_values(raw([1, 2, 2], &[1.0, two, 3.0, two]), values);
        assert_close(&loss, [1], &[0.5]);
        let said = head.distribution(Tensor::from_data([[1.0, two]], &Device::flex()));
        let Distribution::Gaussian { mean, variance, .. } = said else {
            panic!("told as a normal distribution")
        };
        assert_eq!(mean, [1.0]);
        assert!((variance[0] - 2.0).abs() < 1e-5);
    }

    fn quantile(width: usize, levels: &[f32]) -> HeadKind {
        HeadKind::Quantile {
            width,
            levels: levels.to_vec(),
        }
    }

    /// The raw step whose softplus makes it `length` times that of the standard normal distribution.
    fn step(length: f64) -> f32 {
        (length.exp_m1().ln()) as f32 - SOFTPLUS_OF_ONE
    }

    /// Raw parameters `[members, units, outputs]`.
    fn raw(shape: [usize; 3], values: &[f32]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    #[test]
    fn raw_parameters_have_one_column_a_class_and_two_a_number() {
        for ([members, units, input, outputs], mut stream) in shapes("head") {
            let x = numbers([members, units, input], &mut stream);
            let kinds = [
                (softmax_of(outputs, 0.0), outputs),
                (sigmoid_of(outputs, 0.0), outputs),
                (gaussian(outputs, 0.5), 2 * outputs),
                (quantile(outputs, &[0.1, 0.5, 0.8]), 3 * outputs),
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
        type Case<'a> = (f64, usize, &'a [f32], &'a [u32], f64);
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
            let loss = softmax_of(2, smoothing).loss_of_classes(raw, truth, None);
            assert_close(&loss.unwrap(), [1], &[expected]);
        }
    }

    #[test]
    fn units_and_labels_count_as_they_are_weighted() {
        let (ln, odds) = (f64::ln, f32::ln(3.0));
        // The odds are 3 to 1; the second unit, of the rarer class, counts three times.
        let of_classes = |counts: Option<Arc<[f32]>>| {
            let raw = raw([1, 2, 2], &[odds, 0.0, odds, 0.0]);
            softmax_of(2, 0.0).loss_of_classes(raw, [0, 1], counts)
        };
        let expected = -(ln(0.75) + 3.0 * ln(0.25)) / 4.0;
        let weighted = of_classes(Some(Arc::from([1.0, 3.0]))).unwrap();
        assert_close(&weighted, [1], &[expected]);
        let plain = of_classes(Some(Arc::from([1.0, 1.0]))).unwrap();
        assert_close(&plain, [1], &[-(ln(0.75) + ln(0.25)) / 2.0]);
        assert!(of_classes(Some(Arc::from([1.0, -3.0]))).is_err());
        let labels = |values: [f32; 2]| Tensor::from_data([values], &Device::flex());
        let raw = raw([1, 1, 2], &[odds, odds]);
        let loss = sigmoid_of(2, 0.0).loss_of_labels(raw, labels([1.0, 0.0]), labels([1.0, 3.0]));
        assert_close(&loss, [1], &[expected]);
    }

    #[test]
    fn classes_that_the_head_does_not_have_are_refused() {
        let raw = || raw([1, 2, 2], &[0.0; 4]);
        let loss = |classes: &[u32]| softmax_of(2, 0.0).loss_of_classes(raw(), classes, None);
        let outside = loss(&[0, 2]).unwrap_err().to_string();
        assert!(outside.contains("index 2 at place 1"), "{outside}");
        assert!(loss(&[0, 1, 1]).is_err());
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
    fn quantiles_and_pinball_loss_worked_by_hand() {
        // At the quartiles a step is as long as the upper quartile of the standard normal distribution is high.
        let levels = [0.25, 0.5, 0.75];
        let z = 0.674_489_75;
        let kind = quantile(1, &levels);
        let cell = [1.0, step(2.0 / z), step(3.0 / z)];
        let Distribution::Quantiles { width, values, .. } =
            kind.distribution(Tensor::from_data([cell, [0.0, 0.0, 0.0]], &Device::flex()))
        else {
            panic!("a quantile head gives quantiles");
        };
        assert_eq!(width, 1);
        // Zeros are a standard normal distribution.
        for (got, expected) in values.iter().zip([-1.0, 1.0, 4.0, -z, 0.0, z]) {
            assert!((f64::from(*got) - expected).abs() < 1e-5, "{values:?}");
        }
        // True value, then the pinball loss at each level: a quarter of what the quartile lacks, three quarters of what it is too much.
        for (truth, losses) in [
            (2.0, [0.25 * 3.0, 0.5 * 1.0, 0.25 * 2.0]),
            (-3.0, [0.75 * 2.0, 0.5 * 4.0, 0.25 * 7.0]),
            (6.0, [0.25 * 7.0, 0.5 * 5.0, 0.75 * 2.0]),
        ] {
            let loss = kind.loss_of_values(
                raw([1, 1, 3], &cell),
                Tensor::from_data([[truth as f32]], &Device::flex()),
            );
            assert_close(&loss, [1], &[losses.iter().sum::<f64>() / 3.0]);
        }
        // Two numbers of a unit, and two members: each against the truth of its own place.
        let both = [cell, cell].concat();
        let truth = Tensor::from_data([[2.0f32, -3.0]], &Device::flex());
        let expected = (0.75 + 0.5 + 0.5 + 1.5 + 2.0 + 1.75) / 6.0;
        let two = quantile(2, &levels);
        let loss = two.loss_of_values(raw([1, 1, 6], &both), truth.clone());
        assert_close(&loss, [1], &[expected]);
        let members = [both.clone(), both].concat();
        let loss = two.loss_of_values(raw([2, 1, 6], &members), truth);
        assert_close(&loss, [1], &[expected]);
    }

    #[test]
    fn cross_entropy_of_labels_worked_by_hand() {
        let ln = f64::ln;
        let three = 3f32.ln();
        // Smoothing, members, raw parameters, labels and whether they are known, loss. Odds of 3 to 1 are 3/4.
        type Case<'a> = (f64, usize, &'a [f32], &'a [f32], &'a [f32], f64);
        let cases: [Case; 7] = [
            (0.0, 1, &[0.0, 0.0], &[1.0, 0.0], &[1.0, 1.0], ln(2.0)),
            (
                0.0,
                1,
                &[three, three],
                &[1.0, 0.0],
                &[1.0, 1.0],
                -(ln(0.75) + ln(0.25)) / 2.0,
            ),
            // What is not known does not count, whatever stands there.
            (0.0, 1, &[three, 77.0], &[1.0, 0.0], &[1.0, 0.0], -ln(0.75)),
            (0.0, 1, &[three, 77.0], &[1.0, 0.0], &[0.0, 0.0], 0.0),
            // The mean over units with one known label and with two.
            (
                0.0,
                1,
                &[three, 9.0, 0.0, three],
                &[0.0, 0.0, 1.0, 1.0],
                &[1.0, 0.0, 1.0, 1.0],
                -(ln(0.25) + ln(0.5) + ln(0.75)) / 3.0,
            ),
            // Two members.
            (
                0.0,
                2,
                &[three, 9.0, 0.0, 9.0],
                &[1.0, 1.0],
                &[1.0, 0.0],
                -(ln(0.75) + ln(0.5)) / 2.0,
            ),
            // Targets are 0.95 and 0.05.
            (
                0.1,
                1,
                &[three, three],
                &[1.0, 0.0],
                &[1.0, 1.0],
                -(ln(0.75) + ln(0.25)) / 2.0,
            ),
        ];
        for (smoothing, members, values, applies, known, expected) in cases {
            let units = applies.len() / 2;
            let labels = |values: &[f32]| -> Tensor<2> {
                let data = TensorData::new(values.to_vec(), [units, 2]);
                Tensor::from_data(data, &Device::flex())
            };
            let raw = raw([members, units, 2], values);
            let loss = sigmoid_of(2, smoothing).loss_of_labels(raw, labels(applies), labels(known));
            assert_close(&loss, [1], &[expected]);
        }
        let Distribution::Bernoulli {
            width,
            probabilities,
        } = sigmoid_of(2, 0.1).distribution(Tensor::from_data(
            [[three, 0.0], [-three, 1e4]],
            &Device::flex(),
        ))
        else {
            panic!("a sigmoid head gives probabilities of labels");
        };
        assert_eq!(width, 2);
        for (got, expected) in probabilities.iter().zip([0.75, 0.5, 0.25, 1.0]) {
            assert!((got - expected).abs() < 1e-6, "{probabilities:?}");
        }
    }

    #[test]
    fn gradients_of_the_cross_entropy_of_labels_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("labels") {
            let mut bits = || -> Vec<f32> {
                let bit = |_| f32::from(u8::from(stream.random::<bool>()));
                (0..units * width).map(bit).collect()
            };
            let (applies, known) = (bits(), bits());
            let x = numbers([members, units, width], &mut stream);
            for smoothing in [0.0, 0.2] {
                let kind = sigmoid_of(width, smoothing);
                let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                    let labels = |values: &[f32]| -> Tensor<2> {
                        let data = TensorData::new(values.to_vec(), [units, width]);
                        Tensor::from_data(data, &raw.device())
                    };
                    kind.loss_of_labels(raw.clone(), labels(&applies), labels(&known))
                });
                assert_eq!(wrong, [""; 0]);
            }
        }
    }

    #[test]
    fn gradients_of_the_pinball_loss_agree_with_finite_differences() {
        for ([members, units, width], mut stream) in shapes("pinball") {
            for levels in [&[0.1f32, 0.9][..], &[0.05, 0.3, 0.5, 0.9]] {
                // Far from the truth, so that no difference straddles the kink.
                let far = numbers([units, width], &mut stream) * 0.01 + 40.0;
                let truth = far.into_data();
                let x = numbers([members, units, width * levels.len()], &mut stream);
                let kind = quantile(width, levels);
                let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                    let truth = Tensor::from_data(truth.clone(), &raw.device());
                    kind.loss_of_values(raw, truth)
                });
                assert_eq!(wrong, [""; 0]);
            }
        }
    }

    #[test]
    fn heads_that_cannot_be_built_are_refused() {
        let cases = [
            (softmax_of(2, 0.0), true),
            (softmax_of(0, 0.0), false),
            (gaussian(usize::MAX, 0.5), false),
            (quantile(1, &QUANTILE_LEVELS), true),
            (quantile(0, &QUANTILE_LEVELS), false),
            (quantile(1, &[0.5]), false),
            (quantile(1, &[0.5, 0.5]), false),
            (quantile(1, &[0.5, f32::NAN]), false),
        ];
        for (kind, sound) in cases {
            assert_eq!(kind.check().is_ok(), sound, "{kind:?}");
        }
    }

    #[test]
    fn gradients_of_cross_entropy_agree_with_finite_differences() {
        for ([members, units, count], mut stream) in shapes("cross-entropy") {
            let truth: Vec<u32> = (0..units)
                .map(|_| stream.random_range(0..count as u32))
                .collect();
            let x = numbers([members, units, count], &mut stream);
            for smoothing in [0.0, 0.2] {
                let kind = softmax_of(count, smoothing);
                let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, raw| {
                    kind.loss_of_classes(raw, truth.as_slice(), None).unwrap()
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
            let class = u32::from(truth > 0.0);
            for smoothing in [0.0, 0.1] {
                let kind = softmax_of(2, smoothing);
                judge(&|x| kind.loss_of_classes(x, [class], None).unwrap());
            }
            for beta in [0.0, 0.5, 1.0] {
                let value = Tensor::from_data([[truth]], &device);
                judge(&|x| gaussian(1, beta).loss_of_values(x, value.clone()));
            }
            let applies = Tensor::from_data([[class as f32, 1.0 - class as f32]], &device);
            let known = Tensor::ones([1, 2], &device);
            for smoothing in [0.0, 0.1] {
                let kind = sigmoid_of(2, smoothing);
                judge(&|x| kind.loss_of_labels(x, applies.clone(), known.clone()));
            }
            let value = Tensor::from_data([[truth]], &device);
            judge(&|x| quantile(1, &[0.1, 0.9]).loss_of_values(x, value.clone()));
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
            let crossing = quantile(2, &[0.4, 0.6]).distribution(raw.clone());
            assert_eq!((crossing.len(), crossing.is_finite()), (units, true));
            let Distribution::Quantiles { values, .. } = crossing else {
                panic!("a quantile head gives quantiles");
            };
            assert!(
                values.chunks(2).all(|pair| pair[0] <= pair[1]),
                "{values:?}"
            );
            let normal = gaussian(2, 0.5).distribution(raw);
            assert_eq!((normal.len(), normal.is_finite()), (units, true));
            let Distribution::Gaussian { variance, .. } = normal else {
                panic!("a Gaussian head gives means and variances");
            };
            assert!(variance.iter().all(|v| *v > 0.0));
        }
    }
}
