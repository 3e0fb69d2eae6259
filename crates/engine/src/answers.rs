use candor_core::{Target, Task};
use candor_data::{Column, Table, Values};
use candor_deploy::{Answer, Prediction};

/// Answers as a table; see [`crate::Model::table_of`].
pub(crate) fn table_of(target: &Target, named: bool, answers: &[Answer]) -> Table {
    let mut columns = vec![numbers("row", answers, |a| a.row as f64)];
    if named {
        columns.push(texts("unit", answers, |a| a.unit.clone()));
    }
    match target.task {
        Task::Binary | Task::Multiclass => columns.extend(of_classes(target, answers)),
        Task::Multilabel => columns.extend(of_labels(target, answers)),
        Task::Regression => columns.extend(of_numbers(target, answers)),
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

fn of_classes(target: &Target, answers: &[Answer]) -> Vec<Column> {
    let mut columns = vec![texts("prediction", answers, |a| match &a.prediction {
        Prediction::Class { class, .. } => Some(class.clone()),
        _ => None,
    })];
    for (i, class) in target.classes.iter().enumerate() {
        let name = format!("probability_{class}");
        columns.push(numbers(&name, answers, |a| match &a.prediction {
            Prediction::Class { probabilities, .. } => at(probabilities, i),
            _ => f64::NAN,
        }));
    }
    columns.push(texts("set", answers, |a| match &a.prediction {
        Prediction::Class { set, .. } => Some(set.join("|")),
        _ => None,
    }));
    columns
}

fn of_labels(target: &Target, answers: &[Answer]) -> Vec<Column> {
    let mut columns = Vec::with_capacity(3 * target.names.len() + 1);
    for (i, label) in target.names.iter().enumerate() {
        let name = format!("prediction_{label}");
        columns.push(texts(&name, answers, |a| match &a.prediction {
            Prediction::Labels { values, .. } => values.get(i).cloned(),
            _ => None,
        }));
        let name = format!("probability_{label}");
        columns.push(numbers(&name, answers, |a| match &a.prediction {
            Prediction::Labels { probabilities, .. } => at(probabilities, i),
            _ => f64::NAN,
        }));
        let name = format!("set_{label}");
        columns.push(texts(&name, answers, |a| match &a.prediction {
            Prediction::Labels { sets, .. } => sets.get(i).map(|set| set.join("|")),
            _ => None,
        }));
    }
    columns.push(texts("listed", answers, |a| match &a.prediction {
        Prediction::Labels { list, .. } => Some(list.join("|")),
        _ => None,
    }));
    columns
}

fn of_numbers(target: &Target, answers: &[Answer]) -> Vec<Column> {
    let mut columns = Vec::with_capacity(7 * target.names.len());
    for (i, name) in target.names.iter().enumerate() {
        let named = |what: &str| match target.names.len() {
            1 => what.to_owned(),
            _ => format!("{what}_{name}"),
        };
        columns.push(numbers(&named("mean"), answers, |a| match &a.prediction {
            Prediction::Number { mean, .. } => at(mean, i),
            _ => f64::NAN,
        }));
        columns.push(numbers(&named("sd"), answers, |a| match &a.prediction {
            Prediction::Number { sd, .. } => at(sd, i),
            _ => f64::NAN,
        }));
        let end = |a: &Answer, of: fn((f64, f64)) -> f64| match &a.prediction {
            Prediction::Number { interval, .. } => {
                interval.get(i).copied().flatten().map_or(f64::NAN, of)
            }
            _ => f64::NAN,
        };
        columns.push(numbers(&named("lower"), answers, |a| end(a, |ends| ends.0)));
        columns.push(numbers(&named("upper"), answers, |a| end(a, |ends| ends.1)));
        let level = |a: &Answer| match &a.prediction {
            Prediction::Number { level, .. } => at(level, i),
            _ => f64::NAN,
        };
        if answers.iter().any(|a| !level(a).is_nan()) {
            columns.push(numbers(&named("level"), answers, level));
        }
        if target.names.len() > 1 {
            columns.push(numbers(&named("aleatoric"), answers, |a| {
                match &a.prediction {
                    Prediction::Number { aleatoric, .. } => at(aleatoric, i),
                    _ => f64::NAN,
                }
            }));
            columns.push(numbers(&named("epistemic"), answers, |a| {
                match &a.prediction {
                    Prediction::Number { epistemic, .. } => at(epistemic, i),
                    _ => f64::NAN,
                }
            }));
        }
    }
    columns
}

fn at(values: &[f64], i: usize) -> f64 {
    values.get(i).copied().unwrap_or(f64::NAN)
}

pub(crate) fn numbers<T>(name: &str, rows: &[T], of: impl Fn(&T) -> f64) -> Column {
    Column {
        name: name.to_owned(),
        values: Values::Numeric(rows.iter().map(of).collect()),
    }
}

/// One dictionary entry a row: these tables are only written.
pub(crate) fn texts<T>(name: &str, rows: &[T], of: impl Fn(&T) -> Option<String>) -> Column {
    let mut dictionary = Vec::new();
    let codes = rows.iter().map(of).map(|text| match text {
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
