//! What can go wrong with a graph in the world, one file a kind.

mod edges;
mod features;

pub use edges::{Disturbance, edges_rewired};
pub use features::{features_shuffled, features_shuffled_apart};
