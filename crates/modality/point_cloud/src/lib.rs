//! The modality `point cloud`: one prediction is about one shape.
//!
//! `source` reads shapes of several formats, `cloud` is one of them as models take it, `curate` says what is wrong with them. `intrinsic` are
//! numbers that do not change when a shape is turned, `augmentation` changes shapes in training; `prepare` fits what a network needs on the
//! training part, `batch` is what a network takes; `design` names the networks and the space of a search, `body` how each sees a shape;
//! `challenge` is what can go wrong in the world.

mod augmentation;
mod batch;
pub mod body;
mod challenge;
mod cloud;
mod columns;
mod curate;
mod data;
mod design;
mod draw;
mod error;
mod geodesic;
mod intrinsic;
mod learner;
mod nearest_shape;
mod network;
mod prepare;
mod source;
mod symmetric;

pub use augmentation::{Augmentation, Rotation};
pub use batch::{CloudBatch, Points};
pub use challenge::{
    CloudChange, Regions, clouds_changed, octant_names, octant_shuffled, octants_exchanged,
    regions_hidden,
};
pub use cloud::{Cloud, KEPT};
pub use curate::{ACROSS, cloud_check_names, curate_clouds};
pub use data::CloudUnits;
pub use design::{BodyKind, CloudDesign, Seen, space};
pub use draw::draw;
pub use error::CloudError;
pub use intrinsic::{DESCRIPTORS, POINT_FEATURES};
pub use learner::CloudLearner;
pub use network::CloudNetwork;
pub use prepare::{Preparation, PreparedClouds};
pub use source::{
    CloudOptions, CloudSource, Fault, Geometry, ReadClouds, parse_shape, read_clouds,
};
