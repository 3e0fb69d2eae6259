use std::collections::BTreeMap;

use candor_core::{Seed, Targets};
use candor_deploy::Prediction;
use serde::{Deserialize, Serialize};

use super::Judge;
use super::layout::spring_layout;
use crate::SeriesForecasts;

/// Series that are drawn on a map at most, the worst ones, and lines between them, the heaviest ones: a page shows no more of them.
const MAPPED: usize = 500;
const JOINED: usize = 1_500;
/// Origins that a curve shows at most, the last ones.
const ORIGINS: usize = 200;
/// The same graph is drawn the same in each report.
const LAYOUT: Seed = Seed(1);

/// What the report draws of forecasts of series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastPictures {
    /// All series with their errors and doubts; `None` where nothing says where they are or what joins them.
    pub map: Option<SeriesMap>,
    /// The series with the worst, the median and the best error.
    pub curves: Vec<SeriesCurve>,
    /// How many moments ahead the forecasts of the curves are.
    pub ahead: usize,
    /// Seconds between two moments, where times are known.
    pub step_seconds: Option<f64>,
}

/// Series as points of a plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesMap {
    /// The series; of very many the worst ones.
    pub series: Vec<SeriesFigures>,
    /// Series that are not among them.
    pub left_out: usize,
    /// Which of them are joined; of very many the strongest.
    pub edges: Vec<(u32, u32)>,
    /// Whether they lie where they are in the world, else where a drawing of the graph puts them.
    pub in_the_world: bool,
}

/// A series on a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesFigures {
    /// Its name.
    pub name: String,
    /// The metric of the run on its test units.
    pub error: f64,
    /// The standard deviation that answers have by both parts of the doubt, averaged over its test units.
    pub doubt: f64,
    /// Where it is, to the right and upward, in any unit.
    pub at: (f64, f64),
}

/// Which series a curve is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurvePlace {
    /// There is no other.
    Only,
    /// The one with the worst error.
    Worst,
    /// The one in the middle.
    Median,
    /// The one with the best error.
    Best,
}

/// What came of a series, and what was forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesCurve {
    /// Which one it is.
    pub place: CurvePlace,
    /// Its name.
    pub name: String,
    /// The metric of the run on all its test units.
    pub error: f64,
    /// Forecasts at the nearest horizon, as time went.
    pub told: Vec<Told>,
}

/// A forecast and what came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The moment that was forecast.
    pub moment: i64,
    /// What came.
    pub truth: f64,
    /// What was forecast.
    pub mean: f64,
    /// The range that was given; `None` where it is infinite.
    pub interval: Option<(f64, f64)>,
}

/// A series with its test units.
struct Judged {
    node: usize,
    error: f64,
    /// Places within the test part.
    units: Vec<usize>,
}

impl Judge<'_> {
    /// Series by series, where units are forecasts.
    pub(super) fn forecasts(&self) -> Option<ForecastPictures> {
        let subject = &self.trained.prepared.subject;
        let of = subject.forecasts(&self.test)?;
        let origins = subject.origins(&self.test)?;
        let mut units: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (unit, &node) in of.which.iter().enumerate() {
            units.entry(node).or_default().push(unit);
        }
        let judged = units.into_iter().filter_map(|(node, units)| {
            let (said, truth) = (self.said.select(&units), self.truth.select(&units));
            let error = self.metric.score(&said, &truth).ok()?;
            error.is_finite().then_some(Judged { node, error, units })
        });
        let mut judged: Vec<Judged> = judged.collect();
        let loss = |series: &Judged| self.metric.as_loss(series.error);
        judged.sort_by(|a, b| loss(b).total_cmp(&loss(a)).then(a.node.cmp(&b.node)));
        let ahead = origins.ahead.first().copied().unwrap_or(1);
        let curves = curves_of(judged.len()).into_iter().map(|(place, rank)| {
            let series = &judged[rank];
            SeriesCurve {
                place,
                name: of.names[series.node].clone(),
                error: series.error,
                told: self.told(&series.units, &origins.moments, ahead),
            }
        });
        Some(ForecastPictures {
            curves: curves.collect(),
            map: self.map(&of, &judged),
            ahead,
            step_seconds: of.step_seconds,
        })
    }

    fn map(&self, of: &SeriesForecasts, judged: &[Judged]) -> Option<SeriesMap> {
        let shown = &judged[..judged.len().min(MAPPED)];
        if shown.len() < 2 {
            return None;
        }
        let mut place = vec![None; of.names.len()];
        for (to, series) in (0u32..).zip(shown) {
            place[series.node] = Some(to);
        }
        let edges = strongest(of.edges.as_deref().unwrap_or_default(), &place);
        let at: Vec<(f64, f64)> = match &of.places {
            Some(places) => shown.iter().map(|series| places[series.node]).collect(),
            None if edges.is_empty() => return None,
            None => spring_layout(shown.len(), &edges, LAYOUT),
        };
        let series = shown.iter().zip(at).map(|(series, at)| {
            let doubts = series
                .units
                .iter()
                .map(|&u| self.answers[u].uncertainty.sqrt());
            SeriesFigures {
                name: of.names[series.node].clone(),
                error: series.error,
                doubt: doubts.sum::<f64>() / series.units.len() as f64,
                at,
            }
        });
        let series: Vec<SeriesFigures> = series.filter(|series| series.doubt.is_finite()).collect();
        (series.len() == shown.len()).then(|| SeriesMap {
            series,
            left_out: judged.len() - shown.len(),
            edges,
            in_the_world: of.places.is_some(),
        })
    }

    /// The last forecasts of a series at the nearest horizon.
    fn told(&self, units: &[usize], moments: &[i64], ahead: usize) -> Vec<Told> {
        let Targets::Values { width, values } = &self.truth else {
            return Vec::new();
        };
        let told = units.iter().filter_map(|&unit| {
            let Prediction::Number { mean, interval, .. } = &self.answers[unit].prediction else {
                return None;
            };
            let (mean, truth) = (*mean.first()?, f64::from(values[unit * width]));
            (mean.is_finite() && truth.is_finite()).then(|| Told {
                moment: moments[unit] + ahead as i64,
                truth,
                mean,
                interval: interval.first().copied().flatten(),
            })
        });
        let mut told: Vec<Told> = told.collect();
        told.sort_by_key(|told| told.moment);
        told.split_off(told.len().saturating_sub(ORIGINS))
    }
}

/// Which of so many series are drawn, the worst of which is the first.
fn curves_of(series: usize) -> Vec<(CurvePlace, usize)> {
    let last = series.saturating_sub(1);
    match series {
        0 => Vec::new(),
        1 => vec![(CurvePlace::Only, 0)],
        2 => vec![(CurvePlace::Worst, 0), (CurvePlace::Best, last)],
        _ => vec![
            (CurvePlace::Worst, 0),
            (CurvePlace::Median, series / 2),
            (CurvePlace::Best, last),
        ],
    }
}

/// The strongest edges between series that have a place in a drawing, each pair once, both directions added up.
fn strongest(edges: &[(u32, u32, f32)], place: &[Option<u32>]) -> Vec<(u32, u32)> {
    let mut sums: BTreeMap<(u32, u32), f32> = BTreeMap::new();
    for &(a, b, weight) in edges {
        let of = |node: u32| place.get(node as usize).copied().flatten();
        if let (Some(a), Some(b)) = (of(a), of(b))
            && a != b
        {
            *sums.entry((a.min(b), a.max(b))).or_default() += weight;
        }
    }
    let mut sums: Vec<((u32, u32), f32)> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut strongest: Vec<(u32, u32)> = sums.into_iter().map(|(pair, _)| pair).collect();
    strongest.truncate(JOINED);
    strongest.sort_unstable();
    strongest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_those_between_what_is_drawn_and_count_once() {
        let place = [Some(1), None, Some(0), Some(2)];
        let edges = [(0, 2, 1.0), (2, 0, 1.0), (0, 1, 9.0), (3, 0, 0.5)];
        assert_eq!(strongest(&edges, &place), [(0, 1), (1, 2)]);
        let all = (0..80u32).flat_map(|a| (0..a).map(move |b| (a, b, (a + b) as f32)));
        let place: Vec<Option<u32>> = (0..80).map(Some).collect();
        let kept = strongest(&all.collect::<Vec<_>>(), &place);
        assert_eq!((kept.len(), kept.contains(&(78, 79))), (JOINED, true));
        assert!(!kept.contains(&(0, 1)));
    }

    #[test]
    fn each_series_is_drawn_once() {
        for series in 0..6 {
            let ranks: Vec<usize> = curves_of(series)
                .into_iter()
                .map(|(_, rank)| rank)
                .collect();
            assert_eq!(ranks.len(), series.min(3));
            assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(ranks.iter().all(|rank| *rank < series));
        }
    }
}
