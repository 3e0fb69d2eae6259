use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use candor_kernels::relu;
use candor_nn::{Head, HeadConfig, HeadKind, Pass, dropout};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{Affine, Gcnii, Stack, personalised};
use crate::prepare::{GraphBatch, Input};
use crate::{Body, GraphDesign};

/// A network for graphs: a body that sees the whole graph, and a head that says something of the nodes that are asked for.
#[derive(Module, Debug)]
pub struct GraphNetwork {
    layers: Layers,
    head: Head,
    #[module(skip)]
    design: GraphDesign,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it a network")]
#[derive(Module, Debug)]
pub(crate) enum Layers {
    Stack(Stack),
    Appnp(Vec<Affine>),
    Gcnii(Gcnii),
}

impl Layers {
    /// Draws the weights of layers for nodes of so many numbers. Also gives the length of the embedding.
    pub fn new(
        design: &GraphDesign,
        input: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> (Layers, usize) {
        let width = design.width;
        match design.body {
            Body::Appnp => {
                let shape = |layer| [if layer == 0 { input } else { width }, width];
                let layers = (0..design.layers - 1)
                    .map(|layer| Affine::new(shape(layer), true, stream, device));
                (Layers::Appnp(layers.collect()), width)
            }
            Body::Gcnii => (
                Layers::Gcnii(Gcnii::new(design, input, stream, device)),
                width,
            ),
            _ => {
                let (stack, embedding) = Stack::new(design, input, stream, device);
                (Layers::Stack(stack), embedding)
            }
        }
    }

    /// `[nodes, embedding]`. What `appnp` makes is not passed on here.
    pub fn embed(&self, design: &GraphDesign, batch: &GraphBatch, pass: &mut Pass) -> Tensor<2> {
        let (x, messages) = (&batch.input, batch.messages.as_ref());
        match (self, messages) {
            (Layers::Stack(stack), messages) => {
                stack.forward(x, messages, batch.graphs.as_ref(), pass)
            }
            (Layers::Gcnii(gcnii), Some(messages)) => gcnii.forward(x, messages, pass),
            (Layers::Appnp(layers), _) => {
                let mut x = x.clone();
                let mut h = None;
                for layer in layers {
                    let made = dropout(relu(layer.forward(&x)), design.dropout, pass);
                    x = Input::Dense(made.clone());
                    h = Some(made);
                }
                h.unwrap_or_else(|| unreachable!("a design has a layer before the last"))
            }
            _ => unreachable!("a batch has messages where its body has a rule for them"),
        }
    }
}

/// What the weights of layers cost by themselves.
pub(crate) fn penalty(layers: &Layers, design: &GraphDesign) -> Option<Tensor<1>> {
    let (deep, others) = match layers {
        Layers::Stack(stack) => (Vec::new(), stack.weights()),
        // The first layer alone, as in the paper's section 5.
        Layers::Appnp(layers) => (
            Vec::new(),
            layers.iter().take(1).map(Affine::weight).collect(),
        ),
        Layers::Gcnii(gcnii) => {
            let [deep, input] = gcnii.weights();
            (deep, input)
        }
    };
    let squares = |weights: Vec<Tensor<2>>, decay: f64| {
        let each = weights.into_iter().map(|w| w.clone().mul(w).sum());
        let sum = each.reduce(|a, b| a + b).filter(|_| decay > 0.0);
        sum.map(|sum| sum * (0.5 * decay))
    };
    let deep = squares(deep, design.inner_decay);
    let others = squares(others, design.weight_decay);
    match (deep, others) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

impl GraphNetwork {
    /// Draws the weights of a network whose nodes have so many numbers.
    pub fn new(
        design: &GraphDesign,
        input: usize,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> GraphNetwork {
        let (layers, embedding) = Layers::new(design, input, stream, device);
        let head = HeadConfig {
            members: 1,
            input: embedding,
            kind: head.clone(),
        };
        GraphNetwork {
            layers,
            head: head.init(stream, device),
            design: design.clone(),
        }
    }

    /// What the head sees of all nodes, and what it says, where that is passed on over edges.
    fn embed(&self, batch: &GraphBatch, pass: &mut Pass) -> (Tensor<2>, Option<Tensor<2>>) {
        let design = &self.design;
        let h = self.layers.embed(design, batch, pass);
        let (Layers::Appnp(_), Some(messages)) = (&self.layers, &batch.messages) else {
            return (h, None);
        };
        let said = self.said(h.clone());
        let said = personalised(said, design.steps, design.alpha, messages);
        // In use the embedding, too, shows what is around a node; in training nobody looks at it.
        let h = match pass.stream() {
            Some(_) => h,
            None => personalised(h, design.steps, design.alpha, messages),
        };
        (h, Some(said))
    }

    fn said(&self, h: Tensor<2>) -> Tensor<2> {
        let [nodes, width] = h.dims();
        let raw = self.head.forward(h.reshape([1, nodes, width]));
        let [_, _, outputs] = raw.dims();
        raw.reshape([nodes, outputs])
    }
}

fn picked(x: Tensor<2>, asked: Option<&Tensor<1, Int>>) -> Tensor<2> {
    match asked {
        Some(asked) => x.select(0, asked.clone()),
        None => x,
    }
}

impl Network for GraphNetwork {
    type Batch = GraphBatch;

    fn forward(&self, batch: &GraphBatch, pass: &mut Pass) -> Output {
        let (embedding, said) = self.embed(batch, pass);
        let asked = batch.asked.as_ref();
        let embedding = match &batch.graphs {
            Some(graphs) => self.design.readout.of(embedding, graphs),
            None => picked(embedding, asked),
        };
        let raw = match said.filter(|_| batch.graphs.is_none()) {
            Some(said) => picked(said, asked),
            None => self.said(embedding.clone()),
        };
        Output {
            embedding: embedding.unsqueeze(),
            raw: raw.unsqueeze(),
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        penalty(&self.layers, &self.design)
    }
}
