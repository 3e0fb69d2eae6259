//! The commands one after the other, as a newcomer uses them.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use serde_json::Value;
use support::{candor, command, result_of};

#[test]
fn a_run_can_be_looked_at_and_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = candor(
        at,
        &["fit", "@iris", "--trials", "4", "--json", "--out", "r"],
    );
    assert_eq!(said.status, 0, "{}", said.err);
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    let score = summary["score"][0].as_f64().unwrap();
    assert!(score < 0.3, "log loss {score}");
    assert!(at.join("r/report.html").is_file());

    // The bundle needs neither the run nor the data.
    let alone = tempfile::tempdir().unwrap();
    copy(&at.join("r/7-deployed/bundle"), &alone.path().join("b"));
    let csv = candor(alone.path(), &["predict", "b", "@iris"]);
    assert_eq!(csv.status, 0, "{}", csv.err);
    let lines: Vec<&str> = csv.out.lines().collect();
    assert_eq!(lines.len(), 151);
    assert!(
        lines[0].starts_with("row,prediction,probability_setosa,"),
        "{}",
        lines[0]
    );
    assert_eq!(csv.out, candor(at, &["predict", "r", "@iris"]).out);
    let json = candor(at, &["predict", "r", "@iris", "--format", "json"]);
    let answers: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    assert_eq!(answers.len(), 150);
    assert_eq!(
        candor(at, &["predict", "r", "@iris", "--out", "a.parquet"]).status,
        0
    );
    assert_eq!(&std::fs::read(at.join("a.parquet")).unwrap()[..4], b"PAR1");

    let said = candor(at, &["explain", "r", "@iris", "--unit", "1"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(said.err.contains("not available for rows"), "{}", said.err);

    let board = candor(at, &["leaderboard", "r", "--json"]);
    let board: Value = serde_json::from_str(&board.out).unwrap();
    assert_eq!(board.as_array().map(Vec::len), Some(4));
    for arguments in [
        &["report", "r"][..],
        &["runs", "."],
        &["leaderboard", "r"],
        &["resume", "r"],
    ] {
        let said = candor(at, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {}", said.err);
        assert!(!said.out.trim().is_empty(), "{arguments:?}");
    }

    let again = candor(at, &["fit", "@iris", "--trials", "4", "--out", "r"]);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("candor resume r"), "{}", again.err);
}

#[test]
fn the_same_seed_gives_the_same_result_with_one_job_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fit = |jobs: &str, seed: &str, out: &str| {
        let arguments = [
            "fit", "@iris", "--trials", "9", "--jobs", jobs, "--seed", seed, "--out", out, "-q",
        ];
        let said = candor(at, &arguments);
        assert!(said.status <= 1, "{}", said.err);
        (
            result_of(&at.join(out)),
            candor(at, &["predict", out, "@iris"]).out,
        )
    };
    let one = fit("1", "7", "one");
    let two = fit("2", "7", "two");
    assert_eq!(one.0, two.0);
    assert_eq!(one.1, two.1, "predictions");
    assert_ne!(one.1, fit("2", "8", "other").1, "the seed changes nothing");
}

#[test]
fn a_gate_that_fails_ends_with_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "fit",
        "@iris",
        "--trials",
        "2",
        "--set",
        "gates.better_p=0",
        "--out",
        "r",
    ];
    let said = candor(folder.path(), &arguments);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.out.contains("FAIL generalisation"), "{}", said.out);
}

#[test]
fn ctrl_c_ends_with_status_130_and_resume_gives_what_an_uninterrupted_run_gives() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fit = |out| ["fit", "@iris", "--trials", "7", "--out", out];
    assert!(candor(at, &fit("whole")).status <= 1);
    let mut child = command(at, &fit("stopped")).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("trial 1:"))
        .unwrap();
    signal(&child, "INT");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{rest:?}");
    assert!(
        rest.iter().any(|l| l.contains("candor resume stopped")),
        "{rest:?}"
    );
    assert!(candor(at, &["resume", "stopped"]).status <= 1);
    assert_eq!(result_of(&at.join("whole")), result_of(&at.join("stopped")));
}

#[test]
fn the_service_answers_as_predict_does_and_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(candor(at, &["fit", "@iris", "--trials", "3", "--out", "r"]).status <= 1);
    let arguments = ["serve", "r", "--address", "127.0.0.1:0", "--body", "1"];
    let mut child = command(at, &arguments).spawn().unwrap();
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .unwrap()
        .to_owned();
    let post = |kind: &str, body: &str| request(&address, "POST", "/predict", kind, body);

    let row = r#"{"sepal length (cm)":5.1,"sepal width (cm)":3.5,"petal length (cm)":1.4,"petal width (cm)":0.2}"#;
    let (status, body) = post("application/json", &format!(r#"{{"rows":[{row},{row}]}}"#));
    assert_eq!(status, 200, "{body}");
    let answers: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answers["answers"][0]["prediction"]["class"], "setosa");
    let csv =
        "petal width (cm),petal length (cm),sepal width (cm),sepal length (cm)\n0.2,1.4,3.5,5.1\n";
    let (status, body) = post("text/csv", csv);
    assert_eq!(status, 200, "{body}");
    let same: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(same["answers"][0], answers["answers"][0]);

    for (kind, body, part) in [
        ("application/json", "{", "not JSON"),
        ("application/json", "{}", "no array"),
        ("application/json", "[]", "no rows"),
        ("application/json", "[1]", "row 1"),
        ("application/json", r#"[{"a":1}]"#, "sepal length (cm)"),
        (
            "application/json",
            r#"[{"sepal length (cm)":[1]}]"#,
            "row 1, column",
        ),
        ("text/csv", "", "the body"),
    ] {
        let (status, said) = post(kind, body);
        assert_eq!(status, 400, "{body}: {said}");
        assert!(
            said.contains(part) && said.contains("hints"),
            "{body}: {said}"
        );
    }
    let (status, _) = post("application/json", &" ".repeat(2 << 20));
    assert_eq!(status, 413);
    let get = |path| request(&address, "GET", path, "text/plain", "");
    assert_eq!(get("/health").0, 200);
    assert!(get("/model").1.contains("petal width (cm)"));
    let metrics = get("/metrics").1;
    assert!(metrics.contains("candor_rows_total 3"), "{metrics}");
    assert_eq!(get("/nothing").0, 404);

    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn request(address: &str, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A service that refuses a body may close before it has read all of it.
    let _ = stream.write_all(body.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
