//! Layers, heads and losses, on Burn tensors.
//!
//! Every layer is a pair: `XConfig` (what it is) and `X` (its weights). Weights are drawn from a
//! stream that the caller passes, and so are the masks of dropout: two networks that train side by
//! side cannot disturb each other, and the same seed gives the same network.
//!
//! Tensors carry a leading axis of *members*: `[members, units, features]`. An ordinary network has one
//! member; an efficient ensemble (TabM) has several that share most weights.

mod attention;
mod batch_statistics;
mod categorical_embedding;
mod convolution;
mod dropout;
mod evidential;
#[cfg(test)]
mod finite_differences;
mod head;
mod initialise;
mod layer_norm;
mod linear;
mod member_linear;
mod pass;
mod periodic_embedding;
mod piecewise_linear_embedding;
mod rank_one_adapter;
#[cfg(test)]
mod reference;
mod sparse_linear;
mod weights;

pub use attention::{AttentionBlock, AttentionBlockConfig};
pub use batch_statistics::BatchStatistics;
pub use categorical_embedding::{CategoricalEmbedding, CategoricalEmbeddingConfig};
pub use convolution::{After, Convolution, ConvolutionConfig, FoldedConvolution};
pub use dropout::{dropout, dropout_of};
pub use head::{Head, HeadConfig, HeadKind, QUANTILE_LEVELS};
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use linear::{Linear, LinearConfig};
pub use member_linear::{MemberLinear, MemberLinearConfig};
pub use pass::Pass;
pub use periodic_embedding::{PeriodicEmbedding, PeriodicEmbeddingConfig};
pub use piecewise_linear_embedding::{PiecewiseLinearEmbedding, PiecewiseLinearEmbeddingConfig};
pub use rank_one_adapter::{RankOneAdapter, RankOneAdapterConfig};
pub use sparse_linear::{SparseLinear, SparseLinearConfig, SparseRows};
pub use weights::{Weights, WeightsError};
