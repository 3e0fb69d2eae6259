use std::collections::{BTreeMap, BTreeSet};

use candor_core::{Target, Targets, Task};
use serde::{Deserialize, Serialize};

use crate::table::known_column;
use crate::{Column, DataError, Role, Schema, Table, Values};

/// What is predicted, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetDecision {
    /// The decision.
    pub target: Target,
    /// Why this column and this task, in words.
    pub reason: String,
}

/// True values of a table's rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedTargets {
    /// One a row; class 0, an unknown label or NaN where the cell is missing.
    pub targets: Targets,
    /// Rows without a usable value; of labels those where none is known.
    pub missing_rows: Vec<usize>,
}

/// Names that a column to predict often has.
const NAMES: [&str; 9] = [
    "target",
    "label",
    "class",
    "outcome",
    "y",
    "response",
    "output",
    "diagnosis",
    "survived",
];
/// Distinct whole numbers up to which a target of numbers is one of classes.
const FEW_CLASSES: usize = 20;
/// Rows a class needs on average for a target of whole numbers to be one of classes.
const ROWS_A_CLASS: usize = 10;
/// Classes at most.
const MOST_CLASSES: usize = 1000;

/// Decides what to predict: the named columns, else `preferred` (what a built-in set says), else a column that is named
/// as a target, else the last one.
///
/// # Errors
/// When a column does not exist, holds one value or none, or does not fit the task.
pub fn decide_target(
    table: &Table,
    schema: &Schema,
    named: &[String],
    preferred: Option<&str>,
    task: Option<Task>,
) -> Result<TargetDecision, DataError> {
    let (columns, why) = choose(table, schema, named, preferred)?;
    if let [column] = columns.as_slice() {
        let (target, task_reason) = decide_task(table, column, task)?;
        return Ok(TargetDecision {
            target,
            reason: format!("{why}; {task_reason}"),
        });
    }
    let (target, task_reason) = decide_several(table, columns, task)?;
    Ok(TargetDecision {
        target,
        reason: format!("{why}; {task_reason}"),
    })
}

/// Several columns: labels when each has two values, else numbers.
fn decide_several(
    table: &Table,
    columns: Vec<String>,
    task: Option<Task>,
) -> Result<(Target, String), DataError> {
    if let Some(task) = task.filter(|task| matches!(task, Task::Binary | Task::Multiclass)) {
        return Err(DataError::TaskMismatch {
            task,
            column: columns[0].clone(),
            reason: "several targets are predicted together as labels (`multilabel`) or as numbers (`regression`) only".into(),
        });
    }
    let mut values = Vec::with_capacity(columns.len());
    for column in &columns {
        // Also refuses what has no value, or one only.
        let found = table.column(column).map(|c| class_names(&c.values));
        let found = found.unwrap_or_default();
        let asked = if found.len() == 2 {
            None
        } else {
            Some(Task::Regression)
        };
        let asked = task.filter(|t| *t == Task::Regression).or(asked);
        match decide_task(table, column, asked) {
            Err(DataError::TaskMismatch { .. }) if task.is_none() => {}
            Err(DataError::TaskMismatch { .. }) if task == Some(Task::Multilabel) => {}
            other => {
                other?;
            }
        }
        values.push(found);
    }
    let two = |i: &usize| values[*i].len() == 2;
    let labels: Vec<usize> = (0..columns.len()).filter(two).collect();
    let other = (0..columns.len()).find(|i| !two(i));
    match (task, other) {
        (Some(Task::Regression), _) => {}
        (Some(Task::Multilabel), Some(other)) => {
            return Err(DataError::TaskMismatch {
                task: Task::Multilabel,
                column: columns[other].clone(),
                reason: format!(
                    "it has {} distinct values; a label has two",
                    values[other].len()
                ),
            });
        }
        (_, None) => return decide_labels(columns, &values),
        (_, Some(other)) => {
            if let Some(label) = labels.first() {
                return Err(DataError::MixedTargets {
                    reason: format!(
                        "`{}` has two values, as a label has, `{}` has {}",
                        columns[*label],
                        columns[other],
                        values[other].len()
                    ),
                });
            }
            for column in &columns {
                decide_task(table, column, Some(Task::Regression))?;
            }
        }
    }
    let target = Target {
        task: Task::Regression,
        names: columns,
        classes: Vec::new(),
    };
    Ok((target, "several targets: numbers".to_owned()))
}

/// Labels, once it is known that each has two values: they must be the same two, so that one word means "applies".
fn decide_labels(
    columns: Vec<String>,
    values: &[Vec<String>],
) -> Result<(Target, String), DataError> {
    if let Some(i) = values.iter().position(|v| *v != values[0]) {
        let quoted = |v: &[String]| format!("`{}` and `{}`", v[0], v[1]);
        return Err(DataError::MixedTargets {
            reason: format!(
                "the labels must all take the same two values, but those of `{}` are {}, and of `{}` {}",
                columns[0],
                quoted(&values[0]),
                columns[i],
                quoted(&values[i])
            ),
        });
    }
    let classes = values[0].clone();
    let reason = format!(
        "several targets of two values: labels, of which `{}` means that one applies",
        classes[1]
    );
    let target = Target {
        task: Task::Multilabel,
        names: columns,
        classes,
    };
    Ok((target, reason))
}

fn choose(
    table: &Table,
    schema: &Schema,
    named: &[String],
    preferred: Option<&str>,
) -> Result<(Vec<String>, String), DataError> {
    let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    if !named.is_empty() {
        for column in named {
            known_column(column, "--target", &names)?;
        }
        return Ok((named.to_vec(), "as asked".into()));
    }
    if let Some(column) = preferred.filter(|p| table.column(p).is_some()) {
        return Ok((
            vec![column.to_owned()],
            format!("`{column}` is this data set's target"),
        ));
    }
    let free: Vec<&str> = schema
        .with_role(Role::Feature)
        .map(|c| c.name.as_str())
        .collect();
    if free.len() < 2 {
        let reason = format!(
            "{} column(s) are free, a target and a feature are needed",
            free.len()
        );
        return Err(DataError::NoTarget { reason });
    }
    let by_name = NAMES.iter().find_map(|name| {
        free.iter()
            .find(|column| column.trim().eq_ignore_ascii_case(name))
    });
    if let Some(column) = by_name {
        return Ok((
            vec![(*column).to_owned()],
            format!("`{column}` is named as a target"),
        ));
    }
    let last = free[free.len() - 1];
    Ok((
        vec![last.to_owned()],
        format!("`{last}` is the last column; name another with --target"),
    ))
}

fn decide_task(
    table: &Table,
    column: &str,
    task: Option<Task>,
) -> Result<(Target, String), DataError> {
    let Some(found) = table.column(column) else {
        return Err(DataError::NoTarget {
            reason: format!("`{column}` is not in the table"),
        });
    };
    let values = &found.values;
    let rows = (0..values.len()).filter(|&row| usable(values, row)).count();
    if rows == 0 {
        return Err(DataError::TargetMissing {
            column: column.to_owned(),
            rows: values.len(),
        });
    }
    let classes = class_names(values);
    if classes.len() == 1 {
        return Err(DataError::ConstantTarget {
            column: column.to_owned(),
            value: classes[0].clone(),
        });
    }
    let mismatch = |task, reason: String| {
        Err(DataError::TaskMismatch {
            task,
            column: column.to_owned(),
            reason,
        })
    };
    let by_value = match values {
        Values::Text { .. } => (true, format!("{} classes of text", classes.len())),
        Values::Numeric(numbers) => {
            let whole = numbers
                .iter()
                .filter(|v| v.is_finite())
                .all(|v| v.fract() == 0.0);
            let few = classes.len() <= FEW_CLASSES && rows >= ROWS_A_CLASS * classes.len();
            let two = classes.len() == 2;
            if whole && (few || two) {
                (
                    true,
                    format!(
                        "{} distinct whole numbers in {rows} rows: classes",
                        classes.len()
                    ),
                )
            } else {
                (
                    false,
                    format!(
                        "{} distinct numbers in {rows} rows: a number",
                        classes.len()
                    ),
                )
            }
        }
    };
    let (as_classes, reason) = match task {
        Some(Task::Regression) => {
            if matches!(values, Values::Text { .. }) {
                return mismatch(Task::Regression, "it holds texts, not numbers".into());
            }
            (false, "numbers, as asked".to_owned())
        }
        Some(Task::Multilabel) => {
            return mismatch(
                Task::Multilabel,
                "it is one column; name several, as in `--target a,b`".into(),
            );
        }
        Some(Task::Binary) if classes.len() != 2 => {
            return mismatch(
                Task::Binary,
                format!("it has {} distinct values", classes.len()),
            );
        }
        Some(asked) => (true, format!("{asked}, as asked")),
        None => by_value,
    };
    if !as_classes {
        let names = vec![column.to_owned()];
        return Ok((
            Target {
                task: Task::Regression,
                names,
                classes: Vec::new(),
            },
            reason,
        ));
    }
    if classes.len() > MOST_CLASSES.min(rows / 2).max(2) {
        let (column, classes) = (column.to_owned(), classes.len());
        return Err(DataError::TooManyClasses {
            column,
            classes,
            rows,
        });
    }
    let task = if classes.len() == 2 {
        Task::Binary
    } else {
        Task::Multiclass
    };
    Ok((
        Target {
            task,
            names: vec![column.to_owned()],
            classes,
        },
        reason,
    ))
}

/// Whether a cell of a target can be learned from: an infinite number cannot.
fn usable(values: &Values, row: usize) -> bool {
    match values {
        Values::Numeric(numbers) => numbers[row].is_finite(),
        Values::Text { .. } => !values.is_missing(row),
    }
}

/// Distinct values in their order: numbers by size; texts by the alphabet, but of two with a known meaning the
/// negative one first, so that the second class is the event.
fn class_names(values: &Values) -> Vec<String> {
    match values {
        Values::Numeric(numbers) => {
            let mut distinct: Vec<f64> = numbers
                .iter()
                .copied()
                .filter(|v| v.is_finite())
                .map(|v| v + 0.0)
                .collect();
            distinct.sort_by(f64::total_cmp);
            distinct.dedup();
            distinct.iter().map(f64::to_string).collect()
        }
        Values::Text { codes, dictionary } => {
            let used: BTreeSet<&str> = codes
                .iter()
                .filter_map(|&c| dictionary.get(c as usize))
                .map(String::as_str)
                .collect();
            let mut names: Vec<String> = used.into_iter().map(str::to_owned).collect();
            if let [first, second] = names.as_slice()
                && is_positive(first)
                && !is_positive(second)
            {
                names.reverse();
            }
            names
        }
    }
}

fn is_positive(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    [
        "yes",
        "true",
        "positive",
        "pos",
        "1",
        "t",
        "y",
        "present",
        "good",
        "malignant",
        "abnormal",
        ">50k",
    ]
    .contains(&name.as_str())
}

/// The true values of all rows.
///
/// # Errors
/// When a target's column is missing, holds texts where numbers were learned, or a class that was not.
pub fn encode_targets(table: &Table, target: &Target) -> Result<EncodedTargets, DataError> {
    let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
    let mut columns = Vec::with_capacity(target.names.len());
    for name in &target.names {
        known_column(name, "the target", &names)?;
        columns.extend(table.column(name));
    }
    let rows = table.rows();
    if target.task == Task::Multilabel {
        return encode_labels(&columns, rows, &target.classes);
    }
    let missing_rows: Vec<usize> = (0..rows)
        .filter(|&row| columns.iter().any(|c| !usable(&c.values, row)))
        .collect();
    if target.task.is_classification() {
        let Some(column) = columns.first() else {
            return Err(DataError::NoTarget {
                reason: "none is named".into(),
            });
        };
        let classes = encode_classes(&column.values, &column.name, &target.classes)?;
        return Ok(EncodedTargets {
            targets: Targets::Classes(classes),
            missing_rows,
        });
    }
    let width = columns.len();
    let mut values = vec![f32::NAN; rows * width];
    for (place, column) in columns.iter().enumerate() {
        let Values::Numeric(numbers) = &column.values else {
            return Err(DataError::TaskMismatch {
                task: target.task,
                column: column.name.clone(),
                reason: "it holds texts, not numbers".into(),
            });
        };
        for (row, &number) in numbers.iter().enumerate() {
            values[row * width + place] = number as f32;
        }
    }
    Ok(EncodedTargets {
        targets: Targets::Values { width, values },
        missing_rows,
    })
}

fn encode_labels(
    columns: &[&Column],
    rows: usize,
    classes: &[String],
) -> Result<EncodedTargets, DataError> {
    let width = columns.len();
    let mut values = vec![None; rows * width];
    for (place, column) in columns.iter().enumerate() {
        let codes = encode_classes(&column.values, &column.name, classes)?;
        for (row, code) in codes.into_iter().enumerate() {
            if usable(&column.values, row) {
                values[row * width + place] = Some(code == 1);
            }
        }
    }
    let unknown = |row: &usize| {
        values[row * width..(row + 1) * width]
            .iter()
            .all(Option::is_none)
    };
    Ok(EncodedTargets {
        missing_rows: (0..rows).filter(unknown).collect(),
        targets: Targets::Labels { width, values },
    })
}

fn encode_classes(
    values: &Values,
    column: &str,
    classes: &[String],
) -> Result<Vec<u32>, DataError> {
    let code: BTreeMap<&str, u32> = classes
        .iter()
        .enumerate()
        .map(|(i, class)| (class.as_str(), i as u32))
        .collect();
    let encode = |row: usize| {
        if !usable(values, row) {
            return Ok(0);
        }
        let text = match values {
            // Minus zero is zero.
            Values::Numeric(numbers) => (numbers[row] + 0.0).to_string(),
            Values::Text { .. } => values.text(row).unwrap_or_default(),
        };
        code.get(text.as_str())
            .copied()
            .ok_or_else(|| DataError::UnknownClass {
                column: column.to_owned(),
                class: text,
                row: row + 1,
                known: classes.to_vec(),
            })
    };
    (0..values.len()).map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SchemaOptions, infer_schema};

    fn numbers(name: &str, cells: Vec<f64>) -> Column {
        Column {
            name: name.into(),
            values: Values::Numeric(cells),
        }
    }

    fn texts(name: &str, dictionary: &[&str], codes: Vec<u32>) -> Column {
        let dictionary = dictionary.iter().map(ToString::to_string).collect();
        Column {
            name: name.into(),
            values: Values::Text { codes, dictionary },
        }
    }

    fn decide(column: Column, task: Option<Task>) -> Result<Target, DataError> {
        let named = [column.name.clone()];
        let table = Table {
            columns: vec![column],
        };
        let schema = infer_schema(&table, &SchemaOptions::default())?;
        decide_target(&table, &schema, &named, None, task).map(|d| d.target)
    }

    #[test]
    fn tasks_follow_from_values() -> Result<(), DataError> {
        let repeated = |n: u32, of: u32| (0..n).map(|i| f64::from(i % of)).collect::<Vec<_>>();
        let cases = [
            (numbers("y", repeated(100, 2)), Task::Binary, 2),
            (numbers("y", repeated(100, 10)), Task::Multiclass, 10),
            (numbers("y", repeated(100, 20)), Task::Regression, 0),
            (numbers("y", vec![0.5, 1.5, 0.5, 2.5]), Task::Regression, 0),
            (numbers("y", vec![1.0, 2.0, f64::NAN]), Task::Binary, 2),
            (
                texts("y", &["a", "b", "c"], vec![0, 1, 2, 0, 1, 2, u32::MAX]),
                Task::Multiclass,
                3,
            ),
        ];
        for (column, task, classes) in cases {
            let target = decide(column.clone(), None)?;
            assert_eq!(
                (target.task, target.classes.len()),
                (task, classes),
                "{column:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn the_event_is_the_second_class() -> Result<(), DataError> {
        let classes =
            |words: [&str; 2]| decide(texts("y", &words, vec![0, 1, 1]), None).map(|t| t.classes);
        assert_eq!(classes(["yes", "no"])?, ["no", "yes"]);
        assert_eq!(classes(["malignant", "benign"])?, ["benign", "malignant"]);
        assert_eq!(classes(["b", "a"])?, ["a", "b"]);
        Ok(())
    }

    #[test]
    fn targets_that_cannot_be_learned_are_refused() {
        let refused = |column: Column, task| decide(column, task).err().map(|e| e.to_string());
        let cases = [
            (numbers("y", vec![f64::NAN; 4]), None, "no usable value"),
            (numbers("y", vec![3.0; 4]), None, "always `3`"),
            (
                texts("y", &["a", "b", "c", "d"], vec![0, 1, 2, 3]),
                None,
                "4 classes in 4 rows",
            ),
            (
                texts("y", &["a", "b"], vec![0, 1, 1]),
                Some(Task::Regression),
                "texts, not numbers",
            ),
            (
                numbers("y", vec![1.0, 2.0, 3.0]),
                Some(Task::Binary),
                "3 distinct values",
            ),
        ];
        for (column, task, message) in cases {
            let found = refused(column, task).unwrap_or_default();
            assert!(found.contains(message), "{found}");
        }
    }

    fn several(columns: Vec<Column>, task: Option<Task>) -> Result<(Target, Table), DataError> {
        let named: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let table = Table { columns };
        let schema = infer_schema(&table, &SchemaOptions::default())?;
        let decision = decide_target(&table, &schema, &named, None, task)?;
        Ok((decision.target, table))
    }

    #[test]
    fn several_columns_of_two_values_are_labels() -> Result<(), DataError> {
        let nan = f64::NAN;
        let columns = || {
            vec![
                numbers("a", vec![0.0, 1.0, nan, nan]),
                numbers("b", vec![1.0, nan, 0.0, nan]),
            ]
        };
        let (target, table) = several(columns(), None)?;
        assert_eq!((target.task, target.width()), (Task::Multilabel, 2));
        assert_eq!(target.classes, ["0", "1"]);
        let encoded = encode_targets(&table, &target)?;
        let (yes, no) = (Some(true), Some(false));
        let values = vec![no, yes, yes, None, None, no, None, None];
        assert_eq!(encoded.targets, Targets::Labels { width: 2, values });
        // A row is of use as long as one of its labels is known.
        assert_eq!(encoded.missing_rows, [3]);
        let (target, _) = several(columns(), Some(Task::Regression))?;
        assert_eq!((target.task, target.width()), (Task::Regression, 2));
        let words = |name| texts(name, &["yes", "no"], vec![0, 1, 1]);
        let (target, _) = several(vec![words("a"), words("b")], None)?;
        assert_eq!(target.classes, ["no", "yes"]);
        Ok(())
    }

    #[test]
    fn targets_that_make_no_task_together_are_refused() {
        let label = || numbers("a", vec![0.0, 1.0, 1.0]);
        let multilabel = Some(Task::Multilabel);
        let cases = [
            (
                vec![label(), numbers("b", vec![1.5, 2.5, 9.0])],
                None,
                "`a` has two values, as a label has, `b` has 3",
            ),
            (
                vec![label(), texts("b", &["x", "y", "z"], vec![0, 1, 2])],
                None,
                "`b` has 3",
            ),
            (
                vec![label(), numbers("b", vec![1.0, 1.0, 1.0])],
                None,
                "target `b` is always `1`",
            ),
            (
                vec![label(), numbers("b", vec![f64::NAN; 3])],
                None,
                "target `b` has no usable value",
            ),
            (
                vec![label(), numbers("b", vec![f64::NAN; 3])],
                multilabel,
                "target `b` has no usable value",
            ),
            (
                vec![label(), numbers("b", vec![1.0, 2.0, 2.0])],
                None,
                "the same two values, but those of `a` are `0` and `1`, and of `b` `1` and `2`",
            ),
            (
                vec![label(), numbers("b", vec![1.0, 2.0, 3.0])],
                multilabel,
                "column `b`: it has 3 distinct values; a label has two",
            ),
            (vec![label()], multilabel, "one column; name several"),
            (
                vec![label(), label()],
                Some(Task::Binary),
                "as labels (`multilabel`) or as numbers",
            ),
        ];
        for (columns, task, message) in cases {
            let found = several(columns, task).err().map(|e| e.to_string());
            let found = found
                .unwrap_or_default()
                .replace("target `b`: it", "column `b`: it");
            assert!(found.contains(message), "{found}, not {message}");
        }
    }

    #[test]
    fn encoding_lists_what_is_missing_and_refuses_new_classes() -> Result<(), DataError> {
        let column = texts("y", &["a", "b"], vec![1, Values::MISSING, 0]);
        let target = decide(column.clone(), None)?;
        let encoded = encode_targets(
            &Table {
                columns: vec![column],
            },
            &target,
        )?;
        assert_eq!(encoded.targets, Targets::Classes(vec![1, 0, 0]));
        assert_eq!(encoded.missing_rows, [1]);
        let other = Table {
            columns: vec![texts("y", &["c"], vec![0])],
        };
        let error = encode_targets(&other, &target)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("row 1: class `c` is not one of a, b"),
            "{error}"
        );
        Ok(())
    }
}
