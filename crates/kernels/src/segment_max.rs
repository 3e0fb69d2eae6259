use std::sync::OnceLock;

use burn::Tensor;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::array::{Array, View, pieces_of};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::portable;
use crate::{Csr, KernelError};

const NAME: &str = "segment maximum";

/// The maximum over the entries of each row, each feature by itself: `y[i] = max over entries e of row i: x[e]`; of equal values the
/// first entry's gets the gradient.
///
/// Where the entries' values stand in their columns use [`neighbour_max`](crate::neighbour_max), which copies nothing.
///
/// # Shapes
/// `x`: `[entries, width]`; the result: `[rows, width]`, zero where a row has no entries. A NaN is never greater than a number.
///
/// # Errors
/// When `x` does not have a row for each entry.
pub fn segment_max(matrix: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    equal(NAME, "rows of x", matrix.entries(), x.dims()[0])?;
    if !is_cpu(&x.device()) {
        return Ok(portable::segment_max(matrix, x));
    }
    let kernel = SegmentMax {
        matrix: matrix.clone(),
        winners: OnceLock::new(),
    };
    Ok(run(vec![x.into_dispatch()], kernel))
}

#[derive(Debug)]
struct SegmentMax {
    matrix: Csr,
    /// `[rows, width]`: which of the row's entries each value came from.
    winners: OnceLock<Vec<u32>>,
}

impl Kernel for SegmentMax {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let (matrix, x, width) = (&self.matrix, inputs[0].values, inputs[0].width());
        let mut y = Array::zeros(&[matrix.rows(), width]);
        if width == 0 {
            return y;
        }
        // Written also where nobody asks for them: that costs less than a second form of the loop would.
        let mut winners = vec![0; y.values.len()];
        let size = |range: &std::ops::Range<usize>| range.len() * width;
        let work = matrix.work(width, width);
        let parts = pieces_of(work.clone(), &mut y.values, size);
        let won = pieces_of(work, &mut winners, size);
        let parts = parts.into_par_iter().zip(won);
        parts.for_each(|((range, y), (_, won))| {
            let starts = &matrix.starts()[range.start..=range.end];
            greatest_of_rows(y, won, x, width, starts);
        });
        if keep {
            // A kernel runs forwards once.
            let _ = self.winners.set(winners);
        }
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
        let (starts, width) = (self.matrix.starts(), gradient.width());
        let mut found = Array::zeros(inputs[0].shape);
        let winners = self.winners.get().map(Vec::as_slice).unwrap_or_default();
        if winners.is_empty() {
            return vec![found];
        }
        let work = self.matrix.work(width, width);
        let parts = pieces_of(work, &mut found.values, |range| {
            (starts[range.end] - starts[range.start]) * width
        });
        parts.into_par_iter().for_each(|(range, part)| {
            let first = starts[range.start];
            for row in range.filter(|&row| !self.matrix.row(row).is_empty()) {
                let offset = starts[row] - first;
                let at = row * width..(row + 1) * width;
                let pairs = winners[at.clone()].iter().zip(&gradient.values[at]);
                for (f, (&winner, &g)) in pairs.enumerate() {
                    part[(offset + winner as usize) * width + f] = g;
                }
            }
        });
        vec![found]
    }
}

/// The greatest of the rows `starts[i]..starts[i + 1]` of `x`, and which of them it was; rows without entries are left alone.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn greatest_of_rows(y: &mut [f32], won: &mut [u32], x: &[f32], width: usize, starts: &[usize]) {
    let rows = y.chunks_exact_mut(width).zip(won.chunks_exact_mut(width));
    for (ends, (y, won)) in starts.windows(2).zip(rows) {
        let mut entries = x[ends[0] * width..ends[1] * width].chunks_exact(width);
        let Some(first) = entries.next() else {
            continue;
        };
        y.copy_from_slice(first);
        for (x, entry) in entries.zip(1..) {
            for ((y, won), &x) in y.iter_mut().zip(won.iter_mut()).zip(x) {
                let better = x > *y;
                *y = if better { x } else { *y };
                *won = if better { entry } else { *won };
            }
        }
    }
}
