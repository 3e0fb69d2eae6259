//! The engine: raw data to a designed, trained, challenged and deployed model, in seven steps.
//!
//! [`fit`] runs them and leaves a run folder; [`resume`] goes on with one; [`Model`] predicts from what they
//! deployed. Command line and server go through these and hold no logic of their own.

mod anomalies;
mod answers;
mod by_part;
mod by_shape;
mod challenged;
mod check;
mod compare;
mod context;
mod curated;
mod deployed;
mod designed;
mod error;
mod explained;
mod fidelity;
mod finalists;
mod lab;
mod label_review;
mod modality;
mod model;
mod objective;
mod pictured;
mod pipeline;
mod prepared;
mod relabelled;
mod report;
mod run_folder;
mod scan;
mod screen;
mod selection;
mod settings;
mod simpler;
mod sourced;
mod subject;
mod trained;
mod travel;
mod trial_folder;
mod what_if;

pub use anomalies::{Anomalies, Reading};
pub use by_part::{PartScore, PartTable};
pub use challenged::{
    ChallengeResult, CostSeconds, Costs, CurvePlace, CurvePoint, DetectorScore, Disturbed,
    Explained, FollowedCoverage, ForecastPictures, Importance, NearnessBin, NearnessTable,
    OtherScore, RandomisedPoint, Score, SeriesCurve, SeriesFigures, SeriesMap, Told,
};
pub use check::{CheckResult, check};
pub use compare::{Comparison, Reached, SearchJob, SearchOf, compare};
pub use deployed::Summary;
pub use designed::{DesignedResult, Standing};
pub use error::EngineError;
pub use fidelity::Fidelity;
pub use lab::{Drawing, Experiment, Figures, LabSettings, Study, Test, lab};
pub use label_review::{LabelFindings, ShownSuspect};
pub use modality::{EdgeWorth, Explanation, FeatureWorth, Inputs, ValueOf};
pub use model::{Model, UnitExplained};
pub use pictured::{Kind as PictureKind, Pictured};
pub use pipeline::{fit, resume, search};
pub use prepared::PreparedResult;
pub use run_folder::RunFolder;
pub use scan::{ScanSettings, Scanned, is_scan, scan};
pub use screen::{Candidate, Found, NOVEL, ScreenSettings, Screened, screen};
pub use settings::{Calibrator, FitSettings, SetsFor};
pub use sourced::{SourceResult, name_of};
pub use subject::{AnswersOf, Groups, Nearness, Origins, SeriesForecasts, Subject};
pub use trained::{TrainedResult, Voice};
pub use travel::Journey;
pub use trial_folder::{KeptMember, TrialFolder};
pub use what_if::{SeriesIf, WhatIf};

pub use candor_challenge as challenge;
pub use candor_core as core;
pub use candor_data as data;
pub use candor_deploy as deploy;
pub use candor_design as design;
pub use candor_graph_series::{Leg, LegTime, TravelSettings, TravelTime};
