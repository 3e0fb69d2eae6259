use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use candor_core::{Evidence, Finding, Severity};
use candor_data::{ReadOptions, SourceFacts, Values, time_values};

use super::{read as read_file, table_in};
use crate::{Calendar, Flows, SeriesError};

/// Names of the table.
const NAMES: [&str; 2] = ["mobility", "flows"];
/// Names that a finding tells at most.
const TOLD: usize = 10;

/// Flows that were read.
pub(super) struct Moving {
    pub path: PathBuf,
    pub flows: Flows,
    pub facts: SourceFacts,
    pub edges: usize,
    pub findings: Vec<Finding>,
}

/// The table of flows of a folder, if it has one.
pub(super) fn table(folder: &Path) -> Option<PathBuf> {
    NAMES.into_iter().find_map(|name| table_in(folder, name))
}

/// Edges that change with time: columns with the time, from, to, and how much. Series that only one of the tables knows are told.
pub(super) fn read(
    path: PathBuf,
    options: &ReadOptions,
    nodes: &[String],
    calendar: &Calendar,
    steps: usize,
) -> Result<Moving, SeriesError> {
    let fault = |problem: String| SeriesError::Graph {
        path: path.clone(),
        problem,
    };
    let (Some(start), Some(step)) = (calendar.start, calendar.step) else {
        return Err(fault(
            "its moments are times, and those of the series are not known".into(),
        ));
    };
    let found = read_file(&path, options, Some(true))?;
    let [time, from, to, much] = found.table.columns.as_slice() else {
        return Err(fault(format!(
            "it has {} columns; it needs four: the time, from, to, and how much",
            found.table.columns.len()
        )));
    };
    let Values::Numeric(amounts) = &much.values else {
        return Err(fault(format!("column `{}` holds no numbers", much.name)));
    };
    let places: HashMap<&str, u32> = (0..)
        .zip(nodes)
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    let mut moments = vec![Vec::new(); steps];
    let (mut strangers, mut known) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
    let (mut outside, mut edges) = (0usize, 0usize);
    for (row, (time, &amount)) in time_values(time).into_iter().zip(amounts).enumerate() {
        if !time.is_finite() {
            let text = found.table.columns[0].values.text(row).unwrap_or_default();
            return Err(fault(format!("row {}: `{text}` is no time", row + 1)));
        }
        if !amount.is_finite() || amount < 0.0 {
            return Err(fault(format!("row {}: a flow cannot be {amount}", row + 1)));
        }
        let mut end = |values: &Values| {
            let name = values.text(row).unwrap_or_default();
            let place = places.get(name.as_str()).copied();
            match place {
                Some(place) => {
                    known.insert(place);
                }
                None => *strangers.entry(name).or_default() += 1,
            }
            place
        };
        let ends = (end(&from.values), end(&to.values));
        let moment = (time - start) / step;
        // Times between two moments are not those of one.
        if (moment - moment.round()).abs() > 0.01
            || moment.round() < 0.0
            || moment.round() >= steps as f64
        {
            outside += 1;
        } else if let (Some(from), Some(to)) = ends {
            moments[moment.round() as usize].push((from, to, amount as f32));
            edges += 1;
        }
    }
    let first: Vec<String> = nodes.iter().take(3).cloned().collect();
    if known.is_empty() {
        return Err(fault(format!(
            "none of its names is one of a series, as `{}`",
            first.join("`, `")
        )));
    }
    if edges == 0 {
        return Err(fault("none of its times is one of the series'".into()));
    }
    let mut findings = Vec::new();
    if !strangers.is_empty() {
        let count = strangers.values().sum();
        findings.push(note(
            "nodes-only-in-flows",
            format!(
                "{} names in `{}` are no series",
                strangers.len(),
                path.display()
            ),
            strangers.into_keys().take(TOLD).collect(),
            count,
            "add their series, or check how names are written",
            "their edges are left out",
        ));
    }
    let silent: Vec<String> = (0..)
        .zip(nodes)
        .filter(|(place, _)| !known.contains(place))
        .map(|(_, name)| name.clone())
        .collect();
    if !silent.is_empty() {
        findings.push(note(
            "nodes-without-flows",
            format!(
                "{} of {} series have no edge in `{}`",
                silent.len(),
                nodes.len(),
                path.display()
            ),
            silent.iter().take(TOLD).cloned().collect(),
            silent.len(),
            "leave them out with `--ignore`, if forecasts of them are not asked for",
            "they are forecast from themselves and from all series together",
        ));
    }
    let empty = moments.iter().filter(|edges| edges.is_empty()).count();
    if empty + outside > 0 {
        findings.push(note(
            "moments-without-flows",
            format!(
                "{empty} of {steps} moments of the series have no edge in `{}`, and {outside} of its rows are of no moment of the series",
                path.display()
            ),
            Vec::new(),
            empty + outside,
            "give the edges of all moments, if they could be had",
            "nothing flows then; the rows are left out",
        ));
    }
    Ok(Moving {
        flows: Flows::new(nodes.len(), moments),
        facts: found.facts,
        edges,
        findings,
        path,
    })
}

fn note(
    kind: &str,
    message: String,
    columns: Vec<String>,
    count: usize,
    remedy: &str,
    action: &str,
) -> Finding {
    Finding {
        kind: kind.into(),
        severity: Severity::Note,
        columns,
        message,
        evidence: Evidence {
            count,
            ..Evidence::default()
        },
        remedy: remedy.into(),
        action: Some(action.into()),
    }
}
