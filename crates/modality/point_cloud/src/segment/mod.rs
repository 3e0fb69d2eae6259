//! Points of shapes and scenes, each of which is told what it is part of: a unit is a point.
//!
//! `scan` are points that are seen together, `units` the points of many, `surroundings` what is like about each; `source` reads labelled points,
//! `asked` those that a model is asked about, `published` the layouts of known sets, `tiles` cuts scenes into blocks; `prepare` and `network` are what
//! a network needs and is, `learner` trains it and the baselines; `stream` takes scenes that are larger than memory; `change` is what can go wrong in
//! the world.

mod asked;
mod change;
mod learner;
mod network;
mod prepare;
mod published;
mod scan;
mod source;
mod stream;
mod surroundings;
mod tiles;
mod units;

pub use asked::{AskedPoints, MOST_ASKED, read_asked};
pub use change::{octant_of_points_shuffled, points_changed, points_exchanged};
pub use learner::{PointLearner, segment_space};
pub use network::{SegmentBatch, SegmentNetwork};
pub use prepare::{PointPreparation, PreparedPoints};
pub use scan::{Frame, Scan};
pub use source::{PointOptions, PointRules, PointSource, ReadPoints, read_points};
pub use stream::{AnsweredPoint, TiledScene, labelled_copy};
pub use surroundings::SURROUNDINGS;
pub use units::PointUnits;
