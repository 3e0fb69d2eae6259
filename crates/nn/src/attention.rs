use burn::module::Module;
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass, dropout};

/// One block of a transformer: attention between the tokens of each unit, then a small network on
/// each token, both around a residual path and after a normalisation.
///
/// # Reference
/// Vaswani et al. 2017; the pre-normalised form, as used on tables by Gorishniy et al.,
/// "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionBlockConfig {
    /// Length of a token; a multiple of `heads`.
    pub width: usize,
    /// Parallel attentions.
    pub heads: usize,
    /// Share of values dropped in training, 0 to 1.
    pub dropout: f64,
}

/// See [`AttentionBlockConfig`].
#[derive(Module, Debug)]
pub struct AttentionBlock {
    norm_attention: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    join: Linear,
    norm_mlp: LayerNorm,
    expand: Linear,
    contract: Linear,
    heads: usize,
    dropout: f64,
}

impl AttentionBlockConfig {
    /// Weights as in [`LinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> AttentionBlock {
        let width = self.width;
        let mut linear = |input, output| LinearConfig { input, output }.init(stream, device);
        AttentionBlock {
            query: linear(width, width),
            key: linear(width, width),
            value: linear(width, width),
            join: linear(width, width),
            expand: linear(width, 2 * width),
            contract: linear(2 * width, width),
            norm_attention: LayerNormConfig { width }.init(device),
            norm_mlp: LayerNormConfig { width }.init(device),
            heads: self.heads,
            dropout: self.dropout,
        }
    }
}

impl AttentionBlock {
    /// `[units, tokens, width]`, unchanged in shape.
    pub fn forward(&self, x: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let attended = self.attend(self.norm_attention.forward(x.clone()));
        let x = x + dropout(attended, self.dropout, pass);
        let hidden = gelu(self.expand.forward(self.norm_mlp.forward(x.clone())));
        x + self.contract.forward(dropout(hidden, self.dropout, pass))
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        let [units, tokens, width] = x.dims();
        let split = |x: Tensor<3>| -> Tensor<4> {
            x.reshape([units, tokens, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let (q, k, v) = (
            split(self.query.forward(x.clone())),
            split(self.key.forward(x.clone())),
            split(self.value.forward(x)),
        );
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        let weights = softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3);
        let mixed: Tensor<3> = weights
            .matmul(v)
            .swap_dims(1, 2)
            .reshape([units, tokens, width]);
        self.join.forward(mixed)
    }
}
