use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{After, Convolution, ConvolutionConfig, Pass, dropout_of};
use rand_chacha::ChaCha8Rng;

use crate::design::SequenceDesign;
use crate::prepare::SequenceBatch;

/// Blocks of two convolutions that look back only, over distances that double from block to block, each around a residual path.
///
/// # Reference
/// Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling", arXiv 1803.01271,
/// section 3 (TCN); with batch instead of weight normalisation.
#[derive(Module, Debug)]
pub struct CausalConvolutions {
    blocks: Vec<CausalBlock>,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct CausalBlock {
    first: CausalConvolution,
    second: CausalConvolution,
    /// Where the number of channels changes.
    bridge: Option<Convolution>,
}

#[derive(Module, Debug)]
struct CausalConvolution {
    inner: Convolution,
    /// Zeros on each side of the inner convolution.
    #[module(skip)]
    margin: usize,
}

impl CausalConvolution {
    fn new(
        config: ConvolutionConfig,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> CausalConvolution {
        CausalConvolution {
            margin: config.padding()[1],
            inner: config.init(stream, device),
        }
    }

    /// The inner convolution looks as far ahead as back: a series that is moved back by the margin lies behind.
    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let [units, channels, rows, moments] = x.dims();
        let before = Tensor::zeros([units, channels, rows, self.margin], &x.device());
        let moved = Tensor::cat(vec![before, x], 3);
        self.inner.forward(moved, pass).narrow(3, 0, moments)
    }
}

impl CausalConvolutions {
    /// Draws the weights, for series of so many channels.
    pub fn new(
        design: &SequenceDesign,
        channels: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> CausalConvolutions {
        let width = design.width;
        let kernel = design.kernel | 1;
        let blocks = (0..design.depth).map(|block| {
            let of = if block == 0 { channels } else { width };
            let config = |channels: usize, after| ConvolutionConfig {
                kernel: [1, kernel],
                // Distances beyond any series would see zeros alone.
                dilation: [1, 1 << block.min(9)],
                after,
                ..ConvolutionConfig::new(channels, width, 1)
            };
            let bridge = ConvolutionConfig {
                after: After::Norm,
                ..ConvolutionConfig::new(of, width, 1)
            };
            CausalBlock {
                first: CausalConvolution::new(config(of, After::NormRelu), stream, device),
                second: CausalConvolution::new(config(width, After::Norm), stream, device),
                bridge: (of != width).then(|| bridge.init(stream, device)),
            }
        });
        CausalConvolutions {
            blocks: blocks.collect(),
            dropout: design.dropout,
        }
    }

    /// `[units, width, moments]`; what is seen at a moment rests on it and those before.
    pub fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Tensor<3> {
        let mut x: Tensor<4> = batch.values.clone().unsqueeze_dim(2);
        for block in &self.blocks {
            let inner = block.first.forward(x.clone(), pass);
            let inner = dropout_of(inner, 1, self.dropout, pass);
            let inner = block.second.forward(inner, pass);
            let around = match &block.bridge {
                Some(bridge) => bridge.forward(x, pass),
                None => x,
            };
            x = relu(inner + around);
        }
        x.squeeze_dim(2)
    }
}
