use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::Csr;

/// Shapes as a network takes them: points one shape after another, each an even sample from the beginning on.
#[derive(Debug)]
pub struct CloudBatch {
    points: Points,
    features: Tensor<2>,
    descriptors: Tensor<2>,
}

/// Points of several shapes, one after another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Points {
    /// `[points, 3]`.
    pub at: Vec<f32>,
    /// Where the points of each shape begin, and the number of all.
    pub clouds: Vec<usize>,
}

impl Points {
    /// Adds a shape.
    pub(crate) fn push(&mut self, points: &[f32]) {
        if self.clouds.is_empty() {
            self.clouds.push(0);
        }
        self.at.extend_from_slice(points);
        self.clouds.push(self.at.len() / 3);
    }

    /// All points.
    pub fn len(&self) -> usize {
        self.at.len() / 3
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The first of each shape's points, one in `share` and one at least, with their numbers among all: an even sample of it.
    pub fn first(&self, share: usize) -> (Points, Vec<u32>) {
        let (mut kept, mut numbers) = (Points::default(), Vec::new());
        for cloud in self.clouds.windows(2) {
            let count = (cloud[1] - cloud[0]).div_ceil(share.max(1));
            kept.push(&self.at[3 * cloud[0]..3 * (cloud[0] + count)]);
            numbers.extend((cloud[0]..cloud[0] + count).map(|n| n as u32));
        }
        (kept, numbers)
    }

    /// A row for each shape with its points, for a readout.
    pub fn rows(&self) -> Csr {
        let all = (0..self.len() as u32).collect();
        Csr::new(self.len(), self.clouds.clone(), all)
            .unwrap_or_else(|e| unreachable!("starts rise to the number of points: {e}"))
    }
}

impl CloudBatch {
    /// From points, what is known of each (`[points, width]`) and of each shape (`[shapes, descriptors]`).
    pub(crate) fn new(
        points: Points,
        (features, width): (Vec<f32>, usize),
        (descriptors, length): (Vec<f32>, usize),
        device: &Device,
    ) -> CloudBatch {
        let rows = points.len();
        let shapes = points.clouds.len().saturating_sub(1);
        CloudBatch {
            points,
            features: Tensor::from_data(TensorData::new(features, [rows, width]), device),
            descriptors: Tensor::from_data(TensorData::new(descriptors, [shapes, length]), device),
        }
    }

    /// Where the points are.
    pub fn points(&self) -> &Points {
        &self.points
    }

    /// `[points, width]`: what a network sees of each point.
    pub fn features(&self) -> Tensor<2> {
        self.features.clone()
    }

    /// `[shapes, descriptors]`: standardised descriptors.
    pub fn descriptors(&self) -> Tensor<2> {
        self.descriptors.clone()
    }
}
