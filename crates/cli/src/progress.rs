use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use candor::core::{Event, Events, Listener, Outcome, Severity, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{figure, note};

/// Tells a person what goes on: lines, and below them a bar where standard error is a terminal.
struct Teller {
    bar: Option<ProgressBar>,
    /// Fractions of the time budget come without its length.
    limit: Option<f64>,
}

/// Events to standard error; none when `quiet`.
pub(crate) fn events(quiet: bool, limit: Option<f64>) -> Events {
    if quiet {
        return Events::none();
    }
    let bar = std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    });
    Events::none().with(Arc::new(Teller { bar, limit }))
}

impl Teller {
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }

    fn status(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }
}

impl Listener for Teller {
    fn hear(&self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                self.line(title(*step));
                self.status(String::new());
            }
            Event::StepFinished { step, .. } => {
                if *step == Step::Deployed
                    && let Some(bar) = &self.bar
                {
                    bar.finish_and_clear();
                }
            }
            Event::Understood { message } => self.line(&format!("  {message}")),
            Event::Found { finding } => {
                let mark = match finding.severity {
                    Severity::Note => "note",
                    Severity::Warning => "warning",
                    Severity::Serious => "serious",
                };
                let action = finding.action.as_ref();
                let action = action.map_or_else(String::new, |a| format!(" ({a})"));
                self.line(&format!("  {mark}: {}{action}", finding.message));
            }
            Event::TrialFinished {
                trial,
                design,
                score,
                seconds,
                failure,
            } => match failure {
                Some(why) => self.line(&format!("  trial {trial} failed: {why} ({design})")),
                None => self.line(&format!(
                    "  trial {trial}: {} after {seconds:.1} s ({design})",
                    figure(*score)
                )),
            },
            Event::Progress {
                done,
                total,
                time_used,
            } => {
                let of = total.map_or_else(String::new, |total| format!(" of {total}"));
                let left = match (time_used, self.limit) {
                    (Some(used), Some(limit)) => {
                        format!(", {:.0} s left", (limit * (1.0 - used)).max(0.0))
                    }
                    _ => String::new(),
                };
                self.status(format!("{done}{of}{left}"));
            }
            Event::Judged { verdict } => {
                let mark = match verdict.outcome {
                    Outcome::Pass => "pass",
                    Outcome::Fail => "FAIL",
                    Outcome::NotApplicable => "n/a ",
                };
                self.line(&format!(
                    "  {mark} {}: {}",
                    verdict.challenge, verdict.reason
                ));
            }
            Event::Warned { message } => self.line(&format!("  warning: {message}")),
        }
    }
}

fn title(step: Step) -> &'static str {
    match step {
        Step::Source => "1 of 7: reading the source",
        Step::Curated => "2 of 7: looking for what is wrong with the data",
        Step::Prepared => "3 of 7: splitting",
        Step::Designed => "4 of 7: searching for designs",
        Step::Trained => "5 of 7: choosing and calibrating the ensemble",
        Step::Challenged => "6 of 7: challenging it on rows that it never saw",
        Step::Deployed => "7 of 7: writing the bundle and the report",
    }
}
