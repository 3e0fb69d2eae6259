use candor_core::wording::Words;
use candor_core::{Finding, Severity};
use candor_data::{Curation, Role, Split};

use super::Report;
use super::block::{Block, Grid, Notice, Section, number, text};

/// What the data are, and what is wrong with them.
pub(super) fn section(report: &Report) -> Section {
    let Words { rows, .. } = report.words();
    let facts = &report.source.source;
    let mut blocks = vec![
        Block::Text(format!(
            "{} {rows} with {} columns were read from {} ({}). The model predicts {}: {}.",
            facts.rows,
            facts.columns,
            facts.source,
            facts.format,
            quoted(&report.target.names),
            report.source.decision.reason
        )),
        Block::Grid(parts(report.split, rows)),
        Block::Text(report.split.reason.clone()),
    ];
    if !facts.notes.is_empty() {
        blocks.push(Block::List(facts.notes.clone()));
    }
    blocks.push(Block::Notices(notices(&report.curation.findings)));
    blocks.extend(left_out(report.curation));
    blocks.push(Block::Folded {
        summary: "How each column was read".into(),
        grid: columns(report),
    });
    Section {
        id: "data",
        title: "The data",
        lead: "A model is only as good as its data. This is what was noticed before anything was learned.".into(),
        blocks,
    }
}

fn parts(split: &Split, units: &'static str) -> Grid {
    let mut rows = vec![vec![
        text("learned from"),
        number(split.development().len().to_string()),
        text(match split.folds.len() {
            1 => "one part of it to compare designs".to_owned(),
            folds => {
                format!("in {folds} folds: each design is judged on {units} that it did not see")
            }
        }),
    ]];
    if !split.calibration.is_empty() {
        rows.push(vec![
            text("calibration"),
            number(split.calibration.len().to_string()),
            text("kept for the promises: sets, intervals, abstention"),
        ]);
    }
    rows.push(vec![
        text("test"),
        number(split.test.len().to_string()),
        text("looked at once, at the very end"),
    ]);
    Grid {
        head: vec!["part", units, "used for"],
        rows,
    }
}

fn notices(findings: &[Finding]) -> Vec<Notice> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|f| std::cmp::Reverse(f.severity));
    sorted.into_iter().map(notice).collect()
}

fn notice(finding: &Finding) -> Notice {
    let (class, word) = match finding.severity {
        Severity::Serious => ("fail", "serious"),
        Severity::Warning => ("warn", "warning"),
        Severity::Note => ("info", "note"),
    };
    let mut evidence = Vec::new();
    if !finding.evidence.figure.is_empty() {
        evidence.push(finding.evidence.figure.clone());
    }
    if !finding.evidence.rows.is_empty() {
        let rows: Vec<String> = finding
            .evidence
            .rows
            .iter()
            .take(10)
            .map(ToString::to_string)
            .collect();
        let more = finding.evidence.count.saturating_sub(rows.len());
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        evidence.push(format!("rows {}{more}", rows.join(", ")));
    }
    Notice {
        class,
        word,
        message: finding.message.clone(),
        evidence: evidence.join("; "),
        remedy: match &finding.action {
            Some(action) => format!("Done: {action}."),
            None => finding.remedy.clone(),
        },
    }
}

fn left_out(curation: &Curation) -> Option<Block> {
    const SHOWN: usize = 50;
    let columns = curation
        .dropped_columns
        .iter()
        .map(|(name, why)| (format!("column {name}"), why));
    let rows = curation
        .dropped_rows
        .iter()
        .map(|(row, why)| (format!("row {}", row + 1), why));
    let all: Vec<_> = columns.chain(rows).collect();
    (!all.is_empty()).then(|| Block::Folded {
        summary: match all.len() {
            n if n > SHOWN => format!("{n} columns and rows were left out (the first {SHOWN})"),
            n => format!("{n} columns and rows were left out"),
        },
        grid: Grid {
            head: vec!["left out", "because"],
            rows: all
                .into_iter()
                .take(SHOWN)
                .map(|(what, why)| vec![text(what), text(why)])
                .collect(),
        },
    })
}

fn columns(report: &Report) -> Grid {
    const SHOWN: usize = 300;
    let rows = report.source.schema.columns.iter().take(SHOWN);
    let rows = rows.map(|c| {
        let role = match c.role {
            Role::Feature if c.sensitive => "input, about people".to_owned(),
            role => role.name().to_owned(),
        };
        vec![
            text(&c.name),
            text(c.kind.name()),
            text(role),
            text(&c.reason),
        ]
    });
    Grid {
        head: vec!["column", "read as", "used as", "because"],
        rows: rows.collect(),
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("“{n}”")).collect();
    names.join(", ")
}
