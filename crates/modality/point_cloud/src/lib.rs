//! The modality `point cloud`: one prediction is about one shape; and the modality `cloud points`: one prediction is about one point (`segment`).
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
mod segment;
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
pub use draw::{draw, draw_parts};
pub use error::CloudError;
pub use intrinsic::{DESCRIPTORS, POINT_FEATURES};
pub use learner::CloudLearner;
pub use network::CloudNetwork;
pub use prepare::{Preparation, PreparedClouds};
pub use segment::{
    AnsweredPoint, AskedPoints, Frame, MOST_ASKED, PointLearner, PointOptions, PointPreparation,
    PointRules, PointSource, PointUnits, PreparedPoints, ReadPoints, SURROUNDINGS, Scan,
    SegmentBatch, SegmentNetwork, TiledScene, labelled_copy, octant_of_points_shuffled,
    points_changed, points_exchanged, read_asked, read_points, segment_space,
};
pub use source::{
    Channels, CloudOptions, CloudSource, Fault, Geometry, LasPieces, LasWriter, PointLabels,
    ReadClouds, class_code, parse_shape, read_clouds,
};
