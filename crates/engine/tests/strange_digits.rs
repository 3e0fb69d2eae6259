//! Digits 7 to 9, and digits with shuffled pixels, shown to a model that knows 0 to 6 only.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use candor::core::{Events, Interrupt, Seed};
use candor::data::{Column, ReadOptions, Source, Table, Values, csv_bytes, read_table};
use candor::{FitSettings, Model, fit};
use candor_challenge::Detection;
use rand::seq::SliceRandom;

/// The AUROCs that the project is held to.
const NEAR: f64 = 0.97;
const FAR: f64 = 0.965;

fn rows(table: &Table, rows: &[usize]) -> Table {
    let column = |c: &Column| Column {
        name: c.name.clone(),
        values: Values::Numeric(
            rows.iter()
                .map(|&r| c.values.text(r).unwrap().parse().unwrap())
                .collect(),
        ),
    };
    Table {
        columns: table.columns.iter().map(column).collect(),
    }
}

fn scores(model: &Model, table: &Table, folder: &Path) -> Vec<(f64, bool)> {
    let path = folder.join("rows.csv");
    std::fs::write(&path, csv_bytes(table).unwrap()).unwrap();
    let table = model
        .read(path.to_str().unwrap(), &ReadOptions::default())
        .unwrap();
    let answers = model.predict(&table).unwrap();
    answers
        .iter()
        .map(|a| (a.strangeness.unwrap().score, a.abstained.is_some()))
        .collect()
}

#[test]
fn unknown_digits_and_shuffled_pixels_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let digits = read_table(&Source::parse("@digits").unwrap(), &ReadOptions::default()).unwrap();
    let digit: Vec<f64> = (0..digits.table.columns[0].values.len())
        .map(|r| {
            let column = digits.table.column("digit").unwrap();
            column.values.text(r).unwrap().parse().unwrap()
        })
        .collect();
    let mut inside: Vec<usize> = (0..digit.len()).filter(|&r| digit[r] < 7.0).collect();
    let near: Vec<usize> = (0..digit.len()).filter(|&r| digit[r] >= 7.0).collect();
    inside.shuffle(&mut Seed(1).stream("inside", &[]));
    let (held_out, known) = inside.split_at(inside.len() / 5);
    let source = folder.path().join("known.csv");
    std::fs::write(&source, csv_bytes(&rows(&digits.table, known)).unwrap()).unwrap();
    let settings = FitSettings {
        source: source.display().to_string(),
        target: vec!["digit".into()],
        task: Some(candor::core::Task::Multiclass),
        trials: Some(3),
        test_share: 0.1,
        ..FitSettings::default()
    };
    let run = folder.path().join("run");
    fit(&settings, &run, &Interrupt::default(), &Events::none()).unwrap();
    let model = Model::load(&run).unwrap();

    let real = rows(&digits.table, held_out);
    let mut shuffled = real.clone();
    let pixels: Vec<usize> = (0..real.columns.len())
        .filter(|&c| real.columns[c].name != "digit")
        .collect();
    for row in 0..held_out.len() {
        let mut order = pixels.clone();
        order.shuffle(&mut Seed(2).stream("pixels", &[row as u64]));
        for (&to, &from) in pixels.iter().zip(&order) {
            let Values::Numeric(source) = &real.columns[from].values else {
                unreachable!("rows() makes numbers")
            };
            let value = source[row];
            if let Values::Numeric(target) = &mut shuffled.columns[to].values {
                target[row] = value;
            }
        }
    }
    let score = |table: &Table| scores(&model, table, folder.path());
    let (usual, near, far) = (
        score(&real),
        score(&rows(&digits.table, &near)),
        score(&shuffled),
    );
    let strange = |scores: &[(f64, bool)]| scores.iter().map(|s| s.0).collect::<Vec<f64>>();
    let auroc = |outside: &[(f64, bool)]| {
        Detection::of(&strange(&usual), &strange(outside))
            .unwrap()
            .auroc
    };
    let refused =
        |scores: &[(f64, bool)]| scores.iter().filter(|s| s.1).count() as f64 / scores.len() as f64;
    let (on_near, on_far) = (auroc(&near), auroc(&far));
    let said = format!(
        "AUROC {on_near:.4} on digits 7 to 9, {on_far:.4} on shuffled pixels; refused: {:.3} of usual digits, {:.3}, {:.3}",
        refused(&usual),
        refused(&near),
        refused(&far)
    );
    assert!(on_near >= NEAR && on_far >= FAR, "{said}");
    assert!(refused(&far) >= 0.9 && refused(&usual) <= 0.1, "{said}");
}
