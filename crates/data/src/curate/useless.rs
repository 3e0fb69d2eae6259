use candor_core::{Finding, Severity};

use super::{Check, Context, evidence, listed, notice};
use crate::ColumnKind;

/// Columns that are always the same.
pub(super) struct Constants;

impl Check for Constants {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let what = "hold one value only: they cannot tell rows apart";
        dropped(
            context,
            self.name(),
            ColumnKind::Constant,
            what,
            "check that they were exported whole",
        )
    }
}

/// Columns that name their rows.
pub(super) struct Ids;

impl Check for Ids {
    fn name(&self) -> &'static str {
        "id"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let what = "name their rows: a model would learn the rows by heart";
        dropped(
            context,
            self.name(),
            ColumnKind::Id,
            what,
            "keep one that carries a measure with `--keep COLUMN`",
        )
    }
}

fn dropped(
    context: &Context,
    name: &str,
    kind: ColumnKind,
    what: &str,
    remedy: &str,
) -> Vec<Finding> {
    let of_kind = context.features().filter(|(info, _)| info.kind == kind);
    let found: Vec<(String, String)> = of_kind
        .map(|(info, _)| (info.name.clone(), info.reason.clone()))
        .collect();
    let (kept, dropped): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(column, _)| context.dropping(column).is_none());
    let finding = |columns: Vec<(String, String)>, action: Option<&str>| {
        let reasons = columns
            .first()
            .map(|(_, reason)| reason.clone())
            .unwrap_or_default();
        let names: Vec<String> = columns.into_iter().map(|(column, _)| column).collect();
        let message = format!("{} {what}", listed(&names));
        let mut finding = notice(
            name,
            Severity::Note,
            names,
            message,
            evidence(&[], reasons),
            remedy,
        );
        finding.action = action.map(str::to_owned);
        finding
    };
    let mut findings = Vec::new();
    if !dropped.is_empty() {
        findings.push(finding(dropped, Some("left out of the features")));
    }
    if !kept.is_empty() {
        findings.push(finding(kept, None));
    }
    findings
}
