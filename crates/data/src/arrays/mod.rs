//! Arrays by name: archives of NumPy (`.npz`) and the data sets in the root of HDF5 files (`.h5`, `.hdf5`).

mod npy;
mod npz;

use std::collections::BTreeMap;
use std::path::Path;

use crate::read::hdf5;

/// Values along axes, of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The values, the last axis running fastest.
    pub values: ArrayValues,
}

/// Values of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayValues {
    /// Floating-point numbers.
    Real(Vec<f64>),
    /// Integers.
    Whole(Vec<i64>),
    /// Truth values.
    Truth(Vec<bool>),
    /// Texts.
    Text(Vec<String>),
}

impl Array {
    /// Lengths of the two axes; a vector is one column.
    pub fn rows_and_columns(&self) -> Option<(usize, usize)> {
        match *self.shape.as_slice() {
            [rows] => Some((rows, 1)),
            [rows, columns] => Some((rows, columns)),
            _ => None,
        }
    }

    /// All values as numbers.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        Some(match &self.values {
            ArrayValues::Real(values) => values.clone(),
            ArrayValues::Whole(values) => values.iter().map(|&v| v as f64).collect(),
            ArrayValues::Truth(values) => values.iter().map(|&v| f64::from(u8::from(v))).collect(),
            ArrayValues::Text(_) => return None,
        })
    }

    /// All values as places `0..bound`.
    ///
    /// # Errors
    /// The first value that is none, in words.
    pub fn places(&self, bound: usize) -> Result<Vec<u32>, String> {
        let inside = |value: i64| u32::try_from(value).ok().filter(|&v| (v as usize) < bound);
        let outside = |value: &dyn std::fmt::Display| format!("{value} is not one of 0..{bound}");
        match &self.values {
            ArrayValues::Whole(values) => values
                .iter()
                .map(|&v| inside(v).ok_or_else(|| outside(&v)))
                .collect(),
            ArrayValues::Real(values) => values
                .iter()
                .map(|&v| {
                    let whole = (v.fract() == 0.0).then_some(v as i64).and_then(inside);
                    whole.ok_or_else(|| outside(&v))
                })
                .collect(),
            _ => Err("it should hold whole numbers".into()),
        }
    }
}

/// Whether a name is that of an HDF5 file.
pub fn is_hdf5_name(path: &Path) -> bool {
    let known = |e: &std::ffi::OsStr| ["h5", "hdf5"].iter().any(|k| e.eq_ignore_ascii_case(k));
    path.extension().is_some_and(known)
}

/// The names of the arrays in a file; none when it cannot be read.
pub fn array_names(path: &Path) -> Vec<String> {
    match is_hdf5_name(path) {
        true => hdf5_shapes(path).into_keys().collect(),
        false => npz::names(path),
    }
}

/// The shapes of the data sets in the root of an HDF5 file; none when it cannot be read.
pub fn hdf5_shapes(path: &Path) -> BTreeMap<String, Vec<usize>> {
    std::fs::read(path).map_or_else(
        |_| BTreeMap::new(),
        |bytes| hdf5::root_shapes(&bytes).unwrap_or_default(),
    )
}

/// Those arrays of a file that are called for, by name. The name of the file tells its format: HDF5, or else an archive of NumPy.
///
/// # Errors
/// What is wrong, in words.
pub fn read_arrays(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Array>, String> {
    if is_hdf5_name(path) {
        let bytes = std::fs::read(path).map_err(|e| format!("it cannot be read ({e})"))?;
        return hdf5::root_arrays(&bytes, &wanted);
    }
    npz::arrays(path, &wanted)
}
