//! The modality `table`: one prediction is about one row.
//!
//! `data` turns columns as read into numbers and category codes; `prepare` fits what a network needs on the
//! training part; `network` holds the networks and the design space; `challenge` what can go wrong in the world.

mod challenge;
mod data;
mod learner;
mod network;
mod prepare;

pub use challenge::{column_shuffled, columns_shuffled_apart};
pub use data::{Encoding, RowError, TableEncoder};
pub use learner::{TableLearner, TableUnits};
pub use network::{Backbone, NetworkDesign, NumberDistribution, Numbers, TableNetwork, space};
pub use prepare::{Preparation, PreparedTable, TableBatch};
