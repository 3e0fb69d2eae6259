use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, TensorData};
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::{Array, spread};
use crate::elementary::exp;
use crate::error::finite;
use crate::extension::{Held, Keeps, Operation, is_cpu, only, run};

const NAME: &str = "cross-entropy";

/// The true classes of rows of logits, and what each row counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The class of each row; where there are several times as many rows, as from several networks, they stand in turn.
    pub classes: Arc<[u32]>,
    /// What each of these counts, 0 or more; 1 each when absent.
    pub weights: Option<Arc<[f32]>>,
    /// Share of the probability mass that is spread over all classes, 0 to 1 (Szegedy et al. 2016).
    pub smoothing: f32,
}

impl Truth {
    /// Every row counts alike.
    pub fn new(classes: impl Into<Arc<[u32]>>) -> Truth {
        Truth {
            classes: classes.into(),
            weights: None,
            smoothing: 0.0,
        }
    }

    fn weight(&self, row: usize) -> f32 {
        let row = row % self.classes.len();
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

/// The mean of `-log softmax(logits)[class]` over the rows, by their weights; 0 when all weights are.
///
/// # Shapes
/// `logits`: any, its last axis the classes; the result: `[1]`.
///
/// # Errors
/// When there are no rows, the number of rows is no multiple of the number of classes given, a class is too great, or weights are
/// negative or no numbers.
pub fn cross_entropy<const D: usize>(
    logits: Tensor<D>,
    truth: &Truth,
) -> Result<Tensor<1>, KernelError> {
    let classes = logits.dims().last().copied().unwrap_or(1);
    let rows = logits.shape().num_elements() / classes.max(1);
    let given = truth.classes.len();
    if rows == 0 || given == 0 || !rows.is_multiple_of(given) {
        let expected = format!("a multiple of {given} true classes, at least 1");
        return Err(KernelError::shape(NAME, "number of rows", expected, rows));
    }
    if let Some(place) = truth.classes.iter().position(|&c| c as usize >= classes) {
        return Err(KernelError::Index {
            operation: NAME,
            place,
            index: truth.classes[place].into(),
            bound: classes,
        });
    }
    if let Some(weights) = &truth.weights {
        finite(NAME, "the weights", weights)?;
        let least = weights.iter().copied().fold(0.0, f32::min);
        if least < 0.0 || weights.len() != given {
            let expected = format!("{given}, none negative");
            let got = format!("{}, the least {least}", weights.len());
            return Err(KernelError::shape(NAME, "weights", expected, got));
        }
    }
    if !(0.0..=1.0).contains(&truth.smoothing) {
        return Err(KernelError::shape(
            NAME,
            "smoothing",
            "0 to 1",
            truth.smoothing,
        ));
    }
    if !is_cpu(&logits.device()) {
        return Ok(portable(logits, truth));
    }
    let kernel = CrossEntropy {
        truth: truth.clone(),
        shares: Mutex::new(Vec::new()),
    };
    Ok(run(vec![logits.into_dispatch()], kernel))
}

pub(crate) fn portable<const D: usize>(logits: Tensor<D>, truth: &Truth) -> Tensor<1> {
    let device = logits.device();
    let classes = logits.dims()[D - 1];
    let rows = logits.shape().num_elements() / classes;
    let log_p = log_softmax(logits.reshape([rows, classes]), 1);
    let picked: Vec<i32> = (0..rows)
        .map(|row| truth.classes[row % truth.classes.len()] as i32)
        .collect();
    let picked: Tensor<2, Int> = Tensor::from_data(TensorData::new(picked, [rows, 1]), &device);
    let of_class = log_p.clone().gather(1, picked);
    let of_all = log_p.mean_dim(1);
    let losses = -(of_class * (1.0 - truth.smoothing) + of_all * truth.smoothing);
    let weights: Vec<f32> = (0..rows).map(|row| truth.weight(row)).collect();
    let total: f32 = weights.iter().sum();
    let weights = Tensor::from_data(TensorData::new(weights, [rows, 1]), &device);
    (losses * weights).sum() / total.max(f32::MIN_POSITIVE)
}

/// Input: the logits.
#[derive(Debug)]
struct CrossEntropy {
    truth: Truth,
    /// The softmax of each row, until the gradient is written over it.
    shares: Mutex<Vec<f32>>,
}

/// Numbers that a thread takes at a time, about: they stay in the nearest cache. Fixed, so that sums do not depend on the number of
/// threads.
const PIECE: usize = 1 << 13;

impl CrossEntropy {
    fn shares(&self) -> MutexGuard<'_, Vec<f32>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The logit of a row's class; with smoothing, mixed with the mean.
    fn target(&self, row: usize, x: &[f32]) -> f32 {
        let of_class = x[self.truth.classes[row % self.truth.classes.len()] as usize];
        if self.truth.smoothing == 0.0 {
            return of_class;
        }
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        of_class + self.truth.smoothing * (mean - of_class)
    }

    fn total(&self, rows: usize) -> f32 {
        let total: f64 = (0..rows).map(|row| f64::from(self.truth.weight(row))).sum();
        (total as f32).max(f32::MIN_POSITIVE)
    }
}

impl Operation for CrossEntropy {
    fn forward(&self, inputs: Vec<Held>, keep: bool) -> Array {
        let [logits] = only(inputs);
        let Array { shape, mut values } = logits.into_array();
        let classes = shape.last().copied().unwrap_or(1);
        let rows_at_once = PIECE.div_ceil(classes);
        let piece = rows_at_once * classes;
        let mut sums = vec![0f64; values.len().div_ceil(piece)];
        let parts = values.chunks_mut(piece).zip(&mut sums);
        spread(parts.enumerate().collect(), |(number, (x, sum))| {
            let first = number * rows_at_once;
            let mut losses = Vec::with_capacity(rows_at_once);
            for (row, x) in x.chunks_exact(classes).enumerate() {
                losses.push(-self.target(first + row, x));
            }
            softmax(x, classes, &mut losses);
            for (row, loss) in losses.into_iter().enumerate() {
                let weight = self.truth.weight(first + row);
                if weight != 0.0 {
                    *sum += f64::from(weight * loss);
                }
            }
        });
        let total = self.total(values.len() / classes);
        if keep {
            *self.shares() = values;
        }
        Array {
            shape: vec![1],
            values: vec![(sums.iter().sum::<f64>() / f64::from(total)) as f32],
        }
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn backward(
        &self,
        inputs: Vec<Held>,
        _output: Held,
        gradient: Held,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let shape = inputs[0].view().shape.to_vec();
        let classes = shape.last().copied().unwrap_or(1);
        let mut values = std::mem::take(&mut *self.shares());
        let rows_at_once = PIECE.div_ceil(classes);
        let piece = rows_at_once * classes;
        let factor = gradient.view().values[0] / self.total(values.len() / classes);
        let spread_evenly = self.truth.smoothing / classes as f32;
        let parts = values.chunks_mut(piece).enumerate().collect();
        spread(parts, |(number, shares): (usize, &mut [f32])| {
            for (row, shares) in shares.chunks_exact_mut(classes).enumerate() {
                let row = number * rows_at_once + row;
                let weight = factor * self.truth.weight(row);
                if weight == 0.0 {
                    shares.fill(0.0);
                    continue;
                }
                for share in shares.iter_mut() {
                    *share = weight * (*share - spread_evenly);
                }
                let class = self.truth.classes[row % self.truth.classes.len()] as usize;
                shares[class] -= weight * (1.0 - self.truth.smoothing);
            }
        });
        vec![Array { shape, values }]
    }
}

/// Sets rows of logits to their softmax, and adds to each row's loss the logarithm of the sum of its exponentials.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn softmax(x: &mut [f32], classes: usize, losses: &mut [f32]) {
    match_target! {
        "x86_64+avx512f+avx512vl" => softmax_by::<true>(x, classes, losses),
        "x86_64+avx2+fma" => softmax_by::<true>(x, classes, losses),
        "aarch64+neon" => softmax_by::<true>(x, classes, losses),
        _ => softmax_by::<false>(x, classes, losses),
    }
}

#[inline(always)]
fn softmax_by<const FMA: bool>(x: &mut [f32], classes: usize, losses: &mut [f32]) {
    for (x, loss) in x.chunks_exact_mut(classes).zip(losses.iter_mut()) {
        let mut greatest = f32::NEG_INFINITY;
        for &x in x.iter() {
            greatest = if x > greatest { x } else { greatest };
        }
        for x in x.iter_mut() {
            *x -= greatest;
        }
        *loss += greatest;
    }
    // Across the rows, which are often shorter than a vector.
    for x in x.iter_mut() {
        *x = exp::<FMA>(*x);
    }
    for (x, loss) in x.chunks_exact_mut(classes).zip(losses) {
        let sum: f32 = x.iter().sum();
        let inverse = 1.0 / sum;
        for x in x.iter_mut() {
            *x *= inverse;
        }
        *loss += sum.ln();
    }
}
