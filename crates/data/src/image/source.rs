use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::listing::pictures_below;
use super::{archive, builtin, decode, idx, manifest};
use crate::DataError;

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSource {
    /// A folder with a folder a class, or with `train/` and `test/` that have them. Folders in a class belong to it.
    ClassFolders(PathBuf),
    /// One picture, or a folder of pictures without classes.
    Pictures(PathBuf),
    /// A CSV file with a column of paths, relative to it, and a row a picture.
    Manifest {
        /// The CSV file.
        path: PathBuf,
        /// The column of paths.
        column: String,
    },
    /// IDX files, plain or gzip: a folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and `t10k-...`, or
    /// one file of pictures.
    Idx(PathBuf),
    /// A tar archive, plain or gzip, of class folders; or a folder with `train.tar.gz` and `test.tar.gz`.
    Archive(PathBuf),
    /// A set of [`image_builtin_names`](super::image_builtin_names), named without `@`.
    Builtin(String),
}

impl ImageSource {
    /// Tells whether `path` (or `@name`) holds pictures, and how; `None` when it holds something else, or nothing.
    ///
    /// Formats are told by their first bytes. Of a table, a column must name picture files that exist.
    ///
    /// # Errors
    /// A folder cannot be looked through; the package of a built-in set is not installed.
    pub fn detect(path: &Path) -> Result<Option<ImageSource>, DataError> {
        if let Some(name) = path.to_str().and_then(|text| text.strip_prefix('@')) {
            if !builtin::is_known(name) {
                return Ok(None);
            }
            builtin::folder(name)?;
            return Ok(Some(ImageSource::Builtin(name.to_owned())));
        }
        let owned = path.to_owned();
        if path.is_dir() {
            return folder(owned);
        }
        if !path.is_file() {
            return Ok(None);
        }
        // A file that cannot be read, or unpacked, is no picture; the table's reader says what is wrong with it.
        let is = |found: std::io::Result<bool>| found.unwrap_or(false);
        Ok(if decode::begins_as_picture(path) {
            Some(ImageSource::Pictures(owned))
        } else if is(idx::is_idx_pictures(path)) {
            Some(ImageSource::Idx(owned))
        } else if is(archive::is_archive(path)) {
            Some(ImageSource::Archive(owned))
        } else {
            manifest::picture_column(path).map(|column| ImageSource::Manifest {
                path: owned,
                column,
            })
        })
    }
}

fn folder(path: PathBuf) -> Result<Option<ImageSource>, DataError> {
    if idx::is_idx_folder(&path) {
        return Ok(Some(ImageSource::Idx(path)));
    }
    let listing = pictures_below(&path)?;
    if listing.files.iter().any(|(name, _)| name.contains('/')) {
        return Ok(Some(ImageSource::ClassFolders(path)));
    }
    if !listing.files.is_empty() {
        return Ok(Some(ImageSource::Pictures(path)));
    }
    Ok(archive::is_folder_of_parts(&path).then_some(ImageSource::Archive(path)))
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageSource::ClassFolders(path)
            | ImageSource::Pictures(path)
            | ImageSource::Manifest { path, .. }
            | ImageSource::Idx(path)
            | ImageSource::Archive(path) => write!(f, "{}", path.display()),
            ImageSource::Builtin(name) => write!(f, "@{name}"),
        }
    }
}
