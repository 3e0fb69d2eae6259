//! The modality `image`: one prediction is about one picture.
//!
//! `data` holds pictures of one size; `prepare` fits what a network needs on the training part, `augmentation` changes pictures in
//! training; `design` names the networks and the space of a search, `body` the families, each of which becomes a `graph` of
//! operations that is counted, drawn and built; `challenge` is what can go wrong in the world.

mod augmentation;
pub mod body;
mod canonical;
mod challenge;
mod counts;
mod data;
mod descriptors;
mod design;
mod drawing;
mod filters;
mod graph;
mod learner;
mod network;
mod prepare;

pub use augmentation::Augmentation;
pub use canonical::canonical;
pub use challenge::{Corruption, corrupted, patches_shuffled, region_shuffled, regions, rotated};
pub use counts::Counts;
pub use data::ImageUnits;
pub use descriptors::Descriptor;
pub use design::{Body, ImageDesign, space};
pub use drawing::{drawing_svg, drawing_text};
pub use filters::{FilterScores, filter_scores, votes};
pub use graph::{Graph, GraphBuilder, Node, Operation, PoolConfig};
pub use learner::ImageLearner;
pub use network::{FoldedNetwork, ImageNetwork};
pub use prepare::{Preparation, PreparedImages};
