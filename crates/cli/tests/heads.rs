//! The tasks and heads beyond classes and normal distributions: several labels at a time, and quantiles of numbers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::{candor, result_of};

/// Numbers from 0 to 1 that look drawn, the same each time (the mixing steps of SplitMix64).
struct Drawn(u64);

impl Drawn {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Labels `a` (the sign of x, with noise), `b` (known in two rows of three) and `c` (rare), and a column of numbers that follow x.
fn labels(rows: usize) -> String {
    let mut drawn = Drawn(3);
    let mut text = "x,z,kind,a,b,c\n".to_owned();
    for i in 0..rows {
        let [x, z, noise] = [(); 3].map(|()| drawn.next() - 0.5);
        let kind = ["p", "q", "r"][(3.0 * drawn.next()) as usize];
        let bit = |yes: bool| if yes { "1" } else { "0" };
        let b = if i % 3 == 0 { "" } else { bit(x + z > 0.0) };
        let (a, c) = (bit(x + 0.2 * noise > 0.0), bit(kind == "p" && z > 0.2));
        let z = 3.0 * x + z;
        writeln!(text, "{x:.4},{z:.4},{kind},{a},{b},{c}").unwrap();
    }
    text
}

/// `y = x + (1/2 + x) E` with `E` exponential.
fn skewed(rows: usize) -> String {
    let mut drawn = Drawn(4);
    let mut text = "x,z,y\n".to_owned();
    for _ in 0..rows {
        let [x, z, u] = [(); 3].map(|()| drawn.next());
        let y = x - (0.5 + x) * (1.0 - u).ln();
        writeln!(text, "{x:.4},{:.4},{y:.4}", x + 0.2 * z).unwrap();
    }
    text
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn several_labels_go_from_the_table_to_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("t.csv"), labels(300)).unwrap();
    let fit = |jobs: &str, out: &str| {
        let arguments = [
            "fit", "t.csv", "--target", "a,b,c", "--trials", "5", "--jobs", jobs, "--out", out,
        ];
        let said = candor(at, &arguments);
        assert!(said.status <= 1, "{}", said.err);
        assert!(said.err.contains("(multilabel)"), "{}", said.err);
        result_of(&at.join(out))
    };
    let judged = fit("1", "r").pop().unwrap();
    assert_eq!(
        fit("2", "s").pop().unwrap(),
        judged,
        "another number of jobs"
    );
    let score = |name: &str| {
        let scores = judged["scores"].as_array().unwrap();
        let found = scores.iter().find(|s| s["metric"] == name);
        found.unwrap()["interval"]["estimate"].as_f64().unwrap()
    };
    assert!(score("roc_auc") > 0.9 && score("f1") > 0.6, "{judged}");
    assert!(
        score("log_loss") < 0.4 && score("accuracy") > 0.85,
        "{judged}"
    );
    // Each label by itself, and the promise kept.
    let slices = judged["coverage"]["slices"].as_array().unwrap();
    let of_label = |name: &str| {
        slices
            .iter()
            .any(|s| s["kind"] == "target" && s["name"] == name)
    };
    assert!(["a", "b", "c"].into_iter().all(of_label), "{slices:?}");
    let verdicts = judged["verdicts"].as_array().unwrap();
    let outcome = |name: &str| {
        let found = verdicts.iter().find(|v| v["challenge"] == name);
        found.unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    for name in ["generalisation", "calibration", "coverage", "memorisation"] {
        assert_eq!(outcome(name), "pass", "{name}: {judged}");
    }
    // Silence is kept label by label, which is said.
    assert_eq!(outcome("abstention"), "not_applicable");

    let csv = candor(at, &["predict", "r", "t.csv"]);
    assert_eq!(csv.status, 0, "{}", csv.err);
    let header = csv.out.lines().next().unwrap();
    let columns = "row,prediction_a,probability_a,set_a,prediction_b,probability_b,set_b,prediction_c,probability_c,set_c,\
                   listed,confidence,uncertainty,aleatoric,epistemic,strangeness_p,abstained,reason";
    assert_eq!(header, columns);
    assert_eq!(csv.out, candor(at, &["predict", "s", "t.csv"]).out);
    let json = candor(at, &["predict", "r", "t.csv", "--format", "json"]);
    let answers: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    for (answer, line) in answers.iter().zip(csv.out.lines().skip(1)) {
        let said = &answer["prediction"];
        let first = said["probabilities"][0].as_f64().unwrap();
        assert_eq!(said["values"][0] == "1", first > 0.5, "{answer}");
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[2].parse::<f64>().unwrap(), first);
        let parts = ["aleatoric", "epistemic", "uncertainty"].map(|p| answer[p].as_f64().unwrap());
        assert!((parts[0] + parts[1] - parts[2]).abs() < 1e-9, "{answer}");
    }
    let card = std::fs::read_to_string(at.join("r/7-deployed/bundle/model-card.md")).unwrap();
    assert!(card.contains("Labels: `1` where one applies"), "{card}");
    assert!(card.contains("lack some of the labels"), "{card}");
}

#[test]
fn quantiles_are_chosen_where_the_noise_is_skewed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("t.csv"), skewed(500)).unwrap();
    let fit = |jobs: &str, out: &str| {
        let arguments = [
            "fit", "t.csv", "--target", "y", "--metric", "crps", "--trials", "10", "--jobs", jobs,
            "--out", out,
        ];
        let said = candor(at, &arguments);
        assert!(said.status <= 1, "{}", said.err);
        result_of(&at.join(out))
    };
    let (first, second) = (fit("1", "r"), fit("2", "s"));
    assert_eq!(first, second, "another number of jobs");
    let [_, trained, judged] = first.try_into().unwrap();
    let voices = trained["ensemble"].as_array().unwrap();
    let names: Vec<&str> = voices.iter().filter_map(|v| v["name"].as_str()).collect();
    assert!(names.contains(&"MLP with quantiles"), "{names:?}");
    let bundle = read(&at.join("r/7-deployed/bundle/bundle.json"));
    assert_eq!(
        bundle["parts"]["conformal"]["kind"], "quantile_regressor",
        "{bundle}"
    );
    let verdicts = judged["verdicts"].as_array().unwrap();
    for name in ["generalisation", "baselines", "calibration", "coverage"] {
        let found = verdicts.iter().find(|v| v["challenge"] == name);
        assert_eq!(found.unwrap()["outcome"], "pass", "{name}: {judged}");
    }
    let json = candor(at, &["predict", "r", "t.csv", "--format", "json"]);
    let answers: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    // The upper side of the interval is the longer one, as the noise is.
    let longer = answers.iter().filter(|answer| {
        let said = &answer["prediction"];
        let mean = said["mean"][0].as_f64().unwrap();
        let [low, high] = [0, 1].map(|i| said["interval"][0][i].as_f64().unwrap());
        high - mean > mean - low
    });
    assert!(longer.count() * 10 > answers.len() * 9);
    let csv = |run| candor(at, &["predict", run, "t.csv"]).out;
    assert_eq!(csv("r"), csv("s"));
}

#[test]
fn targets_that_make_no_task_end_with_status_2_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table = labels(60);
    let with_column = |name: &str, cell: &dyn Fn(usize) -> String| {
        let lines = table.lines().enumerate();
        let line = |(i, line): (usize, &str)| match i {
            0 => format!("{line},{name}\n"),
            _ => format!("{line},{}\n", cell(i)),
        };
        lines.map(line).collect::<String>()
    };
    let plain = || with_column("d", &|i| (i % 2).to_string());
    // Table, target and further arguments, a part of the message, a part of the hint.
    let cases: [(String, &[&str], &str, &str); 9] = [
        (plain(), &["a,a"], "`a` is named twice", "target"),
        (
            plain(),
            &["a,x"],
            "`a` has two values, as a label has, `x` has",
            "labels",
        ),
        (plain(), &["a,nowhere"], "nowhere", "the columns are"),
        (
            with_column("d", &|_| "1".into()),
            &["a,d"],
            "target `d` is always `1`",
            "another target",
        ),
        (
            with_column("d", &|_| String::new()),
            &["a,d"],
            "target `d` has no usable value",
            "another target",
        ),
        (
            with_column("d", &|i| ["no", "yes"][i % 2].into()),
            &["a,d"],
            "the same two values",
            "labels",
        ),
        (
            plain(),
            &["a,kind", "--task", "multilabel"],
            "it has 3 distinct values; a label has two",
            "--task",
        ),
        (
            plain(),
            &["a", "--task", "multilabel"],
            "name several",
            "--task",
        ),
        (
            plain(),
            &["a,d", "--metric", "rmse"],
            "rmse does not judge a multilabel task",
            "--help",
        ),
    ];
    for (i, (table, arguments, message, hint)) in cases.into_iter().enumerate() {
        let run = format!("r{i}");
        std::fs::write(at.join("t.csv"), table).unwrap();
        for command in ["fit", "check"] {
            if command == "check" && arguments.contains(&"--metric") {
                continue;
            }
            let mut all = vec![command, "t.csv", "--target"];
            all.extend(arguments);
            if command == "fit" {
                all.extend(["--trials", "1", "--out", &run]);
            }
            let said = candor(at, &all);
            assert_eq!(said.status, 2, "{all:?}: {}\n{}", said.out, said.err);
            assert!(
                said.err.contains(message) && said.err.contains(hint),
                "{all:?}: {}",
                said.err
            );
        }
    }
}

#[test]
fn of_two_columns_of_one_name_the_first_is_the_target_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let table = labels(60).replacen("a,b,c", "a,a,c", 1);
    std::fs::write(folder.path().join("t.csv"), table).unwrap();
    let said = candor(folder.path(), &["check", "t.csv", "--target", "a,c"]);
    assert_eq!(said.status, 0, "{}", said.err);
    for part in [
        "name already used were called `a_2`",
        "target: a, c (multilabel)",
    ] {
        assert!(said.out.contains(part), "{}", said.out);
    }
}
