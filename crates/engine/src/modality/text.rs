use std::collections::BTreeMap;
use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{
    Column, ColumnKind, ReadOptions, Role, Schema, SchemaOptions, Source, Split, Table, Values,
    decide_target, infer_schema, read_table,
};
use candor_sequence::text::{
    TextChange, TextLearner, TextSource, TextUnits, curate_texts, letters_shuffled, read_texts,
    text_check_names, text_part_shuffled, text_parts, texts_across, texts_changed, unusable_texts,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::joined;
use super::{
    Input, Inputs, Material, OF_NAMES, Opened, ReaderError, Readers, disturbance_named,
    leave_out_others, malformed, parts_of, rows_by_targets, to_json,
};
use crate::{EngineError, FitSettings, Subject};

/// The column of texts in rows, where the source is not a table.
const COLUMN: &str = "text";
/// The kind of finding about columns that are not looked at.
const BESIDE: &str = "columns-beside-texts";

/// The texts of a source, if it holds some.
pub(super) fn detect(source: &str) -> Option<TextSource> {
    TextSource::detect(Path::new(source))
}

/// Reads the texts, and behind them those of the second source.
pub(super) fn open(source: &TextSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    let memory = settings.memory.or(settings.read.memory_bytes);
    let first = read_texts(source, memory)?;
    let (mut table, mut texts, mut test_rows) = (first.table, first.texts, first.test_rows);
    let mut test = None;
    if let Some(path) = &settings.test {
        let Some(source) = detect(path) else {
            return Err(EngineError::WrongModality {
                what: format!("`{path}`"),
                expected: Modality::Text,
            });
        };
        let second = read_texts(&source, memory)?;
        test_rows += second.texts.len();
        table = joined(table, &second.table)?;
        texts.extend(second.texts);
        test = Some(second.facts);
    }
    Ok(Opened {
        table,
        facts: first.facts,
        test,
        test_rows,
        findings: Vec::new(),
        material: Box::new(Texts {
            column: COLUMN.to_owned(),
            in_table: false,
            texts,
        }),
    })
}

/// The same table with texts as its units, if words in sentences are all that it says of a row beside its target, and nobody said that the
/// column is for something else.
pub(super) fn claim(mut table: Opened, settings: &FitSettings) -> Opened {
    let Some(column) = only_text(&table, settings) else {
        return table;
    };
    table.facts.notes.push(format!(
        "`{column}` holds words in sentences, so that each row is a text; `--ignore {column}` makes it a table again"
    ));
    let texts = table.table.column(&column).map(|c| cells(&c.values));
    table.material = Box::new(Texts {
        column,
        in_table: true,
        texts: texts.unwrap_or_default(),
    });
    table
}

fn only_text(table: &Opened, settings: &FitSettings) -> Option<String> {
    let options = SchemaOptions {
        target: settings.target.clone(),
        group: settings.group.clone(),
        time_column: settings.time_column.clone(),
        sensitive: settings.sensitive.clone(),
        ignore: settings.ignore.clone(),
    };
    let mut schema = infer_schema(&table.table, &options).ok()?;
    let preferred = table.facts.default_target.as_deref();
    let decision = decide_target(
        &table.table,
        &schema,
        &settings.target,
        preferred,
        settings.task,
    );
    for name in decision.ok()?.target.names {
        schema.set_role(&name, Role::Target);
    }
    let mut features = schema
        .with_role(Role::Feature)
        .filter(|column| !matches!(column.kind, ColumnKind::Id | ColumnKind::Constant));
    match (features.next(), features.next()) {
        (Some(column), None) if column.kind == ColumnKind::Text => Some(column.name.clone()),
        _ => None,
    }
}

/// Texts of a column; a missing one is empty.
fn cells(values: &Values) -> Vec<String> {
    (0..values.len())
        .map(|row| values.text(row).unwrap_or_default())
        .collect()
}

/// A unit is a text.
struct Texts {
    /// Its column in rows.
    column: String,
    /// Whether the table of units has that column.
    in_table: bool,
    texts: Vec<String>,
}

impl Material for Texts {
    fn modality(&self) -> Modality {
        Modality::Text
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        [&OF_NAMES[..], &["target-leakage"]].concat()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        let mut names = text_check_names().to_vec();
        names.push(BESIDE);
        names
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        if !self.in_table {
            return Vec::new();
        }
        let remedy = format!(
            "models of texts see `{}` alone; `--ignore {}` makes models of a table that see the other columns instead",
            self.column, self.column
        );
        leave_out_others(schema, &self.column, BESIDE, "beside the text", remedy)
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        if let Some(split) = split {
            return texts_across(&self.texts, &parts_of(self.texts.len(), split));
        }
        let without = rows_by_targets(table, schema, |row, columns| {
            columns.iter().any(|values| values.is_missing(row))
        });
        curate_texts(&self.texts, targets, &without)
    }

    fn unusable(&self) -> Vec<(usize, String)> {
        unusable_texts(&self.texts)
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&Described {
            column: self.column.clone(),
        })
    }

    fn most_folds(&self) -> Option<usize> {
        // Networks take a minute; five tell about as well as eight which design is better.
        Some(5)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        /// Bytes that cost about as much as a cell of a table.
        const BYTES: usize = 16;
        let bytes: usize = self.texts.iter().map(String::len).sum();
        (bytes / BYTES).div_ceil(self.texts.len().max(1))
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        _table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        Ok(Box::new(TextSubject {
            learner: TextLearner::new(target.task)?,
            units: TextUnits::units(&self.texts),
            described: described(input).map_err(malformed)?,
            texts: self.texts,
        }))
    }
}

/// What a bundle knows of its texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    /// Their column in rows.
    column: String,
}

fn described(input: &Value) -> Result<Described, String> {
    serde_json::from_value(input.clone()).map_err(|e| format!("how texts are read: {e}"))
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let learner = TextLearner::new(task).map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(described), Box::new(learner)))
}

fn inputs(texts: &[String], names: Option<Vec<String>>) -> Inputs {
    let without = unusable_texts(texts).into_iter();
    Inputs {
        units: TextUnits::units(texts),
        names,
        unreadable: without
            .map(|(unit, _)| (unit, "The text is empty.".to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

impl Input for Described {
    fn columns(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        if let Some(found) = TextSource::detect_plain(Path::new(source)) {
            let read = read_texts(&found, options.memory_bytes)?;
            let names = read.names();
            return Ok(inputs(&read.texts, Some(names)));
        }
        self.rows(&read_table(&Source::parse(source)?, options)?.table)
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        let missing = || {
            EngineError::Rows(candor_table::RowError::MissingColumns {
                missing: vec![self.column.clone()],
                suggestion: String::new(),
            })
        };
        let column: &Column = table.column(&self.column).ok_or_else(missing)?;
        Ok(inputs(&cells(&column.values), None))
    }
}

/// Texts as the pipeline sees them.
struct TextSubject {
    described: Described,
    learner: TextLearner,
    units: Units,
    texts: Vec<String>,
}

impl TextSubject {
    fn texts_of(&self, units: &[usize]) -> Vec<&str> {
        let text = |&unit: &usize| self.texts.get(unit).map_or("", String::as_str);
        units.iter().map(text).collect()
    }
}

impl Subject for TextSubject {
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
        Ok(TextUnits::units(&letters_shuffled(
            &self.texts_of(units),
            seed,
        )))
    }

    fn parts(&self) -> Vec<String> {
        text_parts()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        text_part_shuffled(&self.texts_of(units), part, seed)
            .map(|texts| TextUnits::units(&texts))
            .ok_or_else(|| malformed(format!("there is no part `{part}` of texts")))
    }

    fn disturbances(&self) -> Vec<&'static str> {
        TextChange::ALL.map(TextChange::name).to_vec()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let change = disturbance_named(TextChange::ALL, TextChange::name, disturbance)?;
        let texts = texts_changed(&self.texts_of(units), change, severity, seed);
        Ok(TextUnits::units(&texts))
    }

    fn judging_share(&self) -> f64 {
        0.1
    }
}
