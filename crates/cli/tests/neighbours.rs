//! A table whose rows a rule joins, from a file to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::candor;

/// Rows of two rings, one inside the other, and a column that says nothing. The drawing is that of the Weyl sequence.
fn rings(path: &Path, rows: std::ops::Range<usize>) {
    let mut text = "x,y,noise,ring\n".to_owned();
    for row in rows {
        let share = |step: f64| (0.5 + row as f64 * step).fract();
        let angle = std::f64::consts::TAU * share(0.754_877_666);
        let outer = row % 2;
        let radius = [1.0, 2.2][outer] + 0.5 * share(0.569_840_291);
        let (x, y) = (radius * angle.cos(), 30.0 * radius * angle.sin());
        let (noise, ring) = (share(0.438_447_187), ["inner", "outer"][outer]);
        writeln!(text, "{x:.4},{y:.4},{noise:.4},{ring}").unwrap();
    }
    std::fs::write(path, text).unwrap();
}

fn answers(at: &Path, source: &str) -> Vec<Value> {
    let said = candor(at, &["predict", "r", source, "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_table_becomes_a_graph_and_new_rows_are_linked_to_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    rings(&at.join("rings.csv"), 0..300);
    let fit = [
        "fit",
        "rings.csv",
        "--target",
        "ring",
        "--neighbours",
        "6",
        "--trials",
        "5",
        "--out",
        "r",
    ];
    let said = candor(at, &fit);
    assert!(said.status <= 1, "{}", said.err);
    assert!(said.err.contains("made by a rule"), "{}", said.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in ["made by a rule", "6 nearest rows", "label propagation"] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    // Only rows that are learned from send anything, and only they are standardised on.
    let text = std::fs::read(at.join("r/3-prepared/result.json")).unwrap();
    let prepared: Value = serde_json::from_slice(&text).unwrap();
    let known = prepared["input"]["rule"]["known"].as_array().unwrap();
    let test = prepared["split"]["test"].as_array().unwrap();
    assert_eq!(known.len() + test.len(), 300);
    assert!(test.iter().all(|row| !known.contains(row)));

    // Rows that were not there: the same whether they are asked for together or alone, without the file that was learned from.
    std::fs::remove_file(at.join("rings.csv")).unwrap();
    rings(&at.join("new.csv"), 1000..1100);
    let all = answers(at, "new.csv");
    let right = all
        .iter()
        .enumerate()
        .filter(|(row, answer)| answer["prediction"]["class"] == ["inner", "outer"][row % 2]);
    let right = right.count();
    assert!(right >= 90, "{right} of 100");
    rings(&at.join("few.csv"), 1003..1005);
    for (few, many) in answers(at, "few.csv").iter().zip(&all[3..]) {
        let p = |answer: &Value| answer["prediction"]["probabilities"][0].as_f64().unwrap();
        assert!((p(few) - p(many)).abs() < 1e-5, "{few} {many}");
    }

    let ask = ["explain", "r", "new.csv", "--unit", "4", "--json"];
    let said = candor(at, &ask);
    assert_eq!(said.status, 0, "{}", said.err);
    let explained: Value = serde_json::from_str(&said.out).unwrap();
    let explanation = &explained[0]["explanation"];
    let features = explanation["features"].as_array().unwrap();
    let mut names: Vec<&str> = features.iter().filter_map(|f| f["name"].as_str()).collect();
    assert_ne!(names[0], "noise", "{features:?}");
    names.sort_unstable();
    assert_eq!(names, ["noise", "x", "y"]);
    // Edges, where the search chose networks that look at them, lead from rows of the table that was learned from.
    for edge in explanation["edges"].as_array().into_iter().flatten() {
        assert!(edge["between"].to_string().contains("\"row "), "{edge}");
    }

    std::fs::write(at.join("narrow.csv"), "x\n1\n2\n").unwrap();
    let said = candor(at, &["predict", "r", "narrow.csv"]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("`y`"), "{}", said.err);
}

#[test]
fn neighbours_that_cannot_be_found_end_with_status_2_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    rings(&at.join("rings.csv"), 0..60);
    std::fs::create_dir(at.join("graph")).unwrap();
    std::fs::write(at.join("graph/nodes.csv"), "id,y\n1,a\n2,b\n").unwrap();
    std::fs::write(at.join("graph/edges.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(at.join("bare.csv"), "ring\nin\nout\n".repeat(30)).unwrap();
    for (source, number, part) in [
        ("rings.csv", "0", "from 1 to 200"),
        ("rings.csv", "59", "59 neighbours"),
        ("graph", "3", "something else"),
        ("bare.csv", "3", ""),
        ("missing.csv", "3", "missing.csv"),
    ] {
        let arguments = [
            "fit",
            source,
            "--neighbours",
            number,
            "--trials",
            "2",
            "--out",
            "r",
        ];
        let said = candor(at, &arguments);
        assert_eq!(said.status, 2, "{source} {number}: {}", said.err);
        assert!(said.err.contains(part), "{source} {number}: {}", said.err);
        let _ = std::fs::remove_dir_all(at.join("r"));
    }
}
