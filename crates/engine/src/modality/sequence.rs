use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{ReadOptions, Role, Schema, Source, Split, Table, Values, read_table};
use candor_sequence::{
    CLASS, FILE, LENGTH, OTHER_COLUMNS, ReadRecordings, ReadSeries, RecordingForm, RecordingSource,
    SequenceError, SequenceLearner, SequenceUnits, SeriesChange, SeriesSet, TableColumns,
    TableForm, curate_series, is_series_file, part_shuffled, read_recordings, read_series,
    recording_check_names, series_across, series_changed, series_check_names, series_parts,
    stretches_shuffled, unusable_series,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::joined;
use super::{
    Input, Inputs, Material, OF_NAMES, Opened, ReaderError, Readers, disturbance_named,
    leave_out_others, malformed, parts_of, rows_by_targets, to_json,
};
use crate::sourced::whole_names;
use crate::{EngineError, FitSettings, Subject};

/// Whether a source is a file of series.
pub(super) fn is_file(source: &str) -> bool {
    is_series_file(Path::new(source))
}

/// The recordings of a folder, if it holds some.
pub(super) fn detect_recordings(source: &str) -> Option<RecordingSource> {
    RecordingSource::detect(Path::new(source))
}

/// Reads the recordings of folders that name their classes, and behind them those of the second source.
pub(super) fn open_recordings(
    source: &RecordingSource,
    settings: &FitSettings,
) -> Result<Opened, EngineError> {
    let memory = settings.memory.or(settings.read.memory_bytes);
    let read = |source: &RecordingSource, form: Option<&RecordingForm>| {
        read_recordings(source, &settings.read, memory, form)
    };
    let ReadRecordings {
        mut series,
        mut table,
        facts,
        mut findings,
        mut test_rows,
        form,
        ..
    } = read(source, None)?;
    let refuse = |problem: String, repair: &'static str| {
        EngineError::Sequences(SequenceError::Content {
            path: settings.source.as_str().into(),
            problem,
            repair,
        })
    };
    match table.column(CLASS).map(|column| &column.values) {
        None => {
            return Err(refuse(
                "nothing says which classes its series belong to".to_owned(),
                "put the files of each class into a folder of its name",
            ));
        }
        Some(Values::Text { dictionary, .. }) if dictionary.len() == 1 => {
            return Err(refuse(
                format!(
                    "all its series are of one class, `{}`: there is nothing to tell apart",
                    dictionary[0]
                ),
                "add files of another class, in a folder of its name beside this one",
            ));
        }
        Some(_) => {}
    }
    let mut test = None;
    if let Some(path) = &settings.test {
        let Some(source) = detect_recordings(path) else {
            return Err(EngineError::WrongModality {
                what: format!("`{path}`"),
                expected: Modality::Sequence,
            });
        };
        let second = read(&source, Some(&form))?;
        test_rows += second.series.len();
        series.append(&second.series);
        table = joined(table, &second.table)?;
        findings.extend(second.findings);
        test = Some(second.facts);
    }
    Ok(Opened {
        table,
        facts,
        test,
        test_rows,
        findings,
        material: Box::new(SeriesOfSource {
            series,
            form: Some(form),
            table: None,
            columns: Vec::new(),
        }),
    })
}

/// Reads the series, and behind them those of the second source.
pub(super) fn open(settings: &FitSettings) -> Result<Opened, EngineError> {
    let memory = settings.memory.or(settings.read.memory_bytes);
    let first = labelled(&settings.source, memory)?;
    let ReadSeries {
        mut series,
        mut table,
        facts,
    } = first;
    let own = series.len();
    let mut test = None;
    if let Some(path) = &settings.test {
        if !is_file(path) {
            return Err(EngineError::WrongModality {
                what: format!("`{path}`"),
                expected: Modality::Sequence,
            });
        }
        let second = labelled(path, memory)?;
        if !series.append(&second.series) {
            return Err(EngineError::Setting {
                setting: "test",
                problem: format!(
                    "series of `{path}` have {} channels, those of `{}` have {}",
                    second.series.channels(),
                    settings.source,
                    series.channels()
                ),
            });
        }
        table = joined(table, &second.table)?;
        test = Some(second.facts);
    }
    Ok(Opened {
        test_rows: series.len() - own,
        table,
        facts,
        test,
        findings: Vec::new(),
        material: Box::new(SeriesOfSource {
            series,
            form: None,
            table: None,
            columns: Vec::new(),
        }),
    })
}

/// Reads the series of a table, and behind them those of the second one.
pub(super) fn open_table(settings: &FitSettings) -> Result<Opened, EngineError> {
    if settings.target.is_empty() {
        return Err(EngineError::Setting {
            setting: "target",
            problem: "say which column is predicted of each series".to_owned(),
        });
    }
    let options = ReadOptions {
        // Readings must not be left out.
        memory_bytes: None,
        ..settings.read.clone()
    };
    let read = |source: &str| -> Result<candor_data::Read, EngineError> {
        let parsed = Source::parse(source)?;
        Ok(read_table(&parsed, &options)?)
    };
    let first = read(&settings.source)?;
    let path = Path::new(&settings.source);
    let targets = whole_names(&settings.target, &first.table);
    let needed: Vec<&str> = targets
        .iter()
        .chain(&settings.group)
        .chain(&settings.sensitive)
        .map(String::as_str)
        .collect();
    let others = needed
        .iter()
        .copied()
        .chain(settings.ignore.iter().map(String::as_str));
    let columns = TableColumns {
        series: settings.series.as_deref(),
        time: settings.time_column.as_deref(),
        others: others.collect(),
    };
    let form = TableForm::of(&first.table, path, &columns)?;
    let units = |table: &Table, path: &Path| -> Result<_, EngineError> {
        let found = form.read(table, path)?;
        let (units, findings) = found.units(table, path, &form, &needed)?;
        Ok((found.series, units, findings))
    };
    let (mut series, mut table, findings) = units(&first.table, path)?;
    let own = series.len();
    let mut test = None;
    if let Some(path) = &settings.test {
        let second = read(path)?;
        let (more, of_test, _) = units(&second.table, Path::new(path))?;
        series.append(&more);
        table = joined(table, &of_test)?;
        test = Some(second.facts);
    }
    let mut facts = first.facts;
    facts.notes.push(format!(
        "{} series of {} channels",
        series.len(),
        series.channels()
    ));
    facts.rows = own;
    facts.columns = table.columns.len();
    Ok(Opened {
        test_rows: series.len() - own,
        table,
        facts,
        test,
        findings,
        material: Box::new(SeriesOfSource {
            series,
            form: None,
            table: Some(form),
            columns: first.table.columns.into_iter().map(|c| c.name).collect(),
        }),
    })
}

/// Series of a file that says what is to be predicted.
fn labelled(path: &str, memory: Option<u64>) -> Result<ReadSeries, EngineError> {
    let read = read_series(Path::new(path), memory)?;
    if read.facts.default_target.is_some() {
        return Ok(read);
    }
    Err(EngineError::Sequences(SequenceError::Content {
        path: path.into(),
        problem: "nothing says what is to be predicted of its series".to_owned(),
        repair: "put `@classLabel true a b ...` (or `@targetLabel true`) into the header, and the class (or the number) of each series \
                     behind its last `:`",
    }))
}

/// A unit is a series.
struct SeriesOfSource {
    series: SeriesSet,
    /// What files were brought to, where each series is one.
    form: Option<RecordingForm>,
    /// Where the readings stand, where they are those of a table.
    table: Option<TableForm>,
    /// All columns of that table.
    columns: Vec<String>,
}

impl Material for SeriesOfSource {
    fn modality(&self) -> Modality {
        Modality::Sequence
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table holds lengths; what they say of the class is told by the checks of series.
        [&OF_NAMES[..], &["target-leakage"]].concat()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        let own = [&series_check_names()[..], &recording_check_names()].concat();
        [&own[..], &[OTHER_COLUMNS]].concat()
    }

    fn own_columns(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        match &self.table {
            None => {
                schema.set_role(FILE, Role::Ignored);
                Vec::new()
            }
            Some(form) => {
                if let TableForm::Readings { series, .. } = form {
                    schema.set_role(series, Role::Ignored);
                }
                let remedy =
                    "nothing; what is to be seen has to be a number that is read at each moment";
                leave_out_others(
                    schema,
                    LENGTH,
                    OTHER_COLUMNS,
                    "beside the readings",
                    remedy.to_owned(),
                )
            }
        }
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        if let Some(split) = split {
            return series_across(&self.series, &parts_of(self.series.len(), split));
        }
        let without = rows_by_targets(table, schema, |row, columns| {
            columns.iter().any(|values| values.is_missing(row))
        });
        curate_series(&self.series, targets, &without)
    }

    fn unusable(&self) -> Vec<(usize, String)> {
        unusable_series(&self.series)
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        let channels = self.series.channels();
        to_json(&Described {
            channels: (0..channels).map(|c| column_name(channels, c)).collect(),
            form: self.form.clone(),
            table: self.table.clone(),
        })
    }

    fn cells(&self, _schema: &Schema) -> usize {
        // A reading costs about as much as a cell of a table.
        self.series.numbers().div_ceil(self.series.len().max(1))
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        _table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = described(input).map_err(malformed)?;
        Ok(Box::new(SequenceSubject {
            learner: SequenceLearner::new(described.channels.len(), target.task)?,
            units: SequenceUnits::units(self.series),
            described,
        }))
    }
}

/// What a bundle knows of its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    /// What the channels are called in rows that a service gets.
    channels: Vec<String>,
    /// What files are brought to, where each series was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<RecordingForm>,
    /// Where the readings stand in a table, where series were read from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<TableForm>,
}

fn described(input: &Value) -> Result<Described, String> {
    let described: Described =
        serde_json::from_value(input.clone()).map_err(|e| format!("how series are read: {e}"))?;
    let fits = |form: &RecordingForm| form.channels == described.channels.len();
    match described.channels.is_empty() {
        true => Err("no series is without a channel".to_owned()),
        false if !described.form.as_ref().is_none_or(fits) => {
            Err("how recordings are read is damaged".to_owned())
        }
        false
            if described
                .table
                .as_ref()
                .is_some_and(|t| t.channels() != described.channels.len()) =>
        {
            Err("how tables of series are read is damaged".to_owned())
        }
        false => Ok(described),
    }
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let learner = SequenceLearner::new(described.channels.len(), task);
    let learner = learner.map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(described), Box::new(learner)))
}

/// A column whose cells hold readings: `series` where there is one channel, else `channel 1`, `channel 2`, ...
fn column_name(channels: usize, channel: usize) -> String {
    match channels {
        1 => "series".to_owned(),
        _ => format!("channel {}", channel + 1),
    }
}

impl Described {
    fn inputs(&self, series: SeriesSet) -> Inputs {
        let without = unusable_series(&series).into_iter();
        Inputs {
            unreadable: without
                .map(|(unit, _)| (unit, "The series has no reading.".to_owned()))
                .collect::<BTreeMap<_, _>>(),
            names: None,
            units: SequenceUnits::units(series),
        }
    }
}

impl Input for Described {
    fn columns(&self) -> Vec<&str> {
        match &self.table {
            Some(form) => form.columns(),
            None => self.channels.iter().map(String::as_str).collect(),
        }
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        if let Some(form) = &self.form
            && let Some(files) = RecordingSource::detect_plain(Path::new(source), form)
        {
            let read = read_recordings(&files, options, options.memory_bytes, Some(form))?;
            let names = read.table.column(FILE).map(|column| {
                let name = |row: usize| column.values.text(row).unwrap_or_default();
                (0..read.series.len()).map(name).collect()
            });
            let faulty = read.unreadable.into_iter();
            let faulty =
                faulty.map(|(unit, why)| (unit, format!("The file cannot be read: {why}.")));
            let mut inputs = self.inputs(read.series);
            inputs.unreadable.extend(faulty);
            inputs.names = names;
            return Ok(inputs);
        }
        if !holds_series(Path::new(source)) {
            return self.rows(&read_table(&Source::parse(source)?, options)?.table);
        }
        let read = read_series(Path::new(source), options.memory_bytes)?;
        if read.series.channels() != self.channels.len() {
            return Err(EngineError::Sequences(SequenceError::Content {
                path: source.into(),
                problem: format!(
                    "its series have {} channels, the model takes {}",
                    read.series.channels(),
                    self.channels.len()
                ),
                repair: "give series of the channels that the model was made from, in the same order",
            }));
        }
        Ok(self.inputs(read.series))
    }

    /// Rows as those of the table that was learned from. Else as a service gets them, or a table: in the cell `series` (or `channel 1`, `channel 2`, ...) the readings, parted by commas.
    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        if let Some(form) = &self.table {
            let found = form.read(table, Path::new("the rows"))?;
            let mut inputs = self.inputs(found.series);
            inputs.names = found.names;
            return Ok(inputs);
        }
        let names = &self.channels;
        let missing: Vec<String> = names
            .iter()
            .filter(|name| table.column(name).is_none())
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(EngineError::Rows(candor_table::RowError::MissingColumns {
                missing,
                suggestion: "; a cell of it holds readings parted by commas".to_owned(),
            }));
        }
        let mut series = SeriesSet::new(names.len());
        let mut unreadable = BTreeMap::new();
        for row in 0..table.rows() {
            let mut channels = Vec::with_capacity(names.len());
            for name in names {
                let text = table
                    .column(name)
                    .and_then(|column| column.values.text(row));
                match readings(&text.unwrap_or_default()) {
                    Ok(channel) => channels.push(channel),
                    Err(word) => {
                        let why = format!("The series cannot be read: `{word}` is no number.");
                        unreadable.insert(row, why);
                        channels.push(Vec::new());
                    }
                }
            }
            series.push(&channels);
        }
        let mut inputs = self.inputs(series);
        inputs.unreadable.extend(unreadable);
        Ok(inputs)
    }
}

/// Whether a file is one of series by its name, or by the sign with which its first line begins: a service knows no name.
fn holds_series(path: &Path) -> bool {
    let mut first = [0; 1];
    let opened = std::fs::File::open(path);
    let read = opened.and_then(|mut file| file.read_exact(&mut first));
    is_series_file(path) || (read.is_ok() && matches!(first[0], b'@' | b'#'))
}

/// Readings parted by commas, blanks or semicolons; `?` and the like are missing.
fn readings(text: &str) -> Result<Vec<f32>, String> {
    let parted = text.trim().trim_start_matches('[').trim_end_matches(']');
    let apart = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let words = parted.split(apart).filter(|word| !word.is_empty());
    let reading = |word: &str| match word.parse::<f32>() {
        Ok(value) => Ok(value),
        Err(_) if matches!(word, "?" | "null" | "NA") => Ok(f32::NAN),
        Err(_) => Err(word.chars().take(24).collect()),
    };
    words.map(reading).collect()
}

/// Series as the pipeline sees them.
struct SequenceSubject {
    described: Described,
    learner: SequenceLearner,
    units: Units,
}

impl SequenceSubject {
    fn series(&self) -> Result<&SeriesSet, EngineError> {
        Ok(self.units.get::<SequenceUnits>()?.series())
    }
}

impl Subject for SequenceSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&self.described)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let series = stretches_shuffled(self.series()?, units, seed);
        Ok(SequenceUnits::units(series))
    }

    fn parts(&self) -> Vec<String> {
        series_parts(self.described.channels.len())
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        part_shuffled(self.series()?, units, part, seed)
            .map(SequenceUnits::units)
            .ok_or_else(|| malformed(format!("there is no part `{part}` of series")))
    }

    fn disturbances(&self) -> Vec<&'static str> {
        SeriesChange::ALL.map(SeriesChange::name).to_vec()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let change = disturbance_named(SeriesChange::ALL, SeriesChange::name, disturbance)?;
        let series = series_changed(self.series()?, units, change, severity, seed);
        Ok(SequenceUnits::units(series))
    }

    fn judging_share(&self) -> f64 {
        // Each of eight folds' kernels sees each disturbed series anew.
        0.2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_a_cell_are_numbers_and_gaps() {
        let read = readings("[1, -2.5;?\t3e1]").unwrap();
        assert_eq!((read.len(), read[1], read[3]), (4, -2.5, 30.0));
        assert!(read[2].is_nan());
        assert_eq!(readings(""), Ok(Vec::new()));
        assert_eq!(readings("1, two"), Err("two".to_owned()));
    }
}
