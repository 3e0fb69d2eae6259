use candor_challenge::Surprise;
use candor_core::{Distribution, Targets};
use candor_data::{Table, moment_text};
use serde::{Deserialize, Serialize};

use crate::answers::{numbers, texts};
use crate::{EngineError, Inputs, Model};

/// Forecasts that are made at a time, about.
const AT_ONCE: usize = 50_000;

/// Which readings of series stand out: how each compares with what was forecast of it shortly before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomalies {
    /// Steps ahead of the forecasts.
    pub ahead: usize,
    /// Of usual readings the share that stands out by chance.
    pub false_alarms: f64,
    /// Readings that stand out.
    pub found: usize,
    /// How many of the readings the model was made from: it learned from most of them, its errors are smaller there, and fewer stand out.
    pub learned: usize,
    /// Every reading that a forecast can be made of, moment after moment.
    pub readings: Vec<Reading>,
}

/// A reading beside its forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When it was: a time such as `2024-03-04T05:00:00`, else the number of the moment, from 0.
    pub time: String,
    /// The series.
    pub series: String,
    /// What was read.
    pub value: f64,
    /// What was forecast: mean and range.
    pub expected: f64,
    /// The range, where one is told.
    pub range: Option<(f64, f64)>,
    /// Probability of an error at least as great, where nothing unusual happened.
    pub p_value: f64,
    /// Among all readings that surprise at least as much, the share of usual ones that is expected.
    pub q_value: f64,
    /// Whether it stands out: its p-value is at most the share of false alarms.
    pub anomalous: bool,
}

impl Anomalies {
    /// A row a reading: `time`, `series`, `reading`, `expected`, `lower`, `upper`, `p_value`, `q_value` and whether it is `anomalous`.
    pub fn table(&self) -> Table {
        let all = &self.readings;
        let end = |range: Option<(f64, f64)>, of: fn((f64, f64)) -> f64| range.map_or(f64::NAN, of);
        Table {
            columns: vec![
                texts("time", all, |r| Some(r.time.clone())),
                texts("series", all, |r| Some(r.series.clone())),
                numbers("reading", all, |r| r.value),
                numbers("expected", all, |r| r.expected),
                numbers("lower", all, |r| end(r.range, |ends| ends.0)),
                numbers("upper", all, |r| end(r.range, |ends| ends.1)),
                numbers("p_value", all, |r| r.p_value),
                numbers("q_value", all, |r| r.q_value),
                texts("anomalous", all, |r| Some(r.anomalous.to_string())),
            ],
        }
    }
}

impl Model {
    /// Compares each reading of some series with what the model forecasts of it from what came before, at the nearest of its horizons. Those stand out
    /// whose errors are as great as those of the share `false_alarms` of usual readings.
    ///
    /// # Errors
    /// When the model forecasts no series, none of the readings can be forecast, or the share is not between 0 and 1.
    pub fn anomalies(&self, inputs: &Inputs, false_alarms: f64) -> Result<Anomalies, EngineError> {
        let refuse = |setting, problem: &str| EngineError::Setting {
            setting,
            problem: problem.to_owned(),
        };
        if !(false_alarms > 0.0 && false_alarms < 1.0) {
            return Err(refuse("false_alarms", "must be between 0 and 1"));
        }
        let replayable = self.input().replayable(&inputs.units)?;
        let (Some(adaptive), Some(told)) = (&self.parts().adaptive, replayable) else {
            return Err(refuse("anomalies", "the model forecasts no series"));
        };
        let Some(surprise) = &self.parts().surprise else {
            return Err(refuse(
                "anomalies",
                "the bundle is of an older version, which did not keep how great errors usually are: fit it again",
            ));
        };
        if told.origins.is_empty() {
            return Err(refuse(
                "anomalies",
                "the series are too short: no reading comes after as many moments as the model looks back",
            ));
        }
        let mut readings = Vec::new();
        let at_once = (AT_ONCE / told.names.len().max(1)).max(1);
        let (mut learned, mut ahead) = (0, 1);
        for first in told.origins.clone().step_by(at_once) {
            let last = (first + at_once).min(told.origins.end);
            let past = self.input().replayed(&inputs.units, first..last)?;
            let said = self.predictor().distribution(&past.units)?;
            let Targets::Values { width, values } = &past.truth else {
                continue;
            };
            ahead = past.origins.ahead.first().copied().unwrap_or(1);
            let came: Vec<f64> = values
                .iter()
                .step_by(*width)
                .map(|v| f64::from(*v))
                .collect();
            let p_values = surprise.p_values(&said, 0, &came)?;
            let ranges = adaptive.predict(&said)?;
            let Distribution::Gaussian { mean, .. } = said.by_moments() else {
                continue;
            };
            for (unit, (&value, &p_value)) in came.iter().zip(&p_values).enumerate() {
                if p_value.is_nan() {
                    continue;
                }
                let moment = past.origins.moments[unit] + ahead as i64;
                learned += usize::from(told.learned.is_some_and(|learned| moment <= learned));
                let (low, high) = ranges[unit * width];
                readings.push(Reading {
                    time: match told.times {
                        Some((start, step)) => moment_text(start + moment as f64 * step),
                        None => moment.to_string(),
                    },
                    series: told.names[unit % told.names.len()].clone(),
                    value,
                    expected: f64::from(mean[unit * width]),
                    range: (low.is_finite() && high.is_finite()).then_some((low, high)),
                    p_value,
                    q_value: 1.0,
                    anomalous: p_value <= false_alarms,
                });
            }
        }
        let p_values: Vec<f64> = readings.iter().map(|reading| reading.p_value).collect();
        for (reading, q_value) in readings.iter_mut().zip(Surprise::q_values(&p_values)) {
            reading.q_value = q_value;
        }
        Ok(Anomalies {
            ahead,
            false_alarms,
            found: readings.iter().filter(|reading| reading.anomalous).count(),
            learned,
            readings,
        })
    }
}
