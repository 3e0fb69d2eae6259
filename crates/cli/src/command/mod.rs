//! One file a command.

mod anomalies;
pub(crate) mod check;
mod compared;
pub(crate) mod datasets;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod fit;
mod journey;
pub(crate) mod lab;
pub(crate) mod leaderboard;
pub(crate) mod predict;
mod recorded;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod runs;
pub(crate) mod screen;
pub(crate) mod search;
pub(crate) mod serve;
mod settings;
mod summary;
mod what_if;
