use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::collection::file_name;
use super::unpacked::first_bytes;
use crate::DataError;

/// The archives of a source, each with the part that it is (`train`, `test` or nothing): one file, or a folder with
/// `train.tar.gz` and `test.tar.gz`.
pub(super) fn parts(path: &Path) -> Result<Vec<(&'static str, PathBuf)>, DataError> {
    if !path.is_dir() {
        return Ok(vec![("", path.to_owned())]);
    }
    let unreadable = |source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut parts: Vec<(&'static str, PathBuf)> = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let found = entry.map_err(unreadable)?.path();
        if let Some(part) = part_of(&file_name(&found)) {
            parts.push((part, found));
        }
    }
    parts.sort();
    Ok(parts)
}

/// The part that an archive is by its name.
fn part_of(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let stem = [".tar", ".tar.gz", ".tgz"]
        .iter()
        .find_map(|end| name.strip_suffix(end))?;
    ["train", "val", "test"]
        .into_iter()
        .find(|part| *part == stem)
}

/// Whether a folder holds a training part as an archive.
pub(super) fn is_folder_of_parts(folder: &Path) -> bool {
    parts(folder).is_ok_and(|parts| !parts.is_empty())
}

/// Whether a file is a tar archive, plain or gzip.
pub(super) fn is_archive(path: &Path) -> io::Result<bool> {
    /// Where the magic number of a tar header lies.
    const MAGIC: std::ops::Range<usize> = 257..262;
    let first = first_bytes(path, MAGIC.end as u64)?;
    Ok(first.get(MAGIC) == Some(b"ustar"))
}
