use std::path::PathBuf;

use crate::DataError;

/// Sets of pictures that packages of the operating system bring: name, Debian package, folder.
const SETS: [(&str, &str, &str); 1] = [(
    "fashion-mnist",
    "dataset-fashion-mnist",
    "/usr/share/datasets/fashion-mnist",
)];

/// Their names, as written after `@`.
pub(crate) const NAMES: [&str; SETS.len()] = [SETS[0].0];

/// The sets of pictures that are found by themselves where their package is installed, as written after `@`.
pub fn image_builtin_names() -> [&'static str; NAMES.len()] {
    NAMES
}

/// Whether a set of that name exists.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The folder of a set.
pub(super) fn folder(name: &str) -> Result<PathBuf, DataError> {
    let found = SETS.iter().find(|(known, _, _)| *known == name);
    let Some((_, package, folder)) = found else {
        return Err(DataError::UnknownBuiltin {
            name: name.to_owned(),
            suggestion: candor_core::did_you_mean(name, &NAMES),
        });
    };
    let folder = PathBuf::from(folder);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(DataError::NotInstalled {
        name: name.to_owned(),
        package: (*package).to_owned(),
        folder,
    })
}
