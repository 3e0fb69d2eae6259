//! A study whose process is killed goes on where it was: nothing that was finished is lost, and the
//! result is that of a study that was never killed.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use candor_core::{Clock, Events, Seed};
use candor_design::{
    Assignment, Choice, Evaluation, JobRecord, Objective, Space, Store, StudySettings, run,
};
use serde_json::{Value, json};

/// Names the store of the process that is to be killed.
const STORE: &str = "CANDOR_TEST_STORE";

struct Parabola {
    pause: Duration,
}

impl Objective for Parabola {
    fn evaluate(&self, assignment: &Assignment, _: &Clock) -> Evaluation {
        std::thread::sleep(self.pause);
        let x = assignment
            .design
            .get("x")
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN);
        let loss = (x - 0.3).powi(2) / (1 + assignment.rung) as f64;
        Evaluation::Scored {
            loss,
            score: loss,
            parameters: assignment.trial as u64,
            detail: json!({}),
        }
    }
}

fn search(store: &mut Store, pause: Duration) -> Vec<JobRecord> {
    let space = Space::new(vec![Choice::reals("x", 0.0, 1.0)]).unwrap();
    let settings = StudySettings {
        jobs: 2,
        trials: Some(30),
        rungs: 2,
        ..StudySettings::new("killed", Seed(3))
    };
    let outcome = run(
        &space,
        &settings,
        store,
        &Parabola { pause },
        &Clock::unlimited(),
        &Events::none(),
    );
    outcome.unwrap().records
}

fn untimed(records: Vec<JobRecord>) -> Vec<JobRecord> {
    let untimed = |record| JobRecord {
        seconds: 0.0,
        ..record
    };
    records.into_iter().map(untimed).collect()
}

/// The body of the process that is killed; does nothing when run as a test.
#[test]
fn searches_when_asked_to() {
    if let Some(path) = std::env::var_os(STORE) {
        search(
            &mut Store::open(Path::new(&path)).unwrap(),
            Duration::from_millis(10),
        );
    }
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "searches_when_asked_to"])
        .env(STORE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the child has recorded more than `before` jobs, kills it, and returns what it had
/// recorded when last looked at.
fn kill_after_more_than(before: usize, path: &Path) -> Vec<JobRecord> {
    let mut child = start(path);
    let patience = Instant::now() + Duration::from_secs(60);
    let mut reader = Store::open(path).unwrap();
    let seen = loop {
        let seen = reader.jobs("killed").unwrap();
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none_or(|status| status.success()),
            "the child failed: {ended:?}"
        );
        let ended = ended.is_some();
        if seen.len() > before || ended || Instant::now() > patience {
            break seen;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    seen
}

#[test]
fn a_killed_study_loses_nothing_and_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.db");
    let mut kept = 0;
    for more in [3, 1, 6] {
        let seen = kill_after_more_than(kept + more, &path);
        let after = Store::open(&path).unwrap().jobs("killed").unwrap();
        assert!(
            seen.len() > kept + more,
            "the child recorded {} jobs",
            seen.len()
        );
        // In the order of job numbers a later look may hold more, never less.
        assert!(seen.iter().all(|record| after.contains(record)));
        kept = after.len();
    }
    let whole = untimed(search(&mut Store::in_memory().unwrap(), Duration::ZERO));
    assert!(kept < whole.len(), "killed before its end");
    let resumed = search(&mut Store::open(&path).unwrap(), Duration::ZERO);
    assert_eq!(untimed(resumed), whole);
}
