use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::weighted_sparse_product;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::prepare::Input;

/// `x W + b`, where `x` may be sparse.
#[derive(Module, Debug)]
pub struct Affine {
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
}

impl Affine {
    /// Weights uniform in ±√(6 / (inputs + outputs)), bias zero (Glorot & Bengio 2010, equation 16).
    pub fn new(
        [inputs, outputs]: [usize; 2],
        bias: bool,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Affine {
        let bound = (6.0 / (inputs + outputs).max(1) as f32).sqrt();
        Affine {
            weight: uniform([inputs, outputs], bound, stream, device),
            bias: bias.then(|| uniform([outputs], 0.0, stream, device)),
        }
    }

    /// `[nodes, inputs]` to `[nodes, outputs]`.
    pub fn forward(&self, x: &Input) -> Tensor<2> {
        self.with_bias(project(x, self.weight.val()))
    }

    /// The weights.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// Adds the bias, if there is one.
    pub fn with_bias(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => x + bias.val().unsqueeze(),
            None => x,
        }
    }
}

/// `x W`.
pub fn project(x: &Input, weight: Tensor<2>) -> Tensor<2> {
    match x {
        Input::Dense(x) => x.clone().matmul(weight),
        Input::Sparse(places, values) => weighted_sparse_product(places, values, weight)
            .unwrap_or_else(|e| unreachable!("the input has the width that it was made for: {e}")),
    }
}

/// A parameter drawn uniformly from `[-bound, bound]`.
pub fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    stream: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let draw = |_| (stream.random::<f32>() * 2.0 - 1.0) * bound;
    let values: Vec<f32> = (0..count).map(draw).collect();
    Param::from_data(TensorData::new(values, shape), device)
}
