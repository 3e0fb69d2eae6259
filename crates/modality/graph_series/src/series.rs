use serde::{Deserialize, Serialize};

use crate::{Calendar, Flows, KnownAhead, SensorGraph};

/// Series of numbers at equal steps of time, maybe on a graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The names of the series.
    pub nodes: Vec<String>,
    /// `[moments, series]`, row-major; NaN where nothing was read.
    #[serde(with = "gaps")]
    pub values: Vec<f32>,
    /// When moments are.
    pub calendar: Calendar,
    /// What joins the series, if anything does.
    pub graph: Option<SensorGraph>,
    /// What went from which series to which at each moment, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Flows>,
    /// What is known ahead of time, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownAhead>,
    /// Where the series are, for maps: `(x, y)` each, eastward and northward in the unit of the source (metres where it gives latitudes), if
    /// that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<(f64, f64)>>,
}

impl Series {
    /// Moments.
    pub fn steps(&self) -> usize {
        self.values.len() / self.nodes.len().max(1)
    }

    /// What series `node` was at a moment; NaN where it was not read, and before the beginning.
    pub fn at(&self, moment: i64, node: usize) -> f32 {
        match usize::try_from(moment) {
            Ok(moment) if moment < self.steps() => self.values[moment * self.nodes.len() + node],
            _ => f32::NAN,
        }
    }

    /// The first `moments` of them, as if nothing later were known but what is known ahead.
    pub fn head(&self, moments: usize) -> Series {
        let until = moments.min(self.steps());
        Series {
            nodes: self.nodes.clone(),
            values: self.values[..until * self.nodes.len()].to_vec(),
            calendar: self.calendar.clone(),
            graph: self.graph.clone(),
            flows: self.flows.as_ref().map(|flows| flows.head(until)),
            known: self.known.clone(),
            places: self.places.clone(),
        }
    }

    /// Whether anything joins the series.
    pub fn are_joined(&self) -> bool {
        self.graph.is_some() || self.flows.is_some()
    }

    /// Whether all readings are whole numbers that are not negative: counts.
    pub fn are_counts(&self) -> bool {
        let mut known = self.values.iter().filter(|v| v.is_finite());
        known.all(|v| *v >= 0.0 && v.fract() == 0.0)
    }

    /// The last `moments` of them.
    pub fn tail(&self, moments: usize) -> Series {
        let from = self.steps().saturating_sub(moments);
        let calendar = Calendar {
            start: self
                .calendar
                .start
                .zip(self.calendar.step)
                .map(|(start, step)| start + from as f64 * step),
            phase: self.calendar.phase + from as i64,
            ..self.calendar.clone()
        };
        Series {
            values: self.values[from * self.nodes.len()..].to_vec(),
            calendar,
            nodes: self.nodes.clone(),
            graph: self.graph.clone(),
            flows: self.flows.as_ref().map(|flows| flows.tail(from)),
            known: self.known.as_ref().map(|known| known.tail(from)),
            places: self.places.clone(),
        }
    }

    /// Why they cannot be used, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self) -> Result<(), String> {
        self.calendar.check()?;
        if self.nodes.is_empty() || !self.values.len().is_multiple_of(self.nodes.len()) {
            return Err("its series are damaged".into());
        }
        match &self.flows {
            Some(flows) if flows.nodes != self.nodes.len() => {
                return Err("its flows are damaged".into());
            }
            Some(flows) => flows.check()?,
            None => {}
        }
        if let Some(known) = &self.known {
            known.check(self.nodes.len())?;
        }
        let placed = |places: &Vec<(f64, f64)>| {
            let finite = places.iter().all(|(x, y)| x.is_finite() && y.is_finite());
            finite && places.len() == self.nodes.len()
        };
        if !self.places.as_ref().is_none_or(placed) {
            return Err("the places of its series are damaged".into());
        }
        match &self.graph {
            Some(graph) if graph.nodes != self.nodes.len() => Err("its graph is damaged".into()),
            Some(graph) => graph.check(),
            None => Ok(()),
        }
    }
}

/// JSON knows no NaN: what is missing is `null`.
pub(crate) mod gaps {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
        let known: Vec<Option<f32>> = values.iter().map(|v| v.is_finite().then_some(*v)).collect();
        known.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
        let known = Vec::<Option<f32>>::deserialize(from)?;
        Ok(known.into_iter().map(|v| v.unwrap_or(f32::NAN)).collect())
    }
}
