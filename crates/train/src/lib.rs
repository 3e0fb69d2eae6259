//! Training of one network, and selection of an ensemble from what was trained.
//!
//! The loop knows nothing of modalities: a [`Network`] turns a batch into an embedding and the raw
//! parameters of a predictive distribution, and [`Batches`] makes batches of the units asked for.

mod doubt;
mod ensemble;
mod fit;
mod learner;
mod network;
mod optimizer;
mod predict;
mod recipe;
mod target_scale;
mod watched_loss;

pub use doubt::{
    Doubt, DoubtingNetwork, LastLayerLaplace, SavedDoubt, SelfDoubt, Snapshots, ThinnedNetworks,
};
pub use ensemble::{Ensemble, select_ensemble};
pub use fit::{Evaluation, TrainError, Trained, Validation, fit, fit_assigned};
pub use learner::{
    Assignment, Features, FittedMember, HandMade, Learner, Member, MemberError, MemberPrediction,
    SavedMember, Units,
};
pub use network::{Batches, Network, Output};
pub use optimizer::Optimizer;
pub use predict::{NetworkPrediction, predict};
pub use recipe::Recipe;
pub use target_scale::TargetScale;
pub use watched_loss::watched_loss;
