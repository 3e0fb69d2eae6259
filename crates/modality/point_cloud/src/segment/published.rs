//! Where labelled points lie in the layouts in which known sets are published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_data::DataError;

use crate::source::LabelBook;
use crate::{CloudError, Fault, Geometry, parse_shape};

/// The file that names the categories of ShapeNetPart.
const CATEGORIES: &str = "synsetoffset2category.txt";
/// The folder of its parts.
const PARTS: &str = "train_test_split";
/// The part of a building of S3DIS that others are tested on.
const TESTED_AREA: &str = "Area_5";
/// The folder in which a room's things lie, one file each.
const ANNOTATIONS: &str = "Annotations";

/// Points that lie together, and what is said of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    /// The path below the source.
    pub name: String,
    pub path: PathBuf,
    /// Of arrays, which file of them, and which shape in it.
    pub place: Option<(usize, usize)>,
    pub category: Option<String>,
    pub test: bool,
}

/// Whether a folder is laid out as ShapeNetPart (Yi et al., SIGGRAPH Asia 2016, `shapenetcore_partanno_segmentation_benchmark_v0_normal`).
pub(crate) fn is_shapenet(path: &Path) -> bool {
    path.join(CATEGORIES).is_file()
}

/// Whether a folder is laid out as S3DIS (Armeni et al., CVPR 2016, `Stanford3dDataset_v1.2`): areas of rooms of annotations.
pub(crate) fn is_s3dis(path: &Path) -> bool {
    let areas = folders(path).unwrap_or_default();
    let mut areas = areas.iter().filter(|(name, _)| is_area(name)).take(8);
    areas.any(|(_, area)| {
        let rooms = folders(area).unwrap_or_default();
        rooms
            .iter()
            .take(8)
            .any(|(_, room)| room.join(ANNOTATIONS).is_dir())
    })
}

fn is_area(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("area_")
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> CloudError {
    let path = path.to_owned();
    move |source| CloudError::Data(DataError::Unreadable { path, source })
}

/// Folders in a folder, in the order of their names.
fn folders(path: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    entries(path, |path| path.is_dir())
}

fn entries(path: &Path, wanted: impl Fn(&Path) -> bool) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if wanted(&path)
            && let Some(name) = path.file_name()
        {
            found.push((name.to_string_lossy().into_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// The shapes of ShapeNetPart: `category folder/shape.txt`, each line of which is `x y z nx ny nz label`. The makers' training and validation
/// parts are learned from.
pub(crate) fn shapenet(path: &Path) -> Result<(Vec<Listed>, Vec<String>), CloudError> {
    let file = path.join(CATEGORIES);
    let text = std::fs::read_to_string(&file).map_err(unreadable(&file))?;
    let categories: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, folder) = (words.next()?, words.next()?);
            Some((folder.to_owned(), name.to_owned()))
        })
        .collect();
    let mut tested = Vec::new();
    let mut notes = Vec::new();
    let list = path.join(PARTS).join("shuffled_test_file_list.json");
    if list.is_file() {
        let text = std::fs::read_to_string(&list).map_err(unreadable(&list))?;
        let names: Vec<String> = serde_json::from_str(&text).map_err(|e| CloudError::Arrays {
            path: list.clone(),
            problem: format!("it should be a list of names: {e}"),
        })?;
        // `shape_data/02691156/1021a0914a7207aff927ed529ad90a11`
        tested.extend(names.iter().filter_map(|name| {
            let mut pieces = name.rsplit('/');
            let (shape, folder) = (pieces.next()?, pieces.next()?);
            Some(format!("{folder}/{shape}.txt"))
        }));
        tested.sort_unstable();
        notes.push(format!("`{PARTS}` says which shapes are the test part"));
    }
    let mut listed = Vec::new();
    for (folder, at) in folders(path).map_err(unreadable(path))? {
        let Some(category) = categories.get(&folder) else {
            continue;
        };
        let is_text = |path: &Path| path.extension().is_some_and(|e| e == "txt");
        for (file, at) in entries(&at, is_text).map_err(unreadable(&at))? {
            let name = format!("{folder}/{file}");
            listed.push(Listed {
                test: tested.binary_search(&name).is_ok(),
                category: Some(category.clone()),
                place: None,
                path: at,
                name,
            });
        }
    }
    Ok((listed, notes))
}

/// The rooms of S3DIS.
pub(crate) fn s3dis(path: &Path) -> Result<(Vec<Listed>, Vec<String>), CloudError> {
    let mut listed = Vec::new();
    for (area, at) in folders(path).map_err(unreadable(path))? {
        if !is_area(&area) {
            continue;
        }
        for (room, at) in folders(&at).map_err(unreadable(&at))? {
            if at.join(ANNOTATIONS).is_dir() {
                listed.push(Listed {
                    name: format!("{area}/{room}"),
                    path: at,
                    place: None,
                    category: None,
                    test: area.eq_ignore_ascii_case(TESTED_AREA),
                });
            }
        }
    }
    let mut notes = Vec::new();
    let tests = listed.iter().filter(|room| room.test).count();
    if tests > 0 && tests < listed.len() {
        notes.push(format!("`{TESTED_AREA}` is the test part, as is usual"));
    }
    Ok((listed, notes))
}

/// A room of S3DIS: one file `class_number.txt` of lines `x y z r g b` for each thing in it.
pub(crate) fn room(path: &Path) -> Result<(Geometry, Vec<u8>), Fault> {
    let at = path.join(ANNOTATIONS);
    let is_text = |path: &Path| path.extension().is_some_and(|e| e == "txt");
    let files = entries(&at, is_text).map_err(|e| Fault::from_io(&e))?;
    let mut whole = Geometry::default();
    let mut book = LabelBook::default();
    let mut hashes = Vec::new();
    for (name, path) in files {
        let class = name.split(['_', '.']).next().unwrap_or_default();
        let bytes = std::fs::read(&path).map_err(|e| Fault::from_io(&e))?;
        hashes.extend_from_slice(candor_data::fingerprint_bytes(&bytes).1.as_bytes());
        // One published file has a byte that is no digit within a number.
        let text = String::from_utf8_lossy(&bytes).replace(['\u{10}', '\u{fffd}'], " ");
        let part = match parse_shape(text.as_bytes(), "thing.xyz") {
            Ok(part) => part,
            // Things of one point are no shapes, and no loss.
            Err(Fault::OnePoint | Fault::OnePlace(_) | Fault::Empty | Fault::NoPoints) => continue,
            Err(Fault::Damaged { format, problem }) => {
                return Err(Fault::Damaged {
                    format,
                    problem: format!("`{ANNOTATIONS}/{name}`: {problem}"),
                });
            }
            Err(other) => return Err(other),
        };
        part.points.iter().for_each(|_| book.word(class));
        whole.points.extend(part.points);
        if part.channels.names.len() == 3 {
            whole.channels.names = part.channels.names;
            whole.channels.values.extend(part.channels.values);
        }
    }
    if whole.channels.values.len() != 3 * whole.points.len() {
        whole.channels = crate::Channels::default();
    }
    whole.labels = Some(book.labels());
    Ok((whole.checked()?, hashes))
}
