use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::affine::Affine;
use super::propagated;
use crate::prepare::Input;
use crate::{GraphDesign, Messages};

/// Deep graph convolution that keeps to its input: `h <- relu(((1 - α) Â h + α h0) ((1 - β) I + β W))`, where `β = ln(θ / l + 1)` in
/// layer `l`.
///
/// # Reference
/// Chen, Wei, Huang, Ding & Li, "Simple and Deep Graph Convolutional Networks", ICML 2020, equation 5.
#[derive(Module, Debug)]
pub struct Gcnii {
    input: Affine,
    layers: Vec<Affine>,
    #[module(skip)]
    alpha: f64,
    #[module(skip)]
    theta: f64,
    #[module(skip)]
    dropout: f64,
}

impl Gcnii {
    /// Draws the weights.
    pub fn new(
        design: &GraphDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Gcnii {
        let width = design.width;
        Gcnii {
            input: Affine::new([input, width], true, stream, device),
            layers: (0..design.layers)
                .map(|_| Affine::new([width, width], false, stream, device))
                .collect(),
            alpha: design.alpha,
            theta: design.theta,
            dropout: design.dropout,
        }
    }

    /// `[nodes, width]`.
    pub fn forward(&self, x: &Input, messages: &Messages, pass: &mut Pass) -> Tensor<2> {
        let start = relu(self.input.forward(x));
        let mut h = start.clone();
        for (number, layer) in (1..).zip(&self.layers) {
            let mixed = propagated(messages, dropout(h, self.dropout, pass)) * (1.0 - self.alpha)
                + start.clone() * self.alpha;
            let beta = (self.theta / f64::from(number) + 1.0).ln();
            let weight = layer.weight();
            let [width, _] = weight.dims();
            let identity = Tensor::<2>::eye(width, &weight.device());
            h = relu(mixed.matmul(identity * (1.0 - beta) + weight * beta));
        }
        dropout(h, self.dropout, pass)
    }

    /// The weights of the layers, and those of the input.
    pub fn weights(&self) -> [Vec<Tensor<2>>; 2] {
        let layers = self.layers.iter().map(Affine::weight).collect();
        [layers, vec![self.input.weight()]]
    }
}
