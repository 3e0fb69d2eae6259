//! A model as files, and the predictor that reads them.
//!
//! A [`Bundle`] holds everything that a prediction needs and nothing of the training data but the prototypes of the
//! detector of strange inputs (and, to tell shifted batches, what was said of up to 500 test units): members, their fitted preparation, recalibration, conformal thresholds,
//! gates, and the manifest with the format's version and checksums. A [`Predictor`] makes [`Answer`]s of it. Both know
//! no modality: how rows, images or molecules become units is told to the caller by [`Parts::input`].

mod answer;
mod bundle;
mod checksum;
mod conformal;
mod error;
mod manifest;
mod model_card;
mod predictor;
mod shift;

pub use answer::{Answer, Prediction, Strangeness};
pub use bundle::{Bundle, BundleMember};
pub use checksum::{FileSum, sum_of, write_file};
pub use conformal::Conformal;
pub use error::DeployError;
pub use manifest::{FORMAT, MemberEntry, Parts};
pub use model_card::{CardScore, ModelCard};
pub use predictor::{LoadedMember, Predictor, mixture};
pub use shift::{batch_columns, shift_in_words};
