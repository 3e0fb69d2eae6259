use std::collections::BTreeMap;
use std::path::Path;

use candor_core::{Evidence, Finding, Severity};

use super::collection::Collection;
use super::decode::Header;
use super::{ImageOptions, ImageSource, Images, archive, builtin, idx, manifest, pictures};
use crate::curate::{listed, notice};
use crate::read::text_column::TextColumn;
use crate::{Column, DataError, SourceFacts, Table, Values};

/// Pictures with the facts of their reading.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadImages {
    /// One row a picture, in the order of `images`: `image` (its path below the source, or `train-00017`), `class`
    /// where it is known, the further columns of a manifest, and, where they are not the same in all, `width`,
    /// `height`, `channels` and `format` of the file.
    pub table: Table,
    /// The pictures, all of one size.
    pub images: Images,
    /// How they were read. `default_target` names the column of classes where there is one.
    pub facts: SourceFacts,
    /// The last so many rows are a test part that the makers of the source set aside; 0 when there is none.
    pub test_rows: usize,
    /// What was noticed: pictures that cannot be read, several sizes, classes with hardly a picture.
    pub findings: Vec<Finding>,
}

/// Reads pictures into memory: all of one size, 8 bits a channel, in natural order of their paths (`img2` before
/// `img10`), a given test part last.
///
/// Without `options.size`, pictures of one size keep it and others get the median of their aspects and of their longer
/// sides, at most 64 pixels (or `options.longest_side`); they are grey when no pixel of any has a colour. Deeper channels are
/// scaled to 8 bits, transparency is laid over white, EXIF orientation is obeyed, of several frames the first counts.
/// What was decided is in `facts.notes`.
///
/// # Errors
/// Nothing can be read; a container (archive, IDX, manifest) is damaged; more than a fifth of the pictures, or any by
/// [`super::CorruptPolicy::Refuse`], cannot be read; `options.labelled` and there are not two classes.
pub fn read_images(source: &ImageSource, options: &ImageOptions) -> Result<ReadImages, DataError> {
    let mut read = match source {
        ImageSource::Idx(path) => idx::read(path, options)?,
        ImageSource::Builtin(name) => idx::read(&builtin::folder(name)?, options)?,
        ImageSource::ClassFolders(path) | ImageSource::Pictures(path) => {
            pictures::read(path, Collection::below(path)?, options)?
        }
        ImageSource::Archive(path) => {
            let archives = archive::parts(path)?;
            pictures::read(
                path,
                Collection::archives(path, archives, options)?,
                options,
            )?
        }
        ImageSource::Manifest { path, column } => {
            pictures::read(path, manifest::open(path, column, options)?, options)?
        }
    };
    read.facts.source = source.to_string();
    read.facts.rows = read.table.rows();
    read.facts.columns = read.table.columns.len();
    Ok(read)
}

/// One picture of the result.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub name: String,
    pub class: Option<String>,
    /// What its file said; `None` where the files of a format say the same of all.
    pub header: Option<Header>,
}

/// The table of the pictures; `columns` are those of a manifest.
pub(super) fn tabulated(rows: &[Row], columns: Table) -> Table {
    let texts = |text: &dyn Fn(&Row) -> Option<&str>| {
        let mut column = TextColumn::with_capacity(rows.len());
        rows.iter().for_each(|row| column.push(text(row)));
        column.finish()
    };
    let mut made = vec![("image", texts(&|row| Some(&row.name)))];
    if rows.iter().any(|row| row.class.is_some()) && columns.columns.is_empty() {
        made.push(("class", texts(&|row| row.class.as_deref())));
    }
    let mut columns_of_files: Vec<(&str, Values)> = Vec::new();
    let measures = |header: &Header| [header.width, header.height, header.channels];
    for (at, name) in ["width", "height", "channels"].into_iter().enumerate() {
        let value = |row: &Row| {
            row.header
                .as_ref()
                .map_or(f64::NAN, |h| measures(h)[at] as f64)
        };
        let values: Vec<f64> = rows.iter().map(value).collect();
        columns_of_files.push((name, Values::Numeric(values)));
    }
    let format = texts(&|row| row.header.as_ref().map(|header| header.format));
    columns_of_files.push(("format", format));
    columns_of_files.retain(|(_, values)| varies(values));
    let named = |(name, values): (&str, Values)| Column {
        name: name.to_owned(),
        values,
    };
    let mut all: Vec<Column> = made.into_iter().map(named).collect();
    all.extend(columns.columns);
    all.extend(columns_of_files.into_iter().map(named));
    let names = crate::read::names::unique_names(
        all.iter().map(|column| column.name.clone()).collect(),
        &mut Vec::new(),
    );
    for (column, name) in all.iter_mut().zip(names) {
        column.name = name;
    }
    Table { columns: all }
}

fn varies(values: &Values) -> bool {
    match values {
        Values::Numeric(numbers) => numbers
            .windows(2)
            .any(|pair| pair[0].to_bits() != pair[1].to_bits()),
        Values::Text { dictionary, .. } => dictionary.len() > 1,
    }
}

/// Makes sure that there is something to tell apart, where the pictures are to be learned from.
pub(super) fn check_classes<'a>(
    path: &Path,
    classes: impl Iterator<Item = Option<&'a str>>,
    options: &ImageOptions,
) -> Result<(), DataError> {
    if !options.labelled {
        return Ok(());
    }
    let mut known = classes.flatten();
    let Some(first) = known.next() else {
        return Err(DataError::NoClasses {
            path: path.to_owned(),
        });
    };
    if known.all(|class| class == first) {
        return Err(DataError::OneClass {
            path: path.to_owned(),
            class: first.to_owned(),
        });
    }
    Ok(())
}

/// Classes of which a model can hardly learn anything.
pub(super) fn few_pictures(rows: &[Row]) -> Option<Finding> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for class in rows.iter().filter_map(|row| row.class.as_deref()) {
        *counts.entry(class).or_default() += 1;
    }
    let few: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count < 2)
        .map(|(class, _)| (*class).to_owned())
        .collect();
    if few.is_empty() || counts.len() < 2 {
        return None;
    }
    Some(notice(
        "single-picture-classes",
        Severity::Warning,
        vec!["class".to_owned()],
        format!("classes with a single picture: {}", listed(&few)),
        Evidence {
            rows: Vec::new(),
            count: few.len(),
            figure: format!("{} of {} classes", few.len(), counts.len()),
        },
        "add pictures of these classes, or merge them with others: one picture cannot be learned from and tested on",
    ))
}
