//! A file of 300 MB under a limit of 1 GB of memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use support::command;

const FILE_BYTES: usize = 300_000_000;
const LIMIT_BYTES: u64 = 1_000_000_000;
const COLUMNS: usize = 20;
/// Rows that are written again and again.
const DISTINCT: usize = 20_000;

/// Twenty numbers a row, and a class that depends on two of them.
fn rows() -> String {
    let mut state = 1u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1u32 << 24) - 0.5
    };
    let mut text = String::new();
    for _ in 0..DISTINCT {
        let row: Vec<f64> = (0..COLUMNS).map(|_| number()).collect();
        for value in &row {
            let _ = write!(text, "{value:.6},");
        }
        text.push_str(if row[0] + row[1] > 0.0 {
            "up\n"
        } else {
            "down\n"
        });
    }
    text
}

/// The most memory that a running process has held, in bytes, so far.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn a_large_file_stays_within_the_memory_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut file = BufWriter::new(std::fs::File::create(at.join("large.csv")).unwrap());
    let names: Vec<String> = (0..COLUMNS).map(|c| format!("x{c}")).collect();
    writeln!(file, "{},y", names.join(",")).unwrap();
    let rows = rows();
    for _ in 0..FILE_BYTES.div_ceil(rows.len()) {
        file.write_all(rows.as_bytes()).unwrap();
    }
    file.flush().unwrap();

    let arguments = [
        "fit",
        "large.csv",
        "--memory",
        "1GB",
        "--time",
        "90s",
        "--quiet",
        "--out",
        "run",
    ];
    let mut child = command(at, &arguments).spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    assert!(at.join("run/report.html").is_file());
    assert!(
        peak > 0 && peak <= LIMIT_BYTES,
        "{peak} bytes held at once, {LIMIT_BYTES} allowed"
    );
}
