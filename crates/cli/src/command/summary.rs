use candor::Summary;
use candor::core::Outcome;

use crate::Ending;
use crate::failure::Failure;
use crate::output::{columns, figure, json, result};

/// Shows what a finished run is.
pub(crate) fn show(summary: &Summary, as_json: bool) -> Result<Ending, Failure> {
    if as_json {
        json(summary)?;
    } else {
        result(&text(summary));
    }
    Ok(if summary.passed() {
        Ending::Done
    } else {
        Ending::No
    })
}

fn text(summary: &Summary) -> String {
    let mut text = String::new();
    if let Some([value, low, high]) = summary.score {
        text += &format!(
            "{} on {} that nothing has seen: {} (95 %: {} to {})\n\n",
            summary.metric.name(),
            summary.modality.words().rows,
            figure(Some(value)),
            figure(Some(low)),
            figure(Some(high))
        );
    }
    let rows = summary.ensemble.iter().map(|voice| {
        let kind = if voice.network {
            "network"
        } else {
            "classical"
        };
        vec![
            format!("{:.0} %", 100.0 * voice.weight),
            kind.into(),
            voice.name.clone(),
        ]
    });
    text += &columns(&["share", "kind", "member"], &rows.collect::<Vec<_>>());
    text += "\n\n";
    let rows = summary.verdicts.iter().map(|verdict| {
        let outcome = match verdict.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::NotApplicable => "n/a",
        };
        vec![
            outcome.into(),
            verdict.challenge.clone(),
            verdict.reason.clone(),
        ]
    });
    for row in rows {
        text += &format!("{} {}: {}\n", row[0], row[1], row[2]);
    }
    if let Some(costs) = &summary.costs {
        text += &format!("\n{}", costs.in_words());
    }
    text += &format!(
        "\nreport: {}\nbundle: {}\ntook {:.1} s",
        summary.report.display(),
        summary.bundle.display(),
        summary.seconds
    );
    text
}
