use candor::CheckResult;
use candor::core::Severity;

use crate::Ending;
use crate::args::DataArgs;
use crate::command::settings;
use crate::failure::Failure;
use crate::output;

/// Shows what the data are and what is wrong with them.
pub(crate) fn run(args: &DataArgs, json: bool) -> Result<Ending, Failure> {
    let check = candor::check(&settings::of_check(args))?;
    if json {
        output::json(&check)?;
    } else {
        output::result(&text(&check));
    }
    Ok(Ending::Done)
}

fn text(check: &CheckResult) -> String {
    let facts = &check.source.source;
    let mut text = format!(
        "{}: {}, {} rows, {} columns\n",
        facts.source, facts.format, facts.rows, facts.columns
    );
    for note in &facts.notes {
        text += &format!("  {note}\n");
    }
    let decision = &check.source.decision;
    text += &format!(
        "target: {} ({}); {}\n\n",
        shortened(&decision.target.names),
        decision.target.task,
        decision.reason
    );
    let rows = check.source.schema.columns.iter().map(|column| {
        vec![
            column.name.clone(),
            column.kind.name().to_owned(),
            column.role.name().to_owned(),
            column.reason.clone(),
        ]
    });
    text += &output::columns(
        &["column", "kind", "role", "because"],
        &rows.collect::<Vec<_>>(),
    );
    text += "\n\n";
    let mut findings: Vec<_> = check.curation.findings.iter().collect();
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    if findings.is_empty() {
        text += "nothing is wrong with the data as far as the checks can see";
    }
    for finding in findings {
        let mark = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Serious => "serious",
        };
        text += &format!("{mark} [{}] {}\n", finding.kind, finding.message);
        if !finding.evidence.figure.is_empty() {
            text += &format!("  evidence: {}\n", finding.evidence.figure);
        }
        if !finding.evidence.rows.is_empty() {
            let rows = finding.evidence.rows.iter().take(8).map(usize::to_string);
            text += &format!("  rows: {}\n", rows.collect::<Vec<_>>().join(", "));
        }
        if let Some(action) = &finding.action {
            text += &format!("  done: {action}\n");
        }
        text += &format!("  remedy: {}\n", finding.remedy);
    }
    text.trim_end().to_owned()
}

/// The names, of many the first and the last.
fn shortened(names: &[String]) -> String {
    match names {
        [first, second, .., last] if names.len() > 12 => {
            format!("{first}, {second}, ..., {last} ({} in all)", names.len())
        }
        _ => names.join(", "),
    }
}
