use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::{Head, HeadConfig, HeadKind, Pass};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::Body;
use crate::design::{BodyKind, SequenceDesign};
use crate::prepare::SequenceBatch;

/// A network for series: a body that gives each a vector, and a head.
#[derive(Module, Debug)]
pub struct SequenceNetwork {
    body: Body,
    head: Head,
    #[module(skip)]
    dropout: f64,
}

impl SequenceNetwork {
    /// Draws the weights, for series of so many channels and moments.
    pub fn new(
        design: &SequenceDesign,
        seen: (usize, usize),
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SequenceNetwork {
        let body = Body::new(design, seen, stream, device);
        let head = HeadConfig {
            members: 1,
            input: Body::width(design),
            kind: head.clone(),
        };
        SequenceNetwork {
            body,
            head: head.init(stream, device),
            dropout: design.dropout,
        }
    }
}

impl Network for SequenceNetwork {
    type Batch = SequenceBatch;

    fn forward(&self, batch: &SequenceBatch, pass: &mut Pass) -> Output {
        let seen = self.body.forward(batch, pass);
        let [units, width] = seen.dims();
        let embedding: Tensor<3> = seen.reshape([1, units, width]);
        let dropped = candor_nn::dropout(embedding.clone(), self.dropout, pass);
        Output {
            raw: self.head.forward(dropped),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }

    fn normalises_by_batch(&self) -> bool {
        self.body.normalises_by_batch()
    }
}

/// Parameters of a network, counted without building it; about, for those of [`BodyKind::Inception`] and larger ones.
pub(crate) fn parameters(
    design: &SequenceDesign,
    (channels, moments): (usize, usize),
    head: &HeadKind,
) -> u64 {
    let (w, c, depth) = (design.width as u64, channels as u64, design.depth as u64);
    let kernel = design.kernel as u64;
    let body = match design.body {
        BodyKind::Inception => {
            let filters = 7 * kernel.div_ceil(4) + 8;
            let inner = (depth - 1) * (w * w * filters + 8 * w * w) + depth * 10 * w;
            inner + c * w * (filters + 2) + (depth / 3) * (16 * w * w + 8 * w) + 4 * c * w
        }
        BodyKind::CausalConvolutions => {
            (2 * depth - 1) * kernel * w * w + kernel * c * w + c * w + depth * 6 * w
        }
        BodyKind::Lstm | BodyKind::Gru => 4 * w * (c + w) + (depth - 1) * 8 * w * w + depth * 4 * w,
        BodyKind::Patches => {
            let patch = crate::body::patch_of(moments) as u64;
            c * patch * w + w + 64 * w + depth * (8 * w * w + 11 * w) + 2 * w
        }
    };
    body + (Body::width(design) as u64 + 1) * head.outputs() as u64
}
