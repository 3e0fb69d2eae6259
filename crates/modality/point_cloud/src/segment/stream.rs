//! Scenes that are larger than memory: parted into tiles on disk, each of which is told by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::asked::asked_of;
use super::{PointRules, PointUnits};
use crate::source::{LasPieces, LasWriter, class_code};
use crate::{Channels, CloudError, Geometry};

/// A scene that was parted into tiles, each a whole number of blocks long and wide. A tile has the points of its own, and those that lie within half
/// a block of it, so that what is told of a point does not depend on the tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TiledScene {
    /// Points of the scene.
    pub total: u64,
    /// The edge of a tile, in blocks.
    blocks: i64,
    rules: PointRules,
    /// Channels of the file.
    channels: Vec<String>,
    tiles: Vec<(i64, i64)>,
}

/// The file that says that a scene is parted whole.
const PARTED: &str = "parted.json";
/// Bytes of a tile that are held before they are written.
const HELD: usize = 1 << 16;
/// Tiles at most: they are files.
const MOST_TILES: f64 = 20_000.0;
/// The number of a point that only stands about a tile.
const ABOUT: u32 = u32::MAX;

fn broken(path: &Path) -> impl Fn(std::io::Error) -> CloudError {
    let path = path.to_owned();
    move |source| {
        CloudError::Data(candor_data::DataError::Unreadable {
            path: path.clone(),
            source,
        })
    }
}

fn damaged(path: &Path) -> impl Fn(String) -> CloudError {
    let path = path.to_owned();
    move |problem| CloudError::Arrays {
        path: path.clone(),
        problem,
    }
}

fn open(scene: &Path) -> Result<LasPieces<BufReader<File>>, CloudError> {
    let file = File::open(scene).map_err(broken(scene))?;
    LasPieces::new(BufReader::new(file)).map_err(damaged(scene))
}

impl TiledScene {
    /// Parts a LAS or LAZ file into tiles of about `at_once` points in `folder`, or finds it parted there. `go_on` hears how many points are done and
    /// says whether to go on; `None` if it says no.
    ///
    /// # Errors
    /// The file cannot be read, the model does not cut scenes into blocks, or the folder cannot be written.
    pub fn part(
        scene: &Path,
        folder: &Path,
        rules: &PointRules,
        at_once: usize,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<Option<TiledScene>, CloudError> {
        let parted = folder.join(PARTED);
        if let Ok(text) = fs::read_to_string(&parted)
            && let Ok(known) = serde_json::from_str::<TiledScene>(&text)
            && known.rules == *rules
        {
            return Ok(Some(known));
        }
        let Some(edge) = rules.block else {
            return Err(damaged(scene)(
                "the model learned from shapes, and does not know how long a block of a scene is"
                    .into(),
            ));
        };
        let mut pieces = open(scene)?;
        if pieces.total() >= u64::from(ABOUT) {
            return Err(damaged(scene)(format!(
                "{} points are too many",
                pieces.total()
            )));
        }
        let [low, high] = pieces.bounds();
        let area = (high[0] - low[0]).max(edge) * (high[1] - low[1]).max(edge);
        let share = at_once as f64 / pieces.total().max(1) as f64;
        let side = (area * share.max(1.0 / MOST_TILES)).sqrt();
        let mut made = TiledScene {
            total: pieces.total(),
            blocks: if (side / edge).is_finite() {
                ((side / edge) as i64).clamp(1, 1 << 20)
            } else {
                1
            },
            rules: rules.clone(),
            channels: Vec::new(),
            tiles: Vec::new(),
        };
        fs::create_dir_all(folder).map_err(broken(folder))?;
        // What an interrupted parting left would be there twice.
        for entry in fs::read_dir(folder).map_err(broken(folder))? {
            let path = entry.map_err(broken(folder))?.path();
            if path.extension().is_some_and(|e| e == "tile") {
                fs::remove_file(&path).map_err(broken(&path))?;
            }
        }
        let mut held: BTreeMap<(i64, i64), Vec<u8>> = BTreeMap::new();
        // Tiles that only see points of others are nobody's.
        let mut owners = BTreeSet::new();
        let mut number = 0u32;
        while let Some(piece) = pieces.next_piece().map_err(damaged(scene))? {
            let width = piece.channels.names.len();
            for (place, point) in piece.points.iter().enumerate() {
                let values = &piece.channels.values[place * width..(place + 1) * width];
                for (tile, own) in made.tiles_of(point, edge) {
                    if own {
                        owners.insert(tile);
                    }
                    let bytes = held.entry(tile).or_default();
                    bytes.extend(if own { number } else { ABOUT }.to_le_bytes());
                    point.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
                    values.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
                    if bytes.len() >= HELD {
                        append(folder, tile, bytes)?;
                    }
                }
                number += 1;
            }
            made.channels = piece.channels.names;
            if !go_on(u64::from(number)) {
                return Ok(None);
            }
        }
        for (tile, bytes) in &mut held {
            append(folder, *tile, bytes)?;
        }
        made.tiles = owners.into_iter().collect();
        let text = serde_json::to_vec(&made).map_err(|e| damaged(&parted)(e.to_string()))?;
        let part = folder.join(".parted");
        fs::write(&part, text).map_err(broken(&part))?;
        fs::rename(&part, &parted).map_err(broken(&parted))?;
        Ok(Some(made))
    }

    /// The tiles that see a point, and whether it is their own.
    fn tiles_of(&self, point: &[f64; 3], edge: f64) -> Vec<((i64, i64), bool)> {
        let side = edge * self.blocks as f64;
        let cell = |x: f64| (x / side).floor() as i64;
        let own = (cell(point[0]), cell(point[1]));
        let about = |x: f64| (cell(x - 0.5 * edge), cell(x + 0.5 * edge));
        let (x, y) = (about(point[0]), about(point[1]));
        let mut found = vec![(own, true)];
        for i in x.0..=x.1 {
            for j in y.0..=y.1 {
                if (i, j) != own {
                    found.push(((i, j), false));
                }
            }
        }
        found
    }

    /// The number of tiles.
    pub fn tiles(&self) -> usize {
        self.tiles.len()
    }

    /// The own points of a tile as a model takes them, and their numbers in the file from 0.
    ///
    /// # Errors
    /// When the folder was changed.
    pub fn tile(&self, folder: &Path, tile: usize) -> Result<(PointUnits, Vec<u32>), CloudError> {
        let path = tile_path(folder, self.tiles[tile]);
        let bytes = fs::read(&path).map_err(broken(&path))?;
        let width = self.channels.len();
        let record = 4 + 24 + 4 * width;
        if bytes.len() % record != 0 {
            return Err(damaged(&path)("it is cut short".into()));
        }
        let of = |record: &[u8], at: usize| -> [u8; 8] {
            let mut bytes = [0; 8];
            let end = record.len().min(at + 8);
            bytes[..end - at].copy_from_slice(&record[at..end]);
            bytes
        };
        let mut geometry = Geometry {
            channels: Channels {
                names: self.channels.clone(),
                values: Vec::new(),
            },
            ..Geometry::default()
        };
        let mut numbers = Vec::new();
        for own in [true, false] {
            for record in bytes.chunks_exact(record) {
                let number = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
                if own != (number != ABOUT) {
                    continue;
                }
                if own {
                    numbers.push(number);
                }
                let axis = |axis: usize| f64::from_le_bytes(of(record, 4 + 8 * axis));
                geometry.points.push([axis(0), axis(1), axis(2)]);
                for channel in 0..width {
                    let [a, b, c, d, ..] = of(record, 28 + 4 * channel);
                    geometry
                        .channels
                        .values
                        .push(f32::from_le_bytes([a, b, c, d]));
                }
            }
        }
        let cut = asked_of(&geometry, numbers.len(), None, &self.rules)
            .map_err(|fault| damaged(&path)(fault.to_string()))?;
        let points = PointUnits::new(cut.scans, self.rules.channels.clone());
        Ok((points.only(cut.first).seen_again(cut.second), numbers))
    }
}

fn tile_path(folder: &Path, (x, y): (i64, i64)) -> PathBuf {
    folder.join(format!("{x}_{y}.tile"))
}

fn append(folder: &Path, tile: (i64, i64), bytes: &mut Vec<u8>) -> Result<(), CloudError> {
    let path = tile_path(folder, tile);
    let write = || {
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(bytes)
    };
    write().map_err(broken(&path))?;
    bytes.clear();
    Ok(())
}

/// What is said of one point of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnsweredPoint {
    /// Its number in the file, from 0.
    pub number: u32,
    /// The place of its class among those of the model.
    pub class: u16,
    /// Whether the model would rather not say.
    pub abstained: bool,
    /// Confidence, whole uncertainty, its part of the data and of the model, and the p-value of strangeness (NaN where it is not known).
    pub figures: [f32; 5],
}

impl AnsweredPoint {
    /// Bytes of one.
    pub const BYTES: usize = 4 + 2 + 1 + 20;

    /// As bytes.
    pub fn to_bytes(&self) -> [u8; AnsweredPoint::BYTES] {
        let mut bytes = [0; AnsweredPoint::BYTES];
        bytes[..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.class.to_le_bytes());
        bytes[6] = u8::from(self.abstained);
        for (to, figure) in bytes[7..].chunks_exact_mut(4).zip(self.figures) {
            to.copy_from_slice(&figure.to_le_bytes());
        }
        bytes
    }

    /// From bytes.
    pub fn from_bytes(bytes: &[u8; AnsweredPoint::BYTES]) -> AnsweredPoint {
        let figure = |n: usize| {
            let at = 7 + 4 * n;
            f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        AnsweredPoint {
            number: u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            class: u16::from_le_bytes([bytes[4], bytes[5]]),
            abstained: bytes[6] != 0,
            figures: std::array::from_fn(figure),
        }
    }
}

/// Writes a LAS or LAZ file again, compressed or not as it was, with the classes that points were told; the user data of each is its confidence in
/// percent. `answers` gives what is said of each point in turn; one of which nothing is said stays as it was.
///
/// # Errors
/// When `to` is to be compressed and the file is not, or the other way; a class has no code that fits the file's format; or a file cannot be read or
/// written.
pub fn labelled_copy(
    scene: &Path,
    to: &Path,
    classes: &[String],
    mut answers: impl FnMut(u64) -> Option<AnsweredPoint>,
) -> Result<(), CloudError> {
    let (wrong, unwritable) = (damaged(scene), damaged(to));
    let mut pieces = open(scene)?;
    let head = pieces.head().clone();
    let asked = to
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("laz"));
    if asked != head.compressed.is_some() {
        let ending = if asked { ".las" } else { ".laz" };
        return Err(unwritable(format!(
            "points are written as they were read: let its name end with `{ending}`"
        )));
    }
    let all = head.has_all_classes();
    let code = |(place, name): (usize, &String)| {
        // Codes from 64 on are free in newer formats, those from 19 to 31 in the older ones.
        let free = place + if all { 64 } else { 19 };
        let code = class_code(name).or_else(|| u8::try_from(free).ok());
        code.filter(|code| all || *code < 32)
            .ok_or_else(|| unwritable(format!("class `{name}` has no code in the point format")))
    };
    let codes: Vec<u8> = classes
        .iter()
        .enumerate()
        .map(code)
        .collect::<Result<_, _>>()?;
    let file = File::create(to).map_err(broken(to))?;
    let mut writer = LasWriter::like(BufWriter::new(file), &head).map_err(&unwritable)?;
    let mut number = 0;
    while let Some(records) = pieces.next_records().map_err(&wrong)? {
        for record in records.chunks_exact_mut(head.record) {
            if let Some(said) = answers(number)
                && let Some(code) = codes.get(usize::from(said.class))
            {
                let percent = (100.0 * said.figures[0]).round().clamp(0.0, 100.0) as u8;
                head.tell(record, *code, percent);
            }
            number += 1;
        }
        writer.records(records).map_err(&unwritable)?;
    }
    writer.finish().map_err(&unwritable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_their_bytes() {
        let said = AnsweredPoint {
            number: 77,
            class: 300,
            abstained: true,
            figures: [0.5, 1.0, 0.25, 0.75, f32::NAN],
        };
        let again = AnsweredPoint::from_bytes(&said.to_bytes());
        assert_eq!(
            (again.number, again.class, again.abstained),
            (77, 300, true)
        );
        assert_eq!(again.figures[..4], said.figures[..4]);
    }

    #[test]
    fn tiles_hold_every_point_once_and_see_it_as_the_whole_does() {
        let folder = tempfile::tempdir().unwrap();
        let scene = folder.path().join("scene.las");
        let file = File::create(&scene).unwrap();
        let bounds = [[0.0, 0.0, -2.0], [29.5, 24.5, 2.0]];
        let mut writer = LasWriter::new(file, false, 3000, bounds).unwrap();
        for i in 0..3000 {
            let (x, y) = (f64::from(i % 60) * 0.5, f64::from(i / 60) * 0.5);
            let z = (x * 0.3).sin() + (y * 0.2).cos();
            writer.point([x, y, z], 7, [0; 3], 0).unwrap();
        }
        writer.finish().unwrap();
        let rules = PointRules {
            kept: 32,
            block: Some(3.0),
            channels: vec!["intensity".into()],
        };
        let tiles = folder.path().join("tiles");
        let parted = |at_once: usize| {
            let _ = fs::remove_dir_all(&tiles);
            TiledScene::part(&scene, &tiles, &rules, at_once, |_| true)
                .unwrap()
                .unwrap()
        };
        let seen = |made: &TiledScene| {
            let mut seen: BTreeMap<u32, (Vec<f32>, Vec<f32>)> = BTreeMap::new();
            for tile in 0..made.tiles() {
                let (points, numbers) = made.tile(&tiles, tile).unwrap();
                assert_eq!(points.len(), numbers.len());
                let all: Vec<usize> = (0..points.len()).collect();
                let width = points.width();
                let (one, two) = (
                    points.described(&all),
                    points.again().unwrap().described(&all),
                );
                for (place, number) in numbers.into_iter().enumerate() {
                    let row = |rows: &[f32]| rows[place * width..(place + 1) * width].to_vec();
                    assert!(seen.insert(number, (row(&one), row(&two))).is_none());
                }
            }
            seen
        };
        let (few, many) = (parted(5000), parted(300));
        let whole = {
            let made = parted(5000);
            seen(&made)
        };
        assert!(few.tiles() < many.tiles());
        parted(300);
        let small = seen(&many);
        assert_eq!(whole.len(), 3000);
        assert_eq!(whole, small);
        // It stops where it is told to, and what is parted is not parted again.
        let other = folder.path().join("other");
        assert!(
            TiledScene::part(&scene, &other, &rules, 300, |_| false)
                .unwrap()
                .is_none()
        );
        assert_eq!(
            parted(300),
            TiledScene::part(Path::new("gone"), &tiles, &rules, 300, |_| false)
                .unwrap()
                .unwrap()
        );
    }

    #[test]
    fn a_copy_has_the_classes_that_were_told() {
        let folder = tempfile::tempdir().unwrap();
        let (scene, copy) = (folder.path().join("a.laz"), folder.path().join("b.laz"));
        let file = File::create(&scene).unwrap();
        let mut writer = LasWriter::new(file, true, 10, [[0.0; 3], [9.0, 0.0, 0.0]]).unwrap();
        for i in 0..10u16 {
            writer
                .point([f64::from(i), 0.0, 0.0], i, [i; 3], 0)
                .unwrap();
        }
        writer.finish().unwrap();
        let classes = ["ground", "leg"].map(str::to_owned);
        let answer = |number: u64| {
            (number < 8).then_some(AnsweredPoint {
                number: number as u32,
                class: (number % 2) as u16,
                abstained: false,
                figures: [0.9, 0.0, 0.0, 0.0, 0.0],
            })
        };
        labelled_copy(&scene, &copy, &classes, answer).unwrap();
        let read = open(&copy).unwrap().next_piece().unwrap().unwrap();
        let before = open(&scene).unwrap().next_piece().unwrap().unwrap();
        assert_eq!(
            (&read.points, &read.channels),
            (&before.points, &before.channels)
        );
        let labels = read.labels.unwrap();
        let of = [0, 1, 7, 9].map(|n| labels.of(n));
        assert_eq!(
            of,
            [Some("ground"), Some("class 20"), Some("class 20"), None]
        );
        let mut pieces = open(&copy).unwrap();
        let record = pieces.head().record;
        assert_eq!(pieces.next_records().unwrap().unwrap()[record + 17], 90);
        let other = labelled_copy(&scene, &copy.with_extension("las"), &classes, answer);
        assert!(other.unwrap_err().to_string().contains("`.laz`"));
    }
}
