use std::collections::BTreeMap;

use candor_core::Targets;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Fold, Parts, Plan};

/// Strata of a numeric target.
const QUANTILES: usize = 5;

/// Parts by lot, inside strata when `stratified`.
pub(super) fn parts(plan: &Plan, stratified: bool) -> Parts {
    let mut rng = plan.seed.stream("split", &[]);
    let strata = if stratified {
        strata(&plan.rows, plan.targets)
    } else {
        vec![plan.rows.clone()]
    };
    let rare_matter = stratified && !matches!(plan.targets, Targets::Values { .. });
    let mut strata: Vec<Vec<usize>> = strata
        .into_iter()
        .map(|mut rows| {
            rows.shuffle(&mut rng);
            rows
        })
        .collect();
    let test = take(&mut strata, plan.test, rare_matter, &mut rng);
    let calibration = take(&mut strata, plan.calibration, rare_matter, &mut rng);
    let folds = if plan.folds == 1 {
        let validation = take(&mut strata, plan.validation, rare_matter, &mut rng);
        vec![Fold {
            train: strata.concat(),
            validation,
        }]
    } else {
        deal(&strata, plan.folds, rare_matter, &mut rng)
    };
    Parts {
        test,
        calibration,
        folds,
    }
}

/// Rows of each class, or of each quantile of the (first) number. With several labels a row belongs to the rarest that applies to
/// it, or to none, so that rare labels are in every part; common ones follow closely enough by chance.
fn strata(rows: &[usize], targets: &Targets) -> Vec<Vec<usize>> {
    match targets {
        Targets::Classes(classes) => {
            let mut strata: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for &row in rows {
                strata.entry(classes[row]).or_default().push(row);
            }
            strata.into_values().collect()
        }
        Targets::Labels { width, values } => {
            let applies = |row: usize, label: usize| values[row * width + label] == Some(true);
            let count = |label: usize| rows.iter().filter(|&&row| applies(row, label)).count();
            let mut by_rarity: Vec<(usize, usize)> =
                (0..*width).map(|label| (count(label), label)).collect();
            by_rarity.sort_unstable();
            let mut strata: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for &row in rows {
                let rarest = by_rarity.iter().position(|(_, label)| applies(row, *label));
                strata
                    .entry(rarest.unwrap_or(*width))
                    .or_default()
                    .push(row);
            }
            strata.into_values().collect()
        }
        Targets::Values { width, values } => {
            let mut ordered = rows.to_vec();
            ordered.sort_by(|a, b| {
                values[a * width]
                    .total_cmp(&values[b * width])
                    .then(a.cmp(b))
            });
            let size = rows.len().div_ceil(QUANTILES).max(1);
            ordered.chunks(size).map(<[usize]>::to_vec).collect()
        }
    }
}

/// Takes `count` rows out of the strata at equal steps, so that each gives its share to within one row. When classes
/// matter, the last row of a class is left.
fn take(
    strata: &mut [Vec<usize>],
    count: usize,
    leave_one: bool,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let all: usize = strata.iter().map(Vec::len).sum();
    if count == 0 || all == 0 {
        return Vec::new();
    }
    let share = count as f64 / all as f64;
    let start: f64 = rng.random();
    let mut position = 0usize;
    let mut taken = Vec::with_capacity(count);
    for stratum in strata {
        let before = stratum.len();
        let mut kept = Vec::with_capacity(before);
        for (i, &row) in stratum.iter().enumerate() {
            let step = |at: usize| (at as f64 * share + start).floor();
            let chosen = step(position + 1) > step(position);
            position += 1;
            let last = leave_one && kept.is_empty() && i + 1 == before;
            if chosen && !last {
                taken.push(row);
            } else {
                kept.push(row);
            }
        }
        *stratum = kept;
    }
    taken
}

/// Deals the rows to folds like cards, stratum after stratum. The only row of a class is in every training part.
fn deal(strata: &[Vec<usize>], folds: usize, leave_one: bool, rng: &mut ChaCha8Rng) -> Vec<Fold> {
    let mut hands = vec![Vec::new(); folds];
    let mut always = Vec::new();
    let mut next = rng.random_range(0..folds);
    for stratum in strata {
        if leave_one && stratum.len() == 1 {
            always.extend_from_slice(stratum);
            continue;
        }
        for &row in stratum {
            hands[next].push(row);
            next = (next + 1) % folds;
        }
    }
    let fold = |held: usize| {
        let others = hands
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != held)
            .flat_map(|(_, hand)| hand);
        Fold {
            train: others.chain(&always).copied().collect(),
            validation: hands[held].clone(),
        }
    };
    (0..folds).map(fold).collect()
}
