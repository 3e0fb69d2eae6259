use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{
    Head, HeadConfig, HeadKind, LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass, dropout,
};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{PointLayer, SegmentBody, mapped, normalised, rows_of};
use crate::{CloudBatch, CloudDesign};

/// Scans as a network takes them, and which of their points it is asked about.
#[derive(Debug)]
pub struct SegmentBatch {
    cloud: CloudBatch,
    /// Rows of the cloud, in the order of the answers.
    asked: Vec<u32>,
    /// In training, the unit of each answer.
    rows: Vec<usize>,
}

impl SegmentBatch {
    pub(crate) fn new(cloud: CloudBatch, asked: Vec<u32>, rows: Vec<usize>) -> SegmentBatch {
        SegmentBatch { cloud, asked, rows }
    }

    /// In training, the unit that each answer is about.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The points.
    pub fn cloud(&self) -> &CloudBatch {
        &self.cloud
    }
}

/// A network for points: a body that sees each point and the whole, layers that join the two, and a head.
#[derive(Module, Debug)]
pub struct SegmentNetwork {
    body: SegmentBody,
    /// The map of a joint vector is linear, and so the whole's share of it is computed once for all points.
    local: Linear,
    global: Linear,
    norm: LayerNorm,
    layer: PointLayer,
    head: Head,
    #[module(skip)]
    dropout: f64,
}

/// Numbers of a point where it is joined with the whole, and before the head, for each of a body's width.
const WIDTHS: [usize; 2] = [4, 2];

impl SegmentNetwork {
    /// Draws the weights, for `input` numbers of a point.
    pub fn new(
        design: &CloudDesign,
        input: usize,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> SegmentNetwork {
        let body = SegmentBody::new(design, input, stream, device);
        let (local, global) = body.widths();
        let [joined, last] = WIDTHS.map(|times| times * design.width);
        let mut map = |input: usize| {
            let config = LinearConfig {
                input,
                output: joined,
            };
            config.init(stream, device)
        };
        let (local, global) = (map(local), map(global));
        SegmentNetwork {
            body,
            local,
            global,
            norm: LayerNormConfig { width: joined }.init(device),
            layer: PointLayer::new(joined, last, stream, device),
            head: HeadConfig {
                members: 1,
                input: last,
                kind: head.clone(),
            }
            .init(stream, device),
            dropout: design.dropout,
        }
    }
}

impl Network for SegmentNetwork {
    type Batch = SegmentBatch;

    fn forward(&self, batch: &SegmentBatch, pass: &mut Pass) -> Output {
        let seen = self.body.forward(&batch.cloud);
        let of_shape: Vec<u32> = (0..)
            .zip(batch.cloud.points().clouds.windows(2))
            .flat_map(|(shape, cloud)| std::iter::repeat_n(shape, cloud[1] - cloud[0]))
            .collect();
        // Only what is asked for goes through the layers behind the body.
        let local = rows_of(mapped(&self.local, seen.local), &batch.asked);
        let of_asked: Vec<u32> = batch
            .asked
            .iter()
            .map(|&row| of_shape[row as usize])
            .collect();
        let whole = rows_of(mapped(&self.global, seen.global), &of_asked);
        let joined = relu(normalised(&self.norm, local + whole));
        let joined = dropout(joined, self.dropout, pass);
        let x = self.layer.forward(joined);
        let [count, width] = x.dims();
        let embedding: Tensor<3> = x.clone().reshape([1, count, width]);
        let told = dropout(x, self.dropout, pass);
        Output {
            raw: self.head.forward(told.reshape([1, count, width])),
            embedding,
        }
    }
}
