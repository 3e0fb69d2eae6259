use std::sync::{Arc, OnceLock};

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, TensorData};
use multiversion::multiversion;
use multiversion::target::match_target;

use crate::KernelError;
use crate::array::{Array, View, spread};
use crate::elementary::exp;
use crate::error::finite;
use crate::extension::{Keeps, Kernel, is_cpu, run};

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
        shares: OnceLock::new(),
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
    /// The softmax of each row.
    shares: OnceLock<Vec<f32>>,
}

/// Numbers that a thread takes at a time, about. Fixed, so that sums do not depend on the number of threads.
const PIECE: usize = 1 << 16;

impl CrossEntropy {
    fn total(&self, rows: usize) -> f32 {
        let total: f64 = (0..rows).map(|row| f64::from(self.truth.weight(row))).sum();
        (total as f32).max(f32::MIN_POSITIVE)
    }
}

impl Kernel for CrossEntropy {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let (x, classes) = (inputs[0].values, inputs[0].width());
        let rows_at_once = PIECE.div_ceil(classes);
        let piece = rows_at_once * classes;
        let mut shares = vec![0.0; x.len()];
        let mut sums = vec![0f64; x.len().div_ceil(piece)];
        let parts = shares.chunks_mut(piece).zip(x.chunks(piece)).zip(&mut sums);
        spread(
            parts.enumerate().collect(),
            |(number, ((shares, x), sum))| {
                let rows = shares
                    .chunks_exact_mut(classes)
                    .zip(x.chunks_exact(classes));
                for (row, (shares, x)) in rows.enumerate() {
                    let row = number * rows_at_once + row;
                    let class = self.truth.classes[row % self.truth.classes.len()] as usize;
                    let log_sum = softmax(shares, x);
                    let mean = || x.iter().sum::<f32>() / classes as f32;
                    let smoothing = self.truth.smoothing;
                    let target = if smoothing > 0.0 {
                        x[class] + smoothing * (mean() - x[class])
                    } else {
                        x[class]
                    };
                    let weight = self.truth.weight(row);
                    if weight != 0.0 {
                        *sum += f64::from(weight * (log_sum - target));
                    }
                }
            },
        );
        let total = self.total(x.len() / classes);
        if keep {
            // A kernel runs forwards once.
            let _ = self.shares.set(shares);
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
        inputs: &[View],
        _output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let classes = inputs[0].width();
        let mut found = Array::zeros(inputs[0].shape);
        let shares = self.shares.get().map(Vec::as_slice).unwrap_or_default();
        let rows_at_once = PIECE.div_ceil(classes);
        let piece = rows_at_once * classes;
        let factor = gradient.values[0] / self.total(found.values.len() / classes);
        let spread_evenly = self.truth.smoothing / classes as f32;
        let parts = found.values.chunks_mut(piece).zip(shares.chunks(piece));
        spread(parts.enumerate().collect(), |(number, (found, shares))| {
            let rows = found
                .chunks_exact_mut(classes)
                .zip(shares.chunks_exact(classes));
            for (row, (found, shares)) in rows.enumerate() {
                let row = number * rows_at_once + row;
                let weight = factor * self.truth.weight(row);
                if weight == 0.0 {
                    continue;
                }
                for (found, share) in found.iter_mut().zip(shares) {
                    *found = weight * (share - spread_evenly);
                }
                let class = self.truth.classes[row % self.truth.classes.len()] as usize;
                found[class] -= weight * (1.0 - self.truth.smoothing);
            }
        });
        vec![found]
    }
}

/// Sets the softmax of a row; gives the logarithm of the sum of its exponentials.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn softmax(shares: &mut [f32], x: &[f32]) -> f32 {
    match_target! {
        "x86_64+avx512f+avx512vl" => softmax_by::<true>(shares, x),
        "x86_64+avx2+fma" => softmax_by::<true>(shares, x),
        "aarch64+neon" => softmax_by::<true>(shares, x),
        _ => softmax_by::<false>(shares, x),
    }
}

#[inline(always)]
fn softmax_by<const FMA: bool>(shares: &mut [f32], x: &[f32]) -> f32 {
    let greatest = x
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for (share, &x) in shares.iter_mut().zip(x) {
        *share = exp::<FMA>(x - greatest);
    }
    let sum: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    greatest + sum.ln()
}
