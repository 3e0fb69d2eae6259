//! The modality `graph series`: forecasts of many series, on a graph or without one.
//!
//! A unit is a node at an origin: what its series will be at some horizons, told from what all series were until then. `source` reads
//! series; `series` holds them, `graph` what joins them, `calendar` the periods in which they repeat; `data` cuts them into units, `split` parts those in
//! time. `prepare` fits what a network needs on the training part; `rules` and `regression` are the baselines; `design` names the
//! networks and the space of a search, `body` has one file a paper; `challenge` is what can go wrong in the world. Of counts that grow and fade, as in an
//! epidemic: `growth` tells curves, `correction` what they are wrong by, `log_lags` is what both have to beat, `rolling` judges all of them from each
//! day on; `flows` are edges that change with time. `travel` tells from forecast speeds how long a journey takes.

mod body;
mod boosted;
mod calendar;
mod challenge;
mod correction;
mod data;
mod design;
mod drift;
mod edge_change;
mod error;
mod flows;
mod graph;
mod growth;
mod known;
mod learner;
mod log_lags;
mod network;
mod prepare;
mod profile;
mod regression;
mod rolling;
mod rules;
mod series;
mod smoothing;
mod source;
mod split;
mod together;
mod travel;

pub use boosted::{BoostedKnown, BoostedLags};
pub use calendar::Calendar;
pub use challenge::{Disturbance, moments_shuffled, others_exchanged, windows_exchanged};
pub use correction::Correction;
pub use data::{SeriesUnits, Window};
pub use design::{Anchor, Body, Loss, SeriesDesign, space};
pub use drift::drift;
pub use edge_change::EdgeChange;
pub use error::SeriesError;
pub use flows::Flows;
pub use graph::SensorGraph;
pub use growth::{growth_curves, growth_median};
pub use known::KnownAhead;
pub use learner::SeriesLearner;
pub use log_lags::log_lag_forecast;
pub use network::SeriesNetwork;
pub use prepare::{Preparation, SeriesBatch, WindowData};
pub use profile::Profile;
pub use regression::LagRegression;
pub use rolling::{Rolled, roll_origins, weigh_by_past_errors};
pub use rules::{Rule, RuleModel};
pub use series::Series;
pub use smoothing::{Level, Smoothing};
pub use source::{Long, ReadSeries, SeriesOptions, SeriesSource, read_series, series_of};
pub use split::{Parts, part_in_time};
pub use together::{Apart, together};
pub use travel::{Leg, LegTime, TravelError, TravelSettings, TravelTime, travel_time};
