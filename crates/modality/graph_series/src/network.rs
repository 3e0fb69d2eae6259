use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Linear, Pass};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{
    Dcrnn, Dlinear, GraphWavenet, MpnnLstm, NodeGru, Patches, Senders, Shape, Stgcn, Stid, linear,
    uniform,
};
use crate::{Body, Preparation, SensorGraph, SeriesBatch, SeriesDesign};

/// A network for series: a body that sees the windows of all series, and a head that says what each series will be at each horizon. A window is one
/// item of a batch; its embedding and its parameters are those of all series, one after another.
#[derive(Module, Debug)]
pub struct SeriesNetwork {
    layers: Layers,
    /// What each node is known by.
    identity: Option<Param<Tensor<2>>>,
    /// From what the body says, and the context, to the embedding.
    mix: Option<Linear>,
    highway: Option<Linear>,
    /// From the embedding to means.
    mean: Option<Linear>,
    /// From the embedding, or the context, to logarithms of variances.
    spread: Linear,
    #[module(skip)]
    centred: bool,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it a network")]
#[derive(Module, Debug)]
enum Layers {
    Dlinear(Dlinear),
    Stid(Stid),
    Gru(NodeGru),
    Dcrnn(Dcrnn),
    GraphWavenet(GraphWavenet),
    Stgcn(Stgcn),
    MpnnLstm(MpnnLstm),
    Patches(Patches),
}

impl SeriesNetwork {
    /// Draws the weights.
    ///
    /// # Errors
    /// When the graph is damaged.
    pub fn new(
        design: &SeriesDesign,
        preparation: &Preparation,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<SeriesNetwork, String> {
        let graph = preparation.graph.as_ref().filter(|_| design.edges);
        let senders = Senders::of(graph)?;
        let (width, horizons) = (design.width, preparation.horizons.len());
        let shape = Shape {
            nodes: preparation.nodes(),
            history: preparation.history,
            channels: preparation.channels(),
            width,
            layers: design.layers,
            dropout: design.dropout,
            senders: &senders,
            learned_edges: design.learned_edges,
        };
        let centred = design.anchor.follows_last();
        let context = preparation.context();
        if design.body == Body::Dlinear {
            let body = Dlinear::new(shape.history, horizons, stream, device);
            return Ok(SeriesNetwork {
                layers: Layers::Dlinear(body),
                identity: None,
                mix: None,
                highway: None,
                mean: None,
                spread: linear(context + 1, horizons, stream, device),
                centred,
            });
        }
        let told = context + design.identity;
        let layers = match design.body {
            Body::Stid => Layers::Stid(Stid::new(&shape, told, stream, device)),
            Body::Gru => Layers::Gru(NodeGru::new(&shape, stream, device)),
            Body::Dcrnn => Layers::Dcrnn(Dcrnn::new(&shape, stream, device)),
            Body::GraphWavenet => Layers::GraphWavenet(GraphWavenet::new(&shape, stream, device)),
            Body::MpnnLstm => Layers::MpnnLstm(MpnnLstm::new(&shape, stream, device)),
            Body::Patches => Layers::Patches(Patches::new(&shape, horizons, stream, device)),
            Body::Stgcn | Body::Dlinear => Layers::Stgcn(Stgcn::new(&shape, stream, device)),
        };
        let identity = [shape.nodes, design.identity];
        // Patches say what comes by themselves; the rest only tells how sure that is.
        let headed = design.body != Body::Patches;
        Ok(SeriesNetwork {
            layers,
            identity: (design.identity > 0).then(|| uniform(identity, 1.0, stream, device)),
            mix: Some(linear(width + told, width, stream, device)),
            highway: (design.highway && headed)
                .then(|| linear(shape.history, horizons, stream, device)),
            mean: headed.then(|| linear(width, horizons, stream, device)),
            spread: linear(width, horizons, stream, device),
            centred,
        })
    }

    /// The same over other edges; as it is where it sees none that stay.
    ///
    /// # Errors
    /// When the graph is damaged.
    pub fn over(&self, graph: &SensorGraph) -> Result<SeriesNetwork, String> {
        let mut changed = self.clone();
        let senders = match &mut changed.layers {
            Layers::Dcrnn(body) => body.senders(),
            Layers::GraphWavenet(body) => body.senders(),
            Layers::Stgcn(body) => body.senders(),
            Layers::Dlinear(_)
            | Layers::Stid(_)
            | Layers::Gru(_)
            | Layers::MpnnLstm(_)
            | Layers::Patches(_) => {
                return Ok(changed);
            }
        };
        *senders = senders.over(graph)?;
        Ok(changed)
    }

    /// The embedding of each series, what it will be, and the logarithms of variances: `[series, windows, ...]`.
    fn said(&self, batch: &SeriesBatch, pass: &mut Pass) -> [Tensor<3>; 3] {
        let [series, windows, history, channels] = batch.x.dims();
        let (mut x, context) = (batch.x.clone(), batch.context.clone());
        let mut readings: Tensor<4> = x.clone().narrow(3, 0, 1);
        if self.centred {
            let last = readings.clone().narrow(2, history - 1, 1);
            readings = readings - last;
            x = match channels {
                1 => readings.clone(),
                _ => Tensor::cat(vec![readings.clone(), x.narrow(3, 1, channels - 1)], 3),
            };
        }
        let readings: Tensor<3> = readings.reshape([series, windows, history]);
        let told = match &self.identity {
            None => context.clone(),
            Some(identity) => {
                let [nodes, width] = identity.val().dims();
                let known = identity
                    .val()
                    .reshape([nodes, 1, width])
                    .expand([series, windows, width]);
                Tensor::cat(vec![context.clone(), known], 2)
            }
        };
        let h = match &self.layers {
            Layers::Dlinear(body) => {
                let mean = body.forward(readings.clone());
                let moved = (readings.clone() - readings.mean_dim(2))
                    .square()
                    .mean_dim(2);
                let told = Tensor::cat(vec![context, (moved + 1e-4).log()], 2);
                return [mean.clone(), mean, self.spread.forward(told)];
            }
            Layers::Stid(body) => body.forward(x, told.clone(), pass),
            Layers::Gru(body) => body.forward(x, pass),
            Layers::Dcrnn(body) => body.forward(x),
            Layers::GraphWavenet(body) => body.forward(x, pass),
            Layers::Stgcn(body) => body.forward(x, pass),
            Layers::MpnnLstm(body) => body.forward(x, batch.edges.as_ref(), pass),
            Layers::Patches(body) => {
                let [h, mean, scale] = body.forward(readings, pass);
                let embedding = self.embedding(h, told);
                let spread = self.spread.forward(embedding.clone()) + scale;
                return [embedding, mean, spread];
            }
        };
        let embedding = self.embedding(h, told);
        let Some(head) = &self.mean else {
            unreachable!("all bodies that say no means have this");
        };
        let mut mean = head.forward(embedding.clone());
        if let Some(highway) = &self.highway {
            mean = mean + highway.forward(readings);
        }
        let spread = self.spread.forward(embedding.clone());
        [embedding, mean, spread]
    }

    /// What the body says, with what else is known.
    fn embedding(&self, h: Tensor<3>, told: Tensor<3>) -> Tensor<3> {
        let Some(mix) = &self.mix else {
            unreachable!("all bodies but one have this");
        };
        relu(mix.forward(Tensor::cat(vec![h, told], 2)))
    }
}

/// `[series, windows, width]` to `[windows, series * width]`.
fn by_windows(x: Tensor<3>) -> Tensor<2> {
    let [series, windows, width] = x.dims();
    x.swap_dims(0, 1).reshape([windows, series * width])
}

impl Network for SeriesNetwork {
    type Batch = SeriesBatch;

    fn forward(&self, batch: &SeriesBatch, pass: &mut Pass) -> Output {
        let [embedding, mean, spread] = self.said(batch, pass);
        let (mut mean, mut spread) = (by_windows(mean), by_windows(spread));
        // What nobody knows is told as 0 and has a truth of 0: no gradient comes from there.
        if let Some(known) = &batch.known {
            mean = mean * known.clone();
            spread = spread * known.clone();
        }
        Output {
            embedding: by_windows(embedding).unsqueeze(),
            raw: Tensor::cat(vec![mean, spread], 1).unsqueeze(),
        }
    }
}
