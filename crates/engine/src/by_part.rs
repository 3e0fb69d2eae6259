//! Where a model errs: the metric target by target, and on groups of units that the modality knows.

use std::collections::BTreeMap;

use candor_core::{Distribution, Metric, Targets};
use serde::{Deserialize, Serialize};

use crate::Groups;

/// Targets that are shown at most, at equal steps, the last among them.
const TARGETS: usize = 12;
/// Groups that are shown: the worst, and the best.
const WORST: usize = 8;
const BEST: usize = 2;
/// Groups with an order of their own that are shown at most: the hours of a day.
const ORDERED: usize = 24;

/// The metric on parts of the test: on single targets, or on groups of units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartTable {
    /// What the parts are, in words that follow "by".
    pub what: String,
    /// What the figures are, where they are not the metric of the run.
    #[serde(default)]
    pub figure: Option<String>,
    /// The metric of each.
    pub parts: Vec<PartScore>,
}

/// The metric on a part of the test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartScore {
    /// The part.
    pub name: String,
    /// Units in it.
    pub units: usize,
    /// The metric.
    pub score: f64,
}

/// The metric of each of several numbers.
pub(crate) fn by_target(
    metric: Metric,
    said: &Distribution,
    truth: &Targets,
    names: &[String],
) -> Option<PartTable> {
    let Targets::Values { width, .. } = truth else {
        return None;
    };
    let step = width.div_ceil(TARGETS).max(1);
    let mut shown: Vec<usize> = (0..*width).rev().step_by(step).collect();
    shown.reverse();
    let parts = shown.into_iter().filter_map(|target| {
        let (said, truth) = (one_target(said, target)?, one_truth(truth, target)?);
        Some(PartScore {
            name: names.get(target)?.clone(),
            units: truth.len(),
            score: metric.score(&said, &truth).ok()?,
        })
    });
    let parts: Vec<PartScore> = parts.collect();
    (*width > 1 && !parts.is_empty()).then(|| PartTable {
        what: "target".to_owned(),
        figure: None,
        parts,
    })
}

/// The metric on each group of units: in the order of the groups where they have one, else the worst first.
pub(crate) fn by_group(
    metric: Metric,
    said: &Distribution,
    truth: &Targets,
    groups: &Groups,
) -> Option<PartTable> {
    let mut places: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    groups
        .names
        .iter()
        .enumerate()
        .for_each(|(place, name)| places.entry(name).or_default().push(place));
    let score = |name: &String, places: &[usize]| {
        let score = metric
            .score(&said.select(places), &truth.select(places))
            .ok()?;
        Some(PartScore {
            name: name.clone(),
            units: places.len(),
            score,
        })
    };
    let parts: Vec<PartScore> = match &groups.order {
        Some(order) => {
            let known = order
                .iter()
                .filter_map(|name| score(name, places.get(name)?));
            known.take(ORDERED).collect()
        }
        None => {
            let all = places
                .iter()
                .filter_map(|(name, places)| score(name, places));
            worst_first(all.collect(), |score| metric.as_loss(score))
        }
    };
    (parts.len() > 1).then(|| PartTable {
        what: groups.what.to_owned(),
        figure: None,
        parts,
    })
}

/// The worst parts, and behind them the best.
pub(crate) fn worst_first(mut parts: Vec<PartScore>, loss: impl Fn(f64) -> f64) -> Vec<PartScore> {
    parts.sort_by(|a, b| loss(b.score).total_cmp(&loss(a.score)));
    if parts.len() > WORST + BEST {
        parts.drain(WORST..parts.len() - BEST);
    }
    parts
}

fn one_target(said: &Distribution, target: usize) -> Option<Distribution> {
    let column =
        |values: &[f32], width: usize| values.iter().skip(target).step_by(width).copied().collect();
    match said {
        Distribution::Gaussian {
            width,
            mean,
            variance,
        } => Some(Distribution::Gaussian {
            width: 1,
            mean: column(mean, *width),
            variance: column(variance, *width),
        }),
        Distribution::Quantiles {
            width,
            levels,
            values,
        } => {
            let cells = values
                .chunks_exact(levels.len())
                .skip(target)
                .step_by(*width);
            Some(Distribution::Quantiles {
                width: 1,
                levels: levels.clone(),
                values: cells.flatten().copied().collect(),
            })
        }
        _ => None,
    }
}

fn one_truth(truth: &Targets, target: usize) -> Option<Targets> {
    let Targets::Values { width, values } = truth else {
        return None;
    };
    Some(Targets::Values {
        width: 1,
        values: values
            .iter()
            .skip(target)
            .step_by(*width)
            .copied()
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> (Distribution, Targets) {
        let said = Distribution::Gaussian {
            width: 2,
            mean: vec![0.0; 6],
            variance: vec![1.0; 6],
        };
        let values = vec![1.0, 2.0, 1.0, 4.0, 1.0, 6.0];
        (said, Targets::Values { width: 2, values })
    }

    #[test]
    fn each_target_and_each_group_has_its_own_error() {
        let (said, truth) = numbers();
        let names = ["a".to_owned(), "b".to_owned()];
        let table = by_target(Metric::Mae, &said, &truth, &names).unwrap();
        let scores: Vec<f64> = table.parts.iter().map(|p| p.score).collect();
        assert_eq!(scores, [1.0, 4.0]);
        let groups = |names: [&str; 3], order: Option<&[&str]>| Groups {
            what: "series",
            names: names.map(str::to_owned).to_vec(),
            order: order.map(|order| order.iter().map(|&name| name.to_owned()).collect()),
        };
        let by = |groups: &Groups| by_group(Metric::Mae, &said, &truth, groups);
        let table = by(&groups(["x", "y", "y"], None)).unwrap();
        let told: Vec<(&str, usize, f64)> = table
            .parts
            .iter()
            .map(|p| (p.name.as_str(), p.units, p.score))
            .collect();
        assert_eq!(told, [("y", 2, 3.0), ("x", 1, 1.5)]);
        assert!(by(&groups(["x"; 3], None)).is_none());
        // In an order of their own, the best may be the first; of what did not occur nothing is said.
        let table = by(&groups(["x", "y", "y"], Some(&["x", "z", "y"]))).unwrap();
        let shown: Vec<&str> = table.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(shown, ["x", "y"]);
        assert!(by_target(Metric::Accuracy, &said, &truth, &names).is_none());
    }
}
