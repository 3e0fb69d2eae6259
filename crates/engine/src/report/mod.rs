//! The report: what a person who knows no statistics reads before using a model. One page without anything from outside.

mod block;
mod data;
mod forecasts;
mod judged;
mod map;
mod models;
mod page;
mod pictured;
mod study;
mod svg;
mod trust;

use candor_core::wording::Words;
use candor_core::{Metric, Target};
use candor_data::{Curation, Split};

use crate::{ChallengeResult, DesignedResult, FitSettings, SourceResult, TrainedResult};

pub(crate) use block::{Block, Grid, Picture, Section, number, text};
pub(crate) use page::{Page, Shown, to_html};
pub(crate) use svg::{Axis, Bar, Plot, bars};

/// Everything that a report shows.
pub(crate) struct Report<'a> {
    pub name: String,
    pub settings: &'a FitSettings,
    pub source: &'a SourceResult,
    pub curation: &'a Curation,
    pub split: &'a Split,
    pub target: &'a Target,
    pub metric: Metric,
    pub designed: &'a DesignedResult,
    pub trained: &'a TrainedResult,
    pub challenged: &'a ChallengeResult,
    /// The best network: its name, and its drawing as SVG.
    pub drawing: Option<(String, String)>,
    /// Seconds over all processes that worked on the run.
    pub seconds: f64,
}

impl Report<'_> {
    fn words(&self) -> Words {
        self.source.modality.words()
    }
}
