use candor::{Inputs, Model, SeriesIf, WhatIf};

use crate::Ending;
use crate::failure::Failure;
use crate::output;

/// Series that are shown, those that change most.
const SHOWN: usize = 20;

/// Forecasts as they are beside those that would be made if other things went between the series.
pub(crate) fn run(
    changes: &[String],
    model: &Model,
    inputs: &Inputs,
    json: bool,
) -> Result<Ending, Failure> {
    let told = model.what_if(inputs, changes)?;
    if json {
        output::json(&told)?;
    } else {
        let horizons = model.ahead().map_or(&[][..], |(_, horizons)| horizons);
        output::result(&text(&told, horizons));
    }
    Ok(Ending::Done)
}

fn text(told: &WhatIf, horizons: &[usize]) -> String {
    let extrapolation = match &told.extrapolation {
        Some(why) => format!("extrapolation: {why}"),
        None => "within what the model learned from between the same series".to_owned(),
    };
    if !told.felt {
        return format!(
            "{extrapolation}\nno forecast changes: no member of this model looks at what was changed"
        );
    }
    let mut series: Vec<&SeriesIf> = told.series.iter().collect();
    let change = |series: &SeriesIf| series.greatest().1.abs();
    series.sort_by(|a, b| change(b).total_cmp(&change(a)));
    let row = |series: &&SeriesIf| {
        let (place, greatest) = series.greatest();
        let at = |values: &[f64]| output::figure(values.get(place).copied());
        vec![
            series.name.clone(),
            horizons
                .get(place)
                .map_or(String::new(), |h| format!("t+{h}")),
            at(&series.mean),
            at(&series.changed),
            output::figure(Some(greatest)),
            at(&series.sd),
            series.reason.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = series.iter().take(SHOWN).map(row).collect();
    let header = [
        "series",
        "ahead",
        "as it is",
        "changed",
        "difference",
        "sd",
        "no answer",
    ];
    let more = match series.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("\nand {more} more that change less: all with --json"),
        _ => String::new(),
    };
    format!(
        "{extrapolation}\n\n{}{more}",
        output::columns(&header, &rows)
    )
}
