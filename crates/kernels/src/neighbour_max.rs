use std::sync::OnceLock;

use burn::Tensor;
use rayon::prelude::*;

use crate::array::{Array, View};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::greatest::{NOBODY, greatest};
use crate::portable;
use crate::{Csr, KernelError};

const NAME: &str = "neighbour maximum";

/// `y[i] = max over entries e of row i: x[column(e)]`, each feature by itself; of equal values the first entry's gets the gradient.
///
/// # Shapes
/// `x`: `[columns, width]`; the result: `[rows, width]`, zero where a row has no entries. A NaN is never greater than a number.
///
/// # Errors
/// When `x` does not have a row for each column.
pub fn neighbour_max(matrix: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    equal(NAME, "rows of x", matrix.columns(), x.dims()[0])?;
    if !is_cpu(&x.device()) {
        return Ok(portable::neighbour_max(matrix, x));
    }
    let kernel = NeighbourMax {
        matrix: matrix.clone(),
        winners: OnceLock::new(),
    };
    Ok(run(vec![x.into_dispatch()], kernel))
}

#[derive(Debug)]
struct NeighbourMax {
    matrix: Csr,
    /// `[rows, width]`: the column that each value came from; [`NOBODY`] in rows without entries.
    winners: OnceLock<Vec<u32>>,
}

/// Features whose gradients one thread gathers at a time.
const FEATURES: usize = 16;

impl Kernel for NeighbourMax {
    fn forward(&self, inputs: &[View], keep: bool) -> Array {
        let columns = self.matrix.indices();
        let (y, winners) = greatest(&self.matrix, Some(columns), inputs[0]);
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
        let width = gradient.width();
        let mut found = Array::zeros(inputs[0].shape);
        let winners = self.winners.get().map(Vec::as_slice).unwrap_or_default();
        if width == 0 || winners.is_empty() {
            return vec![found];
        }
        // Threads share rows but not features: each sum has one order, whatever the number of threads.
        let columns = self.matrix.columns();
        let blocks: Vec<Vec<f32>> = (0..width.div_ceil(FEATURES))
            .into_par_iter()
            .map(|block| {
                let features = block * FEATURES..((block + 1) * FEATURES).min(width);
                let count = features.len();
                let mut sums = vec![0.0; columns * count];
                for row in 0..self.matrix.rows() {
                    let at = row * width + features.start..row * width + features.end;
                    let pairs = winners[at.clone()].iter().zip(&gradient.values[at]);
                    for (f, (&winner, &g)) in pairs.enumerate() {
                        if winner != NOBODY {
                            sums[winner as usize * count + f] += g;
                        }
                    }
                }
                sums
            })
            .collect();
        found
            .values
            .par_chunks_mut(width)
            .enumerate()
            .for_each(|(column, row)| {
                for (block, sums) in blocks.iter().enumerate() {
                    let start = block * FEATURES;
                    let count = FEATURES.min(width - start);
                    let from = &sums[column * count..(column + 1) * count];
                    row[start..start + count].copy_from_slice(from);
                }
            });
        vec![found]
    }
}
