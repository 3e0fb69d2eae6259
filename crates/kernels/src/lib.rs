//! Operations that Burn lacks, or that its CPU backend does slowly: sparse products, message passing, recurrence.
//!
//! Each operation is one file: a kernel on plain numbers, forwards and backwards, that Burn's automatic differentiation calls on the
//! CPU, and the same made of Burn's own operations for every other device. Results do not depend on the number of threads.

mod adamw;
mod additive_scores;
mod array;
mod attention;
mod ball_query;
mod clouds;
mod convolution;
mod cross_entropy;
mod csr;
mod dropout;
mod edge_scores;
mod elementary;
mod error;
mod extension;
mod farthest_points;
mod gated;
mod graph_convolution;
mod greatest;
mod gru;
mod k_nearest;
mod kd_tree;
mod lanes;
mod layer_norm;
mod lstm;
mod matrix_product;
mod muon;
mod nearest;
mod neighbour_max;
mod pool;
mod portable;
mod recurrence;
mod recycler;
mod relu;
mod segment_max;
mod segment_softmax;
mod segment_sum;
mod sparse_product;
mod tiles;

pub use adamw::{AdamW, AdamWConfig};
pub use additive_scores::additive_scores;
pub use attention::attention;
pub use ball_query::ball_query;
pub use convolution::{
    Moves, Normalisation, Normalised, batch_norm, convolution, convolution_1d, direct_convolution,
    fold, normalised_convolution,
};
pub use cross_entropy::{Truth, cross_entropy};
pub use csr::Csr;
pub use dropout::dropout;
pub use edge_scores::edge_scores;
pub use error::KernelError;
pub use farthest_points::farthest_points;
pub use gated::{Gate, gated};
pub use graph_convolution::graph_convolution;
pub use gru::gru;
pub use k_nearest::k_nearest;
pub use kd_tree::KdTree;
pub use layer_norm::layer_norm;
pub use lstm::lstm;
pub use muon::{Muon, MuonConfig};
pub use nearest::nearest_neighbours;
pub use neighbour_max::neighbour_max;
pub use pool::{Window, average_pool, max_pool};
pub use recycler::Recycler;
pub use relu::relu;
pub use segment_max::segment_max;
pub use segment_softmax::segment_softmax;
pub use segment_sum::{segment_mean, segment_sum};
pub use sparse_product::{attention_product, sparse_product, weighted_sparse_product};

#[cfg(test)]
mod tests;
