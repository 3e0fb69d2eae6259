//! Calls of the binary, as a person makes them.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses some of it; a helper that panics fails its test.

use std::path::Path;
use std::process::{Command, Stdio};

pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end. It must never panic.
pub fn candor(folder: &Path, arguments: &[&str]) -> Said {
    let output = command(folder, arguments).output().unwrap();
    let said = Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(
        !said.err.contains("panicked") && said.status >= 0,
        "{arguments:?}: status {}\n{}",
        said.status,
        said.err
    );
    said
}

/// A value without the times in it.
pub fn untimed(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(object) => {
            object.remove("seconds");
            let inner = std::mem::take(object);
            serde_json::Value::Object(inner.into_iter().map(|(k, v)| (k, untimed(v))).collect())
        }
        serde_json::Value::Array(items) => {
            serde_json::Value::Array(std::mem::take(items).into_iter().map(untimed).collect())
        }
        _ => value,
    }
}

/// What a run must give again, whatever happened on the way: leaderboard, ensemble, verdicts.
pub fn result_of(run: &Path) -> Vec<serde_json::Value> {
    ["4-designed", "5-trained", "6-challenged"]
        .iter()
        .map(|step| {
            let text = std::fs::read(run.join(step).join("result.json")).unwrap();
            untimed(serde_json::from_slice(&text).unwrap())
        })
        .collect()
}

/// What the model in `run` says of a source. Every modality's answers carry the same fields.
pub fn answers(folder: &Path, run: &str, source: &str) -> Vec<serde_json::Value> {
    let said = candor(folder, &["predict", run, source, "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let mut whole: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let serde_json::Value::Array(answers) = whole["answers"].take() else {
        panic!("no answers: {}", said.out);
    };
    for answer in answers.iter().filter(|a| a["abstained"] != "unreadable") {
        let number = |value: &serde_json::Value| value.as_f64().filter(|v| v.is_finite());
        for field in ["confidence", "uncertainty", "aleatoric", "epistemic"] {
            assert!(number(&answer[field]).is_some(), "`{field}`: {answer}");
        }
        let parts = number(&answer["aleatoric"]).zip(number(&answer["epistemic"]));
        let sum = parts.map(|(a, e)| a + e).unwrap();
        let whole = number(&answer["uncertainty"]).unwrap();
        assert!(
            (sum - whole).abs() <= 1e-6 * whole.abs().max(1.0),
            "{answer}"
        );
        let strangeness = &answer["strangeness"];
        assert!(number(&strangeness["score"]).is_some(), "{answer}");
        let p = number(&strangeness["p_value"]).unwrap();
        assert!((0.0..=1.0).contains(&p), "{answer}");
        assert!(answer["row"].is_u64() && answer["prediction"].is_object());
        assert_eq!(answer["abstained"].is_null(), answer["reason"].is_null());
        // A set of classes, or intervals.
        let prediction = &answer["prediction"];
        let promised = ["set", "sets", "interval"].iter();
        assert!(promised.filter(|name| prediction[name].is_array()).count() == 1);
    }
    answers
}

/// How many are refused as unlike what was learned from, and of how many.
pub fn strange(answers: &[serde_json::Value]) -> (usize, usize) {
    let strange = answers
        .iter()
        .filter(|a| a["abstained"] == "unlike_training_data");
    (strange.count(), answers.len())
}

/// Of what is known a tenth at most is refused as strange, of what is foreign eight tenths at least.
pub fn parts_known_from_foreign(folder: &Path, run: &str, known: &str, foreign: &str) {
    let (refused, of) = strange(&answers(folder, run, known));
    assert!(
        refused * 10 <= of,
        "{refused} of {of} known ones were refused"
    );
    let (refused, of) = strange(&answers(folder, run, foreign));
    assert!(
        refused * 10 >= of * 8,
        "{refused} of {of} foreign ones were refused"
    );
}
