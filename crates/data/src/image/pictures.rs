use std::path::Path;

use candor_core::{Evidence, Finding, Severity};

use super::collection::{Collection, Look, fingerprint_of};
use super::common_size::{asked, channels, common_size};
use super::decode::{self, Header};
use super::fault::Fault;
use super::read::{ReadImages, Row, check_classes, few_pictures, tabulated};
use super::resize::fitted;
use super::store::{BATCH, Store, batch_of};
use super::{CorruptPolicy, ImageOptions, ImageSize, Images, thin};
use crate::curate::{notice, percent};
use crate::read::fingerprint::hexadecimal;
use crate::{DataError, SourceFacts, Table};

/// Share of pictures that cannot be read above which something else is wrong.
const CORRUPT_LIMIT: f64 = 0.2;
/// How much longer one side may become than the other before a picture counts as distorted.
const DISTORTED: f64 = 1.5;

/// Decodes a collection: first what all files say of themselves, then a common size, then the pixels.
pub(super) fn read(
    path: &Path,
    mut collection: Collection,
    options: &ImageOptions,
) -> Result<ReadImages, DataError> {
    let looks = match collection.looks.take() {
        Some(looks) => looks,
        None => survey(&collection, options)?,
    };
    let mut notes = std::mem::take(&mut collection.notes);
    let (bytes, sha256) = fingerprint(&collection, &looks);
    let mut faults = Faults::default();
    let mut good: Vec<(usize, Header)> = Vec::with_capacity(looks.len());
    for (i, look) in looks.into_iter().enumerate() {
        match look.header {
            Ok(header) => good.push((i, header)),
            Err(fault) => faults.0.push((i, fault)),
        }
    }
    faults.judge(path, &collection, options)?;
    leave_strays(&collection, options, &mut good, &mut notes);
    let classes = |good: &[(usize, Header)]| -> Vec<Option<String>> {
        let class = |(i, _): &(usize, Header)| collection.entries[*i].class.clone();
        good.iter().map(class).collect()
    };
    let check = |good: &[(usize, Header)]| {
        let classes = classes(good);
        let classes = classes.iter().map(Option::as_deref);
        if collection.columns.columns.is_empty() {
            check_classes(path, classes, options)
        } else {
            // Which column of a manifest is predicted is not decided here.
            Ok(())
        }
    };
    check(&good)?;
    let size = decided_size(&good, options, &mut notes);
    let mut groups: Vec<(bool, Option<&str>)> = Vec::with_capacity(good.len());
    for (i, _) in &good {
        let entry = &collection.entries[*i];
        groups.push((entry.test, entry.class.as_deref()));
    }
    let (keep, note) = thin::kept(&groups, size.len(), options.pixel_bytes());
    notes.extend(note);
    let mut keep = keep.into_iter();
    good.retain(|_| keep.next().unwrap_or(false));

    let decoded = decoded(
        &collection,
        &mut good,
        size,
        options.decoder_bytes(),
        &mut faults,
    )?;
    faults.judge(path, &collection, options)?;
    check(&good)?;
    let any_colour = decoded.coloured.contains(&true);
    let grey_after_all = options.size.is_none() && size.channels == 3 && !any_colour;
    let (size, pixels) = if grey_after_all {
        notes.push("no pixel has a colour: the pictures are kept grey".to_owned());
        grey(size, decoded.pixels)
    } else {
        (size, decoded.pixels)
    };
    if size.channels == 1 && any_colour {
        notes.push("coloured pictures were turned grey, as the size asks for".to_owned());
    }
    let images = Images::new(size, pixels).ok_or_else(|| DataError::NoPictures {
        path: path.to_owned(),
        others: 0,
    })?;
    notes.extend(depths(&good));
    let rows: Vec<Row> = good
        .iter()
        .map(|&(i, header)| Row {
            name: collection.entries[i].name.clone(),
            class: collection.entries[i].class.clone(),
            header: Some(header),
        })
        .collect();
    let kept: Vec<usize> = good
        .iter()
        .map(|&(i, _)| collection.entries[i].row)
        .collect();
    let columns = if collection.columns.columns.is_empty() {
        Table::default()
    } else {
        collection.columns.select(&kept)
    };
    let test_rows = good
        .iter()
        .filter(|&&(i, _)| collection.entries[i].test)
        .count();
    let mut findings: Vec<Finding> = faults.finding(&collection).into_iter().collect();
    findings.extend(mixed_sizes(&good, size));
    findings.extend(mixed_colours(&decoded.coloured, size));
    findings.extend(few_pictures(&rows));
    Ok(ReadImages {
        table: tabulated(&rows, columns),
        images,
        facts: SourceFacts {
            format: collection.format.to_owned(),
            source_rows: collection.entries.len(),
            bytes,
            sha256,
            default_target: collection.default_target.clone(),
            notes,
            ..SourceFacts::default()
        },
        test_rows,
        findings,
    })
}

/// Looks at every file.
fn survey(collection: &Collection, options: &ImageOptions) -> Result<Vec<Look>, DataError> {
    let all: Vec<usize> = (0..collection.store.len()).collect();
    let mut looks = Vec::with_capacity(all.len());
    let look = |bytes: &[u8]| Look::at(bytes, options.decoder_bytes());
    collection.store.each(&all, BATCH, look, |_, look| {
        looks.push(look.unwrap_or_else(Look::failed));
    })?;
    Ok(looks)
}

/// Bytes and SHA-256 of the source. The hash of an archive stands for its members.
fn fingerprint(collection: &Collection, looks: &[Look]) -> (u64, String) {
    let carriers = collection.carriers.iter();
    let mut files: Vec<(String, u64, String)> = carriers
        .map(|carrier| (carrier.name.clone(), carrier.bytes, carrier.sha256.clone()))
        .collect();
    if matches!(collection.store, Store::Files(_)) {
        files.extend(
            collection
                .entries
                .iter()
                .zip(looks)
                .map(|(entry, look)| (entry.name.clone(), look.bytes, hexadecimal(&look.digest))),
        );
    }
    fingerprint_of(files)
}

/// Pictures beside the class folders have no class; nothing can be learned from them.
fn leave_strays(
    collection: &Collection,
    options: &ImageOptions,
    good: &mut Vec<(usize, Header)>,
    notes: &mut Vec<String>,
) {
    if !(options.labelled && collection.classes_by_folder) {
        return;
    }
    let before = good.len();
    good.retain(|(i, _)| collection.entries[*i].class.is_some());
    if good.len() < before {
        notes.push(format!(
            "{} pictures lie in no class folder and were left out",
            before - good.len()
        ));
    }
}

/// The shape that is asked for, or a common one. Whether there are colours is only known for grey files.
fn decided_size(
    good: &[(usize, Header)],
    options: &ImageOptions,
    notes: &mut Vec<String>,
) -> ImageSize {
    if let Some(size) = options.size {
        notes.push(asked(size));
        return size;
    }
    let sizes: Vec<(usize, usize)> = good.iter().map(|(_, h)| (h.height, h.width)).collect();
    let common = common_size(&sizes, options.longest());
    notes.push(common.reason);
    ImageSize {
        channels: channels(good.iter().all(|(_, header)| header.is_grey())),
        height: common.height,
        width: common.width,
    }
}

/// What was decoded.
struct Decoded {
    pixels: Vec<u8>,
    /// Which pictures have a colour.
    coloured: Vec<bool>,
}

/// Decodes the pictures of `good`; those that fail move to `faults`.
fn decoded(
    collection: &Collection,
    good: &mut Vec<(usize, Header)>,
    size: ImageSize,
    most: u64,
    faults: &mut Faults,
) -> Result<Decoded, DataError> {
    let wanted: Vec<usize> = good.iter().map(|&(i, _)| i).collect();
    let length = size.len();
    let mut pixels = vec![0; wanted.len() * length];
    let mut failed: Vec<Option<Fault>> = vec![None; wanted.len()];
    let mut coloured = vec![false; wanted.len()];
    let work = |bytes: &[u8]| {
        let picture = decode::picture(bytes, most)?;
        Ok((picture.is_coloured(), fitted(picture, size)))
    };
    let sink = |at: usize, made: Result<Result<(bool, Vec<u8>), Fault>, Fault>| match made
        .and_then(|made| made)
    {
        Ok((has_colour, made)) => {
            coloured[at] = has_colour;
            pixels[at * length..(at + 1) * length].copy_from_slice(&made);
        }
        Err(fault) => failed[at] = Some(fault),
    };
    collection
        .store
        .each(&wanted, batch_of(length), work, sink)?;
    let mut next = 0;
    for (at, fault) in failed.iter().enumerate() {
        if fault.is_none() {
            pixels.copy_within(at * length..(at + 1) * length, next * length);
            coloured[next] = coloured[at];
            next += 1;
        }
    }
    pixels.truncate(next * length);
    coloured.truncate(next);
    let mut outcome = failed.into_iter();
    good.retain(|&(i, _)| match outcome.next().flatten() {
        Some(fault) => {
            faults.0.push((i, fault));
            false
        }
        None => true,
    });
    Ok(Decoded { pixels, coloured })
}

/// The first channel alone.
fn grey(size: ImageSize, mut pixels: Vec<u8>) -> (ImageSize, Vec<u8>) {
    let plane = size.height * size.width;
    let pictures = pixels.len() / size.len();
    for picture in 0..pictures {
        let from = picture * size.len();
        pixels.copy_within(from..from + plane, picture * plane);
    }
    pixels.truncate(pictures * plane);
    pixels.shrink_to_fit();
    (
        ImageSize {
            channels: 1,
            ..size
        },
        pixels,
    )
}

/// What was done to channels and orientation, one sentence each.
fn depths(good: &[(usize, Header)]) -> Vec<String> {
    let count = |is: &dyn Fn(&Header) -> bool| good.iter().filter(|(_, h)| is(h)).count();
    let cases = [
        (
            count(&|header| header.deep),
            "pictures have more than 8 bits a channel and were scaled to 8",
        ),
        (
            count(&|header| header.alpha),
            "pictures have an alpha channel and were laid over white",
        ),
        (
            count(&|header| header.turned),
            "pictures were turned upright, as their EXIF data say",
        ),
    ];
    cases
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

/// Pictures that cannot be read, by entry.
#[derive(Debug, Default)]
struct Faults(Vec<(usize, Fault)>);

impl Faults {
    /// An error when there are too many, or any where none may be.
    fn judge(
        &self,
        path: &Path,
        collection: &Collection,
        options: &ImageOptions,
    ) -> Result<(), DataError> {
        let (corrupt, all) = (self.0.len(), collection.entries.len());
        let too_many = corrupt as f64 > CORRUPT_LIMIT * all as f64;
        let refused = options.corrupt == CorruptPolicy::Refuse && corrupt > 0;
        if !too_many && !refused {
            return Ok(());
        }
        Err(DataError::CorruptPictures {
            path: path.to_owned(),
            corrupt,
            pictures: all,
            examples: self.examples(collection),
            too_many,
        })
    }

    /// The first ten with the reason of each.
    fn examples(&self, collection: &Collection) -> String {
        const SHOWN: usize = 10;
        let mut ordered: Vec<&(usize, Fault)> = self.0.iter().collect();
        ordered.sort_by_key(|(i, _)| *i);
        let shown: Vec<String> = ordered
            .iter()
            .take(SHOWN)
            .map(|(i, fault)| format!("`{}` ({fault})", collection.entries[*i].name))
            .collect();
        match self.0.len().saturating_sub(SHOWN) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    fn finding(&self, collection: &Collection) -> Option<Finding> {
        let (corrupt, all) = (self.0.len(), collection.entries.len());
        (corrupt > 0).then(|| Finding {
            kind: "corrupt-pictures".to_owned(),
            severity: Severity::Warning,
            columns: Vec::new(),
            message: format!(
                "{corrupt} of {all} pictures cannot be read: {}",
                self.examples(collection)
            ),
            evidence: Evidence {
                rows: Vec::new(),
                count: corrupt,
                figure: percent(corrupt, all),
            },
            remedy: "copy or export these files again, or remove them".to_owned(),
            action: Some("left out".to_owned()),
        })
    }
}

/// Pictures of several sizes; a warning when many are distorted.
fn mixed_sizes(good: &[(usize, Header)], size: ImageSize) -> Option<Finding> {
    let first = good.first().map(|(_, h)| (h.height, h.width))?;
    let other = good
        .iter()
        .filter(|(_, h)| (h.height, h.width) != first)
        .count();
    if other == 0 {
        return None;
    }
    let aspect = size.width as f64 / size.height as f64;
    let distorted = |header: &Header| {
        let change = header.width as f64 / header.height as f64 / aspect;
        change.max(1.0 / change) > DISTORTED
    };
    let distorted: Vec<usize> = (0..good.len())
        .filter(|&row| distorted(&good[row].1))
        .collect();
    let share = percent(distorted.len(), good.len());
    let severity = if distorted.len() * 10 > good.len() {
        Severity::Warning
    } else {
        Severity::Note
    };
    Some(notice(
        "mixed-sizes",
        severity,
        Vec::new(),
        format!(
            "the pictures have several sizes and are brought to {} x {}: {} ({share}) become more than {DISTORTED} times wider or taller than they were",
            size.height,
            size.width,
            distorted.len()
        ),
        crate::curate::evidence(&distorted, share),
        "crop the pictures to one aspect if shapes matter; look whether sizes differ between classes",
    ))
}

/// Grey pictures among coloured ones.
fn mixed_colours(coloured: &[bool], size: ImageSize) -> Option<Finding> {
    let grey: Vec<usize> = (0..coloured.len()).filter(|&i| !coloured[i]).collect();
    if size.channels == 1 || grey.is_empty() || grey.len() == coloured.len() {
        return None;
    }
    let share = percent(grey.len(), coloured.len());
    Some(notice(
        "mixed-colours",
        Severity::Note,
        Vec::new(),
        format!(
            "{} pictures ({share}) have no colours, the others do",
            grey.len()
        ),
        crate::curate::evidence(&grey, share),
        "look whether they belong to some classes only: then a model learns the colour and not the class",
    ))
}
