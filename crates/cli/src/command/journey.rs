use std::path::Path;

use candor::core::{Seed, did_you_mean};
use candor::data::{ReadOptions, Source, Values, read_table};
use candor::{EngineError, Inputs, Journey, Leg, Model, TravelSettings};

use crate::Ending;
use crate::args::PredictArgs;
use crate::failure::Failure;
use crate::output;

/// How long a journey takes along a path of series. Status 1 where the model does not know.
pub(crate) fn run(
    args: &PredictArgs,
    lengths: &Path,
    model: &Model,
    inputs: &Inputs,
    json: bool,
) -> Result<Ending, Failure> {
    let settings = TravelSettings {
        speed_seconds: args.per.seconds(),
        departure_seconds: 60.0 * args.depart_in,
        dependence: args.dependence,
        seed: Seed(args.seed),
        ..TravelSettings::default()
    };
    let legs = legs(&args.path, lengths)?;
    let journey = model.journey(inputs, &legs, &settings)?;
    if json {
        output::json(&journey)?;
    } else {
        output::result(&text(&journey));
    }
    Ok(match journey.refused {
        None => Ending::Done,
        Some(_) => Ending::No,
    })
}

/// The stretches of the path with their lengths: the second column of a table, whose first holds names.
fn legs(path: &[String], lengths: &Path) -> Result<Vec<Leg>, Failure> {
    const SHAPE: &str =
        "give a table with a header and two columns: the name of a series and its length";
    let options = ReadOptions {
        header: Some(true),
        ..ReadOptions::default()
    };
    let source = Source::parse(&lengths.to_string_lossy()).map_err(EngineError::from)?;
    let table = read_table(&source, &options)
        .map_err(EngineError::from)?
        .table;
    let [names, lengths_of, ..] = table.columns.as_slice() else {
        return Err(Failure::new(
            format!("`{}` has one column", lengths.display()),
            SHAPE,
        ));
    };
    let Values::Numeric(numbers) = &lengths_of.values else {
        return Err(Failure::new(
            format!(
                "`{}`: column `{}` holds no numbers",
                lengths.display(),
                lengths_of.name
            ),
            SHAPE,
        ));
    };
    let known: Vec<String> = (0..table.rows())
        .map(|row| names.values.text(row).unwrap_or_default())
        .collect();
    let leg = |name: &String| match known.iter().position(|other| other == name) {
        Some(row) => Ok(Leg {
            name: name.clone(),
            length: numbers[row],
        }),
        None => Err(Failure::new(
            format!(
                "`{}` has no length of `{name}`{}",
                lengths.display(),
                did_you_mean(name, &known)
            ),
            SHAPE,
        )),
    };
    path.iter().map(leg).collect()
}

fn text(journey: &Journey) -> String {
    let minutes = |seconds: f64| format!("{:.1}", seconds / 60.0);
    let Some(time) = &journey.time else {
        let reason = journey.refused.as_deref().unwrap_or_default();
        return format!("no travel time: {reason}");
    };
    let rows: Vec<Vec<String>> = time
        .legs
        .iter()
        .map(|leg| {
            vec![
                leg.leg.name.clone(),
                output::figure(Some(leg.leg.length)),
                minutes(leg.reached_after),
                minutes(leg.seconds),
                format!("t+{}", leg.horizon),
            ]
        })
        .collect();
    let table = output::columns(
        &["stretch", "length", "reached after", "minutes", "forecast"],
        &rows,
    );
    let beyond = match time.beyond > 0.0 {
        true => format!(
            "\n{:.1} % of the drawn journeys outlast the forecast.",
            100.0 * time.beyond
        ),
        false => String::new(),
    };
    format!(
        "{} minutes; {:.0} % of the drawn journeys take {} to {}.\nAssumed: errors on two stretches are alike by {}.{beyond}\n\n{table}",
        minutes(time.seconds),
        100.0 * time.level,
        minutes(time.interval.0),
        minutes(time.interval.1),
        output::figure(Some(time.dependence)),
    )
}
