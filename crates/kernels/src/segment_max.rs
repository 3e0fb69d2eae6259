use std::sync::OnceLock;

use burn::Tensor;
use rayon::prelude::*;

use crate::array::{Array, View, pieces_of};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::greatest::greatest;
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
    /// `[rows, width]`: the entry that each value came from.
    winners: OnceLock<Vec<u32>>,
}

impl Kernel for SegmentMax {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let (y, winners) = greatest(&self.matrix, None, inputs[0]);
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
                let at = row * width..(row + 1) * width;
                let pairs = winners[at.clone()].iter().zip(&gradient.values[at]);
                for (f, (&winner, &g)) in pairs.enumerate() {
                    part[(winner as usize - first) * width + f] = g;
                }
            }
        });
        vec![found]
    }
}
