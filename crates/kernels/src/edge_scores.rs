use burn::Tensor;

use crate::array::{Array, View};
use crate::error::{cut_by_heads, equal};
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::portable;
use crate::sparse_product::{scores, times};
use crate::{Csr, KernelError};

const NAME: &str = "edge scores";

/// `s[e, h] = q[row(e), h] . k[column(e), h]`: a dense product, but only where the matrix has entries.
///
/// # Shapes
/// `q`: `[rows, heads * width]`; `k`: `[columns, heads * width]`; the result: `[entries, heads]`.
///
/// # Errors
/// When the shapes do not fit, or there are no heads.
pub fn edge_scores(
    matrix: &Csr,
    heads: usize,
    q: Tensor<2>,
    k: Tensor<2>,
) -> Result<Tensor<2>, KernelError> {
    let ([q_rows, width], [k_rows, k_width]) = (q.dims(), k.dims());
    equal(NAME, "rows of q", matrix.rows(), q_rows)?;
    equal(NAME, "rows of k", matrix.columns(), k_rows)?;
    equal(NAME, "width of k", width, k_width)?;
    cut_by_heads(NAME, "width of q", heads, width)?;
    if !is_cpu(&q.device()) {
        return Ok(portable::edge_scores(matrix, heads, q, k));
    }
    let kernel = EdgeScores {
        matrix: matrix.clone(),
        heads,
    };
    Ok(run(vec![q.into_dispatch(), k.into_dispatch()], kernel))
}

#[derive(Debug)]
struct EdgeScores {
    matrix: Csr,
    heads: usize,
}

impl Kernel for EdgeScores {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        scores(&self.matrix, self.heads, inputs[0], inputs[1])
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let weights = Some(gradient.values);
        vec![
            Array::when(wanted[0], || {
                times(&self.matrix, None, weights, self.heads, inputs[1])
            }),
            Array::when(wanted[1], || {
                let (mirrored, places) = self.matrix.mirrored();
                times(mirrored, Some(places), weights, self.heads, inputs[0])
            }),
        ]
    }
}
