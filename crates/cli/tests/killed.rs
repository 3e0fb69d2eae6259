//! A run that is killed at any moment goes on with `candor resume`, and ends as if nothing had happened.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Read;
use std::time::{Duration, Instant};

use support::{candor, command, result_of};

/// Runs that are killed, each at another moment.
const KILLS: u32 = 20;

#[test]
fn killed_at_twenty_moments_each_run_ends_as_the_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fit = |out: &str| {
        let arguments = ["fit", "@iris", "--trials", "5", "--seed", "5", "--out", out];
        command(at, &arguments)
    };
    let started = Instant::now();
    let output = fit("whole").output().unwrap();
    let whole = started.elapsed();
    let all = jobs_in(&String::from_utf8_lossy(&output.stderr));
    assert!(all > 5, "{all} jobs");
    let expected = result_of(&at.join("whole"));
    let answers = candor(at, &["predict", "whole", "@iris"]).out;
    let mut killed = 0;
    for i in 0..KILLS {
        let name = format!("run-{i}");
        let mut child = fit(&name).spawn().unwrap();
        // Spread evenly over the run by the golden ratio.
        let moment = whole.mul_f64((f64::from(i) * 0.618_034).fract());
        std::thread::sleep(moment.max(Duration::from_millis(5)));
        let alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += u32::from(alive);
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        if !at.join(&name).join("run.json").exists() {
            assert_eq!(jobs_in(&said), 0, "{said}");
            continue;
        }
        let resumed = candor(at, &["resume", &name]);
        assert!(
            resumed.status <= 1,
            "{name} killed after {moment:?}: {}",
            resumed.err
        );
        assert_eq!(
            result_of(&at.join(&name)),
            expected,
            "{name} killed after {moment:?}"
        );
        assert_eq!(
            candor(at, &["predict", &name, "@iris"]).out,
            answers,
            "{name}"
        );
        // What was finished before is not done again.
        let done = jobs_in(&said) + jobs_in(&resumed.err);
        assert!(
            done <= all,
            "{name} killed after {moment:?}: {done} jobs instead of {all}"
        );
    }
    assert!(killed >= KILLS / 2, "only {killed} were killed in time");
}

fn jobs_in(text: &str) -> usize {
    let job = |line: &&str| line.trim_start().starts_with("trial ");
    text.lines().filter(job).count()
}
