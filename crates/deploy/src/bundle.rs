use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use candor_challenge::OodDetector;
use serde_json::Value;

use crate::manifest::Manifest;
use crate::{DeployError, FORMAT, MemberEntry, Parts, sum_of, write_file};

const MANIFEST: &str = "bundle.json";
/// A manifest is read before its sum is known, so it is held to a size.
const MANIFEST_LIMIT: u64 = 256 << 20;

/// A model as files, checked but not yet loaded.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Everything beside the members.
    pub parts: Parts,
    /// The members.
    pub members: Vec<BundleMember>,
    /// Text for people: `model-card.md`.
    pub card: String,
}

/// One member of a bundle.
#[derive(Debug, Clone)]
pub struct BundleMember {
    /// A name for people.
    pub name: String,
    /// Its share of the mixture; all sum to 1.
    pub weight: f64,
    /// Description and learned numbers.
    pub description: Value,
    /// Extension of the file of learned numbers.
    pub extension: String,
    /// The learned numbers.
    pub numbers: Vec<u8>,
    /// Its detector of strange inputs, if it has one.
    pub detector: Option<OodDetector>,
    /// Places of other members whose embeddings the detector looks at, too.
    pub witnesses: Vec<usize>,
}

impl Bundle {
    /// Writes the bundle to a folder. The manifest comes last, so that a bundle that was cut short is none.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), DeployError> {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut members = Vec::with_capacity(self.members.len());
        for (i, member) in self.members.iter().enumerate() {
            let description = format!("members/{i:02}.json");
            let numbers = format!("members/{i:02}.{}", member.extension);
            files.insert(
                description.clone(),
                json(folder, &description, &member.description)?,
            );
            files.insert(numbers.clone(), member.numbers.clone());
            let detector = match &member.detector {
                Some(detector) => {
                    let name = format!("members/{i:02}.detector");
                    let bytes = rmp_serde::to_vec_named(detector);
                    let bytes = bytes.map_err(|e| damaged(folder, &name, e.to_string()))?;
                    files.insert(name.clone(), bytes);
                    Some(name)
                }
                None => None,
            };
            members.push(MemberEntry {
                name: member.name.clone(),
                weight: member.weight,
                description,
                numbers,
                detector,
                witnesses: member.witnesses.clone(),
            });
        }
        files.insert("model-card.md".to_owned(), self.card.clone().into_bytes());
        for (name, bytes) in &files {
            write_file(&folder.join(name), bytes)?;
        }
        let manifest = Manifest {
            format: FORMAT,
            written_by: format!("candor {}", env!("CARGO_PKG_VERSION")),
            parts: self.parts.clone(),
            members,
            files: files
                .iter()
                .map(|(name, bytes)| (name.clone(), sum_of(bytes)))
                .collect(),
        };
        write_file(&folder.join(MANIFEST), &json(folder, MANIFEST, &manifest)?)
    }

    /// Reads a bundle and checks every file against its sum. Runs no code of the bundle; nothing outside of its
    /// folder is touched.
    ///
    /// # Errors
    /// When there is none, a later version wrote it, or a file is missing or altered.
    pub fn read(folder: &Path) -> Result<Bundle, DeployError> {
        let manifest = read_manifest(folder)?;
        let mut files = BTreeMap::new();
        for (name, sum) in &manifest.files {
            if !is_inside(name) {
                return Err(damaged(folder, name, "the name leads out of the bundle"));
            }
            let path = folder.join(name);
            let bytes = fs::metadata(&path)
                .map_err(|e| damaged(folder, name, e.to_string()))?
                .len();
            if bytes != sum.bytes {
                let problem = format!("{bytes} bytes long, {} expected", sum.bytes);
                return Err(damaged(folder, name, problem));
            }
            let bytes = fs::read(&path).map_err(|e| damaged(folder, name, e.to_string()))?;
            if sum_of(&bytes) != *sum {
                return Err(damaged(
                    folder,
                    name,
                    "its contents were changed (SHA-256 differs)",
                ));
            }
            files.insert(name.clone(), bytes);
        }
        let mut take = |name: &str| {
            files
                .remove(name)
                .ok_or_else(|| damaged(folder, name, "not in the list of files"))
        };
        let mut members = Vec::with_capacity(manifest.members.len());
        for entry in &manifest.members {
            let description = take(&entry.description)?;
            let description = serde_json::from_slice(&description)
                .map_err(|e| damaged(folder, &entry.description, e.to_string()))?;
            let detector = match &entry.detector {
                Some(name) => {
                    let detector = rmp_serde::from_slice(&take(name)?);
                    Some(detector.map_err(|e| damaged(folder, name, e.to_string()))?)
                }
                None => None,
            };
            let extension = entry
                .numbers
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned();
            members.push(BundleMember {
                name: entry.name.clone(),
                weight: entry.weight,
                description,
                extension,
                numbers: take(&entry.numbers)?,
                detector,
                witnesses: entry.witnesses.clone(),
            });
        }
        let card = String::from_utf8_lossy(&take("model-card.md")?).into_owned();
        check_weights(folder, &members)?;
        let mut witnesses = members.iter().flat_map(|m| &m.witnesses);
        if witnesses.any(|place| *place >= members.len()) {
            return Err(damaged(
                folder,
                MANIFEST,
                "a detector looks at a member that is not there",
            ));
        }
        Ok(Bundle {
            parts: manifest.parts,
            members,
            card,
        })
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, DeployError> {
    let path = folder.join(MANIFEST);
    let no_bundle = |problem: String| DeployError::NoBundle {
        path: folder.to_owned(),
        problem,
    };
    let size = match fs::metadata(&path) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(no_bundle(format!("{MANIFEST} is not a file"))),
        Err(error) => return Err(no_bundle(format!("{MANIFEST}: {error}"))),
    };
    if size > MANIFEST_LIMIT {
        return Err(damaged(
            folder,
            MANIFEST,
            format!("{size} bytes is too long for a manifest"),
        ));
    }
    let text = fs::read(&path).map_err(DeployError::file("read", &path))?;
    let value: Value =
        serde_json::from_slice(&text).map_err(|e| damaged(folder, MANIFEST, e.to_string()))?;
    let found = value
        .get("format")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    if found > u64::from(FORMAT) {
        return Err(DeployError::NewerFormat {
            path: folder.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            supported: FORMAT,
        });
    }
    serde_json::from_value(value).map_err(|e| damaged(folder, MANIFEST, e.to_string()))
}

fn check_weights(folder: &Path, members: &[BundleMember]) -> Result<(), DeployError> {
    let sound = members
        .iter()
        .all(|m| m.weight.is_finite() && m.weight >= 0.0);
    let total: f64 = members.iter().map(|m| m.weight).sum();
    if sound && (total - 1.0).abs() < 1e-6 {
        return Ok(());
    }
    Err(damaged(
        folder,
        MANIFEST,
        "the weights of the members do not sum to 1",
    ))
}

/// Whether a name stays inside the folder that it is joined to.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn json(folder: &Path, name: &str, value: &impl serde::Serialize) -> Result<Vec<u8>, DeployError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|e| damaged(folder, name, e.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

fn damaged(folder: &Path, file: &str, problem: impl Into<String>) -> DeployError {
    DeployError::Damaged {
        bundle: folder.to_owned(),
        file: file.to_owned(),
        problem: problem.into(),
    }
}
