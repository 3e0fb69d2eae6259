use burn::Tensor;
use burn::tensor::TensorData;
use multiversion::multiversion;

use crate::array::{Array, View, spread};
use crate::extension::{Keeps, Kernel, is_cpu, run};

/// Sets each value to zero with probability `rate`, 0 to below 1, and scales the others by `1 / (1 - rate)`.
///
/// Which ones depends on `key` and their places alone: going backwards they are found again instead of being kept. A key is used
/// once.
///
/// # Reference
/// Srivastava et al., JMLR 15, 2014 (inverted scaling).
pub fn dropout<const D: usize>(x: Tensor<D>, rate: f64, key: u64) -> Tensor<D> {
    let rate = rate.clamp(0.0, 1.0);
    let kernel = Dropout {
        key,
        threshold: (rate * f64::from(u32::MAX)) as u32,
        // Where everything is dropped nothing is left to scale.
        scale: if rate < 1.0 {
            (1.0 / (1.0 - rate)) as f32
        } else {
            0.0
        },
    };
    if !is_cpu(&x.device()) {
        let mut mask = vec![1.0; x.shape().num_elements()];
        let ones = mask.clone();
        kernel.drop_some(0, &ones, &mut mask);
        let device = x.device();
        let shape = x.shape();
        return x * Tensor::from_data(TensorData::new(mask, shape), &device);
    }
    run(vec![x.into_dispatch()], kernel)
}

#[derive(Debug)]
struct Dropout {
    key: u64,
    threshold: u32,
    scale: f32,
}

/// Numbers that a thread takes at a time.
const PIECE: usize = 1 << 15;

impl Dropout {
    fn all(&self, x: View) -> Array {
        #[expect(
            unsafe_code,
            reason = "as long as `x`, by whose pieces it is written below"
        )]
        let mut result = unsafe { Array::unwritten(x.shape) };
        let parts = result.values.chunks_mut(PIECE).zip(x.values.chunks(PIECE));
        let parts = parts.enumerate().collect();
        spread(parts, |(number, (to, from))| {
            self.drop_some(number * PIECE, from, to);
        });
        result
    }

    fn drop_some(&self, first: usize, from: &[f32], to: &mut [f32]) {
        // Places beyond four thousand million begin again with another key.
        let key = self
            .key
            .wrapping_add((first as u64 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        drop_some(
            first as u32,
            from,
            to,
            [key as u32, (key >> 32) as u32],
            self.threshold,
            self.scale,
        );
    }
}

impl Kernel for Dropout {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        self.all(inputs[0])
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn backward(
        &self,
        _inputs: &[View],
        _output: View,
        gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        vec![self.all(gradient)]
    }
}

/// A place's random bits: a mix of 32 bits, twice, with a half of the key each (multipliers and shifts found by search for little bias:
/// Wellons, "Prospecting for Hash Functions", 2018).
#[inline(always)]
fn bits(place: u32, [a, b]: [u32; 2]) -> u32 {
    let mix = |mut x: u32| {
        x ^= x >> 16;
        x = x.wrapping_mul(0x7feb_352d);
        x ^= x >> 15;
        x = x.wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    };
    mix(mix(place ^ a).wrapping_add(b))
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn drop_some(first: u32, from: &[f32], to: &mut [f32], key: [u32; 2], threshold: u32, scale: f32) {
    for (i, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let kept = bits(first.wrapping_add(i as u32), key) >= threshold;
        *to = if kept { from * scale } else { 0.0 };
    }
}
