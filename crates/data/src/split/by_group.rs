use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::{Fold, Parts, Plan};
use crate::DataError;

/// Parts by lot over whole groups: the greatest first, each to the part that lacks most rows.
pub(super) fn parts(plan: &Plan) -> Result<Parts, DataError> {
    let needs = DataError::SplitNeeds {
        rule: "group",
        needs: "a group column (`--group`)",
    };
    let labels = plan.groups.ok_or(needs)?;
    let mut by_group: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for &row in &plan.rows {
        by_group.entry(labels[row]).or_default().push(row);
    }
    let mut groups: Vec<Vec<usize>> = by_group.into_values().collect();
    let outer = usize::from(plan.test > 0) + usize::from(plan.calibration > 0);
    let folds = plan.folds.min(groups.len().saturating_sub(outer)).max(1);
    let needed = outer + folds.max(2);
    if groups.len() < needed {
        return Err(DataError::TooFewGroups {
            groups: groups.len(),
            needed,
        });
    }
    groups.shuffle(&mut plan.seed.stream("split", &[]));
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let development = plan.rows.len() - plan.test - plan.calibration;
    let inner = if folds == 1 {
        vec![development - plan.validation, plan.validation]
    } else {
        vec![development / folds; folds]
    };
    let mut lacking: Vec<f64> = [plan.test, plan.calibration]
        .into_iter()
        .chain(inner)
        .map(|rows| rows as f64)
        .collect();
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); lacking.len()];
    let wanted = lacking.clone();
    for group in groups {
        // A part that has nothing yet comes first, so that none stays empty; then the one that lacks the greatest share.
        let need = |i: usize| {
            let share = if wanted[i] > 0.0 {
                lacking[i] / wanted[i]
            } else {
                f64::NEG_INFINITY
            };
            (lacking[i], share)
        };
        let chosen = (0..parts.len())
            .filter(|&i| wanted[i] > 0.0)
            .max_by(|&a, &b| {
                need(a)
                    .0
                    .total_cmp(&need(b).0)
                    .then(need(a).1.total_cmp(&need(b).1))
            })
            .unwrap_or(0);
        lacking[chosen] -= group.len() as f64;
        parts[chosen].extend(group);
    }
    let mut rest = parts.split_off(2);
    let calibration = parts.pop().unwrap_or_default();
    let test = parts.pop().unwrap_or_default();
    let folds = if folds == 1 {
        let validation = rest.pop().unwrap_or_default();
        vec![Fold {
            train: rest.concat(),
            validation,
        }]
    } else {
        let fold = |held: usize| {
            let others = rest
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != held)
                .flat_map(|(_, rows)| rows);
            Fold {
                train: others.copied().collect(),
                validation: rest[held].clone(),
            }
        };
        (0..rest.len()).map(fold).collect()
    };
    Ok(Parts {
        test,
        calibration,
        folds,
    })
}
