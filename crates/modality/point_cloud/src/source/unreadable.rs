use std::path::Path;

use candor_core::{Evidence, Finding, Severity};

use super::Fault;
use crate::CloudError;

/// Share of the files that may be damaged before a source is refused.
const LIMIT: f64 = 0.2;
/// Files that are named.
const SHOWN: usize = 10;

/// What is said of the files that cannot be read, by their names, among so many `units`, in words; nothing where there are none.
///
/// # Errors
/// When there are too many to learn from, if these are to be learned from.
pub(crate) fn unreadable(
    path: &Path,
    faults: &[(&str, &Fault)],
    shapes: usize,
    units: &str,
    labelled: bool,
) -> Result<Option<Finding>, CloudError> {
    let count = faults.len();
    if count == 0 {
        return Ok(None);
    }
    let shown: Vec<String> = faults
        .iter()
        .take(SHOWN)
        .map(|(name, fault)| format!("`{name}` ({fault})"))
        .collect();
    let examples = match count.saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    };
    if labelled && count as f64 > LIMIT * shapes as f64 {
        return Err(CloudError::Unreadable {
            path: path.to_owned(),
            unreadable: count,
            shapes,
            examples,
        });
    }
    Ok(Some(Finding {
        kind: "unreadable-shapes".to_owned(),
        severity: Severity::Warning,
        columns: Vec::new(),
        message: format!("{count} of {shapes} {units} cannot be read: {examples}"),
        evidence: Evidence {
            rows: Vec::new(),
            count,
            figure: format!("{:.1} %", 100.0 * count as f64 / shapes.max(1) as f64),
        },
        remedy: "write these files anew, or remove them".to_owned(),
        action: Some("left out".to_owned()),
    }))
}
