//! Searches over recorded results: every design was trained before, and a look-up stands for its training.

mod play;
mod summary;
mod table;

pub use play::{Playback, play};
pub use summary::{Reference, SamplerSummary, summarise};
pub use table::{Recorded, RecordedRow, Roles};
