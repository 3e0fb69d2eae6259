use std::collections::BTreeMap;

use candor_baselines::Matrix;
use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{
    Column, ReadOptions, Role, Schema, Source, Split, Table, duplicates_across, read_table,
};
use candor_table::{
    TableEncoder, TableLearner, TableUnits, column_shuffled, columns_shuffled_apart,
};
use candor_train::{Learner, MemberError, Units};
use serde_json::Value;

use super::{Input, Inputs, Material, Opened, ReaderError, Readers, malformed, to_json};
use crate::{EngineError, FitSettings, Subject};

/// Reads the table, and below its rows those of the second one.
pub(super) fn open(settings: &FitSettings) -> Result<Opened, EngineError> {
    let options = ReadOptions {
        memory_bytes: settings.memory.or(settings.read.memory_bytes),
        ..settings.read.clone()
    };
    let read = read_table(&Source::parse(&settings.source)?, &options)?;
    let (mut table, mut test) = (read.table, None);
    let own = table.rows();
    if let Some(path) = &settings.test {
        let more = read_table(&Source::parse(path)?, &options)?;
        table = joined(table, &more.table)?;
        test = Some(more.facts);
    }
    Ok(Opened {
        test_rows: table.rows() - own,
        table,
        facts: read.facts,
        test,
        findings: Vec::new(),
        material: Box::new(Rows),
    })
}

/// A unit is a row: nothing is kept beside the table.
struct Rows;

impl Material for Rows {
    fn modality(&self) -> Modality {
        Modality::Table
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        vec![]
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        _targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        split.map_or_else(Vec::new, |split| duplicates_across(table, schema, split))
    }

    fn input(
        &self,
        table: &Table,
        schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&TableEncoder::fit(table, schema, development)?)
    }

    fn cells(&self, schema: &Schema) -> usize {
        schema.with_role(Role::Feature).count()
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        table: &Table,
        learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let encoder = encoder(input).map_err(malformed)?;
        let matrix = encoder.encode(table)?;
        Ok(Box::new(TableSubject {
            learner: TableLearner::new(target.task)?,
            units: TableUnits::units(matrix, learnable),
            encoder,
        }))
    }
}

fn encoder(input: &Value) -> Result<TableEncoder, String> {
    serde_json::from_value(input.clone()).map_err(|e| format!("the encoding of columns: {e}"))
}

/// How a deployed model reads rows.
struct TableInput {
    encoder: TableEncoder,
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let encoder = encoder(input).map_err(ReaderError::Damaged)?;
    let learner = TableLearner::new(task).map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(TableInput { encoder }), Box::new(learner)))
}

impl Input for TableInput {
    fn columns(&self) -> Vec<&str> {
        self.encoder.columns()
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        self.rows(&read_table(&Source::parse(source)?, options)?.table)
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        let matrix = self.encoder.encode(table)?;
        Ok(Inputs {
            units: TableUnits::units(matrix, Vec::new()),
            names: None,
            unreadable: BTreeMap::new(),
        })
    }
}

/// A table as the pipeline sees it.
struct TableSubject {
    encoder: TableEncoder,
    learner: TableLearner,
    units: Units,
}

impl TableSubject {
    fn matrix(&self) -> Result<&Matrix, EngineError> {
        Ok(self.units.get::<TableUnits>()?.matrix())
    }

    fn with_values(&self, rows: usize, values: Vec<f32>) -> Result<Units, EngineError> {
        let kinds = self.matrix()?.columns().to_vec();
        let matrix = Matrix::new(rows, kinds, values)
            .map_err(|error| MemberError::Training(error.to_string()))?;
        Ok(TableUnits::units(matrix, Vec::new()))
    }
}

impl Subject for TableSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&self.encoder)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        self.with_values(
            units.len(),
            columns_shuffled_apart(self.matrix()?, units, seed),
        )
    }

    fn parts(&self) -> Vec<String> {
        self.encoder
            .columns()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let features = self.encoder.features_of(part);
        self.with_values(
            units.len(),
            column_shuffled(self.matrix()?, units, features, seed),
        )
    }
}

/// The rows of `more` below those of `table`, column by column; columns that only `more` has are left out.
pub(super) fn joined(table: Table, more: &Table) -> Result<Table, EngineError> {
    let join = |column: Column| {
        let Some(other) = more.column(&column.name) else {
            return Err(EngineError::Setting {
                setting: "test",
                problem: format!("the file of test rows has no column `{}`", column.name),
            });
        };
        Ok(Column {
            name: column.name,
            values: column.values.followed_by(&other.values),
        })
    };
    Ok(Table {
        columns: table
            .columns
            .into_iter()
            .map(join)
            .collect::<Result<_, _>>()?,
    })
}
