//! `candor search`: designs for data, and searches over recorded results.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::{candor, untimed};

/// A table of 125 designs; one choice is empty where another one says so.
fn table() -> String {
    let mut text = String::from("kind,depth,width,rate,val,test,size\n");
    for kind in ["plain", "deep"] {
        for depth in 1..=4 {
            for width in [8, 16, 32, 64, 128] {
                for rate in [0.0, 0.1, 0.2, 0.4, 0.5] {
                    let deep = kind == "deep";
                    if !deep && depth > 1 {
                        continue;
                    }
                    let d = if deep { f64::from(depth) } else { 1.5 };
                    let val = 90.0
                        - (f64::from(width).log2() - 6.0).abs()
                        - (d - 3.0).abs()
                        - 4.0 * (rate - 0.2f64).abs();
                    let depth = if deep {
                        depth.to_string()
                    } else {
                        String::new()
                    };
                    let size = f64::from(width) * d * 10.0;
                    let _ = writeln!(
                        text,
                        "{kind},{depth},{width},{rate},{val},{},{size}",
                        val + 1.0
                    );
                }
            }
        }
    }
    text
}

const ROLES: [&str; 8] = [
    "--choices",
    "kind,depth,width,rate",
    "--score",
    "val",
    "--report",
    "test",
    "--cost",
    "size",
];

fn search(folder: &Path, file: &str, more: &[&str]) -> support::Said {
    let mut arguments = vec!["search", "--table", file];
    arguments.extend(ROLES);
    arguments.extend(more);
    candor(folder, &arguments)
}

#[test]
fn recorded_results_are_searched_by_every_sampler_the_same_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("t.csv"), table()).unwrap();
    let few = ["--evaluations", "40", "--seeds", "6", "--json"];
    let said = search(at, "t.csv", &[&few[..], &["--svg", "t.svg"]].concat());
    assert_eq!(said.status, 0, "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["designs"], 125);
    assert_eq!(found["samplers"].as_array().unwrap().len(), 7);
    let best = |name: &str| {
        let samplers = found["samplers"].as_array().unwrap();
        let of = samplers.iter().find(|s| s["sampler"] == name).unwrap();
        (
            of["report"].as_f64().unwrap(),
            of["hypervolume"].as_f64().unwrap(),
        )
    };
    assert!(
        best("auto").0 > 90.9,
        "the best design has 91: {:?}",
        best("auto")
    );
    assert!(best("auto").1 > best("random").1);
    let svg = std::fs::read_to_string(at.join("t.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<polyline").count() == 8);
    let again = search(at, "t.csv", &[&few[..], &["--jobs", "1"]].concat());
    assert_eq!(
        untimed(serde_json::from_str(&again.out).unwrap()),
        untimed(found)
    );
    let text = search(at, "t.csv", &["--seeds", "2", "--samplers", "auto,tpe"]);
    assert!(
        text.out.contains("sampler  reported") && text.out.lines().count() == 7,
        "{}",
        text.out
    );
}

#[test]
fn tables_that_cannot_be_searched_end_with_status_2_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let good = table();
    let mut twice = good.clone();
    twice += "plain,,8,0,1,2,3\n";
    let header = good.lines().next().unwrap();
    let files = [
        ("good.csv", good.clone()),
        ("twice.csv", twice),
        ("text.csv", good.replacen("85.2", "high", 1)),
        ("nan.csv", good.replacen(",87", ",NaN", 1)),
        ("one.csv", format!("{header}\nplain,,8,0,1,2,3\n")),
        ("header.csv", format!("{header}\n")),
        ("empty.csv", String::new()),
        ("ragged.csv", format!("{header}\nplain,,8\n")),
        ("binary.csv", "\u{0}\u{1}\u{2}".to_owned()),
    ];
    for (name, text) in &files {
        std::fs::write(at.join(name), text).unwrap();
    }
    std::fs::write(at.join("cut.csv.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    let cases: [(&str, &[&str], &str); 13] = [
        ("twice.csv", &[], "rows 1 and 126 hold the same design"),
        (
            "text.csv",
            &[],
            "must hold finite numbers, 1 of 125 cells do not",
        ),
        ("nan.csv", &[], "must hold finite numbers"),
        ("one.csv", &[], "holds 1 design"),
        ("header.csv", &[], "holds 0 design"),
        ("empty.csv", &[], "has no column"),
        ("ragged.csv", &[], "cannot read ragged.csv"),
        ("binary.csv", &[], "has no column"),
        ("cut.csv.gz", &[], "cannot read cut.csv.gz"),
        ("absent.csv", &[], "cannot read absent.csv"),
        (
            "good.csv",
            &["--evaluations", "100000000"],
            "holds 125 networks, but 100000000 evaluations",
        ),
        ("good.csv", &["--seeds", "0"], "0 seeds"),
        (
            "good.csv",
            &["--network", "siz"],
            "has no column `siz`; did you mean `size`?",
        ),
    ];
    for (file, more, problem) in cases {
        let said = search(at, file, more);
        assert_eq!(said.status, 2, "{file} {more:?}: {}{}", said.out, said.err);
        assert!(
            said.err.starts_with("error: ") && said.err.contains(problem),
            "{file}: {}",
            said.err
        );
        assert!(
            said.err.lines().count() >= 2,
            "{file} says not what to do: {}",
            said.err
        );
    }
    for arguments in [
        &["search"][..],
        &["search", "--table", "good.csv"],
        &["search", "--choices", "a"],
        &["search", "x.csv", "--table", "good.csv"],
        &["search", "@iris", "--seeds", "2"],
        &["search", "@iris", "--samplers", "auto", "--seeds", "0"],
    ] {
        assert_eq!(candor(at, arguments).status, 2, "{arguments:?}");
    }
}

#[test]
fn designs_are_searched_for_data_and_the_run_can_be_finished() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = candor(
        at,
        &[
            "search", "@iris", "--trials", "9", "--out", "run", "--json", "--quiet",
        ],
    );
    assert_eq!(said.status, 0, "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["leaderboard"].as_array().unwrap().len(), 9);
    assert!(!found["front"].as_array().unwrap().is_empty());
    assert!(at.join("run/4-designed/done.json").exists() && !at.join("run/5-trained").exists());
    let resumed = candor(at, &["resume", "run", "--quiet"]);
    assert!(
        resumed.status == 0 || resumed.status == 1,
        "{}",
        resumed.err
    );
    assert!(at.join("run/7-deployed").exists());
}

#[test]
fn only_models_that_are_asked_for_are_tried() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let search = |models: &str| {
        let fixed = ["search", "@iris", "--trials", "7", "--json", "--quiet"];
        let more = ["--out", models, "--models", models];
        candor(at, &[&fixed[..], &more[..]].concat())
    };
    let said = search("linear,mlp");
    assert_eq!(said.status, 0, "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let tried = found["leaderboard"].as_array().unwrap();
    let of = |model: &str| {
        tried
            .iter()
            .filter(|t| t["design"]["model"] == model)
            .count()
    };
    assert_eq!((tried.len(), of("linear"), of("mlp")), (7, 1, 6));
    for (models, problem) in [
        ("lineer,mlp", "did you mean `linear`?"),
        ("linear,trivial", "a search needs at least one of mlp"),
    ] {
        let said = search(models);
        assert_eq!(said.status, 2);
        assert!(said.err.contains(problem), "{}", said.err);
    }
}

#[test]
fn as_many_folds_as_are_asked_for_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let search = |folds: &str| {
        let fixed = [
            "search", "@iris", "--trials", "1", "--out", "run", "--quiet",
        ];
        candor(at, &[&fixed[..], &["--folds", folds]].concat())
    };
    for folds in ["0", "21"] {
        let said = search(folds);
        assert_eq!(said.status, 2);
        assert!(said.err.contains("from 1 to 20"), "{}", said.err);
    }
    let said = search("4");
    assert_eq!(said.status, 0, "{}", said.err);
    let prepared = std::fs::read(at.join("run/3-prepared/result.json")).unwrap();
    let prepared: Value = serde_json::from_slice(&prepared).unwrap();
    assert_eq!(prepared["split"]["folds"].as_array().unwrap().len(), 4);
}

#[test]
fn samplers_are_compared_on_data_and_a_comparison_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = || {
        let fixed = [
            "search",
            "@iris",
            "--samplers",
            "random,sobol",
            "--seeds",
            "2",
        ];
        let more = ["--trials", "2", "--out", "run", "--svg", "c.svg", "--json"];
        [&fixed[..], &more[..], &["--quiet"]].concat()
    };
    let compare = || {
        let said = candor(at, &arguments());
        assert_eq!(said.status, 0, "{}", said.err);
        serde_json::from_str::<Value>(&said.out).unwrap()
    };
    let found = compare();
    let searches = found["searches"].as_array().unwrap();
    let of: Vec<(&str, u64)> = searches
        .iter()
        .map(|s| (s["sampler"].as_str().unwrap(), s["seed"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        of,
        [("random", 0), ("random", 1), ("sobol", 0), ("sobol", 1)]
    );
    for search in searches {
        let jobs = search["jobs"].as_array().unwrap();
        assert_eq!(
            jobs.iter().map(|j| j["trial"].as_u64()).max(),
            Some(Some(1))
        );
    }
    assert_eq!(found["reached"].as_array().unwrap().len(), 2);
    for picture in ["c.svg", "c.seconds.svg"] {
        let svg = std::fs::read_to_string(at.join(picture)).unwrap();
        assert!(svg.contains(">sobol<") && svg.matches("<polyline").count() >= 3);
    }
    // One search is lost, the others are not done again.
    std::fs::remove_file(at.join("run/4-designed/sobol-1/search.json")).unwrap();
    let kept = at.join("run/4-designed/random-0/search.json");
    let before = kept.metadata().unwrap().modified().unwrap();
    let again = compare();
    assert_eq!(
        untimed(again.clone())["searches"],
        untimed(found.clone())["searches"]
    );
    assert_eq!(again["searches"][0], found["searches"][0]);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), before);
    // Other settings are another comparison.
    let mut other = arguments();
    other.extend(["--seed", "5"]);
    assert_eq!(candor(at, &other).status, 2);
}
