use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{LayerNorm, LayerNormConfig, Pass, dropout};
use rand_chacha::ChaCha8Rng;

use super::affine::Affine;
use super::gatv2::Gatv2Layer;
use super::gcn::{self, GcnLayer};
use super::gin::{self, GinLayer};
use super::graph_norm::{GraphNorm, Graphs};
use super::sage::{self, SageLayer};
use crate::prepare::Input;
use crate::{Body, GraphDesign, Messages, Norm, Residual};

/// One layer of a stack.
#[derive(Module, Debug)]
pub enum Layer {
    /// Without edges.
    Mlp(Affine),
    /// See [`GcnLayer`].
    Gcn(GcnLayer),
    /// See [`SageLayer`].
    Sage(SageLayer),
    /// See [`Gatv2Layer`].
    Gatv2(Gatv2Layer),
    /// See [`GinLayer`].
    Gin(GinLayer),
}

impl Layer {
    fn new(
        design: &GraphDesign,
        shape: [usize; 2],
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Layer {
        match design.body {
            Body::Gcn => Layer::Gcn(GcnLayer::new(shape, stream, device)),
            Body::Sage => Layer::Sage(SageLayer::new(shape, design.aggregator, stream, device)),
            Body::Gatv2 => Layer::Gatv2(Gatv2Layer::new(shape, design.heads, stream, device)),
            Body::Gin => Layer::Gin(GinLayer::new(shape, stream, device)),
            Body::Mlp | Body::Appnp | Body::Gcnii => {
                Layer::Mlp(Affine::new(shape, true, stream, device))
            }
        }
    }

    fn forward(&self, x: &Input, messages: Option<&Messages>) -> Tensor<2> {
        match (self, messages) {
            (Layer::Gcn(layer), Some(messages)) => layer.forward(x, messages),
            (Layer::Sage(layer), Some(messages)) => layer.forward(x, messages),
            (Layer::Gatv2(layer), Some(messages)) => layer.forward(x, messages),
            (Layer::Gin(layer), Some(messages)) => layer.forward(x, messages),
            (Layer::Mlp(layer), _) => layer.forward(x),
            _ => unreachable!("a batch has messages where its body has a rule for them"),
        }
    }

    fn weights(&self) -> Vec<Tensor<2>> {
        match self {
            Layer::Mlp(layer) => vec![layer.weight()],
            Layer::Gcn(layer) => layer.weights(),
            Layer::Sage(layer) => layer.weights(),
            Layer::Gatv2(layer) => layer.weights(),
            Layer::Gin(layer) => layer.weights(),
        }
    }
}

/// Layers of one kind, each followed by ReLU and dropout, with options:
///
/// - `residual`: a linear map of what a layer is given is added to what it makes, before the ReLU (Luo, Shi & Wu, NeurIPS 2024,
///   equation 5); with `skip` what a layer is given itself is added as well, in the end (He et al., CVPR 2016, equation 1);
/// - `norm`: normalisation before the ReLU, of each node by itself (Ba et al. 2016), or of each feature over its graph ([`GraphNorm`]);
/// - `jumping`: the head sees the results of all layers side by side (Xu et al., ICML 2018, concatenation).
///
/// A linear map and a weighted sum over neighbours can change places. So the last of `layers` is a sum alone whose weights are the
/// head's, as the papers have it; with `residual` or `jumping` all layers are whole, and the head sees what they make.
#[derive(Module, Debug)]
pub struct Stack {
    layers: Vec<Layer>,
    maps: Vec<Affine>,
    norms: Vec<LayerNorm>,
    graph_norms: Vec<GraphNorm>,
    /// The attention of the last sum.
    attention: Option<Gatv2Layer>,
    #[module(skip)]
    design: GraphDesign,
}

impl Stack {
    /// Draws the weights. Also gives the length of the embedding.
    pub fn new(
        design: &GraphDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> (Stack, usize) {
        let width = design.width;
        let whole = design.has_whole_layers();
        let count = if whole {
            design.layers
        } else {
            design.layers - 1
        };
        let inputs = |layer: usize| if layer == 0 { input } else { width };
        let last = if count == 0 { input } else { width };
        let attends = design.body == Body::Gatv2 && !whole;
        let maps = if design.residual == Residual::None {
            0
        } else {
            count
        };
        let norms = |kind: Norm| if design.norm == kind { count } else { 0 };
        let stack = Stack {
            layers: (0..count)
                .map(|layer| Layer::new(design, [inputs(layer), width], stream, device))
                .collect(),
            maps: (0..maps)
                .map(|layer| Affine::new([inputs(layer), width], false, stream, device))
                .collect(),
            norms: (0..norms(Norm::Layer))
                .map(|_| LayerNormConfig { width }.init(device))
                .collect(),
            graph_norms: (0..norms(Norm::Graph))
                .map(|_| GraphNorm::new(width, device))
                .collect(),
            attention: attends.then(|| Gatv2Layer::new([last, width], 1, stream, device)),
            design: design.clone(),
        };
        let embedding = match (whole, design.body) {
            (true, _) if design.jumping => width * count,
            (false, Body::Sage) => 2 * last,
            _ => last,
        };
        (stack, embedding)
    }

    /// `[nodes, embedding]`. `graphs`: where there are several.
    pub fn forward(
        &self,
        x: &Input,
        messages: Option<&Messages>,
        graphs: Option<&Graphs>,
        pass: &mut Pass,
    ) -> Tensor<2> {
        let design = &self.design;
        let (mut current, mut made) = (x.clone(), Vec::new());
        for (number, layer) in self.layers.iter().enumerate() {
            let mut h = layer.forward(&current, messages);
            if let Some(map) = self.maps.get(number) {
                h = h + map.forward(&current);
            }
            if let Some(norm) = self.norms.get(number) {
                let [nodes, width] = h.dims();
                h = norm
                    .forward(h.reshape([1, nodes, width]))
                    .reshape([nodes, width]);
            }
            if let Some(norm) = self.graph_norms.get(number) {
                h = norm.forward(h, graphs);
            }
            let mut h = dropout(relu(h), design.dropout, pass);
            if let (Residual::Skip, 1.., Input::Dense(given)) = (design.residual, number, &current)
            {
                h = h + given.clone();
            }
            if design.jumping {
                made.push(h.clone());
            }
            current = Input::Dense(h);
        }
        if design.jumping {
            return Tensor::cat(made, 1);
        }
        let h = match current {
            Input::Dense(h) => h,
            Input::Sparse(..) => unreachable!("a design has a layer before the last"),
        };
        match messages {
            Some(messages) if !design.has_whole_layers() => self.last(h, messages),
            _ => h,
        }
    }

    fn last(&self, h: Tensor<2>, messages: &Messages) -> Tensor<2> {
        match (&self.attention, self.design.body) {
            (Some(attention), _) => attention.last(h, messages),
            (None, Body::Gcn) => gcn::last(h, messages),
            (None, Body::Sage) => sage::last(h, self.design.aggregator, messages),
            (None, Body::Gin) => gin::last(h, messages),
            (None, _) => h,
        }
    }

    /// Weights that decay: all but the head's, which for a network of two layers leaves the first (Kipf & Welling 2017, section 5.2).
    pub fn weights(&self) -> Vec<Tensor<2>> {
        let layers = self.layers.iter().flat_map(Layer::weights);
        let maps = self.maps.iter().map(Affine::weight);
        let attention = self.attention.iter().flat_map(Gatv2Layer::weights);
        layers.chain(maps).chain(attention).collect()
    }
}
