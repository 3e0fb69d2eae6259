//! Units that are files, in folders that say their classes and parts: what all modalities of files share.

use std::path::{Path, PathBuf};

use crate::DataError;
use crate::image::arrange::{arrange, is_part, is_test};
use crate::image::listing::files_below;

/// Files that were found below a folder, in the order of the units: those of a given test part last, each part in natural order of the
/// paths (`part2` before `part10`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesInFolders {
    /// One a file.
    pub files: Vec<FileInFolder>,
    /// Whether some folder names a class.
    pub classes: bool,
    /// Files that were not looked for.
    pub others: usize,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
}

/// One file and what its path says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInFolder {
    /// The path below the root, with `/`.
    pub name: String,
    /// The path that opens it.
    pub path: PathBuf,
    /// The class, where a folder names one.
    pub class: Option<String>,
    /// Whether it lies in a test part.
    pub test: bool,
}

/// Finds the files below `root` that are `wanted` by name and path, and reads classes and parts from their paths: `class/.../file`, or
/// `part/class/.../file` where every first folder is named as a part (`train`, `test`, `validation`). Hidden files are passed over, links
/// followed, no folder entered twice. `what` are the files in words, for the notes.
///
/// # Errors
/// When a folder cannot be looked through.
pub fn files_in_folders(
    root: &Path,
    what: &str,
    wanted: &dyn Fn(&str, &Path) -> bool,
) -> Result<FilesInFolders, DataError> {
    let listing = files_below(root, wanted)?;
    let arrangement = arrange(listing.files.iter().map(|(name, _)| name.as_str()));
    let mut notes = arrangement.notes;
    notes.extend(listing.passed.notes(what));
    let found = listing.files.into_iter().zip(arrangement.places);
    let found = found.map(|((name, path), place)| FileInFolder {
        name,
        path,
        class: place.class,
        test: place.test,
    });
    let (tests, mut files): (Vec<FileInFolder>, Vec<FileInFolder>) = found.partition(|f| f.test);
    files.extend(tests);
    Ok(FilesInFolders {
        files,
        classes: arrangement.classes,
        others: listing.passed.files(),
        notes,
    })
}

/// Whether a word names a part of a data set that its makers split, and if so, whether it is the test part.
pub fn part_named(word: &str) -> Option<bool> {
    is_part(word).then(|| is_test(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_classes_and_parts() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "train/a/10.x",
            "train/a/2.x",
            "test/b/1.x",
            "train/a/note.y",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let found = files_in_folders(folder.path(), "shapes", &|name, _| name.ends_with(".x"));
        let found = found.unwrap();
        let told: Vec<(&str, Option<&str>, bool)> = found
            .files
            .iter()
            .map(|f| (f.name.as_str(), f.class.as_deref(), f.test))
            .collect();
        let expected = [
            ("train/a/2.x", Some("a"), false),
            ("train/a/10.x", Some("a"), false),
            ("test/b/1.x", Some("b"), true),
        ];
        assert_eq!(told, expected);
        assert!(found.classes && found.others == 1);
        assert!(
            found
                .notes
                .iter()
                .any(|n| n.contains("files that are no shapes"))
        );
        assert_eq!(
            (part_named("Test"), part_named("val"), part_named("cat")),
            (Some(true), Some(false), None)
        );
    }
}
