use burn::Tensor;

use crate::array::{Array, View};
use crate::error::equal;
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::portable;
use crate::{Csr, KernelError};

const NAME: &str = "segment softmax";

/// The softmax over the entries of each row: `exp(s[e]) / sum over the row of exp(s)`, each head by itself.
///
/// # Shapes
/// `scores` and the result: `[entries, heads]`. A row without entries gives nothing.
///
/// # Errors
/// When there is not one row of scores for each entry.
pub fn segment_softmax(matrix: &Csr, scores: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    equal(
        NAME,
        "rows of the scores",
        matrix.entries(),
        scores.dims()[0],
    )?;
    if !is_cpu(&scores.device()) {
        return Ok(portable::segment_softmax(matrix, scores));
    }
    let kernel = SegmentSoftmax {
        matrix: matrix.clone(),
    };
    Ok(run(vec![scores.into_dispatch()], kernel))
}

#[derive(Debug)]
struct SegmentSoftmax {
    matrix: Csr,
}

impl Kernel for SegmentSoftmax {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let heads = inputs[0].width();
        let scores = inputs[0].values;
        let mut shares = Array::zeros(inputs[0].shape);
        for row in 0..self.matrix.rows() {
            for head in 0..heads {
                let places = || self.matrix.row(row).map(|entry| entry * heads + head);
                let greatest = places()
                    .map(|p| scores[p])
                    .fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for place in places() {
                    let power = (scores[place] - greatest).exp();
                    shares.values[place] = power;
                    sum += power;
                }
                places().for_each(|place| shares.values[place] /= sum);
            }
        }
        shares
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUT
    }

    fn backward(
        &self,
        _inputs: &[View],
        output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let heads = output.width();
        let (shares, gradient) = (output.values, gradient.values);
        let mut found = Array::zeros(output.shape);
        for row in 0..self.matrix.rows() {
            for head in 0..heads {
                let places = || self.matrix.row(row).map(|entry| entry * heads + head);
                let mean: f32 = places().map(|p| shares[p] * gradient[p]).sum();
                places().for_each(|p| found.values[p] = shares[p] * (gradient[p] - mean));
            }
        }
        vec![found]
    }
}
