use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use super::Array;

/// Bytes of one array, at most.
const MOST_BYTES: u64 = 8 << 30;

/// The names of the arrays in an archive; none when it cannot be read.
pub(super) fn names(path: &Path) -> Vec<String> {
    let Ok(file) = File::open(path) else {
        return Vec::new();
    };
    let Ok(archive) = zip::ZipArchive::new(BufReader::new(file)) else {
        return Vec::new();
    };
    let names = archive.file_names();
    names
        .filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned()))
        .collect()
}

/// Those arrays of an archive that are called for, by name.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn arrays(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Array>, String> {
    let file = File::open(path).map_err(|e| format!("it cannot be read ({e})"))?;
    let unreadable = |e: zip::result::ZipError| format!("it is no archive that can be read ({e})");
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(unreadable)?;
    let mut arrays = BTreeMap::new();
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?.into_owned();
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
            continue;
        };
        if !wanted(&name) {
            continue;
        }
        let fault = |problem: String| format!("array `{name}`: {problem}");
        if entry.size() > MOST_BYTES {
            return Err(fault(format!(
                "it has {} bytes, more than can be held",
                entry.size()
            )));
        }
        // The size that is stated may be a lie: memory grows with what really comes.
        let mut bytes = Vec::new();
        entry
            .take(MOST_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| fault(format!("it cannot be unpacked ({e})")))?;
        let array = Array::parse(&bytes).map_err(fault)?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}
