use candor::{Anomalies, EngineError, Inputs, Model, Reading};

use super::predict::{pretty, written};
use crate::Ending;
use crate::args::{Format, PredictArgs};
use crate::failure::Failure;
use crate::output;

/// Readings that are shown, those that stand out most.
const SHOWN: usize = 20;

/// Which readings stand out from their forecasts.
pub(crate) fn run(
    args: &PredictArgs,
    format: Format,
    model: &Model,
    inputs: &Inputs,
    json: bool,
) -> Result<Ending, Failure> {
    let told = model.anomalies(inputs, args.false_alarms)?;
    if let Some(path) = &args.out {
        let bytes = match format {
            Format::Json => pretty(&told)?,
            _ => written(&told.table(), format)?,
        };
        candor::deploy::write_file(path, &bytes).map_err(EngineError::from)?;
    }
    if json {
        output::json(&told)?;
    } else {
        output::result(&text(&told));
    }
    Ok(Ending::Done)
}

fn text(told: &Anomalies) -> String {
    let mut lines = vec![format!(
        "{} of {} readings stand out from their forecasts, made {} before; by chance alone about {:.0} would",
        told.found,
        told.readings.len(),
        match told.ahead {
            1 => "one step".to_owned(),
            steps => format!("{steps} steps"),
        },
        told.false_alarms * told.readings.len() as f64
    )];
    if told.learned > 0 {
        lines.push(format!(
            "the model was made from {} of these readings: its errors are smaller there than they are of new ones, and fewer stand out",
            told.learned
        ));
    }
    let mut found: Vec<&Reading> = told.readings.iter().filter(|r| r.anomalous).collect();
    found.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    let figure = |value: f64| output::figure(Some(value));
    let row = |reading: &&Reading| {
        let range = reading.range.map_or_else(String::new, |(low, high)| {
            format!("{} to {}", figure(low), figure(high))
        });
        vec![
            reading.time.clone(),
            reading.series.clone(),
            figure(reading.value),
            figure(reading.expected),
            range,
            format!("{:.1e}", reading.p_value),
            format!("{:.2}", reading.q_value),
        ]
    };
    if !found.is_empty() {
        let rows: Vec<Vec<String>> = found.iter().take(SHOWN).map(row).collect();
        let header = ["time", "series", "reading", "expected", "range", "p", "q"];
        lines.push(String::new());
        lines.push(output::columns(&header, &rows));
    }
    if found.len() > SHOWN {
        let more = found.len() - SHOWN;
        lines.push(format!("and {more} more: all with --out FILE"));
    }
    lines.join("\n")
}
