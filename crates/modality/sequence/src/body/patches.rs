use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use candor_nn::{
    AttentionBlock, AttentionBlockConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::design::SequenceDesign;
use crate::prepare::SequenceBatch;

/// A transformer on stretches of a series: each becomes a token, to which its place is added.
///
/// # Reference
/// Nie et al., "A time series is worth 64 words", ICLR 2023, section 3.1, without overlap, all channels in one token; blocks as in
/// [`AttentionBlockConfig`].
#[derive(Module, Debug)]
pub struct Patches {
    embed: Linear,
    places: Param<Tensor<3>>,
    blocks: Vec<AttentionBlock>,
    norm: LayerNorm,
    #[module(skip)]
    patch: usize,
}

/// Stretches of a series at most.
const MOST_PATCHES: usize = 64;
/// Parallel attentions.
const HEADS: usize = 4;

/// Moments of a stretch for series of so many moments.
pub(crate) fn patch_of(moments: usize) -> usize {
    moments.div_ceil(MOST_PATCHES).max(moments.min(4))
}

impl Patches {
    pub(crate) fn new(
        design: &SequenceDesign,
        (channels, moments): (usize, usize),
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Patches {
        let (width, patch) = (design.width, patch_of(moments));
        let tokens = moments.div_ceil(patch);
        let embed = LinearConfig {
            input: channels * patch,
            output: width,
        };
        let block = AttentionBlockConfig {
            width,
            heads: HEADS,
            dropout: design.dropout,
        };
        let places: Vec<f32> = (0..tokens * width)
            .map(|_| (stream.random::<f32>() * 2.0 - 1.0) * 0.1)
            .collect();
        Patches {
            embed: embed.init(stream, device),
            places: Param::from_data(TensorData::new(places, [1, tokens, width]), device),
            blocks: (0..design.depth)
                .map(|_| block.init(stream, device))
                .collect(),
            norm: LayerNormConfig { width }.init(device),
            patch,
        }
    }

    /// `[units, width]`: the mean over stretches that are not beyond the end.
    pub(crate) fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Tensor<2> {
        let [units, channels, moments] = batch.values.dims();
        let tokens = moments.div_ceil(self.patch);
        let device = batch.values.device();
        let rest = tokens * self.patch - moments;
        let mut values = batch.values.clone();
        if rest > 0 {
            let zeros = Tensor::zeros([units, channels, rest], &device);
            values = Tensor::cat(vec![values, zeros], 2);
        }
        let stretches: Tensor<3> = values
            .reshape([units, channels, tokens, self.patch])
            .swap_dims(1, 2)
            .reshape([units, tokens, channels * self.patch]);
        let mut x = self.embed.forward(stretches) + self.places.val();
        for block in &self.blocks {
            x = block.forward(x, pass);
        }
        let x = self.norm.forward(x);
        let mut mask = vec![0.0f32; units * tokens];
        for (own, &length) in mask.chunks_exact_mut(tokens).zip(&batch.lengths) {
            own[..length.div_ceil(self.patch).clamp(1, tokens)].fill(1.0);
        }
        let mask = Tensor::<2>::from_data(TensorData::new(mask, [units, tokens]), &device);
        let [_, _, width] = x.dims();
        let weighted = x * mask.clone().unsqueeze_dim(2);
        weighted.sum_dim(1).reshape([units, width]) / mask.sum_dim(1)
    }
}
