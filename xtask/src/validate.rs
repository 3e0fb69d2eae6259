use std::io::Write;
use std::process::Command;
use std::time::Instant;

use crate::failure::Failure;
use crate::workspace::{Workspace, line, shown, succeeds};
use crate::{licences, readme, tidy};

/// One check.
struct Step {
    name: &'static str,
    does: &'static str,
    run: fn(&Workspace) -> Result<(), Failure>,
}

/// Cheapest first. All compile with the release profile, so that dependencies are compiled once. The
/// tests come last and print the last lines.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        does: "rustfmt",
        run: format,
    },
    Step {
        name: "tidy",
        does: "house rules on file names, sizes, paths, manifests, comments",
        run: tidy::tidy,
    },
    Step {
        name: "licences",
        does: "licences of all dependencies, and an up-to-date Cargo.lock",
        run: licences::audit,
    },
    Step {
        name: "clippy",
        does: "lints, warnings denied",
        run: clippy,
    },
    Step {
        name: "docs",
        does: "rustdoc, warnings denied",
        run: docs,
    },
    Step {
        name: "build",
        does: "binary, tests and examples",
        run: build,
    },
    Step {
        name: "readme",
        does: "README's commands",
        run: readme::check,
    },
    Step {
        name: "doctests",
        does: "examples in documentation comments",
        run: doctests,
    },
    Step {
        name: "tests",
        does: "all tests",
        run: tests,
    },
];

/// Runs the named steps, or all of them, and stops at the first that fails.
pub fn validate(workspace: &Workspace, names: &[String]) -> Result<(), Failure> {
    let steps = selected(names)?;
    let mut elapsed = None;
    for (i, step) in steps.iter().enumerate() {
        // The time of a step is printed with the next one, so that the last lines are the tests' own.
        let before = elapsed.map(|seconds: f64| format!("  (the step before: {seconds:.0} s)"));
        let before = before.unwrap_or_default();
        println!(
            "\n[{}/{}] {}: {}{before}",
            i + 1,
            steps.len(),
            step.name,
            step.does
        );
        // A failed flush means that nobody reads.
        let _ = std::io::stdout().flush();
        let started = Instant::now();
        (step.run)(workspace).map_err(|Failure { what, repair }| {
            Failure::new(format!("step `{}` failed: {what}", step.name), repair)
        })?;
        elapsed = Some(started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// The steps of these names in the order of [`STEPS`]; all when none is named.
fn selected(names: &[String]) -> Result<Vec<&'static Step>, Failure> {
    let known = |name: &String| STEPS.iter().any(|step| step.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::new(
            format!("there is no step `{unknown}`"),
            format!("cargo xtask validate [{}]", known.join("|")),
        ));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn format(workspace: &Workspace) -> Result<(), Failure> {
    repaired_by(workspace.cargo(["fmt", "--check"]), "cargo fmt")
}

fn clippy(workspace: &Workspace) -> Result<(), Failure> {
    shown(workspace.cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--profile=release",
        "--",
        "--deny=warnings",
    ]))
}

fn docs(workspace: &Workspace) -> Result<(), Failure> {
    let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--release"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    shown(command)
}

/// Tests and binary in one call: cargo then resolves one set of features for both.
fn build(workspace: &Workspace) -> Result<(), Failure> {
    shown(workspace.cargo([
        "build",
        "--workspace",
        "--bins",
        "--examples",
        "--tests",
        "--release",
    ]))
}

fn doctests(workspace: &Workspace) -> Result<(), Failure> {
    shown(workspace.cargo(["test", "--workspace", "--doc", "--release"]))
}

fn tests(workspace: &Workspace) -> Result<(), Failure> {
    let command = if succeeds(workspace.cargo(["nextest", "--version"])) {
        workspace.cargo([
            "nextest",
            "run",
            "--workspace",
            "--cargo-profile=release",
            "--no-fail-fast",
        ])
    } else {
        println!("cargo-nextest is not installed: cargo test takes its place");
        workspace.cargo([
            "test",
            "--workspace",
            "--bins",
            "--examples",
            "--lib",
            "--tests",
            "--release",
        ])
    };
    shown(command)
}

/// As [`shown`], where another command repairs what this one finds.
fn repaired_by(command: Command, repair: &str) -> Result<(), Failure> {
    let line = line(&command);
    shown(command).map_err(|_| Failure::new(format!("`{line}` found differences"), repair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_their_own_order_and_tests_come_last() {
        let names = |wanted: &[&str]| -> Vec<&str> {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_string()).collect();
            selected(&wanted)
                .unwrap()
                .iter()
                .map(|step| step.name)
                .collect()
        };
        assert_eq!(names(&["tidy", "format"]), ["format", "tidy"]);
        assert_eq!(names(&[]).len(), STEPS.len());
        assert_eq!(names(&[]).last(), Some(&"tests"));
    }

    #[test]
    fn an_unknown_step_is_answered_with_the_known_ones() {
        let failure = selected(&["test".to_string()]).err().unwrap();
        assert!(failure.what.contains("`test`") && failure.repair.contains("tests"));
    }
}
