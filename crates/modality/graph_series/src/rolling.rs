//! Evaluation over rolling origins: from each origin what comes after it is forecast by what was known until then.

use crate::Series;

/// What a recent error of a member counts, of one a step earlier.
const FORGETTING: f64 = 0.93;
/// Horizons within which members' errors are much alike: an error at another counts `exp(-distance / this)`.
const ALIKE: f64 = 4.0;
/// How much a member's weight falls with its error: by `e` where that is higher by this part.
const SHARPNESS: f64 = 1.0 / 15.0;

/// The forecasts of one model from origins that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolled {
    /// The model.
    pub name: String,
    /// The first origin: the number of moments that were known to its first forecast.
    pub first: usize,
    /// For each origin `[furthest, series]`.
    pub said: Vec<Vec<f32>>,
}

/// Forecasts `furthest` moments from each origin from `first` on, that is after the first `first` moments, after one more, and so on, as long as the next moment is
/// known. `forecast` gets the series as they were until the origin, and nothing else, and tells `[furthest, series]`.
pub fn roll_origins(
    name: &str,
    series: &Series,
    first: usize,
    furthest: usize,
    mut forecast: impl FnMut(&Series, usize) -> Vec<f32>,
) -> Rolled {
    let origins = first..series.steps();
    Rolled {
        name: name.to_owned(),
        first,
        said: origins
            .map(|origin| forecast(&series.head(origin), furthest))
            .collect(),
    }
}

impl Rolled {
    /// The mean absolute error of each origin at a horizon (from 1), over the series that were read; `from` is the first origin, and the
    /// last is the last whose truth is known.
    pub fn errors(&self, series: &Series, horizon: usize, from: usize) -> Vec<f64> {
        let origins = from.max(self.first)..(series.steps() + 1).saturating_sub(horizon);
        origins
            .filter_map(|origin| self.error(series, origin, horizon))
            .collect()
    }

    fn error(&self, series: &Series, origin: usize, horizon: usize) -> Option<f64> {
        let nodes = series.nodes.len();
        let said = self.said.get(origin.checked_sub(self.first)?)?;
        let said = said.get((horizon - 1) * nodes..horizon * nodes)?;
        let (mut sum, mut count) = (0.0, 0usize);
        for (node, said) in said.iter().enumerate() {
            let error =
                f64::from(series.at((origin + horizon - 1) as i64, node)) - f64::from(*said);
            if error.is_finite() {
                (sum, count) = (sum + error.abs(), count + 1);
            }
        }
        (count > 0).then(|| sum / count as f64)
    }

    /// The mean over the horizons 1 to `furthest` of the mean over the origins of their errors: what the protocol of Panagopoulos et al. (AAAI 2021) reports.
    pub fn up_to(&self, series: &Series, furthest: usize, from: usize) -> f64 {
        let mean = |errors: Vec<f64>| errors.iter().sum::<f64>() / errors.len() as f64;
        let of = |horizon| mean(self.errors(series, horizon, from));
        (1..=furthest).map(of).sum::<f64>() / furthest as f64
    }
}

/// The median over models, weighted by their errors so far: at each origin those whose truth was known by then, late ones and those at near
/// horizons the most. Models must have the same origins.
pub fn weigh_by_past_errors(name: &str, series: &Series, models: &[&Rolled]) -> Rolled {
    let first = models.iter().map(|m| m.first).max().unwrap_or(0);
    let nodes = series.nodes.len();
    let said = (first..series.steps()).map(|origin| {
        let mut whole = Vec::new();
        let furthest = models
            .iter()
            .filter_map(|m| m.said.get(origin - m.first))
            .map(|said| said.len() / nodes.max(1))
            .min()
            .unwrap_or(0);
        for horizon in 1..=furthest {
            let weights = weights(series, models, origin, horizon);
            for node in 0..nodes {
                let place = (horizon - 1) * nodes + node;
                let mut told: Vec<(f32, f64)> = models
                    .iter()
                    .zip(&weights)
                    .filter_map(|(m, weight)| {
                        Some((*m.said.get(origin - m.first)?.get(place)?, *weight))
                    })
                    .collect();
                whole.push(weighted_median(&mut told));
            }
        }
        whole
    });
    Rolled {
        name: name.to_owned(),
        first,
        said: said.collect(),
    }
}

/// A positive number a model.
fn weights(series: &Series, models: &[&Rolled], now: usize, horizon: usize) -> Vec<f64> {
    let of = |model: &&Rolled| {
        let (mut sum, mut count) = (0.0, 0.0);
        let furthest = model
            .said
            .first()
            .map_or(0, |said| said.len() / series.nodes.len().max(1));
        for origin in model.first..now {
            for other in 1..=furthest.min(now - origin) {
                let weight = FORGETTING.powi((now - origin - other) as i32)
                    * (-(other.abs_diff(horizon) as f64) / ALIKE).exp();
                if let Some(error) = model.error(series, origin, other) {
                    (sum, count) = (sum + weight * error, count + weight);
                }
            }
        }
        (count > 0.0).then(|| sum / count)
    };
    let errors: Vec<Option<f64>> = models.iter().map(of).collect();
    let least = errors
        .iter()
        .flatten()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let weight = |error: &Option<f64>| match error {
        Some(error) => {
            let behind = (error - least) / least.max(1e-9);
            (-behind / SHARPNESS).exp().max(1e-12)
        }
        None => 1.0,
    };
    errors.iter().map(weight).collect()
}

/// The number at which half of the weight lies below, the mean of two where it lies between them.
fn weighted_median(told: &mut [(f32, f64)]) -> f32 {
    told.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = told.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for place in 0..told.len() {
        below += told[place].1;
        if (below - half).abs() < 1e-9 * half
            && let Some(next) = told.get(place + 1)
        {
            return (told[place].0 + next.0) / 2.0;
        }
        if below > half {
            return told[place].0;
        }
    }
    told.last().map_or(f32::NAN, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Calendar;

    fn counted(steps: usize) -> Series {
        Series {
            nodes: vec!["a".into(), "b".into()],
            values: (0..steps).flat_map(|t| [t as f32, 10.0]).collect(),
            calendar: Calendar::from_values(&[]),
            graph: None,
            flows: None,
            known: None,
            places: None,
        }
    }

    fn last(past: &Series, furthest: usize) -> Vec<f32> {
        past.values[past.values.len() - 2..].repeat(furthest)
    }

    #[test]
    fn errors_are_those_of_each_horizon_over_the_origins_whose_truth_is_known() {
        let series = counted(20);
        let rolled = roll_origins("last", &series, 5, 3, last);
        assert_eq!(rolled.said.len(), 15);
        assert_eq!(rolled.errors(&series, 3, 7), vec![1.5; 11]);
        assert_eq!(rolled.up_to(&series, 3, 7), 1.0);
    }

    #[test]
    fn what_comes_after_an_origin_changes_no_forecast_and_no_weight() {
        let (series, mut other) = (counted(30), counted(30));
        other.values[40..].iter_mut().for_each(|v| *v = 777.0);
        let all = |series: &Series| {
            let models = [
                roll_origins("last", series, 5, 3, last),
                roll_origins("zero", series, 5, 3, |_, furthest| vec![0.0; 2 * furthest]),
                roll_origins("curves", series, 5, 3, crate::growth_median),
                roll_origins("scale", series, 5, 3, |past, furthest| {
                    crate::Correction::Scale.forecast(past, furthest)
                }),
            ];
            let models: Vec<&Rolled> = models.iter().collect();
            weigh_by_past_errors("all", series, &models)
        };
        let (told, changed) = (all(&series), all(&other));
        // Moment 20 is the first that differs: origins until it do not know it.
        assert_eq!(told.said[..=15], changed.said[..=15]);
        assert_ne!(told.said[16], changed.said[16]);
    }

    #[test]
    fn the_model_that_was_right_is_believed() {
        let series = counted(30);
        let models = [
            roll_origins("right", &series, 5, 1, |past, _| {
                vec![past.steps() as f32, 10.0]
            }),
            roll_origins("wrong", &series, 5, 1, |_, _| vec![0.0, 0.0]),
            roll_origins("worse", &series, 5, 1, |_, _| vec![-9.0, -9.0]),
        ];
        let models: Vec<&Rolled> = models.iter().collect();
        let weighed = weigh_by_past_errors("all", &series, &models);
        assert_eq!(weighed.up_to(&series, 1, 8), 0.0);
    }
}
