use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::collection::{Carrier, file_name, fingerprint_of};
use super::common_size::{asked, common_size};
use super::decode::{MAX_SIDE, Picture};
use super::read::{ReadImages, Row, check_classes, few_pictures, tabulated};
use super::resize::fitted;
use super::unpacked::{Unpacked, first_bytes};
use super::{ImageOptions, ImageSize, Images, thin};
use crate::read::fingerprint::hexadecimal;
use crate::{DataError, SourceFacts, Table};

/// Pictures in one file above which its header is taken as damaged.
const MOST_PICTURES: usize = 100_000_000;

/// Fashion-MNIST is told by the SHA-256 of its labels (training and test part, without their headers).
const FASHION_LABELS: [&str; 2] = [
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
];
/// Its classes (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747, table 2).
const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// One file of pictures and, if it lies beside it, that of their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: &'static str,
    images: PathBuf,
    labels: Option<PathBuf>,
    test: bool,
}

/// Reads the IDX files of a folder (`train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` and their kin, plain or gzip)
/// or one file of pictures. Format: Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database of handwritten digits*.
pub(super) fn read(path: &Path, options: &ImageOptions) -> Result<ReadImages, DataError> {
    let parts = parts(path)?;
    let mut files: Vec<(String, u64, String)> = Vec::new();
    let mut notes = Vec::new();
    let mut opened = Vec::new();
    for part in &parts {
        let images = Idx::open(&part.images, 3)?;
        let [count, height, width] = images.shape[..] else {
            return Err(damaged(&part.images, "its header is cut off"));
        };
        check_shape(&part.images, count, height, width)?;
        let labels = match &part.labels {
            Some(labels) => Some(read_labels(labels, count, &part.images, &mut files)?),
            None => None,
        };
        opened.push((part, images, (count, height, width), labels));
    }
    let named = opened
        .iter()
        .all(|(_, _, _, labels)| labels.as_ref().is_some_and(|labels| labels.is_fashion()));
    if named {
        notes.push("the labels are those of Fashion-MNIST: the classes have its names".to_owned());
    }
    let class_of = |label: u8| match FASHION_CLASSES.get(usize::from(label)) {
        Some(name) if named => (*name).to_owned(),
        _ => label.to_string(),
    };
    let labelled = opened.iter().flat_map(|(_, _, _, labels)| labels);
    let distinct: BTreeSet<u8> = labelled
        .flat_map(|labels| labels.0.iter().copied())
        .collect();
    let names: Vec<String> = distinct.into_iter().map(class_of).collect();
    check_classes(path, names.iter().map(|name| Some(name.as_str())), options)?;

    let size = decided_size(
        &opened.iter().map(|o| o.2).collect::<Vec<_>>(),
        options,
        &mut notes,
    );
    let mut groups: Vec<(bool, Option<u8>)> = Vec::new();
    for (part, _, (count, _, _), labels) in &opened {
        let label = |i: usize| labels.as_ref().map(|labels| labels.0[i]);
        groups.extend((0..*count).map(|i| (part.test, label(i))));
    }
    let (keep, note) = thin::kept(&groups, size.len(), options.pixel_bytes());
    notes.extend(note);

    let mut rows = Vec::new();
    let mut pixels = Vec::new();
    let (mut first, mut test_rows, mut gzip) = (0, 0, false);
    for (part, images, (count, height, width), labels) in opened {
        gzip |= images.gzip;
        let chosen = &keep[first..first + count];
        first += count;
        let carrier = images.read_pictures(
            (count, height, width),
            chosen,
            size,
            &mut pixels,
            &mut notes,
        )?;
        files.push((carrier.name, carrier.bytes, carrier.sha256));
        let digits = (count - 1).to_string().len().max(5);
        for i in (0..count).filter(|&i| chosen[i]) {
            test_rows += usize::from(part.test);
            rows.push(Row {
                name: format!("{}-{i:0digits$}", part.name),
                class: labels.as_ref().map(|labels| class_of(labels.0[i])),
                header: None,
            });
        }
    }
    let images = Images::new(size, pixels).ok_or_else(|| DataError::Empty {
        path: path.to_owned(),
    })?;
    let (bytes, sha256) = fingerprint_of(files);
    let known = rows.iter().any(|row| row.class.is_some());
    Ok(ReadImages {
        table: tabulated(&rows, Table::default()),
        images,
        facts: SourceFacts {
            format: if gzip { "IDX (gzip)" } else { "IDX" }.to_owned(),
            source_rows: groups.len(),
            bytes,
            sha256,
            default_target: known.then(|| "class".to_owned()),
            notes,
            ..SourceFacts::default()
        },
        test_rows,
        findings: few_pictures(&rows).into_iter().collect(),
    })
}

fn decided_size(
    shapes: &[(usize, usize, usize)],
    options: &ImageOptions,
    notes: &mut Vec<String>,
) -> ImageSize {
    if let Some(size) = options.size {
        let equal = shapes
            .iter()
            .all(|&(_, h, w)| (1, h, w) == (size.channels, size.height, size.width));
        if !equal {
            notes.push(asked(size));
        }
        return size;
    }
    let sizes: Vec<(usize, usize)> = shapes.iter().map(|&(_, h, w)| (h, w)).collect();
    let common = common_size(&sizes, options.longest());
    notes.push(common.reason);
    ImageSize {
        channels: 1,
        height: common.height,
        width: common.width,
    }
}

fn check_shape(path: &Path, count: usize, height: usize, width: usize) -> Result<(), DataError> {
    let side = 1..=MAX_SIDE as usize;
    if count == 0 {
        return Err(DataError::Empty {
            path: path.to_owned(),
        });
    }
    if count > MOST_PICTURES || !side.contains(&height) || !side.contains(&width) {
        return Err(damaged(
            path,
            &format!("its header promises {count} pictures of {height} x {width} pixels"),
        ));
    }
    Ok(())
}

/// One byte a picture.
struct Labels(Vec<u8>);

impl Labels {
    fn is_fashion(&self) -> bool {
        let sha256 = hexadecimal(&Sha256::digest(&self.0));
        FASHION_LABELS.contains(&sha256.as_str())
    }
}

fn read_labels(
    path: &Path,
    pictures: usize,
    images: &Path,
    files: &mut Vec<(String, u64, String)>,
) -> Result<Labels, DataError> {
    let mut file = Idx::open(path, 1)?;
    if file.shape != [pictures] {
        let count = file.shape.first().copied().unwrap_or(0);
        return Err(damaged(
            path,
            &format!(
                "it has {count} labels, and `{}` has {pictures} pictures",
                file_name(images)
            ),
        ));
    }
    let mut labels = Vec::new();
    file.reader
        .by_ref()
        .take(pictures as u64)
        .read_to_end(&mut labels)
        .map_err(|source| cut_or_unreadable(path, source))?;
    if labels.len() < pictures {
        return Err(damaged(
            path,
            &format!(
                "its header promises {pictures} labels, and it ends after {}",
                labels.len()
            ),
        ));
    }
    let carrier = file.finish()?;
    files.push((carrier.name, carrier.bytes, carrier.sha256));
    Ok(Labels(labels))
}

/// An IDX file after its header.
struct Idx {
    path: PathBuf,
    reader: BufReader<Unpacked>,
    shape: Vec<usize>,
    gzip: bool,
}

impl Idx {
    /// Opens a file of bytes with so many dimensions and reads its header.
    fn open(path: &Path, dimensions: u8) -> Result<Idx, DataError> {
        let unreadable = |source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let unpacked = Unpacked::open(path).map_err(unreadable)?;
        let gzip = matches!(unpacked, Unpacked::Gzip(_));
        let mut reader = BufReader::with_capacity(1 << 16, unpacked);
        let mut magic = [0; 4];
        let cut = |source| cut_or_unreadable(path, source);
        reader.read_exact(&mut magic).map_err(cut)?;
        if magic != [0, 0, 8, dimensions] {
            return Err(damaged(
                path,
                &format!(
                    "it begins with {}, and bytes in {dimensions} dimensions begin with 0000080{dimensions}",
                    hexadecimal(&magic)
                ),
            ));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map_err(cut)?;
            shape.push(u32::from_be_bytes(length) as usize);
        }
        Ok(Idx {
            path: path.to_owned(),
            reader,
            shape,
            gzip,
        })
    }

    /// Reads the pictures, and appends those chosen, at the size asked for, to `pixels`. Memory grows with what the file
    /// really holds, never with what its header promises.
    fn read_pictures(
        mut self,
        (count, height, width): (usize, usize, usize),
        chosen: &[bool],
        size: ImageSize,
        pixels: &mut Vec<u8>,
        notes: &mut Vec<String>,
    ) -> Result<Carrier, DataError> {
        let as_is = (size.channels, size.height, size.width) == (1, height, width);
        let mut stored = vec![0; height * width];
        for (i, &chosen) in chosen.iter().enumerate() {
            if let Err(source) = self.reader.read_exact(&mut stored) {
                return Err(match source.kind() {
                    io::ErrorKind::UnexpectedEof => damaged(
                        &self.path,
                        &format!("its header promises {count} pictures, and it ends after {i}"),
                    ),
                    _ => cut_or_unreadable(&self.path, source),
                });
            }
            if chosen && as_is {
                pixels.extend_from_slice(&stored);
            } else if chosen {
                let picture = Picture {
                    width,
                    height,
                    channels: 1,
                    pixels: stored.clone(),
                };
                pixels.extend(fitted(picture, size));
            }
        }
        let mut more = [0];
        if self.reader.read(&mut more).is_ok_and(|read| read > 0) {
            notes.push(format!(
                "`{}` goes on after the last picture that its header promises; the rest was ignored",
                file_name(&self.path)
            ));
        }
        self.finish()
    }

    fn finish(self) -> Result<Carrier, DataError> {
        let (bytes, sha256) = self
            .reader
            .into_inner()
            .finish()
            .map_err(|source| cut_or_unreadable(&self.path, source))?;
        Ok(Carrier::new(&self.path, bytes, sha256))
    }
}

fn damaged(path: &Path, detail: &str) -> DataError {
    DataError::Idx {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}

fn cut_or_unreadable(path: &Path, source: io::Error) -> DataError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            damaged(path, &format!("it cannot be unpacked: {source}"))
        }
        _ => DataError::Unreadable {
            path: path.to_owned(),
            source,
        },
    }
}

/// Whether a file begins as IDX pictures do, plain or gzip.
pub(super) fn is_idx_pictures(path: &Path) -> io::Result<bool> {
    let magic = first_bytes(path, 4)?;
    Ok(magic == [0, 0, 8, 3])
}

/// Whether a folder holds pictures in IDX files.
pub(super) fn is_idx_folder(folder: &Path) -> bool {
    picture_files(folder).is_ok_and(|files| !files.is_empty())
}

/// The IDX files of pictures in a folder, by name; where one lies there plain and packed, the plain one.
fn picture_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |source| DataError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = file_name(&path).to_lowercase();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        if stem.ends_with("images-idx3-ubyte") || stem.ends_with("images.idx3-ubyte") {
            files.push(path);
        }
    }
    files.sort();
    let plain = files.clone();
    files.retain(|path| {
        let unpacked = path.with_extension("");
        path.extension().is_none_or(|e| e != "gz") || !plain.contains(&unpacked)
    });
    Ok(files)
}

/// The parts of a source, the test part last.
fn parts(path: &Path) -> Result<Vec<Part>, DataError> {
    let files = if path.is_dir() {
        picture_files(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut parts: Vec<Part> = files.into_iter().map(part).collect();
    parts.sort_by_key(|part| part.test);
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let names = [&pair[0].images, &pair[1].images].map(|path| file_name(path));
        return Err(damaged(
            path,
            &format!("`{}` and `{}` belong to different sets", names[0], names[1]),
        ));
    }
    if let [only] = parts.as_mut_slice() {
        // Alone, it tests nothing.
        only.test = false;
    }
    Ok(parts)
}

fn part(images: PathBuf) -> Part {
    let name = file_name(&images).to_lowercase();
    let (name, test) = if name.contains("t10k") {
        ("t10k", true)
    } else if name.contains("test") {
        ("test", true)
    } else if name.contains("train") {
        ("train", false)
    } else {
        ("picture", false)
    };
    Part {
        name,
        labels: labels_beside(&images),
        images,
        test,
    }
}

/// The file whose name says `labels` and `idx1` where that of the pictures says `images` and `idx3`.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = file_name(images);
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    if labels == name {
        return None;
    }
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels).to_owned();
    [labels.clone(), plain.clone(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
}
