use candor_deploy::Prediction;
use serde::{Deserialize, Serialize};

use crate::{EngineError, Inputs, Model};

/// Forecasts as they are, and as they would be if other things went between the series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// What was changed, as a person wrote it.
    pub changes: Vec<String>,
    /// Why what is told of it is extrapolation, in a sentence; nothing where the model learned from as much and as little.
    pub extrapolation: Option<String>,
    /// Whether any forecast changed. None does where no member of the model looks at what was changed.
    pub felt: bool,
    /// Each series.
    pub series: Vec<SeriesIf>,
}

/// One series, as it is and as it would be; a number a horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesIf {
    /// Its name.
    pub name: String,
    /// What is forecast.
    pub mean: Vec<f64>,
    /// What would be.
    pub changed: Vec<f64>,
    /// Standard deviations of the changed forecast.
    pub sd: Vec<f64>,
    /// Why there is no answer, where there is none.
    pub reason: Option<String>,
}

impl SeriesIf {
    /// The place of the horizon where the change is greatest, the first of equal ones, and the change.
    pub fn greatest(&self) -> (usize, f64) {
        let pairs = self.changed.iter().zip(&self.mean);
        let differences = pairs.map(|(changed, mean)| changed - mean).enumerate();
        differences.fold((0, 0.0), |most: (usize, f64), other| {
            if other.1.abs() > most.1.abs() {
                other
            } else {
                most
            }
        })
    }
}

impl Model {
    /// The same inputs, if other things went between the series, and why what is told of them is extrapolation, if it is. A change is written
    /// `FROM,TO=FACTOR`: what goes there is multiplied; nothing goes there any more without a factor; `*` stands for any series.
    ///
    /// # Errors
    /// When the model is not one of series that something joins, a series or an edge is not there, or a factor is negative.
    pub fn changed(
        &self,
        inputs: &Inputs,
        changes: &[String],
    ) -> Result<(Inputs, Option<String>), EngineError> {
        let (units, extrapolation) = self.input().changed(&inputs.units, changes)?;
        let inputs = Inputs {
            units,
            names: inputs.names.clone(),
            unreadable: inputs.unreadable.clone(),
        };
        Ok((inputs, extrapolation))
    }

    /// Forecasts beside those that would be made if other things went between the series; see [`Model::changed`] for how changes are written.
    ///
    /// # Errors
    /// As [`Model::changed`], and when the units are not of this model.
    pub fn what_if(&self, inputs: &Inputs, changes: &[String]) -> Result<WhatIf, EngineError> {
        let (changed, extrapolation) = self.changed(inputs, changes)?;
        let readable: Vec<usize> = (0..inputs.len())
            .filter(|&unit| inputs.unreadable(unit).is_none())
            .collect();
        let answers = |inputs: &Inputs| self.predictor().answers_of(&inputs.units, &readable);
        let names = inputs.names().unwrap_or_default();
        let pairs = answers(inputs)?.into_iter().zip(answers(&changed)?);
        let series: Vec<SeriesIf> = pairs
            .zip(&readable)
            .map(|((now, then), &unit)| {
                let (changed, sd) = numbers(then.prediction);
                SeriesIf {
                    name: names.get(unit).cloned().unwrap_or_default(),
                    mean: numbers(now.prediction).0,
                    changed,
                    sd,
                    reason: then.reason,
                }
            })
            .collect();
        Ok(WhatIf {
            changes: changes.to_vec(),
            extrapolation,
            felt: series.iter().any(|series| series.mean != series.changed),
            series,
        })
    }
}

/// Means and standard deviations.
fn numbers(prediction: Prediction) -> (Vec<f64>, Vec<f64>) {
    match prediction {
        Prediction::Number { mean, sd, .. } => (mean, sd),
        _ => (Vec::new(), Vec::new()),
    }
}
