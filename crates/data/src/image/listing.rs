use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::decode;
use super::natural_order::natural;
use crate::DataError;

/// Folders below which nothing is looked for.
const DEEPEST: usize = 32;

/// The files below a folder that were looked for, by path relative to it with `/`, in natural order; and what was passed over.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub files: Vec<(String, PathBuf)>,
    pub passed: Passed,
}

/// What was not looked for.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    hidden: usize,
    /// Files by extension.
    others: BTreeMap<String, usize>,
    /// Folders that were seen before, through a link.
    again: Vec<String>,
    /// Folders that lie too deep.
    deep: Vec<String>,
}

/// Extensions of the formats that are decoded.
const EXTENSIONS: [&str; 11] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "bmp", "gif", "webp",
];

/// Whether a name ends as pictures do.
pub(super) fn is_picture_name(name: &str) -> bool {
    extension(name).is_some_and(|found| EXTENSIONS.contains(&found.as_str()))
}

fn extension(name: &str) -> Option<String> {
    Path::new(name)
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
}

/// Whether a name is one that systems hide, or make beside the files of a person.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || ["__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"].contains(&name)
}

impl Passed {
    pub(super) fn hidden(&mut self) {
        self.hidden += 1;
    }

    pub(super) fn other(&mut self, name: &str) {
        let kind = extension(name).map_or("no extension".to_owned(), |e| format!("`.{e}`"));
        *self.others.entry(kind).or_default() += 1;
    }

    /// The number of files that were not looked for.
    pub(crate) fn files(&self) -> usize {
        self.others.values().sum()
    }

    /// One sentence a kind; `what` are the files that were looked for.
    pub(crate) fn notes(&self, what: &str) -> Vec<String> {
        const SHOWN: usize = 5;
        let mut notes = Vec::new();
        if self.files() > 0 {
            let mut kinds: Vec<(&String, &usize)> = self.others.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let shown: Vec<String> = kinds
                .iter()
                .take(SHOWN)
                .map(|(kind, count)| format!("{count} with {kind}"))
                .collect();
            let more = if kinds.len() > SHOWN { ", ..." } else { "" };
            notes.push(format!(
                "files that are no {what} were ignored: {}{more}",
                shown.join(", ")
            ));
        }
        if self.hidden > 0 {
            notes.push(format!(
                "{} hidden files or folders were ignored",
                self.hidden
            ));
        }
        for (folders, why) in [
            (&self.again, "were reached a second time through links"),
            (&self.deep, "lie too deep"),
        ] {
            if let Some(first) = folders.first() {
                notes.push(format!(
                    "{} folders {why} and were not entered (first: `{first}`)",
                    folders.len()
                ));
            }
        }
        notes
    }
}

/// Finds the picture files below `root`. Links are followed, but no folder is entered twice.
pub(super) fn pictures_below(root: &Path) -> Result<Listing, DataError> {
    files_below(root, &is_picture)
}

/// Finds the files below `root` that are wanted by their name and path. Links are followed, but no folder is entered twice.
pub(crate) fn files_below(
    root: &Path,
    wanted: &dyn Fn(&str, &Path) -> bool,
) -> Result<Listing, DataError> {
    let mut walk = Walk {
        wanted,
        listing: Listing::default(),
        entered: HashSet::new(),
    };
    walk.enter(root, "", 0)?;
    let mut listing = walk.listing;
    listing.files.sort_by(|a, b| natural(&a.0, &b.0));
    Ok(listing)
}

struct Walk<'a> {
    wanted: &'a dyn Fn(&str, &Path) -> bool,
    listing: Listing,
    /// Folders by their one true path.
    entered: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path, relative: &str, depth: usize) -> Result<(), DataError> {
        let unreadable = |source| DataError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        if !self
            .entered
            .insert(fs::canonicalize(folder).map_err(unreadable)?)
        {
            self.listing.passed.again.push(relative.to_owned());
            return Ok(());
        }
        if depth > DEEPEST {
            self.listing.passed.deep.push(relative.to_owned());
            return Ok(());
        }
        let mut found: Vec<fs::DirEntry> = fs::read_dir(folder)
            .and_then(Iterator::collect)
            .map_err(unreadable)?;
        // Which of two links to one folder is entered must not depend on the file system.
        found.sort_by_key(fs::DirEntry::file_name);
        for entry in found {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_hidden(&name) {
                self.listing.passed.hidden();
                continue;
            }
            let (path, below) = (entry.path(), joined(relative, &name));
            // `file_type` costs no look at the file, but does not follow links.
            let kind = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => Some(kind),
                _ => fs::metadata(&path).ok().map(|m| m.file_type()),
            };
            if kind.is_some_and(|k| k.is_dir()) {
                self.enter(&path, &below, depth + 1)?;
            } else if kind.is_none_or(|k| k.is_file()) && (self.wanted)(&name, &path) {
                // A broken link that is named like what is wanted is such a file that cannot be read.
                self.listing.files.push((below, path));
            } else {
                self.listing.passed.other(&name);
            }
        }
        Ok(())
    }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// By the name; by the first bytes where it has no extension.
fn is_picture(name: &str, path: &Path) -> bool {
    is_picture_name(name) || (extension(name).is_none() && decode::begins_as_picture(path))
}
