use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// An empty folder that is removed when the value is dropped.
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes the folder under the system's place for temporary files.
    pub fn new(purpose: &str) -> Result<TemporaryFolder, Failure> {
        let name = format!("candor-{purpose}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(TemporaryFolder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nothing to be done about a folder that does not go away; the system clears it later.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
