use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Window, max_pool, relu};
use candor_nn::{After, Convolution, ConvolutionConfig, Pass};
use rand_chacha::ChaCha8Rng;

use super::fits;
use crate::design::SequenceDesign;
use crate::prepare::SequenceBatch;

/// Modules in each of which filters of three lengths and a maximum stand side by side, behind a bottleneck; every third module is bridged.
///
/// # Reference
/// Ismail Fawaz et al., "InceptionTime", Data Mining and Knowledge Discovery 34 (2020), section 3. Normalisation and ReLU of what stands side
/// by side are the same a part at a time.
#[derive(Module, Debug)]
pub struct Inception {
    modules: Vec<InceptionModule>,
    bridges: Vec<Convolution>,
}

#[derive(Module, Debug)]
struct InceptionModule {
    bottleneck: Option<Convolution>,
    filters: Vec<Convolution>,
    behind_maximum: Convolution,
}

/// Modules that one bridge spans.
const BRIDGED: usize = 3;

fn filter(channels: usize, filters: usize, length: usize, after: After) -> ConvolutionConfig {
    ConvolutionConfig {
        kernel: [1, length],
        after,
        ..ConvolutionConfig::new(channels, filters, 1)
    }
}

/// Lengths of the three filters, odd: about the longest, its half and its quarter.
fn lengths(longest: usize) -> [usize; 3] {
    [1, 2, 4].map(|part| (longest / part).max(3) | 1)
}

impl InceptionModule {
    fn new(
        design: &SequenceDesign,
        channels: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> InceptionModule {
        let width = design.width;
        let mut init = |config: ConvolutionConfig| config.init(stream, device);
        // One channel cannot be made fewer.
        let bottleneck = (channels > 1).then(|| init(filter(channels, width, 1, After::Nothing)));
        let inner = if channels > 1 { width } else { channels };
        InceptionModule {
            filters: lengths(design.kernel)
                .map(|length| init(filter(inner, width, length, After::NormRelu)))
                .to_vec(),
            behind_maximum: init(filter(channels, width, 1, After::NormRelu)),
            bottleneck,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let inner = match &self.bottleneck {
            Some(bottleneck) => bottleneck.forward(x.clone(), pass),
            None => x.clone(),
        };
        let mut parts = Vec::with_capacity(4);
        for filter in &self.filters {
            parts.push(filter.forward(inner.clone(), pass));
        }
        let window = Window {
            size: [1, 3],
            stride: [1, 1],
            padding: [0, 1],
        };
        parts.push(self.behind_maximum.forward(fits(max_pool(x, window)), pass));
        Tensor::cat(parts, 1)
    }
}

impl Inception {
    pub(crate) fn new(
        design: &SequenceDesign,
        channels: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Inception {
        let out = 4 * design.width;
        let of = |module: usize| if module == 0 { channels } else { out };
        let modules = (0..design.depth)
            .map(|module| InceptionModule::new(design, of(module), stream, device))
            .collect();
        let bridges = (0..design.depth / BRIDGED)
            .map(|bridge| filter(of(BRIDGED * bridge), out, 1, After::Norm).init(stream, device))
            .collect();
        Inception { modules, bridges }
    }

    /// `[units, 4 width, moments]`.
    pub(crate) fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Tensor<3> {
        let mut x: Tensor<4> = batch.values.clone().unsqueeze_dim(2);
        let mut bridged = x.clone();
        for (number, module) in self.modules.iter().enumerate() {
            x = module.forward(x, pass);
            if number % BRIDGED + 1 == BRIDGED {
                let bridge = self.bridges[number / BRIDGED].forward(bridged, pass);
                x = relu(x + bridge);
                bridged = x.clone();
            }
        }
        x.squeeze_dim(2)
    }
}
