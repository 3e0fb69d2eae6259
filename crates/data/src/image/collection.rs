use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ImageOptions;
use super::arrange::arrange;
use super::decode::{self, Header};
use super::fault::Fault;
use super::listing::{Passed, is_hidden, is_picture_name, pictures_below};
use super::natural_order::natural;
use super::store::{BATCH, Store, each_member};
use super::unpacked::is_gzip;
use crate::read::fingerprint::{fingerprint, hexadecimal};
use crate::{DataError, Table};

/// Pictures that were found and not yet decoded.
#[derive(Debug)]
pub(super) struct Collection {
    /// What each is; those of the test part last, each part in natural order.
    pub entries: Vec<Entry>,
    /// Where the bytes of each lie.
    pub store: Store,
    /// What was seen of each, when the store was read to list it.
    pub looks: Option<Vec<Look>>,
    /// Names and hashes of the files that hold more than one picture, or say something of them.
    pub carriers: Vec<Carrier>,
    /// What a manifest says of each, without the column of paths.
    pub columns: Table,
    /// As in `SourceFacts`.
    pub format: &'static str,
    /// The column with the classes.
    pub default_target: Option<String>,
    /// As in `SourceFacts`.
    pub notes: Vec<String>,
    /// Whether folders are what names the classes.
    pub classes_by_folder: bool,
}

/// One picture of a collection.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub name: String,
    pub class: Option<String>,
    pub test: bool,
    /// The row of a manifest.
    pub row: usize,
}

/// What was seen of one picture's file.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub bytes: u64,
    pub digest: [u8; 32],
    pub header: Result<Header, Fault>,
}

impl Look {
    /// Looks at the bytes of a file, whose picture must not take more than `most` bytes to decode.
    pub(super) fn at(bytes: &[u8], most: u64) -> Look {
        Look {
            bytes: bytes.len() as u64,
            digest: Sha256::digest(bytes).into(),
            header: decode::header(bytes, most),
        }
    }

    pub(super) fn failed(fault: Fault) -> Look {
        Look {
            bytes: 0,
            digest: [0; 32],
            header: Err(fault),
        }
    }
}

/// A file beside the pictures whose bytes belong to the source.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Carrier {
    pub(super) fn of(path: &Path) -> Result<Carrier, DataError> {
        let (bytes, sha256) = fingerprint(path)?;
        Ok(Carrier::new(path, bytes, sha256))
    }

    pub(super) fn new(path: &Path, bytes: u64, sha256: String) -> Carrier {
        Carrier {
            name: file_name(path),
            bytes,
            sha256,
        }
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Bytes in all, and the SHA-256 of a source: that of its only file; of several, that of each one's name, a zero byte
/// and its SHA-256 as 32 bytes, in the order of the names.
pub(super) fn fingerprint_of(mut files: Vec<(String, u64, String)>) -> (u64, String) {
    files.sort();
    let bytes = files.iter().map(|(_, bytes, _)| bytes).sum();
    if let [(_, _, only)] = files.as_slice() {
        return (bytes, only.clone());
    }
    let mut hash = Sha256::new();
    for (name, _, sha256) in &files {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(sha256.as_bytes());
    }
    (bytes, hexadecimal(&hash.finalize()))
}

impl Collection {
    /// The pictures below a folder, or one picture.
    pub(super) fn below(root: &Path) -> Result<Collection, DataError> {
        let (files, passed) = if root.is_dir() {
            let listing = pictures_below(root)?;
            (listing.files, listing.passed)
        } else {
            (vec![(file_name(root), root.to_owned())], Passed::default())
        };
        if files.is_empty() {
            return Err(DataError::NoPictures {
                path: root.to_owned(),
                others: passed.files(),
            });
        }
        let (names, paths): (Vec<String>, Vec<PathBuf>) = files.into_iter().unzip();
        Ok(Collection::arranged(
            names,
            passed,
            |order| Store::Files(order.iter().map(|&i| Some(paths[i].clone())).collect()),
            "pictures",
        ))
    }

    /// The members of archives, each with the folder that stands for it (`train`, `test` or nothing).
    pub(super) fn archives(
        root: &Path,
        archives: Vec<(&'static str, PathBuf)>,
        options: &ImageOptions,
    ) -> Result<Collection, DataError> {
        let mut found: Vec<(String, (usize, usize), Look)> = Vec::new();
        let look = |bytes: &[u8]| Look::at(bytes, options.decoder_bytes());
        let mut passed = Passed::default();
        let mut carriers = Vec::new();
        let mut gzip = false;
        for (archive, (part, path)) in archives.iter().enumerate() {
            let mut members: Vec<(String, (usize, usize), Look)> = Vec::new();
            let choose = |number: usize, name: &str| {
                let name = name.trim_start_matches("./").trim_start_matches('/');
                if name.split('/').any(is_hidden) {
                    passed.hidden();
                    return None;
                }
                if !is_picture_name(name) {
                    passed.other(name);
                    return None;
                }
                Some((name.to_owned(), number))
            };
            let sink = |(name, number): (String, usize), look: Result<Look, Fault>| {
                let look = look.unwrap_or_else(Look::failed);
                members.push((name, (archive, number), look));
            };
            let (bytes, sha256) = each_member(path, BATCH, choose, look, sink)?;
            gzip |= is_gzip(path).is_ok_and(|gzip| gzip);
            carriers.push(Carrier::new(path, bytes, sha256));
            let common = common_folder(members.iter().map(|(name, _, _)| name.as_str()));
            found.extend(members.into_iter().map(|(name, at, look)| {
                let name = &name[common..];
                let name = if part.is_empty() {
                    name.to_owned()
                } else {
                    format!("{part}/{name}")
                };
                (name, at, look)
            }));
        }
        if found.is_empty() {
            return Err(DataError::NoPictures {
                path: root.to_owned(),
                others: passed.files(),
            });
        }
        found.sort_by(|a, b| natural(&a.0, &b.0).then(a.1.cmp(&b.1)));
        let (mut names, mut members, mut looks) = (Vec::new(), Vec::new(), Vec::new());
        for (name, member, look) in found {
            names.push(name);
            members.push(member);
            looks.push(look);
        }
        let mut order_of_looks = Vec::new();
        let mut collection = Collection::arranged(
            names,
            passed,
            |order| {
                order_of_looks = order.to_vec();
                Store::Archives {
                    paths: archives.into_iter().map(|(_, path)| path).collect(),
                    members: order.iter().map(|&i| members[i]).collect(),
                }
            },
            if gzip { "tar (gzip)" } else { "tar" },
        );
        collection.looks = Some(order_of_looks.iter().map(|&i| looks[i].clone()).collect());
        collection.carriers = carriers;
        Ok(collection)
    }

    /// Reads classes and parts from the names. `store` is told the order of the entries, as indices into the names.
    fn arranged(
        names: Vec<String>,
        passed: Passed,
        store: impl FnOnce(&[usize]) -> Store,
        format: &'static str,
    ) -> Collection {
        let arrangement = arrange(names.iter().map(String::as_str));
        let (development, test): (Vec<usize>, Vec<usize>) =
            (0..names.len()).partition(|&i| !arrangement.places[i].test);
        let order: Vec<usize> = development.into_iter().chain(test).collect();
        let entries = order.iter().map(|&i| Entry {
            name: names[i].clone(),
            class: arrangement.places[i].class.clone(),
            test: arrangement.places[i].test,
            row: i,
        });
        let mut notes = arrangement.notes;
        notes.extend(passed.notes("pictures"));
        Collection {
            entries: entries.collect(),
            store: store(&order),
            looks: None,
            carriers: Vec::new(),
            columns: Table::default(),
            format: if arrangement.classes && format == "pictures" {
                "class folders"
            } else {
                format
            },
            default_target: arrangement.classes.then(|| "class".to_owned()),
            notes,
            classes_by_folder: arrangement.classes,
        }
    }
}

/// The length of the folder that all paths of an archive share and below which classes lie in further folders:
/// archives are often packed with the folder that held them.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str> + Clone) -> usize {
    let Some((folder, _)) = paths.clone().next().and_then(|path| path.split_once('/')) else {
        return 0;
    };
    let below = |path: &str| {
        path.strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest.contains('/'))
    };
    if paths.all(below) {
        folder.len() + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_around_an_archive_is_no_class() {
        let common = |paths: &[&str]| common_folder(paths.iter().copied());
        assert_eq!(common(&["set/cat/1.png", "set/dog/1.png"]), 4);
        assert_eq!(common(&["cat/1.png", "dog/1.png"]), 0);
        assert_eq!(common(&["set/cat/1.png", "set/1.png"]), 0);
        assert_eq!(common(&["1.png"]), 0);
        assert_eq!(common(&[]), 0);
    }

    #[test]
    fn a_fingerprint_depends_on_names_and_bytes_and_not_on_their_order() {
        let a = ("a".to_owned(), 1, "00".to_owned());
        let b = ("b".to_owned(), 2, "01".to_owned());
        let both = fingerprint_of(vec![a.clone(), b.clone()]);
        assert_eq!(both, fingerprint_of(vec![b.clone(), a.clone()]));
        assert_eq!(both.0, 3);
        let swapped = vec![
            ("b".to_owned(), 1, "00".to_owned()),
            ("a".to_owned(), 2, "01".to_owned()),
        ];
        assert_ne!(both, fingerprint_of(swapped));
        assert_eq!(fingerprint_of(vec![a]), (1, "00".to_owned()));
    }
}
