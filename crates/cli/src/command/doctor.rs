use serde::Serialize;

use crate::Ending;
use crate::failure::Failure;
use crate::output;

#[derive(Serialize)]
struct Doctor {
    version: &'static str,
    system: String,
    threads: usize,
    vector_instructions: Vec<&'static str>,
    memory_bytes: Option<u64>,
    folder_writable: bool,
}

/// Shows what there is on this machine.
pub(crate) fn run(json: bool) -> Result<Ending, Failure> {
    let found = Doctor {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        vector_instructions: vector_instructions(),
        memory_bytes: memory(),
        folder_writable: writable(),
    };
    if json {
        output::json(&found)?;
    } else {
        let memory = found.memory_bytes;
        let memory =
            memory.map_or_else(|| "unknown".into(), |b| format!("{:.1} GB", b as f64 / 1e9));
        output::result(&format!(
            "candor {}\nsystem: {}\nthreads: {}\nvector instructions: {}\nmemory: {memory}\nthis folder: {}",
            found.version,
            found.system,
            found.threads,
            found.vector_instructions.join(", "),
            if found.folder_writable {
                "writable"
            } else {
                "NOT writable; give `--out`"
            }
        ));
    }
    Ok(Ending::Done)
}

fn vector_instructions() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx2") {
            found.push("AVX2");
        }
        if std::is_x86_feature_detected!("fma") {
            found.push("FMA");
        }
        if std::is_x86_feature_detected!("avx512f") {
            found.push("AVX-512");
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push("NEON");
    found
}

/// Bytes of memory that are free to use, where the system says so.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn writable() -> bool {
    let probe = format!(".candor-doctor-{}", std::process::id());
    let written = std::fs::write(&probe, b"").is_ok();
    let removed = std::fs::remove_file(&probe).is_ok();
    written && removed
}
