//! What can go wrong with shapes in the world, as changed copies of shapes.
//!
//! All functions take the shapes at `indices`, in that order; one that does not exist, or of which nothing would be left, stays as it is (empty
//! where there is none). Each shape's randomness comes from the seed and its own number, so that it is changed alike whatever stands beside it.

mod corruption;
mod octants;
mod regions;

pub use corruption::{CloudChange, clouds_changed};
pub(crate) use corruption::{seen_side, thinned};
pub(crate) use octants::octant;
pub use octants::{octant_names, octant_shuffled, octants_exchanged};
pub use regions::{Regions, regions_hidden};

use crate::cloud::KEPT;
use crate::{Cloud, CloudUnits};
use candor_train::Units;

/// Changed copies of some shapes; what the change gives are points `[n, 3]`.
fn changed(
    clouds: &CloudUnits,
    indices: &[usize],
    change: impl Fn(usize, &[f32]) -> Vec<f32> + Sync,
) -> Units {
    use rayon::prelude::*;
    let copy = |&index: &usize| {
        let Some(cloud) = clouds.get(index).filter(|cloud| !cloud.is_empty()) else {
            return Cloud::default();
        };
        let points = change(index, cloud.points());
        Cloud::from_flat(&points, KEPT).unwrap_or_else(|| cloud.clone())
    };
    CloudUnits::units(indices.par_iter().map(copy).collect())
}
