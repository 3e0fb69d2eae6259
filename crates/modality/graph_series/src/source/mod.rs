//! Where series come from: a folder with a table of values and maybe one of what joins them, or one table.

mod dead;
mod distances;
mod joined;
mod long;
mod moving;
mod recorded;
mod several;
mod times;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use candor_core::{Evidence, Finding, Severity, did_you_mean};
use candor_data::{
    Column, Read, ReadOptions, Source, SourceFacts, Table, Values, fingerprint_bytes, read_table,
};
use serde::{Deserialize, Serialize};

pub use self::long::Long;
use crate::{Calendar, KnownAhead, Series, SeriesError};

/// Endings of tables, the usual first.
const ENDINGS: [&str; 10] = [
    "csv", "csv.gz", "tsv", "tsv.gz", "parquet", "arrow", "feather", "txt", "h5", "hdf5",
];

/// The format of tables beside which a graph may lie.
const HDF5: &str = "HDF5";

/// Where series come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesSource {
    /// A folder with `values.csv` and maybe `adjacency.csv`, `edges.csv`, `distances.csv` or `coordinates.csv`, or `mobility.csv` with edges
    /// that change with time (also `.tsv`, `.parquet`, `.arrow`, `.feather`, `.h5`, the first two also with `.gz`).
    Folder(PathBuf),
    /// A folder of such folders, as one a country: one model learns from the series of all of them.
    Several(PathBuf),
    /// One table: a row a moment, a column a series, or a row for each series and moment. Beside one in HDF5, as METR-LA and PEMS-BAY are published, what joins the series is
    /// looked for as in a folder.
    File(PathBuf),
    /// A data set of PyTorch Geometric Temporal, series and edges in one (`.json`, `.json.gz`).
    Recorded(PathBuf),
}

impl SeriesSource {
    /// The series that `path` holds, if it is a folder or a recorded data set of them. Another file is one of series only if a person says so.
    pub fn detect(path: &Path, asked: bool) -> Option<SeriesSource> {
        if table_in(path, "values").is_some() {
            return Some(SeriesSource::Folder(path.to_owned()));
        }
        if several::folders(path).is_some() {
            return Some(SeriesSource::Several(path.to_owned()));
        }
        if recorded::is_file(path) {
            return Some(SeriesSource::Recorded(path.to_owned()));
        }
        (asked && path.is_file()).then(|| SeriesSource::File(path.to_owned()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            SeriesSource::Folder(path)
            | SeriesSource::Several(path)
            | SeriesSource::File(path)
            | SeriesSource::Recorded(path) => path,
        }
    }
}

/// How series are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesOptions {
    /// How the tables are read.
    pub tables: ReadOptions,
    /// The column of times; found when not given.
    pub time_column: Option<String>,
    /// Columns that are no series.
    pub ignore: Vec<String>,
    /// Readings of zero stay what they are, however unlikely.
    pub keep_zeros: bool,
    /// The column that tells the series of a row, of a table with a row for each series and moment; found when not given.
    pub series: Option<String>,
    /// What was read there; found when not given, if there is but one column of numbers.
    pub reading: Option<String>,
    /// Columns that are known ahead of time.
    pub known_ahead: Vec<String>,
}

/// Series that were read.
#[derive(Debug, Clone)]
pub struct ReadSeries {
    /// The series.
    pub series: Series,
    /// The name of the column of times, if there is one.
    pub time_column: Option<String>,
    /// The columns of a table with a row for each series and moment, if it is one.
    pub long: Option<Long>,
    /// What was found out while reading.
    pub facts: SourceFacts,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Reads series.
///
/// # Errors
/// When a table cannot be read, times do not ascend by equal steps, or what joins the series does not fit them.
pub fn read_series(
    source: &SeriesSource,
    options: &SeriesOptions,
) -> Result<ReadSeries, SeriesError> {
    let values_path = match source {
        SeriesSource::File(path) | SeriesSource::Recorded(path) => path.clone(),
        SeriesSource::Folder(folder) => {
            table_in(folder, "values").unwrap_or_else(|| folder.join("values.csv"))
        }
        SeriesSource::Several(folder) => {
            let folders = several::folders(folder).unwrap_or_default();
            return several::read(folder, folders, options);
        }
    };
    if let SeriesSource::Recorded(path) = source {
        return read_recorded(path, options);
    }
    // Names of series may be numbers, as those of sensors are.
    let header = options.tables.header.or(Some(true));
    let Read { table, mut facts } = read(&values_path, &options.tables, header)?;
    let (folder, moving) = match source {
        SeriesSource::Folder(folder) => (Some(folder.as_path()), moving::table(folder)),
        _ => (values_path.parent().filter(|_| facts.format == HDF5), None),
    };
    let options = &SeriesOptions {
        // Zeros of what moves between places, as cases of an illness, are counts.
        keep_zeros: options.keep_zeros || moving.is_some(),
        ..options.clone()
    };
    let FromTable {
        mut series,
        time_column,
        long,
        mut findings,
    } = FromTable::read(table, &values_path, options)?;
    if let Some(Long { series, reading }) = &long {
        facts.notes.push(format!(
            "a row for each series and moment: `{series}` tells the series, `{reading}` is forecast"
        ));
    }
    let mut sums = vec![facts.sha256.clone()];
    if let Some(path) = moving {
        let steps = series.steps();
        let read = moving::read(
            path,
            &options.tables,
            &series.nodes,
            &series.calendar,
            steps,
        )?;
        sums.push(read.facts.sha256);
        facts.bytes += read.facts.bytes;
        facts.notes.push(format!(
            "`{}`: {} edges that change with time",
            read.path.display(),
            read.edges
        ));
        findings.extend(read.findings);
        series.flows = Some(read.flows);
    } else if let Some(folder) = folder
        && let Some((path, read)) = joined::read(folder, &options.tables, &series.nodes)?
    {
        facts.notes.extend(read.facts.notes);
        sums.push(read.facts.sha256);
        facts.bytes += read.facts.bytes;
        facts.notes.push(format!(
            "`{}`: {} edges",
            path.display(),
            read.graph.edges.len()
        ));
        series.graph = Some(read.graph);
        series.places = read.places;
    }
    if let Some(folder) = folder.filter(|_| series.places.is_none()) {
        // Places are for maps alone: what is wrong with them is no fault of the series.
        match joined::places(folder, &options.tables, &series.nodes) {
            Ok(places) => series.places = places,
            Err(error) => facts
                .notes
                .push(format!("no map is drawn by places: {error}")),
        }
    }
    facts.source = source.path().display().to_string();
    if sums.len() > 1 {
        facts.sha256 = fingerprint_bytes(sums.concat().as_bytes()).1;
    }
    facts.format = format!("series of {}", facts.format);
    Ok(ReadSeries {
        series,
        time_column,
        long,
        facts,
        findings,
    })
}

fn read_recorded(path: &Path, options: &SeriesOptions) -> Result<ReadSeries, SeriesError> {
    let recorded::Recorded { table, joined } = recorded::read(path)?;
    let mut facts = joined.facts;
    let read = FromTable::read(table, path, options)?;
    facts
        .notes
        .push(format!("{} edges", joined.graph.edges.len()));
    facts.source = path.display().to_string();
    facts.format = format!("series of {}", facts.format);
    Ok(ReadSeries {
        series: Series {
            graph: Some(joined.graph),
            ..read.series
        },
        time_column: read.time_column,
        long: read.long,
        facts,
        findings: read.findings,
    })
}

/// Series of a table that is in memory, without a graph: a row a moment, a column a series, or a row for each series and moment. `name` is what messages call it.
///
/// # Errors
/// As [`read_series`].
pub fn series_of(
    table: Table,
    name: &str,
    options: &SeriesOptions,
) -> Result<(Series, Option<String>), SeriesError> {
    let read = FromTable::read(table, Path::new(name), options)?;
    Ok((read.series, read.time_column))
}

struct FromTable {
    series: Series,
    time_column: Option<String>,
    long: Option<Long>,
    findings: Vec<Finding>,
}

impl FromTable {
    fn read(
        mut table: Table,
        path: &Path,
        options: &SeriesOptions,
    ) -> Result<FromTable, SeriesError> {
        let mut findings = Vec::new();
        let (long, of_series) = match long::spread(&table, path, options, &mut findings)? {
            Some(spread) => {
                table = spread.table;
                (Some(spread.long), Some(spread.known))
            }
            None => (None, None),
        };
        let found = times::take(
            &mut table,
            path,
            options.time_column.as_deref(),
            &mut findings,
        )?;
        let places = found.as_ref().map(|times| times.places.as_slice());
        let (cells, series) = match of_series {
            Some(cells) => (cells, table.columns.len()),
            None => (shared(&mut table, path, &options.known_ahead)?, 1),
        };
        let known = known_ahead(&options.known_ahead, cells, series, places);
        let stays = |column: &Column| !options.ignore.contains(&column.name);
        let kept: Vec<usize> = (0..table.columns.len())
            .filter(|&place| stays(&table.columns[place]))
            .collect();
        let known = known.map(|known| known.picked(&kept));
        table.columns.retain(stays);
        let mut values = numbers(path, &table, places)?;
        let nodes: Vec<String> = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        if known.is_some() {
            // What comes after the last reading is to be forecast.
            let read = values.iter().rposition(|value| value.is_finite());
            let steps = read.map_or(0, |last| last / nodes.len() + 1);
            values.truncate(steps.max(1) * nodes.len());
        }
        if !options.keep_zeros {
            findings.extend(dead::mask(&mut values, &nodes));
        }
        findings.extend(gaps(&values, &nodes));
        findings.extend(late(&values, &nodes));
        findings.extend(negative_counts(&values, &nodes));
        let steps = values.len() / nodes.len();
        let calendar = match found.as_ref().and_then(|times| times.seconds) {
            Some((start, step)) => Calendar::from_times(start, step, steps),
            None => Calendar::from_values(&means(&values, nodes.len())),
        };
        findings.push(period_finding(&calendar));
        Ok(FromTable {
            series: Series {
                nodes,
                values,
                calendar,
                graph: None,
                flows: None,
                known,
                places: None,
            },
            time_column: found.map(|times| times.column),
            long,
            findings,
        })
    }
}

/// The numbers of a column, NaN where nothing was read.
fn read_numbers<'a>(column: &'a Column, path: &Path) -> Result<Cow<'a, [f64]>, SeriesError> {
    match &column.values {
        Values::Numeric(read) => Ok(Cow::Borrowed(read)),
        // A column without a single reading is read as text.
        Values::Text { codes, dictionary } if dictionary.is_empty() => {
            Ok(Cow::Owned(vec![f64::NAN; codes.len()]))
        }
        Values::Text { .. } => Err(SeriesError::NotNumbers {
            path: path.to_owned(),
            column: column.name.clone(),
        }),
    }
}

/// Where the column is that a person named.
fn place_of(table: &Table, setting: &'static str, name: &str) -> Result<usize, SeriesError> {
    let found = table.columns.iter().position(|c| c.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        SeriesError::Setting {
            setting,
            problem: format!("there is no column `{name}`{}", did_you_mean(name, &known)),
        }
    })
}

/// Takes the columns that are known ahead, the same for all series, out of a table.
fn shared(table: &mut Table, path: &Path, names: &[String]) -> Result<Vec<Vec<f64>>, SeriesError> {
    let mut cells = Vec::with_capacity(names.len());
    for name in names {
        let place = place_of(table, "known_ahead", name)?;
        let column = table.columns.remove(place);
        cells.push(read_numbers(&column, path)?.into_owned());
    }
    Ok(cells)
}

/// Of each column `[rows, series]`; row `i` is moment `places[i]`.
fn known_ahead(
    names: &[String],
    cells: Vec<Vec<f64>>,
    series: usize,
    places: Option<&[usize]>,
) -> Option<KnownAhead> {
    let rows = cells.first()?.len() / series.max(1);
    let moments = places
        .and_then(<[usize]>::last)
        .map_or(rows, |last| last + 1);
    let width = names.len() * series;
    let mut values = vec![f32::NAN; moments * width];
    for (column, cells) in cells.iter().enumerate() {
        for (row, own) in cells.chunks_exact(series).enumerate() {
            let moment = places.map_or(row, |places| places[row]);
            let first = moment * width + column * series;
            for (to, from) in values[first..first + series].iter_mut().zip(own) {
                *to = *from as f32;
            }
        }
    }
    Some(KnownAhead {
        names: names.to_vec(),
        series,
        values,
    })
}

/// The table of that name in a folder.
fn table_in(folder: &Path, stem: &str) -> Option<PathBuf> {
    let paths = ENDINGS
        .iter()
        .map(|ending| folder.join(format!("{stem}.{ending}")));
    paths.into_iter().find(|path| path.is_file())
}

fn read(path: &Path, options: &ReadOptions, header: Option<bool>) -> Result<Read, SeriesError> {
    let options = ReadOptions {
        header,
        // Moments must not be left out.
        memory_bytes: None,
        ..options.clone()
    };
    Ok(read_table(&Source::File(path.to_owned()), &options)?)
}

/// `[moments, series]`: row `i` of the table is moment `places[i]`; moments without a row have no numbers.
fn numbers(path: &Path, table: &Table, places: Option<&[usize]>) -> Result<Vec<f32>, SeriesError> {
    let (rows, width) = (table.rows(), table.columns.len());
    if width == 0 || rows == 0 {
        return Err(SeriesError::NoSeries {
            path: path.to_owned(),
        });
    }
    let steps = places
        .and_then(<[usize]>::last)
        .map_or(rows, |last| last + 1);
    let mut values = vec![f32::NAN; steps * width];
    for (node, column) in table.columns.iter().enumerate() {
        let read = read_numbers(column, path)?;
        for (row, &value) in read.iter().enumerate() {
            let moment = places.map_or(row, |places| places[row]);
            let value = value as f32;
            values[moment * width + node] = if value.is_finite() { value } else { f32::NAN };
        }
    }
    Ok(values)
}

/// The mean over the series at each moment; a moment without readings has that of the moment before it.
fn means(values: &[f32], nodes: usize) -> Vec<f64> {
    let mut last = 0.0;
    let rows = values.chunks_exact(nodes.max(1));
    rows.map(|row| {
        let known: Vec<f64> = row
            .iter()
            .filter(|v| v.is_finite())
            .map(|v| f64::from(*v))
            .collect();
        if !known.is_empty() {
            last = known.iter().sum::<f64>() / known.len() as f64;
        }
        last
    })
    .collect()
}

fn gaps(values: &[f32], nodes: &[String]) -> Option<Finding> {
    let missing = values.iter().filter(|v| v.is_nan()).count();
    if missing == 0 {
        return None;
    }
    let mut of_node: Vec<(usize, &String)> = nodes
        .iter()
        .enumerate()
        .map(|(node, name)| {
            let column = values.iter().skip(node).step_by(nodes.len());
            (column.filter(|v| v.is_nan()).count(), name)
        })
        .filter(|(count, _)| *count > 0)
        .collect();
    of_node.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let columns: Vec<String> = of_node
        .iter()
        .take(10)
        .map(|(_, name)| (*name).clone())
        .collect();
    Some(Finding {
        kind: "missing-readings".into(),
        severity: Severity::Note,
        message: format!(
            "{:.1} % of the readings are missing, in {} of {} series",
            100.0 * missing as f64 / values.len() as f64,
            of_node.len(),
            nodes.len()
        ),
        columns,
        evidence: Evidence {
            count: missing,
            ..Evidence::default()
        },
        remedy: "nothing, unless they could be had".into(),
        action: Some("models see the last reading instead, and that it is old; nothing is learned or judged there".into()),
    })
}

/// Share of the moments after which a series without a reading until then begins late.
const LATE: f64 = 0.25;
/// Share of readings below zero up to which whole numbers are counts that went wrong, and not numbers of both signs.
const FEW_NEGATIVE: f64 = 0.05;

fn named(nodes: &[String], chosen: impl Fn(usize) -> bool) -> (usize, Vec<String>) {
    let names: Vec<&String> = nodes
        .iter()
        .enumerate()
        .filter(|(node, _)| chosen(*node))
        .map(|(_, name)| name)
        .collect();
    (names.len(), names.into_iter().take(10).cloned().collect())
}

/// Series whose first reading comes late, if it comes.
fn late(values: &[f32], nodes: &[String]) -> Option<Finding> {
    let steps = values.len() / nodes.len().max(1);
    let first = |node: usize| {
        let mut column = values.iter().skip(node).step_by(nodes.len());
        column.position(|v| !v.is_nan()).unwrap_or(steps)
    };
    let (count, columns) = named(nodes, |node| first(node) as f64 > LATE * steps as f64);
    let least = nodes
        .iter()
        .enumerate()
        .map(|(node, _)| first(node))
        .max()?;
    (count > 0).then(|| Finding {
        kind: "series-begin-late".into(),
        severity: Severity::Warning,
        message: format!(
            "{count} of {} series have no reading in the first quarter of the moments or longer; the last of them begins at moment {} of {steps}",
            nodes.len(),
            (least + 1).min(steps)
        ),
        columns,
        evidence: Evidence {
            count,
            ..Evidence::default()
        },
        remedy: "leave out with `--ignore` what is hardly known; forecasts of it rest on the other series".into(),
        action: Some("nothing is learned or judged of them before they begin".into()),
    })
}

/// Whole numbers of which few are negative.
fn negative_counts(values: &[f32], nodes: &[String]) -> Option<Finding> {
    let known = || values.iter().filter(|v| v.is_finite());
    let count = known().filter(|v| **v < 0.0).count();
    let whole = known().all(|v| v.fract() == 0.0);
    if count == 0 || !whole || count as f64 > FEW_NEGATIVE * known().count() as f64 {
        return None;
    }
    let (_, columns) = named(nodes, |node| {
        let mut column = values.iter().skip(node).step_by(nodes.len());
        column.any(|v| *v < 0.0)
    });
    Some(Finding {
        kind: "negative-counts".into(),
        severity: Severity::Warning,
        columns,
        message: format!(
            "{count} readings are below zero, and all are whole numbers: if they are counts, these are corrections of earlier ones"
        ),
        evidence: Evidence {
            count,
            ..Evidence::default()
        },
        remedy: "count each case on its own day, or leave the cell empty".into(),
        action: None,
    })
}

fn period_finding(calendar: &Calendar) -> Finding {
    let periods: Vec<String> = calendar.periods.iter().map(usize::to_string).collect();
    let (message, remedy) = match (calendar.periods.is_empty(), calendar.start) {
        (true, _) => (
            "the series have no period that is short enough to be learned".to_owned(),
            "give times in the first column, if there are some",
        ),
        (false, Some(_)) => (
            format!(
                "by their times the series repeat after {} moments",
                periods.join(" and ")
            ),
            "nothing",
        ),
        (false, None) => (
            format!(
                "the series have no times; by their values they repeat after {} moments",
                periods.join(" and ")
            ),
            "give times in the first column: then days and weeks are known",
        ),
    };
    Finding {
        kind: "periods".into(),
        severity: Severity::Note,
        columns: Vec::new(),
        message,
        evidence: Evidence::default(),
        remedy: remedy.into(),
        action: None,
    }
}
