use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Gate, relu};
use candor_nn::{LayerNorm, LayerNormConfig, Linear, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::{LearnedEdges, Senders, Shape, gated_halves, linear, map};

/// Steps of a walk over given edges.
const STEPS: usize = 2;
/// Dilations, in turn.
const DILATIONS: [usize; 3] = [1, 2, 4];

/// Gated dilated convolutions in time, each followed by one over edges, given and learned; what each layer makes of the last moment goes to the end
/// at once. Layers normalise each node by itself, where the paper does so by the batch: a window must be told alone what it is told among
/// others.
///
/// # Reference
/// Wu et al., "Graph WaveNet for Deep Spatial-Temporal Graph Modeling", IJCAI 2019, section 3.
#[derive(Module, Debug)]
pub struct GraphWavenet {
    input: Linear,
    layers: Vec<Layer>,
    learned: Option<LearnedEdges>,
    #[module(skip)]
    senders: Senders,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct Layer {
    /// Filter and gate of a moment and one earlier.
    gated: Linear,
    mix: Linear,
    skip: Linear,
    norm: LayerNorm,
}

impl GraphWavenet {
    /// Draws the weights.
    pub fn new(shape: &Shape, stream: &mut ChaCha8Rng, device: &Device) -> GraphWavenet {
        let width = shape.width;
        let learned = shape
            .learned_edges
            .then(|| LearnedEdges::new(shape.nodes, stream, device));
        let parts = 1 + STEPS * shape.senders.count() + usize::from(learned.is_some());
        let layer = |_| Layer {
            gated: linear(2 * width, 2 * width, stream, device),
            mix: linear(parts * width, width, stream, device),
            skip: linear(width, width, stream, device),
            norm: LayerNormConfig { width }.init(device),
        };
        let layers = (0..shape.layers).map(layer).collect();
        GraphWavenet {
            layers,
            learned,
            input: linear(shape.channels, width, stream, device),
            senders: shape.senders.clone(),
            dropout: shape.dropout,
        }
    }

    /// The edges it sees.
    pub fn senders(&mut self) -> &mut Senders {
        &mut self.senders
    }

    /// `[series, windows, history, channels]` to `[series, windows, width]`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<3> {
        let shares = self.learned.as_ref().map(LearnedEdges::shares);
        let mut h = map(&self.input, x);
        let [series, windows, _, width] = h.dims();
        let dilation = |layer: usize| DILATIONS[layer % DILATIONS.len()];
        let seen = 1 + (0..self.layers.len()).map(dilation).sum::<usize>();
        let history = h.dims()[2];
        h = match seen.checked_sub(history) {
            Some(0) => h,
            Some(lacking) => {
                let before = Tensor::zeros([series, windows, lacking, width], &h.device());
                Tensor::cat(vec![before, h], 2)
            }
            // What no layer would see.
            None => h.narrow(2, history - seen, seen),
        };
        let mut said: Option<Tensor<3>> = None;
        for (place, layer) in self.layers.iter().enumerate() {
            let moments = h.dims()[2];
            let dilation = dilation(place);
            let later = h.clone().narrow(2, dilation, moments - dilation);
            let earlier = h.narrow(2, 0, moments - dilation);
            let both = map(&layer.gated, Tensor::cat(vec![earlier, later.clone()], 3));
            let gated = gated_halves(both, Gate::Tanh);
            let now: Tensor<3> = gated
                .clone()
                .narrow(2, moments - dilation - 1, 1)
                .reshape([series, windows, width]);
            let skipped = layer.skip.forward(now);
            said = Some(match said {
                Some(said) => said + skipped,
                None => skipped,
            });
            let mut parts = vec![gated.clone()];
            parts.extend(self.senders.sent(&gated, STEPS));
            parts.extend(
                shares
                    .as_ref()
                    .map(|shares| LearnedEdges::sent(shares, &gated)),
            );
            let mixed = dropout(map(&layer.mix, Tensor::cat(parts, 3)), self.dropout, pass);
            let sum = mixed + later;
            let dims = sum.dims();
            let normed = layer
                .norm
                .forward(sum.reshape([series, dims[1] * dims[2], width]));
            h = normed.reshape(dims);
        }
        let last: Tensor<3> = h.reshape([series, windows, width]);
        relu(match said {
            Some(said) => said + last,
            None => last,
        })
    }
}
