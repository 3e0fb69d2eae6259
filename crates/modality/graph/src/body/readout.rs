use burn::tensor::Tensor;
use candor_kernels::{Csr, segment_max, segment_mean, segment_sum};
use serde::{Deserialize, Serialize};

/// What a whole graph is made of its nodes.
///
/// # Reference
/// Xu, Hu, Leskovec & Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019, section 5: sums tell most graphs apart, means see shares
/// alone, maxima which values occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readout {
    /// The mean of its nodes.
    Mean,
    /// The greatest value of each feature.
    Max,
    /// The sum over its nodes.
    Sum,
}

impl Readout {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 3] = ["mean", "max", "sum"];

    /// `[nodes, width]` to `[graphs, width]`; `graphs` has a row for each graph, and an entry for each of its nodes. Zero for a graph
    /// without nodes.
    pub fn of(self, h: Tensor<2>, graphs: &Csr) -> Tensor<2> {
        let read = match self {
            Readout::Mean => segment_mean(graphs, h),
            Readout::Max => segment_max(graphs, h),
            Readout::Sum => segment_sum(graphs, h),
        };
        read.unwrap_or_else(|e| unreachable!("an entry for each node: {e}"))
    }
}
