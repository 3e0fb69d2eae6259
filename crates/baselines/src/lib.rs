//! The classical models that stand beside every network: trivial, linear, random forest, extremely
//! randomised trees and gradient boosting.
//!
//! All of them are single-threaded (trials run side by side), deterministic by [`candor_core::Seed`],
//! stop at a [`candor_core::Clock`], accept missing values and categories they have not seen, and are
//! stored as a few compact bytes that are checked when they are read.
//!
//! Trees are grown on histograms. A [`Matrix`] is binned once ([`Bins::fit`], [`BinnedMatrix::new`]) and
//! shared by all folds and designs; one fit takes the numbers of its training and validation rows.
//!
//! ```
//! use candor_baselines::{BaselineConfig, BinnedMatrix, Bins, Dataset, FeatureKind, ForestConfig, Matrix, fit};
//! use candor_core::{Clock, Seed, Targets};
//! use std::sync::Arc;
//!
//! let matrix = Matrix::new(4, vec![FeatureKind::Numeric], vec![1.0, 2.0, 3.0, 4.0])?;
//! let bins = Arc::new(Bins::fit(&matrix, &[0, 1, 2, 3], 255)?);
//! let binned = BinnedMatrix::new(&matrix, bins)?;
//! let targets = Targets::Classes(vec![0, 0, 1, 1]);
//! let dataset = Dataset { matrix: &matrix, binned: &binned, targets: &targets, outputs: 2 };
//! let config = BaselineConfig::Forest(ForestConfig::default());
//! let fitted = fit(&config, &dataset, &[0, 1, 2, 3], &[], Seed(1), &Clock::unlimited())?;
//! assert_eq!(fitted.model.predict(&matrix)?.classes(), Some(vec![0, 0, 1, 1]));
//! # Ok::<(), candor_baselines::BaselineError>(())
//! ```

mod bins;
mod boosting;
mod bytes;
mod categorical_split;
mod category_order;
mod encoder;
mod ensemble;
mod error;
mod forest;
mod forest_split;
mod grower;
mod histogram;
mod lbfgs;
mod linear;
mod matrix;
mod model;
mod numeric_split;
mod objective;
mod one_hot;
mod outcome;
mod probability;
mod setting;
mod tree;
mod trivial;

pub use bins::{BinnedMatrix, Bins};
pub use boosting::BoostingConfig;
pub use error::BaselineError;
pub use forest::ForestConfig;
pub use linear::LinearConfig;
pub use matrix::{FeatureKind, Matrix};
pub use model::{Baseline, BaselineConfig, Dataset, Fitted, fit};
