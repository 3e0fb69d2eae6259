//! Labelled points: shapes with a label a point, and scenes that are cut into blocks.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use candor_core::Finding;
use candor_data::{
    Column, ReadOptions, SourceFacts, Table, Values, files_in_folders, fingerprint_bytes,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::published::{self, Listed};
use super::scan::dealt;
use super::tiles::{self, Block};
use super::{Frame, PointUnits, Scan};
use crate::source::{
    Archive, ArrayFile, arrays_fingerprint, holds_shapes, is_of_arrays, is_shape, is_shape_name,
    labels_points, shape_of_file, shapes_or_arrays, unreadable,
};
use crate::{CloudError, Fault, Geometry, PointLabels};

/// Where labelled points come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointSource {
    /// A folder of files, or one file.
    Files(PathBuf),
    /// An archive of NumPy arrays, an HDF5 file, or a folder of these.
    Arrays(PathBuf),
    /// The folder of ShapeNetPart.
    ShapeNet(PathBuf),
    /// The folder of S3DIS.
    S3dis(PathBuf),
}

/// Bytes of a file that is looked into to see whether it labels its points.
const MOST_LOOKED_AT: u64 = 256 << 20;

impl PointSource {
    /// Tells whether `path` holds points with a label each, and how; `None` when it holds something else. Of a folder of files the first ones
    /// tell. Where folders name classes of shapes, points are meant only if they are `asked` for.
    pub fn detect(path: &Path, asked: bool) -> Option<PointSource> {
        let owned = path.to_owned();
        if path.is_dir() {
            if published::is_shapenet(path) {
                return Some(PointSource::ShapeNet(owned));
            }
            if published::is_s3dis(path) {
                return Some(PointSource::S3dis(owned));
            }
            let (found, arrays) = shapes_or_arrays(path)?;
            if found.classes && !asked {
                return None;
            }
            if found.files.is_empty() {
                return (arrays && labels_points(path)).then_some(PointSource::Arrays(owned));
            }
            let mut first = found.files.iter().take(LOOKED_AT);
            let told = first.any(|file| labelled(&file.path, asked));
            return told.then_some(PointSource::Files(owned));
        }
        if is_of_arrays(path) {
            return labels_points(path).then_some(PointSource::Arrays(owned));
        }
        let name = path.file_name()?.to_string_lossy();
        let is_points = is_shape_name(&name) && labelled(path, asked);
        is_points.then_some(PointSource::Files(owned))
    }

    /// The same for what is known to hold points, labelled or not.
    pub fn certainly(path: &Path) -> Option<PointSource> {
        let owned = path.to_owned();
        PointSource::detect(path, true).or_else(|| {
            if path.is_dir() {
                let (found, arrays) = shapes_or_arrays(path)?;
                return match found.files.is_empty() {
                    false => Some(PointSource::Files(owned)),
                    true => (arrays && holds_shapes(path)).then_some(PointSource::Arrays(owned)),
                };
            }
            if is_of_arrays(path) {
                return Some(PointSource::Arrays(owned));
            }
            path.is_file().then_some(PointSource::Files(owned))
        })
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        match self {
            PointSource::Files(path)
            | PointSource::Arrays(path)
            | PointSource::ShapeNet(path)
            | PointSource::S3dis(path) => path,
        }
    }
}

impl fmt::Display for PointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())
    }
}

/// Files of a folder that are looked into.
const LOOKED_AT: usize = 5;

/// Whether a file labels its points, by two words at least where nobody asked for them.
fn labelled(path: &Path, asked: bool) -> bool {
    let least = if asked { 1 } else { 2 };
    if !std::fs::metadata(path).is_ok_and(|meta| meta.len() <= MOST_LOOKED_AT) {
        return false;
    }
    let (_, geometry) = shape_of_file(path);
    geometry.is_ok_and(|geometry| {
        geometry
            .labels
            .is_some_and(|labels| labels.names.len() >= least)
    })
}

/// How points are cut out of their sources: fixed when a model learns, kept in its bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointRules {
    /// Points of a scan at most.
    pub kept: usize,
    /// Where scenes are cut into blocks, the edge of one.
    pub block: Option<f64>,
    /// What is known of points beside their places.
    pub channels: Vec<String>,
}

impl PointRules {
    /// Why these cannot be, if so: they may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        if !(2..=KEPT).contains(&self.kept) {
            return Err(format!("no scan is kept by {} points", self.kept));
        }
        if self.channels.len() > MOST_CHANNELS {
            return Err(format!("{} channels are too many", self.channels.len()));
        }
        match self.block {
            Some(edge) if !(edge.is_finite() && edge > 0.0) => {
                Err(format!("no block is {edge} long"))
            }
            _ => Ok(()),
        }
    }
}

/// Points of a scan at most.
const KEPT: usize = 1024;
/// Points of a scan at least, where there are very many shapes.
const LEAST_KEPT: usize = 64;
/// Channels at most: 7 of files, and a category each.
const MOST_CHANNELS: usize = 1024;
/// Points that are learned from at most.
const MOST_UNITS: usize = 4_000_000;
/// Points above which a file is a scene, and no shape.
const SCENE: usize = 100_000;
/// Points of a block for each point that is kept of it.
const TIMES_KEPT: usize = 4;
/// Blocks that the first scene is cut into at least, about.
const FEWEST_BLOCKS: usize = 24;
/// Scenes from which on whole scenes are kept together when units are parted, and not blocks.
const MANY_SCENES: usize = 8;
/// What a channel of a category is called, before its name.
pub(super) const CATEGORY: &str = "category ";
/// The edge of a block of S3DIS, in metres.
const ROOM_BLOCK: f64 = 1.0;
/// The column of labels.
const LABEL: &str = "label";

/// How labelled points are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PointOptions {
    /// `memory_bytes` bounds the points.
    pub tables: ReadOptions,
    /// As a model that exists asks for it; decided by the source when `None`.
    pub rules: Option<PointRules>,
}

/// Points with the facts of their reading.
#[derive(Debug)]
pub struct ReadPoints {
    /// One row a point: `shape` (what it lies in: a shape, a scene or a block of one) and `label`.
    pub table: Table,
    /// The points, in the order of the table.
    pub points: PointUnits,
    /// How they were cut out.
    pub rules: PointRules,
    /// How they were read.
    pub facts: SourceFacts,
    /// The last so many rows are a test part that the makers of the source set aside; 0 when there is none.
    pub test_rows: usize,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// One file, array or room as it was read.
pub(super) struct Loaded {
    bytes: u64,
    sha256: String,
    pub geometry: Result<Geometry, Fault>,
}

/// What is learned from of one file: scans that are not yet seen from anywhere.
struct Piece {
    /// What its points must not be parted from.
    group: String,
    frame: Frame,
    geometry: Geometry,
}

/// Bytes and SHA-256 of a file, and what is learned from of it.
type Looked = (u64, String, Result<Vec<Piece>, Fault>);

/// All files of a source, before they are read.
pub(super) struct Listing {
    pub files: Vec<Listed>,
    /// Where they are arrays, what holds them.
    archives: Vec<Archive>,
    format: &'static str,
    notes: Vec<String>,
}

pub(super) fn list(source: &PointSource) -> Result<Listing, CloudError> {
    let listing = |(files, notes), format| Listing {
        files,
        archives: Vec::new(),
        format,
        notes,
    };
    match source {
        PointSource::ShapeNet(path) => Ok(listing(published::shapenet(path)?, "ShapeNetPart")),
        PointSource::S3dis(path) => Ok(listing(published::s3dis(path)?, "S3DIS")),
        PointSource::Arrays(path) => {
            let (mut files, mut archives) = (Vec::new(), Vec::new());
            let found = ArrayFile::all(path)?;
            for file in &found {
                let archive = Archive::read(&file.path).map_err(|problem| CloudError::Arrays {
                    path: file.path.clone(),
                    problem,
                })?;
                let category = archive.target.as_ref().map(|column| &column.values);
                let category = category.filter(|values| matches!(values, Values::Text { .. }));
                let tested = file.tested(&archive).into_iter().enumerate();
                let listed = tested.map(|(shape, test)| Listed {
                    name: file.name_of(shape),
                    path: file.path.clone(),
                    place: Some((archives.len(), shape)),
                    category: category.and_then(|values| values.text(shape)),
                    test,
                });
                files.extend(listed);
                archives.push(archive);
            }
            Ok(Listing {
                archives,
                ..listing((files, Vec::new()), "arrays")
            })
        }
        PointSource::Files(path) if path.is_dir() => {
            let found = files_in_folders(path, "shapes", &is_shape)?;
            let file = |file: candor_data::FileInFolder| Listed {
                name: file.name,
                path: file.path,
                place: None,
                category: file.class,
                test: file.test,
            };
            let files = found.files.into_iter().map(file).collect();
            Ok(listing((files, found.notes), "shapes"))
        }
        PointSource::Files(path) => {
            let name = path.file_name().unwrap_or_default();
            let file = Listed {
                name: name.to_string_lossy().into_owned(),
                path: path.clone(),
                place: None,
                category: None,
                test: false,
            };
            Ok(listing((vec![file], Vec::new()), "shapes"))
        }
    }
}

pub(super) fn load(listing: &Listing, number: usize, rooms: bool) -> Loaded {
    let file = &listing.files[number];
    if let Some((archive, shape)) = file.place {
        return Loaded {
            bytes: 0,
            sha256: String::new(),
            geometry: listing.archives[archive].shape(shape),
        };
    }
    if rooms {
        return match published::room(&file.path) {
            Ok((geometry, hashes)) => Loaded {
                bytes: 0,
                sha256: fingerprint_bytes(&hashes).1,
                geometry: Ok(geometry),
            },
            Err(fault) => Loaded {
                bytes: 0,
                sha256: String::new(),
                geometry: Err(fault),
            },
        };
    }
    let ((bytes, sha256), geometry) = shape_of_file(&file.path);
    Loaded {
        bytes,
        sha256,
        geometry,
    }
}

/// Reads points to learn from.
///
/// # Errors
/// Nothing can be read; an archive is damaged; more than a fifth of the files cannot be read; no two labels.
pub fn read_points(source: &PointSource, options: &PointOptions) -> Result<ReadPoints, CloudError> {
    let path = source.path().to_owned();
    let rooms = matches!(source, PointSource::S3dis(_));
    let mut listing = list(source)?;
    // A part that is all or nothing tests nothing.
    if listing.files.iter().all(|file| file.test) {
        listing.files.iter_mut().for_each(|file| file.test = false);
    }
    let (tests, mut files): (Vec<Listed>, Vec<Listed>) =
        listing.files.drain(..).partition(|file| file.test);
    files.extend(tests);
    listing.files = files;
    let count = listing.files.len();
    if count == 0 {
        return Err(CloudError::NoShapes { path });
    }
    let mut rules = rules(&listing, rooms, options)?;
    let loaded: Vec<Looked> = (0..count)
        .into_par_iter()
        .map(|number| {
            let loaded = load(&listing, number, rooms);
            let pieces = loaded
                .geometry
                .map(|geometry| pieces(geometry, &listing.files[number].name, count, &rules));
            (loaded.bytes, loaded.sha256, pieces)
        })
        .collect();
    let (bytes, sha256) = fingerprint(&path, &listing, &loaded)?;
    let mut findings = Vec::new();
    let faults: Vec<(&str, &Fault)> = listing
        .files
        .iter()
        .zip(&loaded)
        .filter_map(|(file, (.., pieces))| Some((file.name.as_str(), pieces.as_ref().err()?)))
        .collect();
    findings.extend(unreadable(&path, &faults, loaded.len(), "files", true)?);
    let mut read: Vec<(usize, Piece)> = Vec::new();
    for (number, (.., pieces)) in loaded.into_iter().enumerate() {
        let pieces = pieces.unwrap_or_default();
        read.extend(pieces.into_iter().map(|piece| (number, piece)));
    }
    if options.rules.is_none() {
        rules.channels = channels(&listing, &read);
    }
    let all: usize = read
        .iter()
        .map(|(_, piece)| piece.geometry.points.len())
        .sum();
    let step = all.div_ceil(most_units(options)).max(1);
    if step > 1 {
        let note = format!("one scan in {step} is taken, so that they fit into memory");
        listing.notes.push(note);
        let mut place = 0;
        read.retain(|_| {
            place += 1;
            place % step == 0
        });
    }
    finish(path, listing, read, rules, findings, (bytes, sha256))
}

/// Points that are learned from at most: those that fit into a quarter of the memory, with what is computed of them.
fn most_units(options: &PointOptions) -> usize {
    const BYTES: u64 = 256;
    let fits = options.tables.memory_bytes.map(|bytes| bytes / 4 / BYTES);
    fits.map_or(MOST_UNITS, |fits| {
        usize::try_from(fits).map_or(MOST_UNITS, |fits| fits.clamp(10_000, MOST_UNITS))
    })
}

/// The rules that a source asks for, if nobody else does.
fn rules(listing: &Listing, rooms: bool, options: &PointOptions) -> Result<PointRules, CloudError> {
    if let Some(rules) = &options.rules {
        return Ok(rules.clone());
    }
    let kept = (most_units(options) / listing.files.len().max(1)).clamp(LEAST_KEPT, KEPT);
    let block = match rooms {
        true => Some(ROOM_BLOCK),
        false => scene_block(listing, kept),
    };
    Ok(PointRules {
        kept,
        block,
        channels: Vec::new(),
    })
}

/// The edge of a block, where the first file that can be read is a scene.
fn scene_block(listing: &Listing, kept: usize) -> Option<f64> {
    let mut first = 0..listing.files.len().min(LOOKED_AT);
    let (geometry, is_scan) = first.find_map(|number| {
        let extension = listing.files[number].path.extension().unwrap_or_default();
        let is_scan = ["las", "laz"]
            .iter()
            .any(|e| extension.eq_ignore_ascii_case(e));
        Some((load(listing, number, false).geometry.ok()?, is_scan))
    })?;
    let count = geometry.points.len();
    if !is_scan && count <= SCENE {
        return None;
    }
    let ends = |f: fn(f64, f64) -> f64, from: f64| -> [f64; 3] {
        std::array::from_fn(|axis| geometry.points.iter().map(|p| p[axis]).fold(from, f))
    };
    let low = ends(f64::min, f64::INFINITY);
    let high = ends(f64::max, f64::NEG_INFINITY);
    // Enough blocks to part them, however small the scene.
    let each = (TIMES_KEPT * kept)
        .min(count / FEWEST_BLOCKS)
        .max(tiles::FEWEST);
    tiles::edge_for(count as u64, low, high, each)
}

/// What is learned from of a file: one scan of a shape, or one of each block of a scene.
fn pieces(geometry: Geometry, name: &str, files: usize, rules: &PointRules) -> Vec<Piece> {
    let Some(edge) = rules.block else {
        let Some(frame) = Frame::of(&geometry.points) else {
            return Vec::new();
        };
        let scan = dealt(&geometry.points, &frame, rules.kept).swap_remove(0);
        return vec![Piece {
            group: name.to_owned(),
            frame,
            geometry: geometry.taken(&scan),
        }];
    };
    let piece = |block: Block| {
        let own = geometry.taken(&block.places);
        let scan = dealt(&own.points, &block.frame, rules.kept).swap_remove(0);
        Piece {
            group: match files >= MANY_SCENES {
                true => name.to_owned(),
                false => format!("{name} block {} {}", block.cell.0, block.cell.1),
            },
            frame: block.frame,
            geometry: own.taken(&scan),
        }
    };
    tiles::blocks(&geometry.points, edge, 0.0)
        .into_iter()
        .filter(|block| block.places.len() >= tiles::FEWEST)
        .map(piece)
        .collect()
}

/// What is known of the points of all pieces, and the categories.
fn channels(listing: &Listing, read: &[(usize, Piece)]) -> Vec<String> {
    let mut known: Option<Vec<String>> = None;
    for (_, piece) in read {
        let own = &piece.geometry.channels.names;
        match &mut known {
            None => known = Some(own.clone()),
            Some(known) => known.retain(|name| own.contains(name)),
        }
    }
    let mut known = known.unwrap_or_default();
    let categories: BTreeSet<&String> = read
        .iter()
        .filter_map(|(number, _)| listing.files[*number].category.as_ref())
        .collect();
    if categories.len() > 1 && known.len() + categories.len() <= MOST_CHANNELS {
        known.extend(
            categories
                .into_iter()
                .map(|name| format!("{CATEGORY}{name}")),
        );
    }
    known
}

/// Points of a geometry as a scan, with the channels of the rules: NaN where nothing is known.
pub(crate) fn scan_of(
    geometry: &Geometry,
    category: Option<&str>,
    frame: &Frame,
    channels: &[String],
) -> Scan {
    let own = &geometry.channels;
    let width = own.names.len();
    enum From {
        Column(usize),
        Constant(f32),
    }
    let from: Vec<From> = channels
        .iter()
        .map(|name| {
            if let Some(column) = own.names.iter().position(|n| n == name) {
                return From::Column(column);
            }
            let told = name.strip_prefix(CATEGORY).zip(category);
            From::Constant(told.map_or(f32::NAN, |(name, own)| f32::from(u8::from(name == own))))
        })
        .collect();
    let points = geometry.points.iter().flat_map(|point| frame.seen(point));
    let rows = 0..geometry.points.len();
    let values = rows.flat_map(|row| {
        from.iter().map(move |from| match from {
            From::Column(column) => own.values[row * width + column],
            From::Constant(value) => *value,
        })
    });
    Scan::new(points.collect(), values.collect())
}

fn finish(
    path: PathBuf,
    listing: Listing,
    read: Vec<(usize, Piece)>,
    rules: PointRules,
    findings: Vec<Finding>,
    (bytes, sha256): (u64, String),
) -> Result<ReadPoints, CloudError> {
    let mut groups: HashMap<String, u32> = HashMap::new();
    let mut group_names = Vec::new();
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut names: Vec<String> = Vec::new();
    let (mut group_codes, mut codes) = (Vec::new(), Vec::new());
    let (mut scans, mut test_rows) = (Vec::with_capacity(read.len()), 0);
    for (number, piece) in &read {
        let file = &listing.files[*number];
        let count = piece.geometry.points.len();
        let group = *groups.entry(piece.group.clone()).or_insert_with(|| {
            group_names.push(piece.group.clone());
            group_names.len() as u32 - 1
        });
        group_codes.extend(std::iter::repeat_n(group, count));
        match &piece.geometry.labels {
            None => codes.extend(std::iter::repeat_n(Values::MISSING, count)),
            Some(labels) => {
                let own: Vec<u32> = labels
                    .names
                    .iter()
                    .map(|name| {
                        *places.entry(name.clone()).or_insert_with(|| {
                            names.push(name.clone());
                            names.len() as u32 - 1
                        })
                    })
                    .collect();
                codes.extend(labels.codes.iter().map(|&code| match code {
                    PointLabels::MISSING => Values::MISSING,
                    code => own[code as usize],
                }));
            }
        }
        test_rows += if file.test { count } else { 0 };
        scans.push(scan_of(
            &piece.geometry,
            file.category.as_deref(),
            &piece.frame,
            &rules.channels,
        ));
    }
    let said: BTreeSet<u32> = codes
        .iter()
        .copied()
        .filter(|&c| c != Values::MISSING)
        .collect();
    let mut said = said.into_iter();
    match (said.next(), said.next()) {
        (None, _) => return Err(CloudError::NoLabels { path }),
        (Some(only), None) => {
            let label = names[only as usize].clone();
            return Err(CloudError::OneLabel { path, label });
        }
        _ => {}
    }
    let mut notes = listing.notes;
    let scans_in_words = match rules.block {
        Some(edge) => format!("blocks of scenes, each {edge:.3} long and wide"),
        None => "shapes".to_owned(),
    };
    notes.push(format!(
        "a unit is a point: {} points of {} {scans_in_words}, at most {} of each",
        codes.len(),
        scans.len(),
        rules.kept
    ));
    if !rules.channels.is_empty() {
        notes.push(format!(
            "beside their places, models see of points: {}",
            rules.channels.join(", ")
        ));
    }
    let table = Table {
        columns: vec![
            Column {
                name: "shape".to_owned(),
                values: Values::Text {
                    codes: group_codes,
                    dictionary: group_names,
                },
            },
            Column {
                name: LABEL.to_owned(),
                values: Values::Text {
                    codes,
                    dictionary: names,
                },
            },
        ],
    };
    Ok(ReadPoints {
        facts: SourceFacts {
            source: path.display().to_string(),
            format: listing.format.to_owned(),
            rows: table.rows(),
            source_rows: table.rows(),
            columns: table.columns.len(),
            bytes,
            sha256,
            default_target: Some(LABEL.to_owned()),
            notes,
            ..SourceFacts::default()
        },
        points: PointUnits::new(scans, rules.channels.clone()),
        table,
        rules,
        test_rows,
        findings,
    })
}

/// Bytes and SHA-256 of all files, in the order of their names.
fn fingerprint(
    path: &Path,
    listing: &Listing,
    loaded: &[Looked],
) -> Result<(u64, String), CloudError> {
    if !listing.archives.is_empty() {
        return arrays_fingerprint(path);
    }
    let files = listing.files.iter().zip(loaded);
    let mut lines: Vec<String> = files
        .map(|(file, (_, sha256, _))| format!("{}\0{sha256}\n", file.name))
        .collect();
    lines.sort();
    let bytes = loaded.iter().map(|(bytes, ..)| bytes).sum();
    Ok((bytes, fingerprint_bytes(lines.concat().as_bytes()).1))
}
