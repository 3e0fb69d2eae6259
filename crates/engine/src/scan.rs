//! Scenes that are larger than memory: told tile by tile, so that what is done is kept.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use candor_core::{Event, Events, Interrupt, Modality};
use candor_data::fingerprint_bytes;
use candor_deploy::{Answer, Prediction, write_file};
use candor_point_cloud::{AnsweredPoint, PointRules, TiledScene, labelled_copy};
use serde::{Deserialize, Serialize};

use crate::{EngineError, Model};

/// How a scene is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanSettings {
    /// Bytes of memory that may be used, about.
    pub memory: u64,
}

impl Default for ScanSettings {
    fn default() -> ScanSettings {
        ScanSettings {
            memory: 1_000_000_000,
        }
    }
}

/// What was told of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scanned {
    /// Points.
    pub points: u64,
    /// Tiles that they were told in.
    pub tiles: usize,
    /// Of these, the tiles that were found done.
    pub found: usize,
    /// For each class, how many points are said to be of it.
    pub classes: Vec<(String, u64)>,
    /// Points without an answer.
    pub abstained: u64,
    /// Mean uncertainty: total, of the data, of the model.
    pub uncertainty: [f64; 3],
    /// What was written.
    pub out: PathBuf,
}

/// Bytes that a point takes while its tile is told, about: two looks with surroundings, embeddings and answers.
const BYTES_PER_POINT: u64 = 4_000;
/// Share of the memory that is for a tile; the model and what is about a tile take the rest.
const TILE_SHARE: u64 = 2;
/// Answers that are held while the file is written.
const ANSWERS_HELD: u64 = 4_000_000;

/// Whether a file is told tile by tile when it is asked about: it is LAS or LAZ, and so is what is to be written, or the answers are a CSV.
pub fn is_scan(model: &Model, source: &str, out: Option<&Path>) -> bool {
    let is = |path: &Path, names: &[&str]| {
        let extension = path.extension().unwrap_or_default();
        names
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    };
    let known = rules(model).is_ok_and(|rules| rules.block.is_some());
    known
        && model.parts().modality == Modality::CloudPoints
        && is(Path::new(source), &["las", "laz"])
        && out.is_some_and(|out| is(out, &["las", "laz", "csv"]))
}

fn rules(model: &Model) -> Result<PointRules, EngineError> {
    serde_json::from_value(model.parts().input.clone())
        .map_err(|e| crate::modality::malformed(format!("how points are read: {e}")))
}

/// What a folder of answers belongs to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    scene: String,
    model: String,
    at_once: usize,
}

/// Tells each point of a LAS or LAZ file what it is part of, in memory that does not grow with it, and writes `out`: a file of the same points with
/// their classes (LAS, LAZ), or a table of answers (CSV). Tiles that are done are kept beside it until all are: after an interruption the same call
/// goes on.
///
/// # Errors
/// When the model is not one of points of scenes, or a file cannot be read or written; [`EngineError::ScanInterrupted`] when `interrupt` was raised.
pub fn scan(
    bundle: &Path,
    source: &Path,
    out: &Path,
    settings: &ScanSettings,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Scanned, EngineError> {
    let model = Model::load(bundle)?;
    if model.parts().modality != Modality::CloudPoints {
        return Err(EngineError::WrongModality {
            what: format!("the training data of `{}`", model.parts().name),
            expected: Modality::CloudPoints,
        });
    }
    let at_once = (settings.memory / TILE_SHARE / BYTES_PER_POINT).clamp(1_000, 100_000);
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let folder = out.with_file_name(format!("{name}.tiles"));
    let key = Key {
        scene: fingerprint(source)?,
        model: fingerprint_bytes(
            serde_json::to_string(model.parts())
                .unwrap_or_default()
                .as_bytes(),
        )
        .1,
        at_once: at_once as usize,
    };
    claim(&folder, &key)?;
    let stopped = || EngineError::ScanInterrupted {
        folder: folder.clone(),
    };
    let rules = rules(&model)?;
    let parted = TiledScene::part(source, &folder, &rules, key.at_once, |_| {
        !interrupt.is_raised()
    })?;
    let scene = parted.ok_or_else(stopped)?;
    let tiles = scene.tiles();
    let mut found = 0;
    for tile in 0..tiles {
        if interrupt.is_raised() {
            return Err(stopped());
        }
        let path = answers_path(&folder, tile);
        if path.is_file() {
            found += 1;
        } else {
            write_file(&path, &told(&model, &scene, &folder, tile)?)?;
        }
        events.emit(Event::Progress {
            done: tile + 1,
            total: Some(tiles),
            time_used: None,
        });
    }
    let mut scanned = Scanned {
        points: scene.total,
        tiles,
        found,
        classes: model
            .parts()
            .target
            .classes
            .iter()
            .map(|c| (c.clone(), 0))
            .collect(),
        abstained: 0,
        uncertainty: [0.0; 3],
        out: out.to_owned(),
    };
    write(source, out, &folder, tiles, &mut scanned)?;
    fs::remove_dir_all(&folder).map_err(EngineError::file("remove", &folder))?;
    Ok(scanned)
}

fn answers_path(folder: &Path, tile: usize) -> PathBuf {
    folder.join(format!("{tile}.answers"))
}

/// A folder that belongs to this scene, model and memory; what belongs to others is removed.
fn claim(folder: &Path, key: &Key) -> Result<(), EngineError> {
    let path = folder.join("key.json");
    let known = fs::read(&path).ok();
    let known: Option<Key> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if known.as_ref() == Some(key) {
        return Ok(());
    }
    if known.is_some() {
        fs::remove_dir_all(folder).map_err(EngineError::file("remove", folder))?;
    } else if folder.exists() {
        return Err(EngineError::run_folder(
            folder,
            "it is in the way of the tiles of a scan".to_owned(),
            "remove it, or write to another `--out`",
        ));
    }
    let bytes = serde_json::to_vec(key).map_err(|e| crate::modality::malformed(e.to_string()))?;
    Ok(write_file(&path, &bytes)?)
}

/// SHA-256 over those of the pieces of a file.
fn fingerprint(path: &Path) -> Result<String, EngineError> {
    let mut file = File::open(path).map_err(EngineError::file("read", path))?;
    let mut sums = String::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file
            .read(&mut piece)
            .map_err(EngineError::file("read", path))?;
        if read == 0 {
            return Ok(fingerprint_bytes(sums.as_bytes()).1);
        }
        sums += &fingerprint_bytes(&piece[..read]).1;
    }
}

/// What is said of the points of a tile, as bytes.
fn told(
    model: &Model,
    scene: &TiledScene,
    folder: &Path,
    tile: usize,
) -> Result<Vec<u8>, EngineError> {
    let (points, numbers) = scene.tile(folder, tile)?;
    let all: Vec<usize> = (0..points.len()).collect();
    let classes = &model.parts().target.classes;
    let answers = model.predictor().answers_of(&points.units(), &all)?;
    let bytes = numbers.iter().zip(&answers);
    Ok(bytes
        .flat_map(|(number, answer)| answered(*number, answer, classes).to_bytes())
        .collect())
}

fn answered(number: u32, answer: &Answer, classes: &[String]) -> AnsweredPoint {
    let class = match &answer.prediction {
        Prediction::Class { class, .. } => classes.iter().position(|name| name == class),
        _ => None,
    };
    let strange = answer.strangeness.map_or(f64::NAN, |s| s.p_value);
    AnsweredPoint {
        number,
        class: class.map_or(u16::MAX, |class| class as u16),
        abstained: answer.abstained.is_some(),
        figures: [
            answer.confidence,
            answer.uncertainty,
            answer.aleatoric,
            answer.epistemic,
            strange,
        ]
        .map(|figure| figure as f32),
    }
}

/// Answers in the order of the file: some millions are picked from all tiles at a time.
struct InOrder<'a> {
    folder: &'a Path,
    tiles: usize,
    from: u64,
    held: Vec<Option<AnsweredPoint>>,
    /// What could not be read, if so.
    fault: Option<EngineError>,
}

impl InOrder<'_> {
    fn get(&mut self, number: u64) -> Option<AnsweredPoint> {
        let to = self.from + self.held.len() as u64;
        if !(self.from..to).contains(&number) {
            self.from = number;
            self.held.clear();
            self.held.resize(ANSWERS_HELD as usize, None);
            for tile in 0..self.tiles {
                if let Err(error) = self.pick(tile) {
                    self.fault = Some(error);
                }
            }
        }
        self.held[(number - self.from) as usize]
    }

    fn pick(&mut self, tile: usize) -> Result<(), EngineError> {
        let path = answers_path(self.folder, tile);
        let bytes = fs::read(&path).map_err(EngineError::file("read", &path))?;
        for record in bytes.as_chunks::<{ AnsweredPoint::BYTES }>().0 {
            let said = AnsweredPoint::from_bytes(record);
            let place = u64::from(said.number).checked_sub(self.from);
            if let Some(held) = place.and_then(|place| self.held.get_mut(place as usize)) {
                *held = Some(said);
            }
        }
        Ok(())
    }
}

fn write(
    source: &Path,
    out: &Path,
    folder: &Path,
    tiles: usize,
    scanned: &mut Scanned,
) -> Result<(), EngineError> {
    let mut in_order = InOrder {
        folder,
        tiles,
        from: 0,
        held: Vec::new(),
        fault: None,
    };
    let classes: Vec<String> = scanned
        .classes
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let total = scanned.points;
    let mut count = |said: &AnsweredPoint| {
        if let Some((_, count)) = scanned.classes.get_mut(usize::from(said.class)) {
            *count += 1;
        }
        scanned.abstained += u64::from(said.abstained);
        for (sum, figure) in scanned.uncertainty.iter_mut().zip(&said.figures[1..4]) {
            *sum += f64::from(*figure) / total.max(1) as f64;
        }
    };
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    // The ending tells the format.
    let part = out.with_file_name(format!(".part.{name}"));
    if out
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("csv"))
    {
        let failed = || EngineError::file("write", &part);
        let mut file = BufWriter::new(File::create(&part).map_err(failed())?);
        let head =
            "point,prediction,confidence,uncertainty,aleatoric,epistemic,strangeness_p,abstained\n";
        file.write_all(head.as_bytes()).map_err(failed())?;
        for number in 0..total {
            let Some(said) = in_order.get(number) else {
                continue;
            };
            count(&said);
            let class = classes
                .get(usize::from(said.class))
                .map_or("", String::as_str);
            // As CSV asks for.
            let class = match class.contains([',', '"', '\n']) {
                true => format!("\"{}\"", class.replace('"', "\"\"")),
                false => class.to_owned(),
            };
            let [confidence, whole, data, model, strange] = said.figures;
            writeln!(
                file,
                "{},{class},{confidence:.4},{whole:.4},{data:.4},{model:.4},{strange:.4},{}",
                number + 1,
                said.abstained
            )
            .map_err(failed())?;
        }
        file.flush().map_err(failed())?;
    } else {
        labelled_copy(source, &part, &classes, |number| {
            let said = in_order.get(number);
            said.iter().for_each(&mut count);
            said
        })?;
    }
    if let Some(fault) = in_order.fault {
        return Err(fault);
    }
    fs::rename(&part, out).map_err(EngineError::file("write", out))
}
