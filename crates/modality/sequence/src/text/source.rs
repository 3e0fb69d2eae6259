//! Where texts come from: a folder with a folder a class, or a tar archive of one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candor_data::{Column, SourceFacts, Table, Values, fingerprint_bytes};
use flate2::read::MultiGzDecoder;
use tar::Archive;

use crate::SequenceError;
use crate::ts::CLASS;

/// Texts of a folder or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// A folder with a folder a class, or with `train/` and `test/` that have them; or text files without classes; or one file.
    Files(PathBuf),
    /// A tar archive of such a folder, plain or gzip.
    Archive(PathBuf),
}

/// Texts that were read, one row of the table each.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadTexts {
    /// The texts.
    pub texts: Vec<String>,
    /// What each file is called, and its class if folders say so.
    pub table: Table,
    /// How they were read.
    pub facts: SourceFacts,
    /// So many of the last texts lie in a folder `test`.
    pub test_rows: usize,
}

/// The column of the names of files.
pub(crate) const NAME: &str = "text";
/// Bytes of all texts, where nobody says how much memory there is.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of one text; of a longer one the beginning is read.
const LONGEST: u64 = 4 << 20;
/// Folders in folders.
const DEEPEST: usize = 8;
/// Files of an archive that are looked at to tell what it holds.
const PEEKED: usize = 40;

fn is_text_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    [".txt", ".text", ".md"]
        .iter()
        .any(|end| lower.ends_with(end))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

impl TextSource {
    /// Tells whether `path` holds texts: most of its files end in `.txt` and the like, and folders in it hold some of them.
    pub fn detect(path: &Path) -> Option<TextSource> {
        if path.is_dir() {
            let mut listing = Listing::default();
            listing.walk(path, "", 0);
            let inside = listing.texts.iter().any(|(name, _)| name.contains('/'));
            return (inside && listing.texts.len() > listing.others)
                .then(|| TextSource::Files(path.to_owned()));
        }
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        let archive = [".tar", ".tar.gz", ".tgz"]
            .iter()
            .any(|end| name.ends_with(end));
        if !archive {
            return None;
        }
        let mut archive = Archive::new(unpacked(path).ok()?);
        let (mut texts, mut others) = (0, 0);
        for entry in archive.entries().ok()?.take(PEEKED) {
            let Ok(entry) = entry else { break };
            if entry.header().entry_type().is_file() {
                let name = entry.path().ok()?.to_string_lossy().into_owned();
                match is_text_name(&name) && name.contains('/') {
                    true => texts += 1,
                    false => others += 1,
                }
            }
        }
        (texts > others).then(|| TextSource::Archive(path.to_owned()))
    }

    /// The same for texts that are to be predicted, which may be one file or lie side by side.
    pub fn detect_plain(path: &Path) -> Option<TextSource> {
        if path.is_dir() {
            let mut listing = Listing::default();
            listing.walk(path, "", 0);
            return (!listing.texts.is_empty()).then(|| TextSource::Files(path.to_owned()));
        }
        let name = path.file_name()?.to_string_lossy().into_owned();
        match path.is_file() && is_text_name(&name) {
            true => Some(TextSource::Files(path.to_owned())),
            false => TextSource::detect(path),
        }
    }

    fn path(&self) -> &Path {
        match self {
            TextSource::Files(path) | TextSource::Archive(path) => path,
        }
    }
}

fn unpacked(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut first = [0u8; 2];
    let gzip = File::open(path)?.read(&mut first)? == 2 && first == [0x1f, 0x8b];
    let file = BufReader::new(File::open(path)?);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// Text files below a folder, by path relative to it.
#[derive(Default)]
struct Listing {
    texts: BTreeMap<String, PathBuf>,
    others: usize,
}

impl Listing {
    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_hidden(&name) {
                continue;
            }
            let relative = format!("{prefix}{name}");
            // Links are not followed: they may lead in circles.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && depth < DEEPEST {
                self.walk(&entry.path(), &format!("{relative}/"), depth + 1);
            } else if kind.is_file() && is_text_name(&name) {
                self.texts.insert(relative, entry.path());
            } else {
                self.others += 1;
            }
        }
    }
}

/// Reads texts; they take at most a quarter of `memory` bytes. What is no UTF-8 is taken as Latin-1.
///
/// # Errors
/// The source cannot be read, holds no text, or takes more memory than it may.
pub fn read_texts(source: &TextSource, memory: Option<u64>) -> Result<ReadTexts, SequenceError> {
    let path = source.path();
    let unreadable = |source| SequenceError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let limit = memory.map_or(MOST_BYTES, |bytes| (bytes / 4).max(1));
    let mut held = 0u64;
    let (mut cut, mut others, mut foreign) = (0usize, 0usize, 0usize);
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut take = |name: String, from: &mut dyn Read| -> Result<(), SequenceError> {
        let mut bytes = Vec::new();
        from.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > LONGEST {
            bytes.truncate(LONGEST as usize);
            cut += 1;
        }
        held += bytes.len() as u64;
        if held > limit {
            return Err(SequenceError::TooLarge {
                path: path.to_owned(),
                limit_mib: limit.div_ceil(1 << 20),
            });
        }
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            foreign += 1;
            error.into_bytes().into_iter().map(char::from).collect()
        });
        files.insert(name, text);
        Ok(())
    };
    match source {
        TextSource::Files(path) if path.is_file() => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            take(
                name.into_owned(),
                &mut File::open(path).map_err(unreadable)?,
            )?;
        }
        TextSource::Files(path) => {
            let mut listing = Listing::default();
            listing.walk(path, "", 0);
            others = listing.others;
            for (name, path) in listing.texts {
                take(name, &mut File::open(path).map_err(unreadable)?)?;
            }
        }
        TextSource::Archive(path) => {
            let mut archive = Archive::new(unpacked(path).map_err(unreadable)?);
            for entry in archive.entries().map_err(unreadable)? {
                let mut entry = entry.map_err(unreadable)?;
                if !entry.header().entry_type().is_file() {
                    continue;
                }
                let name = entry
                    .path()
                    .map_err(unreadable)?
                    .to_string_lossy()
                    .into_owned();
                let name = name.trim_start_matches("./").to_owned();
                if is_text_name(&name) && !name.split('/').any(is_hidden) {
                    take(name, &mut entry)?;
                } else {
                    others += 1;
                }
            }
        }
    }
    if files.is_empty() {
        return Err(SequenceError::Content {
            path: path.to_owned(),
            problem: "there is no text in it".to_owned(),
            repair: "give a folder with a folder a class, in which each text is a file that ends in `.txt`",
        });
    }
    let mut notes = Vec::new();
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    };
    note(others, "files that are no texts were passed over");
    note(cut, "texts are longer than 4 MiB; their beginning was read");
    note(foreign, "texts are not UTF-8; they were read as Latin-1");
    Ok(arranged(path, files, notes))
}

/// Texts in the order of their names, those of a folder `test` last.
fn arranged(path: &Path, files: BTreeMap<String, String>, notes: Vec<String>) -> ReadTexts {
    let mut fingerprint = Vec::new();
    let mut bytes = 0;
    for (name, text) in &files {
        let (size, hash) = fingerprint_bytes(text.as_bytes());
        bytes += size;
        fingerprint.extend_from_slice(name.as_bytes());
        fingerprint.extend_from_slice(hash.as_bytes());
    }
    // Folders that hold everything say nothing.
    let mut depth = 0;
    while let Some(first) = files
        .keys()
        .next()
        .and_then(|name| name.split('/').nth(depth))
    {
        let shared = |name: &String| {
            let mut parts = name.split('/').skip(depth);
            parts.next() == Some(first) && parts.next().is_some()
        };
        // The folder of a class is no such folder, even where it is the only one.
        let further = files.keys().any(|name| name.split('/').count() > depth + 2);
        if !files.keys().all(shared) || !further {
            break;
        }
        depth += 1;
    }
    let parts_of = |name: &str| -> (bool, Option<String>) {
        let mut folders: Vec<&str> = name.split('/').skip(depth).collect();
        folders.pop();
        let part = folders.first().map(|f| f.to_lowercase());
        let part = part.filter(|p| ["train", "test", "val", "valid"].contains(&p.as_str()));
        if part.is_some() && folders.len() > 1 {
            folders.remove(0);
        }
        (
            part.as_deref() == Some("test"),
            folders.first().map(|f| (*f).to_owned()),
        )
    };
    let (mut learnt, mut tested) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let (test, class) = parts_of(&name);
        let to = if test { &mut tested } else { &mut learnt };
        to.push((name, text, class));
    }
    if learnt.is_empty() {
        std::mem::swap(&mut learnt, &mut tested);
    }
    let test_rows = tested.len();
    learnt.append(&mut tested);
    let (mut names, mut classes, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, text, class) in learnt {
        names.push(Some(name));
        classes.push(class);
        texts.push(text);
    }
    let labelled = classes.iter().any(Option::is_some);
    let mut columns = vec![Column {
        name: NAME.to_owned(),
        values: Values::texts(names),
    }];
    if labelled {
        columns.push(Column {
            name: CLASS.to_owned(),
            values: Values::texts(classes),
        });
    }
    ReadTexts {
        facts: SourceFacts {
            source: path.display().to_string(),
            format: "texts".to_owned(),
            encoding: None,
            delimiter: None,
            header: None,
            rows: texts.len(),
            source_rows: texts.len(),
            columns: columns.len(),
            bytes,
            sha256: fingerprint_bytes(&fingerprint).1,
            default_target: labelled.then(|| CLASS.to_owned()),
            notes,
        },
        table: Table { columns },
        texts,
        test_rows,
    }
}

impl ReadTexts {
    /// What each text is called.
    pub fn names(&self) -> Vec<String> {
        let column = self.table.column(NAME).map(|column| &column.values);
        let name = |row| {
            column
                .and_then(|values: &Values| values.text(row))
                .unwrap_or_default()
        };
        (0..self.texts.len()).map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn folders_are_classes_and_parts() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for (name, text) in [
            ("all/train/pos/1.txt", "good"),
            ("all/train/neg/2.txt", "bad"),
            ("all/test/pos/3.txt", "fine"),
            ("all/readme.pdf", "no text"),
        ] {
            write(at, name, text);
        }
        let source = TextSource::detect(at).unwrap();
        let read = read_texts(&source, None).unwrap();
        assert_eq!((read.texts.len(), read.test_rows), (3, 1));
        assert_eq!(read.texts, ["bad", "good", "fine"]);
        let class = &read.table.column("class").unwrap().values;
        let classes: Vec<_> = (0..3).filter_map(|row| class.text(row)).collect();
        assert_eq!(classes, ["neg", "pos", "pos"]);
        assert!(
            read.facts.notes[0].contains("1 files"),
            "{:?}",
            read.facts.notes
        );
        assert!(matches!(
            read_texts(&source, Some(8)),
            Err(SequenceError::TooLarge { .. })
        ));
    }

    #[test]
    fn archives_are_read_and_damaged_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar.gz");
        let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(packed);
        for (name, text) in [
            ("reviews/neg/a.txt", "bad"),
            ("reviews/pos/b.txt", "g\u{f6}od"),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        let packed = archive.into_inner().unwrap().finish().unwrap();
        fs::write(&path, &packed).unwrap();
        let source = TextSource::detect(&path).unwrap();
        let read = read_texts(&source, None).unwrap();
        assert_eq!(read.texts, ["bad", "g\u{f6}od"]);
        assert_eq!(read.names(), ["reviews/neg/a.txt", "reviews/pos/b.txt"]);
        fs::write(&path, &packed[..packed.len() / 2]).unwrap();
        assert!(read_texts(&source, None).is_err());
    }

    #[test]
    fn what_holds_no_texts_is_left_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, "notes.txt", "beside a graph");
        write(at, "cats/1.png", "");
        write(at, "dogs/2.png", "");
        assert_eq!(TextSource::detect(at), None);
        assert!(TextSource::detect_plain(&at.join("notes.txt")).is_some());
        assert_eq!(TextSource::detect(&at.join("none.tar.gz")), None);
        write(at, "broken.tar.gz", "no archive");
        assert_eq!(TextSource::detect(&at.join("broken.tar.gz")), None);
    }
}
