use burn::tensor::Tensor;
use candor_kernels::{segment_max, segment_mean, segment_sum};
use serde::{Deserialize, Serialize};

use super::graph_norm::Graphs;

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
    /// The sum over its nodes, standardised by what sums were over the graphs that are learned from before anything was: their offset would
    /// else be that of all nodes together, and a head has one number to take it away, which learns slowly.
    Sum,
}

impl Readout {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 3] = ["mean", "max", "sum"];

    /// `[nodes, width]` to `[graphs, width]`. Zero for a graph without nodes.
    pub fn of(self, h: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
        let rows = &graphs.rows;
        let read = match self {
            Readout::Mean => segment_mean(rows, h),
            Readout::Max => segment_max(rows, h),
            Readout::Sum => segment_sum(rows, h).map(|sums| standardised(sums, graphs)),
        };
        read.unwrap_or_else(|e| unreachable!("an entry for each node: {e}"))
    }
}

fn standardised(sums: Tensor<2>, graphs: &Graphs) -> Tensor<2> {
    match &graphs.scale {
        Some([shift, scale]) if shift.dims()[1] == sums.dims()[1] => {
            (sums - shift.clone()) / scale.clone()
        }
        _ => sums,
    }
}
