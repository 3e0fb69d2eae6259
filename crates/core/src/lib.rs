//! The vocabulary that every part of Candor shares.
//!
//! Nothing here knows of tensors, files or networks: these are the values that the seven steps of
//! the pipeline hand to each other, and the words in which they report.

mod budget;
mod event;
mod finding;
mod hint;
mod metric;
mod modality;
mod normal;
mod prediction;
mod quantile_function;
mod seed;
mod task;
mod uncertainty_method;
mod verdict;
pub mod wording;

pub use budget::{Budget, Clock, Interrupt, Stop};
pub use event::{Event, Events, Listener, Silent, Step};
pub use finding::{Evidence, Finding, Severity};
pub use hint::{Hints, did_you_mean};
pub use metric::{Metric, MetricError, class_ious};
pub use modality::Modality;
pub use normal::normal_quantile;
pub use prediction::{Distribution, PredictionError, Targets};
pub use quantile_function::QuantileFunction;
pub use seed::Seed;
pub use task::{Target, Task};
pub use uncertainty_method::{EVIDENTIAL_LEAST_ROWS, EVIDENTIAL_MOST_CLASSES, UncertaintyMethod};
pub use verdict::{Outcome, Verdict};
