use std::collections::HashSet;

use candor_core::Finding;
use candor_data::Split;

use super::{Survey, by_share, evidence, percent};

/// Test rows whose molecule, stereoisomers included, is learned from.
pub fn structures_across(survey: &Survey, split: &Split, column: &str) -> Vec<Finding> {
    let key = |row: &usize| {
        let entry = survey.rows.get(*row)?.as_ref()?;
        entry.as_ref().ok().map(|seen| seen.flat_key)
    };
    let known: HashSet<u128> = split.development().iter().filter_map(key).collect();
    let copies: Vec<usize> = split
        .test
        .iter()
        .copied()
        .filter(|row| key(row).is_some_and(|key| known.contains(&key)))
        .collect();
    if copies.is_empty() {
        return Vec::new();
    }
    let share = percent(copies.len(), split.test.len());
    vec![Finding {
        kind: "structures-across".to_owned(),
        severity: by_share(copies.len(), split.test.len()),
        columns: vec![column.to_owned()],
        message: format!(
            "{} test rows ({share}) hold a molecule that is learned from, or its stereoisomer",
            copies.len()
        ),
        evidence: evidence(&copies, share),
        remedy: "merge copies, or split by scaffold: test scores are too good because of them"
            .to_owned(),
        action: None,
    }]
}
