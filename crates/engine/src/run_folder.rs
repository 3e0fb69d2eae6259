use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use candor_core::Step;
use candor_deploy::{FileSum, sum_of, write_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{EngineError, FitSettings};

/// The format of run folders written here.
const FORMAT: u32 = 1;
const RUN: &str = "run.json";
const RESULT: &str = "result.json";
const DONE: &str = "done.json";
const SPENT: &str = "spent.json";
const LOCK: &str = ".lock";

/// The folder of one run: settings, and one folder for each of the seven steps.
///
/// A step is done when its `done.json` is there and the files that it lists have the sums that it states.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held while the run is worked on.
    _lock: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct RunFile {
    format: u32,
    written_by: String,
    settings: FitSettings,
}

#[derive(Serialize, Deserialize)]
struct Done {
    files: BTreeMap<String, FileSum>,
}

impl RunFolder {
    /// Begins a run in a folder that does not exist yet or is empty.
    ///
    /// # Errors
    /// When the folder holds something, or cannot be written.
    pub fn create(path: &Path, settings: &FitSettings) -> Result<RunFolder, EngineError> {
        if path.join(RUN).exists() {
            return Err(EngineError::run_folder(
                path,
                "it holds a run already",
                &format!(
                    "go on with `candor resume {}`, or name another folder with `--out`",
                    path.display()
                ),
            ));
        }
        let mut entries = match fs::read_dir(path) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(EngineError::file("read", path)(error)),
        };
        if entries
            .as_mut()
            .is_some_and(|entries| entries.next().is_some())
        {
            return Err(EngineError::run_folder(
                path,
                "it is not empty, and what it holds is not a run",
                "name another folder with `--out`; nothing was changed",
            ));
        }
        fs::create_dir_all(path).map_err(EngineError::file("create", path))?;
        let lock = lock(path)?;
        let run = RunFile {
            format: FORMAT,
            written_by: format!("candor {}", env!("CARGO_PKG_VERSION")),
            settings: settings.clone(),
        };
        write_file(&path.join(RUN), &json(&path.join(RUN), &run)?)?;
        Ok(RunFolder {
            path: path.to_owned(),
            _lock: Some(lock),
        })
    }

    /// Removes a run of which nothing was tried yet, and its folder if nothing else is in it.
    pub(crate) fn forget(&self) {
        if self.step(Step::Designed).exists() {
            return;
        }
        for step in [Step::Source, Step::Curated, Step::Prepared] {
            // What cannot be removed stays: the error that is told is another one.
            let _ = fs::remove_dir_all(self.step(step));
        }
        for file in [RUN, SPENT, LOCK] {
            let _ = fs::remove_file(self.path.join(file));
        }
        let _ = fs::remove_dir(&self.path);
    }

    /// Opens a run to go on with it.
    ///
    /// # Errors
    /// When there is no run, a later version wrote it, or another process works on it.
    pub fn resume(path: &Path) -> Result<(RunFolder, FitSettings), EngineError> {
        let settings = read_run(path)?;
        let lock = lock(path)?;
        Ok((
            RunFolder {
                path: path.to_owned(),
                _lock: Some(lock),
            },
            settings,
        ))
    }

    /// Opens a run to look at it.
    ///
    /// # Errors
    /// When there is no run, or a later version wrote it.
    pub fn open(path: &Path) -> Result<(RunFolder, FitSettings), EngineError> {
        let settings = read_run(path)?;
        Ok((
            RunFolder {
                path: path.to_owned(),
                _lock: None,
            },
            settings,
        ))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a step.
    pub fn step(&self, step: Step) -> PathBuf {
        self.path.join(step.folder())
    }

    /// The result of a step; `None` when it is not done, or its files are not what they were.
    pub fn result<T: DeserializeOwned>(&self, step: Step) -> Option<T> {
        let folder = self.step(step);
        let done: Done = serde_json::from_slice(&fs::read(folder.join(DONE)).ok()?).ok()?;
        let unchanged = |(name, sum): (&String, &FileSum)| {
            fs::read(folder.join(name)).is_ok_and(|bytes| sum_of(&bytes) == *sum)
        };
        if !done.files.iter().all(unchanged) {
            return None;
        }
        serde_json::from_slice(&fs::read(folder.join(RESULT)).ok()?).ok()
    }

    /// Writes the result of a step and marks the step as done; `files` are others that it made, relative to its folder.
    ///
    /// # Errors
    /// When a file cannot be written or read.
    pub fn finish<T: Serialize>(
        &self,
        step: Step,
        result: &T,
        files: &[&str],
    ) -> Result<(), EngineError> {
        let folder = self.step(step);
        let path = folder.join(RESULT);
        let bytes = json(&path, result)?;
        write_file(&path, &bytes)?;
        let mut sums = BTreeMap::from([(RESULT.to_owned(), sum_of(&bytes))]);
        for name in files {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(EngineError::file("read", &path))?;
            sums.insert((*name).to_owned(), sum_of(&bytes));
        }
        let path = folder.join(DONE);
        write_file(&path, &json(&path, &Done { files: sums })?)?;
        Ok(())
    }

    /// The time that was spent on the run before.
    pub fn spent(&self) -> Duration {
        let seconds = fs::read(self.path.join(SPENT))
            .ok()
            .and_then(|text| serde_json::from_slice::<f64>(&text).ok());
        Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
    }

    /// Keeps the time that was spent so far.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_spent(&self, spent: Duration) -> Result<(), EngineError> {
        let path = self.path.join(SPENT);
        write_file(&path, &json(&path, &spent.as_secs_f64())?)?;
        Ok(())
    }
}

fn read_run(path: &Path) -> Result<FitSettings, EngineError> {
    let file = path.join(RUN);
    let no_run = |problem: String| {
        EngineError::run_folder(
            path,
            problem,
            "name a folder that `candor fit` made; `candor runs` lists them",
        )
    };
    let text = fs::read(&file).map_err(|e| no_run(format!("no run here ({RUN}: {e})")))?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|e| no_run(format!("{RUN} is damaged: {e}")))?;
    let format = value
        .get("format")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_default();
    if format > u64::from(FORMAT) {
        return Err(EngineError::run_folder(
            path,
            format!("its format is {format}; this version reads up to {FORMAT}"),
            "update candor",
        ));
    }
    let run: RunFile =
        serde_json::from_value(value).map_err(|e| no_run(format!("{RUN} is damaged: {e}")))?;
    Ok(run.settings)
}

fn lock(path: &Path) -> Result<File, EngineError> {
    let file = path.join(LOCK);
    let handle = File::create(&file).map_err(EngineError::file("create", &file))?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(fs::TryLockError::WouldBlock) => Err(EngineError::run_folder(
            path,
            "another process works on it",
            "wait until it is done, or stop it",
        )),
        Err(fs::TryLockError::Error(error)) => Err(EngineError::file("lock", &file)(error)),
    }
}

fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| EngineError::file("write", path)(std::io::Error::other(e)))?;
    text.push(b'\n');
    Ok(text)
}
