use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_nn::{
    AttentionBlock, AttentionBlockConfig, LayerNorm, LayerNormConfig, Linear, Pass, dropout,
};
use rand_chacha::ChaCha8Rng;

use super::{Shape, linear, uniform};

/// Moments between the beginnings of two patches where windows are long; a patch is twice as long. That is twice as many as in the paper, for the time that it
/// saves.
const STRIDE: usize = 16;
/// Patches of a window at least, where it has as many moments.
pub(crate) const FEWEST: usize = 8;
/// Patches of a window at most: what a layer costs grows with their square.
const MOST: usize = 64;
/// Parallel attentions, where the width can be cut into as many parts.
const HEADS: usize = 4;
/// What is added to the variance of a window, which may be 0.
const LEAST_VARIANCE: f32 = 1e-5;

/// Moments of a window from which on its patches are that long.
pub(crate) const LONG: usize = FEWEST * STRIDE;

/// A transformer on overlapping patches of the window of each series alone, with the same weights for all series. Windows are brought to a mean of 0 and a
/// standard deviation of 1, and what is said of them is brought back. It sees readings alone: neither the time nor other channels.
///
/// # Reference
/// PatchTST: Nie, Nguyen, Sinthong & Kalagnanam, "A Time Series is Worth 64 Words", ICLR 2023, section 3.1; with the normalisation before the layers instead of
/// after them, and layer instead of batch normalisation. Normalised windows: Kim et al. (RevIN), ICLR 2022, without its affine map.
#[derive(Module, Debug)]
pub struct Patches {
    embed: Linear,
    places: Param<Tensor<3>>,
    blocks: Vec<AttentionBlock>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    cut: Cut,
    #[module(skip)]
    dropout: f64,
}

/// How windows are cut into patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Moments between the beginnings of two patches; a patch is twice as long.
    stride: usize,
    /// Patches.
    count: usize,
}

impl Cut {
    fn of(history: usize) -> Cut {
        let stride = (history / FEWEST)
            .clamp(1, STRIDE)
            .max(history.div_ceil(MOST));
        Cut {
            stride,
            count: history / stride,
        }
    }

    /// `[windows, history]` to `[windows, patches, 2 * stride]`; the end is continued by its last value.
    fn patches(&self, x: Tensor<2>) -> Tensor<3> {
        let Cut { stride, count } = *self;
        let [windows, history] = x.dims();
        let last = x.clone().narrow(1, history - 1, 1);
        let halves: Tensor<3> = Tensor::cat(vec![x, last.expand([windows, stride])], 1)
            .narrow(1, 0, (count + 1) * stride)
            .reshape([windows, count + 1, stride]);
        let (first, second) = (
            halves.clone().narrow(1, 0, count),
            halves.narrow(1, 1, count),
        );
        Tensor::cat(vec![first, second], 2)
    }
}

impl Patches {
    /// Weights of the map from all patches to the horizons.
    pub(crate) fn head_weights(history: usize, width: usize, horizons: usize) -> usize {
        let numbers = Cut::of(history).count.saturating_mul(width);
        numbers.saturating_mul(horizons)
    }

    /// Draws the weights.
    pub fn new(
        shape: &Shape,
        horizons: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Patches {
        let (width, cut) = (shape.width, Cut::of(shape.history));
        let block = AttentionBlockConfig {
            width,
            heads: (1..=HEADS).rev().find(|h| width % h == 0).unwrap_or(1),
            dropout: shape.dropout,
        };
        Patches {
            embed: linear(2 * cut.stride, width, stream, device),
            places: uniform([1, cut.count, width], 0.02, stream, device),
            blocks: (0..shape.layers)
                .map(|_| block.init(stream, device))
                .collect(),
            norm: LayerNormConfig { width }.init(device),
            head: linear(cut.count * width, horizons, stream, device),
            cut,
            dropout: shape.dropout,
        }
    }

    /// `[series, windows, history]` to what patches are on average, `[series, windows, width]`, to means, `[series, windows, horizons]`, and to the logarithm of
    /// the variance of each window, `[series, windows, 1]`, in which errors are told.
    pub fn forward(&self, x: Tensor<3>, pass: &mut Pass) -> [Tensor<3>; 3] {
        let [series, windows, history] = x.dims();
        let level = x.clone().mean_dim(2);
        let spread = ((x.clone() - level.clone()).square().mean_dim(2) + LEAST_VARIANCE).sqrt();
        let normal = (x - level.clone()) / spread.clone();
        let patches = self
            .cut
            .patches(normal.reshape([series * windows, history]));
        let mut h = self.embed.forward(patches) + self.places.val();
        h = dropout(h, self.dropout, pass);
        for block in &self.blocks {
            h = block.forward(h, pass);
        }
        let h = self.norm.forward(h);
        let [_, count, width] = h.dims();
        let mean = h.clone().mean_dim(1).reshape([series, windows, width]);
        let flat = h.reshape([series, windows, count * width]);
        let said = self.head.forward(dropout(flat, self.dropout, pass));
        let scale = spread.clone().log() * 2.0;
        [mean, said * spread + level, scale]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use candor_core::Seed;

    use crate::body::Senders;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn patches_overlap_by_half_and_reach_the_end() {
        for (history, stride, count) in [
            (336, 16, 21),
            (48, 6, 8),
            (12, 1, 12),
            (5, 1, 5),
            (1, 1, 1),
            (2000, 32, 62),
        ] {
            let cut = Cut::of(history);
            assert_eq!((cut.stride, cut.count), (stride, count), "{history}");
            let ramp: Vec<f32> = (0..history).map(|t| t as f32).collect();
            let x = Tensor::from_data(TensorData::new(ramp, [1, history]), &Device::flex());
            let patches = values(cut.patches(x));
            let last = (history - 1) as f32;
            let at = |patch: usize, place: usize| ((patch * stride + place) as f32).min(last);
            for (i, value) in patches.iter().enumerate() {
                assert_eq!(*value, at(i / (2 * stride), i % (2 * stride)), "{history}");
            }
            assert!(patches.contains(&last), "{history}");
        }
    }

    #[test]
    fn a_window_in_other_units_is_forecast_in_those_units() {
        let device = Device::flex();
        let senders = Senders::of(None).unwrap();
        let shape = Shape {
            nodes: 3,
            history: 24,
            channels: 1,
            width: 8,
            layers: 2,
            dropout: 0.0,
            senders: &senders,
            learned_edges: false,
        };
        let stream = &mut Seed(1).stream("weights", &[]);
        let body = Patches::new(&shape, 4, stream, &device);
        let wave: Vec<f32> = (0..72)
            .map(|t| (t as f32 * 0.7).sin() + t as f32 * 0.01)
            .collect();
        let x: Tensor<3> = Tensor::from_data(TensorData::new(wave, [3, 1, 24]), &device);
        let said = |x: Tensor<3>| {
            let [_, mean, scale] = body.forward(x, &mut Pass::evaluation());
            (values(mean), values(scale))
        };
        let (plain, other) = (said(x.clone()), said(x.clone() * 3.0 + 5.0));
        for (plain, other) in plain.0.iter().zip(&other.0) {
            assert!((3.0 * plain + 5.0 - other).abs() < 1e-3, "{plain} {other}");
        }
        for (plain, other) in plain.1.iter().zip(&other.1) {
            assert!((plain + 9f32.ln() - other).abs() < 1e-3, "{plain} {other}");
        }
        // What one series does is nothing to the others.
        let changed = Tensor::cat(vec![x.clone().narrow(0, 0, 2), x.narrow(0, 2, 1) * 7.0], 0);
        assert_eq!(said(changed).0[..8], plain.0[..8]);
    }
}
