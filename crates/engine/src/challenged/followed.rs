use candor_challenge::{AdaptiveIntervals, CoverageReport, Slice, Surprise};
use serde::{Deserialize, Serialize};

use super::Judge;
use crate::EngineError;

/// Intervals of forecasts whose level follows what came, over the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowedCoverage {
    /// How often they held the truth.
    pub report: CoverageReport,
    /// For each horizon the least and the greatest level that was in force.
    pub levels: Vec<(f64, f64)>,
    /// As they stand after the test part.
    pub state: AdaptiveIntervals,
    /// How surprising what comes is, by errors of the test part, where that is larger than the part that calibrates.
    #[serde(default)]
    pub surprise: Option<Surprise>,
}

impl Judge<'_> {
    /// Goes through the test part as time went, with intervals that follow what was known by then.
    pub(super) fn followed(
        &self,
        slices: &[Slice],
    ) -> Result<Option<FollowedCoverage>, EngineError> {
        let origins = self.trained.prepared.subject.origins(&self.test);
        let (Some(adaptive), Some(origins)) = (&self.predictor.parts().adaptive, origins) else {
            return Ok(None);
        };
        let mut state = adaptive.clone();
        let furthest = origins.ahead.iter().copied().max().unwrap_or(0) as i64;
        let now = origins.moments.iter().copied().max().unwrap_or(0) + furthest;
        let (said, truth, ahead) = (&self.said, &self.truth, &origins.ahead);
        let followed = state.follow(said, truth, &origins.moments, ahead, now)?;
        let promise = (state.alpha(), state.calibration_units);
        let report =
            CoverageReport::of_followed(&followed.intervals, promise, said, truth, slices)?;
        let range = |horizon: usize| {
            let levels = followed.levels.iter().map(|(_, levels)| levels[horizon]);
            levels.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), level| {
                (low.min(level), high.max(level))
            })
        };
        Ok(Some(FollowedCoverage {
            report,
            levels: (0..ahead.len()).map(range).collect(),
            surprise: (self.test.len() >= state.calibration_units)
                .then(|| Surprise::fit(said, truth, 0))
                .transpose()?,
            state,
        }))
    }
}
