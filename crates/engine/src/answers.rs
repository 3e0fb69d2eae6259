use candor_core::Target;
use candor_data::{Column, Table, Values};
use candor_deploy::{Answer, Prediction};

/// Answers as a table; see [`crate::Model::table_of`].
pub(crate) fn table_of(target: &Target, answers: &[Answer]) -> Table {
    let mut columns = vec![numbers("row", answers, |a| a.row as f64)];
    if target.task.is_classification() {
        columns.push(texts("prediction", answers, |a| match &a.prediction {
            Prediction::Class { class, .. } => Some(class.clone()),
            Prediction::Number { .. } => None,
        }));
        for (i, class) in target.classes.iter().enumerate() {
            let name = format!("probability_{class}");
            columns.push(numbers(&name, answers, |a| match &a.prediction {
                Prediction::Class { probabilities, .. } => at(probabilities, i),
                Prediction::Number { .. } => f64::NAN,
            }));
        }
        columns.push(texts("set", answers, |a| match &a.prediction {
            Prediction::Class { set, .. } => Some(set.join("|")),
            Prediction::Number { .. } => None,
        }));
    } else {
        for (i, name) in target.names.iter().enumerate() {
            let named = |what: &str| match target.names.len() {
                1 => what.to_owned(),
                _ => format!("{what}_{name}"),
            };
            columns.push(numbers(&named("mean"), answers, |a| match &a.prediction {
                Prediction::Number { mean, .. } => at(mean, i),
                Prediction::Class { .. } => f64::NAN,
            }));
            columns.push(numbers(&named("sd"), answers, |a| match &a.prediction {
                Prediction::Number { sd, .. } => at(sd, i),
                Prediction::Class { .. } => f64::NAN,
            }));
            let end = |a: &Answer, of: fn((f64, f64)) -> f64| match &a.prediction {
                Prediction::Number { interval, .. } => {
                    interval.get(i).copied().flatten().map_or(f64::NAN, of)
                }
                Prediction::Class { .. } => f64::NAN,
            };
            columns.push(numbers(&named("lower"), answers, |a| end(a, |ends| ends.0)));
            columns.push(numbers(&named("upper"), answers, |a| end(a, |ends| ends.1)));
        }
    }
    columns.push(numbers("confidence", answers, |a| a.confidence));
    columns.push(numbers("uncertainty", answers, |a| a.uncertainty));
    columns.push(numbers("aleatoric", answers, |a| a.aleatoric));
    columns.push(numbers("epistemic", answers, |a| a.epistemic));
    columns.push(numbers("strangeness_p", answers, |a| {
        a.strangeness.map_or(f64::NAN, |s| s.p_value)
    }));
    columns.push(texts("abstained", answers, |a| {
        Some(a.abstained.is_some().to_string())
    }));
    columns.push(texts("reason", answers, |a| a.reason.clone()));
    Table { columns }
}

fn at(values: &[f64], i: usize) -> f64 {
    values.get(i).copied().unwrap_or(f64::NAN)
}

fn numbers(name: &str, answers: &[Answer], of: impl Fn(&Answer) -> f64) -> Column {
    Column {
        name: name.to_owned(),
        values: Values::Numeric(answers.iter().map(of).collect()),
    }
}

/// One dictionary entry a row: these tables are only written.
fn texts(name: &str, answers: &[Answer], of: impl Fn(&Answer) -> Option<String>) -> Column {
    let mut dictionary = Vec::new();
    let codes = answers.iter().map(of).map(|text| match text {
        Some(text) => {
            dictionary.push(text);
            dictionary.len() as u32 - 1
        }
        None => Values::MISSING,
    });
    let codes = codes.collect();
    Column {
        name: name.to_owned(),
        values: Values::Text { codes, dictionary },
    }
}
