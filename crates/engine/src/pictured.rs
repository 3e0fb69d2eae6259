//! Test units that are shown: some that were told right, those that were told wrong most surely, and those of which the model is least sure.

use candor_core::{Distribution, Targets};
use serde::{Deserialize, Serialize};

/// Units of a kind that are shown at most.
const SHOWN: usize = 4;

/// Why a unit is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Told right.
    Right,
    /// Told wrong.
    Wrong,
    /// The model is hardly sure, whether right or wrong.
    Unsure,
}

/// A test unit as a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pictured {
    /// Why it is shown.
    pub kind: Kind,
    /// The class that was predicted.
    pub predicted: String,
    /// How probable it was said to be.
    pub probability: f64,
    /// The class that it is.
    pub truth: String,
    /// The picture.
    pub svg: String,
}

/// Which of the test units to show, by place: the surest of those that are right, the surest of those that are wrong, and the least sure of all
/// others. Nothing where classes are not what is predicted.
pub(crate) fn chosen(said: &Distribution, truth: &Targets) -> Vec<(Kind, usize, usize, f64)> {
    let (
        Distribution::Categorical {
            classes,
            probabilities,
        },
        Targets::Classes(truth),
    ) = (said, truth)
    else {
        return Vec::new();
    };
    let best = |row: &[f32]| {
        let order = |a: &usize, b: &usize| row[*a].total_cmp(&row[*b]).then(b.cmp(a));
        let class = (0..row.len()).max_by(order).unwrap_or(0);
        (class, row.get(class).copied().map_or(0.0, f64::from))
    };
    let told: Vec<(usize, f64)> = probabilities
        .chunks_exact((*classes).max(1))
        .map(best)
        .collect();
    let mut order: Vec<usize> = (0..told.len().min(truth.len())).collect();
    order.sort_by(|&a, &b| told[b].1.total_cmp(&told[a].1).then(a.cmp(&b)));
    let right = |unit: &usize| told[*unit].0 == truth[*unit] as usize;
    let mut shown: Vec<(Kind, usize)> = Vec::new();
    let mut add = |kind, units: Vec<usize>| {
        for unit in units {
            if shown.iter().all(|(_, other)| *other != unit) {
                shown.push((kind, unit));
            }
        }
    };
    add(
        Kind::Right,
        order.iter().copied().filter(right).take(SHOWN).collect(),
    );
    add(
        Kind::Wrong,
        order
            .iter()
            .copied()
            .filter(|u| !right(u))
            .take(SHOWN)
            .collect(),
    );
    add(
        Kind::Unsure,
        order.iter().rev().copied().take(SHOWN).collect(),
    );
    let told = |(kind, unit): (Kind, usize)| (kind, unit, told[unit].0, told[unit].1);
    shown.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_and_the_least_sure_are_shown_once_each() {
        let said = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.9, 0.1, 0.2, 0.8, 0.45, 0.55, 0.99, 0.01],
        };
        let truth = Targets::Classes(vec![0, 0, 1, 0]);
        let shown: Vec<(Kind, usize, usize)> = chosen(&said, &truth)
            .into_iter()
            .map(|(kind, unit, class, _)| (kind, unit, class))
            .collect();
        let expected = [
            (Kind::Right, 3, 0),
            (Kind::Right, 0, 0),
            (Kind::Right, 2, 1),
            (Kind::Wrong, 1, 1),
        ];
        assert_eq!(shown, expected);
        let numbers = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        assert!(chosen(&numbers, &truth).is_empty());
    }
}
