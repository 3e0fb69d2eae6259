use std::sync::Arc;

use burn::Tensor;

use crate::array::{Array, View, pieces_of, spread};
use crate::error::{cut_by_heads, equal, finite};
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::lanes::{Rows, dot, sparse_rows};
use crate::portable;
use crate::{Csr, KernelError};

const NAME: &str = "sparse product";

/// `y[i] = sum over entries e of row i: x[column(e)]`.
///
/// With rows as nodes and columns as the nodes that send to them this is one step of message passing; with a matrix of zeros and
/// ones as `matrix` (bags of words) and weights as `x` it is a linear layer that skips the zeros.
///
/// # Shapes
/// `x`: `[columns, width]`; the result: `[rows, width]`, zero where a row has no entries.
///
/// # Errors
/// When `x` does not have a row for each column.
pub fn sparse_product(matrix: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    product(matrix, None, x)
}

/// [`sparse_product`] with a fixed weight for each entry, such as the symmetric normalisation of a graph (Kipf & Welling 2017,
/// equation 2) or word counts.
///
/// # Errors
/// When the lengths do not fit, or a weight is not a finite number.
pub fn weighted_sparse_product(
    matrix: &Csr,
    weights: &Arc<[f32]>,
    x: Tensor<2>,
) -> Result<Tensor<2>, KernelError> {
    equal(NAME, "number of weights", matrix.entries(), weights.len())?;
    finite(NAME, "the weights", weights)?;
    product(matrix, Some(weights.clone()), x)
}

fn product(
    matrix: &Csr,
    weights: Option<Arc<[f32]>>,
    x: Tensor<2>,
) -> Result<Tensor<2>, KernelError> {
    equal(NAME, "rows of x", matrix.columns(), x.dims()[0])?;
    if !is_cpu(&x.device()) {
        return Ok(portable::sparse_product(matrix, weights.as_deref(), x));
    }
    let kernel = SparseProduct {
        matrix: matrix.clone(),
        weights,
        learned: false,
        heads: 1,
    };
    Ok(run(vec![x.into_dispatch()], kernel))
}

/// [`sparse_product`] with learned weights, such as attention: `y[i, h] = sum over e of row i: w[e, h] x[column(e), h]`.
///
/// # Shapes
/// `weights`: `[entries, heads]`; `x`: `[columns, heads * width]`; the result: `[rows, heads * width]`.
///
/// # Errors
/// When the lengths do not fit, or there are no heads.
pub fn attention_product(
    matrix: &Csr,
    weights: Tensor<2>,
    x: Tensor<2>,
) -> Result<Tensor<2>, KernelError> {
    let [entries, heads] = weights.dims();
    let [columns, width] = x.dims();
    equal(NAME, "rows of the weights", matrix.entries(), entries)?;
    equal(NAME, "rows of x", matrix.columns(), columns)?;
    cut_by_heads(NAME, "width of x", heads, width)?;
    if !is_cpu(&x.device()) {
        return Ok(portable::attention_product(matrix, weights, x));
    }
    let kernel = SparseProduct {
        matrix: matrix.clone(),
        weights: None,
        learned: true,
        heads,
    };
    Ok(run(
        vec![x.into_dispatch(), weights.into_dispatch()],
        kernel,
    ))
}

/// Inputs: `x`, and the weights if they are learned.
#[derive(Debug)]
struct SparseProduct {
    matrix: Csr,
    weights: Option<Arc<[f32]>>,
    /// Whether the weights are an input.
    learned: bool,
    heads: usize,
}

impl Kernel for SparseProduct {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let weights = inputs.get(1).map(|w| w.values).or(self.weights.as_deref());
        times(&self.matrix, None, weights, self.heads, inputs[0])
    }

    fn keeps(&self) -> Keeps {
        Keeps {
            inputs: self.learned,
            output: false,
        }
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let mut found = vec![Array::when(wanted[0], || {
            let learned = inputs.get(1).map(|w| w.values);
            match (learned, &self.weights) {
                (None, Some(fixed)) => mirrored_times(&self.matrix, Some(fixed), gradient),
                (weights, _) => {
                    let (mirrored, places) = self.matrix.mirrored();
                    times(mirrored, Some(places), weights, self.heads, gradient)
                }
            }
        })];
        found.extend(wanted.get(1).map(|&wanted| {
            Array::when(wanted, || {
                scores(&self.matrix, self.heads, gradient, inputs[0])
            })
        }));
        found
    }
}

/// `A^T x` with fixed weights, or ones.
pub(crate) fn mirrored_times(matrix: &Csr, weights: Option<&Arc<[f32]>>, x: View) -> Array {
    let (mirrored, places) = matrix.mirrored();
    let in_turn = weights.and_then(|weights| matrix.mirrored_weights(weights));
    match (&in_turn, weights) {
        (Some(in_turn), _) => times(mirrored, None, Some(in_turn), 1, x),
        (None, weights) => times(mirrored, Some(places), weights.map(|w| &**w), 1, x),
    }
}

/// The product on plain numbers; `places` tells where each entry's weight stands, when that is not its own number.
pub(crate) fn times(
    matrix: &Csr,
    places: Option<&[u32]>,
    weights: Option<&[f32]>,
    heads: usize,
    x: View,
) -> Array {
    let width = x.width();
    #[expect(
        unsafe_code,
        reason = "the pieces of work below are all rows, and each is set"
    )]
    let mut y = unsafe { Array::unwritten(&[matrix.rows(), width]) };
    if width == 0 {
        return y;
    }
    let work = matrix.work(width, width);
    let parts = pieces_of(work, &mut y.values, |range| range.len() * width);
    spread(parts, |(range, part)| {
        let rows = Rows {
            starts: &matrix.starts()[range.start..=range.end],
            indices: matrix.indices(),
            places,
            weights,
            heads,
            stride: width,
        };
        sparse_rows(part, x.values, width, &rows);
    });
    y
}

/// `s[e, h] = q[row(e), h] . k[column(e), h]` on plain numbers.
pub(crate) fn scores(matrix: &Csr, heads: usize, q: View, k: View) -> Array {
    let width = q.width();
    let mut scores = Array::zeros(&[matrix.entries(), heads]);
    if width == 0 {
        return scores;
    }
    let head_width = width / heads;
    let starts = matrix.starts();
    let parts = pieces_of(matrix.work(1, width), &mut scores.values, |range| {
        (starts[range.end] - starts[range.start]) * heads
    });
    spread(parts, |(range, part)| {
        let first = starts[range.start];
        for row in range {
            let q = &q.values[row * width..(row + 1) * width];
            for entry in matrix.row(row) {
                let column = matrix.indices()[entry] as usize;
                let k = &k.values[column * width..(column + 1) * width];
                for head in 0..heads {
                    let at = head * head_width..(head + 1) * head_width;
                    part[(entry - first) * heads + head] = dot(&q[at.clone()], &k[at]);
                }
            }
        }
    });
    scores
}
