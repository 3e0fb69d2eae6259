//! The studies of the laboratory.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::command;

#[test]
fn a_study_tells_its_claim_and_is_the_same_on_one_and_on_two_threads() {
    let folder = tempfile::tempdir().unwrap();
    let run = |out: &str, jobs: &str| -> Value {
        let arguments = [
            "lab",
            "randomize",
            "--repeats",
            "1",
            "--jobs",
            jobs,
            "--json",
            "--quiet",
            "--out",
            out,
        ];
        let done = command(folder.path(), &arguments).output().unwrap();
        assert!(matches!(done.status.code(), Some(0 | 1)), "{done:?}");
        let mut found: Value = serde_json::from_slice(&done.stdout).unwrap();
        let study = &mut found[0];
        assert_eq!(study["bears_out"], done.status.success());
        study["seconds"] = Value::Null;
        study["page"] = Value::Null;
        found
    };
    let one = run("one", "1");
    assert_eq!(one, run("two", "2"));
    let tests = one[0]["tests"].as_array().unwrap();
    // Random labels are learned by heart, and what is known of other pictures is lost: the heart of the claim.
    assert!(tests[0]["value"].as_f64().unwrap() > 0.99, "{one}");
    assert!(tests[2]["value"].as_f64().unwrap() < 0.2, "{one}");
    let page = std::fs::read_to_string(folder.path().join("one/lab.html")).unwrap();
    for part in ["random labels", "<svg", "claims"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(folder.path().join("one/randomize.json").exists());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (["lab", "--repeats", "0"], "repeats"),
        (["lab", "--jobs", "0"], "jobs"),
        (["lab", "astrology", "-q"], "astrology"),
        (["lab", "colorize", "-q"], "pictures in colour"),
    ] {
        let done = command(folder.path(), &arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        let text = String::from_utf8_lossy(&done.stderr);
        assert!(text.contains(said), "{text}");
    }
}
