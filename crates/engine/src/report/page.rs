use askama::Template;
use candor_core::wording::{Words, figure, percent};
use candor_core::{Modality, Outcome, Verdict};

use super::block::{Block, Grid, Section, text};
use super::{Report, data, forecasts, judged, models, pictured, study, trust};
use crate::{Costs, EngineError};

#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct Page {
    pub name: String,
    /// What the page is, for the title of its window.
    pub kind: &'static str,
    pub class: &'static str,
    pub headline: String,
    pub lead: String,
    pub facts: Vec<Fact>,
    pub verdicts: Vec<Shown>,
    pub sections: Vec<Section>,
    pub version: &'static str,
}

/// A figure at the top of the page.
pub(crate) struct Fact {
    value: String,
    label: String,
}

/// A verdict in words.
pub(crate) struct Shown {
    pub class: &'static str,
    pub word: &'static str,
    pub question: String,
    pub reason: String,
}

/// The report as one self-contained page.
pub(crate) fn to_html(report: &Report) -> Result<String, EngineError> {
    let words = report.words();
    let (class, headline) = headline(&report.challenged.verdicts, words);
    let mut sections = vec![data::section(report)];
    sections.extend(trust::labels(report));
    sections.push(models::section(report));
    sections.extend(study::section(report));
    sections.extend(judged::quality(report));
    sections.extend(judged::doubt(report));
    sections.extend(judged::nearness(report));
    sections.extend(judged::by_part(report));
    sections.extend(forecasts::section(report));
    sections.extend(judged::robustness(report));
    sections.extend(judged::importance(report));
    sections.extend(pictured::section(report));
    sections.extend(judged::explanations(report));
    sections.push(limits(report));
    sections.push(again(report));
    let verdicts = report.challenged.verdicts.iter();
    let verdicts = verdicts.map(|verdict| shown(verdict, words));
    let page = Page {
        name: report.name.clone(),
        kind: "model report",
        class,
        headline,
        lead: lead(report),
        facts: facts(report),
        verdicts: verdicts.collect(),
        sections,
        version: env!("CARGO_PKG_VERSION"),
    };
    page.html()
}

impl Page {
    pub fn html(&self) -> Result<String, EngineError> {
        self.render()
            .map_err(|e| EngineError::Report(e.to_string()))
    }
}

fn headline(verdicts: &[Verdict], Words { rows, .. }: Words) -> (&'static str, String) {
    let count = |outcome| verdicts.iter().filter(|v| v.outcome == outcome).count();
    let (passed, failed) = (count(Outcome::Pass), count(Outcome::Fail));
    match (passed, failed) {
        (0, 0) => (
            "info",
            format!("Not judged: there were too few test {rows} to say anything"),
        ),
        (passed, 0) => ("pass", format!("Passed all {passed} challenges that apply")),
        (passed, failed) => (
            "fail",
            format!(
                "Failed {failed} of {} challenges: read why before you use it",
                passed + failed
            ),
        ),
    }
}

fn lead(report: &Report) -> String {
    let Words { row, rows, .. } = report.words();
    format!(
        "This model predicts {} from one {row}. It was made from {} {rows} by Candor, and judged on {} others.",
        data::quoted(&report.target.names),
        report.split.development().len() + report.split.calibration.len(),
        report.challenged.units
    )
}

fn facts(report: &Report) -> Vec<Fact> {
    let (judged, Words { rows, .. }) = (report.challenged, report.words());
    let mut facts = Vec::new();
    if let Some(score) = judged.scores.first() {
        facts.push(Fact {
            value: figure(score.interval.estimate),
            label: format!(
                "{} on test {rows} (95 %: {} to {})",
                score.metric.name(),
                figure(score.interval.lower),
                figure(score.interval.upper)
            ),
        });
    }
    if let Some((accepted, refused)) = &judged.accepted {
        facts.push(Fact {
            value: percent(*refused),
            label: format!("of the test {rows} get “I do not know”"),
        });
        let open = judged.risk_coverage.is_none();
        if let Some(risk) = accepted.risk().filter(|_| !open) {
            facts.push(Fact {
                value: percent(risk),
                label: "of the answers that it gives are wrong".into(),
            });
        }
    }
    let served = judged.followed.as_ref().map(|followed| &followed.report);
    if let Some(coverage) = served.or(judged.coverage.as_ref()) {
        facts.push(Fact {
            value: percent(coverage.marginal),
            label: format!(
                "of its {} hold the truth ({} promised)",
                if report.target.task.is_classification() {
                    "sets"
                } else {
                    "ranges"
                },
                percent(coverage.promised)
            ),
        });
    }
    facts
}

fn shown(verdict: &Verdict, words: Words) -> Shown {
    let (class, word) = match verdict.outcome {
        Outcome::Pass => ("pass", "passed"),
        Outcome::Fail => ("fail", "failed"),
        Outcome::NotApplicable => ("info", "not judged"),
    };
    Shown {
        class,
        word,
        question: question(&verdict.challenge, words),
        reason: verdict.reason.clone(),
    }
}

/// The challenge as a question of a person who knows no statistics.
fn question(challenge: &str, Words { rows, column, .. }: Words) -> String {
    let question = match challenge {
        "generalisation" => "Did it learn anything?",
        "baselines" => "Is it worth more than a simple model?",
        "calibration" => "Is it as sure as it may be?",
        "coverage" => "Do its sets and ranges hold the truth as often as promised?",
        "uncertainty" => "Does it say where its doubt comes from?",
        "strangeness" => {
            return format!("Does it notice {rows} that are unlike anything it learned from?");
        }
        "abstention" => "Does it keep silent where it would be wrong?",
        "memorisation" => "Is the test sound?",
        "leakage" => return format!("Does a {column} give the answer away?"),
        other => return other.to_owned(),
    };
    question.to_owned()
}

fn limits(report: &Report) -> Section {
    let Words { row, rows, .. } = report.words();
    let mut list = vec![
        format!(
            "Nothing is promised for {rows} that come from elsewhere than the training data: another place, another time, \
             another way of measuring. The test for strange ones catches many of them, not all."
        ),
        format!(
            "The promised coverage and the promised share of errors hold on average over all {rows}, not for every group."
        ),
        format!("Calibration was done {}.", report.trained.calibration),
        format!(
            "Small changes of a {row} that somebody makes on purpose to fool the model were not tried."
        ),
    ];
    let people: Vec<String> = report
        .source
        .schema
        .columns
        .iter()
        .filter(|c| c.sensitive)
        .map(|c| c.name.clone())
        .collect();
    if !people.is_empty() {
        list.push(format!(
            "Columns that may describe people: {}. Whether decisions made with this model would be fair was not judged; the \
             coverage of each group is shown above.",
            data::quoted(&people)
        ));
    }
    Section {
        id: "limits",
        title: "What this does not say",
        lead: String::new(),
        blocks: vec![Block::List(list)],
    }
}

fn again(report: &Report) -> Section {
    let settings = report.settings;
    let others = match report.source.modality {
        Modality::Table => "rows.csv",
        _ => "OTHERS",
    };
    let mut budget = match (settings.trials, settings.time) {
        (Some(trials), None) => format!("{trials} designs"),
        (Some(trials), Some(time)) => format!("{trials} designs, {time} s at most"),
        (None, Some(time)) => format!("{time} s"),
        (None, None) => "none".into(),
    };
    if let Some(steps) = settings.steps {
        budget += &format!(", {steps} steps a training");
    }
    let costs = report.challenged.costs.as_ref();
    let judging = costs.map_or_else(|| "nothing was judged".to_owned(), Costs::in_words);
    let row = |what: &str, value: String| vec![text(what), text(value)];
    Section {
        id: "again",
        title: "To use it, and to make it again",
        lead: String::new(),
        blocks: vec![
            Block::Code(format!("candor predict RUN {others} --out answers.csv")),
            Block::Text("RUN is the folder that holds this page. The answers carry the prediction, a set or range, the doubt, and “I do not know” with its reason.".into()),
            Block::Grid(Grid {
                head: vec!["", ""],
                rows: vec![
                    row("seed", settings.seed.0.to_string()),
                    row("budget", budget),
                    row("trials side by side", settings.jobs.to_string()),
                    row("time it took", format!("{:.0} s", report.seconds)),
                    row("what judging cost", judging),
                    row("SHA-256 of the data", report.source.source.sha256.clone()),
                    row("version", format!("candor {}", env!("CARGO_PKG_VERSION"))),
                ],
            }),
        ],
    }
}
