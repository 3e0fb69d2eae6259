//! Design spaces and the search over them.
//!
//! A [`Design`] is a value that names one network; a [`Space`] says which designs there are. A
//! [`Sampler`] proposes designs, [`Halving`] decides which trials deserve more training, and
//! [`run`] plays both against an [`Objective`] on several threads, with the same result whatever
//! their number. The [`Store`] keeps what was found, so that a killed study goes on where it was.

mod agreement;
mod curves;
mod design;
mod drawing;
mod error;
mod front;
mod halving;
mod leaderboard;
mod policy_course;
mod power_law;
mod ranks;
mod record;
pub mod recorded;
mod sampler;
mod space;
mod store;
mod study;

pub use agreement::{Agreement, TRUSTED_FROM, agreements};
pub use curves::{Band, Curve, curves_svg};
pub use design::Design;
pub use drawing::label;
pub use error::DesignError;
pub use front::{hypervolume, pareto_front};
pub use halving::{Halving, Job, JobState, Promotion};
pub use leaderboard::leaderboard;
pub use policy_course::{ChoicePolicy, PolicyCourse, policy_course};
pub use power_law::PowerLaw;
pub use record::{JobRecord, JobResult};
pub use sampler::{
    Auto, Controller, ControllerSettings, Evolution, LocalSearch, Observation, Random, Sampler,
    SamplerKind, SizeTarget, Sobol, Tpe,
};
pub use space::{Choice, Condition, Options, Space};
pub use store::Store;
pub use study::{Assignment, Evaluation, First, LAG, Objective, StudyOutcome, StudySettings, run};
