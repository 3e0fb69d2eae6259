use std::path::{Path, PathBuf};

use candor_core::Finding;
use candor_data::{SourceFacts, fingerprint_bytes};

use super::{ReadSeries, SeriesOptions, SeriesSource, late, period_finding, read_series, table_in};
use crate::{Apart, SeriesError, together};

/// The folders of series in a folder, by name, if it holds two or more of them and no other folder.
pub(super) fn folders(folder: &Path) -> Option<Vec<PathBuf>> {
    let visible = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        path.is_dir() && !name.to_string_lossy().starts_with('.')
    };
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(visible).collect();
    folders.sort();
    let series = folders
        .iter()
        .all(|folder| table_in(folder, "values").is_some());
    (series && folders.len() > 1).then_some(folders)
}

/// One of several sources.
struct Part {
    name: String,
    path: PathBuf,
    read: ReadSeries,
}

/// Reads the folders and joins their series on one clock. Series of two sources have no edge between them.
pub(super) fn read(
    folder: &Path,
    folders: Vec<PathBuf>,
    options: &SeriesOptions,
) -> Result<ReadSeries, SeriesError> {
    let part = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Part {
            name: name.into_owned(),
            read: read_series(&SeriesSource::Folder(path.clone()), options)?,
            path,
        })
    };
    let parts: Vec<Part> = folders
        .into_iter()
        .map(part)
        .collect::<Result<_, SeriesError>>()?;
    let Some(first) = parts.first() else {
        return Err(SeriesError::NoSeries {
            path: folder.to_owned(),
        });
    };
    let long = first.read.long.clone();
    let long = long.filter(|_| parts.iter().all(|part| part.read.long == first.read.long));
    let time_column = first.read.time_column.clone();
    let facts = facts(folder, &parts, &first.read.facts);
    let sources = parts.iter().map(|p| (p.name.as_str(), &p.read.series));
    let series = together(&sources.collect::<Vec<_>>()).map_err(|Apart { source, problem }| {
        let path = parts.get(source).map_or(folder, |part| &part.path);
        SeriesError::Several {
            path: path.to_owned(),
            problem,
        }
    })?;
    let mut findings = findings(parts);
    findings.extend(late(&series.values, &series.nodes));
    findings.push(period_finding(&series.calendar));
    Ok(ReadSeries {
        series,
        time_column,
        long,
        facts,
        findings,
    })
}

/// What was noticed in each of them; periods and late beginnings are looked for in the whole.
fn findings(parts: Vec<Part>) -> Vec<Finding> {
    let of_the_whole = |finding: &Finding| {
        let kind = finding.kind.as_str();
        kind == "periods" || kind == "series-begin-late"
    };
    let of_part = |part: Part| {
        let mut findings = part.read.findings;
        findings.retain(|finding| !of_the_whole(finding));
        findings.into_iter().map(move |finding| Finding {
            message: format!("{}: {}", part.name, finding.message),
            ..finding
        })
    };
    parts.into_iter().flat_map(of_part).collect()
}

fn facts(folder: &Path, parts: &[Part], first: &SourceFacts) -> SourceFacts {
    let of = || parts.iter().map(|part| &part.read.facts);
    let sums: Vec<&str> = of().map(|facts| facts.sha256.as_str()).collect();
    let notes = parts.iter().flat_map(|part| {
        let notes = part.read.facts.notes.iter();
        notes.map(|note| format!("{}: {note}", part.name))
    });
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    let told = format!(
        "{} sources, one model: {}; a series is called SOURCE/NAME",
        parts.len(),
        names.join(", ")
    );
    SourceFacts {
        source: folder.display().to_string(),
        sha256: fingerprint_bytes(sums.concat().as_bytes()).1,
        bytes: of().map(|facts| facts.bytes).sum(),
        notes: std::iter::once(told).chain(notes).collect(),
        ..first.clone()
    }
}
