use std::fmt::Write;

use candor_core::{Outcome, Task, Verdict};

use crate::{Conformal, Parts};

/// What a person should know before using the model, as Markdown.
///
/// Sections as in Mitchell et al., "Model Cards for Model Reporting", 2019, as far as they can be known from a run.
pub struct ModelCard<'a> {
    /// The model.
    pub parts: &'a Parts,
    /// Names and weights of what it is made of.
    pub members: &'a [(String, f64)],
    /// Where the data came from, and how many units each part held.
    pub data: &'a [String],
    /// The test metrics.
    pub scores: &'a [CardScore],
    /// What the challenges said.
    pub verdicts: &'a [Verdict],
    /// What was found in the data.
    pub findings: &'a [String],
}

/// A test metric of a [`ModelCard`].
pub struct CardScore {
    /// The metric's name.
    pub name: String,
    /// Its value on the test units.
    pub value: f64,
    /// The ends of its 95 % interval.
    pub interval: (f64, f64),
}

impl ModelCard<'_> {
    /// The card.
    pub fn to_markdown(&self) -> String {
        let mut card = String::new();
        let parts = self.parts;
        let mut line = |text: String| {
            let _ = writeln!(card, "{text}");
        };
        line(format!("# {}\n", parts.name));
        line(format!(
            "Predicts {} from a {} ({}). Optimised for {}.\n",
            quoted(&parts.target.names),
            parts.modality.name(),
            parts.target.task,
            parts.metric.name()
        ));
        match (parts.target.task, parts.target.classes.as_slice()) {
            (_, []) => {}
            (Task::Multilabel, [no, yes]) => line(format!(
                "Labels: `{yes}` where one applies, `{no}` where it does not.\n"
            )),
            (_, classes) => line(format!("Classes: {}.\n", quoted(classes))),
        }
        line("## What it is made of\n".into());
        for (name, weight) in self.members {
            line(format!("- {name}: {:.1} % of the vote", 100.0 * weight));
        }
        let method = parts.uncertainty;
        line(format!("\n## Its doubt\n\n{}", method.meaning()));
        line("\n## Data\n".into());
        self.data.iter().for_each(|text| line(format!("- {text}")));
        line("\n## Test scores\n\nOn units that nothing was fitted to.\n".into());
        for score in self.scores {
            let (low, high) = score.interval;
            line(format!(
                "- {}: {:.4} (95 % interval {low:.4} to {high:.4})",
                score.name, score.value
            ));
        }
        line("\n## Challenges\n".into());
        for verdict in self.verdicts {
            let outcome = match verdict.outcome {
                Outcome::Pass => "passed",
                Outcome::Fail => "FAILED",
                Outcome::NotApplicable => "not applicable",
            };
            line(format!(
                "- {}: {outcome}. {}",
                verdict.challenge, verdict.reason
            ));
        }
        line("\n## What was found in the data\n".into());
        self.findings
            .iter()
            .for_each(|text| line(format!("- {text}")));
        line("\n## Limits\n".into());
        let promised = 100.0 * parts.conformal.coverage();
        let what = match parts.conformal {
            Conformal::Classifier(_) => "Prediction sets",
            Conformal::ByClass(_) => "Prediction sets, for each true class,",
            Conformal::LabelSets(_) => "The sets of each label, by itself,",
            Conformal::Regressor(_) | Conformal::QuantileRegressor(_) => "Intervals",
        };
        line(format!(
            "- {what} hold the truth for {promised:.0} % of units like those of the training data, on average: not for \
             every group, and not for data that have changed."
        ));
        line(
            "- The model learned which values go together, not why. It does not say what would happen if a value were \
             changed on purpose."
                .into(),
        );
        line(
            "- The detector of strange inputs holds prepared training units. Treat the bundle as confidential as the data."
                .into(),
        );
        card
    }
}

fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
