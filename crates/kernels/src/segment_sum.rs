use burn::Tensor;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::array::{Array, View, pieces_of};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::portable;
use crate::{Csr, KernelError};

/// The sum over the entries of each row: `y[i] = sum over entries e of row i: x[e]`.
///
/// For a batch of graphs or clouds whose nodes lie after each other, a matrix with a row for each graph and an entry for each node
/// gives a readout. To sum what stands in the columns of the entries use [`sparse_product`](crate::sparse_product).
///
/// # Shapes
/// `x`: `[entries, width]`; the result: `[rows, width]`, zero where a row has no entries.
///
/// # Errors
/// When `x` does not have a row for each entry.
pub fn segment_sum(matrix: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    equal("segment sum", "rows of x", matrix.entries(), x.dims()[0])?;
    if !is_cpu(&x.device()) {
        return Ok(portable::segment_sum(matrix, x));
    }
    Ok(run(
        vec![x.into_dispatch()],
        SegmentSum::new(matrix, |_| 1.0),
    ))
}

/// The mean over the entries of each row: [`segment_sum`] divided by the number of entries.
///
/// # Shapes
/// `x`: `[entries, width]`; the result: `[rows, width]`, zero where a row has no entries.
///
/// # Errors
/// When `x` does not have a row for each entry.
pub fn segment_mean(matrix: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    equal("segment mean", "rows of x", matrix.entries(), x.dims()[0])?;
    if !is_cpu(&x.device()) {
        return Ok(portable::segment_mean(matrix, x));
    }
    let kernel = SegmentSum::new(matrix, |entries| 1.0 / entries as f32);
    Ok(run(vec![x.into_dispatch()], kernel))
}

#[derive(Debug)]
struct SegmentSum {
    matrix: Csr,
    /// What the sum over a row of so many entries is multiplied by.
    scale: fn(usize) -> f32,
}

impl SegmentSum {
    fn new(matrix: &Csr, scale: fn(usize) -> f32) -> SegmentSum {
        SegmentSum {
            matrix: matrix.clone(),
            scale,
        }
    }
}

impl Kernel for SegmentSum {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let (matrix, x, width) = (&self.matrix, inputs[0].values, inputs[0].width());
        let mut y = Array::zeros(&[matrix.rows(), width]);
        if width == 0 {
            return y;
        }
        let parts = pieces_of(matrix.work(width, width), &mut y.values, |range| {
            range.len() * width
        });
        parts.into_par_iter().for_each(|(range, part)| {
            let starts = &matrix.starts()[range.start..=range.end];
            sum_rows(part, x, width, starts, self.scale);
        });
        y
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
        let (matrix, width) = (&self.matrix, gradient.width());
        let mut found = Array::zeros(inputs[0].shape);
        if width == 0 {
            return vec![found];
        }
        let starts = matrix.starts();
        let parts = pieces_of(matrix.work(width, width), &mut found.values, |range| {
            (starts[range.end] - starts[range.start]) * width
        });
        parts.into_par_iter().for_each(|(range, part)| {
            let starts = &starts[range.start..=range.end];
            let gradient = &gradient.values[range.start * width..range.end * width];
            spread_rows(part, gradient, width, starts, self.scale);
        });
        vec![found]
    }
}

/// `y[i] = scale * sum of the rows starts[i]..starts[i + 1] of x`, for zeros as `y`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn sum_rows(y: &mut [f32], x: &[f32], width: usize, starts: &[usize], scale: fn(usize) -> f32) {
    for (ends, y) in starts.windows(2).zip(y.chunks_exact_mut(width)) {
        for x in x[ends[0] * width..ends[1] * width].chunks_exact(width) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += x;
            }
        }
        let entries = ends[1] - ends[0];
        // The mean of nothing stays zero.
        if entries > 1 {
            let scale = scale(entries);
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
}

/// The other way: each row's gradient to all its entries; `found` begins with the first row's first entry.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn spread_rows(
    found: &mut [f32],
    gradient: &[f32],
    width: usize,
    starts: &[usize],
    scale: fn(usize) -> f32,
) {
    let mut entries = found.chunks_exact_mut(width);
    for (ends, gradient) in starts.windows(2).zip(gradient.chunks_exact(width)) {
        let count = ends[1] - ends[0];
        let scale = scale(count);
        for found in entries.by_ref().take(count) {
            for (found, g) in found.iter_mut().zip(gradient) {
                *found = scale * g;
            }
        }
    }
}
