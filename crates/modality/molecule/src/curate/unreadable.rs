use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, percent};
use crate::MoleculeError;

/// Texts that are no structures, and cells that are empty.
pub(super) struct Unreadable;

impl Check for Unreadable {
    fn run(&self, context: &Context) -> Vec<Finding> {
        let rows = &context.survey.rows;
        let missing: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].is_none()).collect();
        let mut findings: Vec<Finding> = unusable(
            context,
            "unreadable-structures",
            "are no structures",
            |error| !is_impossible(error),
        )
        .into_iter()
        .collect();
        if !missing.is_empty() {
            let share = percent(missing.len(), rows.len());
            findings.push(Finding {
                kind: "missing-structures".to_owned(),
                severity: severity(missing.len(), rows.len()),
                columns: vec![context.column.to_owned()],
                message: format!("{} rows ({share}) have no structure", missing.len()),
                evidence: evidence(&missing, share),
                remedy: "fill them in, or leave the rows out".to_owned(),
                action: Some("rows left out".to_owned()),
            });
        }
        findings
    }
}

/// Structures that no molecule can have.
pub(super) struct Impossible;

impl Check for Impossible {
    fn run(&self, context: &Context) -> Vec<Finding> {
        unusable(
            context,
            "impossible-valences",
            "are of molecules that cannot exist",
            is_impossible,
        )
        .into_iter()
        .collect()
    }
}

fn is_impossible(error: &MoleculeError) -> bool {
    matches!(
        error,
        MoleculeError::Valence { .. }
            | MoleculeError::Kekule { .. }
            | MoleculeError::AromaticOutsideRing { .. }
    )
}

fn unusable(
    context: &Context,
    kind: &str,
    what: &str,
    belongs: impl Fn(&MoleculeError) -> bool,
) -> Option<Finding> {
    let rows = &context.survey.rows;
    let found: Vec<(usize, &MoleculeError)> = rows
        .iter()
        .enumerate()
        .filter_map(|(row, entry)| match entry {
            Some(Err(error)) if belongs(error) => Some((row, error)),
            _ => None,
        })
        .collect();
    let (first, error) = found.first()?;
    let share = percent(found.len(), rows.len());
    let numbers: Vec<usize> = found.iter().map(|&(row, _)| row).collect();
    Some(Finding {
        kind: kind.to_owned(),
        severity: severity(found.len(), rows.len()),
        columns: vec![context.column.to_owned()],
        message: format!(
            "{} texts ({share}) {what}; the first, of row {}: {error}",
            found.len(),
            first + 1
        ),
        evidence: evidence(&numbers, share),
        remedy: candor_core::Hints::hints(*error).join("; "),
        action: Some("rows left out".to_owned()),
    })
}

fn severity(part: usize, whole: usize) -> Severity {
    match part * 5 > whole {
        true => Severity::Serious,
        false => super::by_share(part, whole),
    }
}
