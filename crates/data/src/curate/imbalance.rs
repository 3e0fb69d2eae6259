use candor_core::{Finding, Severity, Targets};

use super::{Check, Context, evidence, notice, percent};

/// Classes of very different sizes, or with too few rows to be in every part.
pub(super) struct Imbalance;

impl Check for Imbalance {
    fn name(&self) -> &'static str {
        "imbalance"
    }

    fn run(&self, context: &Context) -> Vec<Finding> {
        let classes = match context.targets {
            Targets::Classes(classes) => classes,
            Targets::Labels { width, values } => {
                return rare_labels(self.name(), context, *width, values);
            }
            Targets::Values { .. } => return Vec::new(),
        };
        let mut counts = vec![0usize; context.target.classes.len()];
        for &row in &context.rows {
            if let Some(count) = counts.get_mut(classes[row] as usize) {
                *count += 1;
            }
        }
        let all = context.rows.len();
        let place = |wanted: usize| counts.iter().position(|c| *c == wanted).unwrap_or(0);
        let (Some(&least), Some(&most)) = (counts.iter().min(), counts.iter().max()) else {
            return Vec::new();
        };
        let name = |i: usize| context.target.classes.get(i).cloned().unwrap_or_default();
        let columns = context.target.names.clone();
        let mut findings = Vec::new();
        if least * 10 <= most {
            findings.push(notice(
                self.name(),
                if least * 50 <= most { Severity::Warning } else { Severity::Note },
                columns.clone(),
                format!(
                    "class `{}` is rare ({} of the rows), `{}` is common ({}): a model that never says the rare one looks \
                     good",
                    name(place(least)),
                    percent(least, all),
                    name(place(most)),
                    percent(most, all)
                ),
                evidence(&[], format!("{least} against {most} rows")),
                "judge by balanced accuracy or the area under the ROC curve (`--metric`), not by accuracy",
            ));
        }
        let tiny: Vec<String> = (0..counts.len())
            .filter(|&i| counts[i] < 5)
            .map(name)
            .collect();
        if !tiny.is_empty() {
            findings.push(notice(
                self.name(),
                Severity::Serious,
                columns,
                format!("{} classes have fewer than 5 rows, such as `{}`", tiny.len(), tiny[0]),
                evidence(&[], format!("{} classes", tiny.len())),
                "add rows of these classes or merge them: the model can neither learn nor be judged on them",
            ));
        }
        findings
    }
}

/// Labels whose rarer value stands in a few rows only.
fn rare_labels(
    kind: &str,
    context: &Context,
    width: usize,
    values: &[Option<bool>],
) -> Vec<Finding> {
    let rarer = |label: usize| {
        let count = |wanted: bool| {
            let cells = values.iter().skip(label).step_by(width);
            cells.filter(|value| **value == Some(wanted)).count()
        };
        count(true).min(count(false))
    };
    let tiny: Vec<String> = (0..width)
        .filter(|&label| rarer(label) < 5)
        .filter_map(|label| context.target.names.get(label).cloned())
        .collect();
    let Some(first) = tiny.first() else {
        return Vec::new();
    };
    vec![notice(
        kind,
        Severity::Serious,
        tiny.clone(),
        format!(
            "{} labels have one of their values in fewer than 5 rows, such as `{first}`",
            tiny.len()
        ),
        evidence(&[], format!("{} labels", tiny.len())),
        "add rows or leave these labels out: the model can neither learn nor be judged on them",
    )]
}
