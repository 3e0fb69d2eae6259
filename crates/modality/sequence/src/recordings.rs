//! Series that are files: WAV recordings or tables (one series a file, a column a channel), in a folder a class.

use std::path::{Path, PathBuf};

use candor_core::{Evidence, Finding, Severity};
use candor_data::{
    Column, FileInFolder, FilesInFolders, ReadOptions, Source, SourceFacts, Table, Values,
    files_in_folders, fingerprint_bytes, read_table, time_values,
};

use crate::ts::{CLASS, LENGTH};
use crate::wav::{self, Recording, resampled};
use crate::{SequenceError, SeriesSet};

/// The column of the names of files.
pub const FILE: &str = "file";
const UNREADABLE: &str = "unreadable-series";
const TRUNCATED: &str = "truncated-recordings";
const RATES: &str = "sample-rates";
const CHANNELS: &str = "channels-differ";
const TIMES: &str = "times-of-readings";
/// Bytes of all values, where nobody says how much memory there is.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of one file at most.
const LARGEST: u64 = 1 << 30;
/// Names that a column of times has.
const TIME_NAMES: [&str; 6] = ["time", "date", "datetime", "timestamp", "t", "seconds"];
/// Share of the usual distance in time by which one may be off.
const UNEVEN: f64 = 0.1;
/// Times that a rate may be that of the others.
const FARTHEST: u32 = 16;
const SHOWN: usize = 10;

/// Files of series below a folder, or one such file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingSource {
    /// `.wav`.
    Wav(PathBuf),
    /// Tables: `.csv`, `.tsv`.
    Tables(PathBuf),
}

/// Series that were read from files.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRecordings {
    /// The series.
    pub series: SeriesSet,
    /// The name, the length and the class of each.
    pub table: Table,
    /// How they were read.
    pub facts: SourceFacts,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// So many of the last series lie in a folder `test`.
    pub test_rows: usize,
    /// What new files have to look like.
    pub form: RecordingForm,
    /// Series (from 0) that could not be read, and why; they have no reading.
    pub unreadable: Vec<(usize, String)>,
}

/// What files of series are brought to.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct RecordingForm {
    /// Samples a second of recordings.
    pub rate: Option<u32>,
    /// The channels of tables by name, in order; of recordings nothing.
    pub names: Vec<String>,
    /// The number of channels.
    pub channels: usize,
}

/// The kinds of findings of [`read_recordings`].
pub fn recording_check_names() -> [&'static str; 5] {
    [UNREADABLE, TRUNCATED, RATES, CHANNELS, TIMES]
}

fn ends(name: &str, endings: &[&str]) -> bool {
    let lower = name.to_lowercase();
    endings.iter().any(|end| lower.ends_with(end))
}

const WAV: [&str; 2] = [".wav", ".wave"];
const TABLES: [&str; 4] = [".csv", ".tsv", ".csv.gz", ".tsv.gz"];

impl RecordingSource {
    /// The recordings that a folder holds, if most of its files are some; tables only in folders that name classes, since a folder may hold any
    /// tables beside each other.
    pub fn detect(path: &Path) -> Option<RecordingSource> {
        if !path.is_dir() {
            return None;
        }
        let most =
            |found: &FilesInFolders| !found.files.is_empty() && found.files.len() >= found.others;
        let of = |endings: &'static [&'static str]| {
            files_in_folders(path, "", &move |name, _| ends(name, endings))
                .ok()
                .filter(most)
        };
        if of(&WAV).is_some() {
            return Some(RecordingSource::Wav(path.to_owned()));
        }
        let found = of(&TABLES)?;
        let inside = found.files.iter().all(|file| file.class.is_some());
        (found.classes && inside).then(|| RecordingSource::Tables(path.to_owned()))
    }

    /// The same for files that are to be predicted, which may be one alone or lie side by side.
    pub fn detect_plain(path: &Path, form: &RecordingForm) -> Option<RecordingSource> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        match (form.rate.is_some(), path.is_dir()) {
            (true, true) => Some(RecordingSource::Wav(path.to_owned())),
            (true, false) => ends(&name, &WAV).then(|| RecordingSource::Wav(path.to_owned())),
            (false, true) => Some(RecordingSource::Tables(path.to_owned())),
            (false, false) => None,
        }
    }

    fn path(&self) -> &Path {
        match self {
            RecordingSource::Wav(path) | RecordingSource::Tables(path) => path,
        }
    }

    fn files(&self) -> Result<FilesInFolders, SequenceError> {
        let path = self.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let file = FileInFolder {
                name: name.into_owned(),
                path: path.to_owned(),
                class: None,
                test: false,
            };
            return Ok(FilesInFolders {
                files: vec![file],
                ..FilesInFolders::default()
            });
        }
        let (what, endings): (_, &[&str]) = match self {
            RecordingSource::Wav(_) => ("recordings", &WAV),
            RecordingSource::Tables(_) => ("tables", &TABLES),
        };
        Ok(files_in_folders(path, what, &|name, _| {
            ends(name, endings)
        })?)
    }
}

/// One file that was read.
struct One {
    channels: Vec<Vec<f32>>,
    names: Vec<String>,
    rate: Option<u32>,
    lost: bool,
    /// Times do not ascend evenly.
    uneven: bool,
    timed: bool,
}

/// Reads series; they take at most a quarter of `memory` bytes. Files that cannot be read are told in a finding, and become series without a reading. `form` is
/// what a model was made from: files are brought to it; when not given, to the commonest rate, and to one channel where files have several
/// numbers of them.
///
/// # Errors
/// A folder cannot be looked through, holds no such file, none of them can be read, or they take more memory than they may.
pub fn read_recordings(
    source: &RecordingSource,
    tables: &ReadOptions,
    memory: Option<u64>,
    form: Option<&RecordingForm>,
) -> Result<ReadRecordings, SequenceError> {
    let path = source.path();
    let content = |problem: String, repair: &'static str| SequenceError::Content {
        path: path.to_owned(),
        problem,
        repair,
    };
    let limit = memory.map_or(MOST_BYTES, |bytes| (bytes / 4).max(1));
    let found = source.files()?;
    if found.files.is_empty() {
        return Err(content(
            "it holds no file of a series".to_owned(),
            "give `.wav` files, or tables with a column a channel, in a folder a class",
        ));
    }
    let mut held = 0u64;
    let mut sums = Vec::new();
    let mut bytes = 0;
    let mut read: Vec<Result<One, String>> = Vec::with_capacity(found.files.len());
    for file in &found.files {
        let one = match source {
            RecordingSource::Wav(_) => recording(&file.path, &mut bytes, &mut sums),
            RecordingSource::Tables(_) => table(&file.path, tables, &mut bytes, &mut sums),
        };
        if let Ok(one) = &one {
            held += 4 * one.channels.iter().map(Vec::len).sum::<usize>() as u64;
        }
        if held > limit {
            return Err(SequenceError::TooLarge {
                path: path.to_owned(),
                limit_mib: limit.div_ceil(1 << 20),
            });
        }
        read.push(one);
    }
    let mut findings = Vec::new();
    let named = |places: &[usize]| -> Vec<String> {
        places
            .iter()
            .take(SHOWN)
            .map(|&place| format!("`{}`", found.files[place].name))
            .collect()
    };
    let places = |test: &dyn Fn(&One) -> bool| -> Vec<usize> {
        let all = read.iter().enumerate();
        all.filter(|(_, one)| one.as_ref().is_ok_and(test))
            .map(|(place, _)| place)
            .collect()
    };
    let faulty: Vec<(usize, String)> = (0..)
        .zip(&read)
        .filter_map(|(place, one)| Some((place, one.as_ref().err()?.clone())))
        .collect();
    if let [(first, why), ..] = faulty.as_slice() {
        let name = &found.files[*first].name;
        if faulty.len() == read.len() && form.is_none() {
            return Err(content(
                format!(
                    "none of its {} files can be read; `{name}`: {why}",
                    read.len()
                ),
                "save recordings as WAV with linear samples, series as tables of numbers with a header",
            ));
        }
        let all: Vec<usize> = faulty.iter().map(|(place, _)| *place).collect();
        findings.push(finding(
            UNREADABLE,
            Severity::Warning,
            &all,
            format!(
                "{} of {} files cannot be read; `{name}`: {why}",
                all.len(),
                read.len()
            ),
            "write or copy them again, or take them out",
            "left out",
        ));
    }
    let own;
    let form = match form {
        Some(form) => form,
        None => {
            own = common(&read);
            &own
        }
    };
    let lost = places(&|one| one.lost);
    if !lost.is_empty() {
        findings.push(finding(
            TRUNCATED,
            Severity::Warning,
            &lost,
            format!(
                "{} files are cut off: they hold fewer samples than they promise ({})",
                lost.len(),
                named(&lost).join(", ")
            ),
            "copy them again",
            "what is there is used",
        ));
    }
    let other_rate = places(&|one| one.rate != form.rate);
    if let (Some(rate), [_, ..]) = (form.rate, other_rate.as_slice()) {
        findings.push(finding(
            RATES,
            Severity::Warning,
            &other_rate,
            format!("{} of {} files have another rate than {rate} samples a second ({})", other_rate.len(), read.len(), named(&other_rate).join(", ")),
            "record all at one rate: what a lower rate cannot hold is lost, and may tell classes apart that differ in nothing else",
            &format!("brought to {rate} samples a second"),
        ));
    }
    let other_channels = places(&|one| one.channels.len() != form.channels);
    if form.names.is_empty() && !other_channels.is_empty() {
        findings.push(finding(
            CHANNELS,
            Severity::Warning,
            &other_channels,
            format!(
                "files have several numbers of channels ({} have not {})",
                other_channels.len(),
                form.channels
            ),
            "record all with the same channels",
            "the mean over its channels is taken of each file",
        ));
    }
    let uneven = places(&|one| one.uneven);
    if !uneven.is_empty() {
        let named = format!(" ({})", named(&uneven).join(", "));
        findings.push(uneven_times(&uneven, "files", &named));
    }
    let timed = read.iter().flatten().any(|one| one.timed);
    let mut series = SeriesSet::new(form.channels);
    let mut unreadable = Vec::new();
    for (place, one) in read.into_iter().enumerate() {
        let brought = one.and_then(|one| bring(one, form));
        match brought {
            Ok(channels) => series.push(&channels),
            Err(why) => {
                unreadable.push((place, why));
                series.push::<Vec<f32>>(&[]);
            }
        }
    }
    let lengths = (0..series.len())
        .map(|unit| series.length(unit) as f64)
        .collect();
    let mut columns = vec![
        Column {
            name: FILE.to_owned(),
            values: Values::texts(found.files.iter().map(|f| Some(&f.name))),
        },
        Column {
            name: LENGTH.to_owned(),
            values: Values::Numeric(lengths),
        },
    ];
    if found.classes {
        columns.push(Column {
            name: CLASS.to_owned(),
            values: Values::texts(found.files.iter().map(|f| f.class.as_ref())),
        });
    }
    let mut notes = found.notes;
    notes.push(match form.rate {
        Some(rate) => format!("{} recordings at {rate} samples a second", series.len()),
        None => format!(
            "{} tables of {} channels: {}",
            series.len(),
            form.channels,
            form.names.join(", ")
        ),
    });
    if timed {
        notes.push("of the times of readings only the order is used".to_owned());
    }
    Ok(ReadRecordings {
        facts: SourceFacts {
            source: path.display().to_string(),
            format: match source {
                RecordingSource::Wav(_) => "WAV files".to_owned(),
                RecordingSource::Tables(_) => "a table a series".to_owned(),
            },
            rows: series.len(),
            source_rows: series.len(),
            columns: columns.len(),
            bytes,
            sha256: fingerprint_bytes(sums.concat().as_bytes()).1,
            default_target: found.classes.then(|| CLASS.to_owned()),
            notes,
            ..SourceFacts::default()
        },
        test_rows: found.files.iter().filter(|f| f.test).count(),
        table: Table { columns },
        form: form.clone(),
        series,
        findings,
        unreadable,
    })
}

fn finding(
    kind: &str,
    severity: Severity,
    units: &[usize],
    message: String,
    remedy: &str,
    action: &str,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        columns: Vec::new(),
        message,
        evidence: Evidence {
            rows: units.iter().take(SHOWN).map(|unit| unit + 1).collect(),
            count: units.len(),
            figure: String::new(),
        },
        remedy: remedy.to_owned(),
        action: Some(action.to_owned()),
    }
}

/// The commonest of some values; of equally common ones the greatest.
fn commonest<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort();
    let groups = sorted.chunk_by(|a, b| a == b);
    groups
        .max_by_key(|group| group.len())
        .map(|group| group[0].clone())
}

fn common(read: &[Result<One, String>]) -> RecordingForm {
    let all = || read.iter().flatten();
    let names = commonest(all().map(|one| one.names.clone())).unwrap_or_default();
    let mut counts: Vec<usize> = all().map(|one| one.channels.len()).collect();
    counts.sort_unstable();
    counts.dedup();
    let channels = match (names.len(), counts.as_slice()) {
        (0, [one]) => *one,
        (0, _) => 1,
        (names, _) => names,
    };
    RecordingForm {
        rate: commonest(all().filter_map(|one| one.rate)),
        names,
        channels,
    }
}

/// The channels that a model sees, or why they cannot be had.
fn bring(one: One, form: &RecordingForm) -> Result<Vec<Vec<f32>>, String> {
    if !form.names.is_empty() {
        let place = |name: &String| {
            let found = one.names.iter().position(|other| other == name);
            found.ok_or_else(|| {
                format!(
                    "it has no column `{name}`{}",
                    candor_core::did_you_mean(name, &one.names)
                )
            })
        };
        let places = form
            .names
            .iter()
            .map(place)
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(places
            .into_iter()
            .map(|place| one.channels[place].clone())
            .collect());
    }
    let channels = match (one.channels.len(), form.channels) {
        (own, wanted) if own == wanted => one.channels,
        (own, 1) => {
            let length = one.channels.first().map_or(0, Vec::len);
            let mean =
                |t: usize| one.channels.iter().map(|channel| channel[t]).sum::<f32>() / own as f32;
            vec![(0..length).map(mean).collect()]
        }
        (own, wanted) => return Err(format!("it has {own} channels, where {wanted} are needed")),
    };
    Ok(match (one.rate, form.rate) {
        (Some(from), Some(to)) if from.max(to) / from.min(to).max(1) > FARTHEST => {
            return Err(format!("its {from} samples a second are too far from {to}"));
        }
        (Some(from), Some(to)) => channels
            .iter()
            .map(|channel| resampled(channel, from, to))
            .collect(),
        _ => channels,
    })
}

fn recording(path: &Path, bytes: &mut u64, sums: &mut Vec<String>) -> Result<One, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has more than {} MiB", LARGEST >> 20));
    }
    let stored = std::fs::read(path).map_err(|e| e.to_string())?;
    let (length, sum) = fingerprint_bytes(&stored);
    *bytes += length;
    sums.push(sum);
    let Recording {
        rate,
        channels,
        lost,
    } = wav::read(&stored)?;
    if channels.iter().all(Vec::is_empty) {
        return Err("it holds no samples".to_owned());
    }
    Ok(One {
        channels,
        names: Vec::new(),
        rate: Some(rate),
        lost: lost > 0,
        uneven: false,
        timed: false,
    })
}

fn table(
    path: &Path,
    options: &ReadOptions,
    bytes: &mut u64,
    sums: &mut Vec<String>,
) -> Result<One, String> {
    let read = read_table(&Source::File(path.to_owned()), options).map_err(|e| {
        // The name of the file is told beside it.
        let whole = e.to_string();
        let path = format!("`{}`", path.display());
        whole.replacen(&path, "it", 1)
    })?;
    *bytes += read.facts.bytes;
    sums.push(read.facts.sha256);
    let mut one = One {
        channels: Vec::new(),
        names: Vec::new(),
        rate: None,
        lost: false,
        uneven: false,
        timed: false,
    };
    for column in read.table.columns {
        if is_time_name(&column.name) {
            one.timed = true;
            one.uneven |= !ascend_evenly(&time_values(&column));
            continue;
        }
        match column.values {
            Values::Numeric(values) => one
                .channels
                .push(values.into_iter().map(|v| v as f32).collect()),
            Values::Text { codes, dictionary } if dictionary.is_empty() => {
                one.channels.push(vec![f32::NAN; codes.len()]);
            }
            Values::Text { .. } => {
                return Err(format!("column `{}` holds no numbers", column.name));
            }
        }
        one.names.push(column.name);
    }
    match one.channels.is_empty() {
        true => Err("it has no column of numbers beside the time".to_owned()),
        false => Ok(one),
    }
}

/// Whether a column of that name is one of times.
pub(crate) fn is_time_name(name: &str) -> bool {
    let name = name.trim();
    TIME_NAMES
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// What is told of series whose times do not ascend by equal steps.
pub(crate) fn uneven_times(units: &[usize], what: &str, named: &str) -> Finding {
    finding(
        TIMES,
        Severity::Warning,
        units,
        format!(
            "times of {} {what} do not ascend by equal steps{named}",
            units.len()
        ),
        "bring readings to equal steps, in order, one a moment",
        "readings are taken in their order, whatever the time between them",
    )
}

pub(crate) fn ascend_evenly(times: &[f64]) -> bool {
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(1.0);
    usual > 0.0
        && steps
            .iter()
            .all(|step| (step - usual).abs() <= UNEVEN * usual)
}
