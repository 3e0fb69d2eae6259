use std::path::Path;

use candor::core::wording;
use candor::data::ReadOptions;
use candor::deploy::Prediction;
use candor::{EngineError, Inputs, Model, UnitExplained};

use crate::Ending;
use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::output;

/// Edges, features and parts that are shown.
const SHOWN: usize = 12;

/// What predictions of single units rest on.
pub(crate) fn run(args: &ExplainArgs, json: bool) -> Result<Ending, Failure> {
    let model = Model::load(&args.bundle)?;
    if !model.explains() {
        let modality = model.parts().modality;
        return Err(Failure::new(
            format!(
                "explanations are not available for {}",
                modality.words().rows
            ),
            "they are for nodes of a graph, for graphs and for molecules; the report of a run shows what each column or region is worth",
        ));
    }
    let options = ReadOptions {
        delimiter: args.delimiter,
        ..ReadOptions::default()
    };
    let inputs = model.read(&args.source, &options)?;
    let units: Vec<usize> = args
        .unit
        .iter()
        .map(|unit| found(&model, &inputs, unit, args))
        .collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for unit in units {
        let explained = model.explain_unit(&inputs, unit, args.by.as_deref())?;
        let explained = explained.ok_or_else(|| {
            Failure::new(
                format!(
                    "the ensemble of `{}` has no network, and masks are learned on networks",
                    args.bundle.display()
                ),
                "fit again with more `--time` or `--trials`",
            )
        })?;
        if let Some(folder) = &args.draw {
            draw(folder, &explained)?;
        }
        all.push(explained);
    }
    if json {
        output::json(&all)?;
    } else {
        let texts: Vec<String> = all.iter().map(text).collect();
        output::result(&texts.join("\n\n"));
    }
    Ok(Ending::Done)
}

/// The unit that a person means.
fn found(model: &Model, inputs: &Inputs, unit: &str, args: &ExplainArgs) -> Result<usize, Failure> {
    use candor::core::Modality;
    // Ids of nodes and graphs may be numbers themselves: a row would be taken for one of them.
    let rows = model.parts().modality == Modality::Molecule;
    let words = model.parts().modality.words();
    let Some(place) = inputs.find(unit, rows) else {
        let beside = if rows { ", or its row, from 1" } else { "" };
        return Err(Failure::new(
            format!(
                "`{unit}` is none of the {} {} of `{}`",
                inputs.len(),
                words.rows,
                args.source
            ),
            format!(
                "give a {} as the source names it{beside}; `candor predict` lists them",
                words.row
            ),
        ));
    };
    match inputs.unreadable(place) {
        None => Ok(place),
        Some(why) => Err(Failure::new(
            format!("`{unit}` cannot be explained: {why}"),
            "repair it in the source",
        )),
    }
}

/// One drawing a unit, called by its row in the source.
fn draw(folder: &Path, explained: &UnitExplained) -> Result<(), Failure> {
    let path = folder.join(format!("row-{}.svg", explained.answer.row));
    let svg = explained.explanation.svg.as_bytes();
    candor::deploy::write_file(&path, svg).map_err(EngineError::from)?;
    Ok(())
}

fn text(explained: &UnitExplained) -> String {
    let explanation = &explained.explanation;
    let mut text = format!("{}: {}\n", explanation.unit, said(explained));
    let effect = if matches!(explained.answer.prediction, Prediction::Number { .. }) {
        "effect: what it loses without that"
    } else {
        "effect: what the logarithm of its odds loses without that"
    };
    text += &format!("explained: {}; {effect}\n", explained.what);
    if let Some(share) = explanation.masked_share {
        text += &format!(
            "worth, from 0 to 1, by masks on the networks, which are {} of the ensemble\n",
            wording::percent(share)
        );
    }
    if explanation.masked_share.is_some() && explanation.edges.is_empty() {
        text += "no network looks at edges, or there is none around it\n";
    }
    let edges = explanation.edges.iter().map(|edge| {
        let name = edge.between.join(" - ");
        vec![name, output::figure(Some(edge.worth)), signed(edge.effect)]
    });
    text += &part("edge", edges.collect());
    let features = explanation.features.iter().map(|feature| {
        vec![
            feature.name.clone(),
            output::figure(Some(feature.worth)),
            signed(feature.effect),
        ]
    });
    text += &part("feature", features.collect());
    let mut atoms: Vec<(usize, f64)> = explanation.weights.iter().copied().enumerate().collect();
    atoms.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    let rows: Vec<Vec<String>> = atoms
        .iter()
        .take(SHOWN)
        .map(|(atom, weight)| vec![(atom + 1).to_string(), signed(Some(*weight))])
        .collect();
    if !rows.is_empty() {
        text += "\n";
        text += &output::columns(&["atom", "effect"], &rows);
        text += "\n";
    }
    text.trim_end().to_owned()
}

/// What is predicted, in a line.
fn said(explained: &UnitExplained) -> String {
    let said = match &explained.answer.prediction {
        Prediction::Class { class, .. } => {
            let confidence = output::figure(Some(explained.answer.confidence));
            format!("{class}, confidence {confidence}")
        }
        Prediction::Labels { values, .. } => values.join(", "),
        Prediction::Number { mean, sd, .. } => {
            let numbers = mean.iter().zip(sd).map(|(mean, sd)| {
                let (mean, sd) = (output::figure(Some(*mean)), output::figure(Some(*sd)));
                format!("{mean} (sd {sd})")
            });
            numbers.collect::<Vec<_>>().join(", ")
        }
        Prediction::Nothing => "nothing".to_owned(),
    };
    match &explained.answer.reason {
        Some(reason) => format!("{said}; no answer would be given: {reason}"),
        None => said,
    }
}

fn signed(effect: Option<f64>) -> String {
    match effect {
        Some(effect) if effect > 0.0 => format!("+{}", output::figure(Some(effect))),
        other => output::figure(other),
    }
}

/// The first rows of a list under a header; nothing where there is none.
fn part(what: &str, rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let shown = output::columns(&[what, "worth", "effect"], &rows[..rows.len().min(SHOWN)]);
    let more = match rows.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("... and {more} more (`--json` lists them)\n"),
    };
    format!("\n{shown}\n{more}")
}
