//! HDF5, as far as tables lie in it: data frames as pandas writes them (`to_hdf` with `format="fixed"`, its default), and plain data sets.

mod bytes;
mod dataset;
mod datatype;
mod file;

use std::collections::BTreeMap;
use std::path::Path;

use self::bytes::Fault;
use self::dataset::Dataset;
use self::datatype::Class;
use self::file::{Hdf5, Object};
use super::fingerprint::fingerprint_bytes;
use super::names::unique_names;
use super::text_column::TextColumn;
use super::thinning::Thinning;
use crate::DataError;
use crate::arrays::{Array, ArrayValues};
use crate::date::iso_moment;
use crate::source::{MissingMarkers, Read, ReadOptions, SourceFacts};
use crate::table::{Column, Table, Values, choose_columns};

/// Steps from the root to a group with a table, at most.
const DEEPEST: usize = 4;
/// Objects that are looked at, at most.
const MOST_OBJECTS: usize = 10_000;
/// Columns of a table at most.
const MOST_COLUMNS: usize = 1 << 20;

/// Reads the one table of a file.
///
/// # Reference
/// A frame of pandas is a group with `axis0` (names of columns), `axis1` (the index) and, for each type, `block0_items` (whose columns) and
/// `block0_values` (rows x columns); METR-LA and PEMS-BAY are published so.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut facts = SourceFacts {
        format: "HDF5".to_owned(),
        ..SourceFacts::default()
    };
    (facts.bytes, facts.sha256) = fingerprint_bytes(&bytes);
    let columns =
        columns_of(&bytes, options, &mut facts.notes).map_err(|problem| DataError::Hdf5 {
            path: path.to_owned(),
            problem,
        })?;
    drop(bytes);
    if columns.is_empty() {
        return Err(DataError::NoColumns {
            path: path.to_owned(),
        });
    }
    let (names, values): (Vec<String>, Vec<Values>) = columns.into_iter().unzip();
    let names = unique_names(names, &mut facts.notes);
    let chosen = choose_columns(&names, options.columns.as_deref())?;
    let columns = names.into_iter().zip(values).enumerate();
    let columns = columns.filter(|(place, _)| chosen.contains(place));
    let mut table = Table {
        columns: columns
            .map(|(_, (name, values))| Column { name, values })
            .collect(),
    };
    facts.source_rows = table.rows();
    if facts.source_rows == 0 {
        return Err(DataError::HeaderOnly {
            path: path.to_owned(),
            columns: table.columns.len(),
        });
    }
    let size = (8 * table.columns.len() * table.rows()) as u64;
    let thinning = Thinning::to_fit(table.rows(), size, options.table_bytes(), &mut facts.notes);
    if thinning.kept() < table.rows() {
        let kept: Vec<usize> = (0..table.rows())
            .filter(|&row| thinning.keeps(row))
            .collect();
        table = table.select(&kept);
    }
    Ok(Read { table, facts })
}

/// The data sets in the root of a file, by name; those that are not read are passed over.
fn root_datasets<'a>(file: &Hdf5<'a>) -> Result<BTreeMap<String, Dataset<'a>>, Fault> {
    let mut datasets = BTreeMap::new();
    for (name, address) in file.members(&file.root()?)?.into_iter().take(MOST_OBJECTS) {
        if let Ok(Some(dataset)) = file.dataset(&file.object(address)?) {
            datasets.insert(name, dataset);
        }
    }
    Ok(datasets)
}

/// The shapes of the data sets in the root of a file.
pub(crate) fn root_shapes(bytes: &[u8]) -> Result<BTreeMap<String, Vec<usize>>, Fault> {
    let datasets = root_datasets(&Hdf5::open(bytes)?)?.into_iter();
    Ok(datasets.map(|(name, set)| (name, set.shape)).collect())
}

/// Those data sets in the root of a file that are called for.
pub(crate) fn root_arrays(
    bytes: &[u8],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Array>, Fault> {
    let file = Hdf5::open(bytes)?;
    let mut arrays = BTreeMap::new();
    for (name, dataset) in root_datasets(&file)? {
        if wanted(&name) {
            let array =
                array(&file, &dataset).map_err(|fault| format!("array `{name}`: {fault}"))?;
            arrays.insert(name, array);
        }
    }
    Ok(arrays)
}

fn array<'a>(file: &Hdf5<'a>, dataset: &Dataset<'a>) -> Result<Array, Fault> {
    let datatype = &dataset.datatype;
    let cells = dataset.cells(file)?;
    let each = || cells.chunks_exact(datatype.size);
    let values = match datatype.class {
        Class::Text | Class::VariableText => ArrayValues::Text(file.texts(datatype, &cells)?),
        Class::Float => ArrayValues::Real(each().map(|cell| datatype.number(cell)).collect()),
        Class::Integer { .. } => {
            ArrayValues::Whole(each().map(|cell| datatype.integer(cell)).collect())
        }
    };
    Ok(Array {
        shape: dataset.shape.clone(),
        values,
    })
}

/// A table that was found: where, and what its group holds.
struct Found<'a> {
    name: String,
    members: Vec<(String, Object<'a>)>,
}

fn columns_of(
    bytes: &[u8],
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, Values)>, Fault> {
    let file = Hdf5::open(bytes)?;
    let mut groups = Vec::new();
    let mut seen = 0;
    look(&file, file.root()?, "", DEEPEST, &mut seen, &mut groups)?;
    let has = |found: &Found, name: &str| found.members.iter().any(|(n, _)| n == name);
    let frames: Vec<&Found> = groups
        .iter()
        .filter(|found| has(found, "axis0") && has(found, "axis1"))
        .collect();
    match frames.as_slice() {
        [frame] => return Frame { file: &file, frame }.columns(options, notes),
        [] => {}
        several => {
            let names: Vec<String> = several
                .iter()
                .take(5)
                .map(|f| format!("`{}`", f.name))
                .collect();
            return Err(format!(
                "it holds {} tables ({}), and one is read: write the one that is meant into a file of its own",
                several.len(),
                names.join(", ")
            ));
        }
    }
    if let Some(found) = groups
        .iter()
        .find(|found| has(found, "table") && has(found, "_i_table"))
    {
        return Err(format!(
            "`{}` is a table that pandas wrote with `format=\"table\"`, which is not read here; write it with `format=\"fixed\"`",
            found.name
        ));
    }
    plain(&file, &groups, options)
}

/// All groups below one, with their members.
fn look<'a>(
    file: &Hdf5<'a>,
    group: Object<'a>,
    name: &str,
    deepest: usize,
    seen: &mut usize,
    found: &mut Vec<Found<'a>>,
) -> Result<(), Fault> {
    let mut members = Vec::new();
    for (member, address) in file.members(&group)? {
        *seen += 1;
        if *seen > MOST_OBJECTS {
            return Err("it holds too many objects".into());
        }
        let object = file.object(address)?;
        if object.is_group() {
            if deepest > 0 {
                look(
                    file,
                    object,
                    &format!("{name}/{member}"),
                    deepest - 1,
                    seen,
                    found,
                )?;
            }
            // A group `_i_table` tells a table.
            members.push((member, Object::default()));
        } else {
            members.push((member, object));
        }
    }
    found.push(Found {
        name: if name.is_empty() {
            "/".to_owned()
        } else {
            name.to_owned()
        },
        members,
    });
    Ok(())
}

/// A data frame of pandas.
struct Frame<'a, 'f> {
    file: &'f Hdf5<'a>,
    frame: &'f Found<'a>,
}

impl<'a> Frame<'a, '_> {
    fn member(&self, name: &str) -> Result<(&Object<'a>, Dataset<'a>), Fault> {
        let missing = || format!("`{}/{name}` is missing", self.frame.name);
        let (_, object) = self
            .frame
            .members
            .iter()
            .find(|(n, _)| n == name)
            .ok_or_else(missing)?;
        let inside = |fault| format!("`{}/{name}`: {fault}", self.frame.name);
        let dataset = self.file.dataset(object).map_err(inside)?;
        Ok((object, dataset.ok_or_else(missing)?))
    }

    /// The index, unless it only counts, and all columns that hold numbers, in the order of the frame.
    fn columns(
        &self,
        options: &ReadOptions,
        notes: &mut Vec<String>,
    ) -> Result<Vec<(String, Values)>, Fault> {
        let names = self.names("axis0")?;
        let mut columns: Vec<Option<(String, Values)>> = vec![None; names.len()];
        let mut rows = None;
        for block in 0.. {
            let member = format!("block{block}_values");
            if !self.frame.members.iter().any(|(n, _)| *n == member) {
                break;
            }
            let items = self.names(&format!("block{block}_items"))?;
            let (object, values) = match self.member(&member) {
                Ok(found) => found,
                Err(fault) => {
                    // Texts are kept as Python's own objects.
                    notes.push(format!("{} columns were left out: {fault}", items.len()));
                    continue;
                }
            };
            let inside = |fault: Fault| format!("`{}/{member}`: {fault}", self.frame.name);
            let [count, width] = values.shape[..] else {
                return Err(inside("it has not two dimensions".into()));
            };
            if width != items.len()
                || rows.is_some_and(|rows| rows != count)
                || values.datatype.is_text()
            {
                return Err(inside(format!(
                    "{count} x {width} values do not fit the frame"
                )));
            }
            rows = Some(count);
            let units = moment_units(self.file.attribute(object, "value_type").as_deref());
            let size = values.datatype.size;
            let cells = values.cells(self.file).map_err(inside)?;
            for (item, name) in items.iter().enumerate() {
                let column = (0..count).map(|row| {
                    let from = (row * width + item) * size;
                    &cells[from..from + size]
                });
                let read = match units {
                    Some(units) => moments(column.map(|cell| values.datatype.integer(cell)), units),
                    None => {
                        Values::Numeric(column.map(|cell| values.datatype.number(cell)).collect())
                    }
                };
                let free = names
                    .iter()
                    .zip(&columns)
                    .position(|(n, c)| n == name && c.is_none());
                let place = free.ok_or_else(|| inside(format!("there is no column `{name}`")))?;
                columns[place] = Some((name.clone(), read));
            }
        }
        let index = self.index(rows, options, notes)?;
        Ok(index
            .into_iter()
            .chain(columns.into_iter().flatten())
            .collect())
    }

    /// The names along an axis.
    fn names(&self, member: &str) -> Result<Vec<String>, Fault> {
        let (_, names) = self.member(member)?;
        let inside = |fault| format!("`{}/{member}`: {fault}", self.frame.name);
        if names.shape.len() != 1 || names.shape[0] > MOST_COLUMNS {
            return Err(inside("it is no list of names".into()));
        }
        let cells = names.cells(self.file).map_err(inside)?;
        if names.datatype.is_text() {
            return self.file.texts(&names.datatype, &cells).map_err(inside);
        }
        let cells = cells.chunks_exact(names.datatype.size);
        let name = |cell: &[u8]| match names.datatype.class {
            Class::Float => names.datatype.number(cell).to_string(),
            _ => names.datatype.integer(cell).to_string(),
        };
        Ok(cells.map(name).collect())
    }

    fn index(
        &self,
        rows: Option<usize>,
        options: &ReadOptions,
        notes: &mut Vec<String>,
    ) -> Result<Option<(String, Values)>, Fault> {
        let (object, index) = self.member("axis1")?;
        let inside = |fault| format!("`{}/axis1`: {fault}", self.frame.name);
        if index.shape.len() != 1 || rows.is_some_and(|rows| index.shape[0] != rows) {
            return Err(inside(format!(
                "its shape is {:?}, where there are {} rows",
                index.shape,
                rows.unwrap_or(0)
            )));
        }
        let kind = self.file.attribute(object, "kind");
        let units = moment_units(kind.as_deref());
        if let Some(zone) = self
            .file
            .attribute(object, "tz")
            .filter(|_| units.is_some())
        {
            notes.push(format!(
                "times are told in UTC; the file names the zone `{zone}`"
            ));
        }
        let name = self
            .file
            .attribute(object, "name")
            .and_then(|pickled| unpickled(&pickled));
        let values = self.values(&index, units, options).map_err(inside)?;
        let counts = |values: &Values| match values {
            Values::Numeric(values) => values.iter().enumerate().all(|(i, v)| *v == i as f64),
            Values::Text { .. } => false,
        };
        if name.is_none() && units.is_none() && counts(&values) {
            return Ok(None);
        }
        let usual = if units.is_some() { "time" } else { "index" };
        Ok(Some((name.unwrap_or_else(|| usual.to_owned()), values)))
    }

    fn values(
        &self,
        dataset: &Dataset<'a>,
        units: Option<i64>,
        options: &ReadOptions,
    ) -> Result<Values, Fault> {
        values(self.file, dataset, units, options)
    }
}

/// A data set of one dimension as a column.
fn values(
    file: &Hdf5<'_>,
    dataset: &Dataset<'_>,
    units: Option<i64>,
    options: &ReadOptions,
) -> Result<Values, Fault> {
    let cells = dataset.cells(file)?;
    let datatype = &dataset.datatype;
    if datatype.is_text() {
        let markers = MissingMarkers::new(&options.missing);
        let mut column = TextColumn::with_capacity(dataset.shape[0]);
        for text in file.texts(datatype, &cells)? {
            let text = text.trim();
            column.push(Some(text).filter(|text| !markers.contains(text)));
        }
        return Ok(column.finish());
    }
    let cells = cells.chunks_exact(datatype.size);
    Ok(match units {
        Some(units) => moments(cells.map(|cell| datatype.integer(cell)), units),
        None => Values::Numeric(cells.map(|cell| datatype.number(cell)).collect()),
    })
}

/// Data sets without a frame: those of one dimension and one length are columns, else the one of two dimensions is the table.
fn plain(
    file: &Hdf5<'_>,
    groups: &[Found<'_>],
    options: &ReadOptions,
) -> Result<Vec<(String, Values)>, Fault> {
    let mut sets = Vec::new();
    let mut refused = None;
    for found in groups {
        for (name, object) in &found.members {
            match file.dataset(object) {
                Ok(Some(dataset)) => sets.push((name, dataset)),
                Ok(None) => {}
                Err(fault) => refused = Some(format!("`{name}`: {fault}")),
            }
        }
    }
    let told = |sets: &[(&String, Dataset)]| {
        let shapes = sets
            .iter()
            .take(5)
            .map(|(name, set)| format!("`{name}` {:?}", set.shape));
        shapes.collect::<Vec<_>>().join(", ")
    };
    let wide: Vec<&(&String, Dataset)> = sets
        .iter()
        .filter(|(_, set)| set.shape.len() == 2 && !set.datatype.is_text())
        .collect();
    let (mut columns, rows) = match wide.as_slice() {
        [(_, set)] => {
            let (rows, width) = (set.shape[0], set.shape[1]);
            if width > MOST_COLUMNS {
                return Err(format!("it has {width} columns"));
            }
            let cells = set.cells(file)?;
            let size = set.datatype.size;
            let column = |place: usize| {
                let at = |row: usize| (row * width + place) * size;
                let numbers =
                    (0..rows).map(|row| set.datatype.number(&cells[at(row)..at(row) + size]));
                (
                    format!("c{}", place + 1),
                    Values::Numeric(numbers.collect()),
                )
            };
            ((0..width).map(column).collect::<Vec<_>>(), rows)
        }
        [] => (
            Vec::new(),
            sets.iter()
                .find(|(_, s)| s.shape.len() == 1)
                .map_or(0, |(_, s)| s.shape[0]),
        ),
        _ => {
            return Err(format!(
                "it is not clear which of its data sets is the table: {}",
                told(&sets)
            ));
        }
    };
    let named = sets.iter().find(|(_, s)| {
        wide.len() == 1
            && s.shape == [columns.len()]
            && s.datatype.is_text()
            && columns.len() != rows
    });
    if let Some((_, names)) = named {
        let cells = names.cells(file)?;
        for (column, name) in columns.iter_mut().zip(file.texts(&names.datatype, &cells)?) {
            column.0 = name;
        }
    }
    let mut beside = Vec::new();
    for (name, set) in sets
        .iter()
        .filter(|(_, set)| set.shape == [rows] && rows > 0)
    {
        beside.push(((*name).clone(), values(file, set, None, options)?));
    }
    let lists = sets.iter().filter(|(_, set)| set.shape.len() == 1).count();
    if wide.is_empty() && beside.len() < lists {
        return Err(format!(
            "it is not clear which of its data sets is the table: {}",
            told(&sets)
        ));
    }
    beside.append(&mut columns);
    match (beside.is_empty(), refused) {
        (true, Some(fault)) => Err(fault),
        _ => Ok(beside),
    }
}

/// Units a second of moments, if something is said to hold moments: `datetime64` are nanoseconds, `datetime64[us]` microseconds.
fn moment_units(kind: Option<&str>) -> Option<i64> {
    let unit = kind?.strip_prefix("datetime64")?;
    match unit.trim_matches(['[', ']']) {
        "" | "ns" => Some(1_000_000_000),
        "us" => Some(1_000_000),
        "ms" => Some(1_000),
        "s" => Some(1),
        _ => None,
    }
}

/// Moments as texts; the least number stands for none.
fn moments(counts: impl Iterator<Item = i64>, units: i64) -> Values {
    let mut column = TextColumn::default();
    for count in counts {
        let text = (count != i64::MIN).then(|| iso_moment(count, units));
        column.push(text.as_deref());
    }
    column.finish()
}

/// The text that Python pickled, in the form that PyTables uses for attributes: `Vname`, a new line, and what follows.
fn unpickled(pickled: &str) -> Option<String> {
    let text = pickled.strip_prefix('V')?.lines().next()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
