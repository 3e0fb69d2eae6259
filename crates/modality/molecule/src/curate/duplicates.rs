use candor_core::Finding;

use super::{Check, Context, by_share, evidence, percent};
use crate::curate::cliffs::Distance;

/// Rows of one molecule whose targets agree, and rows that differ in stereochemistry only.
pub(super) struct Duplicates;

impl Check for Duplicates {
    fn run(&self, context: &Context) -> Vec<Finding> {
        let (survey, total) = (context.survey, context.survey.rows.len());
        let equal = survey.equal(|seen| seen.key);
        let copies: Vec<usize> = equal.iter().flat_map(|group| group[1..].to_vec()).collect();
        let mut findings = Vec::new();
        if !copies.is_empty() {
            let share = percent(copies.len(), total);
            findings.push(Finding {
                kind: "duplicate-structures".to_owned(),
                severity: by_share(copies.len(), total),
                columns: vec![context.column.to_owned()],
                message: format!(
                    "{} rows ({share}) are molecules that an earlier row holds already, maybe written otherwise",
                    copies.len()
                ),
                evidence: evidence(&copies, share),
                remedy: "merge them; copies on both sides of a split make scores too good".to_owned(),
                action: None,
            });
        }
        let isomers: Vec<usize> = survey
            .equal(|seen| seen.flat_key)
            .into_iter()
            .filter(|group| {
                let key = |row: usize| {
                    survey.rows[row]
                        .as_ref()
                        .and_then(|r| r.as_ref().ok())
                        .map(|s| s.key)
                };
                group.iter().any(|&row| key(row) != key(group[0]))
            })
            .flatten()
            .collect();
        if !isomers.is_empty() {
            let share = percent(isomers.len(), total);
            findings.push(Finding {
                kind: "stereo-duplicates".to_owned(),
                severity: by_share(isomers.len(), total),
                columns: vec![context.column.to_owned()],
                message: format!(
                    "{} rows ({share}) differ from another only in stereochemistry",
                    isomers.len()
                ),
                evidence: evidence(&isomers, share),
                remedy: "keep them in one part of every split (`--split group` by scaffold does); models that do not see \
                         stereochemistry give both one prediction"
                    .to_owned(),
                action: None,
            });
        }
        findings
    }
}

/// Rows of one molecule with targets that cannot both be right.
pub(super) struct Contradictions;

impl Check for Contradictions {
    fn run(&self, context: &Context) -> Vec<Finding> {
        let distance = Distance::of(context);
        let rows: Vec<usize> = context
            .survey
            .equal(|seen| seen.key)
            .into_iter()
            .filter(|group| disagree(group, &distance))
            .flatten()
            .collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let total = context.survey.rows.len();
        let share = percent(rows.len(), total);
        vec![Finding {
            kind: "contradicting-structures".to_owned(),
            severity: by_share(rows.len(), total),
            columns: vec![context.column.to_owned()],
            message: format!(
                "{} rows ({share}) hold a molecule that another row gives a different target: no model can be right on both",
                rows.len()
            ),
            evidence: evidence(&rows, share),
            remedy: "look up which measurement is right, or average them".to_owned(),
            action: None,
        }]
    }
}

fn disagree(group: &[usize], distance: &Distance) -> bool {
    group[1..]
        .iter()
        .any(|&row| distance.are_far(group[0], row))
}
