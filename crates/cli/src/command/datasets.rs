use candor::EngineError;
use candor::data::{ReadOptions, Source, builtin_names, read_table};
use serde::Serialize;

use crate::Ending;
use crate::failure::Failure;
use crate::output;

#[derive(Serialize)]
struct Dataset {
    name: String,
    rows: usize,
    columns: usize,
    target: Option<String>,
}

/// Lists the built-in sets.
pub(crate) fn run(json: bool) -> Result<Ending, Failure> {
    let mut sets = Vec::new();
    for name in builtin_names() {
        let source = Source::Builtin(name.to_owned());
        let facts = read_table(&source, &ReadOptions::default())
            .map_err(EngineError::from)?
            .facts;
        sets.push(Dataset {
            name: format!("@{name}"),
            rows: facts.rows,
            columns: facts.columns,
            target: facts.default_target,
        });
    }
    if json {
        output::json(&sets)?;
        return Ok(Ending::Done);
    }
    let rows = sets.iter().map(|set| {
        vec![
            set.name.clone(),
            set.rows.to_string(),
            set.columns.to_string(),
            set.target.clone().unwrap_or_default(),
        ]
    });
    output::result(&output::columns(
        &["name", "rows", "columns", "target"],
        &rows.collect::<Vec<_>>(),
    ));
    Ok(Ending::Done)
}
