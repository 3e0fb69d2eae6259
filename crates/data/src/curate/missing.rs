use candor_core::{Finding, Severity, Targets};

use super::{Check, Context, evidence, listed, notice, percent};
use crate::ColumnKind;

/// Rows without a target.
pub(super) struct MissingTarget;

impl Check for MissingTarget {
    fn name(&self) -> &'static str {
        "missing-target"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let all = context.table.rows();
        let with: std::collections::HashSet<usize> = context.rows.iter().copied().collect();
        let without: Vec<usize> = (0..all).filter(|row| !with.contains(row)).collect();
        let mut findings: Vec<Finding> = unknown_labels(self.name(), context).into_iter().collect();
        if without.is_empty() {
            return findings;
        }
        let share = percent(without.len(), all);
        let message = format!(
            "{} rows ({share}) have no target: nothing can be learned from them",
            without.len()
        );
        let mut finding = notice(
            self.name(),
            if without.len() * 10 > all {
                Severity::Serious
            } else {
                Severity::Warning
            },
            context.target.names.clone(),
            message,
            evidence(&without, share),
            "find out why they have none; if the reason has to do with the value, the model will be biased",
        );
        finding.action = Some("these rows are not used".to_owned());
        findings.push(finding);
        findings
    }
}

/// Labels that are not known in rows where others are.
fn unknown_labels(kind: &str, context: &Context) -> Option<Finding> {
    let Targets::Labels { width, values } = context.targets else {
        return None;
    };
    let label = |row: usize, label: usize| values[row * width + label];
    let unknown = |&row: &usize| (0..*width).any(|l| label(row, l).is_none());
    let rows: Vec<usize> = context.rows.iter().copied().filter(unknown).collect();
    let columns = (0..*width).filter(|&l| rows.iter().any(|&row| label(row, l).is_none()));
    let names: Vec<String> = columns
        .filter_map(|l| context.target.names.get(l).cloned())
        .collect();
    let share = percent(rows.len(), context.rows.len());
    (!rows.is_empty()).then(|| {
        notice(
            kind,
            Severity::Note,
            names,
            format!("{} rows ({share}) lack some of the labels", rows.len()),
            evidence(&rows, share),
            "each label is learned and judged on the rows where it is known; find out why it is not known in the others",
        )
    })
}

/// Share of missing cells from which a column is worth a word.
const WORTH_A_WORD: f64 = 0.05;

/// Cells without a value.
pub(super) struct Missing;

impl Check for Missing {
    fn name(&self) -> &'static str {
        "missing"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let rows = context.rows.len();
        let mut little: Vec<String> = Vec::new();
        let mut cells = 0;
        let mut findings = Vec::new();
        for (info, column) in context
            .features()
            .filter(|(info, _)| info.kind != ColumnKind::Constant)
        {
            let missing: Vec<usize> = context
                .rows
                .iter()
                .copied()
                .filter(|&row| column.values.is_missing(row))
                .collect();
            if missing.is_empty() {
                continue;
            }
            if (missing.len() as f64) < WORTH_A_WORD * rows as f64 {
                little.push(info.name.clone());
                cells += missing.len();
                continue;
            }
            let share = percent(missing.len(), rows);
            let half = missing.len() * 2 > rows;
            findings.push(notice(
                self.name(),
                if half { Severity::Warning } else { Severity::Note },
                vec![info.name.clone()],
                format!("`{}` has no value in {share} of the rows", info.name),
                evidence(&missing, share),
                "the model is told which cells were empty; find out whether emptiness will mean the same later",
            ));
        }
        if !little.is_empty() {
            findings.push(notice(
                self.name(),
                Severity::Note,
                little.clone(),
                format!(
                    "a few cells are empty in {} columns: {}",
                    little.len(),
                    listed(&little)
                ),
                evidence(&[], format!("{cells} cells")),
                "nothing needs to be done: they are filled in and marked",
            ));
        }
        findings
    }
}
