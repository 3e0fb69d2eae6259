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
