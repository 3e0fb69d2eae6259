use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;

use crate::array::{Array, View, spread};
use crate::extension::{Keeps, Kernel, is_cpu, run};

/// The positive numbers, and zero in place of the others; on all threads where the tensor is large. A NaN stays one.
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !is_cpu(&x.device()) {
        return activation::relu(x);
    }
    run(vec![x.into_dispatch()], Relu)
}

#[derive(Debug)]
struct Relu;

/// Numbers that a thread takes at a time.
const PIECE: usize = 1 << 16;

impl Kernel for Relu {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        #[expect(
            unsafe_code,
            reason = "as long as the input, by which it is written below"
        )]
        let mut result = unsafe { Array::unwritten(inputs[0].shape) };
        let parts = result
            .values
            .chunks_mut(PIECE)
            .zip(inputs[0].values.chunks(PIECE));
        spread(parts.collect(), |(y, x)| {
            y.iter_mut()
                .zip(x)
                .for_each(|(y, &x)| *y = if x < 0.0 { 0.0 } else { x });
        });
        result
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUT
    }

    fn backward(
        &self,
        inputs: &[View],
        output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        #[expect(
            unsafe_code,
            reason = "as long as the output and its gradient, by which it is written below"
        )]
        let mut found = unsafe { Array::unwritten(inputs[0].shape) };
        let parts = found
            .values
            .chunks_mut(PIECE)
            .zip(output.values.chunks(PIECE));
        let parts = parts.zip(gradient.values.chunks(PIECE)).collect();
        spread(parts, |((found, y), g)| passed(found, y, g));
        vec![found]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn passed(found: &mut [f32], y: &[f32], g: &[f32]) {
    for (found, (&y, &g)) in found.iter_mut().zip(y.iter().zip(g)) {
        *found = if y > 0.0 { g } else { 0.0 };
    }
}
