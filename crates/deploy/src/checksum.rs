use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::DeployError;

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// Length and SHA-256 of some bytes.
pub fn sum_of(bytes: &[u8]) -> FileSum {
    let digest = Sha256::digest(bytes);
    FileSum {
        bytes: bytes.len() as u64,
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut: a neighbour is written, flushed
/// and renamed. Creates the folder.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DeployError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(DeployError::file("create", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let neighbour = folder.join(format!(".{name}.part"));
    let write = || {
        let mut file = File::create(&neighbour)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&neighbour, path)
    };
    write().map_err(DeployError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_published_one() {
        let sum = sum_of(b"abc");
        let published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((sum.bytes, sum.sha256.as_str()), (3, published));
    }
}
