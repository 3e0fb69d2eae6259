use candor_core::did_you_mean;
use candor_graph_series::{Leg, TravelSettings, TravelTime, travel_time};
use serde::{Deserialize, Serialize};

use crate::{EngineError, Inputs, Model};

/// A journey along series that are speeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// How long it takes; nothing where that is not known.
    pub time: Option<TravelTime>,
    /// Why it is not known, in a sentence.
    pub refused: Option<String>,
}

impl Model {
    /// How long a journey takes along `legs`, from what is forecast of the speeds of their series. It is refused where the model has no answer for one of
    /// them, and where it lasts longer than the forecast.
    ///
    /// # Errors
    /// When the model forecasts no series, the seconds between their moments are not known, a leg is no series, or a setting makes no sense.
    pub fn journey(
        &self,
        inputs: &Inputs,
        legs: &[Leg],
        settings: &TravelSettings,
    ) -> Result<Journey, EngineError> {
        let refuse = |problem: String| EngineError::Setting {
            setting: "path",
            problem,
        };
        let Some((step, horizons)) = self.ahead() else {
            return Err(refuse("the model forecasts no series".into()));
        };
        let step = step.ok_or_else(|| {
            refuse("the model knows no times of its series, so a step ahead lasts nobody knows how long".into())
        })?;
        let names = inputs.names().unwrap_or_default();
        let unit = |leg: &Leg| {
            let found = names.iter().position(|name| *name == leg.name);
            found.ok_or_else(|| {
                let near = did_you_mean(&leg.name, names);
                refuse(format!("there is no series `{}`{near}", leg.name))
            })
        };
        let units = legs.iter().map(unit).collect::<Result<Vec<_>, _>>()?;
        let refused = |reason: String| {
            Ok(Journey {
                time: None,
                refused: Some(reason),
            })
        };
        // All legs up to the first that cannot be read are asked in one go.
        let mut places = legs.iter().zip(&units).enumerate();
        let unreadable = places.find_map(|(place, (leg, &unit))| {
            let why = inputs.unreadable(unit)?;
            Some((place, format!("`{}`: {why}", leg.name)))
        });
        let readable = match &unreadable {
            Some((place, _)) => &units[..*place],
            None => &units,
        };
        let answers = self.predictor().answers_of(&inputs.units, readable)?;
        for (leg, answer) in legs.iter().zip(answers) {
            if let Some(reason) = answer.reason {
                return refused(format!("`{}`: {reason}", leg.name));
            }
        }
        if let Some((_, why)) = unreadable {
            return refused(why);
        }
        let speeds = self.predictor().distribution(&inputs.units)?.select(&units);
        match travel_time(legs, &speeds, horizons, step, settings) {
            Ok(time) => Ok(Journey {
                time: Some(time),
                refused: None,
            }),
            Err(error @ candor_graph_series::TravelError::Setting { .. }) => {
                Err(refuse(error.to_string()))
            }
            Err(error) => refused(error.to_string()),
        }
    }
}
