use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// The stripped binary may not be larger.
const LARGEST_BYTES: u64 = 60_000_000;

/// Median time that `--help` should take at most.
const LONGEST_HELP: Duration = Duration::from_millis(20);

const HELP_RUNS: usize = 21;

/// Prints the binary's size and how long its `--help` takes; fails when it is too large. The time is
/// printed only, because it depends on what else the machine does.
pub fn size(workspace: &Workspace) -> Result<(), Failure> {
    let binary = workspace.binary()?;
    let metadata = std::fs::metadata(&binary).map_err(|error| Failure::file(&binary, &error))?;
    let mut times = (0..HELP_RUNS)
        .map(|_| help_time(&binary))
        .collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "binary  {:.1} MB (at most {:.0})",
        megabytes(metadata.len()),
        megabytes(LARGEST_BYTES)
    );
    println!(
        "--help  {:.1} ms median of {HELP_RUNS}, {:.1} worst (goal {:.0})",
        milliseconds(times[HELP_RUNS / 2]),
        milliseconds(times[HELP_RUNS - 1]),
        milliseconds(LONGEST_HELP)
    );
    if metadata.len() > LARGEST_BYTES {
        return Err(Failure::new(
            format!(
                "the binary has {} bytes, more than {LARGEST_BYTES}",
                metadata.len()
            ),
            "cargo xtask deps   # then leave out a feature or a dependency",
        ));
    }
    Ok(())
}

fn help_time(binary: &Path) -> Result<Duration, Failure> {
    let started = Instant::now();
    let status = Command::new(binary)
        .arg("--help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| Failure::file(binary, &error))?;
    let time = started.elapsed();
    if status.success() {
        Ok(time)
    } else {
        Err(Failure::new(
            format!("`candor --help` ended with {status}"),
            "candor --help",
        ))
    }
}
