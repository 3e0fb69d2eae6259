use std::sync::Arc;

use candor_core::Targets;
use candor_train::{MemberError, Units};

use crate::{EdgeChange, Series};

/// A stretch of time that ends at an origin: what a model sees.
#[derive(Debug, Clone)]
pub struct Window {
    /// The origin: the last moment that is known.
    pub end: u32,
    /// `[history, series]`: what is seen instead of what was read, if it was changed.
    pub changed: Option<Arc<Vec<f32>>>,
}

/// What the models of this modality predict: nodes at origins, each on the ground of all series until then.
#[derive(Debug, Clone)]
pub struct SeriesUnits {
    /// The series.
    pub series: Arc<Series>,
    /// Steps that a model looks back, the origin's included.
    pub history: usize,
    /// Steps ahead that are predicted, ascending, from 1.
    pub horizons: Arc<Vec<usize>>,
    /// The stretches of time.
    pub windows: Arc<Vec<Window>>,
    /// For each unit its window and its node.
    pub which: Arc<Vec<(u32, u32)>>,
    /// What if other things went between the series than the models learned. Flows of the series are changed by it already.
    pub changes: Arc<Vec<EdgeChange>>,
}

impl SeriesUnits {
    /// Every node at every `stride`-th origin that has a whole history and whose furthest horizon is known; the last such origin is among
    /// them.
    pub fn learnable(
        series: Series,
        history: usize,
        horizons: Vec<usize>,
        stride: usize,
    ) -> SeriesUnits {
        let furthest = horizons.last().copied().unwrap_or(1);
        let last = series.steps().saturating_sub(furthest + 1);
        let mut origins: Vec<usize> = (history.saturating_sub(1)..=last)
            .rev()
            .step_by(stride.max(1))
            .collect();
        origins.reverse();
        SeriesUnits::at_origins(series, history, horizons, &origins)
    }

    /// Every node at these origins.
    pub fn at_origins(
        series: Series,
        history: usize,
        horizons: Vec<usize>,
        origins: &[usize],
    ) -> SeriesUnits {
        let nodes = series.nodes.len() as u32;
        let window = |&end: &usize| Window {
            end: end as u32,
            changed: None,
        };
        let which =
            (0..origins.len() as u32).flat_map(|window| (0..nodes).map(move |node| (window, node)));
        SeriesUnits {
            which: Arc::new(which.collect()),
            windows: Arc::new(origins.iter().map(window).collect()),
            series: Arc::new(series),
            history,
            horizons: Arc::new(horizons),
            changes: Arc::default(),
        }
    }

    /// As the pipeline holds them.
    pub fn units(self) -> Units {
        Units::new(self.which.len(), self)
    }

    /// Only the units at `indices`.
    pub fn only(&self, indices: &[usize]) -> SeriesUnits {
        SeriesUnits {
            which: Arc::new(indices.iter().map(|&i| self.which[i]).collect()),
            ..self.clone()
        }
    }

    /// The same, if other things went between the series.
    pub fn what_if(&self, changes: &[EdgeChange]) -> SeriesUnits {
        let flows = self.series.flows.as_ref();
        let series = flows.map(|flows| Series {
            flows: Some(flows.changed(changes)),
            ..Series::clone(&self.series)
        });
        SeriesUnits {
            series: series.map_or_else(|| Arc::clone(&self.series), Arc::new),
            changes: Arc::new([&self.changes[..], changes].concat()),
            ..self.clone()
        }
    }

    /// Series.
    pub fn nodes(&self) -> usize {
        self.series.nodes.len()
    }

    /// What a model sees of a node, `back` steps before the origin of a window (0: at it). What lies before the history is never changed.
    pub fn seen(&self, window: usize, back: usize, node: usize) -> f32 {
        let window = &self.windows[window];
        match &window.changed {
            Some(values) if back < self.history => {
                values[(self.history - 1 - back) * self.nodes() + node]
            }
            _ => self.series.at(i64::from(window.end) - back as i64, node),
        }
    }

    /// What is true of all units, NaN where nobody knows: `[units, horizons]`.
    pub fn truth(&self) -> Targets {
        let cell = |&(window, node): &(u32, u32)| {
            let end = i64::from(self.windows[window as usize].end);
            let horizons = self.horizons.iter();
            horizons.map(move |&ahead| self.series.at(end + ahead as i64, node as usize))
        };
        Targets::Values {
            width: self.horizons.len(),
            values: self.which.iter().flat_map(cell).collect(),
        }
    }

    /// The units of a source that a model can learn from: nothing in them was changed.
    pub(crate) fn to_learn_from(units: &Units) -> Result<&SeriesUnits, MemberError> {
        let units = units.get::<SeriesUnits>()?;
        if units.changes.is_empty() && units.windows.iter().all(|w| w.changed.is_none()) {
            return Ok(units);
        }
        Err(MemberError::Training(
            "a model learns from series as they were read".into(),
        ))
    }
}
