use super::*;
use crate::{SchemaOptions, SplitOptions, decide_target, encode_targets, infer_schema, split};

fn numbers(name: &str, cells: impl IntoIterator<Item = f64>) -> Column {
    Column {
        name: name.into(),
        values: Values::Numeric(cells.into_iter().collect()),
    }
}

fn texts(name: &str, dictionary: &[&str], codes: impl IntoIterator<Item = u32>) -> Column {
    let dictionary = dictionary.iter().map(ToString::to_string).collect();
    Column {
        name: name.into(),
        values: Values::Text {
            codes: codes.into_iter().collect(),
            dictionary,
        },
    }
}

/// Numbers without pattern, the same every time.
fn noise(n: usize, salt: u64) -> Vec<f64> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n).map(next).collect()
}

/// Features and a target `y` that has nothing to do with them.
fn clean(n: usize) -> Table {
    let mut columns: Vec<Column> = (0..6)
        .map(|i| numbers(&format!("x{i}"), noise(n, i + 1)))
        .collect();
    columns.push(texts(
        "y",
        &["no", "yes"],
        noise(n, 99).into_iter().map(|v| u32::from(v > 0.5)),
    ));
    Table { columns }
}

fn look(table: &Table, options: &CurateOptions) -> Result<Curation, DataError> {
    let schema = infer_schema(
        table,
        &SchemaOptions {
            target: vec!["y".into()],
            ..SchemaOptions::default()
        },
    )?;
    let decision = decide_target(table, &schema, &["y".to_owned()], None, None)?;
    let encoded = encode_targets(table, &decision.target)?;
    curate(
        table,
        &schema,
        &decision.target,
        &encoded.targets,
        options,
        Seed(1),
    )
}

fn kinds(table: &Table) -> Result<Vec<String>, DataError> {
    Ok(look(table, &CurateOptions::default())?
        .findings
        .into_iter()
        .map(|f| f.kind)
        .collect())
}

fn with(mut table: Table, column: Column) -> Table {
    table.columns.insert(0, column);
    table
}

#[test]
fn a_clean_table_gives_no_finding() -> Result<(), DataError> {
    assert_eq!(kinds(&clean(600))?, Vec::<String>::new());
    Ok(())
}

#[test]
fn each_check_fires_on_what_it_looks_for() -> Result<(), DataError> {
    let n = 600;
    let base = || clean(n);
    let target: Vec<u32> = noise(n, 99)
        .into_iter()
        .map(|v| u32::from(v > 0.5))
        .collect();
    let repeated = || {
        let rows: Vec<usize> = (0..n).chain(0..60).collect();
        base().select(&rows)
    };
    let contradicting = || {
        let mut table = repeated();
        if let Some(Column {
            values: Values::Text { codes, .. },
            ..
        }) = table.columns.last_mut()
        {
            codes[n..].iter_mut().for_each(|code| *code = 1 - *code);
        }
        table
    };
    let near = || {
        let mut table = repeated();
        for column in &mut table.columns {
            if let Values::Numeric(values) = &mut column.values {
                values[n..].iter_mut().for_each(|v| *v *= 1.0 + 1e-12);
            }
        }
        table
    };
    let rare = noise(n, 5)
        .into_iter()
        .enumerate()
        .map(|(i, _)| if i < 3 { 2 } else { (i % 2) as u32 });
    let cases: Vec<(&str, Table)> = vec![
        ("too-few-rows", clean(60)),
        (
            "missing",
            with(
                base(),
                numbers(
                    "gaps",
                    (0..n).map(|i| {
                        if i % 3 == 0 {
                            f64::NAN
                        } else {
                            i as f64 * 0.37 % 7.1
                        }
                    }),
                ),
            ),
        ),
        ("constant", with(base(), numbers("same", vec![4.0; n]))),
        ("id", with(base(), numbers("id", (0..n).map(|i| i as f64)))),
        ("duplicates", repeated()),
        ("near-duplicates", near()),
        ("contradictions", contradicting()),
        (
            "duplicate-columns",
            with(base(), numbers("twin", noise(n, 1))),
        ),
        (
            "infinite",
            with(
                base(),
                numbers(
                    "ratio",
                    noise(n, 7)
                        .into_iter()
                        .map(|v| if v < 0.01 { f64::INFINITY } else { v }),
                ),
            ),
        ),
        (
            "outliers",
            with(
                base(),
                numbers(
                    "slip",
                    noise(n, 8)
                        .into_iter()
                        .enumerate()
                        .map(|(i, v)| if i == 5 { 1e6 } else { v }),
                ),
            ),
        ),
        (
            "rare-categories",
            with(base(), texts("kind", &["a", "b", "odd"], rare)),
        ),
        (
            "high-cardinality",
            with(
                base(),
                texts(
                    "town",
                    &(0..150)
                        .map(|i| format!("t{i}"))
                        .collect::<Vec<_>>()
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>(),
                    (0..n as u32).map(|i| i * 7 % 150),
                ),
            ),
        ),
        (
            "drift",
            with(
                base(),
                numbers(
                    "rising",
                    noise(n, 9)
                        .into_iter()
                        .enumerate()
                        .map(|(i, v)| v + i as f64 / 300.0),
                ),
            ),
        ),
        (
            "sensitive",
            with(
                base(),
                texts("sex", &["f", "m"], (0..n as u32).map(|i| i % 2)),
            ),
        ),
        (
            "target-leakage",
            with(base(), texts("copy", &["0", "1"], target.clone())),
        ),
        (
            "target-leakage",
            with(
                base(),
                numbers(
                    "nearly",
                    target.iter().enumerate().map(|(i, &t)| {
                        if i == 0 {
                            0.5
                        } else {
                            f64::from(t) + i as f64 * 1e-4
                        }
                    }),
                ),
            ),
        ),
    ];
    for (kind, table) in cases {
        let found = kinds(&table)?;
        assert!(
            found.iter().any(|k| k == kind),
            "{kind} is not in {found:?}"
        );
    }
    Ok(())
}

#[test]
fn imbalance_and_missing_targets_are_noticed() -> Result<(), DataError> {
    let n = 600;
    let mut table = clean(n);
    table.columns.pop();
    table.columns.push(texts(
        "y",
        &["no", "yes"],
        (0..n as u32).map(|i| {
            if i == 7 {
                Values::MISSING
            } else {
                u32::from(i % 40 == 0)
            }
        }),
    ));
    let curation = look(&table, &CurateOptions::default())?;
    let kinds: Vec<&str> = curation.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["missing-target", "imbalance"]);
    assert_eq!(curation.dropped_rows, [(7, "no target".to_owned())]);
    assert_eq!(curation.findings[0].evidence.rows, [8]);
    Ok(())
}

#[test]
fn what_is_left_out_can_be_kept_and_checks_can_be_turned_off() -> Result<(), DataError> {
    let table = with(clean(600), numbers("same", vec![4.0; 600]));
    let dropped = |options: &CurateOptions| {
        look(&table, options).map(|c| (c.dropped_columns.len(), c.findings.len()))
    };
    assert_eq!(dropped(&CurateOptions::default())?, (1, 1));
    assert_eq!(
        dropped(&CurateOptions {
            keep: vec!["same".into()],
            ..CurateOptions::default()
        })?,
        (0, 1)
    );
    assert_eq!(
        dropped(&CurateOptions {
            disabled: vec!["constant".into()],
            ..CurateOptions::default()
        })?,
        (0, 0)
    );
    let error = look(
        &table,
        &CurateOptions {
            disabled: vec!["constnt".into()],
            ..CurateOptions::default()
        },
    );
    assert!(error.is_err_and(|e| e.to_string().contains("did you mean `constant`")));
    Ok(())
}

#[test]
fn copies_on_both_sides_of_a_split_are_found() -> Result<(), DataError> {
    let rows: Vec<usize> = (0..300).chain(0..300).collect();
    let table = clean(300).select(&rows);
    let schema = infer_schema(
        &table,
        &SchemaOptions {
            target: vec!["y".into()],
            ..SchemaOptions::default()
        },
    )?;
    let targets = Targets::Classes(vec![0; 600]);
    let split = split(600, &targets, None, None, &SplitOptions::default(), Seed(3))?;
    let found = duplicates_across(&table, &schema, &split);
    assert_eq!(found.len(), 1);
    // A test row's copy is developed on with probability 0.8.
    assert!(
        (70..=120).contains(&found[0].evidence.count),
        "{}",
        found[0].evidence.count
    );
    Ok(())
}

#[test]
fn classes_and_categories_in_several_spellings_are_told() -> Result<(), DataError> {
    let mut table = with(
        clean(200),
        texts(
            "town",
            &["New York", "new-york", "Boston", "Austin"],
            (0..200).map(|i| i % 4),
        ),
    );
    assert!(kinds(&clean(200))?.iter().all(|kind| kind != "spellings"));
    if let Some(y) = table.columns.iter_mut().find(|c| c.name == "y") {
        y.values = texts(
            "y",
            &["yes", "no", "Yes", "NO"],
            (0..200).map(|i| i * 7 % 4),
        )
        .values;
    }
    let found = look(&table, &CurateOptions::default())?.findings;
    let found: Vec<&Finding> = found.iter().filter(|f| f.kind == "spellings").collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(
        found[0].message.contains("2 classes") && found[0].message.contains("`yes`, `Yes`"),
        "{}",
        found[0].message
    );
    assert!(
        found[1].message.contains("`New York`, `new-york`"),
        "{}",
        found[1].message
    );
    Ok(())
}
