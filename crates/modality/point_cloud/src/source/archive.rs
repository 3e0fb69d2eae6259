use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_data::{
    Array, ArrayValues, Column, DataError, Values, array_names, files_in_folders, hdf5_shapes,
    is_hdf5_name, part_named, read_arrays,
};

use super::geometry::{Channels, Geometry, PointLabels};
use super::{Fault, LabelBook};

const POINTS: [&str; 5] = ["points", "point_clouds", "clouds", "xyz", DATA];
/// What points are called in the HDF5 files of ModelNet40, ShapeNetPart and ScanObjectNN; elsewhere it may be anything.
const DATA: &str = "data";
const VERTICES: [&str; 1] = ["vertices"];
const LABELS: [&str; 6] = ["label", "labels", "y", "class", "classes", "target"];
/// Arrays that say of each point what it is part of.
const POINT_LABELS: [&str; 9] = [
    "point_label",
    "point_labels",
    "part_label",
    "parts",
    "pid",
    "seg",
    "segmentation",
    "semantic",
    "semantic_label",
];
/// Arrays of three numbers a point, and the channels that they are.
const THREES: [(&str, [&str; 3]); 6] = [
    ("colors", ["red", "green", "blue"]),
    ("colours", ["red", "green", "blue"]),
    ("rgb", ["red", "green", "blue"]),
    ("normals", ["nx", "ny", "nz"]),
    ("normal", ["nx", "ny", "nz"]),
    ("vertex_normals", ["nx", "ny", "nz"]),
];
const TRAIN: [&str; 3] = ["train", "train_mask", "is_train"];
const PARTS: [&str; 2] = ["split", "part"];
const FACES: &str = "faces";
const VERTEX_OFFSETS: &str = "vertex_offset";
const FACE_OFFSETS: &str = "face_offset";

/// Files that name classes, a name a line, beside arrays of their numbers; the second as ModelNet40 has it.
const CLASS_FILES: [&str; 2] = ["classes.txt", "shape_names.txt"];

/// One file of arrays, and whether its makers test on it where its name says so.
#[derive(Debug)]
pub(crate) struct ArrayFile {
    pub name: String,
    pub path: PathBuf,
    test: bool,
    /// Whether it is one of several.
    of_several: bool,
}

impl ArrayFile {
    /// The file itself, or all HDF5 files of a folder, in natural order.
    pub fn all(path: &Path) -> Result<Vec<ArrayFile>, DataError> {
        if !path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            return Ok(vec![ArrayFile {
                name: name.to_string_lossy().into_owned(),
                path: path.to_owned(),
                test: false,
                of_several: false,
            }]);
        }
        let found = files_in_folders(path, "arrays", &|_, path| is_hdf5_name(path))?;
        let tested = |name: &str| {
            let mut words = name.split(|c: char| !c.is_alphabetic());
            words.find_map(part_named).unwrap_or(false)
        };
        let of_several = found.files.len() > 1;
        let files = found.files.into_iter().map(|file| ArrayFile {
            test: file.test || tested(&file.name),
            of_several,
            name: file.name,
            path: file.path,
        });
        Ok(files.collect())
    }

    /// What a shape of it is called.
    pub fn name_of(&self, shape: usize) -> String {
        match self.of_several {
            true => format!("{} {shape}", self.name),
            false => format!("shape {shape}"),
        }
    }

    /// Which of its shapes are tested on.
    pub fn tested(&self, archive: &Archive) -> Vec<bool> {
        let all = vec![self.test; archive.len()];
        archive.test.clone().unwrap_or(all)
    }

    /// How many shapes it holds, where that can be told without reading them.
    pub fn shapes(&self) -> Option<usize> {
        shapes_in(&hdf5_shapes(&self.path))
    }
}

/// How many shapes `[shapes, points, 3]` there are in arrays of such shapes.
fn shapes_in(arrays: &BTreeMap<String, Vec<usize>>) -> Option<usize> {
    let known = POINTS.iter().filter_map(|name| arrays.get(*name));
    let mut counts = known.filter_map(|shape| match shape[..] {
        [shapes, _, 3] => Some(shapes),
        _ => None,
    });
    counts.next()
}

/// Whether a file is one of arrays, by its name.
pub(crate) fn is_of_arrays(path: &Path) -> bool {
    let npz = |e: &std::ffi::OsStr| e.eq_ignore_ascii_case("npz");
    is_hdf5_name(path) || path.extension().is_some_and(npz)
}

/// The file that tells what a path of arrays holds; of a folder the first.
fn telling(path: &Path) -> Option<PathBuf> {
    let files = ArrayFile::all(path).ok()?;
    Some(files.into_iter().next()?.path)
}

/// Whether an archive of NumPy arrays, an HDF5 file or a folder of these holds shapes.
pub(crate) fn holds_shapes(path: &Path) -> bool {
    let Some(path) = telling(path) else {
        return false;
    };
    if is_hdf5_name(&path) {
        let shapes = hdf5_shapes(&path);
        return shapes_in(&shapes).is_some()
            || (shapes.contains_key(VERTICES[0]) && shapes.contains_key(VERTEX_OFFSETS));
    }
    let names = array_names(&path);
    let has = |name: &str| names.iter().any(|n| n == name);
    POINTS.iter().any(|name| has(name) && *name != DATA)
        || (VERTICES.iter().any(|name| has(name)) && has(VERTEX_OFFSETS))
}

/// Whether arrays say of each point what it is part of.
pub(crate) fn labels_points(path: &Path) -> bool {
    let Some(path) = &telling(path).filter(|path| holds_shapes(path)) else {
        return false;
    };
    let names = array_names(path);
    let has = |known: &[&str]| known.iter().any(|name| names.iter().any(|n| n == name));
    // Labels under other names may be of shapes or of points, which their number tells.
    (has(&POINT_LABELS) || has(&LABELS))
        && Archive::read(path).is_ok_and(|archive| archive.labels_points())
}

/// What an archive holds: shapes one after another, and what is said of each.
pub(crate) struct Archive {
    points: Vec<f64>,
    /// Where the points of each shape begin, and the number of all.
    starts: Vec<usize>,
    faces: Vec<u32>,
    /// Where the faces of each shape begin, and the number of all; empty without faces.
    face_starts: Vec<usize>,
    channels: Channels,
    /// What each point is part of.
    point_labels: Option<PointLabels>,
    /// What is predicted.
    pub target: Option<Column>,
    /// Which shapes are tested on, where that is said.
    pub test: Option<Vec<bool>>,
}

impl Archive {
    /// Reads the arrays. `[n, p, 3]` are `n` shapes of `p` points; `vertices [v, 3]` with `vertex_offset [n + 1]` are shapes of any number,
    /// with triangles in `faces [f, 3]` and `face_offset`, places within the shape.
    pub fn read(path: &Path) -> Result<Archive, String> {
        let known: Vec<&str> = POINTS
            .iter()
            .chain(&VERTICES)
            .chain(&LABELS)
            .chain(&TRAIN)
            .chain(&PARTS)
            .chain(&POINT_LABELS)
            .copied()
            .chain(THREES.map(|(name, _)| name))
            .chain([FACES, VERTEX_OFFSETS, FACE_OFFSETS])
            .collect();
        let arrays = read_arrays(path, |name| known.contains(&name))?;
        let first = |names: &[&str]| {
            let name = names.iter().find(|name| arrays.contains_key(**name))?;
            Some(((*name).to_owned(), &arrays[*name]))
        };
        let (points, starts) = match first(&POINTS) {
            Some((name, array)) => dense(&name, array)?,
            None => by_offsets(&arrays)?,
        };
        let shapes = starts.len() - 1;
        let (faces, face_starts) = triangles(&arrays, shapes)?;
        let total = starts.last().copied().unwrap_or(0);
        // One label a point may stand under any name of labels.
        let of_points = |array: &&Array| {
            let count: usize = array.shape.iter().product();
            count == total && (array.shape.len() > 1 || total > shapes)
        };
        let alone = first(&POINT_LABELS).or_else(|| first(&LABELS).filter(|(_, a)| of_points(a)));
        let point_labels = match &alone {
            Some((name, array)) => Some(labels_of_points(name, array, total)?),
            None => None,
        };
        let target = match first(&LABELS) {
            Some((_, array)) if of_points(&array) => None,
            Some((name, array)) => Some(labels(&name, array, shapes, path)?),
            None => None,
        };
        let channels = channels(&arrays, total)?;
        let test = match (first(&TRAIN), first(&PARTS)) {
            (Some((name, array)), _) => Some(masked(&name, array, shapes)?),
            (None, Some((name, array))) => parted(&name, array, shapes)?,
            (None, None) => None,
        };
        // A part that is all or nothing tests nothing.
        let test = test.filter(|test| test.iter().any(|&t| t) && !test.iter().all(|&t| t));
        Ok(Archive {
            points,
            starts,
            faces,
            face_starts,
            channels,
            point_labels,
            target,
            test,
        })
    }

    /// Whether it says of each point what it is part of.
    pub fn labels_points(&self) -> bool {
        self.point_labels.is_some()
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn shape(&self, shape: usize) -> Result<Geometry, Fault> {
        let (start, end) = (self.starts[shape], self.starts[shape + 1]);
        let points = self.points[3 * start..3 * end].chunks_exact(3);
        let faces = match self.face_starts.get(shape..shape + 2) {
            Some(&[start, end]) => &self.faces[3 * start..3 * end],
            _ => &[],
        };
        let geometry = Geometry {
            points: points.map(|p| [p[0], p[1], p[2]]).collect(),
            faces: faces.chunks_exact(3).map(|f| [f[0], f[1], f[2]]).collect(),
            channels: Channels {
                names: self.channels.names.clone(),
                values: {
                    let width = self.channels.names.len();
                    self.channels.values[width * start..width * end].to_vec()
                },
            },
            labels: self.point_labels.as_ref().map(|labels| PointLabels {
                codes: labels.codes[start..end].to_vec(),
                names: labels.names.clone(),
            }),
        };
        geometry.checked()
    }
}

/// The columns of files that belong together, one after another.
pub(super) fn joined(columns: &[(&str, Option<Column>)]) -> Result<Option<Column>, String> {
    let Some((_, first)) = columns.first() else {
        return Ok(None);
    };
    let like_first = |column: &Option<Column>| match (column, first) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            let numbers = |column: &Column| matches!(column.values, Values::Numeric(_));
            one.name == other.name && numbers(one) == numbers(other)
        }
        _ => false,
    };
    if let Some((file, _)) = columns.iter().find(|(_, column)| !like_first(column)) {
        return Err(format!(
            "`{file}` has not the labels of the files before it"
        ));
    }
    let columns = columns.iter().filter_map(|(_, column)| column.clone());
    Ok(columns.reduce(|before, column| Column {
        values: before.values.followed_by(&column.values),
        ..before
    }))
}

fn dense(name: &str, array: &Array) -> Result<(Vec<f64>, Vec<usize>), String> {
    let wrong = || format!("array `{name}` should be numbers of shape [shapes, points, 3]");
    let (shapes, points) = match *array.shape.as_slice() {
        [shapes, points, 3] => (shapes, points),
        // One scene.
        [points, 3] => (1, points),
        _ => return Err(wrong()),
    };
    let values = array.numbers().ok_or_else(wrong)?;
    let starts = (0..=shapes).map(|shape| shape * points).collect();
    Ok((values, starts))
}

/// One label for each of so many points.
fn labels_of_points(name: &str, array: &Array, total: usize) -> Result<PointLabels, String> {
    let count: usize = array.shape.iter().product();
    if count != total {
        return Err(format!(
            "array `{name}` has {count} labels, there are {total} points"
        ));
    }
    let mut book = LabelBook::default();
    match (&array.values, array.numbers()) {
        (ArrayValues::Text(words), _) => words.iter().for_each(|word| book.word(word)),
        (_, Some(numbers)) => numbers.into_iter().for_each(|number| book.number(number)),
        _ => return Err(format!("array `{name}` should hold labels")),
    }
    Ok(book.labels())
}

/// What else is known of so many points.
fn channels(arrays: &BTreeMap<String, Array>, total: usize) -> Result<Channels, String> {
    let mut columns: Vec<(&str, Vec<f64>, usize)> = Vec::new();
    for (name, channels) in THREES {
        let Some(array) = arrays.get(name) else {
            continue;
        };
        if columns.iter().any(|(known, ..)| *known == channels[0]) {
            continue;
        }
        let values = array.numbers().filter(|v| v.len() == 3 * total);
        let values = values
            .ok_or_else(|| format!("array `{name}` should hold three numbers for each point"))?;
        for (place, channel) in channels.into_iter().enumerate() {
            columns.push((channel, values.clone(), place));
        }
    }
    let names = columns
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    let row = |point: usize| {
        let values = columns.iter();
        values.map(move |(_, values, place)| values[3 * point + place] as f32)
    };
    let values = (0..total).flat_map(row).collect();
    Ok(Channels { names, values })
}

fn by_offsets(arrays: &BTreeMap<String, Array>) -> Result<(Vec<f64>, Vec<usize>), String> {
    let wrong = || "array `vertices` should be numbers of shape [vertices, 3]".to_owned();
    let array = VERTICES.iter().find_map(|name| arrays.get(*name));
    let array = array.ok_or("it has no `points`")?;
    let [count, 3] = *array.shape.as_slice() else {
        return Err(wrong());
    };
    let values = array.numbers().ok_or_else(wrong)?;
    let offsets = arrays
        .get(VERTEX_OFFSETS)
        .ok_or("it has no `vertex_offset`")?;
    Ok((values, starts(VERTEX_OFFSETS, offsets, count)?))
}

/// Offsets that rise from 0 to a count.
fn starts(name: &str, array: &Array, count: usize) -> Result<Vec<usize>, String> {
    let wrong = |why: &str| format!("array `{name}` should rise from 0 to {count}: {why}");
    let places = array.places(count + 1).map_err(|e| wrong(&e))?;
    let starts: Vec<usize> = places.iter().map(|&place| place as usize).collect();
    let rises = starts.is_sorted() && starts.first() == Some(&0) && starts.last() == Some(&count);
    match rises && starts.len() > 1 {
        true => Ok(starts),
        false => Err(wrong("it does not")),
    }
}

fn triangles(
    arrays: &BTreeMap<String, Array>,
    shapes: usize,
) -> Result<(Vec<u32>, Vec<usize>), String> {
    let (Some(faces), Some(offsets)) = (arrays.get(FACES), arrays.get(FACE_OFFSETS)) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let [count, 3] = *faces.shape.as_slice() else {
        return Err("array `faces` should be of shape [faces, 3]".into());
    };
    let starts = starts(FACE_OFFSETS, offsets, count)?;
    if starts.len() != shapes + 1 {
        return Err(format!(
            "`face_offset` is of {} shapes, there are {shapes}",
            starts.len() - 1
        ));
    }
    let places = faces.places(u32::MAX as usize);
    let places = places.map_err(|e| format!("array `faces`: {e}"))?;
    Ok((places, starts))
}

fn labels(name: &str, array: &Array, shapes: usize, path: &Path) -> Result<Column, String> {
    // `[shapes, 1]` is common, too.
    let count = match array.shape[..] {
        [count, ref further @ ..] if further.iter().all(|&length| length == 1) => count,
        _ => return Err(format!("array `{name}` should have one axis")),
    };
    if count != shapes {
        return Err(format!(
            "array `{name}` is of {count} shapes, there are {shapes}"
        ));
    }
    let texts = |texts: Vec<Option<String>>| Column {
        name: "class".to_owned(),
        values: Values::texts(texts),
    };
    Ok(match &array.values {
        ArrayValues::Real(values) => Column {
            name: name.to_owned(),
            values: Values::Numeric(values.clone()),
        },
        ArrayValues::Whole(values) => {
            let names = class_names(path);
            let named = |value: &i64| {
                let name = usize::try_from(*value).ok().and_then(|v| names.get(v));
                Some(name.cloned().unwrap_or_else(|| value.to_string()))
            };
            texts(values.iter().map(named).collect())
        }
        ArrayValues::Truth(values) => texts(values.iter().map(|v| Some(v.to_string())).collect()),
        ArrayValues::Text(values) => texts(values.iter().map(|v| Some(v.clone())).collect()),
    })
}

/// What numbers of classes mean, from a file beside the archive; nothing where there is none.
fn class_names(path: &Path) -> Vec<String> {
    const MOST: u64 = 1 << 20;
    let mut files = CLASS_FILES.iter().map(|name| path.with_file_name(name));
    let small = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|m| m.len() <= MOST);
    let Some(file) = files.find(small) else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|line| line.trim().to_owned());
    let names: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    // Two classes of one name would be one.
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    if distinct.len() == names.len() {
        names
    } else {
        Vec::new()
    }
}

/// Which shapes are tested on: those that are not trained on.
fn masked(name: &str, array: &Array, shapes: usize) -> Result<Vec<bool>, String> {
    let wrong =
        || format!("array `{name}` should hold a truth value for each of the {shapes} shapes");
    let values = array
        .numbers()
        .filter(|v| v.len() == shapes)
        .ok_or_else(wrong)?;
    if values.iter().any(|v| *v != 0.0 && *v != 1.0) {
        return Err(wrong());
    }
    Ok(values.iter().map(|v| *v == 0.0).collect())
}

fn parted(name: &str, array: &Array, shapes: usize) -> Result<Option<Vec<bool>>, String> {
    let ArrayValues::Text(words) = &array.values else {
        return Ok(None);
    };
    let parts = words.iter().map(|word| {
        part_named(word).ok_or_else(|| format!("array `{name}`: `{word}` is no part of a data set"))
    });
    let parts: Vec<bool> = parts.collect::<Result<_, String>>()?;
    match parts.len() == shapes {
        true => Ok(Some(parts)),
        false => Err(format!(
            "array `{name}` is of {} shapes, there are {shapes}",
            parts.len()
        )),
    }
}
