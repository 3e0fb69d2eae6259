//! Where shapes come from: one file a format.
//!
//! | source | what it looks like |
//! | --- | --- |
//! | class folders | `shapes/cup/1.off`, `shapes/chair/2.ply`; or `shapes/train/cup/1.off`, `shapes/test/cup/2.off` |
//! | manifest | a CSV with a column of paths, relative to it; all other columns are kept |
//! | arrays | an `.npz` with `points [shapes, points, 3]` or `vertices`, `faces` and their offsets; `label`; `train`; the same in HDF5 (`.h5`), |
//! | | where points may be called `data`, or a folder of such files (`ply_data_train0.h5`, `ply_data_test0.h5`), as ModelNet40 is published |
//! | shapes | one file, or a folder of files without classes: to predict |
//!
//! OFF, PLY (text, binary of both orders), OBJ, STL (text, binary), PCD (text, binary), LAS, LAZ and texts of coordinates (XYZ, PTS, CSV) are read.

mod archive;
mod binary;
mod fault;
mod fields;
mod format;
mod geometry;
mod las;
mod manifest;
mod obj;
mod off;
mod pcd;
mod ply;
mod stl;
mod unreadable;
mod words;
mod xyz;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use candor_core::{Finding, Seed};
use candor_data::{
    Column, FilesInFolders, ReadOptions, SourceFacts, Table, Values, files_in_folders,
    fingerprint_bytes, is_hdf5_name,
};
use rayon::prelude::*;

pub(crate) use archive::{Archive, ArrayFile, holds_shapes, is_of_arrays, labels_points};
pub use fault::Fault;
pub(crate) use fields::LabelBook;
pub use format::parse_shape;
pub(crate) use format::{is_shape, is_shape_name};
pub use geometry::{Channels, Geometry, PointLabels};
pub use las::{LasPieces, LasWriter, class_code};
pub(crate) use unreadable::unreadable;

use crate::cloud::{CHOSEN_FROM, KEPT};
use crate::{Cloud, CloudError};

/// Where shapes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudSource {
    /// A folder of files, with a folder a class or without, or one file.
    Files(PathBuf),
    /// A table of text with a column of paths.
    Manifest {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// An archive of NumPy arrays, an HDF5 file, or a folder of these.
    Arrays(PathBuf),
}

impl CloudSource {
    /// Tells whether `path` holds shapes, and how; `None` when it holds something else, or nothing.
    ///
    /// Text files whose names do not tell (`.txt`, `.csv`) are looked into: in a folder, a few lines of coordinates make them shapes.
    pub fn detect(path: &Path) -> Option<CloudSource> {
        let owned = path.to_owned();
        let name = path.file_name()?.to_string_lossy().into_owned();
        if path.is_dir() {
            let (found, arrays) = shapes_or_arrays(path)?;
            // Shapes may lie beside their materials and pictures of them; a shape among many other files does not make a folder one of shapes.
            let shapes = found.files.len();
            if shapes > 0 {
                let many = found.others <= MOST_OTHERS * shapes;
                return many.then_some(CloudSource::Files(owned));
            }
            return (arrays && holds_shapes(path)).then_some(CloudSource::Arrays(owned));
        }
        if !path.is_file() {
            return None;
        }
        if format::is_shape_name(&name) || format::begins_as_shape(path) {
            return Some(CloudSource::Files(owned));
        }
        if is_of_arrays(path) {
            return holds_shapes(path).then_some(CloudSource::Arrays(owned));
        }
        let column = manifest::shape_column(path)?;
        Some(CloudSource::Manifest {
            path: owned,
            column,
        })
    }

    /// The same for data of which it is known that they are shapes: a file is then one in any case, unless it is a manifest or an archive.
    pub fn certainly(path: &Path) -> Option<CloudSource> {
        let file = || path.is_file().then(|| CloudSource::Files(path.to_owned()));
        CloudSource::detect(path).or_else(file)
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        match self {
            CloudSource::Files(path)
            | CloudSource::Manifest { path, .. }
            | CloudSource::Arrays(path) => path,
        }
    }
}

impl fmt::Display for CloudSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())
    }
}

/// How shapes are read.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudOptions {
    /// How a manifest is read; `memory_bytes` bounds the shapes, too (a quarter of it, of 8 GB when `None`).
    pub tables: ReadOptions,
    /// Whether the shapes are to be learned from: then folders must tell at least two classes, shapes that cannot be read are left out, and
    /// more than a fifth of them is an error.
    pub labelled: bool,
    /// Points that are kept of each shape, as a model that exists asks for it; as many as memory allows, 1,024 at most, when `None`.
    pub kept: Option<usize>,
    /// What draws points on meshes, together with what a file holds: the same file gives the same points wherever it lies.
    pub seed: Seed,
}

impl Default for CloudOptions {
    fn default() -> CloudOptions {
        CloudOptions {
            tables: ReadOptions::default(),
            labelled: false,
            kept: None,
            seed: Seed(0),
        }
    }
}

/// Shapes with the facts of their reading.
#[derive(Debug)]
pub struct ReadClouds {
    /// One row a shape: `shape` (its path below the source, or `shape 17`), `class` where it is known, the further columns of a manifest.
    pub table: Table,
    /// The shapes, in the order of the table. Those that could not be read are empty (only where nothing is learned).
    pub clouds: Vec<Cloud>,
    /// Shapes that could not be read, and why (only where nothing is learned).
    pub unreadable: BTreeMap<usize, String>,
    /// How they were read.
    pub facts: SourceFacts,
    /// The last so many rows are a test part that the makers of the source set aside; 0 when there is none.
    pub test_rows: usize,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// Points that are kept of each shape at most.
    pub kept: usize,
}

/// The shapes of a folder, and whether there are files of arrays, too; `None` when it cannot be looked through.
pub(crate) fn shapes_or_arrays(path: &Path) -> Option<(FilesInFolders, bool)> {
    let arrays = Cell::new(false);
    let wanted = |name: &str, path: &Path| {
        arrays.set(arrays.get() || is_hdf5_name(path));
        format::is_shape(name, path)
    };
    let found = files_in_folders(path, "shapes", &wanted).ok()?;
    Some((found, arrays.get()))
}

/// Files that are no shapes, for each that is one, in a folder of shapes at most.
const MOST_OTHERS: usize = 4;
/// Memory that is assumed where none is given.
const ASSUMED_BYTES: u64 = 8_000_000_000;
/// Points of a shape at least.
const LEAST_KEPT: usize = 64;

/// A shape's name, class and bytes: what is common to all sources.
struct Listed {
    names: Vec<String>,
    columns: Table,
    target: Option<String>,
    test_rows: usize,
    format: &'static str,
    notes: Vec<String>,
    /// Files beside the shapes that belong to the source.
    carriers: Vec<PathBuf>,
}

/// What was read of one shape: the hash of its bytes, if it has any of its own, and its points.
type Look = (u64, String, Result<Cloud, Fault>);

/// Reads shapes into memory: centred, scaled, sampled. Meshes are sampled evenly over their area, with a stream of their own for each.
///
/// # Errors
/// Nothing can be read; an archive or manifest is damaged; to learn from: more than a fifth of the shapes cannot be read, or there are no
/// two classes.
pub fn read_clouds(source: &CloudSource, options: &CloudOptions) -> Result<ReadClouds, CloudError> {
    match source {
        CloudSource::Files(path) => from_files(path, options),
        CloudSource::Manifest { path, column } => from_manifest(path, column, options),
        CloudSource::Arrays(path) => from_arrays(path, options),
    }
}

/// Points that are kept of each of so many shapes.
fn kept(path: &Path, shapes: usize, options: &CloudOptions) -> Result<usize, CloudError> {
    if let Some(kept) = options.kept {
        return Ok(kept.clamp(2, KEPT));
    }
    let bytes = options.tables.memory_bytes.unwrap_or(ASSUMED_BYTES) / 4;
    // Coordinates, and features of points once they are asked for.
    let each = bytes / shapes.max(1) as u64 / 128;
    let kept = usize::try_from(each).unwrap_or(KEPT).min(KEPT);
    if kept < LEAST_KEPT {
        return Err(CloudError::Memory {
            path: path.to_owned(),
            shapes,
            bytes,
        });
    }
    Ok(kept)
}

fn made(geometry: Result<Geometry, Fault>, kept: usize, seed: Seed) -> Result<Cloud, Fault> {
    let geometry = geometry?;
    let mut stream = seed.stream("surface", &[hashed(&geometry)]);
    let points = geometry.sampled(CHOSEN_FROM.max(kept), &mut stream);
    Cloud::new(&points, kept).ok_or(Fault::OnePlace(points.len()))
}

/// FNV-1a over the coordinates.
fn hashed(geometry: &Geometry) -> u64 {
    let numbers = geometry.points.iter().flatten();
    numbers.fold(0xcbf2_9ce4_8422_2325, |hash, x| {
        (hash ^ x.to_bits())
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(17)
    })
}

fn look(path: Option<&Path>, kept: usize, seed: Seed) -> Look {
    let Some(path) = path else {
        return (0, String::new(), Err(Fault::Unnamed));
    };
    let ((size, sha256), geometry) = shape_of_file(path);
    (size, sha256, made(geometry, kept, seed))
}

/// The bytes and SHA-256 of a file, and the shape in it; its name tells the format where the bytes do not.
pub(crate) fn shape_of_file(path: &Path) -> ((u64, String), Result<Geometry, Fault>) {
    let failed = |fault| ((0, String::new()), Err(fault));
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > fault::MOST_BYTES => return failed(Fault::LargeFile(meta.len())),
        Ok(_) => {}
        Err(error) => return failed(Fault::from_io(&error)),
    }
    match std::fs::read(path) {
        Ok(bytes) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (fingerprint_bytes(&bytes), parse_shape(&bytes, &name))
        }
        Err(error) => failed(Fault::from_io(&error)),
    }
}

fn from_files(path: &Path, options: &CloudOptions) -> Result<ReadClouds, CloudError> {
    let mut found = match path.is_dir() {
        true => files_in_folders(path, "shapes", &format::is_shape)?,
        false => FilesInFolders {
            files: vec![candor_data::FileInFolder {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                path: path.to_owned(),
                class: None,
                test: false,
            }],
            ..Default::default()
        },
    };
    if options.labelled {
        let known = found.files.iter().filter_map(|f| f.class.clone());
        let mut classes = known.collect::<BTreeSet<String>>().into_iter();
        let (first, second) = (classes.next(), classes.next().is_some());
        let path = path.to_owned();
        match first {
            None => return Err(CloudError::NoClasses { path }),
            Some(class) if !second => return Err(CloudError::OneClass { path, class }),
            Some(_) => {}
        }
        let before = found.files.len();
        found.files.retain(|file| file.class.is_some());
        let strays = before - found.files.len();
        if strays > 0 {
            let note = format!("{strays} shapes lie in no class folder and were left out");
            found.notes.push(note);
        }
    }
    if found.files.is_empty() {
        return Err(CloudError::NoShapes {
            path: path.to_owned(),
        });
    }
    let kept = kept(path, found.files.len(), options)?;
    let files = found.files.par_iter();
    let looks = files.map(|file| look(Some(&file.path), kept, options.seed));
    let looks: Vec<Look> = looks.collect();
    let mut columns = Table::default();
    if found.classes {
        columns.columns.push(Column {
            name: "class".to_owned(),
            values: Values::texts(found.files.iter().map(|f| f.class.as_ref())),
        });
    }
    let listed = Listed {
        test_rows: found.files.iter().filter(|file| file.test).count(),
        names: found.files.into_iter().map(|file| file.name).collect(),
        columns,
        target: found.classes.then(|| "class".to_owned()),
        format: if found.classes {
            "class folders"
        } else {
            "shapes"
        },
        notes: found.notes,
        carriers: Vec::new(),
    };
    finish(path, listed, looks, kept, options)
}

fn from_manifest(
    path: &Path,
    column: &str,
    options: &CloudOptions,
) -> Result<ReadClouds, CloudError> {
    let read = manifest::read(path, column, &options.tables)?;
    let kept = kept(path, read.paths.len(), options)?;
    let cells = read.paths.par_iter();
    let looks = cells.map(|cell| {
        let file = cell.as_ref().map(|cell| manifest::beside(path, cell));
        look(file.as_deref(), kept, options.seed)
    });
    let looks: Vec<Look> = looks.collect();
    let names = read.paths.into_iter().enumerate();
    let names = names.map(|(row, cell)| cell.unwrap_or_else(|| format!("row {}", row + 1)));
    let listed = Listed {
        names: names.collect(),
        columns: read.columns,
        target: read.target,
        test_rows: read.test_rows,
        format: "manifest",
        notes: read.notes,
        carriers: vec![path.to_owned()],
    };
    finish(path, listed, looks, kept, options)
}

fn from_arrays(path: &Path, options: &CloudOptions) -> Result<ReadClouds, CloudError> {
    let wrong = |problem| CloudError::Arrays {
        path: path.to_owned(),
        problem,
    };
    let files = ArrayFile::all(path)?;
    let several = files.len() > 1;
    // Of several files each is read and thinned before the next one; what fits is known before.
    let all = several.then(|| files.iter().filter_map(ArrayFile::shapes).sum());
    let (mut names, mut looks) = (Vec::new(), Vec::<Look>::new());
    let (mut tests, mut targets) = (Vec::new(), Vec::new());
    let mut points = options.kept.unwrap_or(KEPT);
    for file in &files {
        let named = |problem: String| match several {
            true => wrong(format!("`{}`: {problem}", file.name)),
            false => wrong(problem),
        };
        let mut archive = Archive::read(&file.path).map_err(named)?;
        points = kept(path, all.unwrap_or(archive.len()), options)?;
        let shapes = (0..archive.len()).into_par_iter();
        looks.par_extend(shapes.map(|shape| {
            let cloud = made(archive.shape(shape), points, options.seed);
            (0, String::new(), cloud)
        }));
        names.extend((0..archive.len()).map(|shape| file.name_of(shape)));
        tests.extend(file.tested(&archive));
        targets.push((file.name.as_str(), archive.target.take()));
    }
    if looks.is_empty() {
        return Err(CloudError::NoShapes {
            path: path.to_owned(),
        });
    }
    // A part that is all or nothing tests nothing.
    if tests.iter().all(|&test| test) {
        tests.fill(false);
    }
    let target = archive::joined(&targets).map_err(wrong)?;
    let rows = 0..looks.len();
    let (last, mut order): (Vec<usize>, Vec<usize>) = rows.partition(|&row| tests[row]);
    let test_rows = last.len();
    order.extend(last);
    let mut notes = vec!["shapes are numbered from 0, as in the arrays".to_owned()];
    if test_rows > 0 {
        notes.push(format!(
            "the arrays say that {test_rows} shapes are the test part"
        ));
    }
    let mut looks: Vec<Option<Look>> = looks.into_iter().map(Some).collect();
    let looks = order.iter().filter_map(|&row| looks[row].take()).collect();
    let listed = Listed {
        names: order.iter().map(|&row| names[row].clone()).collect(),
        target: target.as_ref().map(|column| column.name.clone()),
        columns: Table {
            columns: target.into_iter().collect(),
        }
        .select(&order),
        test_rows,
        format: "arrays",
        notes,
        carriers: files.into_iter().map(|file| file.path).collect(),
    };
    finish(path, listed, looks, points, options)
}

/// Bytes and SHA-256 of all files of a source, in the order of their names.
fn fingerprint(listed: &Listed, looks: &[Look]) -> Result<(u64, String), CloudError> {
    let mut files: Vec<(String, u64, String)> = listed
        .names
        .iter()
        .zip(looks)
        .filter(|(_, (_, sha256, _))| !sha256.is_empty())
        .map(|(name, (bytes, sha256, _))| (name.clone(), *bytes, sha256.clone()))
        .collect();
    for path in &listed.carriers {
        files.push(fingerprinted(path)?);
    }
    Ok(hash_of(files))
}

/// The name, bytes and SHA-256 of a file.
fn fingerprinted(path: &Path) -> Result<(String, u64, String), CloudError> {
    let bytes = std::fs::read(path).map_err(|source| candor_data::DataError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (bytes, sha256) = fingerprint_bytes(&bytes);
    Ok((name.into_owned(), bytes, sha256))
}

/// Bytes and SHA-256 of files, whatever their order: of one its own.
fn hash_of(mut files: Vec<(String, u64, String)>) -> (u64, String) {
    files.sort();
    let bytes = files.iter().map(|(_, bytes, _)| bytes).sum();
    if let [(_, _, only)] = files.as_slice() {
        return (bytes, only.clone());
    }
    let lines = files
        .iter()
        .map(|(name, _, sha256)| format!("{name}\0{sha256}\n"));
    let lines = lines.collect::<String>();
    (bytes, fingerprint_bytes(lines.as_bytes()).1)
}

/// Bytes and SHA-256 of files of arrays.
pub(crate) fn arrays_fingerprint(path: &Path) -> Result<(u64, String), CloudError> {
    let files = ArrayFile::all(path)?.into_iter();
    let files = files.map(|file| fingerprinted(&file.path));
    Ok(hash_of(files.collect::<Result<_, CloudError>>()?))
}

fn finish(
    path: &Path,
    mut listed: Listed,
    looks: Vec<Look>,
    kept: usize,
    options: &CloudOptions,
) -> Result<ReadClouds, CloudError> {
    let (bytes, sha256) = fingerprint(&listed, &looks)?;
    let shapes = looks.len();
    let mut unread = BTreeMap::new();
    let mut clouds = Vec::with_capacity(shapes);
    let mut faults = Vec::new();
    for (row, (_, _, cloud)) in looks.into_iter().enumerate() {
        match cloud {
            Ok(cloud) => clouds.push(cloud),
            Err(fault) => {
                faults.push((row, fault));
                clouds.push(Cloud::default());
            }
        }
    }
    let mut findings = Vec::new();
    let named: Vec<(&str, &Fault)> = faults
        .iter()
        .map(|(row, fault)| (listed.names[*row].as_str(), fault))
        .collect();
    let told = unreadable(path, &named, shapes, "shapes", options.labelled)?;
    findings.extend(told);
    if !faults.is_empty() {
        if options.labelled {
            let lost: BTreeSet<usize> = faults.iter().map(|(row, _)| *row).collect();
            let good: Vec<usize> = (0..shapes).filter(|row| !lost.contains(row)).collect();
            let of_test = |row: &&usize| **row >= shapes - listed.test_rows;
            listed.test_rows = good.iter().filter(of_test).count();
            listed.names = good.iter().map(|&row| listed.names[row].clone()).collect();
            listed.columns = listed.columns.select(&good);
            clouds.retain(|cloud| !cloud.is_empty());
        } else {
            let told =
                |(row, fault): (usize, Fault)| (row, format!("The shape cannot be read: {fault}."));
            unread = faults.into_iter().map(told).collect();
        }
    }
    let mut columns = vec![Column {
        name: "shape".to_owned(),
        values: Values::texts(listed.names.into_iter().map(Some)),
    }];
    columns.extend(listed.columns.columns);
    unique(&mut columns);
    let table = Table { columns };
    Ok(ReadClouds {
        facts: SourceFacts {
            source: path.display().to_string(),
            format: listed.format.to_owned(),
            rows: table.rows(),
            source_rows: shapes,
            columns: table.columns.len(),
            bytes,
            sha256,
            default_target: listed.target,
            notes: listed.notes,
            ..SourceFacts::default()
        },
        table,
        clouds,
        unreadable: unread,
        test_rows: listed.test_rows,
        findings,
        kept,
    })
}

/// A column of a manifest may be called as ours.
fn unique(columns: &mut [Column]) {
    for place in 1..columns.len() {
        while columns[..place]
            .iter()
            .any(|c| c.name == columns[place].name)
        {
            columns[place].name.push('_');
        }
    }
}
