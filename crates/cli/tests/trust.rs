//! Labels that are wrong, and batches that are not like what a model was tested on.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::{answers, candor};

const ROWS: usize = 500;

/// A number in [0, 1) of each place, as if drawn by lot (SplitMix64): evenly spread ones would know of each other.
fn number(i: usize, column: u64) -> f64 {
    let mut z = (i as u64 * 2 + column).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Two classes parted by a line; every 20th row has the other class's label.
fn table(shift: f64, wrong: bool) -> String {
    table_of(ROWS, shift, wrong)
}

fn table_of(rows: usize, shift: f64, wrong: bool) -> String {
    let mut text = "a,b,kind\n".to_owned();
    for i in 0..rows {
        let (a, b) = (number(i, 0), number(i, 1));
        // Nothing lies on the line itself.
        let (a, b) = if (a - b).abs() < 0.1 {
            (a + 0.2, b)
        } else {
            (a, b)
        };
        let right = a > b;
        let said = right != (wrong && i % 20 == 7);
        let kind = if said { "above" } else { "below" };
        writeln!(text, "{:.6},{:.6},{kind}", a + shift, b).unwrap();
    }
    text
}

fn read(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().map(cells).collect()
}

#[test]
fn wrong_labels_are_listed_corrected_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("t.csv"), table(0.0, true)).unwrap();
    let fit = ["fit", "t.csv", "--target", "kind", "--trials", "4"];
    let said = candor(at, &[&fit[..], &["--out", "r"]].concat());
    assert!(said.status <= 1, "{}", said.err);
    assert!(said.err.contains("labels look wrong"), "{}", said.err);
    let review = read(&at.join("r/labels.csv"));
    assert_eq!(
        review[0][..5],
        ["row", "target", "given", "suggested", "confidence"]
    );
    let place = |name: &str| review[0].iter().position(|c| c == name).unwrap();
    let (label, a) = (place("label"), place("data: a"));
    let rows: Vec<usize> = review[1..].iter().map(|l| l[0].parse().unwrap()).collect();
    let planted = |row: &&usize| (**row - 1) % 20 == 7;
    let found = rows.iter().filter(planted).count();
    // 25 are planted; a fifth of the rows is the test part, which is not looked at, and near the line nothing is sure.
    let suspects = rows.len();
    assert!(
        (12..=25).contains(&found),
        "{found} found, {suspects} suspects"
    );
    assert!(found * 10 >= suspects * 8, "{found} of {suspects} suspects");
    let data = read(&at.join("t.csv"));
    let value = |text: &str| text.parse::<f64>().unwrap();
    assert_eq!(value(&review[1][a]), value(&data[rows[0]][0]));
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "Labels that may be wrong",
        "Does it give away what it learned from?",
        "Other scores on the same",
        "was tried on random halves",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }

    // A person corrects them: all but the first as suggested, the first to be left out.
    let corrected: Vec<String> = review
        .iter()
        .enumerate()
        .map(|(line, cells)| {
            let mut cells = cells.clone();
            match line {
                0 => {}
                1 => cells[label] = "unknown".into(),
                _ => cells[label] = cells[3].clone(),
            }
            cells.join(",")
        })
        .collect();
    std::fs::write(at.join("mine.csv"), corrected.join("\n")).unwrap();
    let more = [
        "--set",
        "sets=class",
        "--set",
        "calibrator=isotonic",
        "--set",
        "randomisation=true",
    ];
    let again = [&fit[..], &more, &["--labels", "mine.csv", "--out", "s"]].concat();
    let said = candor(at, &again);
    assert!(said.status <= 1, "{}", said.err);
    assert!(
        said.err.contains("labels are not those of the source"),
        "{}",
        said.err
    );
    let bundle = std::fs::read_to_string(at.join("s/7-deployed/bundle/bundle.json")).unwrap();
    assert!(bundle.contains("\"by_class\""));
    let report = std::fs::read_to_string(at.join("s/report.html")).unwrap();
    for part in [
        "isotonic curves need 5,000",
        "The more answers are shuffled",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    let left = read(&at.join("s/labels.csv"));
    // What was corrected is no longer suspected; the split is another one, so that a few others may be.
    let still = left[1..]
        .iter()
        .filter(|line| rows.contains(&line[0].parse().unwrap()));
    assert!(still.count() <= 1);
    // Going on with other labels is refused; as is a table of other data, before any work.
    std::fs::write(at.join("mine.csv"), corrected[..3].join("\n")).unwrap();
    let said = candor(at, &["resume", "s"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(
        said.err.contains("`mine.csv` is not what it was"),
        "{}",
        said.err
    );
    std::fs::write(at.join("t.csv"), table(0.0, false)).unwrap();
    let said = candor(
        at,
        &["check", "t.csv", "--target", "kind", "--labels", "mine.csv"],
    );
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(said.err.contains("belongs to other data"), "{}", said.err);
}

#[test]
fn a_shifted_batch_is_noticed_and_a_usual_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows: Vec<String> = table(0.0, false).lines().map(str::to_owned).collect();
    let part =
        |from: usize, to: usize| -> String { [&rows[..1], &rows[from..to]].concat().join("\n") };
    std::fs::write(at.join("t.csv"), part(1, 401)).unwrap();
    std::fs::write(at.join("new.csv"), part(401, 501)).unwrap();
    std::fs::write(at.join("few.csv"), part(401, 411)).unwrap();
    std::fs::write(at.join("moved.csv"), table(0.7, false)).unwrap();
    let fit = [
        "fit", "t.csv", "--target", "kind", "--trials", "3", "--out", "r",
    ];
    let said = candor(at, &fit);
    assert!(said.status <= 1, "{}", said.err);
    let json = |file: &str| -> (Value, String) {
        let said = candor(at, &["predict", "r", file, "--json"]);
        assert_eq!(said.status, 0, "{}", said.err);
        (serde_json::from_str(&said.out).unwrap(), said.err)
    };
    let (usual, err) = json("new.csv");
    assert_eq!(usual["answers"].as_array().map(Vec::len), Some(100));
    assert_eq!(usual["shift"]["shifted"], false, "{}", usual["shift"]);
    assert!(!err.contains("differ from those"), "{err}");
    let (moved, err) = json("moved.csv");
    assert_eq!(moved["shift"]["shifted"], true, "{}", moved["shift"]);
    assert!(
        err.contains("differ from those that the model was tested on"),
        "{err}"
    );
    assert!(json("few.csv").0["shift"].is_null());
}

#[test]
fn a_network_may_doubt_itself_and_the_bundle_says_how() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("small.csv"), table(0.0, false)).unwrap();
    std::fs::write(at.join("large.csv"), table_of(3_000, 0.0, false)).unwrap();
    let fit = |source: &str, method: &str, out: &str| {
        let arguments = [
            "fit", source, "--target", "kind", "--trials", "3", "--steps", "100",
        ];
        let more = ["--uncertainty", method, "--out", out];
        candor(at, &[&arguments[..], &more].concat())
    };
    for (source, method, part) in [
        ("small.csv", "laplace", "last layer's weights"),
        ("small.csv", "dropout", "features are dropped at random"),
        ("small.csv", "snapshots", "several states of one network"),
        (
            "large.csv",
            "evidential",
            "a relative score, not a probability",
        ),
    ] {
        let said = fit(source, method, method);
        assert!(said.status <= 1, "{method}: {}", said.err);
        let report = std::fs::read_to_string(at.join(method).join("report.html")).unwrap();
        let words = report.replace("&#39;", "'").replace("&#x27;", "'");
        assert!(words.contains(part), "{method}: the report lacks `{part}`");
        let text = std::fs::read(at.join(method).join("5-trained/result.json")).unwrap();
        let trained: Value = serde_json::from_slice(&text).unwrap();
        let voices = trained["ensemble"].as_array().unwrap();
        assert!(
            voices.len() == 1 && voices[0]["network"] == true,
            "{trained}"
        );
        let bundle = at.join(method).join("7-deployed/bundle/bundle.json");
        let bundle: Value = serde_json::from_slice(&std::fs::read(bundle).unwrap()).unwrap();
        assert_eq!(bundle["parts"]["uncertainty"], method);
        let answers = answers(at, method, "small.csv");
        assert!(
            answers
                .iter()
                .all(|a| a["epistemic"].as_f64().unwrap() >= 0.0)
        );
        assert!(
            answers
                .iter()
                .any(|a| a["epistemic"].as_f64().unwrap() > 0.0)
        );
    }
    let small = fit("small.csv", "evidential", "none");
    assert_eq!(small.status, 2);
    assert!(
        small.err.contains("collapse on small data"),
        "{}",
        small.err
    );
    let unknown = fit("small.csv", "laplac", "none");
    assert_eq!(unknown.status, 2);
    assert!(
        unknown.err.contains("did you mean `laplace`"),
        "{}",
        unknown.err
    );
}
