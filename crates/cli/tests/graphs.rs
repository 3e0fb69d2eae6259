//! Graphs, from a folder to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::{candor, parts_known_from_foreign, result_of};

/// Numbers that look drawn, the same each time (the mixing steps of SplitMix64).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Two blocks of nodes. `joined`: edges tell the block and features hardly do; else features tell it and edges join anybody.
fn two_blocks(folder: &Path, nodes: usize, joined: bool) {
    let mut drawn = Drawn(5);
    std::fs::create_dir_all(folder).unwrap();
    let mut table = "name,size,colour,block\n".to_owned();
    let block = |node: usize| node % 2;
    for node in 0..nodes {
        let told = if joined { 20 } else { 300 };
        let size = told * block(node) + drawn.below(100);
        let colour = ["red", "green", "blue"][drawn.below(3)];
        let class = ["left", "right"][block(node)];
        writeln!(table, "n{node},{size},{colour},{class}").unwrap();
    }
    std::fs::write(folder.join("nodes.csv"), table).unwrap();
    let mut edges = "source,target\n".to_owned();
    for node in 0..nodes {
        for _ in 0..4 {
            let other = drawn.below(nodes / 2) * 2;
            let other = match joined && drawn.below(10) > 0 {
                true => other + block(node),
                false => other + drawn.below(2),
            };
            writeln!(edges, "n{node},n{other}").unwrap();
        }
    }
    std::fs::write(folder.join("edges.csv"), edges).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The validation score of the best trial of some models.
fn best(run: &Path, models: &[&str]) -> f64 {
    let text = std::fs::read(run.join("4-designed/result.json")).unwrap();
    let board: Value = serde_json::from_slice(&text).unwrap();
    let trials = board["leaderboard"].as_array().unwrap().iter();
    let of = trials.filter(|trial| {
        let model = trial["design"]["model"].as_str().unwrap_or_default();
        models.contains(&model) && trial["complete"] == true
    });
    // A log loss: less is better.
    of.filter_map(|trial| trial["score"].as_f64())
        .fold(f64::INFINITY, f64::min)
}

const ON_EDGES: [&str; 6] = ["gcn", "sage", "gatv2", "gin", "appnp", "gcnii"];

#[test]
fn a_folder_of_nodes_and_edges_becomes_a_model_that_owes_its_answers_to_the_edges() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    two_blocks(&at.join("blocks"), 240, true);
    // A picture beside them does not make it a folder of pictures.
    std::fs::write(at.join("blocks/plot.bmp"), b"BM nothing more").unwrap();
    let check = candor(at, &["check", "blocks", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "graph");
    assert!(check.out.contains("homophily"), "{}", check.out);

    let fit = candor(
        at,
        &[
            "fit", "blocks", "--trials", "6", "--seed", "2", "--out", "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in ["240 nodes", "edges rewired", "label propagation"] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    let (with, without) = (
        best(&at.join("r"), &ON_EDGES),
        best(&at.join("r"), &["mlp", "linear"]),
    );
    assert!(with < 0.7 * without, "with edges {with}, without {without}");

    // All nodes of a source, read anew.
    let said = candor(at, &["predict", "r", "blocks", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = &json(&said.out)["answers"];
    let answers = answers.as_array().unwrap();
    let right = answers
        .iter()
        .enumerate()
        .filter(|(node, answer)| answer["prediction"]["class"] == ["left", "right"][node % 2]);
    assert!(right.count() >= 216, "of 240 nodes");

    // Single nodes of the graph that was learned from, by their ids.
    std::fs::write(at.join("asked.csv"), "name\nn7\nn4\n").unwrap();
    let said = candor(at, &["predict", "r", "asked.csv", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let asked = &json(&said.out)["answers"];
    for (place, node) in [(0, 7), (1, 4)] {
        let (here, there) = (&asked[place]["prediction"], &answers[node]["prediction"]);
        assert_eq!(here["class"], there["class"]);
    }
    std::fs::write(at.join("unknown.csv"), "name\nn7\nn999\n").unwrap();
    let said = candor(at, &["predict", "r", "unknown.csv"]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("`n999`"), "{}", said.err);

    explanations_name_edges_of_the_node(at);

    // A graph of something else: other sizes, a colour that was never seen, and everybody joined to a few.
    let foreign = at.join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    let (mut nodes, mut edges) = (
        "name,size,colour,block\n".to_owned(),
        "source,target\n".to_owned(),
    );
    for node in 0..40 {
        writeln!(nodes, "f{node},{},violet,", 900 + 31 * node).unwrap();
        (0..4).for_each(|hub| writeln!(edges, "f{node},f{}", (node + hub * 7 + 1) % 40).unwrap());
    }
    std::fs::write(foreign.join("nodes.csv"), nodes).unwrap();
    std::fs::write(foreign.join("edges.csv"), edges).unwrap();
    parts_known_from_foreign(at, "r", "blocks", "foreign");

    // A source that has nodes that were not there in training.
    let grown = at.join("grown");
    two_blocks(&grown, 260, true);
    let said = candor(at, &["predict", "r", "grown"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("n259"), "{}", said.out);
}

/// Of node `n7` in `blocks`, by the model in `r`.
fn explanations_name_edges_of_the_node(at: &Path) {
    let ask = [
        "explain", "r", "blocks", "--unit", "n7", "--draw", "pictures",
    ];
    let said = candor(at, &[&ask[..], &["--json"]].concat());
    assert_eq!(said.status, 0, "{}", said.err);
    let explained = &json(&said.out)[0];
    assert_eq!(explained["answer"]["row"], 8);
    assert_eq!(explained["what"], "probability that block is right");
    let explanation = &explained["explanation"];
    assert_eq!(explanation["unit"], "n7");
    let share = explanation["masked_share"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 1.0, "{share}");
    let listed = std::fs::read_to_string(at.join("blocks/edges.csv")).unwrap();
    let edges = explanation["edges"].as_array().unwrap();
    let worths: Vec<f64> = edges.iter().filter_map(|e| e["worth"].as_f64()).collect();
    assert!(worths.is_sorted_by(|a, b| a >= b) && worths[0] > 0.3 && worths[0] <= 1.0);
    for edge in edges {
        let [a, b] = [0, 1].map(|end| edge["between"][end].as_str().unwrap());
        let [there, back] = [format!("{a},{b}\n"), format!("{b},{a}\n")];
        assert!(listed.contains(&there) || listed.contains(&back), "{edge}");
    }
    // Most of what the first edges hold speaks for the class that is said.
    let effects = edges.iter().filter_map(|e| e["effect"].as_f64());
    assert!(effects.sum::<f64>() > 0.0, "{edges:?}");
    let features = explanation["features"].as_array().unwrap();
    let mut names: Vec<&str> = features.iter().filter_map(|f| f["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["colour", "size"]);
    let picture = std::fs::read_to_string(at.join("pictures/row-8.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains(">n7<"));

    let text = candor(at, &[&ask[..5], &["--by", "left"]].concat());
    assert_eq!(text.status, 0, "{}", text.err);
    for part in ["n7: right", "block is left", "worth", "colour"] {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    // By its id, of the graph that the bundle keeps.
    std::fs::write(at.join("one.csv"), "name\nn7\n").unwrap();
    let kept = candor(at, &["explain", "r", "one.csv", "--unit", "n7", "--json"]);
    assert_eq!(
        json(&kept.out)[0]["explanation"]["edges"],
        explanation["edges"]
    );
    for (unit, by, part) in [
        ("7", "left", "`7` is none of"),
        ("n7", "up", "`up` is none of"),
    ] {
        let said = candor(at, &["explain", "r", "blocks", "--unit", unit, "--by", by]);
        assert_eq!(said.status, 2);
        assert!(said.err.contains(part), "{}", said.err);
    }
}

#[test]
fn where_edges_join_anybody_the_search_finds_that_none_are_better() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    two_blocks(&at.join("crowd"), 240, false);
    let fit = candor(at, &["fit", "crowd", "--trials", "6", "--out", "r"]);
    assert!(fit.status <= 1, "{}", fit.err);
    let (gcn, mlp) = (best(&at.join("r"), &["gcn"]), best(&at.join("r"), &["mlp"]));
    assert!(
        mlp < 0.8 * gcn,
        "without edges {mlp}, with graph convolution {gcn}"
    );
    assert!(fit.err.contains("as often as by chance"), "{}", fit.err);
}

#[test]
fn the_same_seed_gives_the_same_networks_with_one_job_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    two_blocks(&at.join("blocks"), 80, true);
    for jobs in ["1", "2"] {
        let out = format!("r{jobs}");
        let fit = candor(
            at,
            &[
                "fit", "blocks", "--trials", "5", "--jobs", jobs, "--out", &out,
            ],
        );
        assert!(fit.status <= 1, "{}", fit.err);
    }
    assert_eq!(result_of(&at.join("r1")), result_of(&at.join("r2")));
}

#[test]
fn parts_that_a_column_names_are_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    two_blocks(&at.join("blocks"), 120, true);
    let path = at.join("blocks/nodes.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut parted = format!("{},split\n", lines.next().unwrap());
    for (node, line) in lines.enumerate() {
        let part = ["train", "val", "test", ""][(node / 2) % 4];
        writeln!(parted, "{line},{part}").unwrap();
    }
    std::fs::write(&path, parted).unwrap();
    let fit = candor(at, &["fit", "blocks", "--trials", "4", "--out", "r"]);
    assert!(fit.status <= 1, "{}", fit.err);
    let text = std::fs::read(at.join("r/3-prepared/result.json")).unwrap();
    let prepared: Value = serde_json::from_slice(&text).unwrap();
    let split = &prepared["split"];
    assert_eq!(split["rule"], "given");
    let test: Vec<u64> = split["test"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let expected: Vec<u64> = (0..120).filter(|node| (node / 2) % 4 == 2).collect();
    assert_eq!(test, expected);
    assert_eq!(split["folds"][0]["train"].as_array().unwrap().len(), 30);
    let other = ["fit", "blocks", "--folds", "3", "--trials", "1"];
    let other = candor(at, &[&other[..], &["--out", "other"]].concat());
    assert_eq!(other.status, 2);
    assert!(other.err.contains("the source says"), "{}", other.err);
}

#[test]
fn graphs_that_cannot_be_used_end_with_status_2_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, nodes: &str, edges: &str| {
        std::fs::create_dir(at.join(name)).unwrap();
        std::fs::write(at.join(name).join("nodes.csv"), nodes).unwrap();
        std::fs::write(at.join(name).join("edges.csv"), edges).unwrap();
    };
    let many: String = (0..30).map(|i| format!("{i},{}\n", i % 7)).collect();
    let nodes = format!("id,size\n{many}");
    let unlabelled: String = (0..30).map(|i| format!("{i},{},\n", i % 7)).collect();
    write("dangling", &nodes, "a,b\n1,2\n3,99\n");
    write("empty", "id,size\n", "a,b\n1,2\n");
    write(
        "unlabelled",
        &format!("id,size,label\n{unlabelled}"),
        "a,b\n1,2\n2,3\n",
    );
    write("twice", &format!("{nodes}7,1\n"), "a,b\n1,2\n2,3\n");
    write("alone", &nodes, "a,b\n1,1\n");
    write("half", &nodes, "a,b\n1,2\n");
    std::fs::remove_file(at.join("half/edges.csv")).unwrap();
    for (source, part) in [
        ("dangling", "`99`"),
        ("empty", "no rows"),
        ("unlabelled", "`label`"),
        ("twice", "`7`"),
        ("alone", "no edge"),
        ("half", "none of edges"),
    ] {
        let said = candor(
            at,
            &[
                "fit",
                source,
                "--trials",
                "2",
                "--out",
                &format!("r-{source}"),
            ],
        );
        assert_eq!(said.status, 2, "{source}: {}", said.err);
        assert!(said.err.contains(part), "{source}: {}", said.err);
        // What to do stands below.
        assert!(said.err.contains("\n  "), "{source}: {}", said.err);
    }
}

/// Rings of six nodes, and pairs of triangles, each with a tail; the element of a node says nothing.
fn rings(folder: &Path, graphs: usize) {
    let mut drawn = Drawn(9);
    std::fs::create_dir_all(folder).unwrap();
    let mut table = "id,kind\n".to_owned();
    let mut nodes = "graph,id,element\n".to_owned();
    let mut edges = "graph,source,target\n".to_owned();
    for graph in 0..graphs {
        writeln!(table, "g{graph},{}", ["ring", "triangles"][graph % 2]).unwrap();
        let count = 7 + drawn.below(4);
        for node in 0..count {
            let element = ["C", "N", "O"][drawn.below(3)];
            writeln!(nodes, "g{graph},{node},{element}").unwrap();
        }
        let next = |node: usize| match graph % 2 {
            0 => (node + 1) % 6,
            _ => node / 3 * 3 + (node + 1) % 3,
        };
        for node in 0..6 {
            writeln!(edges, "g{graph},{node},{}", next(node)).unwrap();
        }
        for node in 6..count {
            writeln!(
                edges,
                "g{graph},{node},{}",
                if node == 6 { 0 } else { node - 1 }
            )
            .unwrap();
        }
    }
    std::fs::write(folder.join("graphs.csv"), table).unwrap();
    std::fs::write(folder.join("nodes.csv"), nodes).unwrap();
    std::fs::write(folder.join("edges.csv"), edges).unwrap();
}

#[test]
fn a_folder_of_many_graphs_becomes_a_model_of_graphs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    rings(&at.join("rings"), 120);
    let fit = candor(at, &["fit", "rings", "--trials", "4", "--out", "r"]);
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in ["in 120 graphs", "edges rewired", "on the shape of graphs"] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    // Other graphs, of which one has no node.
    rings(&at.join("more"), 130);
    let path = at.join("more/graphs.csv");
    let table = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{table}bare,ring\n")).unwrap();
    let said = candor(at, &["predict", "r", "more", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = &json(&said.out)["answers"];
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 131);
    let right = answers[..130].iter().enumerate().filter(|(graph, answer)| {
        answer["prediction"]["class"] == ["ring", "triangles"][graph % 2]
    });
    assert!(right.count() >= 117, "of 130 graphs");
    assert!(
        answers[130].to_string().contains("no node"),
        "{}",
        answers[130]
    );
    let said = candor(at, &["explain", "r", "rings", "--unit", "g3", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let explanation = &json(&said.out)[0]["explanation"];
    let between = explanation["edges"][0]["between"][0].as_str().unwrap();
    assert!(between.starts_with("node "), "{explanation}");
    assert_eq!(explanation["features"][0]["name"], "element");
    let said = candor(at, &["explain", "r", "more", "--unit", "bare"]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("no node"), "{}", said.err);
    // Graphs of something else: stars, long chains and crowds, of elements that were never seen.
    let (mut table, mut nodes, mut edges) = (
        "id,kind\n".to_owned(),
        "graph,id,element\n".to_owned(),
        "graph,source,target\n".to_owned(),
    );
    for graph in 0..30 {
        writeln!(table, "f{graph},").unwrap();
        let count = 30 + graph;
        for node in 0..count {
            writeln!(nodes, "f{graph},{node},{}", ["Fe", "U"][node % 2]).unwrap();
            let joined: &[usize] = match graph % 3 {
                0 => &[0],
                1 => &[node.saturating_sub(1)],
                _ => &[node / 2, node / 3, node / 5],
            };
            for to in joined.iter().filter(|to| **to != node) {
                writeln!(edges, "f{graph},{node},{to}").unwrap();
            }
        }
    }
    std::fs::create_dir(at.join("foreign")).unwrap();
    for (name, text) in [("graphs", table), ("nodes", nodes), ("edges", edges)] {
        std::fs::write(at.join(format!("foreign/{name}.csv")), text).unwrap();
    }
    parts_known_from_foreign(at, "r", "rings", "foreign");

    // A table of rows is no folder of graphs.
    let said = candor(at, &["predict", "r", "more/graphs.csv"]);
    assert_eq!(said.status, 2, "{}", said.out);
}
