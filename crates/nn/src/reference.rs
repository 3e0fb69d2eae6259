//! What layers are compared with in tests: shapes and numbers that are drawn, and results worked out in 64 bits.

use burn::tensor::{Device, Tensor};
use candor_core::Seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::head::floats;
use crate::initialise;

/// Shapes to try a layer on: first all ones, then random ones up to four; each with a stream of its own.
pub(crate) fn shapes<const N: usize>(purpose: &str) -> Vec<([usize; N], ChaCha8Rng)> {
    let shape = |case: u64| {
        let mut stream = Seed(7).stream(purpose, &[case]);
        let sizes = std::array::from_fn(|_| match case {
            0 => 1,
            _ => stream.random_range(1..=4),
        });
        (sizes, stream)
    };
    (0..6).map(shape).collect()
}

/// Numbers between -1.5 and 1.5, without gradients.
pub(crate) fn numbers<const D: usize>(shape: [usize; D], stream: &mut ChaCha8Rng) -> Tensor<D> {
    initialise::uniform(shape, 1.5, stream, &Device::flex()).val()
}

/// The numbers of a tensor, row-major, in 64 bits.
pub(crate) fn wide<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    floats(tensor.clone()).into_iter().map(f64::from).collect()
}

/// Fails unless shape and numbers are those expected, up to the rounding of 32 bits.
#[track_caller]
pub(crate) fn assert_close<const D: usize>(got: &Tensor<D>, shape: [usize; D], expected: &[f64]) {
    assert_eq!(got.dims(), shape);
    let got = wide(got);
    assert_eq!(got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let near = (got - expected).abs() <= 1e-5 * expected.abs().max(1.0);
        assert!(near, "number {i} is {got}, expected {expected}");
    }
}
