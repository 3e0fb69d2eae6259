use std::collections::HashSet;

use candor_core::{Finding, Severity, Targets};

use super::{Check, Context, Survey, evidence, percent};
use crate::bank::FingerprintBank;
use crate::fingerprint::Fingerprint;

/// Tanimoto similarity from which molecules count as alike.
const ALIKE: f64 = 0.9;
/// Most rows that are compared pair by pair; more are thinned evenly.
const MOST_ROWS: usize = 10_000;
/// Share of the inner range (from the 5th to the 95th percentile) of a numeric target from which two values are far apart.
const FAR: f64 = 0.5;

/// Almost equal molecules whose targets are far apart.
///
/// Maggiora, "On outliers and activity cliffs", J. Chem. Inf. Model. 46, 1535 (2006).
pub(super) struct Cliffs;

impl Check for Cliffs {
    fn run(&self, context: &Context) -> Vec<Finding> {
        let distance = Distance::of(context);
        let (rows, fingerprints) = sample(context.survey);
        let pairs: Vec<(usize, usize)> = FingerprintBank::new(&fingerprints)
            .similar_pairs(ALIKE)
            .into_iter()
            .map(|(a, b, _)| (rows[a], rows[b]))
            .filter(|&(a, b)| !same(context.survey, a, b))
            .filter(|&(a, b)| distance.are_far(a, b))
            .collect();
        let Some(&(a, b)) = pairs.first() else {
            return Vec::new();
        };
        let mut on: Vec<usize> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        on.sort_unstable();
        on.dedup();
        let all = context.survey.seen().count();
        let compared = match rows.len() < all {
            true => format!(", among {} rows that were compared", rows.len()),
            false => String::new(),
        };
        vec![Finding {
            kind: "activity-cliffs".to_owned(),
            severity: Severity::Note,
            columns: vec![context.column.to_owned()],
            message: format!(
                "{} pairs of molecules are almost equal (Tanimoto {ALIKE} or more) and far apart in the target{compared}; the first: rows {} and {}",
                pairs.len(),
                a + 1,
                b + 1
            ),
            evidence: evidence(&on, percent(on.len(), rows.len())),
            remedy: "check their labels; if they are right, expect errors there that more data of this kind would cure".to_owned(),
            action: None,
        }]
    }
}

/// Whether two rows hold one molecule or its stereoisomers, which other checks speak of.
fn same(survey: &Survey, a: usize, b: usize) -> bool {
    let key = |row: usize| {
        let seen = survey.rows[row]
            .as_ref()
            .and_then(|entry| entry.as_ref().ok());
        seen.map(|seen| seen.flat_key)
    };
    key(a) == key(b)
}

/// Rows with structures, evenly thinned where there are many, and their fingerprints.
fn sample(survey: &Survey) -> (Vec<usize>, Vec<Fingerprint>) {
    let step = survey.seen().count().div_ceil(MOST_ROWS).max(1);
    survey
        .seen()
        .step_by(step)
        .map(|(row, seen)| (row, seen.fingerprint.clone()))
        .unzip()
}

/// From where on two targets are far apart.
pub(super) struct Distance<'a> {
    targets: &'a Targets,
    without: HashSet<usize>,
    /// For each numeric target.
    far: Vec<f64>,
}

impl<'a> Distance<'a> {
    pub(super) fn of(context: &Context<'a>) -> Distance<'a> {
        let without: HashSet<usize> = context.without.iter().copied().collect();
        let far = match context.targets {
            Targets::Values { width, values } => (0..*width)
                .map(|at| {
                    let column = values.iter().skip(at).step_by(*width).enumerate();
                    let known = column
                        .filter(|(row, value)| value.is_finite() && !without.contains(row))
                        .map(|(_, &value)| f64::from(value));
                    FAR * inner_range(known.collect())
                })
                .collect(),
            Targets::Classes(_) | Targets::Labels { .. } => Vec::new(),
        };
        Distance {
            targets: context.targets,
            without,
            far,
        }
    }

    /// Whether the targets of two rows differ: in class, in a label that both know, or far in a number.
    pub(super) fn are_far(&self, a: usize, b: usize) -> bool {
        if self.without.contains(&a) || self.without.contains(&b) {
            return false;
        }
        match self.targets {
            Targets::Classes(classes) => match (classes.get(a), classes.get(b)) {
                (Some(a), Some(b)) => a != b,
                _ => false,
            },
            Targets::Labels { width, values } => (0..*width).any(|at| {
                let of = |row: usize| values.get(row * width + at).copied().flatten();
                matches!((of(a), of(b)), (Some(a), Some(b)) if a != b)
            }),
            Targets::Values { width, values } => (0..*width).any(|at| {
                let of = |row: usize| values.get(row * width + at).copied();
                match (of(a), of(b)) {
                    (Some(a), Some(b)) => f64::from((a - b).abs()) > self.far[at],
                    _ => false,
                }
            }),
        }
    }
}

/// From the 5th to the 95th percentile.
fn inner_range(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at =
        |share: f64| values.get((share * values.len().saturating_sub(1) as f64).round() as usize);
    match (at(0.05), at(0.95)) {
        (Some(low), Some(high)) => high - low,
        _ => f64::INFINITY,
    }
}
