use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::{Head, HeadConfig, HeadKind, Pass, dropout};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{Body, PointLayer};
use crate::intrinsic::DESCRIPTORS;
use crate::{CloudBatch, CloudDesign};

/// A network for shapes: a body, descriptors beside it, a layer, and a head.
#[derive(Module, Debug)]
pub struct CloudNetwork {
    body: Body,
    /// What descriptors become.
    described: Option<PointLayer>,
    layer: PointLayer,
    head: Head,
    #[module(skip)]
    dropout: f64,
}

/// Numbers that descriptors become, and those before the head, for each of a body's width.
const WIDTHS: usize = 4;

impl CloudNetwork {
    /// Draws the weights.
    pub fn new(
        design: &CloudDesign,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> CloudNetwork {
        let body = Body::new(design, stream, device);
        let width = WIDTHS * design.width;
        let described = design
            .descriptors
            .then(|| PointLayer::new(DESCRIPTORS, width, stream, device));
        let seen = body.width() + if design.descriptors { width } else { 0 };
        let layer = PointLayer::new(seen, width, stream, device);
        let head = HeadConfig {
            members: 1,
            input: width,
            kind: head.clone(),
        };
        CloudNetwork {
            body,
            described,
            layer,
            head: head.init(stream, device),
            dropout: design.dropout,
        }
    }
}

impl Network for CloudNetwork {
    type Batch = CloudBatch;

    fn forward(&self, batch: &CloudBatch, pass: &mut Pass) -> Output {
        let mut shapes = self.body.forward(batch, pass);
        if let Some(described) = &self.described {
            let told = dropout(batch.descriptors(), 0.5 * self.dropout, pass);
            shapes = Tensor::cat(vec![shapes, described.forward(told)], 1);
        }
        let shapes = dropout(shapes, self.dropout, pass);
        let seen = self.layer.forward(shapes);
        let [count, width] = seen.dims();
        let embedding: Tensor<3> = seen.clone().reshape([1, count, width]);
        let told = dropout(seen, self.dropout, pass);
        Output {
            raw: self.head.forward(told.reshape([1, count, width])),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }
}
