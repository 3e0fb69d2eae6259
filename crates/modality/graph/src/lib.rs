//! The modality `graph`: one prediction is about one node of a graph, or about one of many graphs.
//!
//! `source` reads graphs; `graph` holds the edges, `features` what is known of each node, `data` both as units; `curate` tells what is
//! wrong with them. `descriptors` tells
//! of a whole graph in numbers. `prepare` fits what a network needs on the training part, `messages` weighs what neighbours send, `neighbourhood`
//! is the part of a graph that some nodes rest on; `neighbours` makes a graph of the rows of a table; `design` names the networks and the space of a search, `body` has one file a paper; `propagation` is the baseline that knows edges and labels alone;
//! `pairs` are pairs of nodes as units, `pair_numbers` tells of them in numbers, `pair_network` and `pair_learner` say whether they are joined;
//! `explain` tells what a prediction owes to which edge and which feature, `draw`
//! draws it; `challenge` is what can go wrong in the world.

mod body;
mod challenge;
pub mod curate;
mod data;
mod descriptors;
mod design;
mod draw;
mod error;
mod explain;
mod features;
mod graph;
mod learner;
mod messages;
mod neighbourhood;
mod neighbours;
mod network;
mod pair_learner;
mod pair_network;
mod pair_numbers;
mod pairs;
mod prepare;
mod propagation;
mod rows;
mod source;
mod without;

pub use body::{Aggregator, Graphs};
pub use challenge::{Disturbance, edges_rewired, features_shuffled, features_shuffled_apart};
pub use data::GraphUnits;
pub use descriptors::described_graphs;
pub use design::{Body, Decoder, Gathering, GraphDesign, Norm, Readout, Residual, Unit, space};
pub use draw::{Drawing, draw};
pub use error::GraphError;
pub use explain::Explanation;
pub use features::{NodeFeatures, SparseFeatures};
pub use graph::{Graph, LeftOut};
pub use learner::GraphLearner;
pub use messages::{Messages, Rule};
pub use neighbourhood::{Neighbourhood, Sampling};
pub use neighbours::NeighbourRule;
pub use network::GraphNetwork;
pub use pair_learner::PairLearner;
pub use pair_network::{PairBatch, PairNetwork};
pub use pair_numbers::{PAIR_NUMBERS, PairPreparation};
pub use pairs::{DrawnPairs, PairChange, PairUnits};
pub use prepare::{GraphBatch, InputSource, Preparation, PreparedGraph};
pub use propagation::LabelPropagation;
pub use rows::Rows;
pub use source::{
    CollectionSource, GivenParts, GraphOptions, GraphSource, ReadCollection, ReadGraph,
    canonical_id, edge_columns, read_collection, read_graph,
};
pub use without::{without_edge, without_features};
