use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;

use crate::array::{Array, spread};
use crate::extension::{Held, Keeps, Operation, is_cpu, only, run};

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

impl Operation for Relu {
    fn forward(&self, inputs: Vec<Held>, _keep: bool) -> Array {
        let [mut x] = only(inputs);
        if let Some(mut x) = x.take() {
            let parts = x.values.chunks_mut(PIECE).collect();
            spread(parts, |part: &mut [f32]| {
                part.iter_mut().for_each(|x| *x = cut(*x));
            });
            return x;
        }
        #[expect(
            unsafe_code,
            reason = "as long as the input, by which it is written below"
        )]
        let mut y = unsafe { Array::unwritten(x.view().shape) };
        let parts = y.values.chunks_mut(PIECE);
        let parts = parts.zip(x.view().values.chunks(PIECE)).collect();
        spread(parts, |(y, x): (&mut [f32], &[f32])| {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = cut(x));
        });
        y
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUT
    }

    fn backward(
        &self,
        _inputs: Vec<Held>,
        output: Held,
        gradient: Held,
        _wanted: &[bool],
    ) -> Vec<Array> {
        let mut found = gradient.into_array();
        let parts = found.values.chunks_mut(PIECE);
        let parts = parts.zip(output.view().values.chunks(PIECE)).collect();
        spread(parts, |(g, y)| pass(g, y));
        vec![found]
    }
}

#[inline(always)]
fn cut(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn pass(g: &mut [f32], y: &[f32]) {
    for (g, &y) in g.iter_mut().zip(y) {
        *g = if y > 0.0 { *g } else { 0.0 };
    }
}
