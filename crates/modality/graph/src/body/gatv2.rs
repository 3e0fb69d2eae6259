use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{additive_scores, attention_product, segment_softmax};
use rand_chacha::ChaCha8Rng;

use super::affine::{Affine, uniform};
use crate::Messages;
use crate::prepare::Input;

/// Attention over neighbours and the node itself: `sum over j of α(i, j) (x_j V)`, where `α` is the softmax over `j` of
/// `a . LeakyReLU(x_i Q + x_j V)`, for several heads side by side.
///
/// # Reference
/// Brody, Alon & Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, equation 7; heads as in Veličković et al., ICLR 2018.
#[derive(Module, Debug)]
pub struct Gatv2Layer {
    receiver: Affine,
    sender: Affine,
    attention: Param<Tensor<1>>,
    #[module(skip)]
    heads: usize,
}

impl Gatv2Layer {
    /// Draws the weights; `heads` must divide the outputs.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        heads: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Gatv2Layer {
        let bound = (6.0 / (1 + outputs / heads) as f32).sqrt();
        Gatv2Layer {
            receiver: Affine::new([inputs, outputs], true, stream, device),
            sender: Affine::new([inputs, outputs], true, stream, device),
            attention: uniform([outputs], bound, stream, device),
            heads,
        }
    }

    /// `[nodes, inputs]` to `[nodes, outputs]`.
    pub fn forward(&self, x: &Input, messages: &Messages) -> Tensor<2> {
        let sent = self.sender.forward(x);
        self.attend(x, sent.clone(), sent, messages)
    }

    /// The same sum of `values` instead of the senders' products; for the last layer, whose weights are the head's.
    pub fn last(&self, h: Tensor<2>, messages: &Messages) -> Tensor<2> {
        let x = Input::Dense(h.clone());
        self.attend(&x, self.sender.forward(&x), h, messages)
    }

    fn attend(
        &self,
        x: &Input,
        sent: Tensor<2>,
        values: Tensor<2>,
        messages: &Messages,
    ) -> Tensor<2> {
        let matrix = &messages.matrix;
        let received = self.receiver.forward(x);
        let scores = additive_scores(matrix, self.heads, received, sent, self.attention.val());
        let shares = scores.and_then(|scores| segment_softmax(matrix, scores));
        let shares = shares.map(|shares| match &messages.mask {
            Some(mask) => shares * mask.clone(),
            None => shares,
        });
        let sums = shares.and_then(|shares| attention_product(matrix, shares, values));
        sums.unwrap_or_else(|e| unreachable!("shapes are those of the design: {e}"))
    }

    /// Weights that decay.
    pub fn weights(&self) -> Vec<Tensor<2>> {
        vec![self.receiver.weight(), self.sender.weight()]
    }
}
