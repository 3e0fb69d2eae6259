//! What points are told to be part of: the intersection over union class by class, and shape by shape where shapes have categories.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::{Distribution, Targets, class_ious};

use crate::by_part::{PartScore, PartTable, worst_first};

/// The intersection over union of each class, the worst first.
pub(crate) fn by_class(
    said: &Distribution,
    truth: &Targets,
    names: &[String],
) -> Option<PartTable> {
    let (Some(said), Targets::Classes(truth)) = (said.classes(), truth) else {
        return None;
    };
    let mut units = vec![0; names.len()];
    for &class in truth {
        if let Some(units) = units.get_mut(class as usize) {
            *units += 1;
        }
    }
    let ious = class_ious(names.len(), said, truth.iter().copied());
    let parts = names.iter().zip(units).zip(ious);
    let parts = parts.filter_map(|((name, units), iou)| {
        Some(PartScore {
            name: name.clone(),
            units,
            score: iou?,
        })
    });
    Some(PartTable {
        what: "label".to_owned(),
        figure: Some("intersection over union".to_owned()),
        parts: worst_first(parts.collect(), |iou| -iou),
    })
}

/// The labels that points of each category have.
pub(crate) fn parts_of_categories<'a>(
    categories: impl Iterator<Item = &'a str>,
    truth: &Targets,
) -> BTreeMap<&'a str, BTreeSet<u32>> {
    let mut parts: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    if let Targets::Classes(truth) = truth {
        for (category, &label) in categories.zip(truth) {
            parts.entry(category).or_default().insert(label);
        }
    }
    parts
}

/// The mean, over the shapes of each category and over all shapes, of a shape's mean intersection over union: over the `parts` of its category, among
/// which alone its points are told apart; a part that neither is there nor is said to be counts 1. `shapes` tells of each unit the shape and its
/// category.
///
/// # Reference
/// Qi et al., "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", CVPR 2017, section 5.1.
pub(crate) fn by_category(
    said: &Distribution,
    truth: &Targets,
    shapes: &[(usize, &str)],
    parts: &BTreeMap<&str, BTreeSet<u32>>,
) -> Option<PartTable> {
    let (
        Distribution::Categorical {
            classes,
            probabilities,
        },
        Targets::Classes(truth),
    ) = (said, truth)
    else {
        return None;
    };
    // The likeliest of some labels, the first of equals.
    let likeliest = |unit: usize, among: &BTreeSet<u32>| {
        let row = &probabilities[unit * classes..(unit + 1) * classes];
        let value = |label: u32| row.get(label as usize).copied().unwrap_or(f32::MIN);
        let labels = among.iter().copied();
        let best = labels.reduce(|best, label| match value(label) > value(best) {
            true => label,
            false => best,
        });
        best.unwrap_or(u32::MAX)
    };
    let mut units: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (unit, &(shape, category)) in shapes.iter().enumerate() {
        units.entry((category, shape)).or_default().push(unit);
    }
    // Of each category its points and the figures of its shapes.
    let mut found: BTreeMap<&str, (usize, Vec<f64>)> = BTreeMap::new();
    for ((category, _), units) in &units {
        let known = parts.get(category)?;
        let said = units.iter().map(|&unit| likeliest(unit, known));
        let ious = class_ious(*classes, said, units.iter().map(|&unit| truth[unit]));
        let of_parts = known.iter().map(|&label| ious.get(label as usize).copied());
        let ious: Vec<f64> = of_parts.map(|iou| iou.flatten().unwrap_or(1.0)).collect();
        let own = found.entry(category).or_default();
        own.0 += units.len();
        own.1.push(mean(&ious));
    }
    let row = |name: &str, units: usize, shapes: &[f64]| PartScore {
        name: name.to_owned(),
        units,
        score: mean(shapes),
    };
    let all: Vec<f64> = found
        .values()
        .flat_map(|(_, shapes)| shapes)
        .copied()
        .collect();
    let categories = found
        .iter()
        .map(|(name, (units, shapes))| row(name, *units, shapes));
    let mut rows = vec![row("all shapes", truth.len(), &all)];
    rows.extend(worst_first(categories.collect(), |iou| -iou));
    (found.len() > 1).then(|| PartTable {
        what: "category, shape by shape".to_owned(),
        figure: Some("instance mean intersection over union".to_owned()),
        parts: rows,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_count_alike_and_only_parts_of_their_category_are_told() {
        // Labels 0 and 1 are parts of mugs, 2 and 3 of tables. Three shapes; the likeliest label of all is 3.
        let likely = [0u32, 1, 1, 2, 3, 2];
        let probabilities = likely.iter().flat_map(|&label| {
            let p = move |class: u32| match class {
                3 => 0.6,
                class if class == label => 0.3,
                _ => 0.05,
            };
            (0..4).map(p)
        });
        let said = Distribution::Categorical {
            classes: 4,
            probabilities: probabilities.collect(),
        };
        let truth = Targets::Classes(vec![0, 1, 0, 2, 3, 2]);
        let shapes = [
            (7, "mug"),
            (7, "mug"),
            (8, "mug"),
            (9, "table"),
            (9, "table"),
            (9, "table"),
        ];
        let parts = parts_of_categories(shapes.iter().map(|s| s.1), &truth);
        let table = by_category(&said, &truth, &shapes, &parts).unwrap();
        let told: Vec<(&str, usize, f64)> = table
            .parts
            .iter()
            .map(|p| (p.name.as_str(), p.units, p.score))
            .collect();
        // Of mugs: the first is right; the second is told to be label 1 and is 0. All of the table is told to be 3, of which a third is.
        let table_iou = (0.0 + 1.0 / 3.0) / 2.0;
        assert_eq!(
            told,
            [
                ("all shapes", 6, (1.0 + 0.0 + table_iou) / 3.0),
                ("table", 3, table_iou),
                ("mug", 3, 0.5),
            ]
        );
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let by_class = by_class(&said, &truth, &names).unwrap();
        let of = |name: &str| by_class.parts.iter().find(|p| p.name == name).unwrap();
        // Without categories everything is told to be 3.
        assert_eq!((of("d").units, of("d").score), (1, 1.0 / 6.0));
        assert_eq!((of("a").units, of("a").score), (2, 0.0));
        assert!(by_category(&said, &truth, &[(0, "mug"); 6], &parts).is_none());
    }

    #[test]
    fn a_part_that_is_nowhere_counts_one() {
        let said = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.9, 0.1, 0.9, 0.1],
        };
        let truth = Targets::Classes(vec![0, 0]);
        let shapes = [(0, "one"), (1, "two")];
        let parts = BTreeMap::from([
            ("one", BTreeSet::from([0, 1])),
            ("two", BTreeSet::from([0])),
        ]);
        let table = by_category(&said, &truth, &shapes, &parts).unwrap();
        assert_eq!(table.parts[0].score, 1.0);
    }
}
