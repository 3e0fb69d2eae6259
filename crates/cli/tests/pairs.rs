//! Edges that are predicted, from a folder to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::candor;

/// A number that looks drawn, from 0 to 1, the same each time (the mixing steps of SplitMix64).
fn drawn(place: u64) -> f64 {
    let mut z = place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

const NODES: usize = 150;

/// Three blocks of nodes, mostly joined inside their own.
fn blocks(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut nodes = "id,size,secret\n".to_owned();
    let mut edges = "source,target\n".to_owned();
    for a in 0..NODES {
        let size = 100.0 * drawn(1_000_000 + a as u64);
        writeln!(nodes, "n{a},{size:.1},{}", a % 3).unwrap();
        for b in a + 1..NODES {
            let chance = if a % 3 == b % 3 { 0.2 } else { 0.01 };
            if drawn((a * NODES + b) as u64 + 1) < chance {
                writeln!(edges, "n{a},n{b}").unwrap();
            }
        }
    }
    std::fs::write(folder.join("nodes.csv"), nodes).unwrap();
    std::fs::write(folder.join("edges.csv"), edges).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn edges_of_a_graph_are_predicted_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    blocks(&at.join("blocks"));
    let check = candor(at, &["check", "blocks", "--target", "edges", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "graph_pairs");
    assert_eq!(
        checked["source"]["decision"]["target"]["classes"][1],
        "present"
    );

    let fit = candor(
        at,
        &[
            "fit", "blocks", "--target", "edges", "--ignore", "secret", "--metric", "roc_auc",
            "--trials", "6", "--out", "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "pairs of nodes",
        "edges rewired",
        "average_precision",
        "never one that it is judged on",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    assert!(
        !report.contains("secret</td><td"),
        "an ignored column is looked at"
    );
    let text = std::fs::read(at.join("r/6-challenged/result.json")).unwrap();
    let result: Value = serde_json::from_slice(&text).unwrap();
    let score = |name: &str| {
        let scores = result["scores"].as_array().unwrap();
        let found = scores.iter().find(|score| score["metric"] == name).unwrap();
        found["interval"]["estimate"].as_f64().unwrap()
    };
    // Who knew the blocks would reach 0.81: 91 % of edges lie inside them, and 28 % of the other pairs.
    assert!(score("roc_auc") > 0.72, "{}", score("roc_auc"));
    assert!(
        score("average_precision") > 0.65,
        "{}",
        score("average_precision")
    );
    let text = std::fs::read_to_string(at.join("r/4-designed/result.json")).unwrap();
    for model in ["common neighbours", "Adamic", "gradient boosting"] {
        assert!(text.contains(model), "{model}");
    }

    // Pairs by the ids of their nodes, whichever stands first; what is no pair of the graph gets an answer that says so.
    let mut pairs = "source,target\n".to_owned();
    let asked: Vec<(usize, usize)> = (0..40).map(|i| (3 * i, 3 * i + 3 + i % 3)).collect();
    for (a, b) in &asked {
        writeln!(pairs, "n{a},n{b}").unwrap();
    }
    pairs += "n3,n0\nn1,n1\nn1,n999\n";
    std::fs::write(at.join("asked.csv"), pairs).unwrap();
    let said = candor(at, &["predict", "r", "asked.csv", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out);
    let present = |row: usize| {
        answers[row]["prediction"]["probabilities"][1]
            .as_f64()
            .unwrap()
    };
    assert!((present(0) - present(40)).abs() < 1e-5);
    let mean = |inside: bool| {
        let rows = (0..40).filter(|row| (row % 3 == 0) == inside);
        let all: Vec<f64> = rows.map(present).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    assert!(
        mean(true) > mean(false) + 0.2,
        "{} {}",
        mean(true),
        mean(false)
    );
    assert!(
        answers[41].to_string().contains("one node"),
        "{}",
        answers[41]
    );
    assert!(
        answers[42].to_string().contains("`n999`"),
        "{}",
        answers[42]
    );
    let table = candor(at, &["predict", "r", "asked.csv"]);
    assert!(table.out.contains("n0 - n3"), "{}", table.out);

    for (source, part) in [("blocks", "pairs of nodes"), ("one.csv", "`source`")] {
        std::fs::write(at.join("one.csv"), "id\nn1\n").unwrap();
        let said = candor(at, &["predict", "r", source]);
        assert_eq!(said.status, 2, "{source}");
        assert!(said.err.contains(part), "{source}: {}", said.err);
    }
    let said = candor(at, &["explain", "r", "asked.csv", "--unit", "n0 - n3"]);
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains("not available for pairs of nodes"),
        "{}",
        said.err
    );
}

#[test]
fn graphs_whose_edges_cannot_be_predicted_end_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, nodes: usize, edge: &dyn Fn(usize, usize) -> bool| {
        let ids: String = (0..nodes)
            .map(|node| format!("{node},{}\n", node % 5))
            .collect();
        let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
        let edges: String = pairs
            .filter(|(a, b)| edge(*a, *b))
            .map(|(a, b)| format!("{a},{b}\n"))
            .collect();
        std::fs::create_dir(at.join(name)).unwrap();
        std::fs::write(at.join(name).join("nodes.csv"), format!("id,size\n{ids}")).unwrap();
        std::fs::write(at.join(name).join("edges.csv"), format!("a,b\n{edges}")).unwrap();
    };
    write("few", 30, &|a, b| b == a + 1 && a < 8);
    write("whole", 30, &|_, _| true);
    write("good", 30, &|a, b| b == a + 1);
    for (source, more, part) in [
        ("few", &[][..], "20 is the fewest"),
        ("whole", &[][..], "20 is the fewest"),
        ("good", &["--task", "regression"][..], "edges"),
        ("good", &["--ignore", "colour"][..], "`colour`"),
        ("good", &["--metric", "rmse"][..], "rmse"),
    ] {
        let fit = [
            "fit", source, "--target", "edges", "--trials", "2", "--out", "r",
        ];
        let said = candor(at, &[&fit[..], more].concat());
        assert_eq!(said.status, 2, "{source}: {}", said.err);
        assert!(said.err.contains(part), "{source}: {}", said.err);
        let _ = std::fs::remove_dir_all(at.join("r"));
    }
}
