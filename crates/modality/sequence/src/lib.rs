//! The modalities `sequence` and `text`: one prediction is about a whole series, or a whole text.
//!
//! `ts` reads series of a file, `tabular` those of a table, `recordings` those that are files (`wav`, tables), `series` holds them; `scaling` and `prepare` fit what models need to know of the training part. `kernels` are random
//! convolutions, on whose features `ridge` learns; `design` names the networks and the space of a search, `body` how each sees a series;
//! `challenge` is what can go wrong in the world. `text` has the same for texts.

pub mod body;
mod challenge;
mod curate;
mod data;
mod descriptors;
mod design;
mod error;
mod kernel_member;
pub mod kernels;
mod learner;
mod network;
mod prepare;
mod recordings;
pub mod ridge;
mod scaling;
mod series;
mod tabular;
pub mod text;
mod ts;
mod wav;

pub use challenge::{
    SeriesChange, part_shuffled, series_changed, series_parts, stretches_shuffled,
};
pub use curate::{curate_series, series_across, series_check_names, unusable_series};
pub use data::SequenceUnits;
pub use descriptors::{describe, descriptor_matrix, descriptor_width};
pub use design::{BodyKind, KernelDesign, SequenceDesign, space};
pub use error::SequenceError;
pub use learner::SequenceLearner;
pub use network::SequenceNetwork;
pub use prepare::{Preparation, PreparedSequences, SequenceBatch};
pub use recordings::{
    FILE, ReadRecordings, RecordingForm, RecordingSource, read_recordings, recording_check_names,
};
pub use scaling::{Scaler, Scaling};
pub use series::{SeriesSet, fill_gaps};
pub use tabular::{OTHER_COLUMNS, TableColumns, TableForm, TableSeries};
pub use ts::{CLASS, LENGTH, ReadSeries, TARGET, is_series_file, read_series};
