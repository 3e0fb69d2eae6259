use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candor_data::{ReadOptions, Values};

use super::joined::{Joined, LEAST_WEIGHT, fault, texts};
use super::{ENDINGS, read as read_file};
use crate::{SensorGraph, SeriesError};

/// How the tables' names begin: those of METR-LA and PEMS-BAY are `distances_la_2012.csv` and `distances_bay_2017.csv`.
const STEM: &str = "distances";

/// Distances along roads, as `from`, `to` and `distance`, become `exp(-d² / s²)`, where `s` is their standard deviation; weights below a tenth are left out.
/// Of several tables in a folder the one that knows most of the series is taken. Places that are no series are passed over.
///
/// # Reference
/// Li et al., "Diffusion Convolutional Recurrent Neural Network", ICLR 2018, appendix E.1.
pub(super) fn read(
    folder: &Path,
    options: &ReadOptions,
    nodes: &[String],
) -> Result<Option<(PathBuf, Joined)>, SeriesError> {
    let places: HashMap<&str, u32> = (0..)
        .zip(nodes)
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    let mut best: Option<(PathBuf, Joined, usize)> = None;
    let tables = tables(folder);
    for path in &tables {
        let found = read_file(path, options, options.header)?;
        let [from, to, much] = found.table.columns.as_slice() else {
            return Err(fault(
                path,
                format!(
                    "it has {} columns; it needs three: from, to, and the distance",
                    found.table.columns.len()
                ),
            ));
        };
        let Values::Numeric(distances) = &much.values else {
            return Err(fault(
                path,
                format!("column `{}` holds no numbers", much.name),
            ));
        };
        debug_assert_eq!(from.values.len(), to.values.len());
        let (from, to) = (texts(&found.table, 0), texts(&found.table, 1));
        let mut known = Vec::new();
        for (row, ((from, to), &distance)) in from.iter().zip(&to).zip(distances).enumerate() {
            if distance < 0.0 || !distance.is_finite() {
                return Err(fault(
                    path,
                    format!("row {}: a distance cannot be {distance}", row + 1),
                ));
            }
            if let (Some(&from), Some(&to)) = (places.get(from.as_str()), places.get(to.as_str())) {
                known.push((from, to, distance));
            }
        }
        let mut met: Vec<u32> = known.iter().flat_map(|&(from, to, _)| [from, to]).collect();
        met.sort_unstable();
        met.dedup();
        if best.as_ref().is_none_or(|(_, _, most)| met.len() > *most) {
            let mut facts = found.facts;
            let strangers = distances.len() - known.len();
            facts.notes = Vec::new();
            if strangers > 0 {
                facts.notes.push(format!(
                    "`{}`: {strangers} rows name places that are no series",
                    path.display()
                ));
            }
            if met.len() < nodes.len() {
                facts.notes.push(format!(
                    "`{}`: {} of {} series have no distance to another",
                    path.display(),
                    nodes.len() - met.len(),
                    nodes.len()
                ));
            }
            let joined = Joined {
                graph: graph(nodes.len(), &known),
                facts,
                places: None,
            };
            best = Some((path.clone(), joined, met.len()));
        }
    }
    match best {
        Some((path, _, 0)) => Err(fault(
            &path,
            format!(
                "none of its names is one of a series, as `{}`",
                nodes.first().map_or("", String::as_str)
            ),
        )),
        best => Ok(best.map(|(path, joined, _)| (path, joined))),
    }
}

/// Tables of distances in a folder, by name.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = |name: &str| {
        let ending = |ending: &&str| name.ends_with(&format!(".{ending}"));
        name.to_lowercase().starts_with(STEM) && ENDINGS.iter().any(ending)
    };
    let mut tables: Vec<PathBuf> = entries
        .filter(|entry| wanted(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    tables.sort();
    tables
}

fn graph(nodes: usize, known: &[(u32, u32, f64)]) -> SensorGraph {
    let count = known.len().max(1) as f64;
    let mean = known.iter().map(|(_, _, d)| d).sum::<f64>() / count;
    let variance = known
        .iter()
        .map(|(_, _, d)| (d - mean).powi(2))
        .sum::<f64>()
        / count;
    let weighted = known.iter().filter_map(|&(from, to, distance)| {
        let weight = (-distance.powi(2) / variance.max(f64::MIN_POSITIVE)).exp();
        (weight >= LEAST_WEIGHT).then_some((from, to, weight as f32))
    });
    // A pair that is told twice counts once.
    let mut pairs: Vec<(u32, u32, f32)> = weighted.collect();
    pairs.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
    pairs.dedup_by_key(|pair| (pair.0, pair.1));
    SensorGraph::new(nodes, &pairs)
}
