//! The modality `graph`: one prediction is about one node of a graph.
//!
//! `source` reads graphs; `graph` holds the edges, `features` what is known of each node, `data` both as units; `curate` tells what is
//! wrong with them. `prepare` fits what a network needs on the training part, `messages` weighs what neighbours send, `neighbourhood`
//! is the part of a graph that some nodes rest on; `design` names the networks and the space of a search, `body` has one file a paper; `propagation` is the baseline that knows edges and labels alone;
//! `challenge` is what can go wrong in the world.

mod body;
mod challenge;
pub mod curate;
mod data;
mod design;
mod error;
mod features;
mod graph;
mod learner;
mod messages;
mod neighbourhood;
mod network;
mod prepare;
mod propagation;
mod source;

pub use body::Aggregator;
pub use challenge::{Disturbance, edges_rewired, features_shuffled, features_shuffled_apart};
pub use data::GraphUnits;
pub use design::{Body, Gathering, GraphDesign, Residual, space};
pub use error::GraphError;
pub use features::{NodeFeatures, SparseFeatures};
pub use graph::{Graph, LeftOut};
pub use learner::GraphLearner;
pub use messages::{Messages, Rule};
pub use neighbourhood::{Neighbourhood, Sampling};
pub use network::GraphNetwork;
pub use prepare::{GraphBatch, Preparation, PreparedGraph, Rows};
pub use propagation::LabelPropagation;
pub use source::{GivenParts, GraphOptions, GraphSource, ReadGraph, canonical_id, read_graph};
